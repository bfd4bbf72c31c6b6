"""Publishing: copy changed standings from the records to the block list, or rebuild the whole list.

The transaction that changes a standing also notes it as unpublished, so a crash before publishing loses
nothing. The list's edition shows if the list was emptied or replaced by an older copy or another site's; then
it is rebuilt. At the start, the publisher compares the whole list once and publishes the differences like
changes, so that replicas receive them.

Several processes may publish at the same time. A process that publishes an older standing too late notices
this when it marks the standing as published, and the newer one is published again.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from siaga112.core.standing import NOBODY
from siaga112.service.ports import (
    BlockList,
    Edition,
    Published,
    StoreBrokenError,
    StoreDownError,
    Unpublished,
)

LOOK_SECONDS: Final = 0.25
"""How often to look for work without a `wake`: another process may have died, or Redis been emptied."""

RETRY_SECONDS: Final = 0.5

CONTENDED_SECONDS: Final = 60.0
"""If the list is another site's again this soon after a rebuild, another daemon writes to the same Redis."""

TOGETHER: Final = 500

AT_ONCE: Final = 100_000
"""How many standings are put or compared at once, some 25 in each hash of Redis. No more are in memory."""

_ONE_DATABASE: Final = "daemons of one site on one Redis need one database: the same [database] url"

_log = structlog.get_logger()


@dataclass(slots=True)
class Publisher:
    """Publishes standings from the records to the block list."""

    records: Published
    block_list: BlockList
    meter: Callable[[int], None] = lambda _: None
    """Called with the number of standings that are not published yet."""
    lost: Callable[[], None] = lambda: None
    """Called each time the list is incomplete and must be rebuilt."""
    _compared: str | None = None
    """With which server's list all standings were compared, or from nothing written."""

    _contended_until: float = 0.0
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Have recent changes published at once."""
        self._woken.set()

    async def run(self) -> None:
        """Publish for ever. While the records or the list cannot be reached, changes wait."""
        told = False
        while True:
            try:
                self._woken.clear()
                if await self.publish():
                    continue
                told = False
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._woken.wait()
            except (StoreDownError, StoreBrokenError) as error:
                if not told:
                    _log.warning("publishing_postponed", detail=str(error))
                told = True
                await asyncio.sleep(RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001 - no error may stop publishing
                if not told:
                    _log.error("publishing_failed", detail=str(error), exc_info=error)
                told = True
                await asyncio.sleep(RETRY_SECONDS)

    async def publish(self) -> bool:
        """Publish the changes, or rebuild an incomplete list; return whether there may be more to do."""
        wanted, changed = await self._waiting()
        server = await self.block_list.server()
        found = await self.block_list.edition()
        if not _whole(found, wanted):
            if found and found.epoch != wanted.epoch and time.monotonic() < self._contended_until:
                _log.error("block_list_contended", remedy=_ONE_DATABASE)
                await asyncio.sleep(RETRY_SECONDS)
            if found or wanted.changes or self._compared is not None:  # else new: nothing was lost
                _log.warning("block_list_rebuilding", found=found, wanted=wanted)
                self.lost()
            await self.rebuild()
            return True
        await self._publish(changed, wanted)
        if len(changed) < TOGETHER and self._compared != server:
            await self._compare()
            self._compared = server
        return len(changed) == TOGETHER

    async def hand_on(self) -> bool:
        """Publish all waiting changes; return False, and do nothing, if the list is incomplete."""
        while True:
            wanted, changed = await self._waiting()
            if not _whole(await self.block_list.edition(), wanted):
                return False
            await self._publish(changed, wanted)
            if len(changed) < TOGETHER:
                return True

    async def _waiting(self) -> tuple[Edition, Sequence[Unpublished]]:
        wanted, changed = await self.records.edition(), await self.records.unpublished(TOGETHER)
        self.meter(len(changed))
        return wanted, changed

    async def _publish(self, changed: Sequence[Unpublished], wanted: Edition) -> None:
        if changed:
            edition = Edition(wanted.epoch, wanted.changes + len(changed))
            standings = [(one.caller, one.standing) for one in changed]
            if any(one.erased for one in changed):  # the feed contains the number, so `finish` replaces it
                await self.block_list.put(standings)
                await self.block_list.finish(edition)
            else:
                await self.block_list.publish(standings, edition)
            await self.records.published(changed, edition)
            self.meter(0)

    async def rebuild(self) -> int:
        """Rebuild the block list; return its number of callers. Until the end it is marked as incomplete."""
        await self.records.edition()  # fail before the list is touched if the records do not answer
        server = await self.block_list.server()
        await self.block_list.begin()
        count = await self._put_all()
        await self.block_list.finish(await self.records.edition())
        self._compared = server
        self._contended_until = time.monotonic() + CONTENDED_SECONDS
        _log.info("block_list_whole", callers=count)
        return count

    async def _compare(self) -> None:
        """Publish each standing that differs from the list's, like a change, so that replicas receive it."""
        before, count = await self.records.edition(), 0
        async for held in self._all():
            found = await self.block_list.standings_of([one.caller for one in held])
            other = []
            for nth, (one, has) in enumerate(zip(held, found, strict=True)):
                if one.standing != has:
                    other.append(one)
                if nth % TOGETHER == 0:
                    await asyncio.sleep(0)  # verdicts come first
            for first in range(0, len(other), TOGETHER):
                await self._publish(other[first : first + TOGETHER], await self.records.edition())
            count += len(held)
        if await self._take_away(count, before):
            # The removed callers may have been erased, so the feed must not name them: replicas read it all.
            await self.block_list.finish(await self.records.edition())

    async def _all(self) -> AsyncIterator[Sequence[Unpublished]]:
        """Yield all standings in large groups, so that each bucket of the list gets several at once."""
        some: list[Unpublished] = []
        async for page in self.records.standings():
            some += page
            if len(some) >= AT_ONCE:
                yield some
                some = []
        yield some

    async def _put_all(self) -> int:
        """Put every standing and remove callers without one; return the number of callers."""
        before, count = await self.records.edition(), 0
        async for held in self._all():
            await self.block_list.put((one.caller, one.standing) for one in held)
            moved = await self.records.moved_on(held)  # a newer standing may have been overwritten by ours
            for first in range(0, len(moved), TOGETHER):
                await self.records.published(moved[first : first + TOGETHER], await self.records.edition())
            count += len(held)
        await self._take_away(count, before)
        return count

    async def _take_away(self, count: int, before: Edition) -> bool:
        """Remove callers who have no standing from the list; return whether there were any.

        `count`: how many callers have a standing; all of them are on the list. If the list has exactly as
        many and nothing was published since the edition `before`, there is nothing to remove.
        """
        if await self.block_list.count() == count and await self.records.edition() == before:
            return False
        found = False
        async for page in self.block_list.callers():
            for first in range(0, len(page), TOGETHER):
                stale = await self.records.without_standing(page[first : first + TOGETHER])
                if stale:
                    await self._put([Unpublished(caller, 0, NOBODY) for caller in stale])
                    found = True
        return found

    async def _put(self, held: Sequence[Unpublished]) -> None:
        """Put standings. One that changed in the meantime stays unpublished and is published again."""
        await self.block_list.put((one.caller, one.standing) for one in held)
        await self.records.published(held, await self.records.edition())


def _whole(found: Edition | None, wanted: Edition) -> bool:
    return found is not None and found.epoch == wanted.epoch and found.changes >= wanted.changes
