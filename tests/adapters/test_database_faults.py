"""Faults of the database: StoreDownError if trying again may help, StoreBrokenError if a person must act."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.migrating import migrate
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.versions import bring
from siaga112.core.changes import Change
from siaga112.errors import ConfigurationError
from siaga112.service.ports import StoreBrokenError, StoreDownError
from tests.lab.postgres import Postgres, postgres
from tests.samples import NOW, entry, prank
from tests.waiting import within

PATIENCE = 60.0
IMPATIENCE = 0.5
"""Seconds that an impatient test gives a database to answer."""


def opened(url: str, patience: float = PATIENCE, seconds: float = PATIENCE) -> DatabaseRecords:
    """Open a site's records; in SQLite this makes the tables."""
    return DatabaseRecords(connect(url, seconds), "lab", bring, patience)


async def write(records: DatabaseRecords, number: int = 1) -> None:
    """Write a call."""
    change = Change(entry=entry(prank(number)))
    await records.transaction([], lambda work: work.write(change))


async def at_last(records: DatabaseRecords, number: int) -> None:
    """Write a call, as often as it takes, since a busy machine may be slower than our patience."""
    async with within(PATIENCE, "a call to be written at last"):
        while True:
            try:
                await write(records, number)
            except StoreDownError:
                await asyncio.sleep(0.01)
            else:
                return


async def calls(records: DatabaseRecords) -> list[str]:
    """Return the calls that are recorded."""
    return [row.finding.call.id async for row in records.entries(NOW - 1, NOW + 1)]


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """Return a database file with one call."""
    path = tmp_path / "siaga112.db"
    records = opened(f"sqlite:///{path}")
    await write(records)
    await records.close()
    return path


@pytest.fixture(scope="module", name="server")
def server_running() -> Iterator[Postgres]:
    """Run one server for all tests here; each test leaves it running."""
    with postgres() as running:
        engine = connect(running.url)
        migrate(engine)
        engine.dispose()
        yield running


async def test_its_file_is_for_its_user_alone(file: Path) -> None:
    """The database file, and those that SQLite keeps beside it, are readable by its user only."""
    records = opened(f"sqlite:///{file}")
    await write(records, 2)
    assert {path.stat().st_mode & 0o777 for path in file.parent.glob("siaga112.db*")} == {0o600}
    await records.close()


async def test_while_a_backup_locks_it_writes_wait_or_are_to_be_tried_again(file: Path) -> None:
    """While another program locks the file, writes fail and reads work; afterwards writes work again."""
    records = opened(f"sqlite:///{file}", seconds=IMPATIENCE)
    assert await calls(records) == [prank(1).id]
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreDownError, match="another program has locked it"):
            await write(records, 2)
        assert await calls(records) == [prank(1).id], "who reads is not held up"
    await write(records, 2)
    assert len(await calls(records)) == 2
    await records.close()


async def test_a_full_disk_is_told_and_over_when_there_is_room(file: Path) -> None:
    """With a full disk writes fail with a line that says so and reads work; with room, writes work again."""
    records = opened(f"sqlite:///{file}")

    async def room(pages: int) -> None:
        await records.ask(lambda connection: connection.execute(text(f"PRAGMA max_page_count = {pages}")))

    async def fill() -> None:
        for number in range(2, 500):
            await write(records, number)

    await room(1)
    with pytest.raises(StoreDownError, match="the disk is full"):
        await fill()
    found = await calls(records)
    assert prank(1).id in found
    await room(1_000_000)
    await write(records, 501)
    assert len(await calls(records)) == len(found) + 1
    await records.close()


async def test_a_file_that_is_no_database_is_for_a_person(tmp_path: Path) -> None:
    """A file that is no database is left as it is, since a person may save what is in it."""
    path = tmp_path / "siaga112.db"
    path.write_bytes(b"not a database, whatever it is called" * 100)
    before = path.read_bytes()
    records = opened(f"sqlite:///{path}")
    with pytest.raises(StoreBrokenError, match="it is not a database"):
        await records.ping()
    assert path.read_bytes() == before
    await records.close()


ELSEWHERE = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as database:
    print(database.execute("SELECT count(*) FROM call").fetchone()[0])
database.close()
"""
"""What any other program does: open the file, read, and close it, in the belief that it is the last one."""


def test_a_large_transaction_leaves_no_large_log(file: Path) -> None:
    """After a large transaction, such as a restore, the write-ahead log shrinks while the file stays open."""
    log, large = file.with_name(f"{file.name}-wal"), 64 * 1_024 * 1_024
    engine = connect(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE one (x)")
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO one VALUES (zeroblob(?))", (large,))
    assert log.stat().st_size > large
    for _ in range(2):
        with engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO one VALUES (1)")
    assert log.stat().st_size < large / 2
    engine.dispose()


async def test_a_second_connection_leaves_the_first_its_locks(file: Path) -> None:
    """A program that opens and closes the file does not remove the write-ahead log under our connection."""

    async def count() -> int:
        command = [sys.executable, "-c", ELSEWHERE, str(file)]
        return int(await asyncio.to_thread(subprocess.check_output, command, timeout=60))

    first, second = opened(f"sqlite:///{file}"), opened(f"sqlite:///{file}")
    await write(first, 1)
    assert len(await calls(second)) == 1
    await second.close()
    assert await count() == 1
    await write(first, 2)
    assert await count() == 2
    await first.close()


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing folder is named, and once it exists, writes work: it may be mounted late."""
    records = opened(f"sqlite:///{tmp_path}/none/siaga112.db")
    with pytest.raises(StoreDownError, match="there is no folder"):
        await records.ping()
    (tmp_path / "none").mkdir()
    await write(records)
    assert await calls(records) == [prank(1).id]
    await records.close()


@pytest.mark.parametrize(
    "url", ["", "redis://127.0.0.1", "sqlite://", "mysql://root:hunter2@db/x", "x" * 300]
)
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    """A wrong address is rejected in one line with an example, and without its password."""
    with pytest.raises(ConfigurationError) as told:
        connect(url)
    assert "postgresql://USER:PASSWORD@HOST/NAME" in str(told.value)
    assert "hunter2" not in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.postgresql
async def test_a_server_that_ends_is_away_and_comes_back(server: Postgres) -> None:
    """While the server is down questions fail in one line; after a restart they work, without duplicates."""
    records = opened(server.url)
    await write(records, 11)
    server.stop()
    for ask in (records.ping, lambda: write(records, 12), records.tallies):
        with pytest.raises(StoreDownError) as told:
            await ask()
        assert "\n" not in str(told.value)
    server.start()
    await write(records, 11)
    await write(records, 12)
    assert len(await calls(records)) == 2
    await records.close()


@pytest.mark.postgresql
async def test_a_frozen_server_holds_nobody_up_for_long(server: Postgres) -> None:
    """A frozen server makes a write fail after our own patience, and writes work again after it thaws."""
    records = opened(server.url, IMPATIENCE)
    await at_last(records, 21)
    server.signal(signal.SIGSTOP)
    async with within(30, "word that nothing is answered"):
        with pytest.raises(StoreDownError, match=f"no answer within {IMPATIENCE:g} s"):
            await write(records, 22)
    server.signal(signal.SIGCONT)
    await at_last(records, 23)
    assert await records.entry(prank(23).id) == entry(prank(23))
    await records.close()
