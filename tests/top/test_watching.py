"""What `siaga112 top` reads of a site, and what it shows of what is away."""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from siaga112.adapters.scrape import ProbeError
from siaga112.core.changes import Change
from siaga112.core.mode import Switch
from siaga112.core.model import DAY, SECOND, CallId, Entry, Mark, Millis, Mode, Outcome
from siaga112.errors import UnreachableError
from siaga112.top.watching import LAST, NEW_AT_ONCE, Today, Vitals, Watcher, midnight
from tests.fakes.memory import MemoryStore
from tests.samples import NOW, SNAPSHOT, answered, entry, prank

ZONE = ZoneInfo("Asia/Jakarta")
NOON = midnight(NOW, ZONE) + DAY // 2


class CountedStore(MemoryStore):
    """A store that counts the reads of its ledger."""

    def __init__(self) -> None:
        super().__init__()
        self.wholes = 0
        self.read: list[CallId] = []

    def entries(self, since: Millis, until: Millis):  # type: ignore[no-untyped-def]  # noqa: ANN201 - the port's
        """Count a read of all rows."""
        self.wholes += 1
        return super().entries(since, until)

    async def ledger_calls(self, since: Millis, until: Millis) -> list[CallId]:
        """Return the ids of the calls without reading a row."""
        return [
            row.finding.call.id for row in self._ledger.values() if since <= row.finding.call.started < until
        ]

    async def entry(self, call: CallId) -> Entry | None:
        """Record a read of one row."""
        self.read.append(call)
        return await super().entry(call)


class Page:
    """A daemon's metrics, which the test sets."""

    def __init__(self) -> None:
        self.url = "http://127.0.0.1:1/metrics"
        self.problem = ""
        self.began = NOON - DAY
        self.verdicts: Mapping[float, float] = {}
        self.fail_open: Mapping[str, int] = {}

    async def vitals(self) -> Vitals:
        """Return them, or raise the problem."""
        if self.problem:
            raise ProbeError(self.problem)
        return Vitals(
            self.began,
            redis_up=True,
            ami_connected=True,
            last_event=NOON,
            outbox=0,
            verdicts=self.verdicts,
            fail_open=self.fail_open,
        )


class Site:
    """A site with a watcher, whose clock the test sets."""

    def __init__(self) -> None:
        self.now = NOON
        self.store = CountedStore()
        self.tracking, self.screening = Page(), Page()
        self.screening.problem = "connection refused"
        self.watcher = Watcher(
            store=self.store,
            tracking=self.tracking,
            screening=self.screening,
            site="lab",
            zone=ZONE,
            configured=Mode.OBSERVE,
            answer_within=10 * SECOND,
            clock=lambda: self.now,
        )


# ── today ────────────────────────────────────────────────────────────────────────────────────────


async def test_the_day_begins_at_the_sites_midnight() -> None:
    """A call a second before the site's midnight is yesterday's, one at midnight is today's."""
    store, begin = MemoryStore(), midnight(NOW, ZONE)
    assert datetime.fromtimestamp(begin / SECOND, UTC).astimezone(ZONE).strftime("%H:%M:%S") == "00:00:00"
    for row in (prank(1, begin - SECOND), prank(2, begin), answered(3, begin + SECOND)):
        await store.write([Change(entry=entry(row))])
    today = Today(store, ZONE)
    await today.look(begin + 2 * SECOND)
    assert today.day
    assert today.day.since == begin
    assert today.day.outcomes == {Outcome.IVR_PRANK: 1, Outcome.ANSWERED: 1}
    assert [row.finding.call.started for row in today.last] == [begin + SECOND, begin]
    await today.look(begin + DAY)
    assert (today.day.since, today.day.total, list(today.last)) == (begin + DAY, 0, [])


async def test_only_what_is_new_is_read() -> None:
    """After the first look only new rows are read, and at most every two seconds."""
    store = CountedStore()
    for number in range(200):
        await store.write([Change(entry=entry(prank(number, NOON - number * SECOND)))])
    today = Today(store, ZONE)
    await today.look(NOON)
    assert (store.wholes, store.read) == (1, [])
    new = entry(answered(900, NOON + 1))
    await store.write([Change(entry=new)])
    await today.look(NOON + SECOND)
    assert store.read == []
    await today.look(NOON + 3 * SECOND)
    await today.look(NOON + 6 * SECOND)
    assert (store.wholes, store.read) == (1, [new.finding.call.id])
    assert today.day
    assert today.day.total == 201
    assert today.last[0] == new
    assert len(today.last) == LAST


async def test_a_mark_set_afterwards_shows_within_a_minute() -> None:
    """A mark set later is shown within a minute, when the whole day is read again."""
    store, row = CountedStore(), entry(answered(1, NOON - SECOND))
    await store.write([Change(entry=row)])
    today = Today(store, ZONE)
    await today.look(NOON)
    assert today.day
    assert today.day.marks == {None: 1}
    await store.write([Change(entry=replace(row, finding=replace(row.finding, mark=Mark.GENUINE)))])
    await today.look(NOON + 60 * SECOND)
    assert today.day.marks == {Mark.GENUINE: 1}


async def test_many_new_rows_are_read_at_once() -> None:
    """If more rows are new than `NEW_AT_ONCE`, the whole day is read instead of each row."""
    store = CountedStore()
    today = Today(store, ZONE)
    await today.look(NOON)
    for number in range(NEW_AT_ONCE + 1):
        await store.write([Change(entry=entry(prank(number, NOON - SECOND)))])
    await today.look(NOON + 3 * SECOND)
    assert (store.wholes, store.read) == (2, [])
    assert today.day
    assert today.day.total == NEW_AT_ONCE + 1


# ── what is there, and what is not ───────────────────────────────────────────────────────────────


async def test_a_frame_has_all_that_there_is() -> None:
    """A frame has snapshot, mode, day and vitals; the mode is the configured one until it is switched."""
    site = Site()
    await site.store.put_snapshot(SNAPSHOT)
    await site.store.write([Change(entry=entry(prank(1, NOON - SECOND)))])
    frame = await site.watcher.look()
    assert (frame.store_up, frame.mode, frame.snapshot) == (True, Mode.OBSERVE, SNAPSHOT)
    assert frame.day
    assert frame.day.total == 1
    assert frame.tracking.vitals
    assert frame.screening is None
    await site.store.switch(Switch(Mode.OFF), Mode.OBSERVE)
    assert (await site.watcher.look()).mode is Mode.OFF


async def test_a_store_that_goes_is_told_and_comes_back() -> None:
    """Without the store a frame has nothing of it, not even what was known; the next look finds it again."""
    site = Site()
    await site.store.put_snapshot(SNAPSHOT)
    await site.watcher.look()
    site.store.down = True
    frame = await site.watcher.look()
    assert frame.store_problem == "memory: switched off by the test"
    assert (frame.snapshot, frame.day, list(frame.ended), frame.mode) == (None, None, [], None)
    assert frame.tracking.vitals, "the rest is looked at all the same"
    site.store.down = False
    assert (await site.watcher.look()).snapshot == SNAPSHOT


async def test_a_store_that_is_known_not_to_run_is_told_with_the_remedy() -> None:
    """If the embedded Redis is known not to run, the frame says so with the remedy."""
    site = Site()

    def gone() -> None:
        raise UnreachableError("not running; start it with: siaga112 run")

    site.watcher.require_store = gone
    assert (await site.watcher.look()).store_problem == "not running; start it with: siaga112 run"


async def test_metrics_that_cannot_be_read_are_told() -> None:
    """A daemon that does not answer is reported in a few words."""
    site = Site()
    site.tracking.problem = "connection refused"
    frame = await site.watcher.look()
    assert (frame.tracking.vitals, frame.tracking.problem) == (None, "connection refused")
    assert frame.verdicts.p99 is None


async def test_the_screening_half_is_missed_only_where_it_is_apart() -> None:
    """The screening half's own metrics are in a frame only if the tracking half does not screen."""
    site = Site()
    await site.store.put_snapshot(SNAPSHOT)
    assert (await site.watcher.look()).screening is None
    await site.store.put_snapshot(replace(SNAPSHOT, screens=False))
    frame = await site.watcher.look()
    assert frame.screening
    assert frame.screening.problem == "connection refused"


async def test_the_screening_half_is_seen_without_the_other() -> None:
    """A screening half that answers is shown even if no tracking half does."""
    site = Site()
    site.tracking.problem, site.screening.problem = "connection refused", ""
    frame = await site.watcher.look()
    assert frame.screening
    assert frame.screening.vitals


# ── verdicts ─────────────────────────────────────────────────────────────────────────────────────


def took(fast: int, slow: int) -> dict[float, float]:
    """Return a histogram of this many verdicts under 2 ms, and between 0.5 and 1 s."""
    return {0.002: fast, 0.5: fast, 1.0: fast + slow, math.inf: fast + slow}


async def test_verdicts_are_those_of_the_last_minute() -> None:
    """Verdicts are those of the last minute, or since the start if it had none or was not watched."""
    site = Site()
    site.tracking.verdicts = took(0, 1_000)
    first = (await site.watcher.look()).verdicts
    assert (first.count, first.span) == (1_000, None)
    assert first.p99
    assert first.p99 > 0.9
    site.now += 30 * SECOND
    site.tracking.verdicts = took(100, 1_000)
    lately = (await site.watcher.look()).verdicts
    assert (lately.count, lately.span) == (100, 30 * SECOND)
    assert lately.p99
    assert lately.p99 < 0.002
    site.now += 61 * SECOND
    assert (await site.watcher.look()).verdicts.span is None, "nobody called in the last minute"


async def test_a_daemon_that_began_anew_counts_from_nothing() -> None:
    """After a restart of the daemon the count of verdicts is its own, not a negative difference."""
    site = Site()
    site.tracking.verdicts = took(1_000, 0)
    await site.watcher.look()
    site.now += SECOND
    site.tracking.began, site.tracking.verdicts = site.now, took(3, 0)
    assert (await site.watcher.look()).verdicts.count == 3


async def test_both_halves_fail_open_into_one_count() -> None:
    """Verdicts that failed open are added up over both halves, by cause."""
    site = Site()
    site.screening.problem = ""
    site.tracking.fail_open = {"bad_request": 1}
    site.screening.fail_open = {"bad_request": 1, "deadline": 2}
    assert (await site.watcher.look()).fail_open == {"bad_request": 2, "deadline": 2}
