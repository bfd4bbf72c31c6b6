"""Faults that show in what Asterisk has loaded: trunks, telephones, edited files without reload, FreePBX."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tests.lab import ports
from tests.pbx.doctor.bench import OPERATOR, TRUNK, Bench
from tests.pbx.doctor.fault import Arrange, Edit, Fault, Settings

USER: Final = "manager.d/siaga112.conf"
RELOAD: Final = "on the PBX: asterisk -rx 'module reload manager'"
FORGOTTEN_TRUNK: Final = Edit("pjsip.conf", "[transport]", f"{TRUNK}[transport]")

PHONE: Final = """
[102]
type = endpoint
context = {context}
disallow = all
allow = ulaw
auth = 102
aors = 102
[102]
type = auth
username = 102
password = made-up-for-the-lab
[102]
type = aor
max_contacts = 1
"""
"""A telephone that is switched off."""

SIP: Final = """
[general]
bindport = {port}
udpbindaddr = 127.0.0.1
allowguest = no
[telkom]
type = peer
host = 127.0.0.9
context = from-forgotten
"""
HTTP: Final = "[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = {port}\n"
IAX: Final = """
[general]
bindport = {port}
bindaddr = 127.0.0.1
[telkom]
type = friend
host = 127.0.0.9
context = from-forgotten
"""

NO_PHONE: Final = (
    "is the phone on, and registered? on the PBX: asterisk -rx 'pjsip show contacts' "
    "(chan_sip: 'sip show peers'); "
)
NAME_IT: Final = (
    'in [pbx] of {config}: trunk_contexts = ["siaga112-incoming", "from-forgotten"] '
    "(not if no 112 call comes from there)"
)


def phone(context: str) -> Edit:
    """Add the telephone, in this context."""
    return Edit("pjsip.conf", "[transport]", f"{PHONE.format(context=context)}[transport]")


def with_driver(module: str, file: str, text: str) -> Arrange:
    """Load a channel driver with a trunk in a context that the configuration does not name."""

    @asynccontextmanager
    async def arrange(bench: Bench) -> AsyncIterator[Settings]:
        path = bench.pbx.folder / "etc" / file
        path.write_text(text.format(port=ports.free()), "utf-8")
        await bench.lab.action({"Action": "ModuleLoad", "LoadType": "load", "Module": module})
        try:
            yield {}
        finally:
            await bench.lab.action({"Action": "ModuleLoad", "LoadType": "unload", "Module": module})
            path.unlink()

    return arrange


@asynccontextmanager
async def no_endpoint_function(bench: Bench) -> AsyncIterator[Settings]:
    """Unload the function that shows an endpoint's settings."""
    module = {"Action": "ModuleLoad", "Module": "func_pjsip_endpoint.so"}
    await bench.lab.action({**module, "LoadType": "unload"})
    try:
        yield {}
    finally:
        await bench.lab.action({**module, "LoadType": "load"})


@asynccontextmanager
async def paused(bench: Bench) -> AsyncIterator[Settings]:
    """Pause all operators."""
    pause = {"Action": "QueuePause", "Queue": "siaga112", "Interface": "Local/101@operators/n"}
    await bench.lab.action({**pause, "Paused": "true"})
    try:
        yield {}
    finally:
        await bench.lab.action({**pause, "Paused": "false"})


def unread(file: str, old: str, new: str) -> Arrange:
    """Edit a file without a reload; date it 5 s ahead, since Asterisk reports reloads in whole seconds."""

    @asynccontextmanager
    async def arrange(bench: Bench) -> AsyncIterator[Settings]:
        path = bench.pbx.folder / "etc" / file
        text, kept = path.read_text("utf-8"), path.stat()
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")
        os.utime(path, (time.time() + 5, time.time() + 5))
        try:
            yield {}
        finally:
            path.write_text(text, "utf-8")
            os.utime(path, (kept.st_atime, kept.st_mtime))

    return arrange


@asynccontextmanager
async def more_in_force(bench: Bench) -> AsyncIterator[Settings]:
    """Take a right from the AMI user in the file, without a reload."""
    file = bench.pbx.folder / "etc" / USER
    kept = file.stat()
    async with bench.edited(Edit(USER, "write = reporting", "write = reporting,originate")):
        text = file.read_text("utf-8")
        file.write_text(text.replace(",originate", ""), "utf-8")
        os.utime(file, (kept.st_atime, kept.st_mtime))
        yield {}


@asynccontextmanager
async def files_elsewhere(bench: Bench) -> AsyncIterator[Settings]:
    """Hide Asterisk's files, as if they were on another machine."""
    files = bench.pbx.folder / "etc"
    away = files.rename(files.with_name("etc-away"))
    try:
        yield {}
    finally:
        away.rename(files)


@asynccontextmanager
async def over_http(bench: Bench) -> AsyncIterator[Settings]:
    """Put the AMI on Asterisk's web server, which other machines reach after its next start."""
    edits = (
        Edit("manager.conf", "enabled = yes", "enabled = yes\nwebenabled = yes"),
        Edit(
            "http.conf", "\n", f"[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = {ports.free()}\n"
        ),
    )
    async with bench.edited(*edits):
        path = bench.pbx.folder / "etc/http.conf"
        path.write_text(path.read_text("utf-8").replace("127.0.0.1", "0.0.0.0"), "utf-8")
        yield {}


PAUSED_ELSEWHERE: Final = "operators log in; or in queues.conf [siaga112]: member => PJSIP/101,0,NAME"
GUARD: Final = " same => n,Gosub(siaga112-screen,s,1)\n"

FREEPBX: Final = Edit(
    "extensions.conf",
    "[office]",
    "[from-pstn]\ninclude => from-pstn-custom\n[from-pstn-custom]\nexten => 112,1,NoOp()\n[office]",
)
"""As much of FreePBX as the doctor looks for."""
GUARD_AROUND: Final = (
    "exten => 112,1,GotoIf($[${NIGHT} = 1]?s,1:day,1)\nexten => day,1,Queue(siaga112)\n[siaga112-ivr]"
)

FAULTS: Final = (
    Fault(
        "a trunk's context is left out of the configuration",
        "warn",
        "trunks",
        "the trunk PJSIP/trunk-forgotten sends its calls to [from-forgotten], which is no trunk's context "
        "here: they come into no ledger",
        NAME_IT,
        edits=(FORGOTTEN_TRUNK,),
        versions=("22", "16"),
    ),
    Fault(
        "the context of a chan_sip trunk is left out of the configuration",
        "warn",
        "trunks",
        "the trunk SIP/telkom sends its calls to [from-forgotten], which is no trunk's context here: "
        "they come into no ledger",
        NAME_IT,
        arrange=with_driver("chan_sip.so", "sip.conf", SIP),
        versions=("16",),
    ),
    Fault(
        "the context of an IAX2 trunk is left out of the configuration",
        "warn",
        "trunks",
        "the trunk IAX2/telkom sends its calls to [from-forgotten], which is no trunk's context here: "
        "they come into no ledger",
        NAME_IT,
        arrange=with_driver("chan_iax2.so", "iax.conf", IAX),
        versions=("22", "16"),
    ),
    Fault(
        "no trunk has the context that the configuration names",
        "warn",
        "trunks",
        "no trunk sends its calls to [office]: none from there is followed",
        "in [pbx] of {config}: trunk_contexts = the context of your trunks (pjsip.conf); "
        "there are: siaga112-incoming",
        settings={"pbx.trunk_contexts": ["siaga112-incoming", "office"]},
        versions=("22", "16"),
    ),
    Fault(
        "an operator's phone dials in a trunk's context",
        "warn",
        "trunks",
        "the operator's phone PJSIP/102 dials in [siaga112-incoming], a trunk's context here: "
        "whatever it dials counts as a citizen's call",
        "give that phone a context of its own (pjsip.conf: context)",
        edits=(
            phone("siaga112-incoming"),
            Edit("queues.conf", OPERATOR, f"{OPERATOR}member => PJSIP/102,0,Budi\n"),
        ),
    ),
    Fault(
        "the PBX does not show its trunks",
        "-",
        "trunks",
        "not checked: the PBX does not show its trunks (func_pjsip_endpoint.so)",
        "on the PBX: asterisk -rx 'pjsip show endpoint NAME', of each trunk: its context",
        arrange=no_endpoint_function,
        versions=("22", "16"),
    ),
    Fault(
        "a trunk may have been added on another machine",
        "-",
        "trunks",
        "not checked: a trunk that was added since the PBX began and has had no call is not shown",
        "on the PBX: asterisk -rx 'pjsip show endpoint NAME', of each trunk: its context",
        arrange=files_elsewhere,
    ),
    Fault(
        "an operator is logged in, and the phone is not registered",
        "warn",
        "operators' phones",
        "logged in to siaga112, but the phone cannot be reached: Budi (PJSIP/102)",
        f"{NO_PHONE}who is not there: asterisk -rx 'queue remove member PJSIP/102 from siaga112'",
        edits=(
            phone("phones"),
            Edit("queues.conf", OPERATOR, f"{OPERATOR}member => PJSIP/102,0,Budi\n"),
        ),
        versions=("22", "16"),
    ),
    Fault(
        "the only operator's phone does not exist",
        "warn",
        "operators' phones",
        "logged in to siaga112, but the phone cannot be reached: PJSIP/nobody; nobody else is there",
        f"{NO_PHONE}who is not there: asterisk -rx 'queue remove member PJSIP/nobody from siaga112'",
        edits=(Edit("queues.conf", OPERATOR, "member => PJSIP/nobody\n"),),
    ),
    Fault(
        "the phone behind a Local channel is not registered",
        "warn",
        "operators' phones",
        "logged in to siaga112, but the phone cannot be reached: Budi (Local/102@phones/n)",
        f"{NO_PHONE}who is not there: asterisk -rx 'queue remove member Local/102@phones/n from siaga112'",
        edits=(
            phone("phones"),
            Edit("queues.conf", OPERATOR, f"{OPERATOR}member => Local/102@phones/n,0,Budi\n"),
        ),
        versions=("22", "16"),
    ),
    Fault(
        "the phone behind a Local channel cannot be seen",
        "-",
        "operators' phones",
        "not checked: the PBX does not show the phone behind Local/101@operators/n",
        "in queues.conf [siaga112]: member => Local/101@operators/n,0,NAME,PJSIP/101",
        edits=(Edit("queues.conf", OPERATOR, "member => Local/101@operators/n\n"),),
    ),
    Fault(
        "nobody is logged in",
        "warn",
        "operators' phones",
        "nobody is logged in to siaga112: callers wait for nobody",
        PAUSED_ELSEWHERE,
        edits=(Edit("queues.conf", OPERATOR),),
        versions=("22", "16"),
    ),
    Fault(
        "all operators are paused",
        "warn",
        "operators' phones",
        "all who are logged in to siaga112 are paused: Siti",
        "on the PBX: asterisk -rx 'queue show siaga112' says since when; operators end their pause",
        arrange=paused,
    ),
    Fault(
        "the AMI is open to the network, and has been since the last reload",
        "warn",
        "AMI address",
        "the AMI listens on every address of the PBX: bindaddr = 0.0.0.0",
        f"in manager.conf [general]: bindaddr = 127.0.0.1 (then {RELOAD})",
        edits=(
            Edit("manager.conf", "bindaddr = 127.0.0.1", "bindaddr = 0.0.0.0"),
            Edit(
                "manager.conf", "[lab]", "[lab]\ndeny = 0.0.0.0/0.0.0.0\npermit = 127.0.0.1/255.255.255.255"
            ),
        ),
        versions=("22", "16"),
    ),
    Fault(
        "the AMI is there over HTTP too",
        "warn",
        "AMI address",
        "the AMI is there over HTTP too, in clear, at 0.0.0.0",
        f"in manager.conf [general]: webenabled = no (then {RELOAD}); or bindaddr = 127.0.0.1 in http.conf",
        arrange=over_http,
    ),
    *(
        Fault(
            f"{what} was edited, and nobody has had it read",
            "warn",
            "PBX files",
            f"{name}, or what it includes, was edited after Asterisk last read its files: what stands there, "
            "and is judged here, is not in force",
            f"on the PBX: asterisk -rx 'module reload {module}'",
            arrange=unread(file, old, new),
            versions=("22", "16"),
        )
        for what, name, module, file, old, new in (
            ("our AMI user", "manager.conf", "manager", USER, "writetimeout = 5000", "writetimeout = 6000"),
            ("features.conf", "features.conf", "features", "features.conf", "[general]", "[general]\n;"),
            ("queues.conf", "queues.conf", "app_queue.so", "queues.conf", "[general]", "[general]\n;"),
        )
    ),
    Fault(
        "Asterisk's files are on another machine",
        "-",
        "PBX files",
        "not checked: Asterisk's files are on another machine, or not for us to see: whether they are in "
        "force",
        "on the PBX, after each edit: asterisk -rx 'core reload'",
        arrange=files_elsewhere,
    ),
    Fault(
        "a right was taken from the AMI user, and nobody has had it read",
        "warn",
        "AMI write class",
        "the user may more than siaga112 needs: Originate",
        f"in {USER} [siaga112]: write = reporting (it stands there, and is not in force: {RELOAD})",
        arrange=more_in_force,
        versions=("22", "16"),
    ),
    Fault(
        "by night calls go around the guard",
        "warn",
        "dialplan guard",
        "some calls to 112 in [siaga112-incoming] come to Queue(siaga112) without having been asked about",
        "in [siaga112-incoming], before Answer() and the menu: same => n,Gosub(siaga112-screen,s,1)"
        ", before whatever decides",
        edits=(Edit("extensions.conf", "[siaga112-ivr]", GUARD_AROUND),),
        settings={"pbx.numbers": ["112"]},
        versions=("22", "16"),
    ),
    Fault(
        "the guard is called on a condition",
        "warn",
        "dialplan guard",
        "some calls to 112 in [siaga112-incoming] come to Queue(siaga112,r,…) without having been asked "
        "about",
        "in [siaga112-incoming], before Answer() and the menu: same => n,Gosub(siaga112-screen,s,1)"
        ", before whatever decides",
        edits=(
            Edit(
                "extensions.conf",
                f"{GUARD} same => n,Goto(siaga112-ivr,s,1)",
                ' same => n,ExecIf($["${SCREEN}" = "yes"]?Gosub(siaga112-screen,s,1))\n'
                " same => n,Goto(siaga112-queue,s,1)",
            ),
        ),
        settings={"pbx.numbers": ["112"]},
    ),
    Fault(
        "the dialplan asks another machine",
        "fail",
        "dialplan AGI address",
        "the dialplan asks agi://192.0.2.7:{agi_port}/screen, but [agi] host is 127.0.0.1",
        "in extensions.conf [globals]: SIAGA_AGI=agi://{agi}/screen",
        edits=(Edit("extensions.conf", "SIAGA_AGI=agi://127.0.0.1", "SIAGA_AGI=agi://192.0.2.7"),),
        versions=("22", "16"),
    ),
    Fault(
        "an operator's key does something else",
        "warn",
        "operators' keys",
        "features.conf has siaga112-prank => *71,self/callee,Gosub(siaga112-mark,s,1(genuine)), "
        "which is not of this version",
        "siaga112-prank => *71,self/callee,Gosub(siaga112-mark,s,1(prank)) "
        "(siaga112 files asterisk --to /etc/asterisk --diff)",
        edits=(Edit("features.conf", "1(prank)", "1(genuine)"),),
    ),
    Fault(
        "on FreePBX: events carry no time",
        "warn",
        "AMI timestamps",
        "events carry no time of the PBX's: calls are timed by their arrival here",
        "in manager_custom.conf [general](+): timestampevents = yes",
        edits=(FREEPBX, Edit("manager.conf", "timestampevents = yes")),
        versions=("22", "16"),
    ),
    Fault(
        "on FreePBX: the operators' keys are not included",
        "warn",
        "operators' keys",
        "operators cannot mark calls: features.conf [applicationmap] lacks …",
        "on the PBX: siaga112 files asterisk --to /etc/asterisk; then "
        "grep '=>' /etc/asterisk/features_siaga112.conf >> /etc/asterisk/features_applicationmap_custom.conf",
        edits=(FREEPBX, Edit("features.conf", "#include", ";")),
    ),
    Fault(
        "on FreePBX: the queue does not give operators their keys",
        "warn",
        "keys in queues",
        "operators of siaga112 have no keys to mark calls: queues.conf [siaga112] has no membergosub",
        "in extensions_custom.conf [from-pstn-custom], below the line that asks: same => n,"
        "ExecIf(${{DIALPLAN_EXISTS(siaga112-operator,s,1)}}?Set(VQ_GOSUB=siaga112-operator)) "
        "(then on the PBX: asterisk -rx 'dialplan reload')",
        edits=(FREEPBX, Edit("queues.conf", "membergosub = siaga112-operator")),
    ),
    Fault(
        "on FreePBX: the guard is not called",
        "fail",
        "dialplan guard",
        "calls in [siaga112-incoming] are let in without asking: nothing leads to siaga112-screen",
        "in extensions_custom.conf [from-pstn-custom]: exten => 112,1,Gosub(siaga112-screen,s,1), "
        "and below it: same => n,Goto(ext-did,${{EXTEN}},1)",
        edits=(FREEPBX, Edit("extensions.conf", GUARD)),
    ),
    Fault(
        "on FreePBX: our dialplan is not included",
        "fail",
        "dialplan file",
        "the dialplan has no context [siaga112-screen]",
        "in extensions_custom.conf: #tryinclude extensions_siaga112.conf "
        "(siaga112 files asterisk --to /etc/asterisk)",
        edits=(
            FREEPBX,
            Edit("extensions.conf", "[siaga112-screen]", "[siaga112-other]"),
        ),
    ),
    Fault(
        "on FreePBX: marks are to be spoken, and the dialplan beeps",
        "warn",
        "marks confirmed",
        "marks are confirmed by beeps, though [operators] confirm is voice",
        "in globals_custom.conf: SIAGA_CONFIRM=voice",
        edits=(FREEPBX,),
        settings={"operators.confirm": "voice"},
    ),
)
"""Each fault is made alone, on a bench that is otherwise in order."""
