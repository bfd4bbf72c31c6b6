"""The ledger as a folder of Parquet files, one per day, for DuckDB, ClickHouse or Spark.

    DIR/day=2026-11-29/calls.parquet    the calls that started on that day of the site's zone
    DIR/dataset.json                    the zone, and for each day a fingerprint of the ledger's rows

A day is written again only if its rows have changed: after a mark, a reconciled call or an erasure too. A day
stays as it is in the folder once the ledger no longer keeps all of it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from siaga112 import infile
from siaga112.errors import SiagaError
from siaga112.terminal import outfile, sheets
from siaga112.terminal.sheets import Format, Write

FORM: Final = 1
_STATE: Final = "dataset.json"
_LARGEST: Final = 16 * 1_024 * 1_024


@dataclass
class Dataset:
    """The folder and its content; use `opened`."""

    folder: Path
    site: str
    zone: str
    columns: Sequence[str]
    days: dict[str, str] = field(default_factory=dict)

    @classmethod
    def opened(cls, folder: Path, site: str, zone: str, columns: Sequence[str]) -> "Dataset":
        """Open an existing dataset, or start a new one.

        Raises:
            SiagaError: if it is another site's, has the days of another zone, or has other columns.

        """
        made = cls(folder, site, zone, tuple(columns))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            text = infile.read(folder / _STATE, _LARGEST)
        except FileNotFoundError:
            return made
        except OSError as error:
            raise SiagaError(f"{folder}: cannot be used ({error.strerror})") from error
        made.days = dict(made._checked(text))
        return made

    def _checked(self, text: bytes) -> Mapping[str, str]:
        try:
            told: Any = json.loads(text)
            form, site, columns, days = told["form"], told["site"], told["columns"], dict(told["days"])
            zone = told.get("timezone", self.zone)
        except (ValueError, TypeError, KeyError, RecursionError):
            raise SiagaError(f"{self.folder / _STATE}: is not a file that siaga112 wrote") from None
        if (form, site) != (FORM, self.site):
            raise SiagaError(
                f"{self.folder}: is the dataset of site {site!r}, form {form}; name another folder"
            )
        if zone != self.zone:  # calls near midnight would be in two files, or in none
            raise SiagaError(f"{self.folder}: has the days of timezone {zone!r}; name another folder")
        if columns != list(self.columns):
            raise SiagaError(
                f"{self.folder}: was written with other columns (another --numbers or --operators); "
                "name another folder"
            )
        return days

    def has(self, day: date, fingerprint: str | None) -> bool:
        """Return whether there is a day's file with these rows; None: with any."""
        held = self.days.get(day.isoformat())
        return held is not None if fingerprint is None else held == fingerprint

    @contextmanager
    def written(self, day: date) -> Iterator[Write]:
        """Yield a function that writes a day's rows; the file appears once it is complete.

        Raises:
            SiagaError: if it cannot be written, or pyarrow is not installed.

        """
        folder = self.folder / f"day={day.isoformat()}"
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise SiagaError(f"{folder}: cannot be made ({error.strerror})") from error
        with sheets.written(Format.PARQUET, folder / "calls.parquet", self.columns) as write:
            yield write

    def keep(self, day: date, fingerprint: str) -> None:
        """Record that a day's file has these rows; call it last: an interrupted day is written again."""
        self.days[day.isoformat()] = fingerprint
        state = {"form": FORM, "site": self.site, "timezone": self.zone}
        state |= {"columns": list(self.columns), "days": self.days}
        try:
            with outfile.replacing(self.folder / _STATE) as file:
                file.write(json.dumps(state, indent=1, sort_keys=True).encode())
        except OSError as error:
            raise SiagaError(f"{self.folder / _STATE}: cannot be written ({error.strerror})") from error
