"""`export`."""

import secrets
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Final

import typer

from siaga112.captures.pseudonym import Pseudonyms
from siaga112.cli.options import FromOption, OutputOption, ToOption
from siaga112.cli.site import period, settings, speaker, with_supervisor
from siaga112.core.caller_id import NumberPlan, canonical, masked
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
    "ivr_seconds", "wait_seconds", "ring_seconds", "talk_seconds", "mark", "operator", "handed_to", "kind",
    "district", "recording", "verdict", "strike", "spared",
)  # fmt: skip
_TOGETHER: Final = 5_000


class Persons(StrEnum):
    """What a row says about people: nothing, a pseudonym for this one file, or who they are."""

    NONE = "none"
    PSEUDONYMS = "pseudonyms"
    FULL = "full"


_OF_CALLERS: Final = {
    Persons.NONE: {"caller", "raw_caller", "recording"},
    Persons.PSEUDONYMS: {"raw_caller", "recording"},
    Persons.FULL: set[str](),
}
"""The columns to leave out because they say who called: FreePBX puts the number into a recording's name."""


def export(  # noqa: PLR0917 - one parameter an option
    since: FromOption = "",
    until: ToOption = "",
    format_: Annotated[Format, typer.Option("--format", help="The format.")] = Format.CSV,
    numbers: Annotated[
        Persons, typer.Option("--numbers", help="What a row says about the caller.")
    ] = Persons.NONE,
    operators: Annotated[
        Persons, typer.Option("--operators", help="What a row says about who answered.")
    ] = Persons.NONE,
    output: OutputOption = None,
    dataset: Annotated[
        Path | None,
        typer.Option("--dataset", help="A folder of Parquet files, one a day.", metavar="DIR"),
    ] = None,
) -> None:
    """Write the ledger's rows: one call per row, oldest first.

    Without --from and --to: yesterday. Without --numbers nothing says who called, without --operators nothing
    says who answered. A pseudonym stands for the same person within one file, and for another in the next.

    --dataset writes all days in the ledger, and the next time only the days whose calls have changed. DuckDB,
    ClickHouse and Spark can read the folder directly.

    Example: siaga112 export --from 2019-02-11 --to 2019-02-28 --output february.csv

    Example: siaga112 export --from 2019-02-11 --format parquet --numbers pseudonyms --output calls.parquet

    Example: siaga112 export --from 2026-11-01 --operators pseudonyms --output answered.csv

    Example: siaga112 export --dataset /srv/112
    """
    told = _Telling(numbers, operators, settings().number_plan())
    if dataset:
        if output or format_ is Format.PARQUET:
            raise UsageError("--dataset names the folder, and is Parquet: leave --output and --format out")
        for option, persons in (("--numbers", numbers), ("--operators", operators)):
            if persons is Persons.PSEUDONYMS:
                raise UsageError(
                    f"{option} pseudonyms last for one file, and a dataset has many: none or full"
                )
        said = with_supervisor(lambda supervisor: _days(supervisor, dataset, since, until, told))
        printing.wrapped(f"{dataset}: {said}")
        return

    async def act(supervisor: Supervisor) -> int:
        asked = period(since, until, supervisor.clock())
        with sheets.written(format_, output, told.columns) as write, Bar("writing the ledger") as bar:
            return await _write(supervisor, asked, told, write, bar)

    count = with_supervisor(act)
    if output:
        t = speaker()
        printing.wrapped(f"{output}: {t.many('{count} call', '{count} calls', count)}")


class _Telling:
    """Decides what a row says about people."""

    def __init__(self, numbers: Persons, operators: Persons, plan: NumberPlan) -> None:
        hidden = _OF_CALLERS[numbers] | ({"operator"} if operators is Persons.NONE else set())
        self.columns = [name for name in COLUMNS if name not in hidden]
        self._plan = plan
        self._numbers = numbers
        self._pseudonyms = Pseudonyms(secrets.token_bytes(32)) if numbers is Persons.PSEUDONYMS else None
        self._key = secrets.token_bytes(32) if operators is Persons.PSEUDONYMS else b""

    def of(self, row: rows.Row) -> rows.Row:
        """Return the row's columns."""
        if self._pseudonyms and row["caller"]:
            row["caller"] = self._pseudonyms.of(str(row["caller"]))
        if self._numbers is not Persons.FULL and row["handed_to"]:
            row["handed_to"] = self._dialled(str(row["handed_to"]))
        if self._key and row["operator"]:
            hashed = blake2b(str(row["operator"]).encode(), key=self._key, digest_size=6)
            row["operator"] = f"operator-{hashed.hexdigest()}"
        return {name: row[name] for name in self.columns}

    def _dialled(self, to: str) -> str:
        """Return to whom a caller was handed over; a person's number is treated as a caller's."""
        somebody = canonical(to, self._plan)
        if somebody is None:
            return to
        return self._pseudonyms.of(somebody) if self._pseudonyms else masked(somebody)


async def _write(
    supervisor: Supervisor,
    asked: Period,
    told: _Telling,
    write: Write,
    bar: Callable[[float], None] = lambda _: None,
) -> int:
    """Write the rows of a period; return their count."""
    batch: list[rows.Row] = []
    count = 0
    async for call in supervisor.store.summaries(asked.first, asked.end):
        batch.append(told.of(rows.summary(call, asked.zone)))
        if len(batch) == _TOGETHER:
            write(batch)
            batch.clear()
            bar((call.started - asked.first) / (asked.end - asked.first))
        count += 1
    write(batch)
    return count


async def _days(supervisor: Supervisor, folder: Path, since: str, until: str, told: _Telling) -> str:
    """Bring a dataset up to date; return what was written, in words."""
    config, now, store = settings(), supervisor.clock(), supervisor.store
    zone = config.zone
    made = Dataset.opened(folder, config.site, config.timezone, told.columns)
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
            ageing = whole.first < now - config.privacy.keep_calls  # its calls go, the earliest first
            if fingerprint and not made.has(day, None if ageing else fingerprint):
                with made.written(day) as write:
                    calls += await _write(supervisor, whole, told, write)
                made.keep(day, fingerprint)
                written += 1
            bar(nth / len(asked.days))
    t = speaker()
    return t(
        "{days} rewritten, {calls}; {all} in all",
        days=t.many("{count} day", "{count} days", written),
        calls=t.many("{count} call", "{count} calls", calls),
        all=t.many("{count} day", "{count} days", len(made.days)),
    )
