"""`export`."""

import csv
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

import typer

from siaga112.captures.pseudonym import Pseudonyms
from siaga112.cli.report import FromOption, OutputOption, ToOption, opened, period
from siaga112.cli.root import app, at_desk, settings
from siaga112.errors import SiagaError
from siaga112.terminal import outfile, rows, tables

if TYPE_CHECKING:
    from siaga112.service.supervisor import Desk

_TYPES: Final = {
    "started": "time",
    "ended": "time",
    "ivr_seconds": "seconds",
    "wait_seconds": "seconds",
    "ring_seconds": "seconds",
    "talk_seconds": "seconds",
    "strike": "bool",
}
"""The columns that are no text, by their type in Parquet."""
COLUMNS: Final = (
    "call", "started", "ended", "caller", "raw_caller", "outcome", "reason", "queue",
    "ivr_seconds", "wait_seconds", "ring_seconds", "talk_seconds", "mark", "verdict", "strike", "spared",
)  # fmt: skip
_TOGETHER: Final = 5_000


class Format(StrEnum):
    """How the rows are written."""

    CSV = "csv"
    PARQUET = "parquet"


class Numbers(StrEnum):
    """What is told of callers: nothing, a pseudonym that lasts for one file, or the number."""

    NONE = "none"
    PSEUDONYMS = "pseudonyms"
    FULL = "full"


@app.command()
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
    from siaga112.terminal.progress import Bar  # noqa: PLC0415

    config = settings()
    hidden = {Numbers.NONE: {"caller", "raw_caller"}, Numbers.PSEUDONYMS: {"raw_caller"}, Numbers.FULL: set()}
    columns = [name for name in COLUMNS if name not in hidden[numbers]]
    pseudonyms = Pseudonyms(secrets.token_bytes(32)) if numbers is Numbers.PSEUDONYMS else None

    async def act(desk: "Desk") -> int:
        asked, count = period(since, until, desk.clock(), config), 0
        batch: list[rows.Row] = []
        with _sink(format_, output, columns) as sink, Bar("writing the ledger") as bar:
            async for entry in desk.store.entries(asked.first, asked.end):
                row = rows.call(entry, asked.zone)
                if pseudonyms and row["caller"]:
                    row["caller"] = pseudonyms.of(str(row["caller"]))
                batch.append({name: row[name] for name in columns})
                if len(batch) == _TOGETHER:
                    sink.write(batch)
                    batch.clear()
                    bar((entry.finding.call.started - asked.first) / (asked.end - asked.first))
                count += 1
            sink.write(batch)
        return count

    count = at_desk(act)
    if output:
        tables.plain(f"{output}: {count} calls")


class _Sink(Protocol):
    """Where rows go."""

    def write(self, batch: Sequence[rows.Row]) -> None:
        """Write some rows."""


@contextmanager
def _sink(format_: Format, output: Path | None, columns: Sequence[str]) -> Iterator[_Sink]:
    if format_ is Format.CSV:
        with opened(output) as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            yield _Csv(writer)
        return
    if output is None:
        raise typer.BadParameter("name the file: Parquet is nothing for a screen", param_hint="--output")
    with _parquet(output, columns) as parquet:
        yield parquet


class _Csv:
    """Rows as CSV, such that a spreadsheet takes no text for a formula."""

    def __init__(self, writer: "csv.DictWriter[str]") -> None:
        self._writer = writer

    def write(self, batch: Sequence[rows.Row]) -> None:
        """Write some rows."""
        self._writer.writerows({name: rows.cell(value) for name, value in row.items()} for row in batch)


class _Parquet:
    """Rows as Parquet, with times as times."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, batch: Sequence[rows.Row]) -> None:
        """Write some rows."""
        import pyarrow as pa  # noqa: PLC0415

        times = ("started", "ended")
        timed = [row | {name: datetime.fromisoformat(str(row[name])) for name in times} for row in batch]
        self._writer.write_table(pa.Table.from_pylist(timed, schema=self._writer.schema))


@contextmanager
def _parquet(output: Path, columns: Sequence[str]) -> Iterator[_Parquet]:
    try:
        import pyarrow as pa  # noqa: PLC0415
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise SiagaError('Parquet needs pyarrow: pip install "siaga112[parquet]"') from None
    types = {"time": pa.timestamp("ms", tz="UTC"), "seconds": pa.float64(), "bool": pa.bool_()}
    schema = pa.schema([(name, types[_TYPES[name]] if name in _TYPES else pa.string()) for name in columns])
    try:
        with outfile.replacing(output) as file, parquet.ParquetWriter(file, schema) as writer:
            yield _Parquet(writer)
    except OSError as error:
        raise SiagaError(f"{output}: cannot be written ({error.strerror})") from error
