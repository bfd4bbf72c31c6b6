"""A site's store: the mode in the records and in Redis, and what a command leaves behind."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from siaga112.adapters.redis.block_list import RedisBlockList
from siaga112.adapters.redis.connect import connect
from siaga112.app.store import DecidingStore, SiteStore, open_desk
from siaga112.core.mode import Switch
from siaga112.core.model import DAY, Level, Mode
from siaga112.core.standing import NOBODY
from siaga112.service.ports import StoreDownError
from tests.adapters.changes import blocked_for_good, change
from tests.lab.redis_servers import RedisServer, plain
from tests.lab.stores import published_store
from tests.samples import CALLER, NOW

pytestmark = pytest.mark.redis

OFF = Switch(Mode.OFF, NOW, "ratna", "flood")
EARLIER = Switch(Mode.ENFORCE, NOW - 1, "budi", "figures read")


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """Yield a server that the test may stop."""
    with plain() as server:
        yield server


@pytest.fixture
async def store(redis: RedisServer, tmp_path: Path) -> AsyncIterator[SiteStore]:
    """Yield a site's store. A test that wants the database creates its folder."""
    opened = published_store(f"sqlite:///{tmp_path}/db/siaga112.db", redis.url, "lab", DAY, 60.0)
    yield opened
    await opened.close()


async def test_off_is_heeded_while_either_is_away(
    store: SiteStore, redis: RedisServer, tmp_path: Path
) -> None:
    """The mode can be switched with the database or Redis away, and the store says which one lacks it."""
    assert await store.switch(OFF, Mode.ENFORCE), "without the database"
    assert await store.switched() == OFF
    assert list(store.late) == ["the new mode is not in the database yet"]
    store.late.clear()
    (tmp_path / "db").mkdir()
    redis.stop()
    later = Switch(Mode.OBSERVE, NOW + 1, "ratna", "over")
    assert await store.switch(later, Mode.OFF), "without Redis"
    assert list(store.late) == ["the new mode is not in Redis yet"]
    assert await store.switched() == later
    redis.start()
    assert await store.switched() == later
    assert [line.detail for line in await store.audit_entries(0, NOW * 2)] == ["off → observe"]


async def test_without_both_nothing_is_claimed(store: SiteStore, redis: RedisServer) -> None:
    """Without both, the mode can be neither switched nor read."""
    redis.stop()
    with pytest.raises(StoreDownError):
        await store.switch(OFF, Mode.ENFORCE)
    with pytest.raises(StoreDownError):
        await store.switched()


@pytest.mark.parametrize("has_it", ["records", "block_list"])
async def test_an_earlier_switch_is_refused_whichever_has_heard_of_the_later(
    store: SiteStore, has_it: str, tmp_path: Path
) -> None:
    """A switch that is older than the stored one is refused, whichever of the two stores has it."""
    (tmp_path / "db").mkdir()
    assert await getattr(store, has_it).switch(OFF, Mode.ENFORCE)
    assert not await store.switch(EARLIER, Mode.OBSERVE)
    assert await store.switched() == OFF


# ── a command's store ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def desk(redis: RedisServer, tmp_path: Path) -> AsyncIterator[DecidingStore]:
    """Yield a store as a command opens it, where a daemon has been before."""
    url = f"sqlite:///{tmp_path}/siaga112.db"
    made = published_store(url, redis.url, "lab", DAY, 60.0)
    await made.published()
    await made.close()
    opened = open_desk(url, lambda: RedisBlockList(connect(redis.url), "lab"), "lab", DAY, DAY)
    yield opened
    await opened.close()


async def test_verdicts_know_of_a_decision_when_the_command_ends(desk: DecidingStore) -> None:
    """A command publishes its decision itself, so verdicts use it without a daemon."""
    await change(desk, blocked_for_good)
    assert (await desk.standing(CALLER)).level is Level.PERMANENT
    assert desk.late == {}


async def test_a_decision_stands_while_redis_is_away_and_that_is_said(
    desk: DecidingStore, redis: RedisServer
) -> None:
    """A decision made while Redis is away is in the records, and the store says that verdicts lack it."""
    redis.stop()
    await change(desk, blocked_for_good)
    assert (await desk.load(CALLER)).blocks
    assert list(desk.late) == ["verdicts do not use it yet; the daemon publishes it"]


async def test_a_command_makes_no_block_list_of_a_part(desk: DecidingStore, redis: RedisServer) -> None:
    """A command publishes nothing to an emptied Redis, and says that the whole block list is missing."""
    redis.ask("FLUSHALL")
    await change(desk, blocked_for_good)
    assert await desk.standing(CALLER) == NOBODY
    assert "whole block list" in "".join(desk.late.values())


async def test_a_command_makes_no_database(redis: RedisServer, tmp_path: Path) -> None:
    """A command does not create a missing database, as its configuration may be the wrong one."""
    url = f"sqlite:///{tmp_path}/siaga112.db"
    opened = open_desk(url, lambda: RedisBlockList(connect(redis.url), "lab"), "lab", DAY, DAY)
    with pytest.raises(StoreDownError, match=r"there is no .*siaga112\.db; the daemon creates it"):
        await opened.load(CALLER)
    await opened.close()
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - names alone
