"""A country's block list: 10,000,000 numbers, beside 10,000.

What they take in Redis and in the replica, how long publishing and reading all of them takes, and what a
verdict costs.
"""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from benchmarks import load, people, replica
from benchmarks.book import Book
from benchmarks.servers import Store, redis, siaga112
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.versions import bring
from siaga112.adapters.redis.block_list import RedisBlockList
from siaga112.adapters.redis.connect import connect as connect_redis
from siaga112.app.records import DATABASE, now
from siaga112.service.publishing import Publisher

SMALL: Final = 10_000
LARGE: Final = 10_000_000
QUICK: Final = 100_000
SITE: Final = "bench"

INDEXES: Final = (
    "SELECT name FROM sqlite_master WHERE tbl_name = 'caller' AND type = 'index' AND sql IS NOT NULL"
)
FILL: Final = """
WITH RECURSIVE place(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM place WHERE n + 1 < :count)
INSERT INTO caller (site, caller, version, reached, level, since, "until", warn_until)
SELECT 1, '+62' || (:first + n), 1, 0,
    CASE WHEN n % 3 THEN 'temporary' ELSE 'permanent' END, :at - n * 7919 % 10000000000,
    CASE WHEN n % 3 THEN :at + 10000000000 + n * 104729 % 10000000000 END, 0
FROM place
"""
"""A third of the blocks is permanent. No two begin or end at the same time, like real ones."""


def measure(book: Book, *, quick: bool, say: Callable[[str], None], size: int = LARGE) -> None:
    """Publish both lists, read them, and ask about callers on them in turns."""
    with ExitStack() as stack:
        daemons = {}
        for name, count in {"small": SMALL, "large": QUICK if quick else size}.items():
            store = stack.enter_context(redis())
            _publish(book, name, count, store)
            book.add(f"country.{name}.redis_b", store.memory() * 1e6 / count)
            say(f"{count:,} numbers, {store.memory():,.0f} MB in Redis")
            bare = stack.enter_context(redis())
            with siaga112(bare.url, only="screen") as empty:
                load.sessions(empty.port, 0.5, at_once=64)
                without, least = empty.memory(), empty.cpu()
            daemons[name] = daemon = stack.enter_context(siaga112(store.url, only="screen"))
            book.add(
                f"country.{name}.read_s",
                replica.until(lambda: replica.callers(daemon) == count, 900),  # noqa: B023 - asked at once
            )
            book.add(f"country.{name}.read_cpu_us", (daemon.cpu() - least) / count * 1e6)
            load.sessions(daemon.port, 0.5, at_once=64)
            book.add(f"country.{name}.mb", daemon.memory() - without)
            book.add(f"country.{name}.number_b", (daemon.memory() - without) * 1e6 / count)
            say(f"{daemon.memory() - without:,.0f} MB in the replica")
        for _ in range(3 if quick else 15):
            ran = {}
            for name, daemon in daemons.items():
                # The same number of callers at both sizes, or the cache of numbers would make a difference.
                before = daemon.cpu()
                ran[name] = load.sessions(daemon.port, 2.0, rate=500, first=load.BLOCKED, numbers=SMALL)
                spent = (daemon.cpu() - before) / max(1, len(ran[name].samples))
                book.add(f"country.{name}.cpu", spent * 1e6)
                book.add(f"country.{name}.p50", ran[name].micros(0.5))
                book.add(f"country.{name}.p99", ran[name].micros(0.99))
                book.add(f"country.{name}.wrong", len(ran[name].samples) - ran[name].blocked)
            book.add("country.p99_ratio", ran["large"].micros(0.99) / ran["small"].micros(0.99))


def _publish(book: Book, name: str, count: int, store: Store) -> None:
    """Write records with this many blocks, and build the block list from them, as after FLUSHALL."""
    with tempfile.TemporaryDirectory(prefix="siaga112-bench-") as home:
        file = Path(home) / DATABASE
        people.known(Path(home))
        with closing(sqlite3.connect(file)) as database, database:
            database.execute("PRAGMA synchronous = OFF")
            for (index,) in database.execute(INDEXES).fetchall():  # nothing that reads them is measured here
                database.execute(f'DROP INDEX "{index}"')
            database.execute(FILL, {"count": count, "first": load.BLOCKED, "at": now()})
        cpu, began = time.process_time(), time.monotonic()
        if asyncio.run(_rebuild(file, store.url)) != count:
            raise SystemExit("not all of them are published")
        book.add(f"country.{name}.publish_s", time.monotonic() - began)
        book.add(f"country.{name}.publish_cpu_us", (time.process_time() - cpu) / count * 1e6)


async def _rebuild(file: Path, url: str) -> int:
    records = DatabaseRecords(connect(f"sqlite:///{file}"), SITE, bring)
    block_list = RedisBlockList(connect_redis(url), SITE)
    count = await Publisher(records, block_list).rebuild()
    await block_list.close()
    await records.close()
    return count
