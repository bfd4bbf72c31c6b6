"""What one line of a list says, whichever system wrote it."""

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
    """Whose list it is."""

    CSV = "csv"
    ASTERISK = "asterisk"
    """What `database show` prints: FreePBX and Issabel keep their blacklist there."""
    FUSIONPBX = "fusionpbx"
    CROWDSEC = "crowdsec"
    SIAGA112 = "siaga112"


class Term(NamedTuple):
    """How long a line says that its block lasts. `until` None: permanently."""

    until: Millis | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of a list: the number as it stands there, and what is said of it.

    `term` None: the line does not say. `refusal`: the line itself is to be left out.
    """

    line: int
    number: str
    reason: str = ""
    term: Term | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """By what a list is read: for which of our lists, at what time, with times in which zone."""

    kind: Kind
    now: Millis
    zone: ZoneInfo
    column: str = ""
    """The number's column, by its name or its place (from 1); '' for the one that looks like it."""
    told: Callable[["Recognised"], None] = field(default=lambda _: None)
    """Told what the file turned out to be."""


class Recognised(NamedTuple):
    """What a file turned out to be: whose list, and what people call it (`where`: the numbers are)."""

    form: Format
    said: str
    where: str = ""


LONGEST_REASON: Final = 200
"""Of what a list says of a number so much is kept."""

_QUOTED: Final = re.compile(r"""\s*(?:=?"(.*)"|'(.*))\s*""")
_BETWEEN: Final = re.compile(r"[\s()\-\u00a0\u2010-\u2015]+")
_WHOLE: Final = re.compile(r"([0-9]+)\.0")
_DOTTED: Final = re.compile(r"\+?[0-9]{2,}(?:\.[0-9]{2,}){2,}")
_ADDRESS: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")


def number(text: str) -> str:
    """Give a number as it was meant: without what people and spreadsheets put around and between its digits.

    A dot is between them where it cannot be anything else: 0812.3456.7890, but neither 1.5 nor 192.0.2.7.
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
    """Give what a list says of a number, as it may be kept; '' for what says nothing."""
    said = one_line(text).strip('"').strip()
    return "" if said.lower() in _NOTHING else said[:LONGEST_REASON]


_NOTHING: Final = frozenset({"", "1", "true", "yes", "null", "-", "\\n"})
"""FreePBX writes 1 where nobody wrote a description."""

_FOR_GOOD: Final = frozenset({"permanent", "permanently", "never", "forever", "tetap"})


def term(text: str, reading: Reading) -> Term | Refusal | None:
    """Read until when a block lasts; None where nothing is said."""
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
    """Read how much longer a decision of crowdsec's lasts, as Go writes durations ("3h59m12.5s")."""
    said = text.strip()
    if not said:
        return None
    if not _GO_DURATION.fullmatch(said):
        return Refusal.NO_TIME
    span = sum(float(count) * _GO_UNITS.get(unit, 0.0) for count, unit in _GO_PART.findall(said))
    return Term(reading.now + int(-span if said.startswith("-") else span))
