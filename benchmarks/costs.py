"""Costs at rest: start, memory, `--help`, a scrape."""

import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.book import Book
from benchmarks.feeder import Feeder
from benchmarks.servers import redis, siaga112, until_ready
from benchmarks.whole import scraped


def measure(book: Book, *, quick: bool, say: Callable[[str], None]) -> None:
    """Start the daemon several times and measure it."""
    say("start, memory, --help")
    for _ in range(3 if quick else 7):
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "siaga112", "--help"], check=True, capture_output=True, timeout=120
        )
        book.add("help.s", time.monotonic() - began)
        with redis() as store, Feeder() as feeder:
            for half in ("screen", "track"):
                with siaga112(store.url, only=half, ami=feeder.port) as daemon:
                    until_ready(daemon.metrics)
                    book.add(f"memory.{half}_mb", daemon.memory())
            began = time.monotonic()
            with siaga112(store.url, ami=feeder.port) as daemon:
                until_ready(daemon.metrics)
                book.add("start.s", time.monotonic() - began)
                book.add("memory.mb", daemon.memory())
                for _ in range(10):
                    book.add("scrape_at_rest.ms", scraped(daemon.metrics) * 1e3)
