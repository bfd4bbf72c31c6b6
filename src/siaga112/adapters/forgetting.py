"""Erase a caller's remains from the state directory, after the store has forgotten the caller."""

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from siaga112.adapters.state_dir import DAMAGED

_COPIES: Final = (*DAMAGED, "siaga112.db.version-*", "redis/temp-*", "redis/dump.rdb")
"""Damaged files, copies made before a migration, and files left by a killed Redis; only people read them.

We remove such a file as a whole: a truncated, compressed or damaged file cannot be searched for one number.
"""
_BUSY_SECONDS: Final = 10.0
_CUT: Final = "PRAGMA wal_checkpoint(TRUNCATE)"


def copies(state_dir: Path, before: float = float("inf")) -> list[Path]:
    """Return the copies in the state directory that were last modified before `before` (epoch seconds).

    Raises:
        PermissionError: if this user may not change the directory.

    """
    if state_dir.exists() and not os.access(state_dir, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError(13, "not for this user to change", str(state_dir))
    found = [path for pattern in _COPIES for path in state_dir.glob(pattern)]
    return [path for path in found if path.lstat().st_mtime < before]


def remove(paths: list[Path]) -> None:
    """Remove these files and folders."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def forget_aside(state_dir: Path, spelled: re.Pattern[str]) -> int:
    """Delete the outbox's set-aside entries in which the pattern matches; return how many.

    Then truncate the outbox's write-ahead log, so that no file has the deleted entries.

    Raises:
        OSError: if the database is busy or fails.

    """
    file = state_dir / "outbox.db"
    if not file.exists():
        return 0
    try:
        with closing(sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)) as database:
            database.text_factory = bytes
            database.execute("PRAGMA secure_delete=ON")
            gone = [(key,) for key, entry in _aside(database) if spelled.search(entry.decode("latin-1"))]
            database.executemany("DELETE FROM aside WHERE key = ?", gone)
            _cut(database, "outbox")
    except sqlite3.Error as error:
        raise OSError(f"the outbox: {error}") from error
    return len(gone)


def cut_log(file: Path) -> None:
    """Truncate a database's write-ahead log, so that no file has the deleted rows.

    Raises:
        OSError: if the database is busy or fails.

    """
    try:
        with closing(sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)) as database:
            _cut(database, file.name)
    except sqlite3.Error as error:
        raise OSError(f"{file}: {error}") from error


def _cut(database: sqlite3.Connection, name: str) -> None:
    (busy, *_) = database.execute(_CUT).fetchone()
    if busy:
        raise OSError(f"the {name} is being read")


def _aside(database: sqlite3.Connection) -> Iterator[tuple[int, bytes]]:
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'aside'").fetchone():
        return
    for key, entry in database.execute("SELECT key, entry FROM aside").fetchall():
        yield key, entry if isinstance(entry, bytes) else str(entry).encode()
