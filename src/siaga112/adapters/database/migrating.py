"""Create the tables, or migrate them from an older version to ours."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, inspect

from siaga112.adapters.database import views
from siaga112.adapters.database.connect import WRITING, mapped
from siaga112.adapters.database.schema import METADATA
from siaga112.adapters.database.versions import KNOWN, TABLE, held, require

_SCRIPTS: Final = Path(__file__).parent / "migrations"


def migrate(engine: Engine) -> str | None:
    """Bring the tables to our version, all steps or none; return the version before, None if no tables.

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
            if before is None and not inspect(connection).has_table(TABLE):
                _create(connection)
            else:
                _upgrade(connection)
    return before


def _create(connection: Connection) -> None:
    """Create our tables, as the migrations would from the first to the last."""
    METADATA.create_all(connection, checkfirst=False)
    connection.exec_driver_sql(
        f"CREATE TABLE {TABLE} (version_num VARCHAR(32) NOT NULL, "
        f"CONSTRAINT {TABLE}_pkc PRIMARY KEY (version_num))"
    )
    connection.exec_driver_sql(f"INSERT INTO {TABLE} VALUES ('{KNOWN[-1]}')")  # noqa: S608 - our own texts
    _create_views(connection)


def _create_views(connection: Connection) -> None:
    for statement in views.create(connection.dialect.name):
        connection.exec_driver_sql(statement)


def _upgrade(connection: Connection) -> None:
    # It takes as long to load as all else that the first start loads for the database.
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    for statement in views.drop():
        connection.exec_driver_sql(statement)
    command.upgrade(config, KNOWN[-1])
    _create_views(connection)


def _copy(path: Path, version: str) -> None:
    """Copy a database that others may be using; only its user may read the copy."""
    kept = path.with_name(f"{path.name}.version-{version}-{time.time_ns()}")
    kept.touch(0o600)
    with closing(sqlite3.connect(path)) as database, closing(sqlite3.connect(kept)) as copy:
        database.backup(copy)
