"""The service level by three formulas.

Centres use different formulas and rarely say which one, so reports show all three side by side. The rules in
`config/prometheus` use the same three.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from siaga112.core.model import Millis, Outcome, Reason

BEFORE_THE_QUEUE: Final = frozenset(
    {Reason.DROPPED_EARLY, Reason.BEFORE_MENU, Reason.LEFT_CHOOSING, Reason.AFTER_CHOICE}
)
"""Reasons of abandoned calls that no operator could have answered yet."""


class Served(StrEnum):
    """How a call that should reach an operator was served."""

    IN_TIME = "in_time"
    LATE = "late"
    ABANDONED = "abandoned"
    UNSERVED = "unserved"


def served(outcome: Outcome, reason: Reason, waited: Millis | None, within: Millis) -> Served | None:
    """Return how a call was served; None if it never came to wait for an operator.

    `waited`: the wait; an answered call counts only if it is known. `within`: the promised time.
    """
    match outcome:
        case Outcome.ANSWERED if waited is not None:
            return Served.IN_TIME if waited <= within else Served.LATE
        case Outcome.ABANDONED if reason not in BEFORE_THE_QUEUE:
            return Served.ABANDONED
        case Outcome.UNSERVED:
            return Served.UNSERVED
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Ratio:
    """A part of a whole, both as numbers of calls."""

    part: int
    whole: int

    @property
    def share(self) -> float | None:
        """The part divided by the whole; None if the whole is 0."""
        return self.part / self.whole if self.whole else None


@dataclass(frozen=True, slots=True)
class Levels:
    """The service level by each formula.

    `of_answered`: calls answered in time / calls answered with a known wait.
    `of_presented`: calls answered in time / calls answered, abandoned or unserved.
    `of_offered`: calls answered / all calls.
    """

    of_answered: Ratio
    of_presented: Ratio
    of_offered: Ratio


def levels(counts: Mapping[Served, int], answered: int, offered: int) -> Levels:
    """Return the service level by each formula, from the counts of how calls were served."""
    in_time, late = counts.get(Served.IN_TIME, 0), counts.get(Served.LATE, 0)
    return Levels(
        of_answered=Ratio(in_time, in_time + late),
        of_presented=Ratio(in_time, sum(counts.values())),
        of_offered=Ratio(answered, offered),
    )
