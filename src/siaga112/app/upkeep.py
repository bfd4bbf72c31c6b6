"""Upkeep of the records: migration, backup and restore, and a rebuild of the block list."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
"""The longest that upkeep may take in seconds: a country's ledger is long."""

LOCK_SECONDS: Final = 60.0
"""How long we wait for other users of the database to release it."""


def migrate(settings: Settings) -> tuple[str | None, str]:
    """Migrate the tables to our version, or create them; return the old version (None for none) and ours."""
    engine = connect(database_url(settings), LOCK_SECONDS, working=PATIENCE)
    try:
        return migrate_tables(engine), KNOWN[-1]
    finally:
        engine.dispose()


async def back_up(settings: Settings, file: BinaryIO) -> dict[str, int]:
    """Back up all records of the site as of one moment; return the rows per table."""
    made = datetime.fromtimestamp(now() // SECOND, UTC).astimezone(settings.zone).isoformat()
    async with opened_records(settings) as records:
        return await records.ask(
            lambda connection: backup.write(connection, records.site, settings.site, file, made)
        )


async def restore(settings: Settings, path: Path, by: str, *, replace: bool) -> dict[str, int]:
    """Restore all records of the site, or none; return the rows per table.

    Raises:
        BackupError: if the file is not a backup of this site, or the site has rows and `replace` is not set.

    """
    async with opened_records(settings) as records:

        def act(connection: Connection) -> dict[str, int]:
            counts = backup.read(connection, records.site, settings.site, path, replace=replace)
            told = AuditEntry(now(), by, "restore", SITE, f"{sum(counts.values())} rows", path.name)
            records.note(connection, told)
            return counts

        return await records.act(act)


async def rebuild(settings: Settings) -> int:
    """Rebuild the block list in Redis from the records; return the number of callers on it."""
    records, block_list = _records(settings), open_block_list(settings)
    try:
        return await Publisher(records, block_list).rebuild()
    finally:
        await records.close()
        await block_list.close()


@asynccontextmanager
async def opened_records(settings: Settings) -> AsyncIterator[DatabaseRecords]:
    """Open the records for a while."""
    records = _records(settings)
    try:
        yield records
    finally:
        await records.close()


def _records(settings: Settings) -> DatabaseRecords:
    engine = connect(database_url(settings), LOCK_SECONDS, create=False, working=PATIENCE)
    return DatabaseRecords(engine, settings.site, bring, PATIENCE)
