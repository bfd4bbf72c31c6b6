"""What people wait for: whole commands over a month of 53,794 calls, a year of 650,000, and a million."""

import asyncio
import multiprocessing
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

from benchmarks.book import Book
from benchmarks.servers import used
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.versions import bring
from siaga112.app.records import DATABASE
from siaga112.core.model import Caller, CallId, Entry
from tests import month

SITE: Final = "bench"
YEAR: Final = month.Share(date(2019, 1, 1), date(2019, 12, 31), 650_000, 93_000, 35_000, 522_000, genuine=170)
BEFORE: Final = month.Share(
    date(2018, 6, 1), date(2018, 12, 31), 350_000, 50_000, 19_000, 281_000, genuine=90
)
SMALL: Final = month.Share(date(2019, 6, 1), date(2019, 6, 30), 5_000, 700, 300, 4_000, genuine=2)
ONE: Final = Caller("+6281299990112")
CALLS: Final = 400
"""How many calls that one caller made."""


def measure(book: Book, *, quick: bool, say: Callable[[str], None]) -> None:
    """Fill databases, and time each command on them several times."""
    runs = 2 if quick else 5
    first, last = month.SHARES[0].first, month.SHARES[-1].last
    with tempfile.TemporaryDirectory() as home:
        say("a month of 53,794 calls")
        _filled(home, ())
        book.add("commands.call_b", _bytes_of_a_call(Path(home, DATABASE)))
        _timed(book, "report_month", home, runs, "report", f"--from={first}", f"--to={last}", "--format=html")
        _timed(book, "calls_table", home, runs, "calls", f"--since={first}")
        _timed(book, "calls_json", home, runs, "calls", f"--since={first}", "--json")
    with tempfile.TemporaryDirectory() as home:
        year = SMALL if quick else YEAR
        say(f"a year of {year.total:,} calls")
        _filled(home, (year,))
        _timed(
            book,
            "report_year",
            home,
            runs,
            "report",
            f"--from={year.first}",
            f"--to={year.last}",
            "--format=html",
        )
        if not quick:
            say("a million calls")
            _filled(home, (BEFORE,))
        _filled(home, (), one=True)
        _timed(book, "why", home, runs, "why", ONE)
        _timed(book, "calls_number", home, runs, "calls", "--number", ONE, "--since=2018-01-01")


def stored(database: Path, which: str) -> int:
    """Return the bytes on disk of the tables whose names satisfy `which`, with their indexes (`dbstat`)."""
    with closing(sqlite3.connect(database)) as file:
        (used,) = file.execute(
            f"SELECT sum(pgsize) FROM dbstat JOIN sqlite_schema USING (name) WHERE tbl_name {which}"  # noqa: S608 - our own text
        ).fetchone()
    return int(used)


def _bytes_of_a_call(database: Path) -> float:
    with closing(sqlite3.connect(database)) as file:
        (rows,) = file.execute("SELECT count(*) FROM call").fetchone()
    return stored(database, "= 'call'") / float(rows)


def _timed(book: Book, name: str, home: str, runs: int, *words: str) -> None:
    config = Path(home, "siaga112.toml")
    config.write_text(f'site = "{SITE}"\nstate_dir = "{home}"\n')
    command = [sys.executable, "-m", "siaga112", "--config", str(config), *words]
    for _ in range(runs):
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        status, usage = used(process, 600)
        if status:
            raise SystemExit(f"{command}: exit code {status}")
        book.add(f"commands.{name}.s", time.perf_counter() - begun)
        book.add(f"commands.{name}.mb", usage.ru_maxrss * 1024 / 1e6)


def _filled(home: str, shares: tuple[month.Share, ...], *, one: bool = False) -> None:
    """Write calls in another process: a command's peak memory counts from that of its parent."""
    filling = multiprocessing.Process(target=_fill_now, args=(home, shares), kwargs={"one": one})
    filling.start()
    filling.join(900)
    if filling.exitcode != 0:
        filling.kill()
        raise SystemExit(f"the calls were not written in 900 s (exit code {filling.exitcode})")


def _fill_now(home: str, shares: tuple[month.Share, ...], *, one: bool) -> None:
    asyncio.run(_fill(home, shares, one=one))


async def _fill(home: str, shares: tuple[month.Share, ...], *, one: bool) -> None:
    store = DatabaseRecords(connect(f"sqlite:///{home}/{DATABASE}"), SITE, bring)
    if one:
        rows = list(_of_one())
    elif shares:
        await month.write(store, month.entries(shares))
        rows = []
    else:
        rows = list(month.entries())
    if rows:
        await month.write(store, rows)
        await month.write_records(store, month.records(rows), rows[-1].finding.call.ended)
    await store.close()


def _of_one() -> Iterator[Entry]:
    """Yield calls that are all one caller's, under ids that no others have."""
    share = replace(SMALL, total=CALLS, answered=60, abandoned=20, ivr_prank=320)
    for row in month.entries((share,), seed=113):
        call = replace(row.finding.call, id=CallId(f"one-{row.finding.call.id}"), caller=ONE)
        yield replace(row, finding=replace(row.finding, call=call))
