"""Everything that is started for a measurement, and how much of the machine it uses."""

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.lab import ports
from tests.lab.redis_servers import RedisServer, home
from tests.waiting import reap

_PATIENCE: Final = 90.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")

CONFIG: Final = """\
site = "bench"
mode = "enforce"
state_dir = "{state}"
[ami]
port = {ami}
secret = "bench"
[agi]
port = {agi}
deadline_ms = 900
[metrics]
port = {metrics}
screen_port = {metrics}
[policy]
treatment = "reject"
[redis]
url = "{redis}"
"""
"""`more` of `siaga112` continues `[redis]`."""


@dataclass(frozen=True, slots=True)
class Running:
    """A program that listens."""

    pid: int
    port: int

    def cpu(self) -> float:
        """Seconds of processor time that it has used, with its threads that are over."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self) -> float:
        """Megabytes that it holds."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE / 1e6


@dataclass(frozen=True, slots=True)
class Daemon(Running):
    """`siaga112 run`; `port` is FastAGI's (the metrics' of a half that only tracks)."""

    metrics: int
    config: Path
    state: Path
    started: float
    """Seconds from its beginning until it was ready."""


@contextmanager
def client(command: Sequence[str | Path]) -> Iterator[subprocess.Popen[str]]:
    """Run a program that says what it found, and end it at the end of the block, however that ends."""
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        reap(process)
        if process.stdout:
            process.stdout.close()


def said(process: subprocess.Popen[str], seconds: float = 120.0) -> str:
    """Give the next line that a client prints; exit with a line about it if none comes in time."""
    assert process.stdout is not None
    # Its end ends the reading: of a pipe that is read through a buffer, select(2) would not know.
    limit = threading.Timer(seconds, process.kill)
    limit.start()
    try:
        line = process.stdout.readline()  # ends: `limit`
    finally:
        limit.cancel()
    if not line:
        raise SystemExit(f"{process.args!r} ended, or said nothing for {seconds:g} s")
    return line.strip()


def used(process: subprocess.Popen[bytes], seconds: float) -> tuple[int, resource.struct_rusage]:
    """Wait for a program's end; give its exit code and what it used. Kills what takes longer than that."""
    limit = threading.Timer(seconds, process.kill)
    limit.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)  # ends: `limit`
    finally:
        limit.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage


@contextmanager
def started(
    command: Sequence[str | Path], port: int, environ: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Run a program until it listens, and as long as the block lasts."""
    # Nobody reads what it says: a log line costs what it costs where a journal does.
    process = subprocess.Popen(
        command, env={**os.environ, **(environ or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await_port(port, process)
        yield Running(process.pid, port)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            reap(process)


def await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until something listens there; connecting would not do: panoramisk spins on an empty request."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"{process.args!r} ended with {process.returncode}")
        if f":{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text():
            return
        time.sleep(0.002)
    raise SystemExit(f"{process.args!r} does not listen on {port}")


@dataclass(frozen=True, slots=True)
class Store:
    """A redis-server of ours."""

    server: RedisServer
    port: int
    socket: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def memory(self) -> float:
        """Megabytes that its data take."""
        return float(self.server.ask("INFO", "memory")["used_memory"]) / 1e6

    def load(self, commands: Iterator[bytes]) -> None:
        """Feed it commands in its own protocol, in bulk."""
        pipe = subprocess.Popen(
            ["redis-cli", "-s", self.socket, "--pipe"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        assert pipe.stdin is not None
        with pipe.stdin:
            for command in commands:
                pipe.stdin.write(command)
        if pipe.wait(120):
            raise SystemExit("redis-cli --pipe failed")


@contextmanager
def redis(*lines: str) -> Iterator[Store]:
    """Run a redis-server that keeps nothing on disk."""
    port = ports.free()
    with home() as folder, RedisServer(folder, f"port {port}", "bind 127.0.0.1", *lines) as server:
        yield Store(server, port, folder / "redis.sock")


def command(*words: str | bytes) -> bytes:
    """Write one command in Redis' protocol."""
    raw = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in raw)


@contextmanager
def siaga112(
    store: str, *, only: str = "", ami: int = 1, pin: int | None = None, more: str = ""
) -> Iterator[Daemon]:
    """Run the real daemon beside this Redis (an address) and this manager interface (a port)."""
    with tempfile.TemporaryDirectory(prefix="siaga112-bench-") as name:
        folder = Path(name)
        agi, metrics = ports.free(), ports.free()
        config = folder / "siaga112.toml"
        text = CONFIG.format(state=folder / "state", ami=ami, agi=agi, metrics=metrics, redis=store)
        config.write_text(text + more)
        pinned = [] if pin is None else ["taskset", "-c", str(pin)]
        port = metrics if only == "track" else agi
        began = time.monotonic()
        run: list[str | Path] = [*pinned, sys.executable, "-m", "siaga112", "--config", config, "run"]
        with started([*run, *(["--only", only] if only else [])], port) as process:
            yield Daemon(process.pid, port, metrics, config, folder / "state", time.monotonic() - began)


def until_ready(port: int) -> None:
    """Wait until the daemon with its metrics on that port has its tables, and follows the PBX."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=20):
                return
        except (urllib.error.HTTPError, urllib.error.URLError):
            time.sleep(0.005)
    raise SystemExit(f"siaga112 is not ready after 60 s (http://127.0.0.1:{port}/readyz)")
