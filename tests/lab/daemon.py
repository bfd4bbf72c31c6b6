"""A `siaga112 run` process beside the lab's PBX; tests follow its log lines."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp

from siaga112.adapters.redis import embedded as redis_embedded
from tests import warm
from tests.lab import ports
from tests.printed import without_secrets
from tests.waiting import ended, output, within

PATIENCE_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.05

PROGRAM: Final = ("-m", "siaga112")
"""What Python runs; a test may run something around it."""

Line = dict[str, Any]


class Pbx(Protocol):
    """The part of a PBX that the daemon's configuration needs to know."""

    @property
    def ami_port(self) -> int:
        """The port of its manager interface."""

    @property
    def agi_port(self) -> int:
        """The port that its dialplan asks."""

    @property
    def siaga_secret(self) -> str:
        """The secret with which the daemon logs in."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The printed JSON."""
        return json.loads(self.out)


class Daemon:
    """The daemon as a child process. Made by `running`."""

    def __init__(
        self,
        folder: Path,
        config: str,
        environ: Mapping[str, str],
        metrics_port: int,
        program: tuple[str, ...] = PROGRAM,
    ) -> None:
        self.folder = folder
        self.program = program
        self.metrics_port = metrics_port
        self.console_port = ports.free()
        self.console_url = f"http://127.0.0.1:{self.console_port}"
        self.metrics_url = f"http://127.0.0.1:{metrics_port}/metrics"
        self.config = folder / "siaga112.toml"
        self.config.write_text(config, "utf-8")
        self.lines: list[Line] = []
        self.given = {"SIAGA112_CONSOLE__PORT": str(self.console_port), **environ}
        """The environment variables that we add: the AMI secret, the console's port, and what a test sets."""
        self.environ = {
            **os.environ,
            **self.given,
            "SIAGA112_CONFIG": str(self.config),
            "NO_COLOR": "1",
        }
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def command_line(self) -> tuple[str, ...]:
        """The command line, up to the command."""
        return (sys.executable, *self.program)

    async def start(self, *arguments: str) -> None:
        """Start `siaga112 run` and return at once; wait for the line that matters."""
        self._process = await asyncio.create_subprocess_exec(
            *(*self.command_line, "run", *arguments),
            env=self.environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._reading = asyncio.create_task(self._read(self._process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        async for raw in process.stderr:  # ends: with the process
            text = without_secrets(raw.decode("utf-8", "replace").rstrip("\n"))
            try:
                self.lines.append(json.loads(text))
            except json.JSONDecodeError:
                self.lines.append({"event": "not json", "text": text})
            self._wake()
        self._wake()

    def _wake(self) -> None:
        self._arrived.set()
        self._arrived = asyncio.Event()

    async def wait_for(
        self, wanted: Callable[[Line], bool], *, since: int = 0, timeout: float = PATIENCE_SECONDS
    ) -> Line:
        """Return the first such log line since that mark, whether already seen or still to come."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    arrived = self._arrived
                    for line in self.lines[since:]:
                        if wanted(line):
                            return line
                    assert self._reading is not None
                    if self._reading.done():
                        raise ConnectionError(f"siaga112 ended; its last lines: {self.lines[-5:]}")
                    await arrived.wait()
        except TimeoutError:
            raise TimeoutError(f"no such line within {timeout:g} s; the last: {self.lines[-5:]}") from None

    async def event(self, name: str, *, since: int = 0, timeout: float = PATIENCE_SECONDS) -> Line:
        """Return the first log line of that event."""
        return await self.wait_for(lambda line: line["event"] == name, since=since, timeout=timeout)

    async def settled(self, call: str) -> Line:
        """Return the log line with which the daemon settles that call."""
        return await self.wait_for(lambda line: line["event"] == "call" and line["call"] == call)

    async def ready(self, only: str = "", *, since: int = 0) -> None:
        """Wait until it follows the PBX and answers the dialplan; `only`: until it does its part of that."""
        for name in ("started", *(() if only == "screen" else ("ami_connected",))):
            await self.event(name, since=since)
        for store in ("redis", *(() if only == "screen" else ("database",))):
            await self.store_up(store, since=since)

    async def store_up(self, store: str, *, since: int = 0) -> None:
        """Wait until it logs that `redis` or the `database` answers."""
        await self.wait_for(lambda line: line["event"] == "store_up" and line["store"] == store, since=since)

    async def metrics(self) -> str:
        """Return what Prometheus would read."""
        async with aiohttp.ClientSession() as session, session.get(self.metrics_url) as answer:
            return await answer.text()

    async def shows(self, series: str) -> None:
        """Wait until its metrics have that line, given without its prefix siaga112_."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while f"\nsiaga112_{series}\n" not in await self.metrics():  # noqa: ASYNC110 - a page tells nobody
                await asyncio.sleep(POLL_SECONDS)

    async def command(self, *arguments: str) -> Output:
        """Run another `siaga112` command with the daemon's configuration; return its output."""
        code, out, err = await warm.run(arguments, self.environ, PATIENCE_SECONDS)
        return Output(code, without_secrets(out.decode()), without_secrets(err.decode()))

    async def add_user(self, name: str, role: str) -> str:
        """Add a user of the console; return the password."""
        password = f"horse battery {secrets.token_hex(6)}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "siaga112", "user", "add", name, "--role", role),
            env=self.environ,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with within(PATIENCE_SECONDS, "siaga112 user add"):
            _, err = await process.communicate(f"{password}\n".encode())
        assert process.returncode == 0, err.decode()
        return password

    async def add_token(self, name: str, role: str, *more: str) -> str:
        """Add a token for the API; return it."""
        made = await self.command("token", "add", name, "--role", role, *more)
        assert made.code == 0, made.err
        return made.out.strip()

    async def begin(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start another `siaga112` command with the daemon's configuration."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "siaga112", *arguments),
            env=self.environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    @staticmethod
    async def finish(
        process: asyncio.subprocess.Process, what: str = "a command", seconds: float = PATIENCE_SECONDS
    ) -> Output:
        """Return a command's output when it ends. Kills it and raises TimeoutError if it does not end."""
        out, err = await output(process, what, seconds)
        return Output(process.returncode or 0, without_secrets(out.decode()), without_secrets(err.decode()))

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it, by its pid; return its exit code."""
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
        return await self.ended()

    async def ended(self) -> int:
        """Wait for its end and its last log line; return its exit code."""
        assert self._process is not None
        assert self._reading is not None
        code = await ended(self._process, "siaga112 run")
        async with within(PATIENCE_SECONDS, "the last line of siaga112 run, whose pipe somebody holds open"):
            await self._reading
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)


async def end_private_redis(state_dir: Path) -> None:
    """End the private Redis that a killed daemon left behind, if there is one, and wait for its end.

    Its pid is the peer of a connection to its socket (unix(7), SO_PEERCRED).
    """
    try:
        async with within(PATIENCE_SECONDS, "a connection to the private Redis"):
            reader, writer = await asyncio.open_unix_connection(redis_embedded.socket_path(state_dir))
    except (FileNotFoundError, ConnectionRefusedError):
        return
    line: socket.socket = writer.get_extra_info("socket")
    pid, _, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    os.kill(pid, signal.SIGKILL)
    async with within(PATIENCE_SECONDS, f"the end of the private Redis (pid {pid})"):
        with contextlib.suppress(ConnectionError):
            await reader.read()  # ends when the server does
    writer.close()


CONFIG: Final = """\
site = "lab"
mode = "enforce"
state_dir = "{state}"
[ami]
port = {ami}
[agi]
port = {agi}
[metrics]
port = {metrics}
screen_port = {metrics}
{more}
"""


def midday() -> str:
    """Return a zone in which it is about noon now, for what counts the calls of a day."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


@asynccontextmanager
async def running(
    pbx: Pbx,
    more: str = "",
    *,
    environ: Mapping[str, str] | None = None,
    only: str = "",
    wait: bool = True,
    program: tuple[str, ...] = PROGRAM,
) -> AsyncIterator[Daemon]:
    """Run the daemon beside this PBX, with embedded Redis, for as long as the block lasts.

    `more` is appended to its configuration (further sections); its metrics are at `metrics_url`.
    """
    with tempfile.TemporaryDirectory(prefix="siaga112-") as folder:
        metrics = ports.free()
        config = CONFIG.format(
            state=f"{folder}/state",
            ami=pbx.ami_port,
            agi=pbx.agi_port,
            metrics=metrics,
            more=more,
        )
        secret = {"SIAGA112_AMI__SECRET": pbx.siaga_secret}
        daemon = Daemon(Path(folder), config, {**secret, **(environ or {})}, metrics, program)
        await daemon.start(*(("--only", only) if only else ()))
        try:
            if wait:
                await daemon.ready(only)
            yield daemon
        finally:
            await daemon.stop()
            await end_private_redis(daemon.folder / "state")
