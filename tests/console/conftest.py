"""A running console, on the event loop that the daemon itself uses."""

from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.console.centre import Centre, running
from tests.lab.redis_servers import RedisServer, plain


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Run every test here on uvloop, as `siaga112 run` does."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Run one Redis for all tests here; each test has a site of its own."""
    with plain() as server:
        yield server


@pytest.fixture
async def centre(tmp_path: Path, redis_server: RedisServer) -> AsyncIterator[Centre]:
    """Run a console."""
    async with running(tmp_path, redis_server) as made:
        yield made
