"""Figures of a period: rows of the ledger in, counts out; one pass, and memory by what is counted.

Every call is in exactly one category, and every category is counted in one cell of the period: so that
all totals, however they are cut, add up.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from math import gcd
from typing import Final, NamedTuple, TypeVar

from siaga112.core.model import SECOND, Caller, Mark, Millis, Outcome, Reason
from siaga112.core.period import Period
from siaga112.core.service_level import Levels, Served, levels, served
from siaga112.core.shifts import Shift, duty

_TENTH: Final[Millis] = SECOND // 10
_QUARTER: Final[Millis] = 900 * SECOND
"""Every zone is some quarters of an hour off."""

_WAITED: Final = (Outcome.ANSWERED, Outcome.ABANDONED)

_Key = TypeVar("_Key", date, str, int, tuple[date, str])


class LedgerRow(NamedTuple):
    """As much of a row of the ledger as the figures need."""

    started: Millis
    outcome: Outcome
    reason: Reason
    mark: Mark | None
    waited: Millis | None
    """In the queue, or ringing where there is none."""
    caller: Caller | None
    strike: bool
    spared: bool = False


class Uncounted(StrEnum):
    """Why a prank call is nobody's misuse."""

    NO_NUMBER = "no_number"
    """No number that may be held to account: hidden, not valid, or erased since."""
    SPARED = "spared"
    """In a surge, in mode `off`, or from who is on the allow list."""
    NOT_COUNTED = "not_counted"
    """The policy does not count it, or the dialplan did not confirm the number, or it was taken back."""


class Category(StrEnum):
    """The outcomes, with the answered calls by the operator's mark: exactly one per call."""

    GENUINE = "genuine"
    INFORMATION = "information"
    PRANK = "prank"
    UNMARKED = "unmarked"
    ABANDONED = "abandoned"
    UNSERVED = "unserved"
    IVR_PRANK = "ivr_prank"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


ANSWERED: Final = (Category.GENUINE, Category.INFORMATION, Category.PRANK, Category.UNMARKED)


PRANKS: Final = (Category.IVR_PRANK, Category.PRANK)


def category(outcome: Outcome, mark: Mark | None) -> Category:
    """Give the one category of a call."""
    if outcome is Outcome.ANSWERED:
        return Category(mark) if mark else Category.UNMARKED
    return Category(outcome)


@dataclass(slots=True)
class Waits:
    """Waiting times, to the tenth of a second."""

    tenths: Counter[int] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        """How many waited."""
        return self.tenths.total()

    @property
    def mean(self) -> Millis | None:
        """The mean."""
        return sum(t * n for t, n in self.tenths.items()) * _TENTH // self.count if self.tenths else None

    @property
    def longest(self) -> Millis | None:
        """The longest."""
        return max(self.tenths) * _TENTH if self.tenths else None

    def within(self, percent: int) -> Millis | None:
        """Give the shortest time within which this many percent of them had waited (nearest rank)."""
        left = -(-self.count * percent // 100)
        for tenth in sorted(self.tenths):
            left -= self.tenths[tenth]
            if left <= 0:
                return tenth * _TENTH
        return None


@dataclass(slots=True)
class Tally:
    """What is counted of some calls."""

    calls: Counter[Category] = field(default_factory=Counter)
    service: Counter[Served] = field(default_factory=Counter)
    answered_after: Waits = field(default_factory=Waits)
    abandoned_after: Waits = field(default_factory=Waits)

    @property
    def total(self) -> int:
        """All calls."""
        return self.calls.total()

    @property
    def answered(self) -> int:
        """The calls that an operator answered, whatever the mark."""
        return sum(self.calls[kind] for kind in ANSWERED)

    @property
    def pranks(self) -> int:
        """The prank calls: in the menu, or marked so by the operator."""
        return sum(self.calls[kind] for kind in PRANKS)

    @property
    def levels(self) -> Levels:
        """The service level by each formula."""
        return levels(self.service, self.answered, self.total)

    def add(self, row: LedgerRow, answer_within: Millis, count: int = 1) -> None:
        """Count a call, or as many as are alike."""
        self.calls[category(row.outcome, row.mark)] += count
        if how := served(row.outcome, row.reason, row.waited, answer_within):
            self.service[how] += count
            if row.waited is not None and row.outcome in _WAITED:
                waits = self.answered_after if row.outcome is Outcome.ANSWERED else self.abandoned_after
                waits.tenths[tenth(row.waited)] += count

    def update(self, other: "Tally") -> None:
        """Add what another counted."""
        self.calls.update(other.calls)
        self.service.update(other.service)
        self.answered_after.tenths.update(other.answered_after.tenths)
        self.abandoned_after.tenths.update(other.abandoned_after.tenths)


def tenth(waited: Millis) -> int:
    """Give a waiting time in tenths of a second."""
    return (waited + _TENTH // 2) // _TENTH


def waited_as(tenths: int, answer_within: Millis, *, in_time: bool) -> Millis:
    """Give a waiting time of which only the tenth is known, and whether it kept the promise."""
    return min(tenths * _TENTH, answer_within) if in_time else max(tenths * _TENTH, answer_within + 1)


def grain(shifts: Iterable[Shift]) -> Millis:
    """Give the longest time within which all calls are of one hour and one shift, in any zone."""
    begins = (shift.begins for shift in shifts)
    return gcd(_QUARTER, *((at.hour * 60 + at.minute) * 60 * SECOND for at in begins))


ANYBODY: Final = Caller("+")
"""A caller with a number, where calls are counted together."""


class Misuser(NamedTuple):
    """How often a caller misused the line (got a strike), and was turned away."""

    caller: Caller
    misuses: int
    turned_away: int


class _Cell(NamedTuple):
    """Where a call is counted: its day and hour, and the shift on duty with the day that it began."""

    day: date
    hour: int
    duty: tuple[date, str]


def _uncounted(row: LedgerRow) -> Uncounted:
    if row.spared:
        return Uncounted.SPARED
    return Uncounted.NOT_COUNTED if row.caller else Uncounted.NO_NUMBER


class Figures:
    """The figures of a period. Takes rows in any order; a row of another time is not counted."""

    def __init__(self, period: Period, shifts: Sequence[Shift], answer_within: Millis) -> None:
        self.period = period
        self.answer_within = answer_within
        self._shifts = tuple(shifts)
        self._cells: dict[_Cell, Tally] = {}
        self._misuses: Counter[Caller] = Counter()
        self._turned_away: Counter[Caller] = Counter()
        self.uncounted: Counter[Uncounted] = Counter()
        """The prank calls that are nobody's misuse."""

    def add(self, rows: Iterable[LedgerRow]) -> None:
        """Count calls, each by the time at which it started."""
        for row in rows:
            if not self._count(row, 1) or row.caller is None:
                continue
            if row.strike:
                self._misuses[row.caller] += 1
            elif row.outcome is Outcome.BLOCKED:
                self._turned_away[row.caller] += 1

    def add_counted(self, rows: Iterable[tuple[LedgerRow, int]], misusers: Iterable[Misuser]) -> None:
        """Take calls counted together, by what of them counts and within a `grain`; and who misused the line.

        Their caller is `ANYBODY`, or nobody.
        """
        for row, count in rows:
            self._count(row, count)
        for caller, misuses, turned_away in misusers:
            self._misuses.update({caller: misuses} if misuses else ())
            self._turned_away.update({caller: turned_away} if turned_away else ())

    def _count(self, row: LedgerRow, count: int) -> bool:
        """Count calls in their cell; say whether they are of the period."""
        if not self.period.first <= row.started < self.period.end:
            return False
        local = datetime.fromtimestamp(row.started / SECOND, self.period.zone)
        cell = _Cell(local.date(), local.hour, duty(local, self._shifts))
        tally = self._cells.get(cell)
        if tally is None:
            tally = self._cells[cell] = Tally()
        tally.add(row, self.answer_within, count)
        if not (row.caller and row.strike) and category(row.outcome, row.mark) in PRANKS:
            self.uncounted[_uncounted(row)] += count
        return True

    @property
    def total(self) -> Tally:
        """The whole period."""
        return self._by(lambda _: "", [""])[""]

    @property
    def by_day(self) -> dict[date, Tally]:
        """Each day of the period, also one without calls."""
        return self._by(lambda cell: cell.day, self.period.days)

    @property
    def by_hour(self) -> dict[int, Tally]:
        """Each hour of the day, over all days."""
        return self._by(lambda cell: cell.hour, range(24))

    @property
    def by_shift(self) -> dict[str, Tally]:
        """Each shift by its name, over all days; none where there are no shifts."""
        names = [shift.name for shift in self._shifts]
        return self._by(lambda cell: cell.duty[1], names) if names else {}

    @property
    def by_duty(self) -> dict[tuple[date, str], Tally]:
        """Each shift of each day that had calls; its day is the one on which it began."""
        begins = {shift.name: shift.begins for shift in self._shifts}
        seen = {cell.duty for cell in self._cells} if begins else set()
        ordered = sorted(seen, key=lambda one: (one[0], begins[one[1]]))
        return self._by(lambda cell: cell.duty, ordered) if begins else {}

    def _by(self, key: Callable[[_Cell], _Key], keys: Iterable[_Key]) -> dict[_Key, Tally]:
        tallies = {one: Tally() for one in keys}
        for cell, tally in self._cells.items():
            tallies[key(cell)].update(tally)
        return tallies

    @property
    def misuses(self) -> int:
        """How many calls count as a caller's misuse."""
        return self._misuses.total()

    @property
    def misusers(self) -> int:
        """How many callers misused the line."""
        return len(self._misuses)

    def top_misusers(self, count: int) -> list[Misuser]:
        """Give the callers who misused the line most, or were turned away most often."""
        found = [
            Misuser(caller, self._misuses[caller], self._turned_away[caller])
            for caller in self._misuses.keys() | self._turned_away.keys()
        ]
        return sorted(found, key=lambda m: (-m.misuses, -m.turned_away, m.caller))[:count]
