"""What operators and agencies are called: a person for an interface, an agency for a number.

What the PBX shows of an operator is an interface and, of a queue's member, a name there. What it shows of a
hand-over is the extension that was dialled. `[operators]` and `[agencies]` turn both into what people say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from siaga112.core.model import Call, FactKind, Finding, HandedOver, Handover, Millis

LONGEST: Final = 80
"""Letters of a name that are kept; the PBX allows as many for a member's name (app_queue.c)."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the configuration calls them."""

    operators: Mapping[str, str] = field(default_factory=dict)
    agencies: Mapping[str, str] = field(default_factory=dict)

    def operator(self, seen: str) -> str:
        """Name who is behind `INTERFACE MEMBER`: the person, else the queue's member, else the interface.

        A person is found by the interface (`PJSIP/101`), the member's name, or the extension in the
        interface (`101`).
        """
        interface, _, member = seen.partition(" ")
        for known in (interface, member, extension(interface)):
            if person := self.operators.get(known):
                return person
        return (member or interface)[:LONGEST]

    def agency(self, target: str) -> str:
        """Name the agency that has this number or extension; '' for one that has none."""
        return self.agencies.get(target, "")


def extension(interface: str) -> str:
    """Give an interface's name within its driver: `101` of `PJSIP/101` and `Local/101@from-queue/n`."""
    return interface.partition("/")[2].partition("@")[0].partition("/")[0]


def same_phone(one: str, other: str) -> bool:
    """Say whether two interfaces are of one phone: FreePBX's queues call `PJSIP/101` over `Local/101@…`."""
    return one == other or extension(one) == extension(other) != ""


def named(finding: Finding, names: Names) -> Finding:
    """Give a finding with the names of who answered, and of whom the caller was handed over to."""
    answered = finding.call.first(FactKind.CONNECTED)
    if answered is None:
        return finding
    operator = names.operator(answered.detail) if answered.detail else None
    marked = finding.call.mark
    by = names.operator(marked[1]) if marked and marked[1] else None
    return replace(finding, operator=operator, marked_by=by, handovers=handovers(finding.call, names))


def handovers(call: Call, names: Names) -> tuple[Handover, ...]:
    """Give to whom the PBX handed the caller over, in order."""
    found = []
    for n, fact in enumerate(call.facts):
        if fact.kind is FactKind.HANDED_OVER:
            how, _, target = fact.detail.partition(" ")
            reached = 0 if how == HandedOver.ATTENDED else _reached(call, n)
            found.append(Handover(fact.at, HandedOver(how), target, names.agency(target), reached))
    return tuple(found)


def _reached(call: Call, n: int) -> Millis | None:
    """Say after what time somebody answered after the nth fact, before the caller was handed on again."""
    for fact in call.facts[n + 1 :]:
        if fact.kind is FactKind.CONNECTED:
            return fact.at - call.facts[n].at
        if fact.kind is FactKind.HANDED_OVER:
            break
    return None
