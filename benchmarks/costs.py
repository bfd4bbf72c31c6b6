"""What it costs to have: start, memory at rest, `--help`, a scrape."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from benchmarks.book import Book
from benchmarks.feeder import Feeder
from benchmarks.servers import redis, siaga112
from benchmarks.whole import scraped


def measure(book: Book, *, quick: bool, say: Callable[[str], None]) -> None:
    """Start the daemon several times, and look at it."""
    say("start, memory, --help")
    for _ in range(3 if quick else 7):
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "siaga112", "--help"], check=True, capture_output=True, timeout=120
        )
        book.add("help.s", time.monotonic() - began)
        with redis() as store, Feeder() as feeder:
            began = time.monotonic()
            with siaga112(store.url, ami=feeder.port) as daemon:
                _until_ready(daemon.metrics)
                book.add("start.s", time.monotonic() - began)
                book.add("memory.mb", daemon.memory())
                for _ in range(10):
                    book.add("scrape_at_rest.ms", scraped(daemon.metrics) * 1e3)


def _until_ready(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=20):
                return
        except (urllib.error.HTTPError, urllib.error.URLError):
            time.sleep(0.005)
    raise SystemExit(f"siaga112 is not ready after 60 s (http://127.0.0.1:{port}/readyz)")
