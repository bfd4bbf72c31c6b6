"""Check the version of the tables: an older program must reject a newer database in one line.

The first program to open an SQLite file migrates it, after making a copy. PostgreSQL is migrated by
`siaga112 migrate`, since daemons with the older program may still be running.
"""

from importlib import import_module
from typing import Final

from sqlalchemy import Engine, inspect, text

from siaga112.adapters.database.connect import mapped
from siaga112.service.ports import StoreBrokenError
from siaga112.words import say

KNOWN: Final = ("0001",)
"""The versions that this program can migrate from, ending with its own."""

TABLE: Final = "alembic_version"
"""Where Alembic keeps the version."""


class VersionError(StoreBrokenError):
    """This program cannot use the version of the tables."""


def held(engine: Engine) -> str | None:
    """Return the version of the tables; None if there are none."""
    with mapped(), engine.connect() as connection:
        if not inspect(connection).has_table(TABLE):
            return None
        found = connection.execute(text(f"SELECT version_num FROM {TABLE}")).scalar()  # noqa: S608 - our name
        return None if found is None else str(found)


def require(engine: Engine) -> None:
    """Require the tables to have our version.

    Raises:
        VersionError: in one line, with the remedy.

    """
    match held(engine):
        case None:
            raise VersionError(say("the database has no tables yet; create them with: siaga112 migrate"))
        case found if found == KNOWN[-1]:
            return
        case found if found in KNOWN:
            said = say(
                "the database has version {found}, this program {known}: stop the daemons, make a backup "
                "(siaga112 backup), then: siaga112 migrate"
            )
            raise VersionError(said, found=found, known=KNOWN[-1])
        case found:
            said = say(
                "the database has version {found}, this program knows {known} at most: install the newer "
                "siaga112 here too"
            )
            raise VersionError(said, found=found, known=KNOWN[-1])


def bring(engine: Engine) -> None:
    """Ensure that the tables have our version: migrate SQLite, check PostgreSQL.

    Raises:
        VersionError: in one line, with the remedy.

    """
    found = held(engine)
    if found == KNOWN[-1]:
        return
    if engine.dialect.name == "sqlite" and (found is None or found in KNOWN):
        # Most commands find our version, and need not load what brings the tables to it.
        import_module("siaga112.adapters.database.migrating").migrate(engine)
    else:
        require(engine)
