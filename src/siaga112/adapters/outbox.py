"""The outbox: ended calls on local disk until the store has them. SQLite, in its own thread.

It also keeps what is known of each call in progress. AMI sends no event twice, so if a daemon is killed
between a hang-up and `append`, the next one would otherwise never know that the call existed.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, TypeVar

import structlog

from siaga112.core.codec import dump_entry, dump_item, load_entry, load_item
from siaga112.core.holdings import Holding, Kind
from siaga112.core.model import CallId, Entry, Reached
from siaga112.errors import SiagaError

_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS outbox (key INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS aside (key INTEGER PRIMARY KEY, at INTEGER, reason TEXT, entry)",
    "CREATE TABLE IF NOT EXISTS in_progress (call TEXT PRIMARY KEY, entry TEXT NOT NULL)",
)
_INSERT: Final = "INSERT INTO outbox (entry) VALUES (?)"
_DELETE: Final = "DELETE FROM outbox WHERE key = ?"
_NOTE: Final = "INSERT OR REPLACE INTO in_progress VALUES (?, ?)"
_LOOKS: Final = (
    "SELECT key, entry FROM outbox LIMIT 1",
    "SELECT key, at, reason, entry FROM aside LIMIT 1",
    "SELECT call, entry FROM in_progress LIMIT 1",
)
_ASIDE: Final = "INSERT INTO aside (at, reason, entry) SELECT ?, ?, entry FROM outbox WHERE key = ?"
_NOTE_ASIDE: Final = (
    "INSERT INTO aside (at, reason, entry) SELECT ?, ?, entry FROM in_progress WHERE rowid = ?"
)
_NOTE_OVER: Final = "DELETE FROM in_progress WHERE rowid = ?"
_OVER: Final = "DELETE FROM in_progress WHERE call = ?"
_LATELY: Final = 1_000
"""The number of recent items kept decoded, so that we need not parse their text again."""

_Statement = tuple[str, Sequence[tuple[object, ...]]]
"""A statement and its rows."""

_T = TypeVar("_T")


_log = structlog.get_logger()


_WORDS: Final = {
    sqlite3.SQLITE_BUSY: "another program has it open",
    sqlite3.SQLITE_LOCKED: "another program has it open",
    sqlite3.SQLITE_CANTOPEN: "permission denied, or the folder does not exist",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_PERM: "permission denied",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk failed",
    sqlite3.SQLITE_NOTADB: "it is not a database; move it away",
    sqlite3.SQLITE_CORRUPT: "it is damaged; move it away",
}
"""Descriptions of SQLite's errors, by primary result code (sqlite.org/rescode.html)."""


_DAMAGED: Final = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR})
"""The file is not a database, or not an outbox: a table has other columns or an object has its name."""


class SqliteOutbox:
    """Entries in order of arrival, on disk when `append` returns.

    Whatever SQLite cannot do (no space, no permission, a bad disk) raises an OSError.
    """

    def __init__(self, path: Path, lost: Callable[[int], None] = lambda _: None) -> None:
        self._path = path
        self._lost = lost  # called for each entry, or damaged file, that is set aside
        self._damaged = 0
        self._thread: Final = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._filled: Final = asyncio.Event()
        self._database: sqlite3.Connection | None = None
        self.pending = 0
        self._written = True
        self._lately: Final[dict[bytes, Entry | Reached]] = {}
        """By the text we wrote: the item that it encodes."""

    async def open(self) -> None:
        """Open the file, or create it.

        Raises:
            SiagaError: names the file, if it cannot be opened or written.

        """
        try:
            self.pending, aside = await self._run(self._open)
        except OSError as error:
            raise SiagaError(
                f"{self._path}: the outbox cannot be opened ({error}); is state_dir writable?"
            ) from error
        if self._damaged:
            self._lost(self._damaged)
        if aside:
            _log.warning("outbox_aside", entries=aside, kept=f"{self._path}, table aside")

    def _open(self) -> tuple[int, int]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if _code(error) not in _DAMAGED:
                raise
            self._move_away(error)
            return self._connect()

    def _connect(self) -> tuple[int, int]:
        # SQLite would create the file readable for all; -wal and -shm inherit its mode.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        database = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        try:
            database.text_factory = bytes  # so that invalid UTF-8 spoils one entry and not the whole read
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA secure_delete=ON")  # leave no deleted number in a free page
            database.execute("PRAGMA cache_size=-256")  # KiB: few entries wait here, and not for long
            for statement in _SCHEMA:
                database.execute(statement)
            for look in _LOOKS:
                database.execute(look).fetchone()
            waiting, aside = (
                int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - our names
                for table in ("outbox", "aside")
            )
        except BaseException:
            database.close()
            raise
        self._database = database
        return waiting, aside

    def _move_away(self, error: sqlite3.Error) -> None:
        """Rename a file that is no outbox: calls must go on, and a person may rescue its content."""
        kept = self._path.with_name(f"{self._path.name}.damaged-{time.time_ns()}")
        self._path.rename(kept)
        for part in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{self._path}{part}").rename(f"{kept}{part}")
        self._damaged += 1
        _log.error("outbox_damaged", detail=str(error), kept=str(kept), remedy="see the runbook, Outbox lost")

    async def note(self, begun: Sequence[Entry]) -> None:
        """Store calls in progress. The note survives a crash of this process, but perhaps not a power cut."""
        rows = [(one.finding.call.id, dump_entry(one)) for one in begun]
        await self._run(lambda: self._write((_NOTE, rows), durable=False))

    async def close_unfollowed(self, followed: Callable[[CallId], bool]) -> Sequence[Entry]:
        """Append the noted calls that are no longer followed, as they were noted, and return them."""
        noted = await self._run(
            lambda: self._db.execute("SELECT rowid, call, entry FROM in_progress").fetchall()
        )
        left, over = [], []
        for row, call, text in noted:
            if isinstance(call, bytes) and followed(CallId(call.decode("utf-8", "replace"))):
                continue
            try:
                left.append(load_entry(text))
                over.append((row,))
            except ValueError as error:
                reason, at = f"unreadable: {error}", time.time_ns() // 1_000_000
                move = (_NOTE_ASIDE, [(at, reason, row)]), (_NOTE_OVER, [(row,)])
                await self._run(lambda move=move: self._write(*move))  # type: ignore[misc] # mypy gives a lambda's default no type
                self._lost(1)
                _log.error("outbox_unreadable", detail=str(error), kept="in the table aside")
        if left:
            await self.append(left)
            await self._run(lambda: self._write((_NOTE_OVER, over)))  # also a note under a different id
        return left

    async def append(self, items: Sequence[Entry | Reached]) -> None:
        """Append items; they are on disk when this returns. Delete the notes of these calls."""
        rows = [(dump_item(one),) for one in items]
        over = [(one.finding.call.id,) for one in items if isinstance(one, Entry)]
        await self._run(lambda: self._write((_INSERT, rows), (_OVER, over)))
        if len(self._lately) < _LATELY:
            self._lately.update((text.encode(), one) for (text,), one in zip(rows, items, strict=True))
        self.pending += len(rows)
        self._filled.set()

    async def oldest(self, limit: int, after: int = 0) -> Sequence[tuple[int, Entry | Reached]]:
        """Return the oldest entries after that key, with their keys; set unreadable ones aside."""
        rows = await self._run(
            lambda: self._db.execute(
                "SELECT key, entry FROM outbox WHERE key > ? ORDER BY key LIMIT ?", (after, limit)
            ).fetchall()
        )
        if not rows and not after:
            self._filled.clear()
        entries: list[tuple[int, Entry | Reached]] = []
        for key, text in rows:
            try:
                known = self._lately.pop(text, None)
                entries.append((int(key), load_item(text) if known is None else known))
            except ValueError as error:
                await self.set_aside({key: f"unreadable: {error}"})
        return entries

    async def set_aside(self, reasons: Mapping[int, str]) -> None:
        """Move entries to the table `aside`, with the reason, for a person; the entries behind them go on."""
        at = time.time_ns() // 1_000_000
        moved = [(at, reason, key) for key, reason in reasons.items()]
        await self._run(lambda: self._write((_ASIDE, moved), (_DELETE, [(key,) for key in reasons])))
        self.pending -= len(reasons)
        self._lost(len(reasons))
        for key, reason in reasons.items():
            _log.error("set_aside", key=key, detail=reason, kept=f"{self._path}, table aside")

    async def drop(self, keys: Sequence[int]) -> None:
        """Delete entries that the store now has."""
        await self._run(lambda: self._write((_DELETE, [(key,) for key in keys])))
        self.pending -= len(keys)

    async def wait(self, seconds: float) -> None:
        """Return when an item is appended, or after that time."""
        try:
            async with asyncio.timeout(seconds):
                await self._filled.wait()
        except TimeoutError:
            if self._written:  # deleted entries stay in the write-ahead log until it is truncated
                self._written = False
                with suppress(OSError):
                    await self._run(lambda: self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())

    async def close(self) -> None:
        """Close the file."""
        if self._database:
            await self._run(self._database.close)
        self._thread.shutdown()

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._database is not None, "call open() first"  # noqa: S101 - a fault in our own code
        return self._database

    def _write(self, *statements: _Statement, durable: bool = True) -> None:
        self._written = True
        self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        self._db.execute("BEGIN")
        try:
            for statement, rows in statements:
                self._db.executemany(statement, rows)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # on a full disk SQLite has already rolled back
                self._db.execute("ROLLBACK")
            raise

    async def _run(self, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise OSError(_WORDS.get(_code(error), str(error))) from error


def look(file: Path) -> dict[Kind, Holding]:
    """Count what is in an outbox file, without opening it for writing; all zero if there is none.

    Raises:
        OSError: if it cannot be read.

    """
    if not file.exists():
        return {kind: Holding(0) for kind in _TABLES}
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return {kind: Holding(*database.execute(asked).fetchone()) for kind, asked in _TABLES.items()}
    except sqlite3.Error as error:
        raise OSError(_WORDS.get(_code(error), str(error))) from error


_TABLES: Final = {
    Kind.IN_PROGRESS: "SELECT count(*), NULL FROM in_progress",
    Kind.OUTBOX: "SELECT count(*), NULL FROM outbox",
    Kind.ASIDE: "SELECT count(*), min(at) FROM aside",
}


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
