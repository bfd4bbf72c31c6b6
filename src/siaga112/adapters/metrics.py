"""The meter: counts events in Prometheus series (see `series` and docs/reference.md for their names)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from prometheus_client import generate_latest

from siaga112.adapters.series import EVENTS, OTHER, VERDICTS, Series
from siaga112.core.model import (
    SECOND,
    Entry,
    Finding,
    Level,
    Millis,
    Mode,
    OperatorState,
    Outcome,
    ProposalCause,
    Stage,
)
from siaga112.core.rules import InForce
from siaga112.core.screening import Screening, ScreenReason, Withheld
from siaga112.core.service_level import served
from siaga112.core.shifts import Shift, shift_at


class Metrics:
    """All counters of a process; implements the meters of both flows and of the AMI adapter.

    `target`: the share of calls that the centre promises to answer within the time in `rules`.
    """

    def __init__(
        self,
        site: str,
        queues: Sequence[str],
        shifts: Sequence[Shift],
        zone: ZoneInfo,
        *,
        rules: InForce,
        target: float,
    ) -> None:
        names = [shift.name for shift in shifts] or [shift_at(0, (), zone)]
        self._series = series = Series(site, queues, names, rules, target)
        self.registry: Final = series.registry
        self._site = site
        self._shifts = shifts
        self._zone = zone
        self._rules = rules
        # We keep the children that the hot path needs: `labels()` costs five times as much as the increment.
        self._duration = series.duration.labels(site)
        self._verdicts = {pair: series.verdicts.labels(site, *pair) for pair in VERDICTS}
        self._ivr, self._talk = series.ivr.labels(site), series.talk.labels(site)
        self._abandon_wait = series.abandon_wait.labels(site)
        self._calls = cache(series.calls.labels)
        self._service_calls = cache(series.service_calls.labels)
        self._answer_wait = cache(series.answer_wait.labels)
        self._replica_callers = series.replica_callers.labels(site)
        self._replica_gaps = series.replica_gaps.labels(site)
        self._events = {name: series.ami_events.labels(site, name) for name in EVENTS}
        self._last_event = series.ami_last.labels(site)
        self._stages = {stage: series.in_progress.labels(site, stage) for stage in Stage}
        self._asked = series.asked
        self._screened_calls = 0
        self._unfollowed: Counter[str] = Counter()
        self.in_progress({})

    def page(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    # ── calls ────────────────────────────────────────────────────────────────────────────────────

    def call_ended(self, entry: Entry) -> None:
        """Count a call with its outcome and stage times."""
        finding = entry.finding
        shift = shift_at(finding.call.started, self._shifts, self._zone)
        shift = shift if shift in self._series.shifts else OTHER
        self._calls(self._site, finding.outcome, finding.reason, shift).inc()
        self._count_service(finding, shift)
        for handover in finding.handovers:
            agency = handover.agency if handover.agency in self._series.agencies else OTHER
            self._series.handovers.labels(self._site, agency).inc()
        if finding.stages.talk is not None:
            self._talk.observe(finding.stages.talk / SECOND)
        if finding.stages.ivr is not None:
            self._ivr.observe(finding.stages.ivr / SECOND)

    def _count_service(self, finding: Finding, shift: str) -> None:
        """Count a call that should have reached an operator; observe the wait only if it was seen.

        Without a queue in the dialplan, the wait is the ringing.
        """
        site, waited = self._site, finding.stages.waited
        queue = self._named(finding.queue)
        result = served(finding.outcome, finding.reason, waited, self._rules.now.answer_within)
        if result is None:
            return
        if waited is not None and finding.outcome is Outcome.ANSWERED:
            self._answer_wait(site, queue).observe(waited / SECOND)
        if waited is not None and finding.outcome is Outcome.ABANDONED:
            self._abandon_wait.observe(waited / SECOND)
        self._service_calls(site, queue, shift, result).inc()

    def _named(self, queue: str | None) -> str:
        return queue if queue in self._series.queues else OTHER

    def in_progress(self, stages: dict[Stage, int]) -> None:
        """Show how many calls are in each stage."""
        for stage, shown in self._stages.items():
            shown.set(stages.get(stage, 0))

    def operators(self, counts: Mapping[OperatorState, int] | None) -> None:
        """Show how many operators are in each state; no series while nothing is known about them."""
        if counts is None:
            self._series.operators.clear()
            return
        for state in OperatorState:
            self._series.operators.labels(self._site, state).set(counts.get(state, 0))

    def waiting(self, queues: Mapping[str, tuple[int, float]]) -> None:
        """Show for each queue how many callers wait, and how many seconds the first has waited."""
        shown = dict.fromkeys((*self._series.queues, OTHER), (0, 0.0))
        for name, (count, longest) in queues.items():
            label = self._named(name)
            shown[label] = (shown[label][0] + count, max(shown[label][1], longest))
        for label, (count, longest) in shown.items():
            self._series.waiting.labels(self._site, label).set(count)
            self._series.longest.labels(self._site, label).set(longest)

    def callbacks(self, pending: int, oldest: Millis | None) -> None:
        """Show how many callers wait for a call-back, and when the first of them called."""
        self._series.callbacks_pending.labels(self._site).set(pending)
        self._series.callbacks_oldest.labels(self._site).set((oldest or 0) / SECOND)

    def appeals(self, pending: int, due: Millis | None) -> None:
        """Show how many appeals are open, and when the first is due."""
        self._series.appeals_pending.labels(self._site).set(pending)
        self._series.appeals_due.labels(self._site).set((due or 0) / SECOND)

    def calls_screened(self, calls: int, unfollowed: Mapping[str, int]) -> None:
        """Show how many calls the PBX showed as screened, and, by context, how many we do not follow."""
        if calls == self._screened_calls:
            return
        self._series.calls_screened.labels(self._site).inc(calls - self._screened_calls)
        self._screened_calls = calls
        for context, count in unfollowed.items():
            self._series.unfollowed.labels(self._site, context).inc(count - self._unfollowed[context])
            self._unfollowed[context] = count

    # ── strikes and blocks ───────────────────────────────────────────────────────────────────────

    def tallies(self, counts: Mapping[str, int]) -> None:
        """Show the store's counts since its beginning, by the names in `series.TALLIES`."""
        self._series.tallies.counts = dict(counts)

    def blocks_in_force(self, counts: Mapping[Level, int]) -> None:
        """Show how many blocks are in force."""
        for level in Level:
            self._series.blocks_active.labels(self._site, level).set(counts.get(level, 0))

    def proposal(self, cause: ProposalCause) -> None:
        """Count a block that was proposed instead of imposed."""
        self._series.proposals.labels(self._site, cause).inc()

    def proposed(self, count: int) -> None:
        """Show how many proposals are open."""
        self._series.blocks_proposed.labels(self._site).set(count)

    def surge(self, *, on: bool) -> None:
        """Show whether surge mode is on, in which nobody gets a strike."""
        self._series.surge.labels(self._site).set(on)

    # ── verdicts ─────────────────────────────────────────────────────────────────────────────────

    def screened(self, screening: Screening, seconds: float) -> None:
        """Count a verdict, and how long the dialplan waited for it."""
        self._duration.observe(seconds)
        self._verdicts[screening.verdict, screening.reason].inc()
        if screening.reason is ScreenReason.WOULD_BLOCK:
            self._series.would_block.labels(self._site).inc()
        if screening.reason.fails_open:
            self._series.fail_opens.labels(self._site, screening.reason).inc()
        if screening.treatment:
            self._series.treatments.labels(self._site, screening.treatment).inc()

    def withheld(self, cause: Withheld) -> None:
        """Count a call without a number that could be blocked."""
        self._series.withheld.labels(self._site, cause).inc()

    def asked(self) -> None:
        """Count a request from the dialplan."""
        self._asked.calls += 1

    def agi_refused(self) -> None:
        """Count a peer that does not speak AGI; its call, if there is one, goes through."""
        self._series.fail_opens.labels(self._site, ScreenReason.BAD_REQUEST).inc()

    # ── the process and its stores ───────────────────────────────────────────────────────────────

    def mode(self, mode: Mode) -> None:
        """Show the mode in force: 1 for it, 0 for the others."""
        for one in Mode:
            self._series.mode.labels(self._site, one).set(one is mode)

    def answers(self, part: str, *, up: bool) -> None:
        """Show whether `redis` or `database` answers."""
        gauge = self._series.redis_up if part == "redis" else self._series.database_up
        gauge.labels(self._site).set(up)

    def unpublished(self, count: int) -> None:
        """Show how many standings the block list may lack."""
        self._series.publish_pending.labels(self._site).set(count)

    def block_list_lost(self) -> None:
        """Count a rebuild, since Redis did not have the whole block list."""
        self._series.block_list_rebuilds.labels(self._site).inc()

    def replica(self, callers: int) -> None:
        """Show how many callers have a standing in the replica."""
        self._replica_callers.set(callers)

    def replica_gap(self) -> None:
        """Count a complete reload of the replica."""
        self._replica_gaps.inc()

    def pending(self, count: int) -> None:
        """Show how many ended calls wait in the outbox."""
        self._series.outbox_pending.labels(self._site).set(count)

    def lost(self, count: int) -> None:
        """Count ended calls that could not be stored, and those set aside because they cannot be recorded."""
        self._series.outbox_lost.labels(self._site).inc(count)

    def ami_connected(self, *, up: bool) -> None:
        """Show whether we follow the PBX."""
        self._series.ami_up.labels(self._site).set(up)

    def ami_event(self, name: str, at: Millis, count: int = 1) -> None:
        """Count events with one name."""
        self._events.get(name, self._events[OTHER]).inc(count)
        self._last_event.set(at / SECOND)

    def ami_malformed(self, kind: str) -> None:
        """Count a malformed message."""
        self._series.ami_malformed.labels(self._site, kind).inc()

    def ami_clock_off(self, count: int) -> None:
        """Count events with a timestamp too far from our own clock."""
        self._series.ami_clock_off.labels(self._site).inc(count)

    def ami_gap(self, cause: str) -> None:  # noqa: ARG002 - the log has the cause; the metric does not
        """Count a gap."""
        self._series.ami_gaps.labels(self._site).inc()

    def ami_reconnect(self, cause: str) -> None:
        """Count a new connection attempt."""
        self._series.ami_reconnects.labels(self._site, cause).inc()
