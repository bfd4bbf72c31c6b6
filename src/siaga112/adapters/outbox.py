"""The outbox: ended calls on local disk until the store has them. SQLite, in its own thread.

Beside them, what is known of each call in progress: AMI tells nothing twice, so a daemon that is killed
between a hang-up and its `append` would else never know that there was a call.
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
"""So many of the items that were written last need not be read from their text."""

_Statement = tuple[str, Sequence[tuple[object, ...]]]
"""What to do, and with which rows."""

_T = TypeVar("_T")


_log = structlog.get_logger()


_WORDS: Final = {
    sqlite3.SQLITE_BUSY: "another program has it open",
    sqlite3.SQLITE_LOCKED: "another program has it open",
    sqlite3.SQLITE_CANTOPEN: "this user may not, or the folder is none",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_PERM: "this user may not",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk failed",
    sqlite3.SQLITE_NOTADB: "it is no database; move it away",
    sqlite3.SQLITE_CORRUPT: "it is damaged; move it away",
}
"""What SQLite could not do, by its primary result code (sqlite.org/rescode.html)."""


_DAMAGED: Final = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR})
"""It is no outbox, or none of ours: a table has other columns, or there is something else by its name."""


class SqliteOutbox:
    """Entries in the order in which they came, durable when `append` returns.

    Whatever SQLite cannot do (no room, no right, a bad disk) is an OSError.
    """

    def __init__(self, path: Path, lost: Callable[[int], None] = lambda _: None) -> None:
        self._path = path
        self._lost = lost  # told of each entry, or damaged file, that is set aside
        self._damaged = 0
        self._thread: Final = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._filled: Final = asyncio.Event()
        self._database: sqlite3.Connection | None = None
        self.pending = 0
        self._written = True
        self._lately: Final[dict[bytes, Entry | Reached]] = {}
        """By its text: what we have spelled ourselves is what its text says."""

    async def open(self) -> None:
        """Open or make the file.

        Raises:
            SiagaError: naming the file, if it cannot be written.

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
        # SQLite would make it for all to read; -wal and -shm get the rights that it has.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        database = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        try:
            database.text_factory = bytes  # what is no UTF-8 spoils one entry, not the reading of all
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA secure_delete=ON")  # a number that was dropped is in no free page
            database.execute("PRAGMA cache_size=-256")  # KiB: what waits here is little, and soon gone
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
        """Put a file that is no outbox aside: calls must go on, and whoever looks may save what is in it."""
        kept = self._path.with_name(f"{self._path.name}.damaged-{time.time_ns()}")
        self._path.rename(kept)
        for part in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{self._path}{part}").rename(f"{kept}{part}")
        self._damaged += 1
        _log.error("outbox_damaged", detail=str(error), kept=str(kept), remedy="see the runbook, Outbox lost")

    async def note(self, begun: Sequence[Entry]) -> None:
        """Note calls in progress. A crash of this process leaves the note; one of the machine may not."""
        rows = [(one.finding.call.id, dump_entry(one)) for one in begun]
        await self._run(lambda: self._write((_NOTE, rows), durable=False))

    async def close_unfollowed(self, followed: Callable[[CallId], bool]) -> Sequence[Entry]:
        """Settle what was noted and is followed no more, as it was noted; give it."""
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
                reason, at = f"not to be read: {error}", time.time_ns() // 1_000_000
                move = (_NOTE_ASIDE, [(at, reason, row)]), (_NOTE_OVER, [(row,)])
                await self._run(lambda move=move: self._write(*move))  # type: ignore[misc] # mypy gives a lambda's default no type
                self._lost(1)
                _log.error("outbox_unreadable", detail=str(error), kept="in the table aside")
        if left:
            await self.append(left)
            await self._run(lambda: self._write((_NOTE_OVER, over)))  # also one that stands under another id
        return left

    async def append(self, items: Sequence[Entry | Reached]) -> None:
        """Keep it; it is on disk when this returns. What was noted of these calls is forgotten."""
        rows = [(dump_item(one),) for one in items]
        over = [(one.finding.call.id,) for one in items if isinstance(one, Entry)]
        await self._run(lambda: self._write((_INSERT, rows), (_OVER, over)))
        if len(self._lately) < _LATELY:
            self._lately.update((text.encode(), one) for (text,), one in zip(rows, items, strict=True))
        self.pending += len(rows)
        self._filled.set()

    async def oldest(self, limit: int, after: int = 0) -> Sequence[tuple[int, Entry | Reached]]:
        """Give the oldest entries after that key, with their keys; what cannot be read is set aside."""
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
                await self.set_aside({key: f"not to be read: {error}"})
        return entries

    async def set_aside(self, reasons: Mapping[int, str]) -> None:
        """Keep entries apart, with why, for a person to look at; what waits behind them goes on."""
        at = time.time_ns() // 1_000_000
        moved = [(at, reason, key) for key, reason in reasons.items()]
        await self._run(lambda: self._write((_ASIDE, moved), (_DELETE, [(key,) for key in reasons])))
        self.pending -= len(reasons)
        self._lost(len(reasons))
        for key, reason in reasons.items():
            _log.error("set_aside", key=key, detail=reason, kept=f"{self._path}, table aside")

    async def drop(self, keys: Sequence[int]) -> None:
        """Forget entries that the store now has."""
        await self._run(lambda: self._write((_DELETE, [(key,) for key in keys])))
        self.pending -= len(keys)

    async def wait(self, seconds: float) -> None:
        """Return when something was appended, at the latest after that time."""
        try:
            async with asyncio.timeout(seconds):
                await self._filled.wait()
        except TimeoutError:
            if self._written:  # what was dropped is in the log of writes until that is cut
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
        assert self._database is not None, "open() comes first"  # noqa: S101 - our own mistake otherwise
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
            if self._db.in_transaction:  # SQLite has already rolled back where the disk is full
                self._db.execute("ROLLBACK")
            raise

    async def _run(self, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise OSError(_WORDS.get(_code(error), str(error))) from error


def look(file: Path) -> dict[Kind, Holding]:
    """Count what is in an outbox, from beside it; nothing where there is none.

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
    """Give SQLite's primary result code."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
