"""Inspect a database for the doctor; changes nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, Select, func, or_, select, text

from siaga112.adapters.database.connect import connect, mapped
from siaga112.adapters.database.schema import CALL, CALLER, METADATA, PERSON, SITE, STRIKE
from siaga112.adapters.database.versions import KNOWN, held
from siaga112.core.model import DAY, Millis
from siaga112.core.text import digits
from siaga112.service.ports import StoreBrokenError, StoreDownError

_SECONDS: Final = 3.0

WEEK: Final = 7 * DAY
"""The period from which we compute the rate of growth."""

_DURABLE: Final[Mapping[str, str]] = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
"""Settings that PostgreSQL needs so that acknowledged writes survive a crash."""

_STRICTER: Final = frozenset({"remote_write", "remote_apply", "local"})
"""Other values of synchronous_commit that also wait for the disk."""

_ENOUGH: Final = 1_000
_NAMED: Final = 4
"""At most so many numbers are counted, and so many trunks named."""


OLDEST: Final[Mapping[str, tuple[int, ...]]] = {"sqlite": (3, 35), "postgresql": (13,)}
"""The oldest versions with the features we use (docs/reference.md)."""

_NAMES: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


class Growth(NamedTuple):
    """How large a database is, and how fast it grows."""

    calls: int
    week: int
    """Calls of the last seven days."""
    age: Millis
    """Age of the oldest call."""
    size: int
    """Bytes of the whole database on disk."""
    standings: int
    """Callers with a standing that verdicts need."""
    new_standings: int
    """Callers with their first strike in the last seven days."""


class Told(NamedTuple):
    """What the doctor learned about a database."""

    version: str
    """The version of the tables; '' if there are none."""
    known: bool
    """Whether it is our version."""
    read_only: bool
    """Whether the server is a standby, which takes no writes."""
    unsafe: tuple[str, ...]
    """Settings of the server that can lose acknowledged writes."""
    server: str = ""
    old: bool = False
    """Whether the server is older than `OLDEST`."""
    newer: bool = False
    """Whether a later program made the tables, so that ours cannot migrate them."""
    only_reads: bool = False
    """Whether `default_transaction_read_only` is on."""
    lacking: tuple[str, ...] = ()
    """Privileges that the user lacks, such as `INSERT on call`."""
    mode: str | None = None
    """The mode that somebody switched the site to."""
    people: bool = False
    """Whether anybody may use the console."""
    growth: Growth | None = None
    """None if counting takes too long."""
    trunks: tuple[int, tuple[str, ...]] | None = None
    """How many numbers misused the line over several trunks in the last week, and which trunks; None without
    our tables."""


def look(url: str, site: str, now: Millis) -> Told:
    """Inspect a database. Raises StoreDownError, StoreBrokenError."""
    engine = connect(url, _SECONDS, create=False)
    kind = engine.dialect.name
    try:
        version = held(engine) or ""
        known = version == KNOWN[-1]
        with mapped(), engine.connect() as connection:
            number = _server(connection, kind)
            told = Told(
                version,
                known,
                read_only=False,
                unsafe=(),
                server=f"{_NAMES[kind]} {'.'.join(map(str, number))}",
                old=number < OLDEST[kind],
                newer=bool(version) and version not in KNOWN,
            )
            if kind == "postgresql":
                setting = "SELECT current_setting('default_transaction_read_only')"
                told = told._replace(
                    read_only=bool(connection.execute(text("SELECT pg_is_in_recovery()")).scalar()),
                    only_reads=connection.execute(text(setting)).scalar() == "on",
                    unsafe=tuple(_unsafe(connection)),
                    lacking=tuple(_lacking(connection)) if known else (),
                )
            if known:
                people = select(PERSON.c.name).where(PERSON.c.disabled_at.is_(None)).limit(1)
                switched = select(SITE.c.mode).where(SITE.c.name == site)
                told = told._replace(
                    people=connection.execute(people).first() is not None,
                    mode=connection.execute(switched).scalar(),
                    trunks=_trunks(connection, site, now - WEEK),
                )
        return told._replace(growth=_growth(engine, now) if known else None)
    finally:
        engine.dispose()


def _server(connection: Connection, kind: str) -> tuple[int, ...]:
    asked = {
        "sqlite": "SELECT sqlite_version()",
        "postgresql": "SELECT current_setting('server_version')",
    }[kind]
    found = str(connection.execute(text(asked)).scalar())
    return tuple(int(part) for part in found.split(maxsplit=1)[0].split(".") if digits(part))


def _growth(engine: Engine, now: Millis) -> Growth | None:
    """Count calls and standings; None if that takes too long or the user may not read them."""
    week = now - WEEK
    some = select(func.count()).select_from
    begun = select(STRIKE.c.caller).group_by(STRIKE.c.site, STRIKE.c.caller)
    known = or_(CALLER.c.level.is_not(None), CALLER.c.warn_until > now, CALLER.c.allow_at.is_not(None))
    try:
        with mapped(), engine.connect() as connection:
            calls, oldest = connection.execute(
                select(func.count(), func.min(CALL.c.started)).select_from(CALL)
            ).one()
            lately = connection.execute(some(CALL).where(CALL.c.started >= week)).scalar_one()
            new = begun.having(func.min(STRIKE.c.at) >= week).subquery()
            return Growth(
                calls,
                lately,
                now - (now if oldest is None else oldest),
                _size(connection, engine),
                connection.execute(some(CALLER).where(known)).scalar_one(),
                connection.execute(some(new)).scalar_one(),
            )
    except (StoreDownError, StoreBrokenError):
        return None


def _size(connection: Connection, engine: Engine) -> int:
    if engine.dialect.name == "postgresql":
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    path = Path(engine.url.database or "")
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _trunks(connection: Connection, site: str, since: Millis) -> tuple[int, tuple[str, ...]]:
    """Return how many numbers misused the line over several trunks since then, and the trunks' names."""
    id_ = select(SITE.c.id).where(SITE.c.name == site).scalar_subquery()
    mine = STRIKE.c.site == id_, STRIKE.c.at >= since, STRIKE.c.trunk != ""
    several: Select[tuple[str]] = (
        select(STRIKE.c.caller)
        .where(*mine)
        .group_by(STRIKE.c.caller)
        .having(func.count(STRIKE.c.trunk.distinct()) > 1)
        .limit(_ENOUGH)
    )
    callers = connection.execute(several).scalars().all()
    names = (
        select(STRIKE.c.trunk).where(*mine, STRIKE.c.caller.in_(callers)).distinct().order_by(STRIKE.c.trunk)
    )
    return len(callers), tuple(connection.execute(names.limit(_NAMED)).scalars())


def _unsafe(connection: Connection) -> list[str]:
    found = []
    for name, wanted in _DURABLE.items():
        value = connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar()
        if value != wanted and not (name == "synchronous_commit" and value in _STRICTER):
            found.append(f"{name} = {value}")
    return found


def _lacking(connection: Connection) -> list[str]:
    """Return the privileges on our tables that the user lacks."""
    asked = text("SELECT has_table_privilege(:table, :deed)")
    return [
        f"{deed} on {table.name}"
        for table in METADATA.sorted_tables
        for deed in ("SELECT", "INSERT", "UPDATE", "DELETE")
        if not connection.execute(asked, {"table": f'"{table.name}"', "deed": deed}).scalar()
    ]
