"""How a line of a file of calls is split into its fields.

CSV of any delimiter; what `mysql` and `psql` print (padded, between bars, with rules and a last line that
counts the rows); what they export with tabs.
"""

import csv
import re
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

MAX_FIELD: Final = 16_384
"""No field of Asterisk's is longer."""

RULE: Final = re.compile(r"[-+| ]*--[-+| ]*")
"""`---+---` of psql, `+---+---+` of mysql."""

FOOT: Final = re.compile(r"\(?[0-9]+ rows?( in set.*)?\)?|Time: .*|Empty set.*|sep=.")
"""What else a database's client, or a spreadsheet, writes: no row."""


class Form(Enum):
    """How fields are parted. `PADDED`: filled up with blanks; `BORDERED`: between bars as well."""

    CSV = auto()
    PADDED = auto()
    BORDERED = auto()


Split = Callable[[str], list[str]]


def splitter(form: Form, delimiter: str, width: int, cuts: tuple[int, ...] = ()) -> Split:
    """Give what splits a line; `width`: how many fields are right; `cuts`: where a rule has its crosses.

    It raises csv.Error for a line that cannot be CSV.
    """
    csv.field_size_limit(MAX_FIELD)
    if form is Form.CSV:
        return _Csv(delimiter, width)

    def split(line: str) -> list[str]:
        text = line.rstrip("\r\n")
        if form is Form.BORDERED:
            text = text.strip()
            if not text.startswith(delimiter):
                return [text]
            text = text.removeprefix(delimiter).removesuffix(delimiter)
        fields = text.split(delimiter)
        if (
            len(fields) != width
            and len(cuts) == width - 1
            and all(text[at : at + 1] == delimiter for at in cuts)
        ):
            # A value has a bar in it: what is a border is where the rule has its crosses.
            edges = [-1, *cuts, len(text)]
            fields = [text[edges[n] + 1 : edges[n + 1]] for n in range(width)]
        return [_told(field.strip()) for field in fields]

    return split


class _Csv:
    """Splits CSV, each line for itself: a torn one, with a quote left open, must not swallow the next."""

    def __init__(self, delimiter: str, width: int) -> None:
        self._delimiter = delimiter
        self._width = width

    def __call__(self, line: str) -> list[str]:
        # MySQL escapes a quote by a backslash, where all others write it twice.
        escape = "\\" if '\\"' in line else None
        fields = next(csv.reader((line,), delimiter=self._delimiter, escapechar=escape), [])
        if fields and len(fields) != self._width and self._delimiter in "|\t":
            # Unquoted, as `psql -A` and `mysql -B` write it, a quote is a letter.
            plain = line.rstrip("\r\n").split(self._delimiter)
            fields = plain if len(plain) == self._width else fields
        if "NULL" in line or "\\N" in line:
            fields = [_told(field) for field in fields]
        return fields


def _told(field: str) -> str:
    """Spell nothing as nothing."""
    return "" if field in {"NULL", "\\N", "<null>", "(null)"} else field


def cuts(rule: str, form: Form) -> tuple[int, ...]:
    """Say where a rule has its crosses, counted in the line without its outer bars."""
    text = rule.rstrip("\r\n")
    if form is Form.BORDERED:
        text = text.strip()[1:-1]
    return tuple(at for at, letter in enumerate(text) if letter == "+")
