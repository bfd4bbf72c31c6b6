"""Screening: the answer to the dialplan about a caller, and why."""

from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from siaga112.core.model import SECOND, Level, Millis, Treatment, Verdict
from siaga112.core.values import value


class ScreenReason(StrEnum):
    """`SIAGA_REASON`: why the dialplan got its verdict. A closed set, because dialplans branch on it."""

    BLOCKED = "blocked"
    LET_THROUGH = "let_through"
    WOULD_BLOCK = "would_block"
    NOT_BLOCKED = "not_blocked"
    ALLOW_LISTED = "allow_listed"
    WITHHELD = "withheld"
    MODE_OFF = "mode_off"
    STARTING = "starting"
    DEADLINE = "deadline"
    STORE_DOWN = "store_down"
    STORE_ERROR = "store_error"
    INTERNAL_ERROR = "internal_error"
    BAD_REQUEST = "bad_request"
    STOPPING = "stopping"

    @property
    def fails_open(self) -> bool:
        """Whether this is an ALLOW because no real verdict was possible."""
        return self in FAIL_OPEN


class Withheld(StrEnum):
    """Why a call has no caller who could be blocked. A closed set, because it is a metric label."""

    HIDDEN = "hidden"
    """The caller hides the number, or the trunk sends none."""

    DOUBTFUL = "doubtful"
    """The dialplan does not confirm the number, or the request has lines that Asterisk does not write."""

    UNBLOCKABLE = "unblockable"
    """A malformed, too short, service or invalid number, or one in `[policy] never_block`."""


FAIL_OPEN: Final = frozenset(
    {
        ScreenReason.STARTING,
        ScreenReason.DEADLINE,
        ScreenReason.STORE_DOWN,
        ScreenReason.STORE_ERROR,
        ScreenReason.INTERNAL_ERROR,
        ScreenReason.BAD_REQUEST,
        ScreenReason.STOPPING,
    }
)


@value
class Screening:
    """The answer to the dialplan about a caller."""

    verdict: Verdict
    reason: ScreenReason
    treatment: Treatment | None = None
    level: Level | None = None
    until: Millis | None = None
    warn: bool = False
    zone: str = ""
    """The time zone for announcing `until` to the caller, in the format of `zone_at`."""


def zone_at(at: Millis, zone: tzinfo) -> str:
    """Return a zone's offset from UTC at an instant as a POSIX TZ string (west is positive): `<WIB>-07:00`.

    The PBX needs no time zone database to read it. Return '' if the instant is outside the calendar.
    """
    try:
        local = datetime.fromtimestamp(at / SECOND, zone)
    except (ValueError, OverflowError, OSError):
        return ""
    west = -(local.utcoffset() or timedelta()) // timedelta(minutes=1)
    hours, minutes = divmod(abs(west), 60)
    return f"<{local.tzname()}>{'-' if west < 0 else ''}{hours:02}:{minutes:02}"
