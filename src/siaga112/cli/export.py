"""`export`."""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from siaga112.captures.pseudonym import Pseudonyms
from siaga112.cli.options import FromOption, OutputOption, ToOption
from siaga112.cli.site import period, settings, with_supervisor
from siaga112.core.model import SECOND
from siaga112.core.period import Period, of_days
from siaga112.errors import UsageError
from siaga112.service.supervisor import Supervisor
from siaga112.terminal import printing, rows, sheets
from siaga112.terminal.dataset import Dataset
from siaga112.terminal.progress import Bar
from siaga112.terminal.sheets import Format, Write

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


def export(  # noqa: PLR0917 - one parameter an option
    since: FromOption = "",
    until: ToOption = "",
    format_: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.CSV,
    numbers: Annotated[Numbers, typer.Option("--numbers", help="What to tell of callers.")] = Numbers.NONE,
    output: OutputOption = None,
    dataset: Annotated[
        Path | None,
        typer.Option("--dataset", help="A folder of Parquet files, one a day.", metavar="DIR"),
    ] = None,
) -> None:
    """Write the ledger's rows: one call a row, oldest first.

    Without --from and --to: yesterday. Without --numbers, nothing in it says who called. With pseudonyms,
    the same caller is the same in one file, and another in the next.

    --dataset writes all days that the ledger has, and the next time only those whose calls are other than
    they were: DuckDB, ClickHouse or Spark read the folder as it lies.

    Example: siaga112 export --from 2019-02-11 --to 2019-02-28 --output february.csv

    Example: siaga112 export --from 2019-02-11 --format parquet --numbers pseudonyms --output calls.parquet

    Example: siaga112 export --dataset /srv/112
    """
    hidden = {Numbers.NONE: {"caller", "raw_caller"}, Numbers.PSEUDONYMS: {"raw_caller"}, Numbers.FULL: set()}
    columns = [name for name in COLUMNS if name not in hidden[numbers]]
    if dataset:
        if output or format_ is Format.PARQUET:
            raise UsageError("--dataset names the folder, and is Parquet: leave --output and --format out")
        if numbers is Numbers.PSEUDONYMS:
            raise UsageError("--numbers pseudonyms last for one file, and a dataset has many: none or full")
        told = with_supervisor(lambda supervisor: _days(supervisor, dataset, since, until, columns))
        printing.plain(f"{dataset}: {told}")
        return
    pseudonyms = Pseudonyms(secrets.token_bytes(32)) if numbers is Numbers.PSEUDONYMS else None

    async def act(supervisor: Supervisor) -> int:
        asked = period(since, until, supervisor.clock())
        with sheets.written(format_, output, columns) as write, Bar("writing the ledger") as bar:
            return await _write(supervisor, asked, columns, write, bar=bar, pseudonyms=pseudonyms)

    count = with_supervisor(act)
    if output:
        printing.plain(f"{output}: {count} calls")


async def _write(
    supervisor: Supervisor,
    asked: Period,
    columns: Sequence[str],
    write: Write,
    *,
    bar: Callable[[float], None] = lambda _: None,
    pseudonyms: Pseudonyms | None = None,
) -> int:
    """Write the rows of a period; give how many."""
    batch: list[rows.Row] = []
    count = 0
    async for call in supervisor.store.summaries(asked.first, asked.end):
        row = rows.summary(call, asked.zone)
        if pseudonyms and row["caller"]:
            row["caller"] = pseudonyms.of(str(row["caller"]))
        batch.append({name: row[name] for name in columns})
        if len(batch) == _TOGETHER:
            write(batch)
            batch.clear()
            bar((call.started - asked.first) / (asked.end - asked.first))
        count += 1
    write(batch)
    return count


async def _days(supervisor: Supervisor, folder: Path, since: str, until: str, columns: Sequence[str]) -> str:
    """Bring a dataset up to date; say what was written."""
    config, now, store = settings(), supervisor.clock(), supervisor.store
    zone, made = config.zone, Dataset.opened(folder, config.site, columns)
    if since or until:
        asked = period(since, until, now)
    else:
        first = await anext(aiter(store.summaries(0, now + 1)), None)
        begins = first.started if first else now
        first_day, today = (datetime.fromtimestamp(at / SECOND, zone).date() for at in (begins, now))
        asked = of_days(first_day, today, zone)
    written = calls = 0
    with Bar("writing the dataset") as bar:
        for nth, day in enumerate(asked.days):
            whole = of_days(day, day, zone)
            fingerprint = await store.fingerprint(whole.first, whole.end)
            if fingerprint and not made.has(day, fingerprint):
                with made.written(day) as write:
                    calls += await _write(supervisor, whole, columns, write)
                made.keep(day, fingerprint)
                written += 1
            bar(nth / len(asked.days))
    return f"{written} days written anew, {calls} calls; {len(made.days)} days in all"
