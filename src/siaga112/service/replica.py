"""The replica: a copy of all standings in memory, so that a verdict needs no round trip to the store.

It reads all standings once and then follows their changes. Each poll starts at the last known change, which
must still be in the feed. If it is missing (a store that lost data, a truncated feed, a new master), the
replica reads all standings again as soon as the list is complete. Until then the old ones stay valid for
`stale_after`; after that, verdicts ask the store.

No verdict uses standings that were last confirmed longer than `stale_after` ago. That limits how long a
lifted block can still be enforced, whatever is broken. After that, callers go through.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from siaga112.core.model import Caller
from siaga112.core.standing import Standing
from siaga112.core.standing_table import Standings
from siaga112.service.ports import FeedPosition, Meter, StandingFeed, StoreBrokenError, StoreDownError

LOOK_SECONDS: Final = 0.2
"""How often the replica polls for changes if the feed does not report one earlier."""

_log = structlog.get_logger()


@dataclass(slots=True)
class Replica:
    """Holds all standings. `stale_after`: in seconds, 0 for no replica. `stopwatch`: monotonic seconds."""

    feed: StandingFeed
    meter: Meter
    stopwatch: Callable[[], float]
    stale_after: float
    _standings: Standings = field(default_factory=Standings)
    _known: bool = False
    _place: FeedPosition | None = None
    _confirmed: float = 0.0

    def of(self, caller: Caller) -> Standing | None:
        """Return a caller's standing; None if the replica is incomplete and the store must be asked.

        Raises:
            StoreDownError: if the store has not answered for longer than `stale_after`.

        """
        fresh = self._known and self.stopwatch() - self._confirmed <= self.stale_after
        if self._place is None and not fresh:
            return None
        if not fresh:
            raise StoreDownError(f"no answer from the store for {self.stale_after:g} s")
        return self._standings.of(caller)

    @property
    def callers(self) -> int:
        """The number of callers with a standing."""
        return len(self._standings)

    async def run(self) -> None:
        """Follow the store, for ever."""
        told = False
        while self.stale_after:
            try:
                if await self._look():
                    continue
                told = False
                if self._place:
                    await self.feed.wait(self._place, LOOK_SECONDS)
                else:
                    await asyncio.sleep(LOOK_SECONDS)
            except StoreDownError:  # the mode watch logs it
                await asyncio.sleep(LOOK_SECONDS)
            except Exception as error:  # noqa: BLE001 - no error may stop verdicts
                self._place = None
                if not told:
                    odd = None if isinstance(error, StoreBrokenError) else error
                    _log.error(
                        "replica_failed",
                        detail=str(error),
                        verdicts="last known standings, then Redis",
                        exc_info=odd,
                    )
                told = True
                await asyncio.sleep(LOOK_SECONDS)
        await asyncio.Event().wait()

    async def _look(self) -> bool:
        """Apply changes; return whether there may be more."""
        asked = self.stopwatch()
        if self._place is None:
            return await self._read_all()
        news = await self.feed.changes(self._place)
        if news is None:
            _log.warning("replica_gap", callers=self.callers, verdicts="last known standings, then Redis")
            self.meter.replica_gap()
            self._place = None
            return True
        self._standings.put_all(news.changes)
        self._place, self._confirmed = news.place, asked
        self.meter.replica(self.callers)
        return bool(news.changes)

    async def _read_all(self) -> bool:
        """Read all standings and the changes made meanwhile; return whether the list was complete."""
        place = await self.feed.last_change()
        if place is None:
            return False
        standings = Standings()
        async for page in self.feed.standings():
            standings.put_all(page)
            await asyncio.sleep(0)  # verdicts come first
        while True:
            asked = self.stopwatch()
            news = await self.feed.changes(place)
            if news is None:
                return True
            standings.put_all(news.changes)
            place = news.place
            if not news.changes:
                self._standings, self._known = standings, True
                self._place, self._confirmed = place, asked
                _log.info("replica_read", callers=self.callers)
                return True
