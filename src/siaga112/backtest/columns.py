"""Recognises a file by its first lines, never by its name.

Without a header line, the columns must be in one of the orders of `orders`: the one that fits the most lines
and has a uniqueid where one belongs. With a header line, any order is accepted.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from siaga112.backtest.forms import RULE, Form, cuts, splitter
from siaga112.backtest.history import Source
from siaga112.backtest.orders import CEL_EVENTS, DISPOSITIONS, NEEDED, ORDERS, UNIQUEID, column
from siaga112.captures.capture import FORM
from siaga112.core.model import SECOND, Millis
from siaga112.core.text import printable, whole

_TIME: Final = r"(?:[0-9]{9,11}(?:\.[0-9]+)?|[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[ T][0-9:.]{8,}[^|]*)"
_QUEUE_LOG: Final = re.compile(_TIME + r"\|[^|]*\|[^|]*\|[^|]*\|[A-Z]+(\||$)")
_EPOCH: Final = re.compile(r"[0-9]{9,11}(\.[0-9]{1,9})?")
_LOCAL: Final = re.compile(r"[0-9]{4}([-/])[0-9]{2}\1[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}.*")
_DATE: Final = re.compile(
    r"[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}( .*)?|[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}.*"
)
_EVENT: Final = re.compile(r"[A-Z]{2,}")

SAMPLE_LINES: Final = 50
"""How many lines of a file are examined to recognise it."""

_FEW: Final = 4
"""A line with this many known names was meant as a header line."""

EXPECTED: Final = (
    "expected Asterisk's queue_log, CEL or CDR as CSV (in the order of its sample configuration, or with a "
    "header line), or a capture of siaga112"
)

_NAMED: Final = (
    (re.compile(r"-\[ RECORD 1 \]"), r"psql's expanded output; export it again with \x off, best with --csv"),
    (re.compile(r"\*{5,} 1\. row \*{5,}"), r"what mysql prints for \G; export it again with --batch"),
    (
        re.compile(r"(INSERT INTO|CREATE TABLE|-- (MySQL|MariaDB|PostgreSQL|phpMyAdmin)) ?.*", re.IGNORECASE),
        "an SQL dump; export the table as CSV with its header line",
    ),
    (re.compile(r"[\[{]\s*([\[{\"].*)?"), "JSON; export the table as CSV with its header line"),
    (re.compile(r"<(\?xml|!doctype|html|table).*", re.IGNORECASE), "XML or HTML; export the table as CSV"),
)  # fmt: skip
"""The first lines of unsupported exports, and the remedy."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a file: its kind, and the positions of its columns.

    `header` is the number of the header line (0: none), `names` its fields.
    """

    source: Source
    columns: Mapping[str, int]
    delimiter: str = ","
    header: int = 0
    width: int = 0
    form: Form = Form.CSV
    names: tuple[str, ...] = ()
    cuts: tuple[int, ...] = ()


def recognise(lines: Sequence[str]) -> Layout | None:
    """Return a file's layout from its first lines; None if it is not a file of calls."""
    filled = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not filled:
        return None
    if filled[0][1].startswith(f"Capture: {FORM}"):
        return Layout(Source.CAPTURE, {})
    rule = next((line for _, line in filled if RULE.fullmatch(line.strip())), "")
    for number, line in filled:
        if found := _by_header(number, line, rule):
            return found
    if any(_QUEUE_LOG.match(line) for _, line in filled):
        return Layout(Source.QUEUE_LOG, {}, "|")
    return _by_order([line for _, line in filled], rule)


def unrecognised(lines: Sequence[str]) -> str:
    """Return what an unrecognised file lacks, or what it seems to be."""
    filled = [line for line in lines if line.strip()]
    if not filled:
        return "is empty"
    for known_as, remedy in _NAMED:
        if known_as.match(filled[0].strip()):
            return f"is {remedy}"
    best: tuple[int, str] = (0, "")
    for line in filled:
        for form, delimiter in _DELIMITERS:
            fields = _fields(line, form, delimiter)
            for source, needed in NEEDED.items():
                names = {column(field, source) for field in fields}
                lacking = ["/".join(sorted(any_of)) for any_of in needed if not any_of & names]
                known = len(needed) - len(lacking)
                if known >= min(_FEW, len(needed) - 1) and known > best[0]:
                    best = known, f"looks like {source}, but its header line lacks {', '.join(lacking)}"
    return best[1] or f"not a file of calls; {EXPECTED}"


_DELIMITERS: Final = (
    (Form.CSV, ","), (Form.CSV, ";"), (Form.CSV, "\t"), (Form.BORDERED, "|"), (Form.CSV, "|"),
)  # fmt: skip


def _fields(line: str, form: Form, delimiter: str) -> list[str]:
    if form is Form.BORDERED and not line.strip().startswith(delimiter):
        return []
    try:
        return splitter(form, delimiter, 0)(line)
    except csv.Error:
        return []


def _by_header(number: int, line: str, rule: str) -> Layout | None:
    for form, delimiter in _DELIMITERS:
        fields = _fields(line, form, delimiter)
        for source, needed in NEEDED.items():
            names = [column(field, source) for field in fields]
            if all(any_of & set(names) for any_of in needed):
                columns = {name: names.index(name) for name in names}
                shape = _shape(form, fields, rule)
                kept = tuple(field.strip() for field in fields)
                return Layout(source, columns, delimiter, number, len(fields), shape, kept, cuts(rule, shape))
    return None


def _shape(form: Form, fields: Iterable[str], rule: str) -> Form:
    """Return PADDED for CSV with fields padded with blanks, else `form`."""
    padded = rule or any(field != field.strip() for field in fields)
    return Form.PADDED if form is Form.CSV and padded else form


def _by_order(lines: Sequence[str], rule: str) -> Layout | None:
    fits: Counter[tuple[int, str, Form]] = Counter()
    for form, delimiter in _DELIMITERS:
        for line in lines:
            fields = _fields(line, form, delimiter)
            shape = _shape(form, (), rule) if delimiter == "|" else form
            if shape is Form.PADDED:
                fields = [field.strip() for field in fields]
            for place, (source, order) in enumerate(ORDERS):
                if len(order) == len(fields):
                    fits[place, delimiter, shape] += _fit(source, dict(zip(order, fields, strict=True)))
    # Of equal fits the first: `ORDERS` begins with the most common.
    best = max(fits, key=lambda key: (fits[key], -key[0]), default=None)
    if best is None or not fits[best]:
        return None
    place, delimiter, shape = best
    source, order = ORDERS[place]
    columns = {name: at for at, name in enumerate(order)}
    return Layout(source, columns, delimiter, 0, len(order), shape, (), cuts(rule, shape))


def _fit(source: Source, row: Mapping[str, str]) -> int:
    """Return how well a row fits an order: 0 not at all, more with an id where one belongs."""
    ids = [row[name] for name in ("uniqueid", "linkedid") if name in row]
    if any(given and not UNIQUEID.fullmatch(given) for given in ids) or whole(row.get("id", "0")) is None:
        return 0
    match source:
        case Source.CEL:
            fits = row["eventtype"] in CEL_EVENTS and _is_time(row["eventtime"])
        case Source.CDR:
            known = row["disposition"].upper() in DISPOSITIONS and bool(row["disposition"])
            fits = known and _is_time(row["start"]) and "/" in row["channel"]
        case _:
            fits = bool(_EVENT.fullmatch(row["event"])) and _is_time(row["time"])
    return fits * (2 + sum(map(bool, ids)))


def _is_time(text: str) -> bool:
    return any(form.fullmatch(text) for form in (_EPOCH, _LOCAL, _DATE))


class Clock:
    """Parses the times of a file: seconds since the epoch, or local times in the site's zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self._hours: dict[str, Millis] = {}

    def read(self, text: str) -> Millis | None:
        """Parse a time; None if it is not one."""
        if _EPOCH.fullmatch(text):
            seconds, _, fraction = text.partition(".")
            return int(seconds) * SECOND + int(fraction[:3].ljust(3, "0"))
        if not _LOCAL.fullmatch(text):
            return None
        plain = len(text) == 19 or _FRACTION.fullmatch(text, 19)  # noqa: PLR2004 - to the second
        if not plain:
            return self._whole(text)
        hour = self._hours.get(text[:13])
        if hour is None:
            hour = self._whole(f"{text[:13]}:00:00")
            if hour is None:
                return None
            if len(self._hours) > 10_000:  # noqa: PLR2004 - more than a year of hours
                self._hours.clear()
            self._hours[text[:13]] = hour
        minute, second = int(text[14:16]), int(text[17:19])
        if minute > 59 or second > 60:  # noqa: PLR2004 - limits of a clock
            return None
        return hour + (minute * 60 + second) * SECOND + int(text[20:23].ljust(3, "0"))

    def _whole(self, text: str) -> Millis | None:
        try:
            moment = datetime.fromisoformat(text[:10].replace("/", "-") + text[10:].rstrip())
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.zone)
        try:
            return round(moment.timestamp() * SECOND)
        except (OverflowError, ValueError):
            return None


_FRACTION: Final = re.compile(r"\.[0-9]+")


def why_no_time(text: str) -> str:
    """Return why a text is not a time, with a remedy if there is one."""
    if _DATE.fullmatch(text) and whole(text[:4]) is None:
        return (
            f'no time that can be read without guessing: "{shown(text)}" (day or month first?); '
            "export times as YYYY-MM-DD HH:MM:SS"
        )
    return f'no time: "{shown(text)}"'


def shown(text: str) -> str:
    """Return the beginning of a field on one line, without control characters."""
    return printable(text[:30])


@lru_cache(maxsize=4_096)
def _day(hour: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(hour * 900, zone).date().isoformat()


def day(at: Millis, zone: ZoneInfo) -> str:
    """Return the date of an instant in the site's zone, whose offset is a multiple of 15 minutes."""
    return _day(at // (900 * SECOND), zone)
