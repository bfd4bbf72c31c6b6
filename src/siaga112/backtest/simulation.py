"""Simulates a policy on past calls, with the policy's own code, in the order in which they happened.

Each call begins with a verdict, as in mode `enforce`, and ends with its strike, if any. A call that the
policy would have rejected is counted as rejected and gives no strike: it would not have taken place.
"""

import marshal
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import chain
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from siaga112.backtest.columns import day
from siaga112.backtest.history import Past
from siaga112.core.changes import begun
from siaga112.core.fold import Fold
from siaga112.core.model import (
    DAY,
    Caller,
    CallId,
    Entry,
    Level,
    Mark,
    Millis,
    Mode,
    Outcome,
    Reached,
    Verdict,
)
from siaga112.core.policy import strike_for, without_the_past
from siaga112.core.record import Block, CallerRecord
from siaga112.core.regulation import PolicyRules
from siaga112.core.review import Called, Watched, decided_last, review
from siaga112.core.standing import Standing, rejects, standing, verdict


@dataclass(slots=True)
class Day:
    """The figures of one day."""

    calls: int = 0
    rejected: int = 0
    price: int = 0
    temporary: int = 0
    permanent: int = 0
    proposed: int = 0


@dataclass(slots=True)
class Affected:
    """A caller whom the policy would have blocked, or proposed to block. `strikes`: all given so far."""

    caller: Caller
    strikes: int = 0
    temporary: int = 0
    permanent: bool = False
    proposed: bool = False
    rejected: int = 0
    price: int = 0


class Paid(NamedTuple):
    """A call of the price, reduced to what is printed."""

    call: CallId
    started: Millis
    caller: Caller
    talk: Millis | None
    mark: Mark | None


TOGETHER: Final = 500
"""Calls of the price that are packed together."""


class Price:
    """The calls of the price in order, packed: there may be hundreds of thousands."""

    def __init__(self) -> None:
        self._packed: list[bytes] = []
        self._last: list[tuple[Any, ...]] = []

    def append(self, paid: Paid) -> None:
        """Add a call."""
        self._last.append((*paid[:-1], paid.mark and paid.mark.value))
        if len(self._last) == TOGETHER:
            self._packed.append(zlib.compress(marshal.dumps(self._last), 1))
            self._last = []

    def __iter__(self) -> Iterator[Paid]:
        pages = (marshal.loads(zlib.decompress(packed)) for packed in self._packed)  # noqa: S302 - our data
        for call, started, caller, talk, mark in chain(chain.from_iterable(pages), self._last):
            yield Paid(call, started, caller, talk, Mark(mark) if mark else None)

    def __len__(self) -> int:
        return len(self._packed) * TOGETHER + len(self._last)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Price) and [*self] == [*other]

    __hash__ = None  # type: ignore[assignment] # it grows


@dataclass(slots=True)
class Result:
    """What one policy would have done.

    `price`: answered calls that would have been rejected, unless the operator marked them a prank;
    `genuine`: those of them marked genuine. `saved`: the operators' time on all answered calls that
    would have been rejected, as far as the files show the talk time (`untimed`: calls without one).
    """

    policy: str
    rules: PolicyRules
    calls: int = 0
    strikes: int = 0
    rejected: Counter[Outcome] = field(default_factory=Counter)
    served_otherwise: int = 0
    """Calls of blocked callers that were not rejected: challenged, or moved to the end of the queue."""
    price: Price = field(default_factory=Price)
    genuine: int = 0
    saved: Millis = 0
    untimed: int = 0
    blocks: Counter[Level] = field(default_factory=Counter)
    proposals: int = 0
    released: int = 0
    """Permanent blocks that ended because the number stayed quiet."""
    reviews: int = 0
    """Permanent blocks that came up for review; without a supervisor they stay in force."""
    standing: int = 0
    """Numbers blocked permanently after the last call."""
    callers: dict[Caller, Affected] = field(default_factory=dict)
    days: dict[str, Day] = field(default_factory=dict)

    def numbers(self, kind: str) -> int:
        """Count the callers by kind of block: `temporary`, `permanent` or `proposed`."""
        return sum(bool(getattr(affected, kind)) for affected in self.callers.values())

    def most_affected(self, count: int) -> list[Affected]:
        """Return the `count` callers with the most rejected calls."""
        ranked = sorted(self.callers.values(), key=lambda a: (-a.rejected, -a.strikes, a.caller))
        return ranked[:count]


class Backtest:
    """Runs one policy over past calls. `handling`: the operator's time per answered call beyond the talk.

    `whole`: keep all records as the live line does; else none for callers without a strike or a mark, and no
    strike or block that is too old to count. The result is the same, since none of this blocks anybody.
    """

    def __init__(
        self, policy: str, rules: PolicyRules, zone: ZoneInfo, handling: Millis = 0, *, whole: bool = False
    ) -> None:
        self.result = Result(policy, rules)
        self._fold = Fold(rules)
        self._rules = rules
        self._zone = zone
        self._handling = handling
        self._whole = whole
        self._standing: dict[Caller, Standing] = {}  # callers with a block not over yet
        self._ended: list[tuple[Millis, str, int, Past | Reached]] = []
        self._lasting: dict[Caller, Called] = {}  # permanently blocked callers, and their calls since
        self._watched = Watched()
        self._reviewed: Millis = 0
        self._given = Counter[Caller]()
        self._up: defaultdict[Caller, set[CallId]] = defaultdict(set)
        self._beside = set[CallId]()

    @property
    def records(self) -> dict[Caller, CallerRecord]:
        """The callers' records at the end."""
        return self._fold.records

    def run(self, calls: Iterable[Past], reached: Iterable[Reached] = ()) -> Result:
        """Run over calls in the order of their begin, and over the call-backs."""
        self._ended = [(one.at, one.caller, n, one) for n, one in enumerate(reached)]
        heapify(self._ended)
        for past in calls:
            self._until(past.finding.call.started)
            self._begin(past)
        self._until(None)
        self.result.standing = len(self._lasting)
        return self.result

    def _begin(self, past: Past) -> None:
        call = past.finding.call
        if self._rules.review or self._rules.review_quiet:
            self._review(call.started)
        today = self._today(call.started)
        self.result.calls += 1
        today.calls += 1
        rejected = call.caller is not None and self._is_rejected(call.caller, call.started)
        if call.caller in self._lasting:
            self._lasting[call.caller] = Called(call.started, self._lasting[call.caller].rejected + rejected)
        if call.caller and rejected:
            self._reject(past, call.caller, today)
        else:
            heappush(self._ended, (call.ended, call.id, 0, past))
            if call.caller:
                up = self._up[call.caller]
                self._beside |= {*up, call.id} if up else set()
                up.add(call.id)

    def _review(self, now: Millis) -> None:
        """Review permanent blocks once a day, as the daemon does."""
        rules, first = self._rules, self._watched.first
        self._watched = Watched(now if first is None else first, now)
        if now - self._reviewed < DAY:
            return
        self._reviewed = now
        for caller, called in [*self._lasting.items()]:
            before = self._fold.records[caller]
            after = review(before, called, self._watched, now, rules)
            if after is before:
                continue
            self._fold.records[caller] = after
            self._standing[caller] = standing(after, now, rules)
            self.result.reviews += after.proposed is not before.proposed
            if decided_last(after, now) is None:
                self.result.released += 1
                del self._lasting[caller]

    def _is_rejected(self, caller: Caller, now: Millis) -> bool:
        held, rules = self._standing.get(caller), self._rules
        if held is None:
            return False
        answer = verdict(held, Mode.ENFORCE, now, rules)
        if rejects(answer.treatment) and rules.let_through:
            again = self._fold.rejected_again(caller, now)
            answer = verdict(held, Mode.ENFORCE, now, rules, again=again)
        rejected = rejects(answer.treatment)
        self.result.served_otherwise += answer.verdict is Verdict.BLOCK and not rejected
        return rejected

    def _reject(self, past: Past, caller: Caller, today: Day) -> None:
        finding = past.finding
        affected = self.result.callers[caller]
        self.result.rejected[finding.outcome] += 1
        affected.rejected += 1
        today.rejected += 1
        if finding.outcome is not Outcome.ANSWERED:
            return
        if finding.mark is not Mark.PRANK:
            call = finding.call
            paid = Paid(call.id, call.started, affected.caller, finding.stages.talk, finding.mark)
            self.result.price.append(paid)
            self.result.genuine += finding.mark is Mark.GENUINE
            affected.price += 1
            today.price += 1
        self.result.saved += (finding.stages.talk or 0) + self._handling
        self.result.untimed += finding.stages.talk is None

    def _until(self, now: Millis | None) -> None:
        """Process the calls and call-backs that ended by `now`; None: all that are left."""
        while self._ended and (now is None or self._ended[0][0] <= now):
            self._end(heappop(self._ended)[-1])

    def _end(self, ended: Past | Reached) -> None:
        if isinstance(ended, Reached):
            self._fold.take(ended)
            return
        finding, rules = ended.finding, self._rules
        caller = finding.call.caller
        if caller is None:
            return
        spared = (ended.surge and bool(rules.surge)) or finding.call.id in self._beside
        self._gone(caller, finding.call.id)
        empty = not (self._whole or caller in self._fold.records or finding.mark)
        if empty and (spared or strike_for(finding, rules) is None):
            return
        taken = self._fold.take(Entry(finding, strike=not spared))
        if new := taken.change.replacement:
            if new.record.block_after(finding.call.ended):
                self._standing[caller] = new.held
                if caller not in self._lasting and decided_last(new.record, finding.call.ended) is not None:
                    self._lasting[caller] = Called()
            else:
                self._standing.pop(caller, None)
            self.result.strikes += taken.misused
            if taken.misused:
                self._given[caller] += 1
                if not self._whole and caller not in self._up:
                    record = without_the_past(new.record, finding.call.ended, rules)
                    self._fold.records[caller] = record
            blocks = begun(new.before.blocks, new.record.blocks) if isinstance(taken.imposed, Block) else []
            self._count(new.before, new.record, blocks, finding.call.ended)

    def _gone(self, caller: Caller, call: CallId) -> None:
        """Remove an ended call from the caller's current calls."""
        self._beside.discard(call)
        self._up[caller].discard(call)
        if not self._up[caller]:
            del self._up[caller]

    def _count(self, before: CallerRecord, after: CallerRecord, blocks: list[Block], at: Millis) -> None:
        result, caller = self.result, after.caller
        proposed = after.proposed if after.proposed is not before.proposed else None
        if not (blocks or proposed) and caller not in result.callers:
            return
        affected = result.callers.setdefault(caller, Affected(caller))
        affected.strikes = self._given[caller]
        today = self._today(at)
        for block in blocks:
            result.blocks[block.level] += 1
            lasting = block.level is Level.PERMANENT
            affected.temporary += not lasting
            affected.permanent |= lasting
            today.temporary += not lasting
            today.permanent += lasting
        if proposed:
            result.proposals += 1
            affected.proposed = True
            today.proposed += 1

    def _today(self, at: Millis) -> Day:
        date = day(at, self._zone)
        return self.result.days.get(date) or self.result.days.setdefault(date, Day())
