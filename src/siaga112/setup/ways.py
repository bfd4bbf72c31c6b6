"""Traces calls through the dialplan: from trunks, by the dialled number, through menus, to queues. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from siaga112.core.text import digits
from siaga112.core.tracking.menus import ASKING
from siaga112.doctor.observations import Contexts, Step
from siaga112.doctor.walk import GUARD, SPECIAL, Place, family, fitting, matches, steps_at, targets
from siaga112.setup.conf import Conf, contexts
from siaga112.setup.facts import Trunk

OURS: Final = "siaga112-"
EMERGENCY: Final = "112"

_IF_ASKS: Final = re.compile(rf"[?:]\s*({'|'.join(sorted(ASKING))})\(", re.IGNORECASE)
_JUMPS: Final = frozenset({"goto", "gotoif", "gotoiftime", "gosub", "gosubif"})
_IN_CALL: Final = re.compile(r"\b(?:Goto|Gosub)\(([^()]*)", re.IGNORECASE)
_HANDED_ON: Final = re.compile(r"Goto\(([^,$]+),\$\{EXTEN\},1\)", re.IGNORECASE)
_LAST: Final = frozenset({"goto", "hangup", "return"})
"""Applications after which a call does not go on in its extension."""

_MANY: Final = 20_000
"""More places than any call passes; bounds the search in a generated dialplan."""


def trunks_of_files(confs: Mapping[str, Conf]) -> Iterator[Trunk]:
    """Yield the endpoints that are other machines, from the files of each technology."""
    yield from _registered(confs["pjsip.conf"])
    yield from _peers("SIP", confs["sip.conf"])
    yield from _peers("IAX2", confs["iax.conf"])
    yield from _lines(confs["chan_dahdi.conf"])


def _registered(conf: Conf) -> Iterator[Trunk]:
    """Yield PJSIP endpoints with an outbound registration or an identify section: calls come from there."""
    sections = {header.name for header in conf.headers}
    for name in dict.fromkeys(
        line.section for line in conf.lines if (line.key, line.value) == ("type", "registration")
    ):
        endpoint = conf.value(name, "endpoint") or name.removesuffix("-registration").removesuffix("-reg")
        if endpoint in sections:
            yield Trunk("PJSIP", endpoint, conf.value(endpoint, "context"), f"registration {name}")
    for name in dict.fromkeys(
        line.section for line in conf.lines if (line.key, line.value) == ("type", "identify")
    ):
        endpoint = conf.value(name, "endpoint")
        if endpoint in sections:
            yield Trunk("PJSIP", endpoint, conf.value(endpoint, "context"), f"identify {name}")


def _peers(technology: str, conf: Conf) -> Iterator[Trunk]:
    """Yield the peers of chan_sip or IAX2 with a fixed address; phones register theirs."""
    general = conf.value("general", "context") or "default"
    for name in dict.fromkeys(header.name for header in conf.headers if "!" not in header.options):
        host = conf.inherited(name, "host")
        if (
            name != "general"
            and host
            and host != "dynamic"
            and conf.inherited(name, "type") in {"peer", "friend", "user"}
        ):
            yield Trunk(technology, name, conf.inherited(name, "context") or general, f"host {host}")


def _lines(conf: Conf) -> Iterator[Trunk]:
    """Yield DAHDI's channel groups that lead to an exchange."""
    now: dict[str, str] = {}
    for line in conf.lines:
        if line.key != "channel":
            now[line.key] = line.value
        elif now.get("signalling", "").startswith(("pri", "bri", "fxs", "ss7", "mfcr2")):
            yield Trunk("DAHDI", line.value, now.get("context", "default"), f"signalling {now['signalling']}")


def candidates(trunks: tuple[Trunk, ...], contexts: Contexts) -> tuple[str, ...]:
    """Return the existing contexts in which calls from trunks arrive."""
    return tuple(dict.fromkeys(trunk.context for trunk in trunks if trunk.context in contexts))


def entries(contexts: Contexts, context: str) -> list[str]:
    """Return the extensions at which a call may begin: in `context`, its includes and its forwarding targets.

    FreePBX's trunk context matches every number by a pattern and forwards it: `Goto(from-trunk,${EXTEN},1)`.
    """
    names: dict[str, None] = {}
    waiting, seen = [context], set[str]()
    while waiting:  # ends: each context is visited once
        if (first := waiting.pop(0)) in seen:
            continue
        seen.add(first)
        for one in family(contexts, first):
            for name, steps in contexts[one].extensions.items():
                names[name.partition("/")[0]] = None
                led = [_HANDED_ON.fullmatch(str(step)) for step in steps if name.startswith("_")]
                waiting += [found[1].strip() for found in led if found]
    return [name for name in names if name not in SPECIAL]


def home(contexts: Contexts, context: str, number: str) -> tuple[str, str] | None:
    """Return the context and the extension that match a number, in Asterisk's order; None if none does."""
    for one in family(contexts, context):
        if found := fitting(contexts[one], number):
            return one, found[0]
    return None


@dataclass(slots=True)
class Reached:
    """The menus and queues that calls reach."""

    menus: dict[str, None] = field(default_factory=dict)
    queues: dict[str, None] = field(default_factory=dict)
    blind: bool = False
    """Whether a jump's target or a queue's name is only known during the call."""


def reached(contexts: Contexts, starts: list[Place]) -> Reached:
    """Trace calls from `starts` along every branch and every key."""
    found = Reached()
    waiting, seen = list(starts), set[Place]()
    while waiting and len(seen) < _MANY:  # ends: each place is visited once
        place = waiting.pop()
        if place in seen or place.context.startswith(OURS):
            continue
        seen.add(place)
        for step in steps_at(contexts, place):
            application = step.application.lower()
            if application == "queue":
                _queue(step, place, found)
            if asks(step):
                found.menus[place.context] = None
                waiting += [Place(place.context, exten) for exten in _keys(contexts, place.context)]
            led = [*targets(step, place), *_led(step, place)]
            waiting += led
            found.blind |= application in _JUMPS and not led and GUARD not in step.data
            if application in _LAST:
                break
    return found


def _queue(step: Step, place: Place, found: Reached) -> None:
    name = step.data.partition(",")[0].replace("${EXTEN}", place.exten)
    if "$" in name:
        found.blind = True
    else:
        found.queues[name] = None


def _led(step: Step, place: Place) -> Iterator[Place]:
    """Yield the jumps within ExecIf and similar applications."""
    if step.application.lower() not in {"execif", "exec", "tryexec", "execiftime"}:
        return
    for found in _IN_CALL.findall(step.data):
        yield from targets(Step(step.priority, "", "Goto", found), place)


def _keys(contexts: Contexts, context: str) -> list[str]:
    return [name for one in family(contexts, context) for name in contexts[one].extensions if name != "h"]


def asks(step: Step) -> bool:
    """Return whether a step waits for a key from the caller."""
    application = step.application.lower()
    return application in ASKING or (application == "execif" and _IF_ASKS.search(step.data) is not None)


def asking(contexts: Contexts) -> list[str]:
    """Return all contexts that ask for a key."""
    return [
        name
        for name, context in contexts.items()
        if not name.startswith(OURS)
        and any(asks(step) for steps in context.extensions.values() for step in steps)
    ]


def pending(conf: Conf, users: Conf, loaded: Contexts, registrars: Mapping[str, str]) -> str:
    """Return an extension or context that the files and the loaded dialplan disagree on; '' if there is none.

    Such an edit is not in force yet, and our reload would activate it. Anything made by a template, a
    variable, a program or users.conf is skipped.
    """
    if conf.executes:
        return ""
    written = contexts(conf)
    more = any(header.name != "general" for header in users.headers)
    made = {header.name for header in conf.headers if header.options.strip() not in {"", "+"}}
    for name in [*written, *loaded]:
        if name in made or name.startswith(OURS) or registrars.get(name, "pbx_config") != "pbx_config":
            continue
        if more and name not in written:
            continue
        if name not in loaded or name not in written:
            if any("$" not in exten for exten in (written.get(name) or loaded[name]).extensions):
                return f"[{name}]"
            continue
        files, runs = written[name].extensions, loaded[name].extensions
        for exten in dict.fromkeys([*files, *runs]):
            here, there = ([step.application.lower() for step in one.get(exten, ())] for one in (files, runs))
            if "$" not in exten and here != there:
                return f"[{name}] {exten}"
    return ""


def guarded(contexts: Contexts, context: str, exten: str) -> bool:
    """Return whether an extension asks us before anything else."""
    steps = contexts[context].extensions.get(exten, ()) if context in contexts else ()
    return bool(steps) and GUARD in steps[0].data


def goes_on(contexts: Contexts, context: str, number: str) -> str:
    """Return where a call goes on when its extension has no further step; '' if nowhere.

    Asterisk looks for the next priority in the other extensions that match, so an inserted line skips one
    there.
    """
    places = [
        (name, exten) for name in family(contexts, context) for exten in fitting(contexts[name], number)
    ]
    steps = [contexts[name].extensions[exten] for name, exten in places]
    if not steps or not steps[0] or steps[0][-1].application.lower() in _LAST:
        return ""
    further = steps[0][-1].priority + 1
    return next(
        (
            f"[{name}] {exten},{further}"
            for (name, exten), those in zip(places[1:], steps[1:], strict=True)
            if any(step.priority == further for step in those)
        ),
        "",
    )


def jump_into(contexts: Contexts, context: str, exten: str) -> str:
    """Return a jump to a numbered priority of an extension that an inserted line would shift; '' if none."""
    for name, where in contexts.items():
        for other, steps in where.extensions.items():
            for step in steps:
                for target in _jumps(step):
                    if _hits(target, (name, other), (context, exten)):
                        return f"[{name}] {other},{step.priority} {step}"
    return ""


def _jumps(step: Step) -> Iterator[str]:
    application = step.application.lower()
    if application in {"goto", "gosub"}:
        yield step.data
    elif application in {"gotoif", "gotoiftime", "gosubif"}:
        yield from step.data.rpartition("?")[2].split(":")
    else:
        yield from _IN_CALL.findall(step.data)


def _hits(target: str, here: tuple[str, str], extension: tuple[str, str]) -> bool:
    *where, priority = [part.strip() for part in target.partition("(")[0].split(",")]
    numbered = digits(priority) and int(priority) > 1
    if not numbered and not (
        ("$" in priority or priority[:1] in {"+", "-"}) and not where and here == extension
    ):
        return False
    context, exten = extension
    full = [*here[: 2 - len(where)], *where][-2:]
    return ("$" in full[0] or full[0] == context) and (
        "$" in full[1] or full[1] == exten or (exten.startswith("_") and matches(exten, full[1]))
    )
