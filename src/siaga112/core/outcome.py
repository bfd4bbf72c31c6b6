"""Classification: assign exactly one outcome to an ended call, with the facts that decided it.

`RULES` lists the rules in order of precedence; the first one that finds its evidence wins. Every rule needs
facts that were *seen*. No rule treats a missing fact as proof of misuse: if no rule applies, the call is
`unknown`, and an unknown call never costs a strike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from siaga112.core import unserved
from siaga112.core.model import (
    SECOND,
    Call,
    Fact,
    FactKind,
    Finding,
    Millis,
    Outcome,
    Reason,
    Stages,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class ClassifierRules:
    """The centre's limits. `early_drop`: who leaves within this time, before the queue, dropped early.

    The time runs from the end of our own screening. A slow verdict therefore never turns a dropped call into
    a prank.
    """

    early_drop: Millis = 3 * SECOND


Evidence = tuple[Reason, tuple[Fact, ...]]
Rule = Callable[[Call, ClassifierRules], Evidence | None]

_LEAVING: Final = (
    FactKind.LEFT_MENU,
    FactKind.LEFT_CHOICE,
    FactKind.LEFT_BEFORE_QUEUE,
    FactKind.LEFT_QUEUE,
    FactKind.LEFT_RINGING,
    FactKind.LEFT_ARRIVAL,
    FactKind.LEFT,
)


_CUT_OFF: Final = frozenset({"18", "20", "25", "27", "34", "38", "41", "42", "43", "44", "47", "102"})
"""Q.850 causes of a network that failed: no answer, out of order, congested, or a timer that ran out."""


def _blocked(call: Call, _: ClassifierRules) -> Evidence | None:
    rejected = call.last(FactKind.REJECTED)
    if rejected is None or call.first(FactKind.QUEUED, FactKind.CONNECTED):
        return None
    return Reason.REJECTED, (rejected,)


def _answered(call: Call, _: ClassifierRules) -> Evidence | None:
    connected = call.first(FactKind.CONNECTED)
    return (Reason.OPERATOR, (connected,)) if connected else None


def _incomplete(call: Call, _: ClassifierRules) -> Evidence | None:
    if adopted := call.first(FactKind.ADOPTED):
        return Reason.SEEN_IN_PART, (adopted,)
    if gap := call.first(FactKind.GAP):
        return Reason.EVENTS_LOST, (gap,)
    gave_up = call.last(FactKind.GAVE_UP)
    if gave_up and gave_up.detail not in unserved.REASONS:  # a status that we do not know
        return Reason.NO_EVIDENCE, (gave_up,)
    return None


def _unserved(call: Call, _: ClassifierRules) -> Evidence | None:
    gave_up = call.last(FactKind.GAVE_UP)
    return (unserved.REASONS[gave_up.detail], (gave_up,)) if gave_up else None


def _abandoned(call: Call, rules: ClassifierRules) -> Evidence | None:
    left = call.first(*_LEAVING, FactKind.MENU_HUNG_UP)
    if left is None:
        return None
    if evidence := _waiting_left(call, left) or _choice_left(call, left):
        return evidence
    asked = _asked(call)
    if left.kind is FactKind.MENU_HUNG_UP:
        return None
    if left.at - asked.at <= rules.early_drop:
        return Reason.DROPPED_EARLY, (asked, left)
    return (Reason.BEFORE_MENU, (left,)) if left.kind is FactKind.LEFT_ARRIVAL else None


def _waiting_left(call: Call, left: Fact) -> Evidence | None:
    """Return the reason for a caller who left while waiting for an operator."""
    if left.kind is FactKind.LEFT_QUEUE:
        return Reason.LEFT_QUEUE, _seen(call.last(FactKind.QUEUED), left)
    if left.kind is FactKind.LEFT_RINGING:
        return Reason.LEFT_RINGING, _seen(call.last(FactKind.RINGING), left)
    return (Reason.BEFORE_QUEUE, (left,)) if left.kind is FactKind.LEFT_BEFORE_QUEUE else None


def _choice_left(call: Call, left: Fact) -> Evidence | None:
    """Return the reason for a caller who left after a choice in the menu, or after a key was pressed."""
    served, keyed = call.last(FactKind.SERVED), call.last(FactKind.KEYED)
    if served or left.kind is FactKind.LEFT_CHOICE:
        return Reason.AFTER_CHOICE, _seen(served, left)
    return (Reason.LEFT_CHOOSING, (keyed, left)) if keyed and left.kind is FactKind.LEFT_MENU else None


def _asked(call: Call) -> Fact:
    """Return the end of our own screening, or the call's start if the dialplan did not screen it."""
    asked = call.facts[0]
    for fact in call.facts:
        if fact.kind is FactKind.SCREENED:
            asked = fact
        elif fact.kind is FactKind.MENU:
            break
    return asked


def _seen(*facts: Fact | None) -> tuple[Fact, ...]:
    return tuple(fact for fact in facts if fact)


def _ivr_prank(call: Call, _: ClassifierRules) -> Evidence | None:
    if call.first(FactKind.QUEUED, FactKind.RINGING):
        return None  # a caller who has waited for an operator did not end in the menu
    if left := call.first(FactKind.LEFT_MENU):
        ended = call.last(FactKind.ENDED)
        return None if ended and ended.detail in _CUT_OFF else (Reason.LEFT_MENU, (left,))
    if ended := call.first(FactKind.MENU_HUNG_UP):
        choice = call.last(FactKind.INVALID_CHOICE, FactKind.NO_CHOICE)
        if choice:
            invalid = choice.kind is FactKind.INVALID_CHOICE
            return Reason.INVALID_CHOICE if invalid else Reason.NO_CHOICE, (choice, ended)
    return None


RULES: Final[Sequence[tuple[Outcome, Rule]]] = (
    (Outcome.BLOCKED, _blocked),
    (Outcome.ANSWERED, _answered),
    (Outcome.UNKNOWN, _incomplete),
    (Outcome.UNSERVED, _unserved),
    (Outcome.ABANDONED, _abandoned),
    (Outcome.IVR_PRANK, _ivr_prank),
)


def classify(call: Call, rules: ClassifierRules) -> Finding:
    """Return the finding for a call, with its one outcome. Never raises."""
    outcome, reason = Outcome.UNKNOWN, Reason.NO_EVIDENCE
    deciding: tuple[Fact, ...] = (call.facts[-1],)
    for candidate, rule in RULES:
        if evidence := rule(call, rules):
            outcome, (reason, deciding) = candidate, evidence
            break
    queued = call.last(FactKind.QUEUED)
    screened = call.last(FactKind.SCREENED)
    marked = call.mark
    return Finding(
        call=call,
        outcome=outcome,
        reason=reason,
        deciding=deciding,
        stages=stages(call),
        queue=queued.detail if queued else None,
        verdict=Verdict.BLOCK if screened and screened.detail.startswith("BLOCK") else Verdict.ALLOW,
        mark=marked[0] if marked and outcome is Outcome.ANSWERED else None,
    )


_WAITED: Final = (FactKind.CONNECTED, FactKind.GAVE_UP, *_LEAVING)
_STAGES: Final = (
    (FactKind.MENU, (FactKind.QUEUED, FactKind.CONNECTED, *_LEAVING)),
    (FactKind.QUEUED, _WAITED),
    (FactKind.RINGING, _WAITED),
    (FactKind.CONNECTED, (FactKind.PARTED,)),
)
"""The facts that begin and end each of `Stages`, in the order of its fields."""

_CUTS: Final[dict[FactKind, tuple[tuple[int, bool], ...]]] = {
    kind: tuple((nth, kind is start) for nth, (start, ends) in enumerate(_STAGES) if kind in {start, *ends})
    for kind in FactKind
}
"""For each kind of fact: the stages that it ends or begins, by index, and whether it begins them."""


def stages(call: Call) -> Stages:
    """Return how long the call spent in each stage, from event times."""
    spent: list[Millis | None] = [None] * len(_STAGES)
    since: dict[int, Millis] = {}
    for fact in call.facts:
        for nth, begins in _CUTS[fact.kind]:
            if nth in since:
                spent[nth] = (spent[nth] or 0) + max(0, fact.at - since.pop(nth))
            if begins:
                since[nth] = fact.at
    if since:
        end = call.last(FactKind.ENDED) or call.facts[-1]
        for nth, at in since.items():
            spent[nth] = (spent[nth] or 0) + max(0, end.at - at)
    return Stages(*spent)
