"""Shifts: which shift is on duty at a time, and on which day it began."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from siaga112.core.model import SECOND, Millis


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift: its name and the local time at which it begins. It lasts until the next one begins."""

    name: str
    begins: time


def shift_at(now: Millis, shifts: Sequence[Shift], zone: ZoneInfo) -> str:
    """Return the name of the shift on duty at that instant, in the site's time zone; '' without shifts."""
    return duty(datetime.fromtimestamp(now / SECOND, UTC).astimezone(zone), shifts)[1]


def duty(local: datetime, shifts: Sequence[Shift]) -> tuple[date, str]:
    """Return the day on which the shift on duty at that local time began, and its name.

    The night shift of the 11th lasts until the morning of the 12th.
    """
    day, clock = local.date(), local.time()
    if not shifts:
        return day, ""
    begun = [shift for shift in shifts if shift.begins <= clock]
    if begun:
        return day, max(begun, key=_begins).name
    return day - timedelta(days=1), max(shifts, key=_begins).name


def _begins(shift: Shift) -> time:
    return shift.begins
