"""From the records to the block list: each standing that changed, and all of them where it is not whole.

What has to be published is noted in the transaction that changed it, so a crash between the two is made up
for. That the list was emptied, or replaced by an older copy or by another site's, is seen by its edition, and
it is made anew. At our start all of it is compared once, whatever it says; what differs is published as any
change, so that who follows hears of it.

Any process may publish, also several at once: who comes too late with an older standing finds out when noting
what is done, and the later one is published again.
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
"""How often we look for what nobody has told us of: a process that died amid it, a Redis that was emptied."""

RETRY_SECONDS: Final = 0.5

CONTENDED_SECONDS: Final = 60.0
"""Who finds another's list so soon after having made ours has another daemon beside it."""

TOGETHER: Final = 500

AT_ONCE: Final = 40_000
"""How many standings are put, or compared, before the records are asked for more: no more are in memory."""

_ONE_DATABASE: Final = "daemons of one site on one Redis need one database: the same [database] url"

_log = structlog.get_logger()


@dataclass(slots=True)
class Publisher:
    """Brings standings from the records to the block list."""

    records: Published
    block_list: BlockList
    meter: Callable[[int], None] = lambda _: None
    """Told how many standings are not published yet."""
    lost: Callable[[], None] = lambda: None
    """Told each time that the list is not whole, and must be made anew."""
    _compared: bool = False
    _contended_until: float = 0.0
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Have published at once what has just changed."""
        self._woken.set()

    async def run(self) -> None:
        """Publish for ever; while either cannot be reached, what is to be published waits."""
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
                    _log.warning("publishing_put_off", detail=str(error))
                told = True
                await asyncio.sleep(RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever it is, the line goes on, and so do we
                if not told:
                    _log.error("publishing_failed", detail=str(error), exc_info=error)
                told = True
                await asyncio.sleep(RETRY_SECONDS)

    async def publish(self) -> bool:
        """Publish what has changed, or all where the list is not whole; say whether there may be more."""
        wanted, changed = await self._waiting()
        found = await self.block_list.edition()
        if not _whole(found, wanted):
            if found and found.epoch != wanted.epoch and time.monotonic() < self._contended_until:
                _log.error("block_list_contended", remedy=_ONE_DATABASE)
                await asyncio.sleep(RETRY_SECONDS)
            _log.warning("block_list_made_anew", found=found, wanted=wanted)
            self.lost()
            await self.rebuild()
            return True
        await self._publish(changed, wanted)
        if len(changed) < TOGETHER and not self._compared:
            await self._compare()
            self._compared = True
        return len(changed) == TOGETHER

    async def hand_on(self) -> bool:
        """Publish what has changed since; False, and nothing done, where the list is not whole."""
        while True:  # ends: with what waits
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
            if any(one.erased for one in changed):  # the feed names whom it told of: it goes, as a whole
                await self.block_list.put(standings)
                await self.block_list.finish(edition)
            else:
                await self.block_list.publish(standings, edition)
            await self.records.published(changed, edition)
            self.meter(0)

    async def rebuild(self) -> int:
        """Make the block list anew; say how many callers it has. Meanwhile nobody takes it for whole."""
        await self.records.edition()  # nothing is begun that could not be finished
        await self.block_list.begin()
        count = await self._put_all()
        await self.block_list.finish(await self.records.edition())
        self._compared = True
        self._contended_until = time.monotonic() + CONTENDED_SECONDS
        _log.info("block_list_whole", callers=count)
        return count

    async def _compare(self) -> None:
        """Publish each standing of which the list has another; who follows is told, as of any change."""
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
            # Whose they were nobody may learn, for they may have been erased: all is to be read anew.
            await self.block_list.finish(await self.records.edition())

    async def _all(self) -> AsyncIterator[Sequence[Unpublished]]:
        """Give all standings, so many at once that each bucket of the list gets several in one go."""
        some: list[Unpublished] = []
        async for page in self.records.standings():
            some += page
            if len(some) >= AT_ONCE:
                yield some
                some = []
        yield some

    async def _put_all(self) -> int:
        """Put every standing, and take away what the list has of callers who have none; count the callers."""
        before, count = await self.records.edition(), 0
        async for held in self._all():
            await self.block_list.put((one.caller, one.standing) for one in held)
            moved = await self.records.moved_on(held)  # who came too late with an older one notes it here
            for first in range(0, len(moved), TOGETHER):
                await self.records.published(moved[first : first + TOGETHER], await self.records.edition())
            count += len(held)
        await self._take_away(count, before)
        return count

    async def _take_away(self, count: int, before: Edition) -> bool:
        """Take away what the list has of callers who have no standing; say whether there was any.

        `count`: how many have one, all of whom are on it. It has no others if it has no more, unless somebody
        has published since that edition: who then left it would hide one.
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
        """Put standings; of whom another was published meanwhile, it is published again."""
        await self.block_list.put((one.caller, one.standing) for one in held)
        await self.records.published(held, await self.records.edition())


def _whole(found: Edition | None, wanted: Edition) -> bool:
    return found is not None and found.epoch == wanted.epoch and found.changes >= wanted.changes
