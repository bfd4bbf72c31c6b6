"""The figures of a period: ledger rows in, counts out, in one pass.

Every call is in exactly one category and is counted in exactly one cell of the period. All totals therefore
add up, however they are grouped.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from heapq import nsmallest
from itertools import pairwise
from math import gcd
from typing import Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from siaga112.core.model import DAY, HOUR, SECOND, Caller, Mark, Millis, Outcome, Reason
from siaga112.core.period import Period
from siaga112.core.service_level import Levels, Served, levels, served
from siaga112.core.shifts import Shift, duty

_TENTH: Final[Millis] = SECOND // 10
_Key = TypeVar("_Key", date, str, int, tuple[date, str])


class LedgerRow(NamedTuple):
    """The part of a ledger row that the figures need."""

    started: Millis
    outcome: Outcome
    reason: Reason
    mark: Mark | None
    waited: Millis | None
    """The time in the queue, or ringing if there is no queue."""
    caller: Caller | None
    strike: bool
    spared: bool = False


class Uncounted(StrEnum):
    """Why a prank call is not counted as a caller's misuse."""

    NO_NUMBER = "no_number"
    """There is no blockable number: it is hidden, invalid or erased since."""
    SPARED = "spared"
    """The misuse cost no strike: a surge, mode `off`, a caller on the allow list (see `Spared`)."""
    NOT_COUNTED = "not_counted"
    """The policy does not count it, the dialplan did not confirm the number, or the strike was taken back."""


class Category(StrEnum):
    """The outcomes, with answered calls split by the operator's mark. Exactly one per call."""

    GENUINE = "genuine"
    INFORMATION = "information"
    SILENT = "silent"
    PRANK = "prank"
    UNMARKED = "unmarked"
    ABANDONED = "abandoned"
    UNSERVED = "unserved"
    IVR_PRANK = "ivr_prank"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


ANSWERED: Final = (
    Category.GENUINE,
    Category.INFORMATION,
    Category.SILENT,
    Category.PRANK,
    Category.UNMARKED,
)


PRANKS: Final = (Category.IVR_PRANK, Category.PRANK)


def category(outcome: Outcome, mark: Mark | None) -> Category:
    """Return the category of a call."""
    if outcome is Outcome.ANSWERED:
        return Category(mark) if mark else Category.UNMARKED
    return Category(outcome)


@dataclass(slots=True)
class Waits:
    """Waiting times, to the tenth of a second."""

    tenths: Counter[int] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        """The number of waits."""
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
        """Return the percentile of the waits (nearest rank); None without waits."""
        left = -(-self.count * percent // 100)
        for tenth in sorted(self.tenths):
            left -= self.tenths[tenth]
            if left <= 0:
                return tenth * _TENTH
        return None


@dataclass(slots=True)
class Tally:
    """The counts of a group of calls."""

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
        """The prank calls: in the menu, or marked by the operator."""
        return sum(self.calls[kind] for kind in PRANKS)

    @property
    def levels(self) -> Levels:
        """The service level by each formula."""
        return levels(self.service, self.answered, self.total)

    def waits_of(self, outcome: Outcome) -> Waits:
        """Return the `Waits` that count the waits of an outcome."""
        return self.answered_after if outcome is Outcome.ANSWERED else self.abandoned_after

    def update(self, other: "Tally") -> None:
        """Add the counts of another tally."""
        self.calls.update(other.calls)
        self.service.update(other.service)
        self.answered_after.tenths.update(other.answered_after.tenths)
        self.abandoned_after.tenths.update(other.abandoned_after.tenths)


def tenth(waited: Millis) -> int:
    """Return a waiting time in tenths of a second, rounded."""
    return (waited + _TENTH // 2) // _TENTH


def grain(shifts: Iterable[Shift], zone: ZoneInfo, since: Millis, until: Millis) -> Millis:
    """Return the longest grain, in ms, with which no grain of [since, until) spans two hours or shifts."""
    begins = (shift.begins for shift in shifts)
    clock = ((at.hour * 60 + at.minute) * 60 * SECOND for at in begins)
    seen = [(at, _offset(zone, at)) for at in (*range(since, until, DAY), until)]
    turns = (_turn(zone, before, after) for (before, one), (after, other) in pairwise(seen) if one != other)
    return gcd(HOUR, *clock, *(offset for _, offset in seen), *turns)


def _offset(zone: ZoneInfo, at: Millis) -> Millis:
    return (datetime.fromtimestamp(at / SECOND, zone).utcoffset() or timedelta()) // timedelta(milliseconds=1)


def _turn(zone: ZoneInfo, before: Millis, after: Millis) -> Millis:
    """Return the instant between these two at which the zone's UTC offset changes."""
    old = _offset(zone, before)
    while after - before > 1:
        amid = (before + after) // 2
        before, after = (amid, after) if _offset(zone, amid) == old else (before, amid)
    return after


class Alike(NamedTuple):
    """The key of a group of calls that are counted together."""

    outcome: Outcome
    reason: Reason
    mark: Mark | None
    in_time: bool | None
    """Whether an answered call was answered in time; None for others, and if the wait is unknown."""
    numbered: bool
    strike: bool
    spared: bool

    @property
    def category(self) -> Category:
        """The category of these calls."""
        return category(self.outcome, self.mark)

    @property
    def served(self) -> Served | None:
        """How these calls were served."""
        waited = None if self.in_time is None else int(not self.in_time)
        return served(self.outcome, self.reason, waited, 0)

    @property
    def uncounted(self) -> Uncounted | None:
        """Why these prank calls are not counted as misuse; None for calls that are, or are not pranks."""
        if (self.numbered and self.strike) or self.category not in PRANKS:
            return None
        if self.spared:
            return Uncounted.SPARED
        return Uncounted.NOT_COUNTED if self.numbered else Uncounted.NO_NUMBER


class Counted(NamedTuple):
    """Calls counted in groups, by the start of the `grain` in which they began."""

    calls: Mapping[Alike, list[tuple[Millis, int]]]
    """Per group: start of the grain, number of calls."""
    waits: Mapping[Outcome, list[tuple[Millis, list[int]]]]
    """Per outcome in `WAITED`: start of the grain, and the wait of each call in tenths of a second."""


WAITED: Final = (Outcome.ANSWERED, Outcome.ABANDONED)
"""The outcomes with counted waits, except for calls that ended before the queue (`BEFORE_THE_QUEUE`)."""


def one_by_one(rows: Iterable[LedgerRow], answer_within: Millis) -> Counted:
    """Count rows one by one, with the same result as the database, which counts them in groups."""
    counted = Counted(defaultdict(list), defaultdict(list))
    for row in rows:
        in_time = row.waited <= answer_within if row.waited is not None else None
        alike = Alike(
            row.outcome,
            row.reason,
            row.mark,
            in_time if row.outcome is Outcome.ANSWERED else None,
            bool(row.caller),
            row.strike,
            row.spared,
        )
        counted.calls[alike].append((row.started, 1))
        if row.outcome in WAITED and row.waited is not None and alike.served:
            counted.waits[row.outcome].append((row.started, [tenth(row.waited)]))
    return counted


class Misuser(NamedTuple):
    """How often a caller misused the line (got a strike) and was rejected."""

    caller: Caller
    misuses: int
    rejected: int


class _Cell(NamedTuple):
    """Where a call is counted: its day and hour, and the shift on duty with the day the shift began."""

    day: date
    hour: int
    duty: tuple[date, str]


class _Columns(NamedTuple):
    """Counts as columns: index of the cell, number of calls."""

    cells: "array[int]"
    counts: "array[int]"

    def add(self, cell: int, count: int) -> None:
        """Add a row."""
        self.cells.append(cell)
        self.counts.append(count)

    @classmethod
    def none(cls) -> "_Columns":
        """Return columns without rows."""
        return cls(array("q"), array("q"))


def _no_waits() -> "defaultdict[int, array[int]]":
    return defaultdict(lambda: array("q"))


def _was_rejected(row: LedgerRow) -> bool:
    return row.outcome is Outcome.BLOCKED and not row.strike


class Figures:
    """The figures of a period. Rows can be added in any order; rows outside the period are ignored."""

    def __init__(self, period: Period, shifts: Sequence[Shift], answer_within: Millis) -> None:
        self.period = period
        self._first, self._end = period.first, period.end
        self.answer_within = answer_within
        self._shifts = tuple(shifts)
        self._cells: dict[_Cell, int] = {}
        """The index of each cell."""
        self._calls: defaultdict[tuple[Category, Served | None], _Columns] = defaultdict(_Columns.none)
        self._waits: defaultdict[Outcome, defaultdict[int, array[int]]] = defaultdict(_no_waits)
        """The waits, in tenths of a second, per outcome and index of the cell."""
        self._total: Tally | None = None
        self._misuses: Counter[Caller] = Counter()
        self._rejected: Counter[Caller] = Counter()
        self.uncounted: Counter[Uncounted] = Counter()
        """The prank calls that are not counted as misuse."""

    def add(self, rows: Iterable[LedgerRow]) -> None:
        """Count calls by their start times."""
        mine = [row for row in rows if self._first <= row.started < self._end]
        self.add_counted(one_by_one(mine, self.answer_within))
        strikes = Counter(row.caller for row in mine if row.caller and row.strike)
        rejected = Counter(row.caller for row in mine if row.caller and _was_rejected(row))
        self.add_misusers(Misuser(one, strikes[one], rejected[one]) for one in strikes | rejected)

    def add_counted(self, counted: Counted) -> None:
        """Add calls counted in groups, each within a `grain`."""
        self._total = None
        numbers: dict[Millis, int | None] = {}

        def number(began: Millis) -> int | None:
            if began not in numbers:
                numbers[began] = self._number(began)
            return numbers[began]

        for alike, grains in counted.calls.items():
            into, of_period = self._calls[alike.category, alike.served], 0
            for began, count in grains:
                if (cell := number(began)) is not None:
                    into.add(cell, count)
                    of_period += count
            if of_period and (why := alike.uncounted):
                self.uncounted[why] += of_period
        for outcome, spans in counted.waits.items():
            waits = self._waits[outcome]
            for began, tenths in spans:
                if (cell := number(began)) is not None:
                    waits[cell].fromlist(tenths)

    def add_misusers(self, misusers: Iterable[Misuser]) -> None:
        """Add callers who misused the line within the period. Counts of the same caller are summed."""
        for caller, misuses, rejected in misusers:
            if misuses:
                self._misuses[caller] += misuses
            if rejected:
                self._rejected[caller] += rejected

    def _number(self, began: Millis) -> int | None:
        """Return the index of the cell for a time; None outside the period."""
        if not self._first <= began < self._end:
            return None
        local = datetime.fromtimestamp(began / SECOND, self.period.zone)
        cell = _Cell(local.date(), local.hour, duty(local, self._shifts))
        return self._cells.setdefault(cell, len(self._cells))

    @property
    def total(self) -> Tally:
        """The tally of the whole period."""
        if self._total is None:
            self._total = self._by(lambda _: "", [""])[""]
        return self._total

    @property
    def by_day(self) -> dict[date, Tally]:
        """The tally of each day of the period, including days without calls."""
        return self._by(lambda cell: cell.day, self.period.days)

    @property
    def by_hour(self) -> dict[int, Tally]:
        """The tally of each hour of the day, over all days."""
        return self._by(lambda cell: cell.hour, range(24))

    @property
    def by_shift(self) -> dict[str, Tally]:
        """The tally of each shift by name, over all days; empty without shifts."""
        names = [shift.name for shift in self._shifts]
        return self._by(lambda cell: cell.duty[1], names) if names else {}

    @property
    def by_duty(self) -> dict[tuple[date, str], Tally]:
        """The tally of each shift that had calls, by the day on which it began and its name."""
        begins = {shift.name: shift.begins for shift in self._shifts}
        seen = {cell.duty for cell in self._cells} if begins else set()
        ordered = sorted(seen, key=lambda one: (one[0], begins[one[1]]))
        return self._by(lambda cell: cell.duty, ordered) if begins else {}

    def _by(self, key: Callable[[_Cell], _Key], keys: Iterable[_Key]) -> dict[_Key, Tally]:
        tallies = {one: Tally() for one in keys}
        of_cell = [tallies[key(cell)] for cell in self._cells]
        for (kind, how), columns in self._calls.items():
            sums = [0] * len(of_cell)
            for cell, count in zip(columns.cells, columns.counts, strict=True):
                sums[cell] += count
            for tally, count in zip(of_cell, sums, strict=True):
                if count:
                    tally.calls[kind] += count
                    if how:
                        tally.service[how] += count
        for outcome, waits in self._waits.items():
            for cell, tenths in waits.items():
                of_cell[cell].waits_of(outcome).tenths.update(tenths)
        return tallies

    @property
    def misuses(self) -> int:
        """The number of calls that count as a caller's misuse."""
        return self._misuses.total()

    @property
    def misusers(self) -> int:
        """The number of callers who misused the line."""
        return len(self._misuses)

    def top_misusers(self, count: int) -> list[Misuser]:
        """Return up to `count` callers, sorted by misuses, then by rejected calls."""
        found = [
            Misuser(caller, self._misuses[caller], self._rejected[caller])
            for caller in self._misuses.keys() | self._rejected.keys()
        ]
        return nsmallest(count, found, key=lambda m: (-m.misuses, -m.rejected, m.caller))
