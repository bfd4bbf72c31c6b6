"""The replica: every standing kept at hand, so that a verdict needs no trip to the store.

It reads all of them once and follows their changes, as they come. Each look begins at the last change
that it knows, which must still be there: a restarted store that lost something, a feed cut short
or a new master shows by its absence, and all is read anew, as soon as all is there. Meanwhile what was known
holds for `stale_after`; then verdicts ask the store itself.

No verdict rests on what was last confirmed longer ago than `stale_after`: so long, and no longer, a
block that somebody lifts meanwhile can go on anywhere, whatever is broken. After that callers go through.
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
"""How often the replica looks for changes, if nothing is heard of one before."""

_log = structlog.get_logger()


@dataclass(slots=True)
class Replica:
    """Knows all standings. `stale_after` in seconds, 0 for none of this; `stopwatch` in seconds."""

    feed: StandingFeed
    meter: Meter
    stopwatch: Callable[[], float]
    stale_after: float
    _standings: Standings = field(default_factory=Standings)
    _known: bool = False
    _place: FeedPosition | None = None
    _confirmed: float = 0.0

    def of(self, caller: Caller) -> Standing | None:
        """Give a caller's standing; None if it must be asked for, since not all are known.

        Raises:
            StoreDownError: if the store has not been heard of for too long.

        """
        fresh = self._known and self.stopwatch() - self._confirmed <= self.stale_after
        if self._place is None and not fresh:
            return None
        if not fresh:
            raise StoreDownError(f"not heard of for {self.stale_after:g} s")
        return self._standings.of(caller)

    @property
    def callers(self) -> int:
        """Say on how many callers a standing is held."""
        return len(self._standings)

    async def run(self) -> None:
        """Follow the store, for ever; while that cannot be, verdicts ask it."""
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
            except StoreDownError:  # the mode watch tells of it
                await asyncio.sleep(LOOK_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever it is, no verdict may end with it
                self._place = None
                if not told:
                    odd = None if isinstance(error, StoreBrokenError) else error
                    _log.error(
                        "replica_failed",
                        detail=str(error),
                        verdicts="as last known, then from Redis",
                        exc_info=odd,
                    )
                told = True
                await asyncio.sleep(LOOK_SECONDS)
        await asyncio.Event().wait()

    async def _look(self) -> bool:
        """Take over what has changed; say whether there may be more."""
        asked = self.stopwatch()
        if self._place is None:
            return await self._read_all()
        news = await self.feed.changes(self._place)
        if news is None:
            _log.warning("replica_gap", callers=self.callers, verdicts="as last known, then from Redis")
            self.meter.replica_gap()
            self._place = None
            return True
        for caller, standing in news.changes:
            self._standings.put(caller, standing)
        self._place, self._confirmed = news.place, asked
        self.meter.replica(self.callers)
        return bool(news.changes)

    async def _read_all(self) -> bool:
        """Read all standings, and what changed meanwhile; say whether there were all to read."""
        place = await self.feed.last_change()
        if place is None:
            return False
        standings = Standings()
        async for page in self.feed.standings():
            for caller, standing in page:
                standings.put(caller, standing)
            await asyncio.sleep(0)  # verdicts come first
        while True:
            asked = self.stopwatch()
            news = await self.feed.changes(place)
            if news is None:
                return True
            for caller, standing in news.changes:
                standings.put(caller, standing)
            place = news.place
            if not news.changes:
                self._standings, self._known = standings, True
                self._place, self._confirmed = place, asked
                _log.info("replica_read", callers=self.callers)
                return True
