"""Cost as work grows: blocked numbers, calls in progress, rows of the ledger."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, redirect_stderr
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from benchmarks import load, mix, people, replica
from benchmarks.book import Book
from benchmarks.commands import stored
from benchmarks.feeder import Feeder
from benchmarks.servers import redis, siaga112
from siaga112 import logs
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.versions import bring
from siaga112.app.metrics import open_metrics
from siaga112.app.records import DATABASE, now
from siaga112.captures.replay import Replay
from siaga112.core.ami import events
from siaga112.core.ami.parser import parse
from siaga112.core.changes import Change
from siaga112.core.model import DAY, Call, Caller, CallId, Entry, Mode, Reached
from siaga112.core.rules import InForce
from siaga112.core.tracking.outgoing import OutgoingCalls
from siaga112.core.tracking.queue_state import QueueState
from siaga112.core.tracking.tracker import Tracker
from siaga112.service.pipeline import Pipeline
from siaga112.service.recording import Recorder
from siaga112.settings.schema import Settings

BLOCKED: Final = (1_000, 10_000, 100_000, 1_000_000)
CALLS: Final = (10, 100, 1_000, 10_000)
LEDGER: Final = (10_000, 100_000, 1_000_000)
DAYS: Final = 400


def measure(book: Book, *, quick: bool, say: Callable[[str], None]) -> None:
    """Measure all three."""
    _blocked(book, BLOCKED[:3] if quick else BLOCKED, quick=quick, say=say)
    for _ in range(3 if quick else 5):
        for calls in CALLS[:3] if quick else CALLS:
            book.add(f"growth.calls.{calls}.event_us", asyncio.run(_in_progress(calls)))
    _verdicts_beside(book, quick=quick)
    say("calls in progress: done")
    asyncio.run(_ledger(book, LEDGER[:2] if quick else LEDGER, say))


# ── blocked numbers ──────────────────────────────────────────────────────────────────────────────


def _blocked(book: Book, sizes: Sequence[int], *, quick: bool, say: Callable[[str], None]) -> None:
    """Fill one Redis for each size, run a daemon with each, and ask them in turn."""
    with ExitStack() as stack:
        daemons = {}
        for size in sizes:
            store = stack.enter_context(redis())
            store.load(people.blocked(size))
            say(f"{size:,} blocked numbers, {store.memory():,.0f} MB in Redis")
            book.add(f"growth.blocked.{size}.redis_mb", store.memory())
            daemons[size] = daemon = stack.enter_context(siaga112(store.url, only="screen"))
            replica.until(lambda: replica.callers(daemon) == size)  # noqa: B023 - asked at once
            load.sessions(daemon.port, 0.5, at_once=64)
        for _ in range(3 if quick else 5):
            for size, daemon in daemons.items():
                # The same number of callers at every size, or the cache of numbers would make a difference.
                before = daemon.cpu()
                ran = load.sessions(daemon.port, 0.7, first=load.BLOCKED, numbers=min(sizes))
                spent = (daemon.cpu() - before) / max(1, len(ran.samples))
                book.add(f"growth.blocked.{size}.cpu", spent * 1e6)
                book.add(f"growth.blocked.{size}.p50", ran.micros(0.5))
                book.add(f"growth.blocked.{size}.p99", ran.micros(0.99))
        for size, daemon in daemons.items():
            book.add(f"growth.blocked.{size}.daemon_mb", daemon.memory())


# ── calls in progress ────────────────────────────────────────────────────────────────────────────


def _verdicts_beside(book: Book, *, quick: bool) -> None:
    """Ask for verdicts, both halves in one process, while the daemon follows few calls and many."""
    with ExitStack() as stack:
        daemons = {}
        for calls in (CALLS[0], CALLS[-2] if quick else CALLS[-1]):
            store, feeder = stack.enter_context(redis()), stack.enter_context(Feeder())
            daemons[calls] = daemon = stack.enter_context(siaga112(store.url, ami=feeder.port))
            feeder.await_client()
            made = mix.Mix(mix.FILTERED)
            feeder.send(b"".join(_up_to_the_queue(made.call(number)) for number in range(calls)))
            load.sessions(daemon.port, 0.5, at_once=64)
        time.sleep(5.0)  # until the calls in progress are on disk
        for _ in range(3 if quick else 15):
            for calls, daemon in daemons.items():
                ran = load.sessions(daemon.port, 2.0, rate=200)
                book.add(f"growth.calls.{calls}.p50", ran.micros(0.5))
                book.add(f"growth.calls.{calls}.p99", ran.micros(0.99))


class _Kept:
    """An outbox that stores nothing, so the disk does not grow with the calls in progress."""

    async def note(self, begun: Sequence[Entry]) -> None:
        """Drop them."""

    async def append(self, settled: Sequence[Entry | Reached]) -> None:
        """Drop them."""


class _Source:
    """Yields its slices once."""

    def __init__(self, made: Sequence[events.Event]) -> None:
        self._made = made

    async def slices(self) -> AsyncIterator[Sequence[events.Event]]:
        """Yield slices as the AMI source cuts them."""
        for at in range(0, len(self._made), 32):
            yield self._made[at : at + 32]


async def _in_progress(calls: int) -> float:
    """Return the µs of processor time of an event while this many callers wait in the queue."""
    settings = Settings()
    rules = InForce(settings.rules())
    pipeline = Pipeline(
        tracker=Tracker(rules),
        queues=QueueState(rules),
        outgoing=OutgoingCalls(rules),
        rules=rules,
        outbox=_Kept(),  # type: ignore[arg-type] # no more of one is asked for
        meter=open_metrics(settings, rules),
        mode=lambda: Mode.ENFORCE,
    )
    made = mix.Mix(mix.FILTERED)
    waiting = _parsed(b"".join(_up_to_the_queue(made.call(number)) for number in range(calls)))
    await pipeline.run(_Source(waiting))
    if sum(count for count, _ in pipeline.tracker.waiting().values()) != calls:
        raise SystemExit("not all of them wait")
    further = _parsed(made.calls(50, first=calls))
    began = time.process_time()
    await pipeline.run(_Source(further))
    return (time.process_time() - began) / len(further) * 1e6


def _up_to_the_queue(call: bytes) -> bytes:
    return call.partition(b"Event: DialBegin")[0]


def _parsed(stream: bytes) -> list[events.Event]:
    parsed = (parse(message, 0) for message in stream.split(b"\r\n\r\n") if message)
    return [event for event in parsed if event is not None and not isinstance(event, events.Malformed)]


# ── the ledger ───────────────────────────────────────────────────────────────────────────────────


async def _ledger(book: Book, sizes: Sequence[int], say: Callable[[str], None]) -> None:
    settings = Settings()
    with (
        Path("/dev/null").open("w") as nowhere,  # noqa: ASYNC230 - no disk
        redirect_stderr(nowhere),
        tempfile.TemporaryDirectory() as home,
    ):
        logs.configure()  # log lines are written, as in production, but not read
        file = Path(home) / DATABASE
        records = DatabaseRecords(connect(f"sqlite:///{file}"), "bench", bring)
        entry = recorded_entry(settings)
        held = 0
        for size in sizes:
            for page in _rows(entry, held, size):
                await records.write([Change(entry=row) for row in page])
            held = size
            megabytes = stored(file, "!= 'event'") / 1e6  # events are deleted after some days
            say(f"{size:,} rows of the ledger, {megabytes:,.0f} MB on disk")
            book.add(f"growth.ledger.{size}.disk_mb", megabytes)
            rules = InForce(settings.rules())
            recorder = Recorder(None, records, rules, open_metrics(settings, rules))  # type: ignore[arg-type] # it is handed its calls
            for number in range(200):
                one = renamed(entry, now() - 60_000, f"9{number}", Caller(f"+62811{number:08d}"))
                began = time.perf_counter()
                await recorder.record([one])
                book.add(f"growth.ledger.{size}.record_us", (time.perf_counter() - began) * 1e6)
            config = Path(home) / "calls.toml"
            config.write_text(f'site = "bench"\nstate_dir = "{home}"\n')
            today = time.strftime("%Y-%m-%d", time.gmtime(now() / 1_000 - 86_400))
            began = time.monotonic()
            ask = [sys.executable, "-m", "siaga112", "--config", str(config), "calls", "--since", today]
            subprocess.run([*ask, "--json"], check=True, stdout=subprocess.DEVNULL, timeout=120)  # noqa: ASYNC221 - nothing else runs
            book.add(f"growth.ledger.{size}.calls_s", time.monotonic() - began)
        await records.close()


def recorded_entry(settings: Settings) -> Entry:
    """Return the row of a recorded queue call."""
    replay = Replay(settings.rules())
    return next(replay.run(_parsed(mix.Mix(mix.FILTERED).call(0))))


def renamed(entry: Entry, at: int, suffix: str, caller: Caller) -> Entry:
    """Return the row of such a call at another instant, of another caller."""
    call: Call = entry.finding.call
    shift = at - call.started
    moved = {fact: replace(fact, at=fact.at + shift) for fact in call.facts}
    new = replace(
        call, id=CallId(f"{at // 1_000}.{suffix}"), caller=caller, facts=tuple(moved[f] for f in call.facts)
    )
    deciding = tuple(moved[fact] for fact in entry.finding.deciding)
    return replace(entry, finding=replace(entry.finding, call=new, deciding=deciding))


def _rows(entry: Entry, first: int, last: int) -> Iterator[list[Entry]]:
    """Yield rows, a page at a time, spread over all days that are kept."""
    today = now()
    places = iter(range(first, last))
    while some := list(islice(places, 1_000)):
        yield [
            renamed(entry, today - (place % DAYS) * DAY - 1_000, str(place), Caller(f"+62812{place:08d}"))
            for place in some
        ]
