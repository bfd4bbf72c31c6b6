"""Write rows as CSV or Parquet, to a file or the screen."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, TextIO

from siaga112.errors import SiagaError, UsageError
from siaga112.reasons import plainly
from siaga112.terminal import outfile, rows
from siaga112.words import say

_TIMES: Final = frozenset({"started", "ended"})
_SECONDS: Final = frozenset({"ivr_seconds", "wait_seconds", "ring_seconds", "talk_seconds"})
_BOOLS: Final = frozenset({"strike"})
"""The columns that are not text, by their type in Parquet."""

Write = Callable[[Sequence[rows.Row]], None]
"""Takes some rows."""


class Format(StrEnum):
    """The format of a file of rows."""

    CSV = "csv"
    PARQUET = "parquet"


@contextmanager
def written(format_: Format, output: Path | None, columns: Sequence[str]) -> Iterator[Write]:
    """Yield a function that writes rows; the file appears under its name once all are written.

    Raises:
        SiagaError: if the file cannot be written, or pyarrow is not installed.

    """
    if format_ is Format.CSV:
        with outfile.text(output) as file:
            yield _writer(file, columns)
    elif output is None:
        raise UsageError(say("--output must name a file: Parquet cannot be shown on a screen"))
    else:
        with _parquet(output, columns) as write:
            yield write


def lines(batch: Sequence[rows.Row], columns: Sequence[str], *, head: bool) -> str:
    """Return rows as lines of a CSV file; with `head`, the first line names the columns."""
    with io.StringIO() as file:
        _writer(file, columns, head=head)(batch)
        return file.getvalue()


def _writer(file: TextIO, columns: Sequence[str], *, head: bool = True) -> Write:
    """Return a function that writes rows as CSV, in which no text is a formula."""
    writer = csv.DictWriter(file, columns)
    if head:
        writer.writeheader()
    return lambda batch: writer.writerows(
        {name: rows.cell(value) for name, value in row.items()} for row in batch
    )


@contextmanager
def _parquet(output: Path, columns: Sequence[str]) -> Iterator[Write]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional, and slow to load
        from pyarrow import parquet  # noqa: PLC0415 - as above
    except ImportError:
        raise SiagaError('Parquet needs pyarrow: pip install "siaga112[parquet]"') from None
    types = {
        **dict.fromkeys(_TIMES, pa.timestamp("ms", tz="UTC")),
        **dict.fromkeys(_SECONDS, pa.float64()),
        **dict.fromkeys(_BOOLS, pa.bool_()),
    }
    schema = pa.schema([(name, types.get(name, pa.string())) for name in columns])

    def write(batch: Sequence[rows.Row]) -> None:
        timed = [row | {name: datetime.fromisoformat(str(row[name])) for name in _TIMES} for row in batch]
        writer.write_table(pa.Table.from_pylist(timed, schema=schema))

    try:
        with outfile.replacing(output) as file, parquet.ParquetWriter(file, schema) as writer:
            yield write
    except OSError as error:
        said = say("{file}: cannot be written ({why})")
        raise SiagaError(said, file=output, why=plainly(error) or error.strerror) from error
