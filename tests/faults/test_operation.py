"""Faults around the daemon: the disk, the file system, descriptors, scrapers; and several daemons."""

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from siaga112.adapters.http import MAX_CONNECTIONS, PATIENCE
from tests.faults.conftest import NUMBER, Rig, descriptors, resident, rig
from tests.faults.figures import Measured
from tests.lab.agi_client import Probe, probing
from tests.lab.daemon import running
from tests.lab.postgres import postgres, with_tables
from tests.lab.redis_servers import RedisServer
from tests.waiting import until, within

pytestmark = pytest.mark.redis

IN_A_ROOM: Final = """
import os, sys
room = sys.argv.pop(1)
mount = 'mkdir -p "$0" && mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"'
os.execvp("unshare", ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, room,
    sys.executable, "-m", "siaga112", *sys.argv[1:]])
"""
"""Runs the daemon with a file system of four megabytes at its state directory."""

MISUSES: Final = 5
CALM_SECONDS: Final = 2.0
FELT_MS: Final = 5
"""By how much the 99th percentile of callers' waits may grow under a fault."""


@asynccontextmanager
async def roomed(redis: RedisServer) -> AsyncIterator[tuple[Rig, Path]]:
    """Run a daemon with its own small file system; yield it and the path to its state directory."""
    state = str(Path(redis.url.removeprefix("unix://")).parent / "state")
    environ = {"SIAGA112_STATE_DIR": state}
    async with rig(redis, program=("-c", IN_A_ROOM, state), environ=environ) as found:
        yield found, Path(f"/proc/{found.daemon.pid}/root{state}")


async def verdicts_go_on(found: Rig, measured: Measured, times: int = 20) -> None:
    """Ask that many times at once, and check that each verdict is the store's own."""
    answers = await asyncio.gather(*(found.ask() for _ in range(times)))
    measured(
        "verdicts without an answer", sum(answer.reason != "not_blocked" for answer in answers), at_most=0
    )


async def no_room(found: Rig, measured: Measured) -> list[str]:
    """End calls that cannot be stored; check that verdicts continue. Return the calls."""
    ended = [found.misuse() for _ in range(MISUSES)]
    async with asyncio.timeout(20):
        while await found.metric("outbox_pending") < MISUSES:
            pass  # no sleep: each check asks the daemon
    await verdicts_go_on(found, measured)
    return ended


async def recorded(found: Rig, measured: Measured, ended: list[str]) -> None:
    """Wait until these calls are recorded, and a later one; check that none is lost."""
    for call in (*ended, found.misuse()):
        await found.daemon.settled(call)
    measured("calls that waited and were recorded", len(ended))
    measured("lost", await found.metric("outbox_lost_total"), at_most=0)


@pytest.mark.fault("disk_full")
async def test_a_full_disk_stops_no_verdict_and_loses_no_call(redis: RedisServer, measured: Measured) -> None:
    """On a full disk, verdicts continue and ended calls wait; with room again, all are recorded."""
    async with roomed(redis) as (found, state):
        await found.daemon.settled(found.misuse())
        filler = state / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as out:
            while out.write(b"x" * 4_096):
                pass
        ended = await no_room(found, measured)
        filler.unlink()
        await recorded(found, measured, ended)


READ_ONLY: Final = """
import signal
from siaga112.adapters.outbox import SqliteOutbox
wrote, only = SqliteOutbox._write, ["OFF"]
def write(self, *statements, **options):
    self._db.execute(f"PRAGMA query_only={only[0]}")
    wrote(self, *statements, **options)
def obey(number, _):
    only[0] = "ON" if number == signal.SIGUSR1 else "OFF"
for number in (signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, obey)
SqliteOutbox._write = write
from siaga112.cli import main
main()
"""
"""Runs the daemon with an outbox that refuses to write from SIGUSR1 to SIGUSR2, as on a file system that has
become read-only. A kernel does not revoke the right to write to an open file, except on a broken disk."""


@pytest.mark.fault("read_only")
async def test_a_file_system_that_becomes_read_only_stops_no_verdict(
    redis: RedisServer, measured: Measured
) -> None:
    """While no write succeeds, verdicts continue and ended calls wait; afterwards all are recorded."""
    async with rig(redis, program=("-c", READ_ONLY)) as found:
        found.misuse()
        await found.until_recorded(1)
        found.daemon.signal(signal.SIGUSR1)
        ended = await no_room(found, measured)
        found.daemon.signal(signal.SIGUSR2)
        await recorded(found, measured, ended)


@pytest.mark.fault("read_only")
async def test_on_a_read_only_file_system_the_screening_half_starts(
    redis: RedisServer, measured: Measured
) -> None:
    """Without a writable state directory, tracking exits with one line that names it; screening goes on."""
    async with rig(redis, "screen") as found:
        nowhere = {"SIAGA112_STATE_DIR": "/proc/siaga112"}
        url = f'[redis]\nurl = "{redis.url}"\n'
        async with running(found.pbx, url, only="track", environ=nowhere, wait=False) as track:
            assert await track.ended() == 1
        (line,) = [line["text"] for line in track.lines if line["event"] == "not json"]
        assert "/proc/siaga112" in line
        await verdicts_go_on(found, measured)


@pytest.mark.fault("descriptors")
async def test_without_descriptors_verdicts_go_on(redis: RedisServer, measured: Measured) -> None:
    """Without free descriptors, every call proceeds within 2 s; with descriptors again, all is as before."""
    async with rig(redis) as found:
        await found.ask()
        pid = found.daemon.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors(pid), hard))
        answers = await asyncio.gather(*(found.ask() for _ in range(50)))
        assert {answer.verdict for answer in answers} == {"ALLOW"}
        measured("the slowest goes on after", max(answer.seconds for answer in answers), "s", at_most=2.0)
        measured("told why", sum(bool(answer.reason) for answer in answers))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        await found.daemon.event("agi_exhausted")
        await verdicts_go_on(found, measured)
        last = found.misuse()
        await found.daemon.settled(last)


# ── scrapers ─────────────────────────────────────────────────────────────────────────────────────


async def calm(found: Rig) -> Probe:
    """Measure what callers wait without a fault."""
    async with probing(found.pbx.agi_port, *found.pids[:2]) as probe:
        await asyncio.sleep(CALM_SECONDS)
    return probe


def not_felt(measured: Measured, without: Probe, during: Probe) -> None:
    """Check that the 99th percentile of callers' waits grows by at most `FELT_MS`."""
    measured("p99", during.p99, "ms", at_most=without.p99 + FELT_MS)
    measured("p99 without", without.p99, "ms")


RATE: Final = 100


@pytest.mark.fault("scrapes")
@pytest.mark.night
async def test_a_hundred_scrapes_a_second_are_not_felt(redis: RedisServer, measured: Measured) -> None:
    """A hundred scrapes a second, for two seconds, do not make callers wait longer."""
    async with rig(redis) as found:
        without = await calm(found)
        loop = asyncio.get_running_loop()
        async with probing(found.pbx.agi_port, *found.pids[:2]) as during, aiohttp.ClientSession() as client:
            began = loop.time()

            async def scrape() -> int:
                async with client.get(found.daemon.metrics_url) as page:
                    return len(await page.read())  # ends: aiohttp's own limit, five minutes

            scrapes = []
            for nth in range(int(RATE * CALM_SECONDS)):
                await asyncio.sleep(max(0.0, began + nth / RATE - loop.time()))
                scrapes.append(asyncio.create_task(scrape()))
            pages = await asyncio.gather(*scrapes)
            took = loop.time() - began
        assert min(pages) > 0
        measured("scrapes a second", len(pages) / took)
        not_felt(measured, without, during)


SLOW: Final = 100


@pytest.mark.fault("slow_scraper")
@pytest.mark.night
async def test_slow_scrapers_are_not_felt(redis: RedisServer, measured: Measured) -> None:
    """A hundred scrapers that ask and do not read the answer do not make callers wait longer."""
    async with rig(redis) as found:
        without = await calm(found)
        before = resident(found.daemon.pid)
        writers = []
        async with probing(found.pbx.agi_port, *found.pids[:2]) as during:
            for _ in range(SLOW):
                async with within(20, "a connection to /metrics"):
                    _, writer = await asyncio.open_connection("127.0.0.1", found.daemon.metrics_port, limit=1)
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: lab\r\n\r\n" * 5)
                writers.append(writer)
            await asyncio.sleep(CALM_SECONDS)
        measured("slow scrapers", SLOW)
        not_felt(measured, without, during)
        measured("memory", resident(found.daemon.pid) - before, "MB")
        for writer in writers:
            writer.close()


HALF_SENT: Final = 1_000
FILES: Final = 1_024
"""The default limit of open files (`ulimit -n`)."""


@pytest.mark.fault("half_sent")
async def test_half_sent_requests_keep_no_caller_out(redis: RedisServer, measured: Measured) -> None:
    """Beside 1,000 connections with an unfinished request, each call is screened and /metrics answers."""
    async with rig(redis) as found:
        await found.ask()
        pid = found.daemon.pid
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (FILES, FILES))
        before = descriptors(pid)
        async with half_sent(found.daemon.metrics_port, HALF_SENT):
            await verdicts_go_on(found, measured)
            measured("half-sent requests", HALF_SENT)
            measured("more descriptors open", descriptors(pid) - before, at_most=MAX_CONNECTIONS + 20)
            assert "siaga112_mode" in await found.daemon.metrics()
            line = await found.daemon.event("http_dropped")
            assert line["detail"] == "too many connections"


@asynccontextmanager
async def half_sent(port: int, times: int) -> AsyncIterator[None]:
    """Hold that many connections to /metrics open, each with an unfinished request."""
    writers = []
    for _ in range(times):
        async with within(20, "a connection to /metrics"):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: lab\r\n")
        writers.append(writer)
    try:
        yield
    finally:
        for writer in writers:
            writer.close()


@pytest.mark.fault("half_sent")
async def test_who_does_not_end_a_request_is_dropped(redis: RedisServer, measured: Measured) -> None:
    """The daemon closes a connection to /metrics whose request is not finished in time."""
    async with rig(redis, "screen") as found:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with within(20, "the end of a connection that says nothing"):
            reader, writer = await asyncio.open_connection("127.0.0.1", found.daemon.metrics_port)
            writer.write(b"GET /metrics HTTP/1.1\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
        measured("a half-sent request is dropped after", loop.time() - began, "s")
        assert (await found.daemon.event("http_dropped"))["detail"] == f"not done within {PATIENCE:g} s"


@pytest.mark.fault("descriptors")
async def test_no_descriptor_left_is_told(redis: RedisServer) -> None:
    """Without free descriptors the daemon logs a line with the limit, even if nobody calls."""
    async with rig(redis, "screen") as found:
        pid = found.daemon.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        limits = set()

        def squeezed() -> bool:
            """Leave no descriptor free. Repeated, as some are open only for a moment."""
            used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}  # noqa: PTH208 - names alone
            limits.add(free := min(set(range(len(used) + 1)) - used))
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, hard))
            return bool(told(found, "out_of_descriptors"))

        await until(squeezed, 60)
        assert told(found, "out_of_descriptors")[0]["limit"] in limits
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


JUNK: Final = (b"\x16\x03\x01\x02", b"GET /metrics\r\n\r\n", b"GET / HTTP/9.9\r\nHost:\x00\r\n\r\n")


@pytest.mark.fault("junk_lines")
async def test_junk_does_not_fill_the_log(redis: RedisServer, measured: Measured, *, full: bool) -> None:
    """Thousands of connections of junk make a few log lines, all JSON, which say how many there were."""
    async with rig(redis, "screen") as found:
        since, times = len(found.daemon.lines), 5_000 if full else 500
        began = asyncio.get_running_loop().time()
        for nth in range(times):
            for port in (found.pbx.agi_port, found.daemon.metrics_port):
                async with within(20, "an answer to junk"):
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(JUNK[nth % len(JUNK)])
                    with contextlib.suppress(ConnectionResetError):
                        await reader.read()
                    writer.close()
        seconds = asyncio.get_running_loop().time() - began
        lines = [
            line for line in found.daemon.lines[since:] if line["event"] in {"agi_refused", "http_refused"}
        ]
        await found.daemon.wait_for(
            lambda _: sum(line.get("count", 1) for line in told(found, "agi_refused")) == times
        )
        measured("junk connections", 2 * times)
        measured("lines a second", len(lines) / max(seconds, 1), at_most=4)
        measured("lines that are not JSON", len(told(found, "not json")), at_most=0)
        assert not told(found, "library")


def told(found: Rig, event: str) -> list[dict[str, Any]]:
    """Return the daemon's log lines of that event."""
    return [line for line in found.daemon.lines if line["event"] == event]


# ── both halves, and several daemons ─────────────────────────────────────────────────────────────


@pytest.mark.fault("split")
@pytest.mark.night
async def test_a_tracking_half_that_stands_still_is_not_felt(redis: RedisServer, measured: Measured) -> None:
    """While the tracking half is stopped (SIGSTOP), verdicts of the screening half are as fast as before."""
    async with rig(redis, "track") as found:
        url = f'[redis]\nurl = "{redis.url}"\n'
        async with running(found.pbx, url, only="screen") as screening:
            pids = (screening.pid, redis.pid)
            async with probing(found.pbx.agi_port, *pids) as without:
                await asyncio.sleep(CALM_SECONDS)
            found.daemon.signal(signal.SIGSTOP)
            async with probing(found.pbx.agi_port, *pids) as during:
                await asyncio.sleep(CALM_SECONDS)
            found.daemon.signal(signal.SIGCONT)
            not_felt(measured, without, during)


DAEMONS: Final = 3


@pytest.mark.fault("everywhere")
@pytest.mark.postgresql
async def test_a_block_and_the_mode_hold_everywhere_within_a_second(
    redis: RedisServer, measured: Measured
) -> None:
    """A block, its lift and the kill switch reach three daemons on one Redis within a second."""
    async with contextlib.AsyncExitStack() as stack:
        shared = {"SIAGA112_DATABASE__URL": with_tables(stack.enter_context(postgres()).url)}
        found = [await stack.enter_async_context(rig(redis, environ=shared)) for _ in range(DAEMONS)]
        loop = asyncio.get_running_loop()
        for command, reason in (
            (("block", NUMBER, "--permanent", "--reason", "threats"), "blocked"),
            (("mode", "off", "--reason", "flood"), "mode_off"),
            (("mode", "enforce"), "blocked"),
            (("unblock", NUMBER, "--reason", "a mistake"), "not_blocked"),
        ):
            assert (await found[0].daemon.command(*command)).code == 0
            done = loop.time()
            async with asyncio.timeout(20):
                while {(await one.ask()).reason for one in found} != {reason}:
                    pass  # no sleep: each check asks for a verdict
            measured(f"{command[0]} everywhere after", loop.time() - done, "s", at_most=1.0)
