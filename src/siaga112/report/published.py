"""`report --check`: compare published figures with their own total and with the ledger.

The file is CSV, with commas or semicolons, and a header line: `from`, `to` (days, both included), `total`,
and any of the outcomes. Counts may have thousands separators.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, TextIO
from zoneinfo import ZoneInfo

from siaga112 import infile
from siaga112.core.figures import Category, Tally
from siaga112.core.model import Millis
from siaga112.core.period import Period, instant, of_days
from siaga112.errors import SiagaError
from siaga112.report import lines, table
from siaga112.report.words import NONE, Words
from siaga112.terminal import consoles, rows

OUTCOMES: Final = ("answered", "abandoned", "unserved", "ivr_prank", "blocked", "unknown")
MOST: Final = 16 * infile.MIB
_COUNT: Final = re.compile(r"[0-9]+|[0-9]{1,3}(?:[., ][0-9]{3})+")


@dataclass(frozen=True, slots=True)
class Claim:
    """A row of the file: the figures published for a period."""

    period: Period
    total: int
    outcomes: Mapping[str, int]

    @property
    def excess(self) -> int:
        """By how much the published outcomes exceed the published total."""
        return sum(self.outcomes.values()) - self.total


Checked = tuple[Claim, Tally]
"""A claim, and the ledger's figures for the same period."""


def read(file: Path, zone: ZoneInfo) -> list[Claim]:
    """Read the published figures from a file.

    Raises:
        SiagaError: names the line and its fault.

    """
    try:
        text = infile.read(file, MOST).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SiagaError(f"{file}: cannot be read ({why})") from error
    reader = csv.DictReader(text, delimiter=";" if text and ";" in text[0] else ",", skipinitialspace=True)
    reader.fieldnames = named = [name.strip() for name in reader.fieldnames or ()]
    wrong = [f'no column "{name}"' for name in ("from", "to", "total") if name not in named]
    wrong += [f'no such column: "{one}"' for one in named if one not in {"from", "to", "total", *OUTCOMES}]
    wrong += [f'two columns "{one}"' for one, many in Counter(named).items() if many > 1]
    if wrong:
        raise SiagaError(f"{file}: {wrong[0]} (the columns: from, to, total, and of {', '.join(OUTCOMES)})")
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
        raise ValueError("the number of fields differs from the header line")
    days = [row[name].strip() for name in ("from", "to")]
    first, last = map(date.fromisoformat, days)
    for day in days:
        instant(day, zone)  # rejects days outside any ledger
    if last < first:
        raise ValueError(f"the period ends ({last}) before it begins ({first})")
    counts = {name: _count(row[name]) for name in OUTCOMES if row.get(name, "").strip()}
    return Claim(of_days(first, last, zone), _count(row["total"]), counts)


def _count(text: str) -> int:
    if not _COUNT.fullmatch(text.strip()):
        raise ValueError(f'not a count: "{text}"')
    return int(re.sub(r"\D", "", text))


def _ledger(tally: Tally) -> dict[str, int]:
    return {name: tally.answered if name == "answered" else tally.calls[Category(name)] for name in OUTCOMES}


def as_json(checked: list[Checked], begins: Millis | None, file: TextIO) -> None:
    """Write the rows as a list of objects. `begins`: the ledger's first call."""
    listed = [
        {
            "from": rows.instant(claim.period.first, claim.period.zone),
            "to": rows.instant(claim.period.end, claim.period.zone),
            "total": claim.total,
            "sum": claim.total + claim.excess,
            "excess": claim.excess,
            "published": dict(claim.outcomes),
            "ledger": _ledger(tally),
            "ledger_total": tally.total,
            "ledger_begins": rows.instant(begins, claim.period.zone),
        }
        for claim, tally in checked
    ]
    file.write(json.dumps(listed, indent=2, ensure_ascii=False) + "\n")


def show(checked: list[Checked], begins: Millis | None, words: Words, file: TextIO) -> None:
    """Print for each period the published figures, the ledger's, and their difference.

    `begins`: the ledger's first call. A period that begins earlier is not whole in the ledger.
    """
    console = consoles.console(table.WIDTH, file)
    for claim, tally in checked:
        shown = table.columns("", words("published"), words("ledger"), words("difference"))
        counted = [(name, claim.outcomes.get(name), count) for name, count in _ledger(tally).items()]
        counted += [("sum", claim.total + claim.excess, tally.total), ("total", claim.total, tally.total)]
        for name, told, ours in counted:
            if told is not None or ours:
                cells = [NONE if told is None else words.number(told), words.number(ours)]
                cells.append(NONE if told is None else words.difference(told - ours))
                table.add(shown, [words(name), *cells], "bold" if name == "total" else "")
        table.titled(words.span(claim.period), shown, console)
        for said in lines.lacking(claim.period.lacks(begins), words):
            console.print(said)
        verdict = "too_many" if claim.excess > 0 else "too_few" if claim.excess else "adds_up"
        console.print(words(verdict, by=words.number(abs(claim.excess))))
