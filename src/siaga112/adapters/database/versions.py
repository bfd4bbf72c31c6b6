"""Which version the tables have, and bringing them to ours.

An older program refuses a newer database in one line. SQLite is migrated by whoever opens it first, after a
copy; PostgreSQL by `siaga112 migrate`, since other daemons may still run the older program.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from siaga112.adapters.database.connect import WRITING, mapped
from siaga112.errors import SiagaError

OURS: Final = "0001"
"""The version that this program reads and writes."""

_TABLE: Final = "alembic_version"
_SCRIPTS: Final = Path(__file__).parent / "migrations"


class VersionError(SiagaError):
    """The tables have a version that this program cannot use."""


def held(engine: Engine) -> str | None:
    """Give the version of the tables; None where there are none."""
    with mapped(), engine.connect() as connection:
        if not inspect(connection).has_table(_TABLE):
            return None
        found = connection.execute(text(f"SELECT version_num FROM {_TABLE}")).scalar()  # noqa: S608 - our name
        return None if found is None else str(found)


def require(engine: Engine) -> None:
    """Check that the tables are of our version.

    Raises:
        VersionError: in one line, with what to do.

    """
    match held(engine):
        case None:
            raise VersionError("the database has no tables yet: make them with: siaga112 migrate")
        case found if found == OURS:
            return
        case found if found in _known():
            raise VersionError(
                f"the database has version {found}, this program {OURS}: stop the daemons, make a backup "
                "(siaga112 backup), then: siaga112 migrate"
            )
        case found:
            raise VersionError(
                f"the database has version {found}, this program knows {OURS} at most: "
                "install the newer siaga112 here too"
            )


def migrate(engine: Engine) -> str | None:
    """Bring the tables to our version, all of it or nothing; give the version before (None for no tables).

    An SQLite file that has tables is copied first, beside itself.

    Raises:
        VersionError: if they are newer than ours.

    """
    before = held(engine)
    if before is not None and before not in _known():
        require(engine)
    if before == OURS:
        return before
    if before is not None and engine.dialect.name == "sqlite":
        _copy(Path(str(engine.url.database)), before)
    with mapped(), engine.connect() as plain:
        connection = plain.execution_options(**WRITING)
        with connection.begin():
            _upgrade(connection)
    return before


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    command.upgrade(config, OURS)


def _known() -> set[str]:
    """Name the versions that this program can bring to its own."""
    return {one.revision for one in ScriptDirectory(str(_SCRIPTS)).walk_revisions()}


def _copy(path: Path, version: str) -> None:
    """Copy a database while others may use it; the copy is for its user alone."""
    kept = path.with_name(f"{path.name}.version-{version}-{time.time_ns()}")
    kept.touch(0o600)
    with closing(sqlite3.connect(path)) as database, closing(sqlite3.connect(kept)) as copy:
        database.backup(copy)
