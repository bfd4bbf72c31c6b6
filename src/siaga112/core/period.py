"""Periods of time in the site's zone, and how to parse them."""

import contextlib
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from siaga112.core.model import SECOND, Millis
from siaga112.errors import Said, WrongValueError

_ONE_DAY = timedelta(days=1)
_LONGEST = timedelta(days=3_653)
_FIRST_YEAR = 2000
_LAST_YEAR = 2099
"""There are no calls before or after these years (`model.credible`)."""


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` up to, but not including, `until`; both in the site's zone."""

    since: datetime
    until: datetime
    zone: ZoneInfo

    @property
    def first(self) -> Millis:
        """The first instant of the period."""
        return int(self.since.timestamp() * SECOND)

    @property
    def end(self) -> Millis:
        """The first instant after the period."""
        return int(self.until.timestamp() * SECOND)

    @property
    def whole_days(self) -> bool:
        """Whether the period begins and ends at midnight."""
        return self.since.time() == self.until.time() == time(0)

    @property
    def days(self) -> list[date]:
        """Every day that the period includes at least in part."""
        first, last = self.since.date(), (self.until - timedelta(microseconds=1)).date()
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]

    def lacks(self, begins: Millis | None) -> date | None:
        """Return the day of the ledger's first call if the period begins on an earlier one, else None."""
        if begins is None:
            return None
        first = datetime.fromtimestamp(begins / SECOND, self.zone).date()
        return first if self.since.date() < first else None

    def before(self) -> "Period":
        """Return the period of the same length that ends where this one begins."""
        if self.whole_days:  # in local time: a day is a day even if daylight saving time begins
            return Period(self.since - (self.until - self.since), self.since, self.zone)
        start = datetime.fromtimestamp((2 * self.first - self.end) / SECOND, self.zone)
        return Period(start, self.since, self.zone)

    def compared(self, now: Millis) -> "Period":
        """Return the period before; while this one lasts, only as much of it as has passed of this one."""
        before = self.before()
        if not self.first < now < self.end:
            return before
        until = min(before.end, before.first + now - self.first)
        return Period(before.since, datetime.fromtimestamp(until / SECOND, self.zone), self.zone)


def of_days(first: date, last: date, zone: ZoneInfo) -> Period:
    """Return the period from the first day to the last day, both included."""
    start, end = (datetime.combine(day, time(), zone) for day in (first, last + _ONE_DAY))
    return Period(start, end, zone)


def read(since: str, until: str, now: Millis, zone: ZoneInfo) -> Period:
    """Parse a period: days, both included ("2019-02-11"), or instants, the second one excluded.

    Without both, it is yesterday. Without `since`, it is the day of `until`. Without `until`, it ends at the
    end of today.

    Raises:
        WrongValueError: with the mistake, in words for the user.

    """
    today = datetime.fromtimestamp(now / SECOND, zone).date()
    if not since and not until:
        return of_days(today - _ONE_DAY, today - _ONE_DAY, zone)
    try:
        end = instant(until, zone, last=True) if until else of_days(today, today, zone).until
        start = instant(since, zone) if since else _start_of(end - timedelta(microseconds=1))
        period = Period(start, end, zone)
        period.before()
    except OverflowError:  # the zone's offset leads outside the calendar
        raise _outside(since or until) from None
    asked: dict[str, object] = {"since": since, "until": until or Said("today")}
    if end - start > _LONGEST:
        raise WrongValueError("the period is longer than 10 years ({since} to {until})", **asked)
    if period.first >= period.end:
        raise WrongValueError("the period begins ({since}) after it ends ({until})", **asked)
    return period


def instant(text: str, zone: tzinfo, *, last: bool = False) -> datetime:
    """Parse an instant, or a day as its start (`last`: as its end).

    Raises:
        WrongValueError: if it is neither, or outside the years in which there can be calls.

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
