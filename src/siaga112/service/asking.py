"""Cautions: what a person must confirm before a manual block. One rule for all interfaces."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from siaga112.core.model import DAY, Caller, Millis, ProposalCause
from siaga112.core.record import CallerRecord
from siaga112.core.regulation import PolicyRules
from siaga112.words import say

AT_ONCE: Final = 20
"""More numbers than this at once need confirmation: it may be a wrong column or a wrong list."""

ASK_FIRST: Final = "urn:siaga112:ask-first"
"""The `type` of the API's problem details that ask for confirmation."""

Services = Mapping[Caller, str]
"""Each number in a service number's range, with the configuration's name for that service number."""


class Cause(StrEnum):
    """Why confirmation is needed."""

    GENUINE = "genuine"
    SERVICE = "service"
    MANY = "many"


@dataclass(frozen=True, slots=True)
class Caution:
    """A reason to ask first: `text` with `values` for the person, `although` for the audit trail."""

    cause: Cause
    caller: Caller | None
    text: str
    values: Mapping[str, object] = field(default_factory=dict)
    although: str = ""

    def told(self, translate: Callable[..., str]) -> str:
        """Return the text in a person's language."""
        return translate(self.text, **self.values)


def cautions(record: CallerRecord, now: Millis, rules: PolicyRules, services: Services) -> list[Caution]:
    """Return the cautions about blocking a caller by hand.

    These are a genuine report within `protect`, and a number in a service number's range.
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
    """Return the cautions about confirming a proposal, except those that the proposal already states.

    A proposal with the cause `protected` states that there is a genuine report, but not a later one.
    """
    proposal, found = record.proposed, cautions(record, now, rules, services)
    if proposal is None or proposal.cause is not ProposalCause.PROTECTED:
        return found
    if any(proposal.at < report.at <= now for report in record.reports):
        return found
    return [one for one in found if one.cause is not Cause.GENUINE]


def many(count: int) -> list[Caution]:
    """Return a caution if this is a large number of blocks at once."""
    if count <= AT_ONCE:
        return []
    although = f"one of {count} at once"
    return [Caution(Cause.MANY, None, say("these are {count} numbers at once"), {"count": count}, although)]


def together(found: Sequence[Caution], translate: Callable[..., str]) -> str:
    """Return all cautions in one line."""
    return "; ".join(one.told(translate) for one in found)
