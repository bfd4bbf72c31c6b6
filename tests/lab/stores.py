"""A site's store, as tests open it."""

from pathlib import Path

from siaga112.adapters.redis.block_list import RedisBlockList
from siaga112.adapters.redis.connect import connect
from siaga112.adapters.redis.embedded import url as private_redis
from siaga112.app.records import DATABASE
from siaga112.app.store import DecidingStore, open_site
from siaga112.core.model import DAY, Millis
from tests.lab.redis_servers import ANSWER_SECONDS
from tests.waiting import within


class PublishedStore(DecidingStore):
    """A store without a daemon: each write also brings the block list up to date."""

    async def _changed(self) -> None:
        await self.published()

    async def published(self) -> None:
        """Bring the block list up to date with the records."""
        async with within(120, "the end of publishing"):
            while await self.publisher.publish():
                pass


def published_store(url: str, redis: str, site: str, keep: Millis, patience: float) -> PublishedStore:
    """Open a site's store."""
    opened = open_site(url, lambda: RedisBlockList(connect(redis, patience), site), site, keep, keep)
    return PublishedStore(opened.records, lambda: opened.block_list, keep, keep)


def site_store(
    state: Path, site: str, redis: str = "", keep: Millis = 400 * DAY, patience: float = ANSWER_SECONDS
) -> PublishedStore:
    """Open the store of a daemon with that state directory. `redis`: where its Redis is, if not in there."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    url = f"sqlite:///{(state / DATABASE).absolute()}"
    return published_store(url, redis or private_redis(state), site, keep, patience)
