"""One spelling per caller: raw caller ID in, E.164 or None out. None is never blockable."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from siaga112.core.model import Caller

_DIALLABLE: Final = re.compile(r"\+?[0-9]{5,17}")
"""Longer than any service number, no longer than 00 and 15 digits (ITU-T E.164 allows 15)."""

_NEVER: Final = frozenset(
    {
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
    }
)
"""Numbers that belong to a service, not to a caller: as caller ID they are not believable."""


@dataclass(frozen=True, slots=True)
class NumberPlan:
    """Where the centre stands: ISO region of numbers written without a country code."""

    region: str = "ID"
    country_code: str = "62"


INDONESIA: Final = NumberPlan()


@lru_cache(maxsize=65_536)
def canonical(raw: str, plan: NumberPlan = INDONESIA) -> Caller | None:
    """Give the caller's one spelling, or None for a hidden, malformed, service or not-valid number.

    The phonenumbers library reads a bare `62254201234` as a local number and calls it valid, and
    refuses `0062…`: both are written with a plus before it is asked (domain.md, "Numbers").
    """
    if not _DIALLABLE.fullmatch(raw):
        return None
    number = _with_plus(raw, plan)
    try:
        parsed = phonenumbers.parse(number, plan.region)
    except NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed) or phonenumbers.number_type(parsed) in _NEVER:
        return None
    return Caller(phonenumbers.format_number(parsed, PhoneNumberFormat.E164))


def _with_plus(raw: str, plan: NumberPlan) -> str:
    if raw.startswith("00"):
        return "+" + raw[2:]
    if raw.startswith(plan.country_code):
        return "+" + raw
    return raw


def masked(caller: str) -> str:
    """Hide the middle of a number, for logs and screens: `+62812****890`."""
    if len(caller) <= 8:  # noqa: PLR2004 - too short to show any part of
        return "*" * len(caller)
    return f"{caller[:6]}{'*' * (len(caller) - 9)}{caller[-3:]}"
