"""The outbox: settled calls on local disk until the store has them. SQLite, in its own thread."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from siaga112.core.codec import dump_entry, load_entry
from siaga112.core.model import Entry
from siaga112.errors import SiagaError

_T = TypeVar("_T")


class SqliteOutbox:
    """Entries in the order in which they came, durable when `append` returns."""

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
        except (sqlite3.Error, OSError) as error:
            raise SiagaError(
                f"{self._path}: the outbox cannot be opened ({error}); is state_dir writable?"
            ) from error

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute(
            "CREATE TABLE IF NOT EXISTS outbox (key INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL)"
        )
        self._database = database
        return int(database.execute("SELECT count(*) FROM outbox").fetchone()[0])

    async def append(self, entries: Sequence[Entry]) -> None:
        """Keep entries; they are on disk when this returns. Raises OSError if the disk refuses."""
        rows = [(dump_entry(entry),) for entry in entries]
        try:
            await self._run(lambda: self._write("INSERT INTO outbox (entry) VALUES (?)", rows))
        except sqlite3.Error as error:
            raise OSError(str(error)) from error
        self.pending += len(rows)
        self._filled.set()

    async def oldest(self, limit: int) -> Sequence[tuple[int, Entry]]:
        """Give the oldest entries with their keys."""
        rows = await self._run(
            lambda: self._db.execute(
                "SELECT key, entry FROM outbox ORDER BY key LIMIT ?", (limit,)
            ).fetchall()
        )
        if not rows:
            self._filled.clear()
        return [(int(key), load_entry(text)) for key, text in rows]

    async def drop(self, keys: Sequence[int]) -> None:
        """Forget entries that the store now has."""
        await self._run(lambda: self._write("DELETE FROM outbox WHERE key = ?", [(key,) for key in keys]))
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

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        self._db.execute("BEGIN")
        try:
            self._db.executemany(statement, rows)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
