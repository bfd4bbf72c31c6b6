"""Which shift a call belongs to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from siaga112.core.model import SECOND, Millis


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift by its name and the local time at which it begins; it lasts until the next begins."""

    name: str
    begins: time


def shift_at(now: Millis, shifts: Sequence[Shift], zone: ZoneInfo) -> str:
    """Name the shift on duty at that instant, in the site's time zone; '' where there are none."""
    if not shifts:
        return ""
    local = datetime.fromtimestamp(now / SECOND, UTC).astimezone(zone).time()
    ordered = sorted(shifts, key=lambda shift: shift.begins)
    begun = [shift for shift in ordered if shift.begins <= local]
    return (begun or ordered)[-1].name
