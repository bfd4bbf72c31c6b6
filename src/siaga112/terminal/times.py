"""Times for people: `27 Nov 22:56` (Indonesian `27 Nov 22.56`), with another year. Scripts get ISO 8601."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final

from siaga112.words import MONTHS, Tongue, clock

_HOUR: Final = timedelta(hours=1)


def day(when: date, t: Tongue) -> str:
    """Return a day as `27 Nov`, or `27 Nov 2025` if that is not this year."""
    return _day(when, t, today().year)


def moment(at: datetime, t: Tongue) -> str:
    """Return an instant to the minute, in the zone that it carries."""
    return f"{_day(at, t, today().astimezone(at.tzinfo).year)} {clock(at, t.language)}"


def today() -> datetime:
    """Return now, in the machine's zone."""
    return datetime.now().astimezone()


def _day(when: date, t: Tongue, this_year: int) -> str:
    year = "" if when.year == this_year else f" {when.year}"
    return f"{when.day} {MONTHS[t.language][when.month - 1][:3]}{year}"


def zone(instants: Iterable[datetime]) -> str:
    """Return the zone of some instants, for the head above them: `UTC+7`, or `UTC+1/+2` across a change."""
    offsets = sorted({at.utcoffset() or timedelta() for at in instants})
    return "UTC" + "/".join(_offset(one) for one in offsets if one or len(offsets) > 1)


def _offset(offset: timedelta) -> str:
    hours, rest = divmod(abs(offset), _HOUR)
    minutes = f":{rest // timedelta(minutes=1):02d}" if rest else ""
    return f"{'-' if offset < timedelta() else '+'}{hours}{minutes}"
