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
"""`siaga112` appends its argument `more`, which so continues `[redis]`."""


@dataclass(frozen=True, slots=True)
class Running:
    """A program that listens."""

    pid: int
    port: int

    def cpu(self) -> float:
        """Return the seconds of processor time that it has used, ended threads included."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self) -> float:
        """Return the megabytes that it has in memory."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE / 1e6


@dataclass(frozen=True, slots=True)
class Daemon(Running):
    """`siaga112 run`. `port` is FastAGI's, or the metrics' of a half that only tracks."""

    metrics: int
    config: Path
    state: Path
    started: float
    """Seconds from its start until it listened."""


@contextmanager
def client(command: Sequence[str | Path]) -> Iterator[subprocess.Popen[str]]:
    """Run a program that prints what it measures, and end it with the block, however that ends."""
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
    """Return the next line that a client prints; exit with an error if none comes in time."""
    assert process.stdout is not None
    # Killing the client ends the read. select(2) cannot be used, as it does not see what is buffered.
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
    """Wait for a program's end; return its exit code and usage. Kill it if it takes longer than this."""
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
    """Run a program during the block, which begins when it listens."""
    # Nobody reads its log, but it is written, as it is to a journal in production.
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
    """Wait until something listens there, without connecting: panoramisk spins on an empty request."""
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
    """A redis-server of our own."""

    server: RedisServer
    port: int
    socket: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def memory(self) -> float:
        """Return the megabytes of its data."""
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
    """Run a redis-server that writes nothing to disk."""
    port = ports.free()
    with home() as folder, RedisServer(folder, f"port {port}", "bind 127.0.0.1", *lines) as server:
        yield Store(server, port, folder / "redis.sock")


def command(*words: str | bytes) -> bytes:
    """Return one command in Redis' protocol."""
    raw = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in raw)


@contextmanager
def siaga112(
    store: str, *, only: str = "", ami: int = 1, pin: int | None = None, more: str = ""
) -> Iterator[Daemon]:
    """Run the real daemon with this Redis (an address) and this manager interface (a port)."""
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
    """Wait until the daemon with this metrics port has its tables and follows the PBX."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=20):
                return
        except (urllib.error.HTTPError, urllib.error.URLError):
            time.sleep(0.005)
    raise SystemExit(f"siaga112 is not ready after 60 s (http://127.0.0.1:{port}/readyz)")
