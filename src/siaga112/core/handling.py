"""Handling: who answered calls, to whom callers were handed over, what was reported and where.

As for the outcomes (`figures`), the database counts similar calls in groups, or they are counted one by one
here. Both ways lead to the same figures.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from siaga112.core.figures import Category, Waits, category, tenth
from siaga112.core.model import SECOND, Entry, Mark, Millis, Outcome
from siaga112.core.period import Period
from siaga112.core.shifts import Shift, duty


class Answered(NamedTuple):
    """The key of a group of answered calls."""

    operator: str | None
    """The name; None if unknown."""
    mark: Mark | None
    kind: str | None = None
    district: str | None = None


class AnsweredCount(NamedTuple):
    """A group's calls that began within one `grain`, and the total talk time of those `timed`."""

    began: Millis
    calls: int
    timed: int
    talk: Millis


class Passed(NamedTuple):
    """The key of a group of hand-overs: target, tenths of a second after arrival, whether it answered."""

    agency: str
    """'' for a target that is not a configured agency; then `target` names it."""
    target: str
    tenths: int
    reached: bool


AnsweredCounts = Mapping[Answered, Sequence[AnsweredCount]]
PassedCounts = Mapping[Passed, int]


def answered_one_by_one(entries: Iterable[Entry]) -> AnsweredCounts:
    """Count answered calls one by one, with the same result as the database."""
    counted: defaultdict[Answered, list[AnsweredCount]] = defaultdict(list)
    for finding in (entry.finding for entry in entries if entry.finding.outcome is Outcome.ANSWERED):
        alike = Answered(finding.operator, finding.mark, finding.kind, finding.district)
        talk = finding.stages.talk
        counted[alike].append(AnsweredCount(finding.call.started, 1, int(talk is not None), talk or 0))
    return counted


def passed_one_by_one(entries: Iterable[Entry]) -> PassedCounts:
    """Count the hand-overs of calls, with the same result as the database.

    A hand-over by radio has the time of the mark, from a clock that may be behind. It never counts as earlier
    than the call.
    """
    return Counter(
        Passed(
            one.agency,
            "" if one.agency else one.target,
            tenth(max(0, one.at - entry.finding.call.started)),
            one.reached is not None,
        )
        for entry in entries
        for one in entry.finding.handovers
    )


@dataclass(slots=True)
class Answering:
    """The figures of the calls that one operator answered."""

    calls: Counter[Category] = field(default_factory=Counter)
    """By mark."""
    timed: int = 0
    talk: Millis = 0

    @property
    def answered(self) -> int:
        """The number of calls."""
        return self.calls.total()

    @property
    def mean(self) -> Millis | None:
        """The mean talk time; None if it is known for no call."""
        return self.talk // self.timed if self.timed else None

    def add(self, kind: Category, calls: int, timed: int, talk: Millis) -> None:
        """Add calls."""
        self.calls[kind] += calls
        self.timed += timed
        self.talk += talk

    def update(self, other: "Answering") -> None:
        """Add what another counted."""
        self.calls.update(other.calls)
        self.timed += other.timed
        self.talk += other.talk


@dataclass(slots=True)
class Handing:
    """The figures of the hand-overs to one agency, or to all targets that are not agencies."""

    handed_over: int = 0
    reached: int = 0
    after: Waits = field(default_factory=Waits)
    """The times from the call's arrival to the hand-over."""
    targets: set[str] = field(default_factory=set)
    """The targets that are not agencies."""

    def update(self, other: "Handing") -> None:
        """Add what another counted."""
        self.handed_over += other.handed_over
        self.reached += other.reached
        self.after.tenths.update(other.after.tenths)
        self.targets |= other.targets

    def add(self, one: Passed, count: int) -> None:
        """Add a group of hand-overs."""
        self.handed_over += count
        self.reached += count * one.reached
        self.after.tenths[one.tenths] += count
        if one.target:
            self.targets.add(one.target)


Reports = Sequence[tuple[str | None, int]]
"""Number of genuine reports by kind or by district. None: nobody entered it."""


class Handling:
    """The handling of the calls of a period. Counts can be added in any order."""

    def __init__(self, period: Period, shifts: Sequence[Shift]) -> None:
        self.period = period
        self._shifts = tuple(shifts)
        self._operators: defaultdict[tuple[str | None, str], Answering] = defaultdict(Answering)
        """By operator and shift on duty."""
        self._agencies: defaultdict[str, Handing] = defaultdict(Handing)
        self._kinds: Counter[str | None] = Counter()
        self._districts: Counter[str | None] = Counter()

    def add_passed(self, counted: PassedCounts) -> None:
        """Add the hand-overs of the period's calls."""
        for passed, count in counted.items():
            self._agencies[passed.agency].add(passed, count)

    def add_answered(self, counted: AnsweredCounts) -> None:
        """Add groups of answered calls. Calls outside the period are ignored."""
        on_duty: dict[Millis, str | None] = {}

        def shift(began: Millis) -> str | None:
            if began not in on_duty:
                on_duty[began] = self._shift(began)
            return on_duty[began]

        for alike, grains in counted.items():
            kind, of_period = category(Outcome.ANSWERED, alike.mark), 0
            for began, calls, timed, talk in grains:
                if (name := shift(began)) is not None:
                    self._operators[alike.operator, name].add(kind, calls, timed, talk)
                    of_period += calls
            if kind is Category.GENUINE and of_period:
                self._kinds[alike.kind] += of_period
                self._districts[alike.district] += of_period

    def forget_operators(self) -> None:
        """Drop the operators, for a report without names."""
        self._operators.clear()

    def _shift(self, began: Millis) -> str | None:
        """Return the shift on duty at that time, '' if there are no shifts; None outside the period."""
        if not self.period.first <= began < self.period.end:
            return None
        return duty(datetime.fromtimestamp(began / SECOND, self.period.zone), self._shifts)[1]

    @property
    def by_operator(self) -> dict[str | None, Answering]:
        """The figures by operator, the busiest first and unknown ones (None) last.

        Empty if no operator is known for any call.
        """
        found: defaultdict[str | None, Answering] = defaultdict(Answering)
        for (operator, _), counted in self._operators.items():
            found[operator].update(counted)
        if found.keys() <= {None}:
            return {}
        return dict(sorted(found.items(), key=lambda one: (one[0] is None, -one[1].answered, one[0] or "")))

    @property
    def by_operator_and_shift(self) -> dict[tuple[str | None, str], Answering]:
        """The figures by operator and by shift on duty when the call began; empty without shifts."""
        order = [shift.name for shift in self._shifts]
        cuts = ((operator, shift) for operator in self.by_operator for shift in order)
        return {cut: self._operators[cut] for cut in cuts if cut in self._operators}

    @property
    def by_agency(self) -> dict[str, Handing]:
        """The figures by agency, the most hand-overs first. '' is all other targets and comes last."""
        return dict(sorted(self._agencies.items(), key=lambda one: (not one[0], -one[1].handed_over, one[0])))

    @property
    def by_kind(self) -> Reports:
        """The genuine reports by kind, the most frequent first; empty if no report has a kind."""
        return _most(self._kinds)

    @property
    def by_district(self) -> Reports:
        """The genuine reports by district, likewise."""
        return _most(self._districts)


def _most(counts: Counter[str | None]) -> Reports:
    if counts.keys() <= {None}:
        return []
    return sorted(counts.items(), key=lambda one: (one[0] is None, -one[1], one[0] or ""))
