"""The live data, read once for all viewers: snapshot, today's figures, mode, work that waits.

While nobody watches, hardly anything is read. `changes` wakes every follower.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import structlog

from siaga112.app.store import SiteStore
from siaga112.console.today import Today
from siaga112.core.mode import Switch, in_force
from siaga112.core.model import DAY, SECOND, Level, Millis, Mode, due
from siaga112.core.snapshot import Snapshot
from siaga112.service.ports import Announced, StoreBrokenError, StoreDownError

LOOK_SECONDS: Final = 0.2
IDLE_SECONDS: Final = 1.0
COUNTS_EVERY: Final[Millis] = 5 * SECOND
DAY_EVERY: Final[Millis] = 60 * SECOND
TRIES: Final = 3
"""How often today's count is repeated if calls were announced during it."""

KEPT: Final = 500
"""Announcements kept for followers; a follower further behind reads the database."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Waiting:
    """Counts of open work. `oldest`: the longest-waiting call-back; `due`: the first objection's deadline."""

    callbacks: int = 0
    oldest: Millis | None = None
    proposals: int = 0
    blocks: dict[Level, int] = field(default_factory=dict)
    appeals: int = 0
    due: Millis | None = None


class Centre(NamedTuple):
    """The settings the live data depends on, as currently configured."""

    zone: ZoneInfo
    mode: Callable[[], Mode]
    answer_within: Callable[[], Millis]
    held_off: Callable[[], bool]


class Live:
    """The site at this moment. `problem` is '' while everything can be read."""

    def __init__(self, store: SiteStore, centre: Centre, clock: Callable[[], Millis]) -> None:
        self._store = store
        self._centre = centre
        self._clock = clock
        self._condition = asyncio.Condition()
        self._looking = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._counted: Millis = 0
        self._day_read: Millis = 0
        self._begun = False
        self.version = 0
        self.watching = 0
        self.problem = "not read yet"
        self.snapshot: Snapshot | None = None
        self.switch: Switch | None = None
        self.mode: Mode | None = None
        self.today: Today | None = None
        self.waiting = Waiting()
        self.last = 0
        self.lately: list[Announced] = []
        self.heard: list[Callable[[Sequence[Announced]], None]] = []
        """Called with each batch of announcements."""

    async def run(self) -> None:
        """Refresh for ever."""
        while True:
            try:
                await self.look()
            except (StoreDownError, StoreBrokenError) as error:
                await self._failed(error)
            except Exception as error:  # noqa: BLE001 - one bad answer must not end the wall
                _log.exception("look_failed")
                await self._failed(error)
            self._wanted.clear()
            if self.watching:
                await asyncio.sleep(LOOK_SECONDS)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_SECONDS):
                        await self._wanted.wait()

    async def _failed(self, error: Exception) -> None:
        changed = self.problem != str(error)
        self.problem = str(error)
        if changed:
            await self._tell()

    async def _tell(self) -> None:
        self.version += 1
        async with self._condition:
            self._condition.notify_all()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Count as a viewer inside the `with` block."""
        self.watching += 1
        self._wanted.set()
        try:
            yield
        finally:
            self.watching -= 1

    async def changes(self, seconds: float) -> AsyncIterator[int]:
        """Yield the version now and at each change; repeat it after `seconds` without one."""
        while True:
            seen = self.version
            yield seen
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds), self._condition:
                    await self._condition.wait_for(lambda: self.version != seen)  # noqa: B023 - called at once

    async def look(self) -> None:
        """Refresh once, and wake the followers if anything has changed.

        One look at a time: two that read the same announcements would count and tell each of them twice.
        """
        async with self._looking:
            changed = await self._look()
        if changed:
            await self._tell()

    async def _look(self) -> bool:
        now = self._clock()
        before = self.snapshot, self.mode, self.waiting, self.problem
        told = await self._announcements()
        if self.watching:
            self.snapshot = await self._store.snapshot()
        if told or due(self._counted, now, COUNTS_EVERY):
            await self._count(now)
        if self.watching:
            await self._count_day(now, told)
        self.problem = ""
        return bool(told) or before != (self.snapshot, self.mode, self.waiting, "")

    async def _announcements(self) -> Sequence[Announced]:
        records = self._store.records
        if not self._begun:
            self.last = await records.last_announced()
            self._begun = True
            return []
        told = await records.announcements(self.last, KEPT)
        if told:
            self.last = told[-1].id
            self.lately = [*self.lately, *told][-KEPT:]
            for hear in self.heard:
                hear(told)
        return told

    async def _count(self, now: Millis) -> None:
        self.switch = await self._store.switched()
        self.mode = in_force(self._centre.mode(), self.switch, held_off=self._centre.held_off())
        callbacks, oldest = await self._store.missed_count()
        proposals = await self._store.proposed_count()
        blocks = dict(await self._store.block_counts(now))
        appeals, due = await self._store.appealed_count()
        self.waiting = Waiting(callbacks, oldest, proposals, blocks, appeals, due)
        self._counted = now

    async def _count_day(self, now: Millis, told: Sequence[Announced]) -> None:
        local = datetime.fromtimestamp(now / SECOND, self._centre.zone)
        midnight = int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * SECOND)
        if self.today and self.today.since == midnight and not due(self._day_read, now, DAY_EVERY):
            for one in told:
                self.today.add(one.told)
            return
        within = self._centre.answer_within()
        counted = await self._store.counted(midnight, now + DAY, DAY, within)
        for _ in range(TRIES):
            if await self._store.records.last_announced() <= self.last:
                break
            await self._announcements()  # may or may not be in the count: count again
            counted = await self._store.counted(midnight, now + DAY, DAY, within)
        self.today = Today.of(midnight, within, counted)
        self._day_read = now
