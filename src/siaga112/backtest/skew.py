"""Detects whether all times of a file are off by the same amount.

A uniqueid begins with the second in which the channel was created, regardless of the zone. If a table's times
are in GMT (`usegmtime = yes`), or the configured `timezone` is not the PBX's, all times differ from their
uniqueids by the same multiple of 15 minutes.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from siaga112.backtest.history import Source
from siaga112.backtest.orders import UNIQUEID
from siaga112.core.model import SECOND, Millis

_QUARTER: Final = 900
_CLOSE: Final = 3
"""A CDR or CEL begins within this many seconds of its channel."""

_MENU: Final = 300
"""A caller enters the queue within this many seconds, or the line proves nothing."""

_MOST: Final = 0.9
"""The share of the times that must be off by the same amount."""

_DAY: Final = 86_400


class Skew:
    """Counts the differences between times and the seconds in their uniqueids."""

    def __init__(self, source: Source) -> None:
        self._after = _MENU if source is Source.QUEUE_LOG else _CLOSE
        self._off: Counter[int | None] = Counter()
        self._newest: Millis = 0

    def feed(self, uid: str, at: Millis) -> None:
        """Take a call's id, and its begin in the file."""
        if not UNIQUEID.fullmatch(uid):
            return
        self._newest = max(self._newest, at)
        off = at // SECOND - int(uid.rpartition("-")[2].partition(".")[0])
        whole = (off + _CLOSE) // _QUARTER * _QUARTER
        close = -_CLOSE <= off - whole <= self._after
        self._off[whole if close and abs(whole) <= _DAY else None] += 1

    def said(self, zone: ZoneInfo) -> str:
        """Return one line with the common difference and the remedy; '' if there is none."""
        if not self._off:
            return ""
        off, count = self._off.most_common(1)[0]
        if not off or count < self._off.total() * _MOST:
            return ""
        there = (
            datetime.fromtimestamp(self._newest // SECOND, UTC).astimezone(zone).utcoffset() or timedelta()
        )
        written = there + timedelta(seconds=off)
        name = f"UTC{_signed(written)}" if written else "UTC"
        remedy = (
            "SIAGA112_TIMEZONE=UTC siaga112 backtest …"
            if not written
            else "set SIAGA112_TIMEZONE for this file"
        )
        return (
            f"all times are {_span(off)} {'ahead of' if off > 0 else 'behind'} their uniqueids: the file's "
            f"times are {name}, or timezone ({zone.key}) is not the PBX's; {remedy}"
        )


def _span(seconds: int) -> str:
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{hours} h" if not minutes else f"{hours} h {minutes:02d} min"


def _signed(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    return f"{'+' if minutes >= 0 else '-'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
