"""`migrate`, `backup`, `restore`, `rebuild`: keep the records for years."""

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


def migrate(
    by: ByOption,
    from_redis: Annotated[
        bool,
        typer.Option(
            "--from-redis", help="Carry over what siaga112 before 0.1.0 kept in Redis, which stays there."
        ),
    ] = False,
    forget_old: Annotated[
        bool,
        typer.Option("--forget-old", help="The same, and delete it there: nobody goes back to that version."),
    ] = False,
) -> None:
    """Bring the database's tables to this program's version, or create them.

    The daemon migrates SQLite itself, after a copy. PostgreSQL is migrated only by this command, since other
    daemons may still run the older program: stop them first.

    --from-redis brings calls, callers with their blocks, the allow list and the audit trail into the
    database, a batch at a time, while the daemon goes on. Again, it adds what came since, or nothing. What
    cannot be read is named and stays where it is (docs/upgrade.md).

    Example: siaga112 migrate --from-redis
    """
    with reached(settings()):
        before, ours = upkeep.migrate(settings())
    t = speaker()
    if before == ours:
        printing.wrapped(t("the tables have version {ours} already", ours=ours))
    elif before is None:
        printing.wrapped(t("created the tables, version {ours}", ours=ours))
    else:
        printing.wrapped(t("upgraded the tables from version {before} to {ours}", before=before, ours=ours))
    if from_redis or forget_old:
        _carry_over(by, forget=forget_old)


def _carry_over(by: str, *, forget: bool) -> None:
    logs.silence()  # what the daemon would log of it is what we print
    config, t = settings(), speaker()
    from siaga112.moving_in.carrying import carry_over  # noqa: PLC0415 - loads redis-py, which few need

    with reached(config):
        done = asyncio.run(carry_over(config, by, forget=forget))
    counts = {"call": done.calls, "caller": done.callers, "block": done.blocks, "audit": done.lines}
    if done.anything:
        said = say("carried over from Redis: {what}, {allowed} on the allow list")
        printing.wrapped(t(said, what=_told(counts, t), allowed=t.number(done.allowed)))
    elif done.before is not None:
        printing.wrapped(t("everything was already carried over from Redis, and nothing was added since"))
    elif not done.unreadable:
        printing.wrapped(t("there was nothing of an older siaga112 in Redis"))
        return
    for held, why in done.unreadable.items():
        left = t(say("left in Redis, because it cannot be read: {name} ({why})"), name=held.place, why=why)
        printing.plain(f"siaga112: {left}", err=True)
    if forget:
        printing.wrapped(t("what the older siaga112 kept in Redis is deleted"))


def backup(file: FileArgument) -> None:
    """Write everything stored of the site into one file, as of one moment, while the daemon runs.

    It has calls, strikes, blocks, marks, the audit trail and the mode, but no configuration and no secrets.
    An existing file is replaced once the new one is complete. `restore` reads it, also into another kind of
    database.

    Example: siaga112 backup siaga112-2026-11-29.zip
    """
    try:
        with outfile.replacing(file) as written, reached(settings()):
            counts = asyncio.run(upkeep.back_up(settings(), written))
    except OSError as error:
        said = say("{file}: cannot be written ({why})")
        raise SiagaError(said, file=file, why=plainly(error) or error.strerror) from error
    printing.wrapped(f"{file}: {_told(counts, speaker())}")


def restore(
    file: FileArgument,
    by: ByOption,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace what the site has; without it the site must be empty.")
    ] = False,
) -> None:
    """Bring back everything in a backup, or nothing; the block list in Redis is rebuilt from it.

    The daemon may keep running: calls that end meanwhile wait in its outbox and are recorded afterwards.

    Example: siaga112 restore siaga112-2026-11-29.zip --replace
    """
    with reached(settings()):
        counts = asyncio.run(upkeep.restore(settings(), file, by, replace=replace))
    t = speaker()
    said = say("{file}: restored {what}; siaga112 run rebuilds the block list")
    printing.wrapped(t(said, file=file, what=_told(counts, t)))


def rebuild() -> None:
    """Rebuild the block list in Redis from the database: every standing, and nothing else.

    The daemon does this by itself whenever Redis was emptied, replaced or restored. Meanwhile known blocks
    stay in force for `[redis] stale_after`.

    Example: siaga112 rebuild
    """
    logs.silence()  # the command prints what the daemon would log
    with reached(settings()):
        count = asyncio.run(upkeep.rebuild(settings()))
    t = speaker()
    whole = t.many(
        "the block list is whole: {count} caller", "the block list is whole: {count} callers", count
    )
    printing.wrapped(whole)


def _told(counts: Mapping[str, int], t: Tongue) -> str:
    """Return the counts that people ask for; the other tables are parts of these."""
    return ", ".join(
        (
            t.many("{count} call", "{count} calls", counts["call"]),
            t.many("{count} caller", "{count} callers", counts["caller"]),
            t.many("{count} block", "{count} blocks", counts["block"]),
            t.many("{count} line of the audit trail", "{count} lines of the audit trail", counts["audit"]),
        )
    )
