"""What the dialplan is told about a caller, and why."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from siaga112.core.model import Level, Millis, Treatment, Verdict


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
