"""Names of operators and agencies.

The PBX identifies an operator by an interface and, for a queue member, a member name. It identifies a
hand-over by the extension dialled. `[operators]` and `[agencies]` map these to the names that people use.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from siaga112.core.model import Call, FactKind, Finding, HandedOver, Handover, Millis

LONGEST: Final = 80
"""Maximum length of a stored name, which is the PBX's own limit for a member name (app_queue.c)."""


@dataclass(frozen=True, slots=True)
class Names:
    """The configured names."""

    operators: Mapping[str, str] = field(default_factory=dict)
    agencies: Mapping[str, str] = field(default_factory=dict)

    def operator(self, seen: str) -> str:
        """Return the name for `INTERFACE MEMBER`: the person, else the queue member, else the interface.

        A person is looked up by the interface (`PJSIP/101`), the member name, or the extension in the
        interface (`101`).
        """
        interface, _, member = seen.partition(" ")
        for known in (interface, member, extension(interface)):
            if person := self.operators.get(known):
                return person
        return (member or interface)[:LONGEST]

    def agency(self, target: str) -> str:
        """Return the name of the agency with this number or extension; '' if there is none."""
        return self.agencies.get(target, "")


def extension(interface: str) -> str:
    """Return an interface's name within its driver: `101` for `PJSIP/101` and `Local/101@from-queue/n`."""
    return interface.partition("/")[2].partition("@")[0].partition("/")[0]


def same_phone(one: str, other: str) -> bool:
    """Return whether two interfaces are one phone. FreePBX's queues dial `PJSIP/101` as `Local/101@…`."""
    return one == other or extension(one) == extension(other) != ""


def named(finding: Finding, names: Names) -> Finding:
    """Return a finding with the names of the operator who answered and of the hand-over targets."""
    answered = finding.call.first(FactKind.CONNECTED)
    if answered is None:
        return finding
    operator = names.operator(answered.detail) if answered.detail else None
    marked = finding.call.mark
    by = names.operator(marked[1]) if marked and marked[1] else None
    return replace(finding, operator=operator, marked_by=by, handovers=handovers(finding.call, names))


def handovers(call: Call, names: Names) -> tuple[Handover, ...]:
    """Return the hand-overs of a call that the PBX showed, in order."""
    found = []
    for n, fact in enumerate(call.facts):
        if fact.kind is FactKind.HANDED_OVER:
            how, _, target = fact.detail.partition(" ")
            reached = 0 if how == HandedOver.ATTENDED else _reached(call, n)
            found.append(Handover(fact.at, HandedOver(how), target, names.agency(target), reached))
    return tuple(found)


def _reached(call: Call, n: int) -> Millis | None:
    """Return how long after the nth fact the target answered; None if it did not.

    It did not if the caller was handed over again first, or came back into a queue after nobody had answered.
    """
    gave_up = False
    for fact in call.facts[n + 1 :]:
        if fact.kind is FactKind.CONNECTED:
            return fact.at - call.facts[n].at
        if fact.kind is FactKind.HANDED_OVER or (gave_up and fact.kind is FactKind.QUEUED):
            break
        gave_up = gave_up or fact.kind is FactKind.GAVE_UP
    return None
