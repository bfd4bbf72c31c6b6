"""What goes on now, read once for all who look: the snapshot, the day, the mode, what waits.

While nobody looks, hardly anything is read. `changed` wakes whoever follows it.
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
"""So often the day is counted anew, if something was announced meanwhile."""

KEPT: Final = 500
"""So many announcements are kept for who follows; who has fallen further behind reads the database."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many wait for whom. `oldest`: since when the first call-back does; `due`: the first objection's."""

    callbacks: int = 0
    oldest: Millis | None = None
    proposals: int = 0
    blocks: dict[Level, int] = field(default_factory=dict)
    appeals: int = 0
    due: Millis | None = None


class Centre(NamedTuple):
    """What is configured, as it is now."""

    zone: ZoneInfo
    mode: Callable[[], Mode]
    answer_within: Callable[[], Millis]
    held_off: Callable[[], bool]


class Live:
    """The site at this moment. `problem` is '' while all of it can be read."""

    def __init__(self, store: SiteStore, centre: Centre, clock: Callable[[], Millis]) -> None:
        self._store = store
        self._centre = centre
        self._clock = clock
        self._condition = asyncio.Condition()
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
        """Who is told of each announcement, beside who follows."""

    async def run(self) -> None:
        """Look for ever."""
        while True:
            try:
                changed = await self.look()
            except (StoreDownError, StoreBrokenError) as error:
                changed = self.problem != str(error)
                self.problem = str(error)
            except Exception as error:  # noqa: BLE001 - one odd answer must not end the wall
                _log.exception("look_failed")
                changed = self.problem != str(error)
                self.problem = str(error)
            if changed:
                await self._tell()
            self._wanted.clear()
            if self.watching:
                await asyncio.sleep(LOOK_SECONDS)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_SECONDS):
                        await self._wanted.wait()

    async def _tell(self) -> None:
        self.version += 1
        async with self._condition:
            self._condition.notify_all()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Be somebody who looks, for a while."""
        self.watching += 1
        self._wanted.set()
        try:
            yield
        finally:
            self.watching -= 1

    async def changes(self, seconds: float) -> AsyncIterator[int]:
        """Give the version now and whenever it changes; the same again where it has not for that long."""
        while True:
            seen = self.version
            yield seen
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds), self._condition:
                    await self._condition.wait_for(lambda: self.version != seen)  # noqa: B023 - at once

    async def look(self) -> bool:
        """Look once; say whether something has changed."""
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
            await self._announcements()  # of calls that are counted, or are not: count once more
            counted = await self._store.counted(midnight, now + DAY, DAY, within)
        self.today = Today.of(midnight, within, counted)
        self._day_read = now
