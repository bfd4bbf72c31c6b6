"""Durations in the notation of the configuration: `"15m"`, `"24h"`, `"30d"`, `"500ms"`."""

import re
from typing import Final

from siaga112.core.model import Millis
from siaga112.errors import WrongValueError

UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

LONGEST: Final[Millis] = 36_525 * UNITS["d"]
"""A century. A longer span is a typing error, and its end may be a date that no calendar has."""

_FORM: Final = re.compile(r"([0-9]{1,9})(ms|s|m|h|d|w)")


def parse(text: str) -> Millis:
    """Parse a duration.

    Raises:
        WrongValueError: with the remedy, if the text is not a whole number and a unit, or is over a century.

    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise WrongValueError(
            'not a duration: "{text}" (write a whole number and ms, s, m, h, d or w, like "24h")', text=text
        )
    span = int(match[1]) * UNITS[match[2]]
    if span > LONGEST:
        longest = LONGEST // UNITS["d"]
        raise WrongValueError(
            'longer than 100 years: "{text}" (the longest is "{longest}d")', text=text, longest=longest
        )
    return span


def spell(span: Millis) -> str:
    """Format a duration in the largest unit that divides it."""
    for unit in ("d", "h", "m", "s"):
        if span and span % UNITS[unit] == 0:
            return f"{span // UNITS[unit]}{unit}"
    return f"{span}ms" if span else "0s"
