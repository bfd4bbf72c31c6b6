"""`report --check`: figures as they were published, against their own total and against the ledger.

The file is CSV, with a comma or a semicolon, and a header line: `from`, `to` (days, both included),
`total`, and any of the outcomes. A count may have thousands separators.
"""

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, TextIO
from zoneinfo import ZoneInfo

from siaga112 import infile
from siaga112.core.figures import Category, Tally
from siaga112.core.model import Outcome
from siaga112.core.period import Period, instant, of_days
from siaga112.errors import SiagaError
from siaga112.report import table
from siaga112.report.words import NONE, Words
from siaga112.terminal import rows, tables

OUTCOMES: Final = ("answered", "abandoned", "unserved", "ivr_prank", "blocked", "unknown")
MOST: Final = 16 * infile.MIB
_COUNT: Final = re.compile(r"[0-9]+|[0-9]{1,3}(?:[., ][0-9]{3})+")


@dataclass(frozen=True, slots=True)
class Claim:
    """A row of the file: what was published of a period."""

    period: Period
    total: int
    outcomes: Mapping[str, int]

    @property
    def sum(self) -> int:
        """What the published outcomes add up to."""
        return sum(self.outcomes.values())


@dataclass(frozen=True, slots=True)
class Checked:
    """A claim beside what the ledger has of the same period."""

    claim: Claim
    ledger: Tally

    @property
    def excess(self) -> int:
        """By how much the published outcomes exceed the published total."""
        return self.claim.sum - self.claim.total

    @property
    def adds_up(self) -> bool:
        """Say whether they are the total."""
        return self.excess == 0

    def counted(self, outcome: str) -> int:
        """Give the ledger's count."""
        return self.ledger.answered if outcome == Outcome.ANSWERED else self.ledger.calls[Category(outcome)]


def read(file: Path, zone: ZoneInfo) -> list[Claim]:
    """Read the file.

    Raises:
        SiagaError: naming the line, and what is wrong with it.

    """
    try:
        text = infile.read(file, MOST).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SiagaError(f"{file}: cannot be read ({why})") from error
    lines = text.splitlines()
    delimiter = ";" if lines and ";" in lines[0] else ","
    reader = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True)
    named = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = named
    unknown = [name for name in named if name not in {"from", "to", "total", *OUTCOMES}]
    missing = [name for name in ("from", "to", "total") if name not in named]
    if unknown or missing:
        wrong = f'no column "{missing[0]}"' if missing else f'no such column: "{unknown[0]}"'
        raise SiagaError(f"{file}: {wrong} (the columns: from, to, total, and of {', '.join(OUTCOMES)})")
    claims = []
    for row in reader:
        try:
            claims.append(_claim(row, zone))
        except (ValueError, TypeError, AttributeError) as error:
            raise SiagaError(f"{file}, line {reader.line_num}: {error}") from error
    if not claims:
        raise SiagaError(f"{file}: no figures below the header line")
    return claims


def _claim(row: Mapping[str, str], zone: ZoneInfo) -> Claim:
    if None in row or None in row.values():
        raise ValueError("not as many fields as the header line has")
    days = [row[name].strip() for name in ("from", "to")]
    first, last = map(date.fromisoformat, days)
    for day in days:
        instant(day, zone)  # refuses what no ledger has
    if last < first:
        raise ValueError(f"the period ends ({last}) before it begins ({first})")
    counts = {name: _count(row[name]) for name in OUTCOMES if row.get(name, "").strip()}
    return Claim(of_days(first, last, zone), _count(row["total"]), counts)


def _count(text: str) -> int:
    if not _COUNT.fullmatch(text.strip()):
        raise ValueError(f'not a count: "{text}"')
    return int(re.sub(r"\D", "", text))


def as_json(checked: list[Checked], file: TextIO) -> None:
    """Write the rows as a list of objects."""
    listed = []
    for one in checked:
        claim, period = one.claim, one.claim.period
        listed.append(
            {
                "from": rows.instant(period.first, period.zone),
                "to": rows.instant(period.end, period.zone),
                "total": claim.total,
                "sum": claim.sum,
                "excess": one.excess,
                "published": dict(claim.outcomes),
                "ledger": {name: one.counted(name) for name in OUTCOMES},
                "ledger_total": one.ledger.total,
            }
        )
    file.write(json.dumps(listed, indent=2, ensure_ascii=False) + "\n")


def show(checked: list[Checked], words: Words, file: TextIO) -> None:
    """Print each period: what was published, what the ledger has, and the difference."""
    console = tables.console(table.WIDTH, file)
    for one in checked:
        claim = one.claim
        shown = table.columns("", words("published"), words("ledger"), words("difference"))
        for name in OUTCOMES:
            if name in claim.outcomes or one.counted(name):
                table.add(
                    shown, [words(name), *_compared(claim.outcomes.get(name), one.counted(name), words)]
                )
        table.add(shown, [words("sum"), *_compared(claim.sum, one.ledger.total, words)])
        table.add(shown, [words("total"), *_compared(claim.total, one.ledger.total, words)], "bold")
        table.titled(words.span(claim.period), shown, console)
        by = words.number(abs(one.excess))
        verdict = "adds_up" if one.adds_up else "too_many" if one.excess > 0 else "too_few"
        console.print(words(verdict, by=by))


def _compared(published: int | None, ledger: int, words: Words) -> list[str]:
    if published is None:
        return [NONE, words.number(ledger), NONE]
    return [words.number(published), words.number(ledger), words.difference(published - ledger)]
