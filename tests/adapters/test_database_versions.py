"""The versions of the tables in SQLite and PostgreSQL: made, checked, migrated to ours."""

import re
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from siaga112.adapters.database import migrating, versions
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.migrating import migrate
from siaga112.adapters.database.schema import METADATA
from siaga112.adapters.database.versions import KNOWN, VersionError, bring, held, require
from tests.lab.postgres import Postgres, postgres

OURS = KNOWN[-1]
NEXT = '''
"""A version after ours."""

import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "{before}"


def upgrade() -> None:
    """Add a column, {then}."""
    op.add_column("call", sa.Column("colour", sa.Text()))
    {fails}
'''


@pytest.fixture(scope="module", name="server")
def server_running() -> Iterator[Postgres]:
    """Run one server for all tests here."""
    with postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Return an empty database of each kind in turn."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/siaga112.db"
    else:
        server: Postgres = request.getfixturevalue("server")
        url = server.database(f"test_{secrets.token_hex(4)}")
    found = connect(url)
    yield found
    found.dispose()


def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool = False) -> None:
    """Make the program one version newer; `fails`: the migration fails at its end."""
    scripts = tmp_path / "migrations"
    shutil.copytree(migrating._SCRIPTS, scripts)
    step = NEXT.format(before=OURS, then="and fail" if fails else "no more", fails="1 / 0" if fails else "")
    (scripts / "versions" / "next.py").write_text(step)
    monkeypatch.setattr(migrating, "_SCRIPTS", scripts)
    for module in (migrating, versions):
        monkeypatch.setattr(module, "KNOWN", (*KNOWN, "next"))


def columns(engine: Engine) -> set[str]:
    """Return the names of the ledger's columns."""
    return {column["name"] for column in inspect(engine).get_columns("call")}


def test_the_steps_lead_to_the_tables_that_an_empty_database_gets(
    engine: Engine, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """All migrations from the first on make the same tables, indexes and views as an empty database gets."""
    migrate(engine)
    if engine.dialect.name == "sqlite":
        other = connect(f"sqlite:///{tmp_path}/stepwise.db")
    else:
        server: Postgres = request.getfixturevalue("server")
        other = connect(server.database(f"test_{secrets.token_hex(4)}"))
    with other.begin() as connection:
        migrating._upgrade(connection)
    assert shape(other) == shape(engine)
    other.dispose()


SHAPE = {
    "sqlite": ("SELECT type, name, sql FROM sqlite_schema",),
    "postgresql": (
        (
            "SELECT table_name, column_name, data_type, is_nullable, column_default "
            "FROM information_schema.columns WHERE table_schema = 'public'"
        ),
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        (
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE connamespace = 'public'::regnamespace"
        ),
        "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public'",
    ),
}


def shape(engine: Engine) -> list[list[str]]:
    """Return the definition of everything in a database, in any order, and the version that it has."""
    with engine.connect() as connection:
        asked = (*SHAPE[engine.dialect.name], "SELECT version_num FROM alembic_version")
        rows = [map(str, row) for one in asked for row in connection.execute(text(one))]
    return sorted(sorted(re.findall(r"\w+|[^\s\w,]", " ".join(row))) for row in rows)


def test_an_empty_database_gets_exactly_our_tables(engine: Engine) -> None:
    """An empty database gets exactly the tables that the program uses, and the second time nothing."""
    assert held(engine) is None
    with pytest.raises(VersionError, match="siaga112 migrate"):
        require(engine)
    assert migrate(engine) is None
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    require(engine)
    assert migrate(engine) == OURS


def test_who_opens_it_first_migrates_sqlite_and_no_other(engine: Engine) -> None:
    """The first to open SQLite migrates it; for PostgreSQL, where older daemons may run, a person does."""
    if engine.dialect.name == "sqlite":
        bring(engine)
        assert held(engine) == OURS
    else:
        with pytest.raises(VersionError, match="siaga112 migrate"):
            bring(engine)
        migrate(engine)
    bring(engine)


def test_the_steps_end_at_the_version_that_the_program_uses() -> None:
    """The known versions are those that there are migrations to."""
    steps = ScriptDirectory(str(migrating._SCRIPTS)).walk_revisions()
    assert tuple(one.revision for one in steps)[::-1] == KNOWN


def test_a_newer_database_is_refused_in_one_line_and_left_as_it_is(engine: Engine) -> None:
    """An older program rejects a newer database in one line and leaves it as it is."""
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for act in (require, migrate):
        with pytest.raises(VersionError, match="the database has version 9999, this program knows") as told:
            act(engine)
        assert "\n" not in str(told.value)
    assert held(engine) == "9999"


def test_an_older_one_is_brought_to_ours(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration brings an older database to our version, and keeps a private copy of an SQLite file."""
    migrate(engine)
    next_version(tmp_path, monkeypatch)
    with pytest.raises(VersionError, match=f"the database has version {OURS}, this program next"):
        require(engine)
    assert migrate(engine) == OURS
    assert held(engine) == "next"
    assert "colour" in columns(engine)
    copies = list(tmp_path.glob(f"siaga112.db.version-{OURS}-*"))
    if engine.dialect.name == "sqlite":
        (copy,) = copies
        assert copy.stat().st_mode & 0o777 == 0o600
        with closing(sqlite3.connect(copy)) as old:
            assert old.execute("SELECT version_num FROM alembic_version").fetchall() == [(OURS,)]


def test_the_copy_put_back_serves_the_older_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy from before a migration serves the older program, with what was there (docs/upgrade.md)."""
    engine = connect(f"sqlite:///{tmp_path}/siaga112.db")
    migrate(engine)
    site = text("INSERT INTO site (name, epoch, published) VALUES (:name, '', 0)")
    with engine.begin() as connection:
        connection.execute(site, {"name": "before"})
    with monkeypatch.context() as newer:
        next_version(tmp_path, newer)
        migrate(engine)
        with engine.begin() as connection:
            connection.execute(site, {"name": "since"})
    with pytest.raises(VersionError):
        bring(engine)
    engine.dispose()
    (copy,) = tmp_path.glob(f"siaga112.db.version-{OURS}-*")
    for more in ("-wal", "-shm"):
        (tmp_path / f"siaga112.db{more}").unlink(missing_ok=True)
    copy.replace(tmp_path / "siaga112.db")
    bring(engine)
    with engine.begin() as connection:
        assert connection.execute(text("SELECT name FROM site")).scalars().all() == ["before"]
    engine.dispose()


def test_a_step_that_fails_changes_nothing(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration that fails changes nothing, so that the old program can still run."""
    migrate(engine)
    next_version(tmp_path, monkeypatch, fails=True)
    with pytest.raises(ZeroDivisionError):
        migrate(engine)
    assert held(engine) == OURS
    assert "colour" not in columns(engine)
