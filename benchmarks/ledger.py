"""Recording a call in a ledger of 10,000,000 and in one of 10,000: time and processor time, in turns.

    python -m benchmarks.ledger FOLDER [ROUNDS]

FOLDER gets both sets of records (`benchmarks.large`: 4.5 GB, a minute) unless it has them.
"""

import asyncio
import itertools
import os
import random
import sys
import time
from contextlib import redirect_stderr
from pathlib import Path
from typing import Final

from benchmarks.book import Book
from benchmarks.growth import recorded_entry, renamed
from benchmarks.large import CALLERS, CALLS, SITE, caller, fill
from siaga112 import logs
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.versions import bring
from siaga112.app.metrics import open_metrics
from siaga112.app.records import now
from siaga112.core.model import Caller
from siaga112.core.rules import InForce
from siaga112.service.recording import Recorder
from siaga112.settings.schema import Settings

SMALL: Final = 10_000
SINGLE: Final = 20
BATCH: Final = 100
ROUNDS: Final = 40


CHANCE: Final = random.Random(112)


async def measure(files: dict[str, Path], sizes: dict[str, tuple[int, int]], rounds: int) -> Book:
    """Record calls of random callers, one by one and in batches, in both ledgers in turn."""
    book, settings, numbers = Book(), Settings(), itertools.count()
    entry, rules, recorders = recorded_entry(settings), InForce(Settings().rules()), {}
    for name, file in files.items():
        records = DatabaseRecords(connect(f"sqlite:///{file}"), SITE, bring)
        metrics = open_metrics(settings, rules)
        recorders[name] = records, Recorder(None, records, rules, metrics)  # type: ignore[arg-type] # it is handed its calls
    for turn in range(-2, rounds):  # the first two warm up caches and are not counted
        for name, (_, recorder) in recorders.items():
            every = sizes[name][1]
            for at_once, times in ((1, SINGLE), (BATCH, 1)):
                made = [
                    [
                        renamed(entry, now() - 60_000, f"{os.getpid()}{next(numbers):07}", _someone(every))
                        for _ in range(at_once)
                    ]
                    for _ in range(times)
                ]
                cpu, began = time.process_time(), time.perf_counter()
                for some in made:
                    await recorder.record(some)
                took = (time.perf_counter() - began, time.process_time() - cpu)
                if turn >= 0:
                    for kind, seconds in zip(("us", "cpu"), took, strict=True):
                        book.add(f"{name}.{at_once}.{kind}", seconds / at_once / times * 1e6)
    for records, _ in recorders.values():
        await records.close()
    return book


def _someone(every: int) -> Caller:
    """Return a random caller of those in the records, so that each row is elsewhere in the table."""
    return caller(CHANCE.randrange(every))


def main() -> None:
    """Measure and print."""
    folder, *rounds = sys.argv[1:]
    sizes = {"small": (SMALL, SMALL // 10), "large": (CALLS, CALLERS)}
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        logs.configure()  # log lines are written, as in production, but not read
        files = {name: fill(Path(folder) / name, *size) for name, size in sizes.items()}
        book = asyncio.run(measure(files, sizes, int(rounds[0]) if rounds else ROUNDS))
    for at_once in (1, BATCH):
        for kind, what in (("us", "time"), ("cpu", "processor time")):
            over, under = f"large.{at_once}.{kind}", f"small.{at_once}.{kind}"
            print(
                f"{at_once} at once, {what} a call, µs: {CALLS:,} rows {book.shown(over)}, "
                f"{SMALL:,} rows {book.shown(under)}, ratio {book.ratio(over, under):.2f}"
            )


if __name__ == "__main__":
    main()
