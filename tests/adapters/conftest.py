"""A real redis-server, and the event loop that the daemon itself uses."""

import secrets
from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

import pytest
import uvloop

from siaga112.adapters.redis.connect import connect
from siaga112.adapters.redis.store import RedisStore
from siaga112.core.model import DAY
from tests.lab.redis_servers import ANSWER_SECONDS, RedisServer, plain

KEEP = 30 * DAY
IMPATIENCE = 0.5
"""Seconds that a command may take on a server that a test pauses."""


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Run every test here on uvloop, as `siaga112 run` does."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One server for all tests that do it no harm."""
    with plain() as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """Give a test a server that it may stop, pause and kill."""
    with plain() as server:
        yield server


@pytest.fixture
def site() -> str:
    """Name a site that no other test uses."""
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
async def redis_store(redis_server: RedisServer, site: str) -> AsyncIterator[RedisStore]:
    """Open the store of that site on the common server."""
    store = RedisStore(connect(redis_server.url, ANSWER_SECONDS), site, KEEP)
    yield store
    await store.close()


@pytest.fixture
async def own_store(own_redis: RedisServer, site: str) -> AsyncIterator[RedisStore]:
    """Open the store of that site on the test's own server."""
    store = RedisStore(connect(own_redis.url, IMPATIENCE), site, KEEP)
    yield store
    await store.close()


@asynccontextmanager
async def opened(url: str, site: str, *patience: float) -> AsyncIterator[RedisStore]:
    """Open the store there, for a while."""
    store = RedisStore(connect(url, *patience), site, KEEP)
    try:
        yield store
    finally:
        await store.close()
