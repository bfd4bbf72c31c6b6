"""Create an engine for each kind of database, and map its errors to our own words."""

import contextlib
import math
import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import StaticPool

from siaga112.errors import ConfigurationError, Said
from siaga112.service.ports import StoreBrokenError, StoreDownError, UnrecordableError
from siaga112.words import say

CACHE_KIB: Final = 8_192
"""With ten million calls, the inner pages of the indexes that a recorded call touches."""

ANSWER_SECONDS: Final = 5.0
"""Seconds that a connection or a statement may take, or a writer waits for another, such as a backup."""

READING: Final[dict[str, dict[str, Any]]] = {
    "sqlite": {},
    "postgresql": {"isolation_level": "REPEATABLE READ"},
}
"""For `Connection.execution_options`: a transaction that sees one moment; SQLite's always do."""

WRITING: Final = {"siaga112_begin": "BEGIN IMMEDIATE"}
"""For `Connection.execution_options`: a transaction that will write; SQLite must know before it reads."""

AT: Final = say("database: {why}")

_READ_ONLY: Final = Said("it is read-only")
_READ_ONLY_STATE: Final = "25006"
"""PostgreSQL's error code for writes on a standby or under `default_transaction_read_only`."""

_SQLITE_WORDS: Final = {
    sqlite3.SQLITE_BUSY: Said("another program has locked it"),
    sqlite3.SQLITE_LOCKED: Said("another program has locked it"),
    sqlite3.SQLITE_CANTOPEN: Said("this user may not open it, or there is no such folder"),
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: Said("this user may not"),
    sqlite3.SQLITE_FULL: Said("the disk is full"),
    sqlite3.SQLITE_IOERR: Said("the disk failed"),
}
"""Errors of SQLite that may pass, by primary result code (sqlite.org/rescode.html)."""

_POSTGRESQL_WORDS: Final = {
    "Connection refused": Said("connection refused"),
    "could not translate host name": Said("no such host name"),
    "failed to resolve host": Said("no such host name"),
    "timeout expired": Said("no answer"),
    "password authentication failed": Said("it rejects our user or password"),
    "no password supplied": Said("it rejects our user or password"),
    "no pg_hba.conf entry": Said("it rejects our user or password"),
    "the database system is starting up": Said("it is starting up"),
    "the database system is shutting down": Said("it is shutting down"),
    "too many clients": Said("it has too many clients"),
    "server closed the connection": Said("the other side closed the connection"),
    "canceling statement due to statement timeout": Said("no answer"),
    "canceling statement due to lock timeout": Said("another program has locked it"),
}
"""Our short words for the long messages of PostgreSQL and its driver."""

_DAMAGED: Final = {
    sqlite3.SQLITE_NOTADB: Said("it is not a database"),
    sqlite3.SQLITE_CORRUPT: Said("it is damaged"),
}


def connect(
    url: str,
    seconds: float = ANSWER_SECONDS,
    *,
    create: bool = True,
    working: float | None = None,
    cache: int = CACHE_KIB,
) -> Engine:
    """Create an engine for an address, without connecting yet. `seconds`: how long the database may take.

    `create`: create the SQLite file if it does not exist. `working`: how many seconds PostgreSQL may work on
    one statement, if longer. `cache`: how much of an SQLite file to keep in memory, in KiB.

    The address is `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/NAME`. The engine has one connection,
    so its user needs one thread for it.

    Raises:
        ConfigurationError: names the fault in the address without repeating the address.

    """
    try:
        address = make_url(url)
    except ArgumentError:
        raise ConfigurationError(f"[database] url: not an address; {_SHAPES}") from None
    match address.get_backend_name():
        case "sqlite":
            return _sqlite(address, seconds, cache, create=create)
        case "postgresql":
            return _postgresql(address, seconds, seconds if working is None else working)
        case _:
            raise ConfigurationError(f"[database] url: neither SQLite nor PostgreSQL; {_SHAPES}")


_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",
    # 16 MB: a restore, or a long backup, would leave a log as large as the database for as long as we run.
    "journal_size_limit=16777216",
)

_CONNECTIONS: Final[WeakKeyDictionary[Engine, Any]] = WeakKeyDictionary()
"""The one connection of each PostgreSQL engine, for `cut`."""

_SHAPES: Final = "it is sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"


def _sqlite(address: URL, seconds: float, cache: int, *, create: bool) -> Engine:
    if not address.database:
        raise ConfigurationError(f"[database] url: no file name; {_SHAPES}")
    path = Path(address.database)
    engine = create_engine(
        address.set(drivername="sqlite+pysqlite", query={}),
        poolclass=StaticPool,
        connect_args={"timeout": seconds, "check_same_thread": False},
    )

    @event.listens_for(engine, "do_connect")
    def _(*_: object) -> None:
        _make(path, create=create)

    @event.listens_for(engine, "connect")
    def _(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in (*_PRAGMAS, f"cache_size=-{cache}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("siaga112_begin", "BEGIN"))

    return engine


def _make(path: Path, *, create: bool) -> None:
    """Ensure that the file exists and is ours: SQLite itself would create it readable for all.

    The -wal and -shm files inherit its mode, and its owner where root opens them. We never open an existing
    file: closing it would drop the locks of every connection that this process has on it.
    """
    try:
        if create:
            _create(path)
    except FileExistsError:
        pass
    except FileNotFoundError as error:
        raise StoreDownError(AT, why=Said("there is no folder {path}", path=path.parent)) from error
    except PermissionError as error:
        raise _not_ours(path) from error
    if os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        return
    try:
        path.lstat()
    except FileNotFoundError:
        why = Said(
            "there is no {path}; the daemon creates it at its first start (siaga112 run); or set state_dir "
            "or [database] url as for the daemon",
            path=path,
        )
        raise StoreDownError(AT, why=why) from None
    except OSError:
        pass
    raise _not_ours(path)


def _not_ours(path: Path) -> StoreDownError:
    why = Said(
        "only the daemon's user may use {path}; run this command as that user (sudo -u siaga112 …)",
        path=path,
    )
    return StoreDownError(AT, why=why)


def _create(path: Path) -> None:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(file, owner.st_uid, owner.st_gid)
    finally:
        os.close(file)


def _postgresql(address: URL, seconds: float, working: float) -> Engine:
    waits, works = round(seconds * 1_000), round(working * 1_000)
    try:
        engine = create_engine(
            address.set(drivername="postgresql+psycopg"),
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": math.ceil(seconds),
                "application_name": "siaga112",
                "options": f"-c statement_timeout={works} -c lock_timeout={waits}",
                "keepalives_idle": 10,
                "keepalives_interval": 2,
                "keepalives_count": 3,
                "tcp_user_timeout": 10_000,
            },
        )
    except (ImportError, NoSuchModuleError) as error:
        raise ConfigurationError(
            '[database] url: PostgreSQL needs its driver: pip install "siaga112[postgresql]"'
        ) from error

    @event.listens_for(engine, "connect")
    def _(connection: Any, _: object) -> None:
        _CONNECTIONS[engine] = connection

    return engine


def cut(engine: Engine) -> None:
    """Abort whatever the engine's connection waits for; call it from another thread than the waiting one.

    Neither libpq nor the server ends a wait for a frozen server.
    """
    connection = _CONNECTIONS.get(engine)
    if connection is None or connection.closed:
        return
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def mapped() -> Iterator[None]:
    """Map the database's errors to ours."""
    try:
        yield
    except (PoolTimeoutError, OSError) as error:
        raise StoreDownError(AT, why=str(error)) from error
    except DBAPIError as error:
        told = _told(error.orig)
        away = isinstance(error, OperationalError | InterfaceError) or told == _READ_ONLY
        down = error.connection_invalidated or away
        broken = not down or told in _DAMAGED.values()
        kind = UnrecordableError if isinstance(error, DataError) else StoreBrokenError
        raise (kind if broken else StoreDownError)(AT, why=told) from error
    except SQLAlchemyError as error:
        raise StoreBrokenError(AT, why=_first_line(error)) from error
    except (UnicodeError, OverflowError) as error:
        raise UnrecordableError(AT, why=_first_line(error)) from error


def _told(error: Any) -> str:
    """Return a short description of the error; quote an unknown one."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        words = {**_SQLITE_WORDS, **_DAMAGED}.get(code)
        return words or _first_line(error)
    if getattr(error, "sqlstate", "") == _READ_ONLY_STATE:
        return _READ_ONLY
    whole = str(error)
    return next((words for found, words in _POSTGRESQL_WORDS.items() if found in whole), _first_line(error))


def _first_line(error: object) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
