"""A real redis-server, and the event loop that the daemon itself uses."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop

from siaga112.adapters.redis_store import RedisStore, connect
from siaga112.core.model import DAY
from siaga112.service.ports import Store
from tests.service.memory import MemoryStore

KEEP = 30 * DAY
IMPATIENCE = 0.5
"""Seconds that a command may take on a server that a test pauses."""


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Run every test here on uvloop, as `siaga112 run` does."""
    return {"uvloop": uvloop.new_event_loop}


class RedisServer:
    """A redis-server of our own on a private Unix socket, with nothing on disk."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process: subprocess.Popen[str] | None = None
        self.url = f"unix://{home}/redis.sock"

    def start(self) -> None:
        """Return when it says that it accepts connections."""
        options = [
            "--port",
            "0",
            "--unixsocket",
            f"{self._home}/redis.sock",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self._process = subprocess.Popen(
            ["redis-server", *options], cwd=self._home, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        said = []
        for line in self._process.stdout:
            said.append(line)
            if "ready to accept connections" in line.lower():
                return
        pytest.fail("redis-server did not start: " + "".join(said))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server."""
        assert self._process
        os.kill(self._process.pid, number)

    def stop(self) -> None:
        """Kill the server, also a paused one."""
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None


@contextmanager
def redis_running() -> Iterator[RedisServer]:
    """Run a server for a while, in a folder whose name is short enough for a socket."""
    home = Path(tempfile.mkdtemp(prefix="s112-test-"))
    server = RedisServer(home)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One server for all tests that do it no harm."""
    with redis_running() as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """Give a test a server that it may stop, pause and kill."""
    with redis_running() as server:
        yield server


@pytest.fixture
def site() -> str:
    """Name a site that no other test uses."""
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
async def redis_store(redis_server: RedisServer, site: str) -> AsyncIterator[RedisStore]:
    """Open the store of that site on the common server."""
    store = RedisStore(connect(redis_server.url), site, KEEP)
    yield store
    await store.close()


@pytest.fixture
async def own_store(own_redis: RedisServer, site: str) -> AsyncIterator[RedisStore]:
    """Open the store of that site on the test's own server."""
    store = RedisStore(connect(own_redis.url, IMPATIENCE), site, KEEP)
    yield store
    await store.close()


@pytest.fixture(params=[pytest.param("redis", marks=pytest.mark.redis), "memory"])
def store(request: pytest.FixtureRequest) -> Store:
    """Give each implementation of the port in turn."""
    if request.param == "memory":
        return MemoryStore()
    found: RedisStore = request.getfixturevalue("redis_store")
    return found
