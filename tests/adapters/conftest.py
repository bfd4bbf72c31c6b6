"""A real redis-server, and the event loop that the daemon itself uses."""

import secrets
import tempfile
from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import uvloop

from siaga112.core.model import DAY, Caller
from siaga112.core.standing import Standing
from siaga112.service.ports import StandingReader, StoreDownError
from tests.lab.redis_servers import ANSWER_SECONDS, RedisServer, plain
from tests.lab.stores import PublishedStore, site_store
from tests.waiting import within

KEEP = 30 * DAY
IMPATIENCE = 0.5
"""Seconds that a command may take on a server that a test pauses."""


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Run every test here on uvloop, as `siaga112 run` does."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Run one server for all tests that do not disturb it."""
    with plain() as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """Run a server that a test may stop, pause and kill."""
    with plain() as server:
        yield server


@pytest.fixture
def site() -> str:
    """Return the name of a site that no other test uses."""
    return f"test-{secrets.token_hex(4)}"


async def at_last(store: StandingReader, caller: Caller) -> Standing:
    """Return a caller's standing as soon as a server that was stopped answers: it may be late once more."""
    async with within(90, "an answer of a server that runs again"):
        while True:
            with suppress(StoreDownError):
                return await store.standing(caller)


@asynccontextmanager
async def opened(url: str, site: str, patience: float = ANSWER_SECONDS) -> AsyncIterator[PublishedStore]:
    """Open a store with new records, and its block list on that server, for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        store = site_store(Path(folder), site, url, KEEP, patience)
        try:
            yield store
        finally:
            await store.close()


@pytest.fixture
async def site_records(redis_server: RedisServer, site: str) -> AsyncIterator[PublishedStore]:
    """Open the store of that site, with its block list on the common server."""
    async with opened(redis_server.url, site) as store:
        yield store
