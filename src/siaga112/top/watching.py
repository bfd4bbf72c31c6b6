"""The data of `siaga112 top`: reads the store and the daemons' metrics, and notes what does not answer.

A look never raises when something is down: the frame says so, and the next look tries again.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from siaga112.adapters.scrape import ProbeError
from siaga112.core.mode import in_force
from siaga112.core.model import SECOND, CallId, Entry, Mark, Millis, Mode, Outcome, due
from siaga112.core.snapshot import Snapshot
from siaga112.errors import Said, UnreachableError
from siaga112.service.ports import Store, StoreBrokenError, StoreDownError
from siaga112.top.histogram import Buckets, added, quantile, since

PATIENCE_SECONDS: Final = 3.0
"""A longer look at the store has failed."""

LEDGER_EVERY: Final[Millis] = 2 * SECOND
WHOLE_EVERY: Final[Millis] = 60 * SECOND
"""How often the whole day is read again, to show changes in rows already read (a mark, an erasure)."""

NEW_AT_ONCE: Final = 100
"""With more new rows than this, we read the whole day."""

LAST: Final = 50
"""The number of the day's calls that are listed."""

WINDOW: Final[Millis] = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Vitals:
    """A daemon's state according to its `/metrics`. `fail_open`: counts by cause, without zeros."""

    started: Millis
    redis_up: bool
    ami_connected: bool
    last_event: Millis | None
    outbox: int
    verdicts: Buckets
    fail_open: Mapping[str, int]


class Probe(Protocol):
    """A source of one daemon's state."""

    @property
    def url(self) -> str:
        """The address of the source."""

    async def vitals(self) -> Vitals:
        """Read the state. Raises ProbeError."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The result of reading one daemon's metrics."""

    url: str
    vitals: Vitals | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The answers to the dialplan: the 99th percentile in seconds, their number, and the time they cover.

    `span` None: since the daemons started.
    """

    p99: float | None = None
    count: int = 0
    span: Millis | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """The calls since midnight: each has one outcome, and an answered one at most one mark."""

    since: Millis
    outcomes: Mapping[Outcome, int]
    marks: Mapping[Mark | None, int]

    @property
    def total(self) -> int:
        """The number of calls."""
        return sum(self.outcomes.values())


@dataclass(frozen=True, slots=True)
class Frame:
    """One look at the site. None means unknown; `store_problem` is '' while the store answers.

    `ended`: the day's last calls, newest first. `screening` is None if one daemon runs both halves.
    """

    at: Millis
    site: str
    zone: ZoneInfo
    answer_within: Millis
    store_problem: str
    mode: Mode | None
    snapshot: Snapshot | None
    day: Day | None
    ended: Sequence[Entry]
    tracking: Endpoint
    screening: Endpoint | None
    verdicts: Verdicts
    fail_open: Mapping[str, int]

    @property
    def store_up(self) -> bool:
        """Whether the store answered."""
        return not self.store_problem


def midnight(now: Millis, zone: ZoneInfo) -> Millis:
    """Return the start of the site's day."""
    local = datetime.fromtimestamp(now / SECOND, UTC).astimezone(zone)
    return int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * SECOND)


@dataclass(slots=True)
class Today:
    """The ledger since midnight, of which we read only new rows."""

    store: Store
    zone: ZoneInfo
    day: Day | None = None
    last: Sequence[Entry] = ()
    _since: Millis = 0
    _rows: dict[CallId, Entry] = field(default_factory=dict)
    _known: set[CallId] = field(default_factory=set)
    _looked: Millis = 0
    _whole: Millis = 0

    async def look(self, now: Millis) -> None:
        """Update `day` and `last`, if it is time."""
        begin = midnight(now, self.zone)
        if begin != self._since or due(self._whole, now, WHOLE_EVERY):
            await self._read_whole(begin, now)
        elif due(self._looked, now, LEDGER_EVERY):
            await self._read_new(now)
        else:
            return
        self._looked = now
        rows = self._rows.values()
        self.day = Day(
            self._since,
            Counter(row.finding.outcome for row in rows),
            Counter(row.finding.mark for row in rows if row.finding.outcome is Outcome.ANSWERED),
        )
        self.last = sorted(rows, key=lambda row: row.finding.call.started, reverse=True)[:LAST]

    async def _read_whole(self, begin: Millis, now: Millis) -> None:
        known = set(await self.store.ledger_calls(begin, now + 1))
        rows = {row.finding.call.id: row async for row in self.store.entries(begin, now + 1)}
        self._since, self._whole, self._known, self._rows = begin, now, known | rows.keys(), rows

    async def _read_new(self, now: Millis) -> None:
        new = set(await self.store.ledger_calls(self._since, now + 1)) - self._known
        if len(new) > NEW_AT_ONCE:
            await self._read_whole(self._since, now)
            return
        for call in new:
            row = await self.store.entry(call)
            if row and row.finding.call.started >= self._since:
                self._rows[call] = row
        self._known |= new


@dataclass(slots=True)
class Watcher:
    """Watches a site. `tracking` and `screening` are the two halves of the daemon, if they run separately."""

    store: Store
    tracking: Probe
    screening: Probe
    site: str
    zone: ZoneInfo
    configured: Mode
    answer_within: Millis
    clock: Callable[[], Millis]
    require_store: Callable[[], None] = lambda: None
    """Raises UnreachableError, with the remedy, if the store is known to be absent."""
    held_off: Callable[[], bool] = lambda: False
    """Returns whether this machine's `off` file exists."""
    _today: Today = field(init=False)
    _past: deque[tuple[Millis, Sequence[Millis], Buckets]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._today = Today(self.store, self.zone)

    async def look(self) -> Frame:
        """Return one frame."""
        now = self.clock()
        (problem, mode, snapshot), tracking, screening = await asyncio.gather(
            self._look_at_store(now), _look_at(self.tracking), _look_at(self.screening)
        )
        apart = not snapshot.screens if snapshot else screening.vitals is not None
        read = [one.vitals for one in (tracking, screening) if one.vitals]
        causes: Counter[str] = Counter()
        for vitals in read:
            causes.update(vitals.fail_open)
        return Frame(
            at=now,
            site=self.site,
            zone=self.zone,
            answer_within=self.answer_within,
            store_problem=problem,
            mode=mode,
            snapshot=snapshot,
            day=None if problem else self._today.day,
            ended=() if problem else self._today.last,
            tracking=tracking,
            screening=screening if apart else None,
            verdicts=self._verdicts(now, read),
            fail_open=causes,
        )

    async def _look_at_store(self, now: Millis) -> tuple[str, Mode | None, Snapshot | None]:
        try:
            self.require_store()
            async with asyncio.timeout(PATIENCE_SECONDS):
                stored, snapshot = await asyncio.gather(self.store.switched(), self.store.snapshot())
                mode = in_force(self.configured, stored, held_off=self.held_off())
                await self._today.look(now)
        except TimeoutError:
            return Said("no answer within {seconds} s", seconds=format(PATIENCE_SECONDS, "g")), None, None
        except (StoreDownError, StoreBrokenError, UnreachableError) as error:
            return error.said, None, None
        return "", mode, snapshot

    def _verdicts(self, now: Millis, read: Sequence[Vitals]) -> Verdicts:
        """Return the verdicts of the last minute, or of the whole time if there were none in it."""
        runs = [vitals.started for vitals in read]
        whole = added(*(vitals.verdicts for vitals in read))
        if self._past and self._past[-1][1] != runs:
            self._past.clear()  # a daemon restarted, or answers again
        self._past.append((now, runs, whole))
        while self._past[0][0] < now - WINDOW:
            self._past.popleft()
        began, _, before = self._past[0]
        lately = since(whole, before)
        if count := int(max(lately.values(), default=0)):
            return Verdicts(quantile(0.99, lately), count, now - began)
        return Verdicts(quantile(0.99, whole), int(max(whole.values(), default=0)))


async def _look_at(probe: Probe) -> Endpoint:
    try:
        return Endpoint(probe.url, await probe.vitals())
    except ProbeError as error:
        return Endpoint(probe.url, None, error.said)
