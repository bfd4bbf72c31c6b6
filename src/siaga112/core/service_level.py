"""The service level: what became of the calls that were to reach an operator, by three formulas.

The formulas in use differ, and the figure that centres publish rarely says which it is; so each is shown
beside the others (domain.md). `config/prometheus` has the same three.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from siaga112.core.model import Millis, Outcome, Reason

BEFORE_THE_QUEUE: Final = frozenset(
    {Reason.DROPPED_EARLY, Reason.BEFORE_MENU, Reason.LEFT_CHOOSING, Reason.AFTER_CHOICE}
)
"""Reasons of abandoned calls that nobody could have answered yet."""


class Served(StrEnum):
    """What became of a call that was to reach an operator."""

    IN_TIME = "in_time"
    LATE = "late"
    ABANDONED = "abandoned"
    UNSERVED = "unserved"


def served(outcome: Outcome, reason: Reason, waited: Millis | None, within: Millis) -> Served | None:
    """Say how the call was served; None if it was not to reach an operator.

    An answered call counts only if its wait was seen.
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
    """A part of a whole, by how many calls each is."""

    part: int
    whole: int

    @property
    def share(self) -> float | None:
        """The part as a share of the whole; None of nothing."""
        return self.part / self.whole if self.whole else None


@dataclass(frozen=True, slots=True)
class Levels:
    """The service level by each formula.

    `of_answered`: answered in time, of the calls that an operator answered.
    `of_presented`: answered in time, of the calls that were to reach an operator.
    `of_offered`: answered at any time, of all calls.
    """

    of_answered: Ratio
    of_presented: Ratio
    of_offered: Ratio


def levels(counts: Mapping[Served, int], answered: int, offered: int) -> Levels:
    """Give the service level by each formula, from how calls were served."""
    in_time, late = counts.get(Served.IN_TIME, 0), counts.get(Served.LATE, 0)
    return Levels(
        of_answered=Ratio(in_time, in_time + late),
        of_presented=Ratio(in_time, sum(counts.values())),
        of_offered=Ratio(answered, offered),
    )
