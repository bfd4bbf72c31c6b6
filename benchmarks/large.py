"""Records as they are after years: 10,000,000 calls of 1,000,000 callers, made in minutes.

    python -m benchmarks.large FOLDER [CALLS [CALLERS]]

Some thousand recorded calls are followed and stored as the daemon does it; SQLite then copies their rows over
400 days and over all callers. Callers have the strikes of the last 30 days, and one in so many callers is
blocked, proposed, allowed, or waits for a call-back.
"""

import asyncio
import logging
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import structlog

from benchmarks.scale import Costs, track
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.versions import bring
from siaga112.app.metrics import open_metrics
from siaga112.app.records import DATABASE, now
from siaga112.core.model import DAY, Caller
from siaga112.core.rules import InForce
from siaga112.service.recording import Recorder
from siaga112.settings.schema import Settings

SITE: Final = "bench"
CALLS: Final = 10_000_000
CALLERS: Final = 1_000_000
COPIED: Final = 6_000
DAYS: Final = 400
MONTH: Final = 30
SHARES: Final = {"blocked": 100, "proposed": 2_000, "allowed": 1_000, "missed": 500}
"""One in this many callers."""

COPY: Final = """
INSERT INTO call SELECT {columns} FROM (
    SELECT *, :from + n * :step AS begun, :first + n AS nth FROM copied)
"""
_MOVED: Final = {
    "id": "(begun / 1000) || '.' || nth",
    "started": "begun",
    "ended": "begun + (ended - started)",
    "caller": "CASE WHEN caller IS NULL THEN NULL ELSE printf('+62813%08d', nth * 7919 % :callers) END",
}


def caller(nth: int) -> Caller:
    """Return one of the callers."""
    return Caller(f"+62813{nth:08d}")


def fill(folder: Path, calls: int = CALLS, callers: int = CALLERS) -> Path:
    """Make the records in this folder unless they exist; return the database's file."""
    file = folder / DATABASE
    if file.exists():
        return file
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    making = folder / "making.db"
    making.unlink(missing_ok=True)
    asyncio.run(_first(making))
    with closing(sqlite3.connect(making, isolation_level=None)) as database:
        database.executescript(
            "PRAGMA synchronous = OFF; PRAGMA cache_size = -500000; PRAGMA journal_mode = OFF"
        )
        _copy(database, calls, callers)
        _people(database, callers)
        database.executescript("ANALYZE; PRAGMA journal_mode = WAL")
    making.rename(file)
    return file


async def _first(file: Path) -> None:
    """Record some calls, as the daemon does."""
    entries, settings = track(COPIED, Costs()), Settings()
    engine = connect(f"sqlite:///{file}")
    bring(engine)
    records = DatabaseRecords(engine, SITE)
    rules = InForce(settings.rules())
    recorder = Recorder(None, records, rules, open_metrics(settings, rules))  # type: ignore[arg-type] # it is handed its calls
    for begin in range(0, len(entries), 200):
        await recorder.record(entries[begin : begin + 200])
    await records.close()


def _copy(database: sqlite3.Connection, calls: int, callers: int) -> None:
    """Copy the calls over the days, in the order of time. Indexes are made when all calls are there."""
    columns = [row[1] for row in database.execute("PRAGMA table_info(call)")]
    indexes = database.execute(
        "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'call' AND type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    database.execute(
        "CREATE TEMP TABLE copied AS SELECT *, row_number() OVER (ORDER BY started) AS n FROM call"
    )
    database.execute("UPDATE copied SET operator = 'Budi', mark = 'prank' WHERE outcome = 'answered'")
    database.execute("UPDATE copied SET mark = 'genuine' WHERE outcome = 'answered' AND n % 50 = 0")
    for table in ("call", "caller", "strike", "block", "proposal", "missed_call", "handover", "event"):
        database.execute(f'DELETE FROM "{table}"')  # noqa: S608 - of the names above
    for name, _ in indexes:
        database.execute(f'DROP INDEX "{name}"')
    copy = COPY.format(columns=", ".join(_MOVED.get(column, f'"{column}"') for column in columns))
    at, rounds = now() - DAYS * DAY, -(-calls // COPIED)
    step = DAYS * DAY // (rounds * COPIED)
    for nth in range(rounds):
        if nth % 100 == 0:
            database.execute("BEGIN")
        first = nth * COPIED
        database.execute(copy, {"from": at + first * step, "step": step, "first": first, "callers": callers})
        if nth % 100 == 99 or nth == rounds - 1:
            database.execute("COMMIT")
    for _, made in indexes:
        database.execute(made)


def _people(database: sqlite3.Connection, callers: int) -> None:
    """Write the callers' records: strikes, blocks, proposals, the allow list, call-backs, the audit trail."""
    (site,) = database.execute("SELECT id FROM site").fetchone()
    at = now()
    every = {name: range(place, callers, share) for place, (name, share) in enumerate(SHARES.items())}

    def each(name: str) -> Iterator[tuple[int, str, int]]:
        return ((site, caller(nth), at - nth * 1_000 % (MONTH * DAY)) for nth in every[name])

    database.execute("BEGIN")
    database.executemany(
        "INSERT INTO caller (site, caller, version, reached, expires, since, warn_until) "
        "VALUES (?, ?, 1, 0, ?, 0, 0)",
        ((site, caller(nth), at + DAYS * DAY) for nth in range(callers)),
    )
    database.execute(
        "INSERT INTO strike (site, caller, call, at, outcome, reason, begun, trunk, attested) "
        "SELECT site, caller, id, ended, outcome, reason, started, trunk, attested FROM call "
        "WHERE strike AND caller IS NOT NULL AND started > ?",
        (at - MONTH * DAY,),
    )
    database.executemany(
        'INSERT INTO block (site, caller, nth, level, since, until, origin, reason, "by", calls, step) '
        "VALUES (?, ?, 0, 'temporary', ?, ?, 'automatic', 'permenkominfo-2016', 'siaga112', '[]', 0)",
        ((*one, one[2] + 2 * MONTH * DAY) for one in each("blocked")),
    )
    database.executemany(
        "UPDATE caller SET level = 'temporary', since = ?3, until = ?3 + ?4 WHERE site = ?1 AND caller = ?2",
        ((*one, 2 * MONTH * DAY) for one in each("blocked")),
    )
    database.executemany(
        "INSERT INTO proposal (site, caller, nth, at, cause, step, reason, calls, confirmed) "
        "VALUES (?, ?, 0, ?, 'hourly_cap', 0, 'permenkominfo-2016', '[]', 0)",
        each("proposed"),
    )
    database.executemany(
        "UPDATE caller SET allow_at = ?3, allow_by = 'Ratna', allow_reason = 'clinic' "
        "WHERE site = ?1 AND caller = ?2",
        each("allowed"),
    )
    database.executemany(
        "INSERT INTO missed_call (site, caller, call, at, wait, reason) "
        "VALUES (?1, ?2, '1.' || ?3, ?3, 30000, 'left_queue')",
        each("missed"),
    )
    database.executemany(
        'INSERT INTO audit (site, at, "by", action, subject, detail, reason, via, digest) '
        "VALUES (?, ?, 'Ratna', ?, ?, '', '', 'console', ?)",
        (
            (site, at - nth * 60_000, "look" if nth % 3 else "block", caller(nth), f"bench {nth}")
            for nth in range(callers // 10)
        ),
    )
    database.execute("COMMIT")


def main() -> None:
    """Make the records and print how long it took."""
    folder, *sizes = sys.argv[1:]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    began = time.monotonic()
    file = fill(Path(folder), *map(int, sizes))
    print(f"{file}: {file.stat().st_size / 1e9:.1f} GB, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
