"""What becomes of the numbers of another system's list, by what is held on each caller here.

A list proves nothing of a caller that we have seen: whoever is on our allow list, lately reported something
genuine or waits for an answer to an objection is left out, and so is whom somebody has released since.
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
"""So much of a file's digest stands in each reason: enough to know the file again."""

TAKEN_BACK: Final = "the import was taken back"
"""Why a block was lifted that came with an import which did not come to its end."""


class Kind(StrEnum):
    """Which of our lists the numbers are for."""

    BLOCK = "block"
    ALLOW = "allow"


class Refusal(StrEnum):
    """Why a number of a list is left out; a closed set, since scripts read it."""

    NO_NUMBER = "no_number"
    """The line has none."""
    NOT_A_NUMBER = "not_a_number"
    """It is an address, a user, a setting, or of another list of that system."""
    NOT_A_CALLER = "not_a_caller"
    """Hidden, service, too short, not valid or in `never_block`."""
    SERVICE = "service"
    """In the range of a service number that the configuration names: a person may block it, after asking."""
    NOT_IN_FORCE = "not_in_force"
    """The other system itself turns nobody away by it."""
    NO_TIME = "no_time"
    OVER = "over"
    """It ended already."""
    DUPLICATE = "duplicate"
    ALLOWED = "allowed"
    BLOCKED = "blocked"
    GENUINE = "genuine"
    OBJECTED = "objected"
    RELEASED = "released"
    """The same file has brought the number before, and the block has ended since."""


class Wanted(NamedTuple):
    """A number that is to be brought in. `until` None: permanently, or on the allow list."""

    line: int
    caller: Caller
    until: Millis | None
    reason: str


@dataclass(frozen=True, slots=True)
class Import:
    """One file brought in: for which list, by whom, when; by its digest (SHA-256) it is known again."""

    kind: Kind
    file: str
    digest: str
    at: Millis
    by: str
    reason: str

    @property
    def mark(self) -> str:
        """The file, as it stands in the reason of each block."""
        return f"[{self.digest[:MARK_DIGITS]}]"

    def why(self, own: str) -> str:
        """Say why a number is on the list: what the file says of it, the file, and the person's reason."""
        source = f"{self.file} {self.mark}: {self.reason}"
        return f"{own} ({source})" if own else source

    def block(self, wanted: Wanted) -> Block:
        """Give the block that a number gets."""
        return Block(
            level=Level.PERMANENT if wanted.until is None else Level.TEMPORARY,
            since=self.at,
            until=wanted.until,
            origin=Origin.IMPORT,
            reason=self.why(wanted.reason),
            by=self.by,
        )

    def entry(self, wanted: Wanted) -> AllowEntry:
        """Give the place on the allow list that a number gets."""
        return AllowEntry(self.at, self.by, self.why(wanted.reason))


def refusal(
    record: CallerRecord, wanted: Wanted, brought: Import, now: Millis, rules: PolicyRules
) -> Refusal | None:
    """Say why a number is left out; None if it is to be brought in."""
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
    """Say that this very file brought the number before: what it says holds already, or was ended."""
    for block in record.blocks:
        taken_back = block.lifted is not None and block.lifted.reason == TAKEN_BACK
        if block.origin is Origin.IMPORT and brought.mark in block.reason and not taken_back:
            return Refusal.RELEASED if block.over_at(now) else Refusal.BLOCKED
    return None


def bring(record: CallerRecord, wanted: Wanted, brought: Import) -> CallerRecord:
    """Put a number on the list."""
    if brought.kind is Kind.ALLOW:
        return decisions.allow(record, brought.entry(wanted))
    return decisions.bring_in(record, brought.block(wanted))


def take_back(record: CallerRecord, wanted: Wanted, brought: Import, at: Millis) -> CallerRecord:
    """Undo `bring`."""
    if brought.kind is Kind.ALLOW:
        return decisions.take_off(record, brought.entry(wanted))
    taken = Lift(at, brought.by, TAKEN_BACK, forgives=False, mistake=True)
    return decisions.take_out(record, brought.block(wanted), taken)
