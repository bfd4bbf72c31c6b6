"""The outbox: settled calls on local disk until the store has them. SQLite, in its own thread."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import structlog

from siaga112.core.codec import dump_settled, load_settled
from siaga112.core.model import Entry, Reached
from siaga112.errors import SiagaError

_DELETE: Final = "DELETE FROM outbox WHERE key = ?"

_T = TypeVar("_T")


_log = structlog.get_logger()


class SqliteOutbox:
    """Entries in the order in which they came, durable when `append` returns.

    Whatever SQLite cannot do (no room, no right, a bad disk) is an OSError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread: Final = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._filled: Final = asyncio.Event()
        self._database: sqlite3.Connection | None = None
        self.pending = 0

    async def open(self) -> None:
        """Open or make the file.

        Raises:
            SiagaError: naming the file, if it cannot be written.

        """
        try:
            self.pending = await self._run(self._open)
        except OSError as error:
            raise SiagaError(
                f"{self._path}: the outbox cannot be opened ({error}); is state_dir writable?"
            ) from error

    def _open(self) -> int:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute(
            "CREATE TABLE IF NOT EXISTS outbox (key INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL)"
        )
        database.execute("CREATE TABLE IF NOT EXISTS unreadable (key INTEGER PRIMARY KEY, entry TEXT)")
        self._database = database
        return int(database.execute("SELECT count(*) FROM outbox").fetchone()[0])

    async def append(self, settled: Sequence[Entry | Reached]) -> None:
        """Keep it; it is on disk when this returns."""
        rows = [(dump_settled(one),) for one in settled]
        await self._run(lambda: self._write(rows, "INSERT INTO outbox (entry) VALUES (?)"))
        self.pending += len(rows)
        self._filled.set()

    async def oldest(self, limit: int) -> Sequence[tuple[int, Entry | Reached]]:
        """Give the oldest entries with their keys; what cannot be read is set aside."""
        rows = await self._run(
            lambda: self._db.execute(
                "SELECT key, entry FROM outbox ORDER BY key LIMIT ?", (limit,)
            ).fetchall()
        )
        if not rows:
            self._filled.clear()
        entries: list[tuple[int, Entry | Reached]] = []
        for key, text in rows:
            try:
                entries.append((int(key), load_settled(text)))
            except ValueError as error:
                await self._set_aside(key)
                _log.error("outbox_unreadable", key=key, detail=str(error), kept="in the table unreadable")
        return entries

    async def _set_aside(self, key: int) -> None:
        move = "INSERT INTO unreadable SELECT key, entry FROM outbox WHERE key = ?"
        await self._run(lambda: self._write([(key,)], move, _DELETE))
        self.pending -= 1

    async def drop(self, keys: Sequence[int]) -> None:
        """Forget entries that the store now has."""
        await self._run(lambda: self._write([(key,) for key in keys], _DELETE))
        self.pending -= len(keys)

    async def wait(self, seconds: float) -> None:
        """Return when something was appended, at the latest after that time."""
        try:
            async with asyncio.timeout(seconds):
                await self._filled.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """Close the file."""
        if self._database:
            await self._run(self._database.close)
        self._thread.shutdown()

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._database is not None, "open() comes first"  # noqa: S101 - our own mistake otherwise
        return self._database

    def _write(self, rows: Sequence[tuple[object, ...]], *statements: str) -> None:
        self._db.execute("BEGIN")
        try:
            for statement in statements:
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
            raise OSError(str(error)) from error
