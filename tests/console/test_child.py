"""The console as a child of `siaga112 run`: started once there is a user, restarted when it ends."""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
import pytest

from siaga112.adapters import child
from siaga112.adapters.child import CHILD, Child
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.app.daemon import _people
from siaga112.core.access import Person, Role
from siaga112.core.model import AuditEntry
from tests.adapters.test_records_contract import with_tables
from tests.faults.conftest import Rig, redis, rig
from tests.lab.daemon import Daemon
from tests.lab.redis_servers import RedisServer
from tests.waiting import until, within

__all__ = ["redis"]

pytestmark = [pytest.mark.redis, pytest.mark.slow]

LOOKING: Final = """
import structlog
from siaga112.adapters import child
from siaga112.app import daemon
child.LOOK_SECONDS = 0.1
log, people = structlog.get_logger(), daemon._people
async def looked(store):
    found = await people(store)
    log.info("looked", people=found)
    return found
daemon._people = looked
from siaga112.cli import main
main()
"""
"""The daemon, which logs each time it looks whether anybody may use the console."""

STAYS: Final = "import time; time.sleep(600)"
"""A program that does not end by itself."""


async def alive(daemon: Daemon, *, since: int = 0) -> int:
    """Wait until the console has started and answers; return its pid."""
    pid = (await daemon.event("child_started", since=since))["pid"]
    await daemon.event("console", since=since)
    async with aiohttp.ClientSession() as session, session.get(f"{daemon.console_url}/healthz") as answer:
        assert answer.status == 200
    return int(pid)


def gone(pid: int) -> bool:
    """Return whether a process has ended, even if its parent has not collected it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def oom_score(pid: int) -> int:
    """Return how soon the kernel kills a process when memory runs out."""
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text("ascii"))


async def verdicts(line: Rig, task: asyncio.Task[object]) -> list[str]:
    """Ask for verdicts until the task is done; return the reason of each."""
    reasons = []
    while not task.done():  # ends: what is waited for has a bound
        reasons.append((await line.ask()).reason)
    await task  # ends: it is done
    return reasons


async def test_without_a_user_no_console_starts(redis: RedisServer) -> None:
    """The console starts after the first user is added, and not before."""
    async with rig(redis, program=("-c", LOOKING)) as line:
        daemon = line.daemon
        for _ in range(3):
            await daemon.event("looked", since=len(daemon.lines))
        assert not [one for one in daemon.lines if one["event"] in {"child_started", "console"}]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", daemon.console_port)  # ends: at once
        await daemon.add_user("Ratna", "supervisor")
        await alive(daemon)
        looks = [one["people"] for one in daemon.lines if one["event"] == "looked"]
        assert looks[-1] is True
        assert not any(looks[:-1])


async def test_who_may_get_in_no_more_is_no_user(tmp_path: Path) -> None:
    """A console is wanted only if the records can be reached and have a user who is not disabled."""
    url = with_tables(f"sqlite:///{tmp_path}/siaga112.db")
    records = DatabaseRecords(connect(url), "lab")
    store: Any = SimpleNamespace(records=records)
    line = AuditEntry(1, "root", "user added", "Ratna")
    try:
        assert not await _people(store)
        await records.keep_person(Person("Ratna", Role.ADMIN, disabled_at=1), line)
        assert not await _people(store)
        await records.keep_person(Person("Ratna", Role.ADMIN), line)
        assert await _people(store)
    finally:
        await records.close()
    away = DatabaseRecords(connect(f"sqlite:///{tmp_path}/none/siaga112.db", create=False), "lab")
    store = SimpleNamespace(records=away)
    try:
        assert not await _people(store)
    finally:
        await away.close()


async def test_a_killed_console_is_started_again_and_verdicts_go_on(redis: RedisServer) -> None:
    """A killed console is started again, and every verdict meanwhile is answered as usual."""
    async with rig(redis) as line:
        daemon = line.daemon
        await daemon.add_user("Ratna", "supervisor")
        first = await alive(daemon)
        since = len(daemon.lines)
        again = asyncio.create_task(daemon.event("console", since=since))
        os.kill(first, signal.SIGKILL)
        reasons = await verdicts(line, again)
        assert set(reasons) == {"not_blocked"}
        ended = await daemon.event("child_ended", since=since)
        assert (ended["child"], ended["code"]) == ("console", -signal.SIGKILL)
        second = await alive(daemon, since=since)
        assert second != first
        assert gone(first)
        assert [one["event"] for one in daemon.lines].count("started") == 1, "the daemon is the same"


async def test_a_daemon_that_is_told_to_end_ends_its_console_first(redis: RedisServer) -> None:
    """SIGTERM to the daemon ends both processes in order, without a warning or error."""
    async with rig(redis) as line:
        daemon = line.daemon
        await daemon.add_user("Ratna", "supervisor")
        console = await alive(daemon)
        since = len(daemon.lines)
        assert await daemon.stop() == 0
        assert gone(console)
        assert [one["event"] for one in daemon.lines].count("stopped") == 2
        assert not [one for one in daemon.lines[since:] if one.get("level") in {"warning", "error"}]


async def test_a_console_does_not_outlive_a_killed_daemon(redis: RedisServer) -> None:
    """After the daemon is killed, the console ends by itself."""
    async with rig(redis) as line:
        daemon = line.daemon
        await daemon.add_user("Ratna", "supervisor")
        console = await alive(daemon)
        since = len(daemon.lines)
        daemon.signal(signal.SIGKILL)
        assert await daemon.ended() == -signal.SIGKILL  # this also closes the pipe that the console writes to
        assert [one["event"] for one in daemon.lines[since:]] == ["stopped"]
        await until(lambda: gone(console), 20, "the console's end")


# ── `Child` by itself ────────────────────────────────────────────────────────────────────────────────


class Kept:
    """A running `Child`, and how often it asked whether it is wanted."""

    def __init__(self, program: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(child, "LOOK_SECONDS", 0.01)
        self.wanted = True
        self.looks = 0
        self.changed = asyncio.Event()
        self.child = Child("part", (sys.executable, "-c", program), self._wanted)
        self.task = asyncio.create_task(self.child.run())

    async def _wanted(self) -> bool:
        self.looks += 1
        self.changed.set()
        return self.wanted

    async def looked(self, times: int) -> None:
        """Wait until it has asked that many more times whether the part is wanted."""
        until_ = self.looks + times
        async with within(20, f"{times} looks"):
            while self.looks < until_:
                self.changed.clear()
                await self.changed.wait()

    async def pid(self, other: int = 0) -> int:
        """Wait until a process with another pid than `other` runs; return its pid."""

        def runs() -> bool:
            process = self.child._process
            return process is not None and process.returncode is None and process.pid != other

        await until(runs, 20, "a child that runs")
        assert self.child._process
        return self.child._process.pid


@pytest.fixture
async def keep(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[str], Kept]]:
    """Yield a function that runs a `Child` until the test ends."""
    kept: list[Kept] = []

    def begin(program: str) -> Kept:
        kept.append(Kept(program, monkeypatch))
        return kept[-1]

    yield begin
    for one in kept:
        one.task.cancel()
        await asyncio.gather(one.task, return_exceptions=True)
        await one.child.stop()


async def test_a_part_that_is_not_wanted_is_not_started(keep: Callable[[str], Kept]) -> None:
    """A part starts at the first look at which it is wanted, and only once."""
    kept = keep(STAYS)
    kept.wanted = False
    await kept.looked(5)
    assert kept.child._process is None
    kept.wanted = True
    pid = await kept.pid()
    looks = kept.looks
    assert await kept.pid() == pid
    assert kept.looks == looks, "while it runs nobody asks whether it is wanted"


async def test_each_end_is_waited_for_longer_before_the_next_start(
    keep: Callable[[str], Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part that ends at once is restarted after pauses of 1, 5, 30 and again 30 s."""
    paused: list[float] = []
    sleep = asyncio.sleep

    async def short(seconds: float) -> None:
        if seconds in child.AGAIN_SECONDS:
            paused.append(seconds)
        await sleep(min(seconds, 0.001))

    monkeypatch.setattr(asyncio, "sleep", short)
    kept = keep("raise SystemExit(3)")
    await until(lambda: len(paused) >= 4, 30, "four ends")
    assert paused[:4] == [1.0, 5.0, 30.0, 30.0]
    kept.wanted = False
    await kept.looked(2)  # and none is being started now
    assert not kept.task.done()


async def test_a_part_that_ran_for_long_is_started_again_soon(
    keep: Callable[[str], Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part that ran for `STEADY_SECONDS` is restarted after the first pause again."""
    monkeypatch.setattr(child, "STEADY_SECONDS", 0.0)
    monkeypatch.setattr(child, "AGAIN_SECONDS", (0.0, 600.0))
    kept = keep(STAYS)
    pid = 0
    for _ in range(4):
        pid = await kept.pid(pid)
        os.kill(pid, signal.SIGKILL)


async def test_a_program_that_is_not_there_ends_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that does not exist ends nothing else, and its start is tried again."""
    monkeypatch.setattr(child, "LOOK_SECONDS", 0.0)
    looks = asyncio.Semaphore(0)

    async def wanted() -> bool:
        looks.release()
        return True

    part = Child("part", ("/none/such",), wanted)
    running = asyncio.create_task(part.run())
    async with within(20, "three tries"):
        for _ in range(3):
            await looks.acquire()
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await part.stop()


async def test_a_part_that_will_not_end_is_killed(
    keep: Callable[[str], Kept], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A part that ignores SIGTERM is killed after `END_SECONDS`."""
    monkeypatch.setattr(child, "END_SECONDS", 0.2)
    deaf = tmp_path / "deaf"
    kept = keep(
        f"import signal; signal.signal(15, signal.SIG_IGN); open({str(deaf)!r}, 'w').close(); {STAYS}"
    )
    await until(deaf.exists, 20, "a child that heeds no SIGTERM")
    process = kept.child._process
    assert process
    kept.task.cancel()
    await kept.child.stop()
    assert process.returncode == -signal.SIGKILL


def with_argument(argument: str) -> list[int]:
    """Return the pids of the processes that have this argument."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if argument.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


@asynccontextmanager
async def leaving_nobody(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Child, asyncio.Task[None]]]:
    """Yield a `Child` and its task; then stop it and wait until no process of it is left."""
    monkeypatch.setattr(child, "LOOK_SECONDS", 0.0)
    marker = f"part-{secrets.token_hex(8)}"

    async def wanted() -> bool:
        return True

    part = Child("part", (sys.executable, "-c", STAYS, marker), wanted)
    running = asyncio.create_task(part.run())
    try:
        yield part, running
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await part.stop()
        await until(lambda: not with_argument(marker), 10, "the end of each process")
    finally:
        for pid in with_argument(marker):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("step", range(8))
async def test_a_part_that_is_just_being_started_is_ended_too(
    monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """A part that is stopped at any step of its start leaves no process."""
    async with leaving_nobody(monkeypatch):
        for _ in range(step):
            await asyncio.sleep(0)


async def test_a_part_that_is_there_and_not_yet_known_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that exists but that asyncio has not returned yet is ended too."""
    there, spawn = asyncio.Event(), asyncio.create_subprocess_exec

    async def slow(*command: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await spawn(*command, **options)
        there.set()
        for _ in range(3):
            await asyncio.sleep(0)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", slow)
    async with leaving_nobody(monkeypatch), within(20, "a process"):
        await there.wait()


async def test_a_part_does_not_answer_for_us_to_the_service_manager(
    keep: Callable[[str], Kept], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part gets none of systemd's variables, so it cannot make a frozen daemon seem alive."""
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS"):
        monkeypatch.setenv(name, "1")
    told = tmp_path / "told"
    program = f"import os; open({str(told)!r}, 'w').write(' '.join(sorted(os.environ)) + '.'); input()"
    await keep(program).pid()
    await until(lambda: told.exists() and told.read_text("utf-8").endswith("."), 20, "the child's word")
    names = told.read_text("utf-8").rstrip(".").split()
    assert "PATH" in names
    assert [name for name in names if name.startswith(("NOTIFY", "WATCHDOG", "LISTEN"))] == []


async def test_a_reload_reaches_the_console(redis: RedisServer) -> None:
    """SIGHUP to the daemon reloads the console too, without ending it."""
    async with rig(redis) as line:
        daemon = line.daemon
        await daemon.add_user("Ratna", "supervisor")
        console = await alive(daemon)
        since = len(daemon.lines)
        daemon.signal(signal.SIGHUP)
        async with within(30, "both reloads"):
            while [one["event"] for one in daemon.lines[since:]].count("reloaded") < 2:  # ends: in time
                await daemon.event("reloaded", since=len(daemon.lines))
        assert not gone(console)


async def test_where_memory_runs_out_the_console_goes_first(redis: RedisServer) -> None:
    """When memory runs out, the kernel kills the console before the daemon."""
    async with rig(redis) as line:
        await line.daemon.add_user("Ratna", "supervisor")
        console = await alive(line.daemon)
        assert oom_score(console) >= 500 > oom_score(line.daemon.pid)


async def test_a_part_knows_that_it_is_one(keep: Callable[[str], Kept], tmp_path: Path) -> None:
    """A part's environment says that it is a child, and it sees when its standard input is closed."""
    told = tmp_path / "told"
    program = f"import os; open({str(told)!r}, 'w').write(os.environ[{CHILD!r}]); input()"
    kept = keep(program)
    await kept.pid()
    await until(lambda: told.exists() and told.read_text("utf-8") == "1", 20, "the child's word")
    assert kept.child._process
    assert kept.child._process.stdin
    kept.child._process.stdin.close()
    ended = kept.child._process
    await until(lambda: ended.returncode is not None, 20, "its end")
