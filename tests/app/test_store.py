"""The mode in the database and in Redis: either is enough, and the later decision holds in both."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from siaga112.app.store import SiteStore
from siaga112.core.mode import Switch
from siaga112.core.model import DAY, Mode
from siaga112.service.ports import StoreDownError
from tests.lab.redis_servers import RedisServer, plain
from tests.lab.stores import published_store
from tests.samples import NOW

pytestmark = pytest.mark.redis

OFF = Switch(Mode.OFF, NOW, "ratna", "flood")
EARLIER = Switch(Mode.ENFORCE, NOW - 1, "budi", "figures read")


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """Give a test a server that it may stop."""
    with plain() as server:
        yield server


@pytest.fixture
async def store(redis: RedisServer, tmp_path: Path) -> AsyncIterator[SiteStore]:
    """Give a site's store; its database's folder is made by whoever wants it there."""
    opened = published_store(f"sqlite:///{tmp_path}/db/siaga112.db", redis.url, "lab", DAY, 60.0)
    yield opened
    await opened.close()


async def test_off_is_heeded_while_either_is_away(
    store: SiteStore, redis: RedisServer, tmp_path: Path
) -> None:
    """The kill switch needs one of them, and the other is told when it is back."""
    assert await store.switch(OFF), "without the database"
    assert await store.switched() == OFF
    (tmp_path / "db").mkdir()
    assert await store.switched() == OFF
    assert await store.records.switched() == OFF
    redis.stop()
    later = Switch(Mode.OBSERVE, NOW + 1, "ratna", "over")
    assert await store.switch(later), "without Redis"
    assert await store.switched() == later
    redis.start()
    assert await store.switched() == later
    assert await store.block_list.switched() == later


async def test_without_both_nothing_is_claimed(store: SiteStore, redis: RedisServer) -> None:
    """Whoever switches is told that nobody has it."""
    redis.stop()
    with pytest.raises(StoreDownError):
        await store.switch(OFF)
    with pytest.raises(StoreDownError):
        await store.switched()


@pytest.mark.parametrize("has_it", ["records", "block_list"])
async def test_an_earlier_switch_replaces_off_in_neither(
    store: SiteStore, has_it: str, tmp_path: Path
) -> None:
    """Whichever of the two has heard of it: the earlier is refused, and the later is told to both."""
    (tmp_path / "db").mkdir()
    assert await getattr(store, has_it).switch(OFF)
    assert not await store.switch(EARLIER)
    assert (await store.records.switched(), await store.block_list.switched()) == (OFF, OFF)
