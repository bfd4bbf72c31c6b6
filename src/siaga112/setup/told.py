"""Parses the output of Asterisk's console (`asterisk -rx …`), versions 16 to 22."""

import re
from collections.abc import Mapping
from typing import Final

from siaga112.doctor.observations import Context, Contexts, Step

_CONTEXT: Final = re.compile(r"\[ Context '(.*)' created by '(.*)' \]")
_EXTEN: Final = re.compile(r"^  '(?P<exten>[^']*)'(?: \(CID match '(?P<cid>[^']*)'\))? =>\s+(?P<rest>.*)$")
_INCLUDE: Final = re.compile(r"^  Include =>\s+'(.*)'\s+\[")
_STEP: Final = re.compile(r"^\s*(?:\[(?P<label>[^\]]*)\]\s+)?(?P<priority>[0-9]+)\. (?P<call>.*)$")
_REGISTRAR: Final = re.compile(r"\s+\[[^\[\]]*\]$")
_QUEUE: Final = re.compile(r"^(\S+)\s+has [0-9]+ calls? ")
_GLOBAL: Final = re.compile(r"^\s+(\w+)=(.*)$")
_IDENTIFY: Final = re.compile(r"^\s*Identify:\s+([^<\s]\S*?)/(\S+)\s*$")
_PARAMETER: Final = re.compile(r"^ (\w+)\s+: (.*)$")
_FOLDER: Final = re.compile(r"^  ([\w/ ]+):\s+(/.*?)/?$")


def dialplan(text: str) -> tuple[Contexts, Mapping[str, str]]:
    """Parse `dialplan show`: the contexts, and the registrar of each."""
    steps: dict[str, dict[str, list[Step]]] = {}
    includes: dict[str, list[str]] = {}
    registrars: dict[str, str] = {}
    context = exten = ""
    for line in text.splitlines():
        if match := _CONTEXT.match(line):
            context, exten = match[1], ""
            registrars[context] = match[2]
            steps[context], includes[context] = {}, []
        elif not context:
            continue
        elif match := _INCLUDE.match(line):
            includes[context].append(match[1].partition(",")[0])
            exten = ""
        elif match := _EXTEN.match(line):
            exten = match["exten"] + (f"/{match['cid']}" if match["cid"] else "")
            _step(steps[context], exten, match["rest"])
        elif exten:
            _step(steps[context], exten, line)
    made = {
        name: Context({key: tuple(those) for key, those in extensions.items()}, tuple(includes[name]))
        for name, extensions in steps.items()
    }
    return made, registrars


def _step(extensions: dict[str, list[Step]], exten: str, line: str) -> None:
    if (match := _STEP.match(line)) is None:  # a hint, a switch, an ignored pattern, the total
        return
    call = _REGISTRAR.sub("", match["call"]).rstrip()
    application, _, data = call.partition("(")
    step = Step(int(match["priority"]), match["label"] or "", application, data.removesuffix(")"))
    extensions.setdefault(exten, []).append(step)


def version(text: str) -> str:
    """Parse `core show version`; Asterisk may print warnings before it. '' if there is no version."""
    lines = (line.partition(" built")[0].strip() for line in text.splitlines())
    return next((line for line in lines if line.startswith("Asterisk ")), "")


def globals_(text: str) -> dict[str, str]:
    """Parse `dialplan show globals`."""
    return {match[1]: match[2] for line in text.splitlines() if (match := _GLOBAL.match(line))}


def queues(text: str) -> dict[str, tuple[str, ...]]:
    """Parse `queue show`: each queue with its members' interfaces or names."""
    found: dict[str, list[str]] = {}
    name, within = "", False
    for line in text.splitlines():
        if match := _QUEUE.match(line):
            name, within = match[1], False
            found[name] = []
        elif line.strip() == "Members:":
            within = True
        elif not line.startswith("      "):
            within = False
        elif within and name:
            found[name].append(line.strip().partition(" (")[0])
    return {one: tuple(members) for one, members in found.items()}


def modules(text: str) -> frozenset[str]:
    """Parse `module show`: the loaded modules, without `.so`."""
    names = (line.partition(" ")[0] for line in text.splitlines())
    return frozenset(name.removesuffix(".so") for name in names if name.endswith(".so"))


def identified(text: str) -> tuple[str, ...]:
    """Parse `pjsip show endpoints`: those identified by the caller's address (`identify`)."""
    found = (_IDENTIFY.match(line) for line in text.splitlines())
    return tuple(dict.fromkeys(match[2] for match in found if match))


def parameter(text: str, name: str) -> str:
    """Parse one parameter of `pjsip show endpoint NAME`; '' if it is missing."""
    found = (_PARAMETER.match(line) for line in text.splitlines())
    return next((match[2].strip() for match in found if match and match[1] == name), "")


def engaged(text: str) -> tuple[tuple[str, str], ...]:
    """Parse `core show channels concise`: the context and extension of each channel."""
    rows = (line.split("!") for line in text.splitlines())
    return tuple((row[1], row[2]) for row in rows if len(row) > 2)  # noqa: PLR2004 - name, context, extension


def folders(text: str) -> dict[str, str]:
    """Parse `core show settings`: the folders and files that the running Asterisk uses, by their labels.

    asterisk.conf is no source: Debian's has them in a template section, which Asterisk ignores.
    """
    return {match[1]: match[2] for line in text.splitlines() if (match := _FOLDER.match(line))}
