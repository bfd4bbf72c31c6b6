"""`migrate`, `backup`, `restore`, `rebuild`: what keeps the records for years."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from siaga112 import logs
from siaga112.app import upkeep
from siaga112.cli.options import ByOption
from siaga112.cli.site import reached, settings, speaker
from siaga112.errors import SiagaError
from siaga112.reasons import plainly
from siaga112.terminal import outfile, printing
from siaga112.words import Tongue, say

FileArgument = Annotated[Path, typer.Argument(help="The backup.", metavar="FILE")]


def migrate() -> None:
    """Bring the database's tables to this program's version, and make them where there are none.

    SQLite's are brought by the daemon itself, after a copy; PostgreSQL's by this command alone, since other
    daemons may still run the older program: stop them first.

    Example: siaga112 migrate
    """
    with reached(settings()):
        before, ours = upkeep.migrate(settings())
    t = speaker()
    if before == ours:
        printing.plain(t("the tables have version {ours} already", ours=ours))
    elif before is None:
        printing.plain(t("made the tables, version {ours}", ours=ours))
    else:
        printing.plain(t("brought the tables from version {before} to {ours}", before=before, ours=ours))


def backup(file: FileArgument) -> None:
    """Write all that is held of the site into one file, as of one moment, while the daemon goes on.

    Calls, strikes, blocks, marks, the audit trail and the mode; of the configuration and of secrets nothing.
    What is there under that name is replaced when all is written. `restore` reads it, also into another kind
    of database.

    Example: siaga112 backup siaga112-2026-11-29.zip
    """
    try:
        with outfile.replacing(file) as written, reached(settings()):
            counts = asyncio.run(upkeep.back_up(settings(), written))
    except OSError as error:
        said = say("{file}: cannot be written ({why})")
        raise SiagaError(said, file=file, why=plainly(error) or error.strerror) from error
    printing.plain(f"{file}: {_told(counts, speaker())}")


def restore(
    file: FileArgument,
    by: ByOption,
    replace: Annotated[
        bool, typer.Option("--replace", help="In place of what the site has, which else must be nothing.")
    ] = False,
) -> None:
    """Bring back all that a backup has, or nothing; the block list in Redis is made anew of it.

    The daemon may run meanwhile: calls that end wait in its outbox, and are recorded after what came back.

    Example: siaga112 restore siaga112-2026-11-29.zip --replace
    """
    with reached(settings()):
        counts = asyncio.run(upkeep.restore(settings(), file, by, replace=replace))
    t = speaker()
    said = say("{file}: brought back {what}; siaga112 run makes the block list anew")
    printing.plain(t(said, file=file, what=_told(counts, t)))


def rebuild() -> None:
    """Make the block list in Redis anew from the database: each standing, and none besides.

    The daemon does so by itself whenever Redis was emptied, replaced or restored. Known blocks go on
    meanwhile for `[redis] stale_after`.

    Example: siaga112 rebuild
    """
    logs.silence()  # what the daemon would log of it is what we print
    with reached(settings()):
        count = asyncio.run(upkeep.rebuild(settings()))
    t = speaker()
    printing.plain(t("the block list is whole: {count} callers", count=t.number(count)))


def _told(counts: Mapping[str, int], t: Tongue) -> str:
    """Name what a person asks for; the other tables are parts of it."""
    named = {
        "call": say("calls"),
        "caller": say("callers"),
        "block": say("blocks"),
        "audit": say("lines of the audit trail"),
    }
    return ", ".join(f"{t.number(counts[table])} {t(words)}" for table, words in named.items())
