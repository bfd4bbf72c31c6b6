"""Migrate the tables from an older version to ours."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

from siaga112.adapters.database import views
from siaga112.adapters.database.connect import WRITING, mapped
from siaga112.adapters.database.versions import KNOWN, held, require

_SCRIPTS: Final = Path(__file__).parent / "migrations"


def migrate(engine: Engine) -> str | None:
    """Migrate the tables to our version, all steps or none; return the version before, None if no tables.

    An SQLite file with tables is first copied to a file beside it.

    Raises:
        VersionError: if the tables are newer than ours.

    """
    before = held(engine)
    if before is not None and before not in KNOWN:
        require(engine)
    if before == KNOWN[-1]:
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
    for statement in views.drop():
        connection.exec_driver_sql(statement)
    command.upgrade(config, KNOWN[-1])
    for statement in views.create(connection.dialect.name):
        connection.exec_driver_sql(statement)


def _copy(path: Path, version: str) -> None:
    """Copy a database that others may be using; only its user may read the copy."""
    kept = path.with_name(f"{path.name}.version-{version}-{time.time_ns()}")
    kept.touch(0o600)
    with closing(sqlite3.connect(path)) as database, closing(sqlite3.connect(kept)) as copy:
        database.backup(copy)
