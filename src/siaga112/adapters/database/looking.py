"""What a database says of itself, for the doctor: nothing of it is changed."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from siaga112.adapters.database.connect import connect, mapped
from siaga112.adapters.database.versions import KNOWN, held

_SECONDS: Final = 3.0

_DURABLE: Final[Mapping[str, str]] = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
"""What PostgreSQL must have so that what it acknowledged outlives a crash."""

_STRICTER: Final = frozenset({"remote_write", "remote_apply", "local"})
"""Of synchronous_commit, what also waits for the disk."""


class Told(NamedTuple):
    """The version of the tables ('' for none), whether it is ours, and what is wrong with the server."""

    version: str
    known: bool
    read_only: bool
    unsafe: tuple[str, ...]


def look(url: str) -> Told:
    """Ask. Raises StoreDownError, StoreBrokenError."""
    engine = connect(url, _SECONDS, create=False)
    try:
        version = held(engine) or ""
        with mapped(), engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                return Told(version, version == KNOWN[-1], read_only=False, unsafe=())
            read_only = bool(connection.execute(text("SELECT pg_is_in_recovery()")).scalar())
            return Told(version, version == KNOWN[-1], read_only, tuple(_unsafe(connection)))
    finally:
        engine.dispose()


def _unsafe(connection: Connection) -> list[str]:
    found = []
    for name, wanted in _DURABLE.items():
        value = connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar()
        if value != wanted and not (name == "synchronous_commit" and value in _STRICTER):
            found.append(f"{name} = {value}")
    return found
