"""A period of time in the site's zone, as people name it."""

import contextlib
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from siaga112.core.model import SECOND, Millis
from siaga112.errors import Said, WrongValueError

_ONE_DAY = timedelta(days=1)
_LONGEST = timedelta(days=3_653)
_FIRST_YEAR = 2000
_LAST_YEAR = 2099
"""The PBX tells of nothing before or after these years (`model.credible`)."""


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` up to, but not including, `until`; both in the site's zone."""

    since: datetime
    until: datetime
    zone: ZoneInfo

    @property
    def first(self) -> Millis:
        """The first millisecond."""
        return int(self.since.timestamp() * SECOND)

    @property
    def end(self) -> Millis:
        """The first millisecond after it."""
        return int(self.until.timestamp() * SECOND)

    @property
    def whole_days(self) -> bool:
        """Say whether it begins and ends at midnight."""
        return self.since.time() == self.until.time() == time(0)

    @property
    def days(self) -> list[date]:
        """Every day that it touches."""
        first, last = self.since.date(), (self.until - timedelta(microseconds=1)).date()
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]

    def before(self) -> "Period":
        """Give the period of the same length that ends where this one begins."""
        if self.whole_days:  # on the wall's clock: a day is a day, also when summer time begins
            return Period(self.since - (self.until - self.since), self.since, self.zone)
        start = datetime.fromtimestamp((2 * self.first - self.end) / SECOND, self.zone)
        return Period(start, self.since, self.zone)


def of_days(first: date, last: date, zone: ZoneInfo) -> Period:
    """Give the period of these days, both included."""
    start, end = (datetime.combine(day, time(), zone) for day in (first, last + _ONE_DAY))
    return Period(start, end, zone)


def read(since: str, until: str, now: Millis, zone: ZoneInfo) -> Period:
    """Read a period: days, both included ("2019-02-11"), or instants, the second not included.

    Without either it is yesterday; without the first, the one day of the second; without the second, it
    lasts to the end of today.

    Raises:
        WrongValueError: saying what is wrong.

    """
    today = datetime.fromtimestamp(now / SECOND, zone).date()
    if not since and not until:
        return of_days(today - _ONE_DAY, today - _ONE_DAY, zone)
    try:
        end = instant(until, zone, last=True) if until else of_days(today, today, zone).until
        start = instant(since, zone) if since else _start_of(end - timedelta(microseconds=1))
        period = Period(start, end, zone)
        period.before()
    except OverflowError:  # at the edge of what there is, by the zone's offset
        raise _outside(since or until) from None
    asked: dict[str, object] = {"since": since, "until": until or Said("today")}
    if end - start > _LONGEST:
        raise WrongValueError("the period is longer than 10 years ({since} to {until})", **asked)
    if period.first >= period.end:
        raise WrongValueError("the period begins ({since}) after it ends ({until})", **asked)
    return period


def instant(text: str, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """Read a day, as its beginning or its end; or an instant.

    Raises:
        WrongValueError: if it is neither, or of a time of which there are no calls.

    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise WrongValueError(
            'not a day ("2026-02-11") nor a time ("2026-02-11T08:00"): "{text}"', text=text
        ) from None
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise _outside(text)
    with contextlib.suppress(ValueError):
        return datetime.combine(date.fromisoformat(text) + (_ONE_DAY if last else timedelta()), time(), zone)
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


def _outside(text: str) -> WrongValueError:
    years = {"first": _FIRST_YEAR, "last": _LAST_YEAR}
    return WrongValueError('outside {first} to {last}: "{text}"', **years, text=text)


def _start_of(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time(), moment.tzinfo)
