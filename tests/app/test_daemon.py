"""The running daemon and who watches it: systemd's protocol, SIGHUP, SIGTERM, a frozen loop."""

import asyncio
import json
import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.lab import ports
from tests.lab.agi_client import OK, request
from tests.lab.daemon import end_private_redis
from tests.lab.stores import site_store
from tests.printed import without_secrets
from tests.waiting import ended as exit_code
from tests.waiting import killed, within

pytestmark = pytest.mark.redis
PATIENCE = 20.0
NUMBER = "081211111111"

FREEZING = """
import sys, time
from siaga112.service.screening import Screener
def freeze(self, request):
    time.sleep(60)
Screener._at_hand = freeze
from siaga112.cli import main
main()
"""
"""A daemon in which every question blocks the event loop."""


SLOW_NAME = """
import asyncio
from siaga112.adapters import fastagi
listen = fastagi.listen
async def slow(*arguments):
    await asyncio.sleep(3)
    return await listen(*arguments)
fastagi.listen = slow
from siaga112.cli import main
main()
"""
"""The daemon where the name in [agi] host takes longer to look up than a loop may be frozen."""

FREEZING_AT_THE_END = """
import asyncio, contextlib, time
import structlog
from siaga112.adapters.supervision import Descriptors
from siaga112.service.screening import Screener
def freeze(self, request):
    time.sleep(60)
async def stay(self):
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    Screener._at_hand = freeze
    structlog.get_logger().info("stays")
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
Descriptors.run = stay
from siaga112.cli import main
main()
"""
"""The daemon with a part that does not end, as if a disk hung; the next question stops the event loop."""

HANGING = """
import time
from siaga112.adapters.running_file import RunningFile
RunningFile.write = lambda *_: time.sleep(60)
from siaga112.cli import main
main()
"""
"""A daemon on a disk that hangs when the running file is written."""


class Running:
    """`siaga112 run --only screen` with a service manager of our own."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="s112-test-"))
        self.port, self.metrics = ports.free(), ports.free()
        self.config = self.home / "siaga112.toml"
        self.told: asyncio.Queue[str] = asyncio.Queue()
        self.lines: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.process: asyncio.subprocess.Process
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._reading: asyncio.Task[None]

    def write(self, more: str = "") -> None:
        """Write the configuration."""
        self.config.write_text(
            f'site = "lab"\nmode = "enforce"\nstate_dir = "{self.home / "state"}"\n'
            f"[agi]\nport = {self.port}\n[metrics]\nscreen_port = {self.metrics}\n{more}"
        )

    async def start(self, program: tuple[str, ...] = ("-m", "siaga112")) -> None:
        """Start it; wait until it reports that it is ready."""
        path = str(self.home / "notify")
        self._manager.bind(path)
        self._manager.settimeout(0)
        asyncio.get_running_loop().add_reader(self._manager, self._hear)
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, *program, "run", "--only", "screen"),
            env={
                **os.environ,
                "SIAGA112_CONFIG": str(self.config),
                "NOTIFY_SOCKET": path,
                "WATCHDOG_USEC": "900000",
            },
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        self._reading = asyncio.create_task(self._read())
        await self.hears("READY=1")

    def _hear(self) -> None:
        for state in self._manager.recv(4096).decode().split("\n"):
            self.told.put_nowait(state)

    async def _read(self) -> None:
        assert self.process.stderr
        async for line in self.process.stderr:  # ends: with the process
            self.lines.put_nowait(json.loads(without_secrets(line.decode())))

    async def silence(self) -> None:
        """Read its log no longer: every further line fails."""
        pipe = getattr(self.process, "_transport").get_pipe_transport(2)  # noqa: B009 - asyncio names no other
        pipe.close()
        await self._reading

    async def redis_answers(self) -> bool:
        """Say whether the private Redis takes connections."""
        try:
            async with within(PATIENCE, "a connection to the private Redis"):
                _, writer = await asyncio.open_unix_connection(self.home / "state" / "redis" / "redis.sock")
        except OSError:
            await asyncio.sleep(0.02)
            return False
        writer.close()
        return True

    async def hears(self, state: str) -> None:
        """Wait until the service manager gets this state."""
        async with within(PATIENCE, f"{state} to the service manager"):
            while await self.told.get() != state:
                pass

    async def logs(self, event: str) -> dict[str, Any]:
        """Return the next log line of this event."""
        async with within(PATIENCE, f"the line {event}"):
            while (line := await self.lines.get())["event"] != event:
                pass
            return line

    async def ask(self) -> str:
        """Ask as the dialplan does; return the variables that were set, '' if the connection just closed."""
        async with within(PATIENCE, "a connection to the daemon"):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request(NUMBER))
        said = b""
        try:
            async with asyncio.timeout(PATIENCE):
                while line := await reader.readline():
                    said += line
                    writer.write(OK)
        except ConnectionError:
            pass
        finally:
            writer.close()
        return said.decode()

    async def tells(self, words: str) -> None:
        """Ask until the answer has these words: verdicts use a change within a second, not at once."""
        async with asyncio.timeout(PATIENCE):
            while words not in await self.ask():
                pass  # each look is a caller's question

    async def command(self, *arguments: str) -> None:
        """Run a command that must succeed, where the tracking half has created the tables."""
        store = site_store(self.home / "state", "lab")
        await store.published()
        await store.close()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "siaga112", *arguments),
            env={**os.environ, "SIAGA112_CONFIG": str(self.config)},
            stdout=asyncio.subprocess.DEVNULL,
        )
        assert await exit_code(process, f"siaga112 {' '.join(arguments)}") == 0

    async def ended(self) -> int:
        """Return its exit code."""
        return await exit_code(self.process, "the daemon", PATIENCE)

    async def clear(self) -> None:
        """End what still runs."""
        if self.process.returncode is None:
            await killed(self.process)
        async with within(PATIENCE, "the daemon's last line"):
            await self._reading
        await end_private_redis(self.home / "state")
        asyncio.get_running_loop().remove_reader(self._manager)
        self._manager.close()
        shutil.rmtree(self.home)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    """Yield a daemon that can be started."""
    daemon = Running()
    daemon.write()
    yield daemon
    await daemon.clear()


WITHOUT_A_DATABASE = """
import sys
for name in ("sqlalchemy", "alembic", "psycopg", "sqlite3", "panoramisk"):
    sys.modules[name] = None
from siaga112.cli import main
main()
"""
"""A daemon that can load no library of a database, or of what follows a PBX."""


async def test_the_screening_half_screens_where_no_database_can_be_loaded(running: Running) -> None:
    """The screening half needs no library of a database or of what follows a PBX.

    Without them it saves 28 MB and a fifth of a second at its start.
    """
    await running.start(("-c", WITHOUT_A_DATABASE))
    await running.tells("ALLOW")
    await running.command("block", NUMBER, "--permanent", "--reason", "asked")
    await running.tells("BLOCK")


LOADED = """
import sys
import siaga112.cli.run
print(sorted({"rich", "pygments", "greenlet", "opentelemetry", "sqlalchemy"} & sys.modules.keys()))
import rich, greenlet
"""


async def test_the_screening_half_does_not_load_what_libraries_would_like_to() -> None:
    """The screening half does not load what its libraries would like to; it can be loaded later (`lean`)."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LOADED, stdout=asyncio.subprocess.PIPE
    )
    async with within(PATIENCE, "the list of modules"):
        printed, _ = await process.communicate()
    assert (printed, process.returncode) == (b"[]\n", 0)


WITHOUT_UMASK = "import os; os.umask(0); from siaga112.cli import main; main()"


async def test_the_state_directory_is_for_the_daemons_user_alone(running: Running) -> None:
    """Only the daemon's user can read its files, with any umask and after older versions.

    A file that is not ours keeps its mode.
    """
    state = running.home / "state"
    (state / "redis").mkdir(parents=True)
    for name in ("outbox.db", "redis/redis.log", "README"):
        (state / name).touch()
        (state / name).chmod(0o644)
    for folder in (state, state / "redis"):
        folder.chmod(0o755)
    await running.start(("-c", WITHOUT_UMASK))
    await running.command("block", NUMBER, "--permanent", "--reason", "threats")
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in (state, *state.rglob("*"))}
    assert modes.pop(state / "README") == 0o644
    ours = {state / name for name in ("redis/redis.sock", "redis/redis.lock", "outbox.db", "siaga112.db")}
    assert ours < set(modes)
    assert {str(path): oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


async def until(what: Callable[[], Any]) -> None:
    """Ask again until the answer is true."""
    async with asyncio.timeout(PATIENCE):
        while not await what():
            pass


async def test_the_service_manager_hears_of_readiness_life_and_the_end(running: Running) -> None:
    """The daemon sends READY=1, then WATCHDOG=1 again and again, and STOPPING=1 before it exits with 0."""
    await running.start()
    assert "SIAGA_VERDICT" in await running.ask()
    await running.hears("WATCHDOG=1")
    await running.hears("WATCHDOG=1")
    running.process.send_signal(signal.SIGTERM)
    await running.hears("STOPPING=1")
    assert await running.ended() == 0


async def test_a_reload_takes_over_what_can_change_and_names_what_cannot(running: Running) -> None:
    """After SIGHUP the next call gets the new treatment, and a key that needs a restart is logged."""
    await running.start()
    await running.command("block", NUMBER, "--permanent", "--reason", "threats")
    await running.tells('SIAGA_TREATMENT "announce"')
    running.write('host = "127.0.0.2"\n[policy]\ntreatment = "reject"\n')
    running.process.send_signal(signal.SIGHUP)
    await running.hears("RELOADING=1")
    await running.hears("READY=1")
    assert (await running.logs("reloaded"))["changed"] == ["policy.treatment"]
    assert (await running.logs("reload_needs_restart"))["keys"] == ["metrics.host"]
    assert 'SIAGA_TREATMENT "reject"' in await running.ask()


async def test_a_disk_that_hangs_holds_up_neither_a_verdict_nor_a_reload(running: Running) -> None:
    """A disk that hangs on the running file delays neither verdicts nor a reload nor the watchdog."""
    await running.start(("-c", HANGING))
    assert "SIAGA_VERDICT" in await running.ask()
    running.write('[policy]\ntreatment = "announce"\n')
    running.process.send_signal(signal.SIGHUP)
    await running.hears("RELOADING=1")
    await running.hears("READY=1")
    assert "SIAGA_VERDICT" in await running.ask()
    await running.hears("WATCHDOG=1")
    await running.hears("WATCHDOG=1")


async def test_a_reload_reaches_the_promise_in_the_metrics(running: Running) -> None:
    """After a reload the metrics have the new promised answer time."""
    await running.start()
    running.write('[service_level]\nanswer_within = "7s"\n')
    running.process.send_signal(signal.SIGHUP)
    await running.hears("RELOADING=1")
    await running.hears("READY=1")
    url = f"http://127.0.0.1:{running.metrics}/metrics"
    async with within(PATIENCE, "the metrics"), aiohttp.ClientSession() as client, client.get(url) as page:
        shown = await page.text()
    assert 'siaga112_service_level_answer_within_seconds{site="lab"} 7.0' in shown


@pytest.mark.fault("sighup")
async def test_a_reload_with_a_bad_file_keeps_the_old_one(running: Running) -> None:
    """A reload with a bad file is refused in one line, and verdicts go on with the old configuration."""
    await running.start()
    await running.command("block", NUMBER, "--permanent", "--reason", "threats")
    await running.tells('SIAGA_TREATMENT "announce"')
    running.write("[policy]\ntreatmend = 1\n")
    running.process.send_signal(signal.SIGHUP)
    line = await running.logs("reload_refused")
    assert 'unknown key "policy.treatmend", did you mean "treatment"?' in line["detail"]
    assert 'SIAGA_TREATMENT "announce"' in await running.ask()


UNREADABLE: Final = {
    "a zone that is a folder": b'timezone = "Asia"\n',
    "a zone in a folder above": b'timezone = "../Asia/Jakarta"\n',
    "a zone of 5,000 letters": b'timezone = "' + b"x" * 5_000 + b'"\n',
    "a number of 5,000 digits": b"deadline_ms = " + b"9" * 5_000 + b"\n",
    "arrays 5,000 deep": b"x = " + b"[" * 5_000 + b"]" * 5_000 + b"\n",
    "a NUL in a zone": b'timezone = "a\\u0000b"\n',
    "no text": b"\xff\xfe\n",
}


@pytest.mark.fault("sighup")
async def test_a_reload_always_ends(running: Running) -> None:
    """Whatever the file has in it, one line says what is wrong, systemd gets READY=1, and calls go on."""
    await running.start()
    good = running.config.read_bytes()
    for bad in UNREADABLE.values():
        running.config.write_bytes(bad + good)
        running.process.send_signal(signal.SIGHUP)
        await running.hears("RELOADING=1")
        await running.hears("READY=1")
        line = await running.logs("reload_refused")
        assert "exception" not in line
        assert len(line["detail"]) < 500
    running.config.write_bytes(good)
    running.process.send_signal(signal.SIGHUP)
    await running.logs("reloaded")
    assert "SIAGA_VERDICT" in await running.ask()


async def test_a_loop_that_stands_still_ends_the_process(running: Running) -> None:
    """A thread ends a process whose loop is frozen, with 70 and a log line that says where it stood.

    The connection closes, so the call goes on.
    """
    await running.start(("-c", FREEZING))
    assert await running.ask() == ""
    assert await running.ended() == 70
    line = await running.logs("loop_frozen")
    assert line["exit"] == 70
    assert line["where"][0].endswith(" freeze")


async def test_a_start_that_takes_long_is_no_frozen_loop(running: Running) -> None:
    """The loop turns while it waits for a name server, so the daemon starts, however long that takes."""
    await running.start(("-c", SLOW_NAME))
    assert "SIAGA_VERDICT" in await running.ask()


async def test_a_loop_that_stands_still_while_the_parts_end_ends_the_process(running: Running) -> None:
    """The loop is watched for as long as a caller can come, also while SIGTERM waits for a part."""
    await running.start(("-c", FREEZING_AT_THE_END))
    running.process.send_signal(signal.SIGTERM)
    await running.logs("stays")
    assert await running.ask() == ""
    assert await running.ended() == 70


async def test_whoever_reads_the_log_may_go(running: Running) -> None:
    """A log that takes no more lines ends no part, and the parts that fail meanwhile start again as usual."""
    await running.start()
    await running.silence()
    await end_private_redis(running.home / "state")
    await until(running.redis_answers)
    await running.tells("not_blocked")


async def test_a_process_that_was_stopped_as_a_whole_goes_on(running: Running) -> None:
    """A process that was stopped (SIGSTOP) is not taken for a frozen loop: continued, it answers."""
    await running.start()
    running.process.send_signal(signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            await running.ask()
    running.process.send_signal(signal.SIGCONT)
    assert "SIAGA_VERDICT" in await running.ask()
    assert running.process.returncode is None
