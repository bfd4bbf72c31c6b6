"""What the dialplan is told about a caller, and why."""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from siaga112.core.model import SECOND, Level, Millis, Treatment, Verdict


class ScreenReason(StrEnum):
    """`SIAGA_REASON`: why the dialplan got its verdict. A closed set; admins branch on it."""

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
        """Say whether this ALLOW stands in for an answer that we could not give."""
        return self in FAIL_OPEN


class Withheld(StrEnum):
    """Why a call brought no caller who could be blocked. A closed set: a metric's label."""

    HIDDEN = "hidden"
    """The caller hides the number, or the trunk gives none."""

    DOUBTFUL = "doubtful"
    """A number that the dialplan does not confirm, or a request with lines that Asterisk does not write."""

    UNBLOCKABLE = "unblockable"
    """Nobody's: malformed, too short, a service's, not valid, or of `[policy] never_block`."""


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


@dataclass(frozen=True, slots=True)
class Screening:
    """What the dialplan is told about a caller."""

    verdict: Verdict
    reason: ScreenReason
    treatment: Treatment | None = None
    level: Level | None = None
    until: Millis | None = None
    warn: bool = False
    zone: str = ""
    """In which `until` is told to the caller, as `zone_at` spells it."""


def zone_at(at: Millis, zone: tzinfo) -> str:
    """Spell how far a zone is from UTC at an instant, as TZ has it (POSIX, west is positive): `<WIB>-07:00`.

    Who reads it needs no table of zones. '' for an instant that is in no calendar.
    """
    try:
        local = datetime.fromtimestamp(at / SECOND, zone)
    except (ValueError, OverflowError, OSError):
        return ""
    west = -(local.utcoffset() or timedelta()) // timedelta(minutes=1)
    hours, minutes = divmod(abs(west), 60)
    return f"<{local.tzname()}>{'-' if west < 0 else ''}{hours:02}:{minutes:02}"
