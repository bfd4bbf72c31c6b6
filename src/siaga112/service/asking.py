"""What a person is asked before a block by hand: the one rule, for every door."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from siaga112.core.model import DAY, Caller, Millis, ProposalCause
from siaga112.core.record import CallerRecord
from siaga112.core.regulation import PolicyRules
from siaga112.words import say

AT_ONCE: Final = 20
"""More numbers than this at once are asked about: a wrong column, or a list of another kind."""

ASK_FIRST: Final = "urn:siaga112:ask-first"
"""The `type` of the problem details with which the API asks."""

Services = Mapping[Caller, str]
"""Each number in a service number's range, with what the configuration calls that one."""


class Cause(StrEnum):
    """Why somebody is asked."""

    GENUINE = "genuine"
    SERVICE = "service"
    MANY = "many"


@dataclass(frozen=True, slots=True)
class Caution:
    """A reason to ask first. `text` says it, with `values`; `although` as the audit trail has it."""

    cause: Cause
    caller: Caller | None
    text: str
    values: Mapping[str, object] = field(default_factory=dict)
    although: str = ""

    def told(self, translate: Callable[..., str]) -> str:
        """Say it in a person's language."""
        return translate(self.text, **self.values)


def cautions(record: CallerRecord, now: Millis, rules: PolicyRules, services: Services) -> list[Caution]:
    """Say what speaks against blocking a caller by hand.

    A genuine report within `protect`, and a number in a service number's range.
    """
    who = record.caller
    found = []
    lately = [report.at for report in record.reports if now - rules.protect < report.at <= now]
    if lately:
        days = (now - lately[-1]) // DAY
        said, ago = (
            (say("{who} reported something genuine {days} days ago"), f"{days} days ago")
            if days > 1
            else (say("{who} reported something genuine a day ago"), "a day ago")
            if days
            else (
                say("{who} reported something genuine within the last 24 hours"),
                "within the last 24 hours",
            )
        )
        although = f"although it reported something genuine {ago}"
        found.append(Caution(Cause.GENUINE, who, said, {"who": who, "days": days}, although))
    if service := services.get(who):
        said = say("{who} is in the range of a service number ({service})")
        although = f"although it is in the range of a service number ({service})"
        found.append(Caution(Cause.SERVICE, who, said, {"who": who, "service": service}, although))
    return found


def of_proposal(record: CallerRecord, now: Millis, rules: PolicyRules, services: Services) -> list[Caution]:
    """Say what speaks against confirming what is proposed and the proposal does not say already.

    A proposal of who is protected says that it is one for a genuine report; a later report it does not know.
    """
    proposal, found = record.proposed, cautions(record, now, rules, services)
    if proposal is None or proposal.cause is not ProposalCause.PROTECTED:
        return found
    if any(proposal.at < report.at <= now for report in record.reports):
        return found
    return [one for one in found if one.cause is not Cause.GENUINE]


def many(count: int) -> list[Caution]:
    """Say that these are many at once, if they are."""
    if count <= AT_ONCE:
        return []
    although = f"one of {count} at once"
    return [Caution(Cause.MANY, None, say("these are {count} numbers at once"), {"count": count}, although)]


def together(found: Sequence[Caution], translate: Callable[..., str]) -> str:
    """Say all of them in one line."""
    return "; ".join(one.told(translate) for one in found)
