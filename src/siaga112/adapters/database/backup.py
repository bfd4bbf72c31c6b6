"""Back up all records of a site into one file and restore them, whatever the kind of database.

The file is a ZIP of `manifest.json` and, for each table, its rows as JSON lines. A backup shows one moment
while the daemon goes on. A restore brings back everything or nothing, and only if every byte matches the
manifest.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import Connection, Table, delete, func, insert, select, text, update

from siaga112.adapters.database.schema import (
    EVENT,
    METADATA,
    PARKED,
    SECRET,
    SESSION,
    SITE,
    TOKEN,
    UNPUBLISHED,
    WEBHOOK,
)
from siaga112.adapters.database.versions import KNOWN
from siaga112.errors import SiagaError
from siaga112.words import say

FORMAT: Final = 1
TOGETHER: Final = 1_000
"""Rows read or written at once."""

_LEFT_OUT: Final = frozenset({SITE, UNPUBLISHED, SESSION, TOKEN, EVENT, WEBHOOK, PARKED})
"""Left out: the progress of others that follow this database, and what lets somebody log in."""

TABLES: Final = tuple(table for table in METADATA.sorted_tables if table not in _LEFT_OUT)
"""The tables in a backup. People are among them, without their passwords."""

_MANIFEST: Final = "manifest.json"

_MODE: Final = ("mode", "mode_at", "mode_by", "mode_reason", "mode_via")

_LONGEST: Final = 1_000_000
"""The longest line accepted, in bytes; no real row comes near it."""

_APART: Final = 1_000_000
"""Ids that a restore leaves out: announcements after the backup had some of them, a few days' at most."""

_RAISE: Final = """
    SELECT setval(ids, greatest(:after, nextval(ids)))
    FROM (SELECT pg_get_serial_sequence('event', 'id')::regclass AS ids) AS event
    WHERE has_sequence_privilege(ids, 'UPDATE')
"""
"""Raises PostgreSQL's next id, if our user may."""

_TORN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    TypeError,
    ValueError,
    OSError,
    EOFError,
    NotImplementedError,
    RecursionError,
)
"""The exceptions that a foreign, damaged or truncated file raises."""


class BackupError(SiagaError):
    """The file is not a siaga112 backup, or does not fit this site or version."""


def write(connection: Connection, site: int, name: str, file: IO[bytes], made: str) -> dict[str, int]:
    """Write all records of a site; return the rows per table. `made`: the time, as the manifest shows it."""
    tables: dict[str, dict[str, Any]] = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for table in TABLES:
            digest, rows = hashlib.sha256(), 0
            with archive.open(_part(table), "w", force_zip64=True) as part:
                for line in _lines(connection, table, site):
                    digest.update(line)
                    part.write(line)
                    rows += 1
            tables[table.name] = {"rows": rows, "sha256": digest.hexdigest()}
        manifest = {
            "format": FORMAT,
            "version": KNOWN[-1],
            "site": name,
            "made": made,
            "mode": _mode(connection, site),
            "announced": _announced(connection),
            "tables": tables,
        }
        archive.writestr(_MANIFEST, json.dumps(manifest, indent=1))
    return {table: int(told["rows"]) for table, told in tables.items()}


def read(
    connection: Connection, site: int, name: str, path: Path, *, replace: bool = False
) -> dict[str, int]:
    """Restore all records of a site within the transaction; return the rows per table.

    `replace`: overwrite the site's records. Without it, the site must have none.

    Raises:
        BackupError: in one line; the caller must then roll back the transaction.

    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read(_MANIFEST))
            _require_fitting(manifest, name)
            held = sum(_count(connection, table, site) for table in TABLES)
            if held and not replace:
                said = say("site {name} has {count} rows; to replace them with the backup: --replace")
                raise BackupError(said, name=name, count=held)
            for table in reversed((*TABLES, UNPUBLISHED, SESSION)):
                connection.execute(delete(table).where(table.c.site == site))
            counts = {
                table.name: _put(connection, table, site, archive, manifest["tables"][table.name])
                for table in TABLES
            }
            mode = manifest["mode"] or dict.fromkeys(_MODE)
            connection.execute(update(SITE).where(SITE.c.id == site).values(epoch="", published=0, **mode))
            _go_on_after(connection, site, int(manifest.get("announced", 0)))
            return counts
    except _TORN as error:
        said = say("{path}: not a complete siaga112 backup ({why})")
        raise BackupError(said, path=path, why=str(error)) from error


def _announced(connection: Connection) -> int:
    return int(connection.execute(select(func.max(EVENT.c.id))).scalar() or 0)


def _go_on_after(connection: Connection, site: int, last: int) -> None:
    """Let new announcements have higher ids than any before the backup, or soon after it.

    Programs resume by the id, and take one that they know for a repetition.
    """
    if last <= _announced(connection):
        return
    after = last + _APART
    if connection.dialect.name == "postgresql":
        connection.execute(text(_RAISE), {"after": after})
        return
    connection.execute(insert(EVENT).values(id=after, site=site, at=0, type="", data=""))
    connection.execute(delete(EVENT).where(EVENT.c.id == after))


def _require_fitting(manifest: dict[str, Any], name: str) -> None:
    if manifest["format"] != FORMAT or manifest["version"] not in KNOWN:
        said = say(
            "the backup is from a newer siaga112 (version {found}, this program knows {known}): install that "
            "one first"
        )
        raise BackupError(said, found=manifest["version"], known=KNOWN[-1])
    if manifest["site"] != name:
        said = say('the backup is of site "{found}", the configuration says site = "{name}"')
        raise BackupError(said, found=manifest["site"], name=name)


def _part(table: Table) -> str:
    return f"{table.name}.jsonl"


def _columns(table: Table) -> list[Any]:
    """Return the columns to back up: ids of sites and rows differ in another database."""
    own = {"site"} if table.primary_key.columns.keys() != ["id"] else {"site", "id"}
    return [column for column in table.c if column.name not in own and SECRET not in column.info]


def _lines(connection: Connection, table: Table, site: int) -> Iterator[bytes]:
    asked = select(*_columns(table)).where(table.c.site == site).order_by(*table.primary_key.columns)
    for row in connection.execute(asked, execution_options={"yield_per": TOGETHER}):
        yield json.dumps(list(row), ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _put(
    connection: Connection, table: Table, site: int, archive: zipfile.ZipFile, told: dict[str, Any]
) -> int:
    names = [column.name for column in _columns(table)]
    digest, count = hashlib.sha256(), 0
    waiting: list[dict[str, Any]] = []
    with archive.open(_part(table)) as part:
        for line in iter(partial(part.readline, _LONGEST), b""):
            digest.update(line)
            waiting.append({"site": site, **dict(zip(names, json.loads(line), strict=True))})
            count += 1
            if len(waiting) == TOGETHER:
                connection.execute(insert(table), waiting)
                waiting.clear()
    if waiting:
        connection.execute(insert(table), waiting)
    if (count, digest.hexdigest()) != (told["rows"], told["sha256"]):
        raise ValueError(f"{_part(table)} does not match its manifest")
    return count


def _count(connection: Connection, table: Table, site: int) -> int:
    return int(connection.execute(select(func.count()).where(table.c.site == site)).scalar_one())


def _mode(connection: Connection, site: int) -> dict[str, Any] | None:
    asked = select(*(SITE.c[name] for name in _MODE)).where(SITE.c.id == site)
    found = connection.execute(asked).mappings().one()
    return dict(found) if found["mode"] else None
