"""The private Redis: there when needed, shared, and restarted with its data when killed."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from siaga112.adapters.redis import server as redis_server_
from siaga112.adapters.redis.connect import connect
from siaga112.adapters.redis.embedded import require_running, socket_path, url
from siaga112.adapters.redis.server import EmbeddedRedis
from siaga112.errors import SiagaError, UnreachableError
from tests.waiting import ended, until

pytestmark = pytest.mark.redis

BACK_WITHIN = 5.0


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """Make a state directory whose name is short enough for a socket."""
    home = Path(tempfile.mkdtemp(prefix="s112-test-"))
    yield home
    shutil.rmtree(home)


@asynccontextmanager
async def running(state_dir: Path) -> AsyncIterator[EmbeddedRedis]:
    """Start a private Redis, and end it whatever happens."""
    embedded = EmbeddedRedis(state_dir)
    try:
        await embedded.start()
        yield embedded
    finally:
        await embedded.stop()


@asynccontextmanager
async def client(state_dir: Path) -> AsyncIterator[Redis]:
    """Connect to the private Redis."""
    redis = connect(url(state_dir))
    assert isinstance(redis, Redis)
    yield redis
    await redis.aclose()


def pid(embedded: EmbeddedRedis) -> int:
    """Return the process id of the server that this one started."""
    assert embedded._child
    return embedded._child.pid


async def back(state_dir: Path) -> None:
    """Wait until a Redis answers there."""
    async with asyncio.timeout(BACK_WITHIN), client(state_dir) as redis:
        while True:
            with suppress(Exception):
                await redis.ping()
                return
            await asyncio.sleep(0.01)


async def test_it_starts_for_its_user_alone_and_writes_to_disk(state_dir: Path) -> None:
    """It listens only on a private socket, keeps every write, and evicts nothing."""
    async with running(state_dir), client(state_dir) as redis:
        assert await redis.ping()
        told = await redis.config_get("*")
        options = {name: told[name] for name in ("port", "appendonly", "maxmemory-policy")}
        assert options == {"port": "0", "appendonly": "yes", "maxmemory-policy": "noeviction"}
        assert socket_path(state_dir).stat().st_mode & 0o077 == 0
        assert socket_path(state_dir).parent.stat().st_mode & 0o077 == 0


async def test_the_second_half_uses_the_first_ones(state_dir: Path) -> None:
    """Two processes with one state directory share one server, and the second's stop does not end it."""
    async with running(state_dir) as first:
        async with running(state_dir) as second:
            assert second._child is None
        async with client(state_dir) as redis:
            assert (await redis.info("server"))["process_id"] == pid(first)


async def test_two_that_start_at_once_run_one_server(state_dir: Path) -> None:
    """Of two processes that start at the same time, exactly one starts a server."""
    first, second = EmbeddedRedis(state_dir), EmbeddedRedis(state_dir)
    try:
        await asyncio.gather(first.start(), second.start())
        assert (first._child is None) is not (second._child is None)
    finally:
        await asyncio.gather(first.stop(), second.stop())


async def test_a_killed_server_is_back_with_its_data(state_dir: Path) -> None:
    """A killed server is back with its data within five seconds, and the log says so once."""
    with capture_logs() as logs:
        async with running(state_dir) as embedded, client(state_dir) as redis:
            await redis.set("kept", "1")
            watching = asyncio.create_task(embedded.run())
            gone = pid(embedded)
            os.kill(gone, signal.SIGKILL)
            assert embedded._child
            await ended(embedded._child, "the killed Redis")
            await back(state_dir)
            assert pid(embedded) != gone
            assert await redis.get("kept") == b"1"
            watching.cancel()
    assert [line["code"] for line in logs if line["event"] == "redis_died"] == [-signal.SIGKILL]


async def test_the_half_that_stays_starts_it_again(state_dir: Path) -> None:
    """When the half that started the server stops, the other half starts its own within five seconds."""
    async with running(state_dir) as first, running(state_dir) as second:
        watching = asyncio.create_task(second.run())
        await first.stop()
        await back(state_dir)
        assert second._child
        watching.cancel()


async def test_stop_ends_it_and_the_data_survive(state_dir: Path) -> None:
    """After a stop nothing listens, and the next start has the data."""
    async with running(state_dir) as embedded, client(state_dir) as redis:
        await redis.set("kept", "1")
        child = embedded._child
        await embedded.stop()
        assert child
        assert child.returncode == 0
        assert not await embedded._answers()
    async with running(state_dir), client(state_dir) as redis:
        assert await redis.get("kept") == b"1"


async def test_one_that_a_killed_daemon_left_running_is_taken_over(state_dir: Path) -> None:
    """The next daemon uses the Redis of one that was killed, and ends it when it stops."""
    killed = EmbeddedRedis(state_dir)
    await killed.start()
    child = killed._child
    assert child
    assert killed._lock is not None
    os.close(killed._lock)  # as the kernel does when a process dies
    async with running(state_dir) as heir:
        assert heir._child is None
    assert await asyncio.wait_for(child.wait(), BACK_WITHIN) == 0
    assert not await heir._answers()


async def test_a_socket_that_a_crash_left_behind_is_in_nobodys_way(state_dir: Path) -> None:
    """A socket file that a crash left behind does not prevent the next start."""
    async with running(state_dir) as embedded:
        os.kill(pid(embedded), signal.SIGKILL)
    assert socket_path(state_dir).exists()
    async with running(state_dir) as embedded:
        assert await embedded._answers()


async def test_a_relative_state_dir_works(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative state directory means the same for us, Redis and its client."""
    monkeypatch.chdir(state_dir)
    async with running(Path("here")), client(Path("here")) as redis:
        assert await redis.ping()
    assert (state_dir / "here" / "redis").is_dir()


async def test_no_redis_server_is_one_line_with_the_remedy(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without redis-server one line says what to install."""
    monkeypatch.setenv("PATH", str(state_dir))
    with pytest.raises(SiagaError, match="apt install redis-server") as raised:
        await EmbeddedRedis(state_dir).start()
    assert "\n" not in str(raised.value)


async def test_too_long_a_state_dir_is_one_line(state_dir: Path) -> None:
    """A state directory too long for a Unix socket is named in one line, before anything is made."""
    long = state_dir / ("x" * 100)
    with pytest.raises(SiagaError, match="choose a shorter state_dir") as raised:
        await EmbeddedRedis(long).start()
    assert "\n" not in str(raised.value)
    assert not long.exists()


async def test_a_state_dir_that_is_a_file_is_one_line(state_dir: Path) -> None:
    """A state directory that cannot be made is named in one line."""
    (state_dir / "file").write_text("")
    with pytest.raises(SiagaError, match="set state_dir to a writable folder") as raised:
        await EmbeddedRedis(state_dir / "file").start()
    assert "\n" not in str(raised.value)


async def test_a_lock_that_cannot_be_taken_is_one_line(state_dir: Path) -> None:
    """A lock that cannot be taken is one line that names it."""
    (state_dir / "redis" / "redis.lock").mkdir(parents=True)
    with pytest.raises(SiagaError, match=r"redis\.lock") as raised:
        await EmbeddedRedis(state_dir).start()
    assert "\n" not in str(raised.value)


async def test_one_that_ends_at_its_start_is_one_line_at_once(state_dir: Path) -> None:
    """A server that ends at its start fails at once in one line, which names its log."""
    (state_dir / "redis" / "redis.log").mkdir(parents=True)
    with pytest.raises(SiagaError, match=r"ended at its start \(code 1\); see .*redis\.log") as raised:
        async with running(state_dir):
            pass
    assert "\n" not in str(raised.value)


def flipped(file: Path, where: bytes) -> None:
    """Flip all bits of one byte: where `where` is found in the second half, or the fifth from the end."""
    content = bytearray(file.read_bytes())
    at = content.index(where, len(content) // 2) if where else len(content) - 5
    content[at] ^= 0xFF
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("part", "at"),
    [
        ("*.incr.aof", b"*3"),
        ("*.incr.aof", b"$3"),
        ("*.incr.aof", b"SET"),
        ("*.base.rdb", b""),
        ("*.manifest", b""),
    ],
    ids=["a command's head", "a length", "a command's name", "a checksum", "the manifest"],
)
async def test_after_a_flipped_byte_in_its_files_it_begins_with_nothing(
    state_dir: Path, part: str, at: bytes
) -> None:
    """With damaged files the server starts empty and the log says so, since the block list can be rebuilt."""
    async with running(state_dir), client(state_dir) as redis:
        for nth in range(100):
            await redis.set(f"kept{nth}", "1" * 10)
    (file,) = (state_dir / "redis" / "appendonlydir").glob(part)
    flipped(file, at)
    with capture_logs() as logs:
        async with running(state_dir), client(state_dir) as redis:
            assert await redis.dbsize() == 0
            await redis.set("new", "1")
    assert [line["event"] for line in logs].count("redis_damaged") == 1
    async with running(state_dir), client(state_dir) as redis:
        assert await redis.get("new") == b"1"


async def test_one_that_does_not_answer_is_one_line(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer is given up after a while, in one line."""
    monkeypatch.setattr(redis_server_, "START_SECONDS", 0.3)
    program = state_dir / "redis-server"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{state_dir}:{os.environ['PATH']}")
    with pytest.raises(SiagaError, match=r"did not come up in 0\.3 s") as raised:
        async with running(state_dir):
            pass
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("file", ["redis.log", "redis.lock"])
async def test_the_watch_goes_on_when_a_start_fails(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """A start that fails is logged and tried again until it works."""
    monkeypatch.setattr(redis_server_, "WATCH_SECONDS", 0.01)
    obstacle = state_dir / "redis" / file
    obstacle.mkdir(parents=True)
    embedded = EmbeddedRedis(state_dir)
    with capture_logs() as logs:
        watching = asyncio.create_task(embedded.run())
        try:
            await until(lambda: sum(line["event"] == "redis_not_started" for line in logs) >= 2)
            obstacle.rmdir()
            await back(state_dir)
            assert not watching.done()
        finally:
            watching.cancel()
            await embedded.stop()


def test_a_command_without_the_daemon_says_how_to_start_it(state_dir: Path) -> None:
    """A command without a daemon fails in one line with exit code 4."""
    with pytest.raises(UnreachableError, match="siaga112 run") as raised:
        require_running(state_dir)
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 4
