"""A site's store, as tests open it."""

from collections.abc import Sequence
from pathlib import Path

from siaga112.adapters.redis.block_list import RedisBlockList
from siaga112.adapters.redis.connect import connect
from siaga112.adapters.redis.embedded import url as private_redis
from siaga112.adapters.redis.store import RedisStore
from siaga112.app.store import SiteStore, open_site
from siaga112.core.changes import Change
from siaga112.core.model import DAY, Caller, Millis
from siaga112.service.ports import StoreBrokenError, Written
from tests.lab.redis_servers import ANSWER_SECONDS
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


def site_store(
    state: Path, site: str, redis: str = "", keep: Millis = 400 * DAY, patience: float = ANSWER_SECONDS
) -> RedisStore:
    """Open what a daemon keeps whose state directory that is; `redis`: where its Redis is, if not there."""
    return RedisStore(connect(redis or private_redis(state), patience), site, keep)
