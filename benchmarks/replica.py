"""The replica: its size, and verdicts while Redis is well, slow, frozen and gone."""

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from benchmarks import load, people
from benchmarks.book import Book
from benchmarks.servers import Daemon, Running, Store, redis, siaga112

MILLION: Final = 1_000_000
LONG: Final = 'stale_after = "1h"\n'
"""Known blocks stay valid for as long as the measurement takes."""


def callers(daemon: Daemon) -> int:
    """Return on how many callers the replica has a standing."""
    with urllib.request.urlopen(f"http://127.0.0.1:{daemon.metrics}/metrics", timeout=20) as page:
        lines = page.read().decode().splitlines()
    return next(
        int(float(line.split()[-1])) for line in lines if line.startswith("siaga112_replica_callers{")
    )


def until(condition: Callable[[], bool], seconds: float = 120.0) -> float:
    """Wait for the condition; return how long that took, in seconds."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise SystemExit(f"not within {seconds:g} s")
        time.sleep(0.005)
    return time.monotonic() - began


def measure(book: Book, *, quick: bool, say: Callable[[str], None]) -> None:
    """Read a million numbers, then disturb Redis in every way."""
    held = 100_000 if quick else MILLION
    with ExitStack() as stack:
        empty = stack.enter_context(redis())
        full = stack.enter_context(redis("enable-debug-command local"))
        say(f"a block list of {held:,}")
        full.load(people.blocked(held))
        bare = stack.enter_context(siaga112(empty.url, only="screen"))
        daemon = stack.enter_context(siaga112(full.url, only="screen", more=LONG))
        book.add("replica.read_s", until(lambda: callers(daemon) == held))
        for server in (bare, daemon):
            load.sessions(server.port, 0.3, at_once=64, numbers=50_000)
        book.add("replica.mb", daemon.memory() - bare.memory())
        for turn in range(2 if quick else 5):
            say(f"round {turn + 1}")
            _verdicts(book, "well", daemon)
            _slow(book, daemon, full)
            full.server.signal(signal.SIGSTOP)
            _verdicts(book, "frozen", daemon)
            full.server.signal(signal.SIGCONT)
        say("changes")
        _changes(book, daemon, 3 if quick else 9)
        full.server.stop()
        for _ in range(2 if quick else 5):
            _verdicts(book, "gone", daemon)


def _verdicts(book: Book, name: str, daemon: Running) -> None:
    for kind, first in (("stranger", load.NOT_BLOCKED), ("blocked", load.BLOCKED)):
        ran = load.sessions(daemon.port, 2.0, rate=500, first=first, numbers=50_000)
        wrong = ran.blocked if kind == "stranger" else len(ran.samples) - ran.blocked
        book.add_all(
            f"replica.{name}.{kind}",
            {"p50": ran.micros(0.5), "p99": ran.micros(0.99), "failed": ran.failed, "wrong": wrong},
        )


def _slow(book: Book, daemon: Daemon, store: Store) -> None:
    """Measure verdicts while Redis answers nobody for 0.2 s, again and again."""
    busy = subprocess.Popen(
        ["redis-cli", "-s", store.socket, "-r", "20", "DEBUG", "SLEEP", "0.2"], stdout=subprocess.DEVNULL
    )
    _verdicts(book, "slow", daemon)
    busy.wait(60)


def _blocked(daemon: Running) -> bool:
    ran = load.sessions(daemon.port, 0.002, first=load.BLOCKED, numbers=1)
    return ran.blocked > 0


def _changes(book: Book, daemon: Daemon, times: int) -> None:
    """Measure the time from the end of a command until the verdict follows it."""
    number = people.number(0)
    people.known(daemon.state)
    _run(daemon, "block", number, "--permanent", "--reason", "what the list has already")
    for _ in range(times):
        for command, blocked in (
            (("unblock", number, "--reason", "a test"), False),
            (("block", number, "--permanent", "--reason", "a test"), True),
            (("allow", number, "--reason", "a test"), False),
            (("disallow", number), True),
            (("mode", "off", "--reason", "a test"), False),
            (("mode", "enforce"), True),
        ):
            _run(daemon, *command)
            book.add(f"replica.known.{command[0]}_s", until(lambda: _blocked(daemon) is blocked))  # noqa: B023 - asked at once


def _run(daemon: Daemon, *command: str) -> None:
    run = [sys.executable, "-m", "siaga112", "--config", str(daemon.config), *command]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL, timeout=120)
