"""Places the one line that makes the PBX ask, for each trunk and number. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from siaga112.core.text import digits
from siaga112.doctor.observations import Context, Contexts
from siaga112.doctor.observations import Step as Priority
from siaga112.doctor.walk import GUARD, Route, around, route
from siaga112.setup import ways
from siaga112.setup.conf import Conf
from siaga112.setup.draft import Draft, Made
from siaga112.setup.edits import UnplaceableError, appended, below, guarded, onward
from siaga112.setup.steps import Dialplan, Step, Write, console
from siaga112.words import say


def guard(draft: Draft) -> Made:
    """Make the PBX ask about each call to the emergency number before it is answered."""
    wanted: dict[tuple[str, str], None] = {}
    calls: list[tuple[str, str]] = []
    writes: dict[str, Write] = {}
    for trunk in draft.answers.trunks or ():
        for number in draft.answers.numbers or _own(draft, trunk):
            if _asked(draft.facts.live.contexts, trunk, number):
                calls.append((trunk, number))
            elif place := _place(draft, trunk, number):
                for write in _asking(draft, place, number):
                    first = writes.get(write.path, write)
                    writes[write.path] = Write(write.path, write.after, first.before)
                wanted[place.context, place.exten] = None
                calls.append((trunk, number))
    reload_ = console("dialplan reload")
    asking = tuple(wanted)
    return Step(
        "guard",
        say("The question: from now on the PBX asks about each call, and continues without an answer"),
        tuple(writes.values()),
        (reload_,),
        (Dialplan(asking, (GUARD,), tuple(calls)),),
        undo_then=(reload_,),
        calm=asking,
        calm_undo=(),
    ), any(not ways.guarded(draft.facts.live.contexts, *one) for one in asking)


def _asked(contexts: Contexts, trunk: str, number: str) -> bool:
    """Return whether each call is asked about before anything answers, wherever somebody put the line."""
    return route(contexts, trunk, number) == Route(guarded=True) and not around(contexts, trunk, number)


def _own(draft: Draft, trunk: str) -> list[str]:
    """Return the extensions of a trunk's own context; the contexts it includes may serve other calls too."""
    return [
        name
        for name in ways.entries(draft.facts.live.contexts, trunk)
        if name in draft.facts.live.contexts[trunk].extensions
    ]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the line goes: an existing extension, or a new one that continues in `onward`, else in `last`."""

    context: str
    exten: str
    onward: tuple[str, ...] = ()
    last: str = ""


def _place(draft: Draft, trunk: str, number: str) -> _Place | None:
    """Find where the line goes for a trunk's calls; None if the trunk does not accept the number."""
    contexts = draft.facts.live.contexts
    if (found := ways.home(contexts, trunk, number)) is None:
        return None
    context, exten = found
    if further := ways.goes_on(contexts, trunk, number):
        draft.problems.append(_by_hand(context, exten, f"calls go on at {further}, by its number"))
        return None
    if parent := _parent(draft, trunk, number):
        hook = f"{parent}-custom"
        if hook in contexts and number in contexts[hook].extensions:
            return _Place(hook, number)
    elif context == trunk:
        return _Place(trunk, exten)
    else:
        parent, hook = trunk, trunk
    if not digits(number.removeprefix("+")):
        draft.problems.append(
            f"[{context}] {exten} is no number: name those that are the emergency line's (--number)"
        )
        return None
    searched = tuple(name for name in contexts[parent].includes if name != hook)
    last = next((name for name in searched if ways.home(contexts, name, number)), "")
    return _Place(hook, number, searched, last) if last else None


def _parent(draft: Draft, trunk: str, number: str) -> str:
    """Return the FreePBX context whose `-custom` hook sees these calls first; '' if there is none."""
    contexts = draft.facts.live.contexts
    if not draft.facts.pbx.freepbx:
        return ""
    for parent in ("from-pstn", trunk):
        hook = f"{parent}-custom"
        if parent in contexts and hook in contexts[parent].includes:
            there = contexts.get(hook, Context({}))
            asking = {number: (Priority(1, "", "Gosub", f"{GUARD},s,1"),)}
            tried = {**contexts, hook: Context({**there.extensions, **asking}, there.includes)}
            if route(tried, trunk, number).guarded:
                return parent
    return ""


def _asking(draft: Draft, place: _Place, number: str) -> Iterator[Write]:
    """Add the line to the files, if the extension does not ask yet."""
    contexts, conf = draft.facts.live.contexts, draft.conf("extensions.conf")
    context, exten = place.context, place.exten
    if ways.guarded(contexts, context, exten) or _written(conf, context, exten):
        return
    if context in draft.facts.live.registrars and draft.facts.live.registrars[context] != "pbx_config":
        draft.problems.append(
            _by_hand(context, exten, f"it is made by {draft.facts.live.registrars[context]}")
        )
        return
    if place.last:
        header, before = conf.header(context), _freepbx_keys(draft)
        lines = onward(number, place.onward, place.last, before)
        path = header.file if header else draft.own("extensions.conf")
        text = draft.files.get(path, "")
        yield from draft.edit(
            path, below(text, header, lines) if header else appended(text, [f"[{context}]", *lines])
        )
        return
    if jump := ways.jump_into(contexts, context, exten):
        draft.problems.append(_by_hand(context, exten, f"{jump} counts its lines"))
        return
    try:
        changed = guarded(conf, draft.files, context, exten)
    except UnplaceableError as error:
        draft.problems.append(_by_hand(context, exten, str(error)))
        return
    for path, text in changed.items():
        yield from draft.edit(path, text)


def _freepbx_keys(draft: Draft) -> list[str]:
    """Return the lines that give operators their keys in FreePBX's queues: a channel variable (VQ_GOSUB).

    A section `[600](+)` in queues_post_custom.conf is no option: if the queue is deleted, Asterisk loads no
    queue at all.
    """
    takes = any(
        "VQ_GOSUB" in step.data
        for context in draft.facts.live.contexts.values()
        for steps in context.extensions.values()
        for step in steps
    )
    if takes:
        return ["ExecIf(${DIALPLAN_EXISTS(siaga112-operator,s,1)}?Set(VQ_GOSUB=siaga112-operator))"]
    if draft.facts.pbx.freepbx and draft.answers.queues:
        draft.notes.append(
            "the queues take no Gosub from a call: operators mark by dialling *71 to *74 after it (manual)"
        )
    return []


def _written(conf: Conf, context: str, exten: str) -> bool:
    """Return whether the files already have the line, loaded or not."""
    values = [line.value for line in conf.lines if (line.section, line.key) == (context, "exten")]
    return any(value.startswith(f"{exten},1") and GUARD in value for value in values)


def _by_hand(context: str, exten: str, why: str) -> str:
    return (
        f"[{context}] {exten}: {why}; put same => n,Gosub(siaga112-screen,s,1) before Answer() by hand "
        "(docs/manual.md), then run setup again"
    )
