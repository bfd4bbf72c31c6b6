"""Dialplans as data: parse our own file, and trace a call through any dialplan."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from siaga112.doctor.observations import Context, Contexts, Step

GUARD: Final = "siaga112-screen"

ANSWERING: Final = frozenset({"answer", "background", "read", "queue", "dial", "record", "voicemail"})
"""Applications that answer a call or prompt the caller: the guard must come before them."""

SERVING: Final = frozenset({"queue", "dial", "record", "voicemail"})
"""Applications that serve a caller: a call that reaches one unscreened has bypassed the guard."""

SPECIAL: Final = frozenset({"h", "i", "t", "T", "o", "a", "e", "fax", "failed", "hangup"})
"""Extensions where no call starts."""

_DEPTH: Final = 100
_EXTEN: Final = re.compile(r"(exten|same)\s*=>\s*(.*)")
_PRIORITY: Final = re.compile(r"(\w+)(?:\(([\w-]+)\))?")


def parse(text: str) -> Contexts:
    """Parse an extensions.conf in the plain form that we ship: exten, same, n and labels."""
    contexts: dict[str, dict[str, list[Step]]] = {}
    context = exten = ""
    for raw in text.splitlines():
        line = re.sub(r"(?<!\\);.*", "", raw).replace(r"\;", ";").strip()
        if line.startswith("["):
            context = line.strip("[]")
            contexts[context] = {}
        elif match := _EXTEN.fullmatch(line):
            words, rest = match.groups()
            if words == "exten":
                exten, _, rest = rest.partition(",")
            priority, _, call = rest.partition(",")
            _, label = _numbered(priority)
            steps = contexts[context].setdefault(exten.strip(), [])
            application, _, data = call.partition("(")
            steps.append(Step(len(steps) + 1, label, application.strip(), data.removesuffix(")")))
    return {
        name: Context({exten: tuple(steps) for exten, steps in extensions.items()})
        for name, extensions in contexts.items()
    }


def _numbered(priority: str) -> tuple[str, str]:
    match = _PRIORITY.fullmatch(priority.strip())
    return (match[1], match[2] or "") if match else (priority, "")


@dataclass(frozen=True, slots=True)
class Route:
    """A call's route: whether it is screened, and what had answered it before ('' for nothing)."""

    guarded: bool
    answered: str = ""


def entries(contexts: Contexts, context: str) -> list[str]:
    """Return the extensions where a call may start in a context."""
    names = dict.fromkeys(name for one in family(contexts, context) for name in contexts[one].extensions)
    return [name for name in names if name not in SPECIAL]


def route(contexts: Contexts, context: str, exten: str) -> Route:
    """Trace a call from a context's extension to the guard, along every branch of the dialplan."""
    return _follow(contexts, Place(context, exten), Route(guarded=False), set(), 0)


@dataclass(frozen=True, slots=True)
class Place:
    """A position in the dialplan: the priority is a number or a label."""

    context: str
    exten: str
    priority: str = "1"


def _follow(contexts: Contexts, place: Place, so_far: Route, seen: set[Place], depth: int) -> Route:
    if place in seen or depth > _DEPTH:
        return so_far
    seen.add(place)
    for step in steps_at(contexts, place):
        if _asks(step):
            return replace(so_far, guarded=True)
        if _answers(step) and not so_far.answered:
            so_far = replace(so_far, answered=str(step))
        for target in targets(step, place):
            so_far = _follow(contexts, target, so_far, seen, depth + 1)
            if so_far.guarded:
                return so_far
        if step.application.lower() in {"goto", "hangup", "return"}:
            break
    return so_far


def around(contexts: Contexts, context: str, exten: str) -> str:
    """Return what serves a caller on a path around the guard; '' if every path passes it."""
    return _unasked(contexts, Place(context, exten), set(), 0)


def _unasked(contexts: Contexts, place: Place, seen: set[Place], depth: int) -> str:
    if place in seen or depth > _DEPTH:
        return ""
    seen.add(place)
    for step in steps_at(contexts, place):
        if _asks(step) and (_IF_LOADED in step.data or "?" not in step.data):
            return ""
        name, led = step.application.lower(), list(targets(step, place))
        if name in SERVING:
            return str(step)
        for target in led:
            called = name in {"gosub", "macro"}
            if called and _follow(contexts, target, Route(guarded=False), set(), depth + 1).guarded:
                return ""
            if found := _unasked(contexts, target, seen, depth + 1):
                return found
        if name in {"goto", "hangup", "return"} or (name == "gotoif" and _both(step)):
            break
    return ""


_IF_LOADED: Final = f"DIALPLAN_EXISTS({GUARD}"
"""A condition that is always true, unless our file is gone."""


def _both(step: Step) -> bool:
    yes, _, no = step.data.rpartition("?")[2].partition(":")
    return bool(yes.strip() and no.strip())


def dials(contexts: Contexts, context: str, exten: str) -> list[str]:
    """Return the telephones an extension dials, as far as they are literal."""
    return [
        device
        for step in steps_at(contexts, Place(context, exten))
        if step.application.lower() == "dial"
        for device in step.data.replace("${EXTEN}", exten).partition(",")[0].split("&")
        if "/" in device and "$" not in device and not device.startswith("Local/")
    ]


def takes(contexts: Contexts, context: str, numbers: Iterable[str]) -> bool:
    """Return whether calls to one of these numbers start in a context; without numbers, whether any do."""
    names = entries(contexts, context)
    wanted = list(numbers)
    return any(fits(name, number) for name in names for number in wanted) if wanted else bool(names)


def fits(name: str, number: str) -> bool:
    """Return whether an extension, which may be a pattern, matches a dialled number."""
    return name == number or (name.startswith("_") and matches(name, number))


def _asks(step: Step) -> bool:
    return step.application.lower() in {"gosub", "gosubif", "execif"} and GUARD in step.data


def _answers(step: Step) -> bool:
    name = step.application.lower()
    return name in ANSWERING or (name == "playback" and "noanswer" not in step.data)


def targets(step: Step, place: Place) -> Iterator[Place]:
    """Return where a step may lead a call, as far as it is literal."""
    match step.application.lower():
        case "goto" | "gosub":
            named = [step.data]
        case "gotoif" | "gosubif":
            named = step.data.rpartition("?")[2].split(":")
        case "macro":
            named = [f"macro-{step.data.partition(',')[0]},s,1"]
        case _:
            named = []
    for name in named:
        parts = [part.strip() for part in name.partition("(")[0].split(",")]
        parts = [part.replace("${EXTEN}", place.exten) for part in parts]
        if name.strip() and "$" not in "".join(parts):
            yield Place(*[place.context, place.exten][: 3 - len(parts)], *parts[-3:])


def leads_to(name: str, context: Context) -> set[str]:
    """Return the contexts a call may enter from this one."""
    led = {
        target.context
        for exten, steps in context.extensions.items()
        for step in steps
        for target in targets(step, Place(name, exten))
    }
    return led | set(context.includes)


def steps_at(contexts: Contexts, place: Place) -> tuple[Step, ...]:
    """Return the steps of a call from a position on; none if it does not exist."""
    for name in family(contexts, place.context):
        for exten in fitting(contexts[name], place.exten):
            steps = contexts[name].extensions[exten]
            for index, step in enumerate(steps):
                if place.priority in {str(step.priority), step.label}:
                    return steps[index:]
    return ()


def fitting(context: Context, exten: str) -> list[str]:
    """Return the extensions of a context that match a dialled number, most specific first."""
    patterns = (name for name in context.extensions if name.startswith("_") and matches(name, exten))
    exact = [exten] if exten in context.extensions else []
    return [*exact, *sorted((name for name in patterns if name != exten), key=_width)]


def _width(pattern: str) -> list[int]:
    signs = re.findall(r"\[[^\]]+\]|.", pattern[1:])
    return [_WIDE.get(sign.upper(), _RANGE if sign.startswith("[") else 1) for sign in signs]


_WIDE: Final = {"X": 10, "Z": 9, "N": 8, ".": 1_000, "!": 1_001}
"""How many digits each wildcard of a pattern matches; `.` and `!` match any number."""

_RANGE: Final = 7


def family(contexts: Contexts, name: str) -> Iterator[str]:
    """Return a context and its includes, each once, in search order."""
    waiting, seen = [name], set[str]()
    while waiting:  # ends: each name is visited once
        one = waiting.pop(0)
        if one in contexts and one not in seen:
            seen.add(one)
            yield one
            waiting = [*contexts[one].includes, *waiting]


_CLASSES: Final = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]", ".": ".+", "!": ".*"}


def matches(pattern: str, exten: str) -> bool:
    """Return whether a pattern (extensions.conf, with `_`) matches a dialled number."""
    regex = "".join(
        part if part.endswith("]") and part != "]" else _CLASSES.get(part.upper(), re.escape(part))
        for part in re.findall(r"\[[^\]\[]+\]|.", pattern.removeprefix("_"))
        if part != "-"
    )
    return re.fullmatch(regex, exten) is not None
