"""Backup and restore of a whole site, between SQLite and PostgreSQL, while the daemon runs."""

import asyncio
import json
import secrets
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from siaga112.adapters.database import backup
from siaga112.adapters.database.backup import BackupError
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.migrating import migrate
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.core import decisions
from siaga112.core.access import Person, Role
from siaga112.core.announcements import Announcement, EventType
from siaga112.core.mode import Switch
from siaga112.core.model import DAY, AuditEntry, Caller, HandedOver, Handover, Mode, ProposalCause, Reached
from siaga112.core.record import (
    AllowEntry,
    Appeal,
    CallerRecord,
    GenuineReport,
    Hold,
    Lift,
    MissedCall,
    Proposal,
)
from tests.adapters.changes import whole
from tests.adapters.test_records_contract import change, record, write
from tests.lab.postgres import Postgres, postgres
from tests.samples import CALLER, NOW, OTHER, answered, block, call_id, entry, prank, turn

SITE = "serang"
PATIENCE = 120.0
GONE = Caller("+6281377777777")


@pytest.fixture(scope="module", name="server")
def server_running() -> Iterator[Postgres]:
    """Run one server for all tests here."""
    with postgres() as running:
        yield running


@asynccontextmanager
async def opened(url: str, site: str = SITE) -> AsyncIterator[DatabaseRecords]:
    """Open a site in a database, after making its tables."""
    engine = connect(url, PATIENCE)
    migrate(engine)
    records = DatabaseRecords(engine, site, patience=PATIENCE)
    try:
        yield records
    finally:
        await records.close()


POSTGRESQL = pytest.mark.postgresql


@pytest.fixture(
    params=[
        pytest.param(("sqlite", "postgresql"), marks=POSTGRESQL),
        pytest.param(("postgresql", "sqlite"), marks=POSTGRESQL),
        ("sqlite", "sqlite"),
    ],
    ids=" to ".join,
)
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Return two empty databases, of each kind in turn."""

    def made(nth: int, kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path}/{nth}.db"
        server: Postgres = request.getfixturevalue("server")
        return server.database(f"test_{secrets.token_hex(4)}")

    first, second = request.param
    return made(0, first), made(1, second)


async def fill(records: DatabaseRecords) -> None:
    """Write rows to every table."""
    await record(records, *(entry(prank(number, turn(number))) for number in range(8)))
    handed = entry(answered(20))
    to = Handover(NOW, HandedOver.BLIND, "113", "Damkar", 1_000)
    handed = replace(handed, finding=replace(handed.finding, handovers=(to,)))
    await record(records, handed, entry(prank(30, NOW, GONE)), Reached(NOW, OTHER))
    await write(records, replace(whole(), replacement=None, entry=None))
    await records.transaction([], lambda work: work.reserve(whole().imposes))  # type: ignore[arg-type] # it imposes
    sorry = Lift(NOW, "ratna", 'said "sorry"\n', mistake=True)
    await change(records, lambda held: decisions.lift(held, sorry))
    wrong = Lift(NOW, "budi", "wrong", forgives=False)
    await change(records, lambda held: decisions.take_back_strike(held, prank(1).id, wrong))
    await change(records, lambda held: decisions.impose(held, block(NOW, None)))

    def other(held: CallerRecord) -> CallerRecord:
        return replace(
            held,
            allow=AllowEntry(NOW, "ratna", "klinik · é"),
            hold=Hold(NOW, "ratna", "LP/17"),
            appeals=(Appeal(NOW, "ratna", "not me", NOW + DAY, decided=sorry),),
            reports=(GenuineReport(call_id(20), NOW),),
            missed=(MissedCall(call_id(21), NOW, 12_000),),
            proposals=(Proposal(NOW, ProposalCause.POLICY, None, 2, "over ten", (call_id(1),)),),
            dropped=replace(held.dropped, strikes=3),
        )

    await change(records, other, OTHER)
    await records.erase(GONE, NOW)
    ratna = Person("Ratna", Role.SUPERVISOR, "a hash", "id", NOW, "root")
    await records.keep_person(ratna, AuditEntry(NOW, "root", "user added", "Ratna", "supervisor"))
    assert await records.switch(Switch(Mode.ENFORCE, NOW, "ratna", "figures read"), Mode.OFF)


async def everything(records: DatabaseRecords) -> dict[str, list[str]]:
    """Return all rows of the site, without the numbers of its rows."""

    def ask(connection: Any) -> dict[str, list[str]]:
        mine = {
            table.name: select(*backup._columns(table)).where(table.c.site == records.site)
            for table in backup.TABLES
        }
        return {name: sorted(map(repr, connection.execute(asked))) for name, asked in mine.items()}

    return await records.ask(ask)


async def written(records: DatabaseRecords, path: Path) -> dict[str, int]:
    """Write a backup."""
    with path.open("wb") as file:
        return await records.ask(
            lambda connection: backup.write(connection, records.site, SITE, file, "2026-11-29T00:00:00Z")
        )


async def restored(records: DatabaseRecords, path: Path, *, over: bool = False) -> dict[str, int]:
    """Restore a backup."""
    return await records.act(
        lambda connection: backup.read(connection, records.site, SITE, path, replace=over)
    )


async def test_what_comes_back_is_what_there_was(urls: tuple[str, str], tmp_path: Path) -> None:
    """Every row and the mode come back as they were, and the block list is due to be rebuilt."""
    path = tmp_path / "backup.zip"
    async with opened(urls[0]) as first, opened(urls[1]) as second:
        await fill(first)
        held = await everything(first)
        assert all(held.values()), "something of each table"
        counts = await written(first, path)
        assert counts == {table: len(rows) for table, rows in held.items()}
        edition = await second.edition()
        assert await restored(second, path) == counts
        assert await everything(second) == held
        assert await second.switched() == await first.switched()
        assert (await second.edition()).epoch != edition.epoch
        for caller in (CALLER, OTHER, GONE):
            assert await second.load(caller) == await first.load(caller)


async def test_ids_of_events_go_on_where_a_backup_is_restored(urls: tuple[str, str], tmp_path: Path) -> None:
    """An event after a restore comes after all that a follower knows from before, in a new database too."""
    path = tmp_path / "backup.zip"
    new = Announcement(EventType.MODE_CHANGED, NOW)
    async with opened(urls[0]) as first, opened(urls[1]) as second:
        await fill(first)
        await written(first, path)
        await first.announce([new])
        last = await first.last_announced()
        await restored(second, path)
        await second.announce([new])
        (told,) = await second.announcements(last)
        await restored(second, path, over=True)
        await second.announce([new])
        assert [one.told for one in await second.announcements(told.id)] == [new]


async def test_a_backup_is_of_one_moment_while_calls_are_recorded(tmp_path: Path) -> None:
    """A backup taken while calls are recorded has each call together with its strike, or not at all."""
    path = tmp_path / "backup.zip"
    async with opened(f"sqlite:///{tmp_path}/a.db") as first, opened(f"sqlite:///{tmp_path}/b.db") as second:
        await record(first, entry(prank(0, turn(0))))
        calls = [entry(prank(number, turn(number))) for number in range(1, 60)]

        async def recording() -> None:
            async with opened(f"sqlite:///{tmp_path}/a.db") as daemon:
                for one in calls:
                    await record(daemon, one)

        await asyncio.gather(recording(), written(first, path))
        await restored(second, path)
        rows = [row.finding.call.id async for row in second.entries(0, NOW + 1)]
        assert [strike.call for strike in (await second.load(CALLER)).strikes] == rows
        assert (await second.tallies())["strikes:ivr_prank"] == len(rows)


async def test_what_a_site_has_is_not_overwritten_unasked(tmp_path: Path) -> None:
    """A restore over existing data fails in one line; with `over` it replaces that site's data only."""
    path, url = tmp_path / "backup.zip", f"sqlite:///{tmp_path}/a.db"
    async with opened(url) as records, opened(url, "cilegon") as neighbour:
        await record(neighbour, entry(prank(1)))
        theirs = await everything(neighbour)
        await fill(records)
        held = await everything(records)
        await written(records, path)
        await record(records, entry(prank(50, NOW, OTHER)))
        later = await everything(records)
        with pytest.raises(BackupError, match="to replace them with the backup: --replace"):
            await restored(records, path)
        assert await everything(records) == later
        await restored(records, path, over=True)
        assert await everything(records) == held
        assert await everything(neighbour) == theirs


def torn(path: Path) -> None:
    """Truncate the file."""
    path.write_bytes(path.read_bytes()[:-200])


def flipped(path: Path) -> None:
    """Change one value in one row, but not the manifest."""
    changed(path, "call.jsonl", lambda text: text.replace('"left_menu"', '"left_mena"', 1))


def newer(path: Path) -> None:
    """Make it a backup of a newer program."""
    changed(path, "manifest.json", lambda text: text.replace('"0001"', '"9999"'))


def elsewhere(path: Path) -> None:
    """Make it a backup of another site."""
    changed(path, "manifest.json", lambda text: text.replace(f'"{SITE}"', '"cilegon"'))


def deep(path: Path) -> None:
    """Make a row nested deeper than a parser goes."""
    changed(path, "call.jsonl", lambda _: "[" * 100_000)


def short(path: Path) -> None:
    """Remove a column from a row."""
    changed(path, "strike.jsonl", lambda _: "[1,2]\n")


def not_ours(path: Path) -> None:
    """Replace it by any other file."""
    path.write_text("once upon a time")


def changed(path: Path, part: str, how: Callable[[str], str]) -> None:
    """Change one part of the file."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    parts[part] = how(parts[part])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (torn, "not a complete siaga112 backup"),
        (flipped, "not a complete siaga112 backup"),
        (deep, "not a complete siaga112 backup"),
        (short, "not a complete siaga112 backup"),
        (not_ours, "not a complete siaga112 backup"),
        (newer, "is from a newer siaga112"),
        (elsewhere, 'is of site "cilegon"'),
    ],
)
async def test_what_is_no_whole_backup_changes_nothing(
    tmp_path: Path, spoil: Callable[[Path], None], told: str
) -> None:
    """A damaged, newer or foreign file fails in one line that says so, and the site's rows stay."""
    path = tmp_path / "backup.zip"
    async with opened(f"sqlite:///{tmp_path}/a.db") as records:
        await fill(records)
        held = await everything(records)
        await written(records, path)
        spoil(path)
        with pytest.raises(BackupError, match=told) as error:
            await restored(records, path, over=True)
        assert "\n" not in str(error.value)
        assert await everything(records) == held


async def test_the_manifest_says_what_it_is(tmp_path: Path) -> None:
    """The manifest says which site the backup is of, when it was made, and how many rows it has."""
    path = tmp_path / "backup.zip"
    async with opened(f"sqlite:///{tmp_path}/a.db") as records:
        await fill(records)
        counts = await written(records, path)
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert set(archive.namelist()) == {"manifest.json", *(f"{table}.jsonl" for table in counts)}
    assert (manifest["site"], manifest["made"]) == (SITE, "2026-11-29T00:00:00Z")
    assert {table: told["rows"] for table, told in manifest["tables"].items()} == counts
