"""From the records to the block list: each standing that changed, and all of them where it is not whole.

What has to be published is noted in the transaction that changed it, so a crash between the two is made up
for. That the list was emptied, or replaced by an older copy or by another site's, is seen by its edition, and
it is made anew. At our start all of it is compared once, whatever it says.

Any process may publish, also several at once: who comes too late with an older standing finds out when noting
what is done, and the later one is published again.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from siaga112.core.model import Caller
from siaga112.core.standing import NOBODY
from siaga112.service.ports import (
    BlockList,
    Edition,
    Published,
    StoreBrokenError,
    StoreDownError,
    Unpublished,
)

LOOK_SECONDS: Final = 0.02
"""How often we look for what has changed: a verdict is to know of it within 50 ms."""

RETRY_SECONDS: Final = 0.5
TOGETHER: Final = 500

_log = structlog.get_logger()


@dataclass(slots=True)
class Publisher:
    """Brings standings from the records to the block list."""

    records: Published
    block_list: BlockList
    _compared: bool = False

    async def run(self) -> None:
        """Publish for ever; while either cannot be reached, what is to be published waits."""
        told = False
        while True:
            try:
                if await self.publish():
                    continue
                told = False
                await asyncio.sleep(LOOK_SECONDS)
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
        """Publish what has changed since; say whether there may be more."""
        wanted, found = await self.records.edition(), await self.block_list.edition()
        if found is None or found.epoch != wanted.epoch or found.changes < wanted.changes:
            _log.warning("block_list_made_anew", found=found, wanted=wanted)
            await self.rebuild()
            return True
        if not self._compared:
            await self._put_all()
            self._compared = True
        changed = await self.records.unpublished(TOGETHER)
        if changed:
            edition = Edition(wanted.epoch, wanted.changes + len(changed))
            standings = [(one.caller, one.standing) for one in changed]
            if any(one.erased for one in changed):  # the feed names whom it told of: it goes, as a whole
                await self.block_list.put(standings)
                await self.block_list.finish(edition)
            else:
                await self.block_list.publish(standings, edition)
            await self.records.published(changed, edition)
        return len(changed) == TOGETHER

    async def rebuild(self) -> int:
        """Make the block list anew; say how many callers it has. Meanwhile nobody takes it for whole."""
        await self.block_list.begin()
        count = await self._put_all()
        await self.block_list.finish(await self.records.edition())
        self._compared = True
        _log.info("block_list_whole", callers=count)
        return count

    async def _put_all(self) -> int:
        """Put every standing, and take away what the list has of callers who have none; count the callers."""
        stale: set[Caller] = set()
        async for page in self.block_list.callers():
            stale.update(page)
        count = 0
        async for held in self.records.standings():
            await self._put(held)
            stale.difference_update(one.caller for one in held)
            count += len(held)
        await self._put([Unpublished(caller, 0, NOBODY) for caller in stale])
        return count

    async def _put(self, held: Sequence[Unpublished]) -> None:
        """Put standings; of whom another was published meanwhile, it is published again."""
        await self.block_list.put((one.caller, one.standing) for one in held)
        await self.records.published(held, await self.records.edition())
