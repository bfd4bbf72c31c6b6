"""A site's store: records in a database, and a block list in Redis that has each change at once."""

from collections.abc import Sequence

from siaga112.adapters.redis.block_list import RedisBlockList
from siaga112.adapters.redis.connect import connect
from siaga112.app.store import SiteStore, open_site
from siaga112.core.changes import Change
from siaga112.core.model import Caller, Millis
from siaga112.service.ports import StoreBrokenError, Written
from tests.waiting import within


class PublishedStore(SiteStore):
    """A store without a daemon: whoever writes to it brings to the block list what has changed."""

    async def write(self, changes: Sequence[Change]) -> Sequence[Written | StoreBrokenError]:
        """Write, and publish."""
        answers = await super().write(changes)
        await self.published()
        return answers

    async def erase(self, caller: Caller, at: Millis) -> None:
        """Erase, and publish."""
        await super().erase(caller, at)
        await self.published()

    async def published(self) -> None:
        """Bring to the block list what the records have."""
        async with within(120, "the end of publishing"):
            while await self.publisher.publish():
                pass


def published_store(url: str, redis: str, site: str, keep: Millis, patience: float) -> PublishedStore:
    """Open a site's store."""
    opened = open_site(url, RedisBlockList(connect(redis, patience), site), site, keep, keep)
    return PublishedStore(opened.records, opened.block_list, keep, keep)
