"""Import: which numbers of another system's list are accepted, given each caller's record.

Our own evidence outranks a list. A caller is left out if they are on our allow list, recently reported
something genuine, have an open appeal, or were released since an earlier import of the same file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from siaga112.core import decisions
from siaga112.core.model import Caller, Level, Millis, Origin
from siaga112.core.record import AllowEntry, Block, CallerRecord, Lift
from siaga112.core.regulation import PolicyRules

MARK_DIGITS: Final = 12
"""How many digits of the file's digest each reason carries, to recognise the file."""

TAKEN_BACK: Final = "the import was taken back"
"""The reason for lifting the blocks of an import that was not completed."""


class Kind(StrEnum):
    """The list to which the numbers are added."""

    BLOCK = "block"
    ALLOW = "allow"


class Refusal(StrEnum):
    """Why a number of a list is left out. A closed set, because scripts read it."""

    NO_NUMBER = "no_number"
    """The line has no number."""
    NOT_A_NUMBER = "not_a_number"
    """It is an address, a user or a setting, or belongs to another list of that system."""
    NOT_A_CALLER = "not_a_caller"
    """Hidden, service, too short, invalid or in `never_block`."""
    SERVICE = "service"
    """In the range of a configured service number. A person may block it, after a confirmation."""
    NOT_IN_FORCE = "not_in_force"
    """The other system does not enforce the entry."""
    NO_TIME = "no_time"
    OVER = "over"
    """It has already ended."""
    DUPLICATE = "duplicate"
    ALLOWED = "allowed"
    BLOCKED = "blocked"
    GENUINE = "genuine"
    OBJECTED = "objected"
    RELEASED = "released"
    """An earlier import of the same file added the number, and the block has ended since."""


class Wanted(NamedTuple):
    """A number to import. `until`: None for a permanent block or the allow list."""

    line: int
    caller: Caller
    until: Millis | None
    reason: str


@dataclass(frozen=True, slots=True)
class Import:
    """An import of one file: for which list, by whom and when. `digest` (SHA-256) identifies the file."""

    kind: Kind
    file: str
    digest: str
    at: Millis
    by: str
    reason: str

    @property
    def mark(self) -> str:
        """The short form of the digest in the reason of each block."""
        return f"[{self.digest[:MARK_DIGITS]}]"

    def why(self, own: str) -> str:
        """Return the reason for a number: the file's own reason, the file, and the person's reason."""
        source = f"{self.file} {self.mark}: {self.reason}"
        return f"{own} ({source})" if own else source

    def block(self, wanted: Wanted) -> Block:
        """Return the block for a number."""
        return Block(
            level=Level.PERMANENT if wanted.until is None else Level.TEMPORARY,
            since=self.at,
            until=wanted.until,
            origin=Origin.IMPORT,
            reason=self.why(wanted.reason),
            by=self.by,
        )

    def entry(self, wanted: Wanted) -> AllowEntry:
        """Return the allow-list entry for a number."""
        return AllowEntry(self.at, self.by, self.why(wanted.reason))


def refusal(
    record: CallerRecord, wanted: Wanted, brought: Import, now: Millis, rules: PolicyRules
) -> Refusal | None:
    """Return why a number is left out; None if it is imported."""
    if brought.kind is Kind.ALLOW:
        return Refusal.ALLOWED if record.allow else None
    if wanted.until is not None and wanted.until <= now:
        return Refusal.OVER
    held = record.block_after(now)
    if held and (held.until is None or (wanted.until is not None and held.until >= wanted.until)):
        return Refusal.BLOCKED
    checks: Sequence[tuple[Refusal, bool]] = (
        (Refusal.ALLOWED, record.allow is not None),
        (Refusal.GENUINE, any(now - rules.protect < report.at <= now for report in record.reports)),
        (Refusal.OBJECTED, record.appeal is not None),
    )
    for why, holds in checks:
        if holds:
            return why
    return _known(record, brought, now)


def _known(record: CallerRecord, brought: Import, now: Millis) -> Refusal | None:
    """Return the refusal for a number that an earlier import of the same file added; None if none did."""
    for block in record.blocks:
        taken_back = block.lifted is not None and block.lifted.reason == TAKEN_BACK
        if block.origin is Origin.IMPORT and brought.mark in block.reason and not taken_back:
            return Refusal.RELEASED if block.over_at(now) else Refusal.BLOCKED
    return None


def bring(record: CallerRecord, wanted: Wanted, brought: Import) -> CallerRecord:
    """Add a number to the list."""
    if brought.kind is Kind.ALLOW:
        return decisions.allow(record, brought.entry(wanted))
    return decisions.bring_in(record, brought.block(wanted))


def take_back(record: CallerRecord, wanted: Wanted, brought: Import, at: Millis) -> CallerRecord:
    """Undo `bring`."""
    if brought.kind is Kind.ALLOW:
        return decisions.take_off(record, brought.entry(wanted))
    taken = Lift(at, brought.by, TAKEN_BACK, forgives=False, mistake=True)
    return decisions.take_out(record, brought.block(wanted), taken)
