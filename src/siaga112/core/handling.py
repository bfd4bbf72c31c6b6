"""How calls were handled: who answered, to whom callers were handed over, what was reported and where.

As with the outcomes (`figures`), calls are counted where they lie, together with their like, or one by one:
what both find is the same.
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
    """What answered calls have in common that are counted together."""

    operator: str | None
    """By name; None where nobody saw who it was."""
    mark: Mark | None
    kind: str | None = None
    district: str | None = None


class AnsweredCount(NamedTuple):
    """How many of them began within one `grain`, and how long was talked in those of which that is known."""

    began: Millis
    calls: int
    timed: int
    talk: Millis


class Passed(NamedTuple):
    """Hand-overs counted together: to whom, how long after the call's arrival, whether somebody answered."""

    agency: str
    """'' for what is no agency of the configuration: then `target` tells them apart."""
    target: str
    tenths: int
    reached: bool


AnsweredCounts = Mapping[Answered, Sequence[AnsweredCount]]
PassedCounts = Mapping[Passed, int]


def answered_one_by_one(entries: Iterable[Entry]) -> AnsweredCounts:
    """Count the answered calls each by itself, as the database counts them together."""
    counted: defaultdict[Answered, list[AnsweredCount]] = defaultdict(list)
    for finding in (entry.finding for entry in entries if entry.finding.outcome is Outcome.ANSWERED):
        alike = Answered(finding.operator, finding.mark, finding.kind, finding.district)
        talk = finding.stages.talk
        counted[alike].append(AnsweredCount(finding.call.started, 1, int(talk is not None), talk or 0))
    return counted


def passed_one_by_one(entries: Iterable[Entry]) -> PassedCounts:
    """Count the hand-overs of calls, as the database does.

    What was told by radio is noted with the mark, by a clock that may be behind: never before the call came.
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
    """What is counted of the calls that an operator answered."""

    calls: Counter[Category] = field(default_factory=Counter)
    """By the mark."""
    timed: int = 0
    talk: Millis = 0

    @property
    def answered(self) -> int:
        """All of them."""
        return self.calls.total()

    @property
    def mean(self) -> Millis | None:
        """How long was talked, on average; None if that is known of no call."""
        return self.talk // self.timed if self.timed else None

    def add(self, kind: Category, calls: int, timed: int, talk: Millis) -> None:
        """Add some calls."""
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
    """What is counted of the callers who were handed over to one agency, or to others than agencies."""

    handed_over: int = 0
    reached: int = 0
    after: Waits = field(default_factory=Waits)
    """How long after the call's arrival."""
    targets: set[str] = field(default_factory=set)
    """What was dialled that is no agency."""

    def update(self, other: "Handing") -> None:
        """Add what another counted."""
        self.handed_over += other.handed_over
        self.reached += other.reached
        self.after.tenths.update(other.after.tenths)
        self.targets |= other.targets

    def add(self, one: Passed, count: int) -> None:
        """Add some that are alike."""
        self.handed_over += count
        self.reached += count * one.reached
        self.after.tenths[one.tenths] += count
        if one.target:
            self.targets.add(one.target)


Reports = Sequence[tuple[str | None, int]]
"""How many genuine reports there were of each kind, or from each district; None: of which nobody said it."""


class Handling:
    """How the calls of a period were handled. Takes what was counted in any order."""

    def __init__(self, period: Period, shifts: Sequence[Shift]) -> None:
        self.period = period
        self._shifts = tuple(shifts)
        self._operators: defaultdict[tuple[str | None, str], Answering] = defaultdict(Answering)
        """By who answered, and the shift on duty."""
        self._agencies: defaultdict[str, Handing] = defaultdict(Handing)
        self._kinds: Counter[str | None] = Counter()
        self._districts: Counter[str | None] = Counter()

    def add_passed(self, counted: PassedCounts) -> None:
        """Take the hand-overs of the period's calls."""
        for passed, count in counted.items():
            self._agencies[passed.agency].add(passed, count)

    def add_answered(self, counted: AnsweredCounts) -> None:
        """Take answered calls counted together, each within a `figures.grain`; of another time, none."""
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
        """Leave out who answered: for a report that is to name nobody."""
        self._operators.clear()

    def _shift(self, began: Millis) -> str | None:
        """Name the shift on duty at that time, '' where there are none; None if it is not of the period."""
        if not self.period.first <= began < self.period.end:
            return None
        return duty(datetime.fromtimestamp(began / SECOND, self.period.zone), self._shifts)[1]

    @property
    def by_operator(self) -> dict[str | None, Answering]:
        """Each who answered, the busiest first; None, who answered where nobody saw it, last.

        Nothing where nobody was seen in any call: that says nothing of anybody.
        """
        found: defaultdict[str | None, Answering] = defaultdict(Answering)
        for (operator, _), counted in self._operators.items():
            found[operator].update(counted)
        if found.keys() <= {None}:
            return {}
        return dict(sorted(found.items(), key=lambda one: (one[0] is None, -one[1].answered, one[0] or "")))

    @property
    def by_operator_and_shift(self) -> dict[tuple[str | None, str], Answering]:
        """Likewise, by the shift on duty when the call came; none where there are no shifts."""
        order = [shift.name for shift in self._shifts]
        cuts = ((operator, shift) for operator in self.by_operator for shift in order)
        return {cut: self._operators[cut] for cut in cuts if cut in self._operators}

    @property
    def by_agency(self) -> dict[str, Handing]:
        """Each agency to which callers were handed over, the most first; '', all others in one, last."""
        return dict(sorted(self._agencies.items(), key=lambda one: (not one[0], -one[1].handed_over, one[0])))

    @property
    def by_kind(self) -> Reports:
        """The genuine reports by kind, the most first; nothing if none has one."""
        return _most(self._kinds)

    @property
    def by_district(self) -> Reports:
        """Likewise by district."""
        return _most(self._districts)


def _most(counts: Counter[str | None]) -> Reports:
    if counts.keys() <= {None}:
        return []
    return sorted(counts.items(), key=lambda one: (one[0] is None, -one[1], one[0] or ""))
