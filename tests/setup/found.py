"""Facts as `looking` returns them, made from the configuration files in this module, without a PBX."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from siaga112.setup import ways
from siaga112.setup.conf import contexts, read
from siaga112.setup.facts import Facts, Live, Machine, Pbx, Places
from siaga112.setup.looking import ours
from siaga112.setup.planning import NEEDED, REACH, plan
from siaga112.setup.questions import Answers, Question, settled
from siaga112.setup.steps import Plan
from tests.pbx.foreign import FreePbx, Plain

ETC: Final = "/etc/asterisk"
SECRET: Final = "0123456789abcdef0123456789abcdef"
PLACES: Final = Places(
    "/etc/siaga112/siaga112.toml",
    "/etc/siaga112/credentials",
    "/etc/systemd/system",
    "/etc/sysusers.d/siaga112.conf",
)
MACHINE: Final = Machine(
    "pbx.serang.go.id", "Asia/Jakarta", "/opt/siaga112/bin/siaga112", systemd=True, redis=True, user=False
)

PJSIP: Final = """
[telco]
type = endpoint
context = from-telco
[telco]
type = identify
endpoint = telco
match = 192.0.2.1
[from-internal-phone]
type = endpoint
context = phones
auth = 101
aors = 101
"""
"""The phone has a trunk's name, but is not one."""

PLAIN: Final = {
    **Plain.files,
    "manager.conf": "[general]\nenabled = yes\nbindaddr = 127.0.0.1\n#include manager.d/*.conf\n",
    "modules.conf": "[modules]\nautoload = yes\n",
    "pjsip.conf": PJSIP,
}


FREEPBX: Final = {
    "16": {
        **FreePbx.files,
        "sip.conf": "[general]\n#include sip_additional.conf\n",
        "sip_additional.conf": "[telco]\ntype=peer\nhost=192.0.2.1\ncontext=from-trunk-sip-telco\n"
        "[101]\ntype=friend\nhost=dynamic\n",
        "manager.conf": "[general]\nenabled = yes\nbindaddr = 0.0.0.0\n#include manager_custom.conf\n",
        "modules.conf": "[modules]\nautoload=yes\n",
    },
    "17": {
        **FreePbx.files,
        "extensions_additional.conf": FreePbx.files["extensions_additional.conf"].replace(
            "exten => 1,1", "exten => 1#,1"
        ),
        "pjsip.conf": "#include pjsip.endpoint.conf\n#include pjsip.identify.conf\n",
        "pjsip.endpoint.conf": "[telco]\ntype=endpoint\ncontext=from-pstn\n",
        "pjsip.identify.conf": "[telco]\ntype=identify\nendpoint=telco\nmatch=192.0.2.1\n",
        "manager.conf": "[general]\nenabled = yes\nbindaddr = 0.0.0.0\n#include manager_custom.conf\n",
        "modules.conf": "[modules]\nautoload=yes\n",
    },
}
"""The relevant files that FreePBX generates: 16 with chan_sip, 17 with PJSIP."""


def facts(
    files: Mapping[str, str], *, freepbx: str = "", queues: Mapping[str, tuple[str, ...]] | None = None
) -> Facts:
    """Return the facts of a PBX that has loaded these files."""
    texts = {f"{ETC}/{name}": text for name, text in files.items()}
    conf = read(f"{ETC}/extensions.conf", texts, ETC)
    loaded = contexts(conf)
    confs = {
        name: read(f"{ETC}/{name}", texts, ETC)
        for name in ("pjsip.conf", "sip.conf", "iax.conf", "chan_dahdi.conf")
    }
    found = read(f"{ETC}/queues.conf", texts, ETC)
    names = dict.fromkeys(header.name for header in found.headers if header.name != "general")
    live = Live(
        loaded,
        dict.fromkeys(loaded, "pbx_config"),
        {},
        queues if queues is not None else dict.fromkeys(names, ("Local/101@operators/n",)),
        frozenset({*NEEDED, *REACH, "app_queue"}),
        tuple(ways.trunks_of_files(confs)),
    )
    pbx = Pbx("Asterisk 20.9.2", f"{ETC}/asterisk.conf", ETC, "/usr/share/asterisk", "asterisk", freepbx)
    return Facts(pbx, live, MACHINE, PLACES, texts, {})


def answered(found: Facts, given: Answers | None = None) -> tuple[Answers, list[Question]]:
    """Give every question its likely answer; return the answers and the questions."""
    asked: list[Question] = []
    answers, question = settled(found, given or Answers())
    while question:  # ends: each answer closes a question
        asked.append(question)
        answers, question = settled(found, question.answered(answers, ""))
    return answers, asked


def planned(found: Facts, given: Answers | None = None) -> Plan:
    """Return the plan for these facts with the likely answers."""
    answers, _ = answered(found, given)
    return plan(found, answers, ours(), SECRET)


def done(found: Facts, made: Plan) -> Facts:
    """Return the facts after the plan was executed."""
    wrote = {write.path: write.after for step in made.steps for write in step.writes}
    files = dict(found.files) | {
        path: content.decode() for path, content in wrote.items() if path.startswith(ETC)
    }
    after = facts(
        {path.removeprefix(f"{ETC}/"): text for path, text in files.items()}, freepbx=found.pbx.freepbx
    )
    keys = "siaga112-prank *71"
    live = replace(after.live, keys=keys, modules=after.live.modules - set(REACH))
    return replace(
        after,
        live=live,
        there={**found.there, **wrote},
        machine=replace(MACHINE, user=True),
        enabled=True,
        config=tomllib.loads(wrote[PLACES.config].decode()),
    )


def text(made: Plan, path: str) -> str:
    """Return a file's text after the plan."""
    return [write.after.decode() for step in made.steps for write in step.writes if write.path == path][-1]
