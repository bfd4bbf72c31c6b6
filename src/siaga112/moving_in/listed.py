"""One line of a list, whichever system wrote it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from siaga112.core import period
from siaga112.core.importing import Kind, Refusal
from siaga112.core.model import SECOND, Millis
from siaga112.core.text import one_line


class Format(StrEnum):
    """The system that wrote the list."""

    CSV = "csv"
    ASTERISK = "asterisk"
    """The output of `database show`: FreePBX and Issabel keep their blacklist in Asterisk's database."""
    FUSIONPBX = "fusionpbx"
    CROWDSEC = "crowdsec"
    SIAGA112 = "siaga112"


class Term(NamedTuple):
    """The end of a block, as its line states it. `until` None: permanent."""

    until: Millis | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of a list: the number as written, and its details.

    `term` None: the line does not state one. `refusal`: why the line itself is left out.
    """

    line: int
    number: str
    reason: str = ""
    term: Term | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a list: for which of our lists, at what time, and the time zone of its times."""

    kind: Kind
    now: Millis
    zone: ZoneInfo
    column: str = ""
    """The column of the numbers, by name or position (from 1); '' to detect it."""
    told: Callable[["Recognised"], None] = field(default=lambda _: None)
    """Called with the recognised format."""


class Recognised(NamedTuple):
    """The recognised format, its description for people, and where the numbers are."""

    form: Format
    said: str
    where: str = ""


LONGEST_REASON: Final = 200
"""Longer reasons are cut."""

_QUOTED: Final = re.compile(r"""\s*(?:=?"(.*)"|'(.*))\s*""")
_BETWEEN: Final = re.compile(r"[\s()\-\u00a0\u2010-\u2015]+")
_WHOLE: Final = re.compile(r"([0-9]+)\.0")
_DOTTED: Final = re.compile(r"\+?[0-9]{2,}(?:\.[0-9]{2,}){2,}")
_ADDRESS: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")


def number(text: str) -> str:
    """Return a number without the quotes and separators that people and spreadsheets add.

    Dots count as separators only if they cannot be anything else: in 0812.3456.7890, not in 1.5 or 192.0.2.7.
    """
    if quoted := _QUOTED.fullmatch(text):
        text = quoted[1] or quoted[2] or ""
    plain = _BETWEEN.sub("", text.removeprefix("tel:"))
    if spreadsheet := _WHOLE.fullmatch(plain):
        return spreadsheet[1]
    if _DOTTED.fullmatch(plain) and not _ADDRESS.fullmatch(plain):
        return plain.replace(".", "")
    return plain


def reason(text: str) -> str:
    """Return a reason as one line of at most `LONGEST_REASON` characters; '' if it is a placeholder."""
    said = one_line(text).strip('"').strip()
    return "" if said.lower() in _NOTHING else said[:LONGEST_REASON]


_NOTHING: Final = frozenset({"", "1", "true", "yes", "null", "-", "\\n"})
"""Placeholders for an empty field; FreePBX writes 1 for a missing description."""

_FOR_GOOD: Final = frozenset({"permanent", "permanently", "never", "forever", "tetap"})


def term(text: str, reading: Reading) -> Term | Refusal | None:
    """Parse the end of a block; None if the field is empty."""
    said = text.strip()
    if said.lower() in _NOTHING:
        return None
    if said.lower() in _FOR_GOOD:
        return Term(None)
    try:
        return Term(int(period.instant(said, reading.zone).timestamp() * SECOND))
    except (ValueError, OverflowError):
        return Refusal.NO_TIME


_GO_DURATION: Final = re.compile(r"-?(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:h|m|s|ms|us|µs|ns))+")
_GO_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|s|us|µs|ns)")
_GO_UNITS: Final = {"h": 3_600_000.0, "m": 60_000.0, "s": 1_000.0, "ms": 1.0}


def lasting(text: str, reading: Reading) -> Term | Refusal | None:
    """Parse the remaining duration of a crowdsec decision, in Go's notation ("3h59m12.5s")."""
    said = text.strip()
    if not said:
        return None
    if not _GO_DURATION.fullmatch(said):
        return Refusal.NO_TIME
    span = sum(float(count) * _GO_UNITS.get(unit, 0.0) for count, unit in _GO_PART.findall(said))
    return Term(reading.now + int(-span if said.startswith("-") else span))
