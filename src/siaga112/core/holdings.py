"""What is held, by kind: how much, how old, and how long it is kept. Nothing here names anybody."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from siaga112.core.model import Millis


class Kind(StrEnum):
    """A kind of thing that is held. The words are public: `siaga112 privacy --json`."""

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
    """How many there are of a kind, and since when the oldest is there; None where nothing tells.

    `until`: when the next one goes, where each has such a time of its own.
    """

    count: int
    oldest: Millis | None = None
    until: Millis | None = None


Holdings = Mapping[Kind, Holding]
"""By kind; what could not be looked at is not there."""


class Ends(StrEnum):
    """How what is held comes to an end. The words are public, too."""

    AGE = "age"
    """So long after it began, or was over."""
    CALL = "call"
    """With the call that it is of."""
    RECORD = "record"
    """With the caller's record that it follows from."""
    DECISION = "decision"
    """When somebody says so."""
    DELIVERY = "delivery"
    """When it is where it was to go."""
    LOOK = "look"
    """When somebody has looked at it: that is what it was set aside for."""


class Numbers(StrEnum):
    """In what form callers' numbers are in it."""

    FULL = "full"
    HASHED = "hashed"
    NONE = "none"


class Kept(NamedTuple):
    """How long things of a kind are kept: for a span, by the setting that says so ('': none, it is fixed).

    `each`: each ages from its own beginning, and not from when it was over.
    """

    ends: Ends
    span: Millis | None = None
    setting: str = ""
    numbers: Numbers = Numbers.FULL
    each: bool = True

    def until(self, held: Holding) -> Millis | None:
        """Say when the next of the kind goes by its age; None where nothing tells."""
        if held.until is not None:
            return held.until
        if self.span is None or not self.each or held.oldest is None:
            return None
        return held.oldest + self.span
