"""The daemon as a whole: ended calls a second on one core, and both halves in one process."""

import sqlite3
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks import build, load, mix
from benchmarks.book import Book
from benchmarks.feeder import Feeder
from benchmarks.servers import Daemon, client, redis, said, siaga112, started, until_ready
from siaga112.app.records import DATABASE
from tests.lab import ports

BURST: Final = 2_500
PATIENCE: Final = 60.0
"""Seconds that the slowest machine may need for a measurement."""
VERDICTS_A_SECOND: Final = 200
WINDOW: Final = 0.25
"""Seconds: a verdict asked for within this time after a burst begins belongs to the burst."""


def measure(book: Book, *, quick: bool, say: Callable[[str], None]) -> None:
    """Take both measurements."""
    say("ended calls a second")
    for _ in range(2 if quick else 5):
        for label, path, many in (("filtered", mix.FILTERED, 5_000), ("full", mix.FULL, 1_000)):
            calls = 200 if quick else many
            _ended(book, label, mix.Mix(path), calls)
            _least(book, label, mix.Mix(path), calls)
    say("both halves in one process")
    port = ports.free()
    program = [str(build.program("agi_server")), str(port), "0", "1"]
    with (
        redis() as store,
        Feeder() as feeder,
        siaga112(store.url, ami=feeder.port) as daemon,
        started(program, port),
    ):
        feeder.await_client()
        for _ in range(3 if quick else 5):
            _halves(book, feeder, daemon.port, daemon.metrics, 3.0 if quick else 5.0)
            _burst(book, feeder, port, 3.0 if quick else 5.0, "beside")


def _rows(daemon: Daemon) -> int:
    file = daemon.state / DATABASE
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        found: tuple[int] = database.execute("SELECT count(*) FROM call").fetchone()
    return found[0]


def _ended(book: Book, label: str, made: mix.Mix, calls: int) -> None:
    """Measure the time until all calls that are fed are in the ledger. The daemon has one core."""
    stream = made.calls(calls)
    with (
        redis() as store,
        Feeder() as feeder,
        siaga112(store.url, only="track", ami=feeder.port, pin=0) as daemon,
    ):
        feeder.await_client()
        until_ready(daemon.metrics)
        began, used = time.monotonic(), daemon.cpu()
        with _beside(lambda: feeder.send(stream)) as sending:
            deadline = began + PATIENCE
            while (rows := _rows(daemon)) < calls and time.monotonic() < deadline and not sending.failed:
                time.sleep(0.02)
        took = time.monotonic() - began
        if rows < calls:
            raise SystemExit(
                f"whole.{label}: {rows} of {calls} ended calls are in the ledger after {took:.0f} s "
                f"({sending.failed or 'all was sent'}; siaga112 connected {feeder.clients} times)"
            )
        book.add(f"whole.{label}.rate", rows / took)
        book.add(f"whole.{label}.cpu", (daemon.cpu() - used) / rows * 1e6)


def _least(book: Book, label: str, made: mix.Mix, calls: int) -> None:
    """Feed the same calls to the least program that stores them, also on one core."""
    stream = made.calls(calls)
    with Feeder() as feeder, tempfile.TemporaryDirectory(prefix="siaga112-bench-") as folder:
        least = [sys.executable, "-m", "benchmarks.least_calls", str(feeder.port), str(calls), folder]
        with client(["taskset", "-c", "0", *least]) as process:
            said(process)
            feeder.await_client()
            feeder.send(stream)
            took, used = map(float, said(process).split())
    book.add(f"whole.{label}.least_rate", calls / took)
    book.add(f"whole.{label}.least_cpu", used / calls * 1e6)


@dataclass(slots=True)
class _Beside:
    """Work in a thread of its own. `failed`: what ended it, '' if nothing did."""

    failed: str = ""


@contextmanager
def _beside(work: Callable[[], None]) -> Iterator[_Beside]:
    """Work beside the block and wait for its end; an error is reported, not lost."""
    doing = _Beside()

    def do() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - reported with the figures
            doing.failed = str(error) or repr(error)

    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    yield doing
    thread.join(PATIENCE)
    if thread.is_alive() and not doing.failed:
        doing.failed = "not all was taken"


def _halves(book: Book, feeder: Feeder, agi: int, metrics: int, seconds: float) -> None:
    alone = _verdicts(agi, seconds)
    book.add("halves.alone.p99", alone.micros(0.99))
    with _scraping(metrics) as times:
        book.add("halves.scraped.p99", _verdicts(agi, seconds).micros(0.99))
    for took in times:
        book.add("scrape.ms", took * 1e3)
    _burst(book, feeder, agi, seconds, "burst")


def _burst(book: Book, feeder: Feeder, agi: int, seconds: float, name: str) -> None:
    """Ask this server for verdicts while the daemon gets a burst a second."""
    bursts: list[float] = []
    made = mix.Mix(mix.FULL)
    stream = made.calls(BURST // made.events + 1, first=int(time.monotonic() * 1e3))

    def burst() -> None:
        for _ in range(int(seconds)):
            time.sleep(0.5)
            bursts.append(time.monotonic())
            feeder.send(stream)
            time.sleep(0.5)

    with _beside(burst) as sending:
        ran = _verdicts(agi, seconds)
    if sending.failed:
        raise SystemExit(f"halves.{name}: {sending.failed}")
    struck = [took for began, took in ran.samples if any(0 <= began - at < WINDOW for at in bursts)]
    if not struck:
        raise SystemExit(f"halves.{name}: no verdict of {len(ran.samples)} was asked for in a burst's time")
    book.add(f"halves.{name}.p99", load.quantile(struck, 0.99) * 1e6)
    book.add(f"halves.{name}.whole_p99", ran.micros(0.99))


def _verdicts(port: int, seconds: float) -> load.Sessions:
    return load.sessions(port, seconds, rate=VERDICTS_A_SECOND)


@contextmanager
def _scraping(port: int) -> Iterator[list[float]]:
    """Scrape twice a second; yield how long each scrape took."""
    times: list[float] = []
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(0.5):
            times.append(scraped(port))

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield times
    finally:
        over.set()
        thread.join(PATIENCE)


def scraped(port: int) -> float:
    """Read /metrics once; return the seconds it took."""
    began = time.monotonic()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        answer.read()
    return time.monotonic() - began
