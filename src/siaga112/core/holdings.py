"""Stored data by kind: how much there is, how old it is, and how long it is kept. Names nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from siaga112.core.model import Millis


class Kind(StrEnum):
    """A kind of stored data. The words are public: `siaga112 privacy --json` prints them."""

    CALLS = "calls"
    HANDOVERS = "handovers"
    MARKS = "marks"
    CALLERS = "callers"
    STRIKES = "strikes"
    WITHDRAWN = "withdrawn"
    BLOCKS = "blocks"
    PROPOSALS = "proposals"
    APPEALS = "appeals"
    REPORTS = "reports"
    CALLBACKS = "callbacks"
    ALLOWED = "allowed"
    HOLDS = "holds"
    AUDIT = "audit"
    EVENTS = "events"
    PARKED = "parked"
    FORGOTTEN = "forgotten"
    PEOPLE = "people"
    TOKENS = "tokens"
    SESSIONS = "sessions"
    UNPUBLISHED = "unpublished"
    STANDINGS = "standings"
    SNAPSHOT = "snapshot"
    IN_PROGRESS = "in_progress"
    OUTBOX = "outbox"
    ASIDE = "aside"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class Holding:
    """How many items of a kind are stored. `oldest`: the time of the oldest one, None if unknown.

    `until`: when the next item is deleted, if each item has its own expiry.
    """

    count: int
    oldest: Millis | None = None
    until: Millis | None = None


Holdings = Mapping[Kind, Holding]
"""By kind. A kind that could not be read is missing."""


class Ends(StrEnum):
    """When stored data is deleted. The words are public too."""

    AGE = "age"
    """A fixed time after it was created or ended."""
    CALL = "call"
    """With the call that it belongs to."""
    RECORD = "record"
    """With the caller's record that it is derived from."""
    DECISION = "decision"
    """When a person decides so."""
    DELIVERY = "delivery"
    """After delivery."""
    LOOK = "look"
    """After a person has examined it, for which it was set aside."""


class Numbers(StrEnum):
    """The form in which the data contains callers' numbers."""

    FULL = "full"
    HASHED = "hashed"
    NONE = "none"


class Kept(NamedTuple):
    """How long data of a kind is kept. `setting`: the setting for `span`, '' if it is fixed.

    `each`: the time runs from when each item was created, not from when it ended.
    """

    ends: Ends
    span: Millis | None = None
    setting: str = ""
    numbers: Numbers = Numbers.FULL
    each: bool = True

    def until(self, held: Holding) -> Millis | None:
        """Return when the next item of the kind reaches its age limit; None if unknown."""
        if held.until is not None:
            return held.until
        if self.span is None or not self.each or held.oldest is None:
            return None
        return held.oldest + self.span
