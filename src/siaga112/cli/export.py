"""`export`."""

import secrets
from enum import StrEnum
from typing import Annotated, Final

import typer

from siaga112.captures.pseudonym import Pseudonyms
from siaga112.cli.options import FromOption, OutputOption, ToOption
from siaga112.cli.site import period, with_supervisor
from siaga112.service.supervisor import Supervisor
from siaga112.terminal import printing, rows, sheets
from siaga112.terminal.progress import Bar
from siaga112.terminal.sheets import Format

COLUMNS: Final = (
    "call", "started", "ended", "caller", "raw_caller", "outcome", "reason", "queue",
    "ivr_seconds", "wait_seconds", "ring_seconds", "talk_seconds", "mark", "verdict", "strike", "spared",
)  # fmt: skip
_TOGETHER: Final = 5_000


class Numbers(StrEnum):
    """What is told of callers: nothing, a pseudonym that lasts for one file, or the number."""

    NONE = "none"
    PSEUDONYMS = "pseudonyms"
    FULL = "full"


def export(
    since: FromOption = "",
    until: ToOption = "",
    format_: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.CSV,
    numbers: Annotated[Numbers, typer.Option("--numbers", help="What to tell of callers.")] = Numbers.NONE,
    output: OutputOption = None,
) -> None:
    """Write the ledger's rows: one call a row, oldest first.

    Without --from and --to: yesterday. Without --numbers, nothing in it says who called. With pseudonyms,
    the same caller is the same in one file, and another in the next.

    Example: siaga112 export --from 2019-02-11 --to 2019-02-28 --output february.csv

    Example: siaga112 export --from 2019-02-11 --format parquet --numbers pseudonyms --output calls.parquet
    """
    hidden = {Numbers.NONE: {"caller", "raw_caller"}, Numbers.PSEUDONYMS: {"raw_caller"}, Numbers.FULL: set()}
    columns = [name for name in COLUMNS if name not in hidden[numbers]]
    pseudonyms = Pseudonyms(secrets.token_bytes(32)) if numbers is Numbers.PSEUDONYMS else None

    async def act(supervisor: Supervisor) -> int:
        asked, count = period(since, until, supervisor.clock()), 0
        batch: list[rows.Row] = []
        with sheets.written(format_, output, columns) as write, Bar("writing the ledger") as bar:
            async for entry in supervisor.store.entries(asked.first, asked.end):
                row = rows.call(entry, asked.zone)
                if pseudonyms and row["caller"]:
                    row["caller"] = pseudonyms.of(str(row["caller"]))
                batch.append({name: row[name] for name in columns})
                if len(batch) == _TOGETHER:
                    write(batch)
                    batch.clear()
                    bar((entry.finding.call.started - asked.first) / (asked.end - asked.first))
                count += 1
            write(batch)
        return count

    count = with_supervisor(act)
    if output:
        printing.plain(f"{output}: {count} calls")
