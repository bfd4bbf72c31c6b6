"""A month of calls at Serang, made up in the shape of the centre's own figures, for the pictures.

Its first month in numbers (11 February to 11 March 2019): 53,794 calls, of them 7,695 answered, 2,882
abandoned, 44,617 ended in the menu, 14 genuine. When calls come, from whom, and how long they take is random,
with a fixed seed. All else is the product: screening, classifier, policy, recorder and metrics decide and
count as in the daemon, with a store in memory. Unlike in that month there is a block list, at first in the
mode observe, then in enforce.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from heapq import heappop, heappush
from typing import Final, cast
from zoneinfo import ZoneInfo

from prometheus_client.samples import Sample

from siaga112.adapters.metrics import Metrics
from siaga112.core.agi import Request
from siaga112.core.caller_id import NumberPlan, canonical
from siaga112.core.ledger import entry_of
from siaga112.core.model import (
    DAY,
    SECOND,
    Call,
    Caller,
    CallId,
    Entry,
    FactKind,
    Millis,
    Mode,
    OperatorState,
    Outcome,
    Reached,
    Stage,
    Verdict,
)
from siaga112.core.regulation import PolicyRules
from siaga112.core.shifts import Shift
from siaga112.service.ports import Outbox
from siaga112.service.recording import Recorder
from siaga112.service.screening import Screener
from tests.core.table import DIALPLAN, in_force
from tests.fakes.memory import MemoryStore
from tests.grafana.drawn import QUEUES, Drawn

SITE: Final = "serang"
ZONE: Final = ZoneInfo("Asia/Jakarta")
SHIFTS: Final = (Shift("morning", time(7)), Shift("afternoon", time(14)), Shift("night", time(21)))
BEGINS: Final = datetime(2019, 2, 11, tzinfo=ZONE)
ENDS: Final = datetime(2019, 3, 11, 19, 30, tzinfo=ZONE)
ENFORCED: Final = datetime(2019, 2, 21, 8, tzinfo=ZONE)
GENUINE: Final = 14
OPERATORS: Final = 3
RULES: Final = PolicyRules()
PLAN: Final = NumberPlan()

# What goes wrong on the last day: Redis away, Redis slow, the PBX away.
DOWN: Final = (ENDS - timedelta(hours=3, minutes=40), ENDS - timedelta(hours=3, minutes=32))
SLOW: Final = (ENDS - timedelta(hours=2), ENDS - timedelta(hours=1, minutes=20))
AWAY: Final = (ENDS - timedelta(hours=5), ENDS - timedelta(hours=4, minutes=57))

TICK: Final = timedelta(minutes=5)
FINE_TICK: Final = timedelta(minutes=1)
FINE: Final = ENDS - timedelta(hours=30)
"""From then on the metrics are read every minute, before that every five."""

SEEN: Final = {
    FactKind.ARRIVED: (("Newchannel", 1), ("Newexten", 6), ("VarSet", 4)),
    FactKind.MENU: (("Newexten", 3),),
    FactKind.QUEUED: (("Newexten", 2), ("QueueCallerJoin", 1), ("DialBegin", 2)),
    FactKind.CONNECTED: (("AgentConnect", 1), ("BridgeEnter", 2)),
    FactKind.PARTED: (("BridgeLeave", 2),),
    FactKind.ENDED: (("HangupRequest", 1), ("Hangup", 1)),
}
"""The PBX events behind each fact, approximately."""

STAGES: Final = {FactKind.MENU: Stage.IVR, FactKind.QUEUED: Stage.QUEUE, FactKind.CONNECTED: Stage.TALKING}


def millis(when: datetime) -> Millis:
    """Return an instant in the core's milliseconds."""
    return int(when.timestamp() * SECOND)


MIDNIGHT: Final = millis(BEGINS)


@dataclass(slots=True)
class Month:
    """Plays the month once; `readings` yields what Prometheus would have read."""

    metrics: Metrics = field(
        default_factory=lambda: Metrics(SITE, QUEUES, SHIFTS, ZONE, rules=in_force(policy=RULES), target=0.9)
    )
    store: MemoryStore = field(default_factory=MemoryStore)
    drawn: Drawn = field(default_factory=lambda: Drawn(random.Random(112)))
    now: Millis = MIDNIGHT
    _active: list[Call] = field(default_factory=list)
    _outbox: list[Entry] = field(default_factory=list)
    _to_call_back: list[tuple[Millis, Caller]] = field(default_factory=list)
    _blocked: set[Caller] = field(default_factory=set)
    _latency: float = 0.0
    _number: int = 0
    _recorder: Recorder = field(init=False)
    _screener: Screener = field(init=False)

    def __post_init__(self) -> None:
        # `_record` hands the recorder each entry, so it reads no outbox.
        self._recorder = Recorder(cast("Outbox", None), self.store, in_force(policy=RULES), self.metrics)
        self._screener = Screener(
            store=self.store,
            known=lambda _: None,
            mode=self._mode,
            rules=in_force(replace(DIALPLAN, numbers=PLAN), RULES),
            meter=self.metrics,
            clock=lambda: self.now,
            stopwatch=self._stopwatch().__next__,
        )

    def _mode(self) -> Mode:
        return Mode.ENFORCE if self.now >= millis(ENFORCED) else Mode.OBSERVE

    def _stopwatch(self) -> Iterator[float]:
        while True:
            yield 0.0
            yield self._latency

    def _within(self, span: tuple[datetime, datetime]) -> bool:
        return millis(span[0]) <= self.now < millis(span[1])

    async def readings(self) -> AsyncIterator[tuple[datetime, list[Sample]]]:
        """Yield all samples, at each time that Prometheus reads them."""
        self.metrics.surge(on=False)
        lot = self.drawn.lot
        genuine = sorted(MIDNIGHT + lot.randrange(28 * DAY) for _ in range(GENUINE))
        due, tick = self._next_call(), BEGINS
        while tick < ENDS:  # ends: the clock is the month's own
            tick += TICK if tick < FINE else FINE_TICK
            while due < millis(tick):  # ends: as above
                self.now = due
                is_genuine = bool(genuine) and genuine[0] <= due
                if is_genuine:
                    genuine.pop(0)
                await self._place(genuine=is_genuine)
                due = self._next_call()
            self.now = millis(tick)
            await self._show(tick)
            yield tick, [one for family in self.metrics.registry.collect() for one in family.samples]

    def _next_call(self) -> Millis:
        return self.now + self.drawn.pause(datetime.fromtimestamp(self.now / SECOND, ZONE).hour)

    async def _place(self, *, genuine: bool) -> None:
        kind = "talk" if genuine else self.drawn.kind()
        number = self.drawn.in_need() if genuine else self.drawn.number(kind)
        self._number += 1
        uid = CallId(f"{self.now // SECOND}.{self._number}")
        self.store.down = self._within(DOWN)
        self._latency = self.drawn.latency(slow=self._within(SLOW))
        told = await self._screener.screen(Request("screen", uid, number))
        if told.verdict is Verdict.BLOCK:
            self.drawn.rejected(number)
        caller = canonical(number, PLAN)
        busy = sum(self._stage(call) is Stage.TALKING for call in self._active) >= OPERATORS - 1
        gap = self._within(AWAY)
        facts = tuple(self.drawn.facts(self.now, kind, told, genuine=genuine, gap=gap, busy=busy))
        self._active.append(Call(uid, number, caller, bool(caller), facts))

    # ── what the daemon does with it ─────────────────────────────────────────────────────────────

    async def _show(self, tick: datetime) -> None:
        """End the calls that are over by now, record them, and update the metrics."""
        ended = sorted((call for call in self._active if call.ended <= self.now), key=lambda call: call.ended)
        self._active = [call for call in self._active if call.ended > self.now]
        for call in ended:
            self._count_events(call)
            entry = entry_of(call, in_force(policy=RULES).now, self._mode(), lambda: "")
            self.metrics.call_ended(entry)
            self._outbox.append(entry)
        self.store.down = self._within(DOWN)
        self.metrics.answers("redis", up=not self.store.down)
        self.metrics.answers("database", up=True)
        self.metrics.unpublished(0)
        if not self.store.down:
            await self._record()
        self.metrics.pending(len(self._outbox))
        self.metrics.in_progress(dict(Counter(map(self._stage, self._active))))
        self._show_operators()
        self._show_waiting()
        self._show_connection(tick)

    def _count_events(self, call: Call) -> None:
        for fact in call.facts:
            for name, count in SEEN.get(fact.kind, ()):
                self.metrics.ami_event(name, fact.at, count)

    async def _record(self) -> None:
        for entry in self._outbox:
            await self._recorder.record([entry])
            call = entry.finding.call
            if entry.finding.outcome is Outcome.ABANDONED and call.caller:
                heappush(self._to_call_back, (call.ended + self.drawn.call_back(), call.caller))
        self._outbox.clear()
        while self._to_call_back and self._to_call_back[0][0] <= self.now:  # ends: each takes one off
            await self._recorder.record([Reached(*heappop(self._to_call_back))])
        self.metrics.tallies(await self.store.tallies())
        self.metrics.callbacks(*await self.store.missed_count())
        if self.now % (30 * 60 * SECOND) == 0:  # there are too many to count at each tick
            self.metrics.blocks_in_force(await self.store.block_counts(self.now))
            self.metrics.proposed(await self.store.proposed_count())
            blocked = {record.caller for record in await self.store.blocked(self.now)}
            self.drawn.freed = sorted(self._blocked - blocked) or self.drawn.freed
            self._blocked = blocked

    def _show_operators(self) -> None:
        busy = min(sum(self._stage(call) is Stage.TALKING for call in self._active), OPERATORS)
        resting = datetime.fromtimestamp(self.now / SECOND, ZONE).hour in range(1, 6)
        paused = min(int(resting), OPERATORS - busy)
        counts = {OperatorState.BUSY: busy, OperatorState.PAUSED: paused}
        self.metrics.operators({**counts, OperatorState.AVAILABLE: OPERATORS - busy - paused})

    def _show_waiting(self) -> None:
        waiting: dict[str, tuple[int, float]] = {}
        for call in self._active:
            queued = call.last(FactKind.QUEUED)
            if queued and self._stage(call) is Stage.QUEUE:
                count, longest = waiting.get(queued.detail, (0, 0.0))
                longest = max(longest, (self.now - queued.at) / SECOND)
                waiting[queued.detail] = (count + 1, longest)
        self.metrics.waiting(waiting)

    def _show_connection(self, tick: datetime) -> None:
        away = self._within(AWAY)
        if tick == AWAY[0]:
            self.metrics.ami_gap("lost")
            self.metrics.ami_reconnect("lost")
        if away:
            self.metrics.ami_reconnect("unreachable")
        self.metrics.ami_connected(up=not away)

    def _stage(self, call: Call) -> Stage:
        """Return where a call is now."""
        past = [STAGES[fact.kind] for fact in call.facts if fact.at <= self.now and fact.kind in STAGES]
        return past[-1] if past else Stage.SCREENING
