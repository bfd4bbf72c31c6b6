"""Prometheus metrics and the HTTP endpoint. Names and labels are fixed (docs/reference.md).

No number of a caller, no call id and no operator's name is ever a label; children are kept where the
hot path needs them, since `labels()` costs five times the increment.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

import siaga112
from siaga112.core.model import (
    SECOND,
    Block,
    Entry,
    Level,
    Millis,
    Outcome,
    Screening,
    ScreenReason,
    Stage,
    Verdict,
)
from siaga112.core.shifts import Shift, shift_at
from siaga112.errors import SiagaError

WAIT_BUCKETS: Final = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300)
TALK_BUCKETS: Final = (5, 15, 30, 60, 120, 180, 300, 600, 1200)
AGI_BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1)


class Metrics:
    """Everything that is counted; implements the meters of the flows and of the AMI adapter."""

    def __init__(self, site: str, queues: Sequence[str], shifts: Sequence[Shift], zone: ZoneInfo) -> None:
        self.registry: Final = CollectorRegistry()
        self._site = site
        self._queues = frozenset(queues)
        self._shifts = shifts
        self._zone = zone
        self._started = time.monotonic()

        self.calls = self._counter("calls", "Calls that ended.", "outcome", "reason", "shift")
        self.progress = self._gauge("calls_in_progress", "Calls being followed now.", "stage")
        self.answer_wait = self._histogram(
            "answer_wait_seconds", "From joining the queue to an operator.", WAIT_BUCKETS, "queue"
        )
        self.abandon_wait = self._histogram(
            "abandon_wait_seconds", "From joining the queue to leaving it.", WAIT_BUCKETS
        )
        self.talk = self._histogram("talk_seconds", "With an operator.", TALK_BUCKETS)
        self.ivr = self._histogram("ivr_seconds", "In the voice menu.", TALK_BUCKETS)
        self.marks = self._counter("marks", "Operators' marks.", "mark")
        self.strikes = self._counter("strikes", "Strikes given.", "outcome")
        self.blocks_imposed = self._counter("blocks_imposed", "Blocks imposed.", "level", "origin")
        self.blocks_active = self._gauge("blocks_active", "Blocks in force.", "level")
        self.verdicts = self._counter("agi_verdicts", "Answers to the dialplan.", "verdict", "reason")
        self.agi_duration = self._histogram("agi_duration_seconds", "From request to verdict.", AGI_BUCKETS)
        self.fail_opens = self._counter("fail_open", "Calls let through because we had no answer.", "cause")
        self.would_block = self._counter("would_block", "Calls that enforcing would have blocked.")
        self.ami_up = self._gauge("ami_connected", "1 while following the PBX.")
        self.ami_last = self._gauge("ami_last_event_timestamp_seconds", "Time of the last event.")
        self.ami_events = self._counter("ami_events", "Events, by name.", "event")
        self.ami_malformed_total = self._counter("ami_malformed", "Messages not of Asterisk's form.", "kind")
        self.ami_gaps = self._counter("ami_gaps", "Stretches of events not seen.")
        self.ami_reconnects = self._counter("ami_reconnects", "New attempts to connect.", "cause")
        self.redis = self._gauge("redis_up", "1 while Redis answers.")
        self.outbox_pending = self._gauge("outbox_pending", "Ended calls that Redis does not have yet.")
        self._gauge("build_info", "Always 1.", "version").labels(site, siaga112.__version__).set(1)

        for stage in Stage:
            self.progress.labels(site, stage).set(0)
        for outcome in Outcome:
            self.strikes.labels(site, outcome)
        for level in Level:
            self.blocks_active.labels(site, level).set(0)
        for cause in ScreenReason:
            if cause.fails_open:
                self.fail_opens.labels(site, cause)
        self._duration = self.agi_duration.labels(site)
        self._verdicts = {
            (verdict, reason): self.verdicts.labels(site, verdict, reason)
            for verdict, reason in self._possible_verdicts()
        }
        self._would_block = self.would_block.labels(site)
        self._last = self.ami_last.labels(site)
        self._up = self.ami_up.labels(site)
        self._redis_up = self.redis.labels(site)
        self._events: dict[str, Counter] = {}
        self._gaps = self.ami_gaps.labels(site)
        self.outbox_pending.labels(site).set(0)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"siaga112_{name}", text, ("site", *labels), registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"siaga112_{name}", text, ("site", *labels), registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"siaga112_{name}", text, ("site", *labels), buckets=buckets, registry=self.registry)

    @staticmethod
    def _possible_verdicts() -> list[tuple[Verdict, ScreenReason]]:
        block = [(Verdict.BLOCK, ScreenReason.BLOCKED)]
        return block + [
            (Verdict.ALLOW, reason) for reason in ScreenReason if reason is not ScreenReason.BLOCKED
        ]

    # ── the flows ────────────────────────────────────────────────────────────────────────────────

    def call_ended(self, entry: Entry) -> None:
        """Count a call with its outcome and stage times."""
        finding, site = entry.finding, self._site
        shift = shift_at(finding.call.started, self._shifts, self._zone)
        self.calls.labels(site, finding.outcome, finding.reason, shift).inc()
        stages = finding.stages
        if stages.wait is not None:
            if finding.outcome is Outcome.ANSWERED:
                queue = finding.queue if finding.queue in self._queues else "other"
                self.answer_wait.labels(site, queue).observe(stages.wait / SECOND)
            elif finding.outcome is Outcome.ABANDONED:
                self.abandon_wait.labels(site).observe(stages.wait / SECOND)
        if stages.talk is not None:
            self.talk.labels(site).observe(stages.talk / SECOND)
        if stages.ivr is not None:
            self.ivr.labels(site).observe(stages.ivr / SECOND)
        if finding.mark:
            self.marks.labels(site, finding.mark).inc()

    def struck(self, entry: Entry, imposed: Block | None) -> None:
        """Count a strike and its block."""
        self.strikes.labels(self._site, entry.finding.outcome).inc()
        if imposed:
            self.blocks_imposed.labels(self._site, imposed.level, imposed.origin).inc()

    def screened(self, screening: Screening, seconds: float) -> None:
        """Count a verdict."""
        self._duration.observe(seconds)
        self._verdicts[screening.verdict, screening.reason].inc()
        if screening.reason is ScreenReason.WOULD_BLOCK:
            self._would_block.inc()
        if screening.reason.fails_open:
            self.fail_opens.labels(self._site, screening.reason).inc()

    def agi_refused(self) -> None:
        """Count a peer that does not speak AGI: its call, if there was one, goes through."""
        self.fail_opens.labels(self._site, ScreenReason.BAD_REQUEST).inc()

    def in_progress(self, stages: dict[Stage, int]) -> None:
        """Show how many calls are where."""
        for stage in Stage:
            self.progress.labels(self._site, stage).set(stages.get(stage, 0))

    def store_up(self, *, up: bool) -> None:
        """Show whether Redis answers."""
        self._redis_up.set(up)

    def blocks_in_force(self, counts: Mapping[Level, int]) -> None:
        """Show how many blocks the store holds."""
        for level in Level:
            self.blocks_active.labels(self._site, level).set(counts.get(level, 0))

    def pending(self, count: int) -> None:
        """Show how many ended calls wait in the outbox."""
        self.outbox_pending.labels(self._site).set(count)

    # ── AMI ──────────────────────────────────────────────────────────────────────────────────────

    def ami_connected(self, *, up: bool) -> None:
        """Show whether we are following the PBX."""
        self._up.set(up)

    def ami_event(self, name: str, at: Millis, count: int = 1) -> None:
        """Count events of one name."""
        child = self._events.get(name)
        if child is None:
            child = self._events[name] = self.ami_events.labels(self._site, name)
        child.inc(count)
        self._last.set(at / SECOND)

    def ami_malformed(self, kind: str) -> None:
        """Count a malformed message."""
        self.ami_malformed_total.labels(self._site, kind).inc()

    def ami_gap(self, cause: str) -> None:  # noqa: ARG002 - the log has the cause; the metric none
        """Count a gap."""
        self._gaps.inc()

    def ami_reconnect(self, cause: str) -> None:
        """Count a new attempt."""
        self.ami_reconnects.labels(self._site, cause).inc()


Ready = Callable[[], dict[str, bool]]


class HttpEndpoint:
    """`/metrics`, `/healthz` (the loop turns) and `/readyz` (each part in its place)."""

    def __init__(self, metrics: Metrics, ready: Ready, refresh: Callable[[], None]) -> None:
        self._metrics = metrics
        self._ready = ready
        self._refresh = refresh
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; give the port.

        Raises:
            SiagaError: naming the address, if it is taken or not ours.

        """
        app = web.Application()
        app.router.add_get("/metrics", self._scrape)
        app.router.add_get("/healthz", self._healthy)
        app.router.add_get("/readyz", self._readiness)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            raise SiagaError(
                f"metrics cannot listen on {host}:{port} ({error.strerror or error}); "
                "is another siaga112 running? else change [metrics] host or port"
            ) from error
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()

    async def _scrape(self, _: web.Request) -> web.Response:
        self._refresh()
        body = generate_latest(self._metrics.registry)
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _healthy(self, _: web.Request) -> web.Response:
        await asyncio.sleep(0)
        return web.json_response({"ok": True})

    async def _readiness(self, _: web.Request) -> web.Response:
        parts = self._ready()
        return web.json_response(parts, status=200 if all(parts.values()) else 503)
