"""Plans the steps to a working installation, in an order that never harms a call. Pure.

First our own files, which no call reaches yet; then the AMI user, the operators' keys and the daemon; last
the one line that makes the PBX ask. What is already done needs no step, so a second plan is empty.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from siaga112.core.text import digits
from siaga112.doctor.dialplan import AGI_PORT, EVERYWHERE
from siaga112.doctor.walk import GUARD
from siaga112.setup import ways
from siaga112.setup.asking import guard
from siaga112.setup.conf import read
from siaga112.setup.draft import Draft, Made, Ours
from siaga112.setup.edits import appended, below
from siaga112.setup.facts import Facts
from siaga112.setup.questions import Answers, wrong
from siaga112.setup.steps import Dialplan, Listens, Login, Plan, Queues, Says, Step, Write, console
from siaga112.words import say

OLDEST: Final = 16
NEWEST: Final = 22
NEEDED: Final = ("app_exec", "app_stack", "func_channel", "func_strings", "pbx_config", "res_agi")
"""Modules that our dialplan needs to ask."""

USER: Final = "siaga112"
AMI_PORT: Final = 5038
UNITS: Final = ("siaga112-screen", "siaga112-track", "siaga112.target")
MORE_UNITS: Final = (
    "siaga112-console", "siaga112-doctor", "siaga112-screen.socket", "siaga112-backup.timer",
)  # fmt: skip
"""Units that the target, or somebody since then, may have started too."""

REACH: Final = ("func_realtime", "func_sorcery")
"""Modules that give the holder of our AMI secret more access than we need (docs/security.md)."""

OUR_PROGRAM: Final = "/opt/siaga112/bin/siaga112"
"""The program in the shipped units."""

_BY_DEFAULT: Final[Mapping[str, object]] = {
    "trunk_contexts": ["siaga112-incoming"],
    "numbers": [],
    "ivr_contexts": ["siaga112-ivr"],
    "queues": ["siaga112"],
}
"""The defaults of `[pbx]`."""

LONGEST_SECONDS: Final = 1_800.0
"""The timeout for migrating the data of an older version."""

_PERMIT: Final = "permit = 127.0.0.1/255.255.255.255\n"
_ALLOW: Final = "IPAddressAllow=localhost"
"""Who may reach our AMI user and our units, as shipped."""

_IPV4: Final = 4
_FALSE: Final = frozenset({"", "no", "false", "n", "f", "0", "off"})


def known_secret(facts: Facts) -> str:
    """Return the AMI user's present secret; '' if there is none."""
    kept = facts.there.get(facts.places.secret, b"").decode("utf-8", "replace").strip()
    if kept:
        return kept
    user = facts.there.get(_user_file(facts), b"").decode("utf-8", "replace")
    secret = next(
        (line.partition("=")[2].strip() for line in user.splitlines() if line.startswith("secret")), ""
    )
    return "" if secret == "change-me" else secret  # noqa: S105 - the shipped placeholder


def _user_file(facts: Facts) -> str:
    """Return the AMI user's file; on FreePBX not where `fwconsole chown` makes it readable for all."""
    if facts.pbx.freepbx:
        return str(PurePosixPath(facts.places.config).parent / "manager_siaga112.conf")
    return f"{facts.pbx.etc}/manager.d/siaga112.conf"


def targets(facts: Facts, ours: Ours) -> tuple[str, ...]:
    """Return all paths at which we install files."""
    etc, places = facts.pbx.etc, facts.places
    return (
        f"{etc}/extensions_siaga112.conf",
        f"{etc}/features_siaga112.conf",
        _user_file(facts),
        places.config,
        places.secret,
        places.sysusers,
        *(f"{facts.pbx.data}/sounds/{name}" for name in ours.prompts),
        *(f"{places.units}/{name}" for name in ours.units),
    )


def plan(facts: Facts, answers: Answers, ours: Ours, secret: str, *, service: bool = True) -> Plan:
    """Make the plan. `service`: with the daemon's user and its units.

    A plan without problems can be executed.
    """
    draft = Draft(facts, answers, ours, secret, service, dict(facts.files), dict(facts.there))
    draft.problems += [*_against(facts, service=service), *wrong(facts, answers)]
    if draft.problems:
        return Plan((), tuple(draft.problems))
    steps = []
    for make in (*(_SERVICE if service else ()), *_PBX, *(_DAEMON if service else ()), guard):
        step, needed = make(draft)
        if step.writes or needed or (step.name in facts.unfinished and (step.commands or step.checks)):
            steps.append(step)
    return Plan(() if draft.problems else tuple(steps), tuple(draft.problems), tuple(draft.notes))


def _against(facts: Facts, *, service: bool) -> Iterator[str]:
    """Yield the problems that rule out any plan."""
    pbx, machine = facts.pbx, facts.machine
    if pbx.major and not OLDEST <= pbx.major <= NEWEST:
        yield f"{pbx.version}: siaga112 is tried with {OLDEST} to {NEWEST}"
    for module in NEEDED:
        if facts.live.modules and module not in facts.live.modules:
            yield f"Asterisk has not loaded {module}.so, which we need; in modules.conf: load = {module}.so"
    yield from (f"{path} cannot be read: run as root" for path in facts.unreadable)
    for name in ("extensions.conf", "manager.conf", "features.conf", "queues.conf"):
        for missing in read(f"{pbx.etc}/{name}", facts.files, pbx.etc).missing:
            yield f"{missing}, which is not there: Asterisk would not reload {name}; put that right first"
    extensions = read(f"{pbx.etc}/extensions.conf", facts.files, pbx.etc)
    users = read(f"{pbx.etc}/users.conf", facts.files, pbx.etc)
    other = ways.pending(extensions, users, facts.live.contexts, facts.live.registrars)
    if other and facts.unfinished.isdisjoint({"dialplan", "guard"}):
        yield (
            f"{other} runs otherwise than extensions.conf says: put it in force "
            "(asterisk -rx 'dialplan reload') or take it out first, for setup's reload would"
        )
    if service and not machine.redis:
        yield "redis-server is not installed, which keeps the block list: apt install redis-server"
    manager = read(f"{pbx.etc}/manager.conf", facts.files, pbx.etc)
    if (header := manager.header(USER)) and header.file != _user_file(facts):
        yield f"{header.file}:{header.number} has a user [{USER}] already: take it out, setup makes one"


def _account(draft: Draft) -> Made:
    places, user = draft.facts.places, draft.facts.machine.user
    writes = (
        []
        if user and places.sysusers not in draft.there
        else draft.put(places.sysusers, draft.ours.texts["config/systemd/siaga112.sysusers"].encode())
    )
    command = ("systemd-sysusers", places.sysusers)
    return Step(
        "account",
        say("The daemon's user"),
        tuple(writes),
        (command,),
        (Says(("getent", "passwd", USER), f"{USER}:"),),
    ), not user


def _configuration(draft: Draft) -> Made:
    places = draft.facts.places
    writes: list[Write] = []
    if draft.facts.config is None:
        writes += draft.put(places.config, _toml(draft).encode())
    else:
        draft.notes += _unlike(draft.facts.config, draft.answers, places.config)
    writes += draft.put(places.secret, f"{draft.secret}\n".encode(), 0o600, folder=0o700)
    return Step(
        "configuration", say("siaga112's configuration, and a secret for the PBX"), tuple(writes)
    ), False


def _unlike(config: Mapping[str, object], answers: Answers, path: str) -> Iterator[str]:
    """Yield the differences between the answers and an existing configuration, which is not rewritten."""
    pbx = config.get("pbx")
    said: Mapping[str, object] = pbx if isinstance(pbx, dict) else {}
    for key, answer in (
        ("trunk_contexts", answers.trunks),
        ("numbers", answers.numbers),
        ("ivr_contexts", answers.menus),
        ("queues", answers.queues),
    ):
        line = f"[pbx] {key} = {json.dumps(list(answer or ()))}"
        if list(answer or ()) != said.get(key, _BY_DEFAULT[key]):
            yield f"{path} is left as it is; it should say {line}"
    if answers.site and config.get("site", "siaga112") != answers.site:
        yield f"{path} is left as it is; it should say site = {json.dumps(answers.site)}"


def _toml(draft: Draft) -> str:
    answers = draft.answers
    lines = [
        "# Written by siaga112 setup. All keys, with their defaults: siaga112 files config --to DIR",
        f"site = {_quoted(answers.site or '')}",
    ]
    if answers.timezone:
        lines.append(f"timezone = {_quoted(answers.timezone)}")
    sections: dict[str, dict[str, object]] = {"ami": {}, "pbx": {}, "agi": {}}
    host, port = _ami(draft)
    if host != "127.0.0.1":
        sections["ami"]["host"] = host
    if port != AMI_PORT:
        sections["ami"]["port"] = port
    sections["pbx"] = {
        "trunk_contexts": list(answers.trunks or ()),
        "numbers": list(answers.numbers or ()),
        "ivr_contexts": list(answers.menus or ()),
        "queues": list(answers.queues or ()),
    }
    host, port = _agi(draft)
    if host != "127.0.0.1":
        sections["agi"]["host"] = host
    if port != AGI_PORT:
        sections["agi"]["port"] = port
    for name, values in sections.items():
        if values:
            lines += [
                "",
                f"[{name}]",
                *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()),
            ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _ami(draft: Draft) -> tuple[str, int]:
    """Return host and port of the manager interface, for a program on this machine."""
    bound, port = _bound(draft), draft.conf("manager.conf").value("general", "port")
    here = bound in {*EVERYWHERE, "localhost"}
    return "127.0.0.1" if here else bound, int(port) if digits(port) else AMI_PORT


def _bound(draft: Draft) -> str:
    """Return the address at which manager.conf says to listen."""
    return draft.conf("manager.conf").value("general", "bindaddr").strip("[]")


def _own_addresses(*hosts: str) -> Iterator[str]:
    """Yield those that are addresses of this machine in its network: whoever asks one comes from it."""
    for host in dict.fromkeys(hosts):
        with suppress(ValueError):  # a name
            address = ip_address(host)
            if address.version == _IPV4 and not (address.is_loopback or address.is_unspecified):
                yield host


def _agi(draft: Draft) -> tuple[str, int]:
    """Return host and port that the dialplan asks: from its global variable, else from the configuration."""
    agi = (draft.facts.config or {}).get("agi")
    said: Mapping[str, object] = agi if isinstance(agi, dict) else {}
    at = urlsplit(draft.facts.live.globals.get("SIAGA_AGI", ""))
    host, port = str(said.get("host", "127.0.0.1")), said.get("port", AGI_PORT)
    try:
        return at.hostname or host, at.port or (port if isinstance(port, int) else AGI_PORT)
    except ValueError:
        return host, AGI_PORT


def _prompts(draft: Draft) -> Made:
    folder = f"{draft.facts.pbx.data}/sounds"
    writes = [
        write
        for name, content in draft.ours.prompts.items()
        for write in draft.put(f"{folder}/{name}", content)
    ]
    return Step("prompts", say("What callers hear"), tuple(writes)), False


def _dialplan(draft: Draft) -> Made:
    """Load our contexts; no call goes there yet."""
    name = "extensions_siaga112.conf"
    writes = [*draft.put(f"{draft.etc}/{name}", draft.ours.texts[f"asterisk/{name}"].encode())]
    if not draft.conf("extensions.conf").includes(f"{draft.etc}/{name}"):
        path = draft.own("extensions.conf")
        writes += draft.edit(path, appended(draft.files.get(path, ""), [f"#tryinclude {name}"]))
    reload_ = console("dialplan reload")
    return Step(
        "dialplan",
        say("Our part of the dialplan, which no call reaches yet"),
        tuple(writes),
        (reload_,),
        (Dialplan(loaded=(GUARD, "siaga112-blocked", "siaga112-operator")),),
        undo_then=(reload_,),
        calm_undo=((GUARD, "*"), ("siaga112-blocked", "*"), ("siaga112-verstat", "*")),
    ), GUARD not in draft.facts.live.contexts


def _manager(draft: Draft) -> Made:
    facts, path = draft.facts, draft.own("manager.conf")
    user = _user_file(facts)
    shipped = draft.ours.texts["asterisk/manager.d/siaga112.conf"].replace(
        "secret = change-me", f"secret = {draft.secret}"
    )
    for address in _own_addresses(_ami(draft)[0]):
        shipped = shipped.replace(_PERMIT, f"{_PERMIT}permit = {address}/255.255.255.255\n")
    writes = [*draft.put(user, shipped.encode(), 0o640, facts.pbx.group)]
    conf = draft.conf("manager.conf")
    lines = []
    if conf.value("general", "enabled").lower() in _FALSE:
        lines.append("enabled = yes")
        lines += ["bindaddr = 127.0.0.1"] if _bound(draft) in EVERYWHERE else []
    if conf.value("general", "timestampevents").lower() in _FALSE:
        lines.append("timestampevents = yes")
    if lines:
        lines.insert(0, "[general](+)" if conf.header("general") else "[general]")
    if not conf.includes(user):
        lines.append(f"#tryinclude {user.removeprefix(f'{draft.etc}/')}")
    if lines:
        writes += draft.edit(path, appended(draft.files.get(path, ""), lines))
    reload_ = console("manager reload")
    return Step(
        "manager",
        say("Our AMI user, which can listen and ask, but change nothing"),
        tuple(writes),
        (reload_,),
        (Login(*_ami(draft), draft.secret),),
        undo_then=(reload_,),
    ), False


def _reach(draft: Draft) -> Made:
    """Unload the modules that our AMI user must not reach, if the dialplan does not use them."""
    title = say("Modules left out, for what our AMI user must not reach")
    conf = draft.conf("modules.conf")
    kept = {line.value for line in conf.lines if line.key == "noload"}
    out = [name for name in REACH if f"{name}.so" not in kept and name not in kept]
    loaded = [name for name in REACH if name in draft.facts.live.modules]
    if not out and not loaded:
        return Step("reach", title), False
    if used := _uses(draft.facts):
        draft.notes.append(
            f"[{used}] uses REALTIME or AST_SORCERY: func_realtime and func_sorcery stay (docs/security.md)"
        )
        return Step("reach", title), False
    header = conf.header("modules")
    if draft.facts.pbx.freepbx or header is None:
        if out:
            draft.notes.append(
                "left to you, in modules.conf below [modules]: "
                + ", ".join(f"noload = {name}.so" for name in out)
            )
        return Step("reach", title), False
    lines = [f"noload = {name}.so" for name in out]
    return Step(
        "reach",
        title,
        tuple(draft.edit(header.file, below(draft.files[header.file], header, lines))),
        tuple(console(f"module unload {name}.so") for name in loaded),
        undo_then=tuple(console(f"module load {name}.so") for name in loaded),
    ), bool(loaded)


def _uses(facts: Facts) -> str:
    """Return a context that uses functions of these modules; '' if there is none."""
    for name, context in facts.live.contexts.items():
        for steps in context.extensions.values():
            if any("REALTIME" in step.data or "AST_SORCERY" in step.data for step in steps):
                return name
    return ""


def _keys(draft: Draft) -> Made:
    """Define the keys by which operators mark calls."""
    conf, name = draft.conf("features.conf"), "features_siaga112.conf"
    shipped = draft.ours.texts[f"asterisk/{name}"]
    lines = [
        line
        for line in shipped.splitlines()
        if "=>" in line
        and not line.startswith(";")
        and not conf.value("applicationmap", line.partition("=>")[0].strip())
    ]
    writes: list[Write] = []
    path = draft.own("features.conf")
    header = conf.header("applicationmap")
    if lines and draft.facts.pbx.freepbx:
        writes += draft.edit(path, appended(draft.files.get(path, ""), lines))
    elif lines and header:
        writes += draft.edit(header.file, below(draft.files[header.file], header, lines))
    elif lines:
        writes += draft.put(f"{draft.etc}/{name}", shipped.encode())
        writes += draft.edit(path, appended(draft.files.get(path, ""), [f"#tryinclude {name}"]))
    reload_ = console("module reload features")
    return Step(
        "keys",
        say("The operators' keys, *71 to *74"),
        tuple(writes),
        (reload_,),
        (Says(console("features show"), "siaga112-prank"),),
        undo_then=(reload_,),
    ), "siaga112-prank" not in draft.facts.live.keys


def _queues(draft: Draft) -> Made:
    """Enable the keys for operators connected by a queue. On FreePBX the line that asks does that."""
    conf, writes = draft.conf("queues.conf"), list[Write]()
    for queue in draft.answers.queues or () if not draft.facts.pbx.freepbx else ():
        header = conf.header(queue)
        gosub = conf.inherited(queue, "membergosub")
        if header is None:
            draft.notes.append(f"queue {queue} is in no file: its operators have no keys during a call")
        elif not gosub:
            line = "membergosub = siaga112-operator"
            writes += draft.edit(header.file, below(draft.files[header.file], header, [line]))
            conf = draft.conf("queues.conf")  # the edit shifted its lines
        elif gosub.partition(",")[0] != "siaga112-operator":
            draft.notes.append(
                f"queue {queue} has membergosub = {gosub}: add Gosub(siaga112-operator,s,1) to that yourself"
            )
    gosubs = {line.section for line in conf.lines if line.value.startswith("siaga112-operator")}
    draft.notes += [
        f"{header.file}:{header.number}: [{header.name}](+) outlives the queue, and then Asterisk reads none "
        "at all: take it out (manual)"
        for header in conf.headers
        if header.name in gosubs and "+" in header.options
    ]
    reload_ = console("queue reload all")
    merged: dict[str, Write] = {}
    for write in writes:  # write a file with several queues once
        first = merged.get(write.path, write)
        merged[write.path] = Write(write.path, write.after, first.before)
    return Step(
        "queues",
        say("The keys for the operators of your queues"),
        tuple(merged.values()),
        (reload_,) if merged else (),
        (Queues(),),
        undo_then=(reload_,),
    ), False


def _units(draft: Draft) -> Made:
    facts, places = draft.facts, draft.facts.places
    host, port = _agi(draft)
    theirs = {
        OUR_PROGRAM: facts.machine.program,
        f"ListenStream=127.0.0.1:{AGI_PORT}": f"ListenStream={host}:{port}",
        _ALLOW: " ".join((_ALLOW, *_own_addresses(host, _ami(draft)[0]))),
    }
    writes: list[Write] = []
    for name, content in draft.ours.units.items():
        text = content.decode()
        for shipped, here in theirs.items():
            text = text.replace(shipped, here)
        writes += draft.put(f"{places.units}/{name}", text.encode())
    if not facts.machine.systemd:
        draft.notes.append(f"systemd does not run here: when it does, it starts {', '.join(UNITS[:2])}")
        return Step(
            "units",
            say("The daemon's units"),
            tuple(writes),
            (("systemctl", "enable", *UNITS),) if writes else (),
            undo_first=(("systemctl", "disable", *UNITS),),
        ), False
    upgraded = any(write.before is not None for write in writes)
    return (
        Step(
            "units",
            say("The daemon, started, and after each boot"),
            tuple(writes),
            (
                ("systemctl", "daemon-reload"),
                ("systemctl", "enable", *UNITS),
                ("systemctl", "restart" if upgraded or facts.older else "start", *UNITS[:2]),
                (
                    "systemctl",
                    "start",
                    "--no-block",
                    UNITS[2],
                ),  # starts the console too, which no call depends on
            ),
            (
                *(Says(("systemctl", "is-active", unit), "active") for unit in UNITS[:2]),
                Listens(*_agi(draft)),
            ),
            undo_first=(("systemctl", "disable", "--now", *UNITS, *MORE_UNITS),),
            undo_then=(("systemctl", "daemon-reload"),),
        ),
        not facts.enabled or facts.older,
    )


def _older(draft: Draft) -> Made:
    """Migrate the data that only Redis has; the new daemon, already running, adds nothing to it."""
    facts = draft.facts
    title = say("What siaga112 before 0.1.0 kept in Redis, copied into the database")
    if facts.older and (facts.sealed or not facts.machine.systemd):
        draft.notes.append(
            "Redis has calls and blocks of siaga112 before 0.1.0: carry them over with siaga112 migrate "
            "--from-redis (docs/upgrade.md)"
        )
        return Step("older", title), False
    words = ("--config", facts.places.config, "migrate", "--from-redis")
    command = ("runuser", "-u", USER, "--", facts.machine.program, *words)
    return Step("older", title, commands=(command,), seconds=LONGEST_SECONDS), facts.older


_SERVICE: Final[tuple[Callable[[Draft], Made], ...]] = (_account,)
_PBX: Final = (_configuration, _prompts, _dialplan, _manager, _reach, _keys, _queues)
_DAEMON: Final = (_units, _older)
