"""What the two flows need of the outside, as protocols; adapters provide it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from siaga112.core.events import Event
from siaga112.core.model import (
    Block,
    Caller,
    CallerRecord,
    CallId,
    Entry,
    Level,
    Millis,
    Mode,
    Screening,
    Stage,
)
from siaga112.core.policy import Standing


class StoreDownError(Exception):
    """The store cannot be reached, or did not answer in time. Worth trying again."""


class StoreBrokenError(Exception):
    """The store answered, but not with what we keep there. A person must look."""


class StandingReader(Protocol):
    """As much of the store as a verdict needs."""

    async def standing(self, caller: Caller) -> Standing:
        """Give a caller's standing; `NOBODY` for one on whom nothing is held."""


class Store(StandingReader, Protocol):
    """The block list, the ledger and the site's mode."""

    async def load(self, caller: Caller) -> tuple[CallerRecord, int]:
        """Give a caller's record and its version (0 for none)."""

    async def save(self, record: CallerRecord, held: Standing, version: int, expires: Millis | None) -> bool:
        """Replace the record if it still has that version; say whether it did."""

    async def index(self, record: CallerRecord, held: Standing) -> None:
        """Make the lists of blocked and allowed callers agree with the record."""

    async def blocked(self, now: Millis) -> Sequence[CallerRecord]:
        """Give the records of all callers with a block in force."""

    async def block_counts(self, now: Millis) -> Mapping[Level, int]:
        """Count the blocks in force, without reading them."""

    async def allowed(self) -> Sequence[CallerRecord]:
        """Give the records of all callers on the allow list."""

    async def put_entry(self, entry: Entry) -> None:
        """Write a row of the ledger; the same call again replaces it."""

    async def entry(self, call: CallId) -> Entry | None:
        """Find a row of the ledger by its call."""

    def entries(self, since: Millis, until: Millis) -> AsyncIterator[Entry]:
        """Give the rows of calls that started in that time, oldest first."""

    async def mode(self) -> Mode | None:
        """Give the site's mode, if anybody has set one."""

    async def set_mode(self, mode: Mode) -> None:
        """Set the site's mode."""

    async def ping(self) -> None:
        """Return if the store answers; raises StoreDownError if not."""


class Outbox(Protocol):
    """Findings that are safe on local disk and not yet in the store."""

    async def append(self, entries: Sequence[Entry]) -> None:
        """Keep entries durably; returns when they are on disk."""

    async def oldest(self, limit: int) -> Sequence[tuple[int, Entry]]:
        """Give the oldest entries with their keys."""

    async def drop(self, keys: Sequence[int]) -> None:
        """Forget entries that the store now has."""

    async def wait(self, seconds: float) -> None:
        """Return when something was appended, at the latest after that time."""


class QueueLog(Protocol):
    """The PBX's own record of its queues."""

    async def lines(self, since: Millis) -> Sequence[str]:
        """Give the lines written since then, oldest first. Raises OSError if it cannot be read."""


class EventSource(Protocol):
    """The PBX's events, in slices."""

    def slices(self) -> AsyncIterator[Sequence[Event]]:
        """Give events for ever, reconnecting as needed."""


class Meter(Protocol):
    """What is counted; each method is one thing that happened."""

    def call_ended(self, entry: Entry) -> None:
        """Count a call with its outcome and stage times."""

    def struck(self, entry: Entry, imposed: Block | None) -> None:
        """Count a strike that the store has taken, and the block that it led to."""

    def screened(self, screening: Screening, seconds: float) -> None:
        """Count a verdict and how long the dialplan waited for it."""

    def in_progress(self, stages: dict[Stage, int]) -> None:
        """Show how many calls are where."""

    def store_up(self, *, up: bool) -> None:
        """Show whether the store answers."""
