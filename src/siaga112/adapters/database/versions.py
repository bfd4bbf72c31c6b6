"""Which version the tables have: an older program refuses a newer database in one line.

SQLite is migrated by whoever opens it first, after a copy; PostgreSQL by `siaga112 migrate`, since other
daemons may still run the older program.
"""

from importlib import import_module
from typing import Final

from sqlalchemy import Engine, inspect, text

from siaga112.adapters.database.connect import mapped
from siaga112.service.ports import StoreBrokenError
from siaga112.words import say

KNOWN: Final = ("0001",)
"""The versions that this program can bring to its own, which is the last."""

_TABLE: Final = "alembic_version"


class VersionError(StoreBrokenError):
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
            raise VersionError(say("the database has no tables yet: make them with: siaga112 migrate"))
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
    """See to it that the tables are of our version: SQLite's are migrated, PostgreSQL's must be.

    Raises:
        VersionError: in one line, with what to do.

    """
    found = held(engine)
    if found == KNOWN[-1]:
        return
    if engine.dialect.name == "sqlite" and (found is None or found in KNOWN):
        # Alembic takes a tenth of a second to load, which no command pays that does not migrate.
        import_module("siaga112.adapters.database.migrating").migrate(engine)
    else:
        require(engine)
