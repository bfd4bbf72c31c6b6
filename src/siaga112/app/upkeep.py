"""What keeps the records for years: tables of our version, copies out and in, the block list made anew."""

from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from sqlalchemy import Connection

from siaga112.adapters.database import backup
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.migrating import migrate as migrate_tables
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.versions import KNOWN, bring
from siaga112.app.records import database_url, now, open_block_list
from siaga112.core.mode import SITE
from siaga112.core.model import SECOND, AuditEntry
from siaga112.service.publishing import Publisher
from siaga112.settings.schema import Settings

PATIENCE: Final = 12 * 3_600.0
"""Seconds that all of it may take: a country's ledger is long."""

LOCK_SECONDS: Final = 60.0
"""How long we wait for others to let go of the database."""


def migrate(settings: Settings) -> tuple[str | None, str]:
    """Bring the tables to our version, or make them; give the version before (None for none), and ours."""
    engine = connect(database_url(settings), LOCK_SECONDS)
    try:
        return migrate_tables(engine), KNOWN[-1]
    finally:
        engine.dispose()


async def back_up(settings: Settings, file: BinaryIO) -> dict[str, int]:
    """Write all records of the site as of one moment; give how many rows each table had."""
    made = datetime.fromtimestamp(now() // SECOND, UTC).astimezone(settings.zone).isoformat()
    records = _records(settings)
    try:
        return await records.ask(
            lambda connection: backup.write(connection, records.site, settings.site, file, made)
        )
    finally:
        await records.close()


async def restore(settings: Settings, path: Path, by: str, *, replace: bool) -> dict[str, int]:
    """Bring back all records of the site, or nothing; give how many rows each table got.

    Raises:
        BackupError: if it is no backup of this site's, or the site has rows and may not lose them.

    """
    records = _records(settings)

    def act(connection: Connection) -> dict[str, int]:
        counts = backup.read(connection, records.site, settings.site, path, replace=replace)
        told = AuditEntry(now(), by, "restore", SITE, f"{sum(counts.values())} rows", path.name)
        records.note(connection, told)
        return counts

    try:
        return await records.act(act)
    finally:
        await records.close()


async def rebuild(settings: Settings) -> int:
    """Make the block list in Redis anew from the records; give how many callers it has."""
    records, block_list = _records(settings), open_block_list(settings)
    try:
        return await Publisher(records, block_list).rebuild()
    finally:
        await records.close()
        await block_list.close()


def _records(settings: Settings) -> DatabaseRecords:
    engine = connect(database_url(settings), LOCK_SECONDS, create=False)
    return DatabaseRecords(engine, settings.site, bring, PATIENCE)
