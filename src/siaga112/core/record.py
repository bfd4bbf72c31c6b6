"""The record of one caller, as immutable values."""

from collections.abc import Iterable
from dataclasses import field
from typing import Final

from siaga112.core.model import Caller, CallId, Level, Millis, Origin, Outcome, ProposalCause, Reason
from siaga112.core.unserved import REASONS
from siaga112.core.values import value

UNSERVED: Final = frozenset(REASONS.values())
"""Reasons of calls that we failed to serve."""

CHOSEN: Final = frozenset({Reason.LEFT_CHOOSING, Reason.AFTER_CHOICE})
"""Reasons of callers who hung up after a choice in the menu."""


URGENCY: Final = 10_000_000_000_000_000
"""More than any instant: urgency times this, plus the instant, sorts by both as one number."""


@value
class Strike:
    """One counted misuse: the call it rests on, and why (a `Reason`, or the mark `prank` or `silent`).

    `at`: when the call ended; `begun`: when it began, None if unknown. `trunk` and `attested` are copied from
    the call and show how credible its number is.
    """

    call: CallId
    at: Millis
    outcome: Outcome
    reason: str
    begun: Millis | None = None
    trunk: str = ""
    attested: bool = False

    @property
    def order(self) -> tuple[Millis, CallId]:
        """Sort key: when the call ended, then its id, so that the order of two calls is always the same."""
        return self.at, self.call

    @property
    def began(self) -> Millis:
        """When the call began, or when it ended if the start is unknown."""
        return self.at if self.begun is None else self.begun

    def overlaps(self, other: "Strike") -> bool:
        """Return whether both calls were up at the same time. One may begin exactly when the other ends."""
        return self.began < other.at and other.began < self.at


@value
class Lift:
    """The early end of a block or proposal: by a person, a corrected mark, or doubt about its calls.

    A person's decision forgives all misuse before it (`forgives`). A corrected mark or a doubt undoes only
    what rests on it. `mistake`: the block should never have been imposed.
    """

    at: Millis
    by: str
    reason: str
    forgives: bool = True
    mistake: bool = False


@value
class Block:
    """A decision to block a caller: since when, until when, by whom and why.

    `step`: the step of the ladder; 0 for a person's own decision.
    """

    level: Level
    since: Millis
    until: Millis | None
    origin: Origin
    reason: str
    by: str
    calls: tuple[CallId, ...] = ()
    lifted: Lift | None = None
    step: int = 0

    def holds_at(self, now: Millis) -> bool:
        """Return whether the block is in force at that instant. Its end is exclusive."""
        return self.since <= now and not self.over_at(now)

    def over_at(self, now: Millis) -> bool:
        """Return whether the block has ended by then. If not, it may not have begun yet, as clocks differ."""
        return self.lifted is not None or (self.until is not None and now >= self.until)


def longest(blocks: Iterable[Block]) -> Block | None:
    """Return the block that ends last; if several do, the one that began last."""
    return max(blocks, key=lambda block: (block.until is None, block.until or 0, block.since), default=None)


@value
class Proposal:
    """A block that a supervisor must decide about. `span`: its duration, None if permanent."""

    at: Millis
    cause: ProposalCause
    span: Millis | None
    step: int
    reason: str
    calls: tuple[CallId, ...] = ()
    confirmed: bool = False
    decided: Lift | None = None


@value
class Appeal:
    """A caller's appeal. It is open until it is `decided`.

    `due`: until when the centre must answer. `suspends`: blocks from before the appeal are suspended while
    it is open. `granted`: how it was decided; a decision that grants it forgives.
    """

    at: Millis
    by: str
    reason: str
    due: Millis
    suspends: bool = False
    granted: bool = False
    decided: Lift | None = None


@value
class Hold:
    """A hold on a caller's record as evidence: neither its age nor `forget` deletes it."""

    at: Millis
    by: str
    reason: str


@value
class GenuineReport:
    """A call that an operator marked genuine."""

    call: CallId
    at: Millis


@value
class MissedCall:
    """A call that needs a call-back: no operator has spoken to the caller since.

    `wait`: how long the caller waited. `reason`: that of the call, or the mark `silent`; '' if unknown.
    """

    call: CallId
    at: Millis
    wait: Millis
    reason: str = ""

    @property
    def need(self) -> int:
        """The urgency: 0 for a call we failed to serve, 2 after a choice in the menu, 1 for all others."""
        if self.reason in UNSERVED:
            return 0
        return 2 if self.reason in CHOSEN else 1


@value
class Attempt:
    """The state of a call-back: who has taken it, when, how many tries there were, and a note."""

    by: str
    at: Millis
    tries: int = 0
    note: str = ""


@value
class AllowEntry:
    """An entry on the allow list, which takes precedence over everything."""

    at: Millis
    by: str
    reason: str


@value
class DroppedCounts:
    """How many items of each kind `core.bounds` has dropped from a caller's record."""

    strikes: int = 0
    missed: int = 0
    blocks: int = 0
    proposals: int = 0
    reports: int = 0
    withdrawn: int = 0
    appeals: int = 0


@value
class CallerRecord:
    """Everything stored about one caller. The store reads and writes it as a whole.

    `core.bounds` keeps it small, however often somebody calls.
    """

    caller: Caller
    strikes: tuple[Strike, ...] = ()
    """In the order in which the calls ended (`Strike.order`)."""
    blocks: tuple[Block, ...] = ()
    allow: AllowEntry | None = None
    withdrawn: frozenset[CallId] = field(default_factory=frozenset)
    """Calls with a strike that was taken back, so that a late duplicate does not add it again."""
    proposals: tuple[Proposal, ...] = ()
    reports: tuple[GenuineReport, ...] = ()
    missed: tuple[MissedCall, ...] = ()
    """The call-backs that `siaga112 callbacks` lists, oldest first."""
    attempt: Attempt | None = None
    """The state of the call-back; None if nobody has taken it or the caller was reached."""
    reached: Millis = 0
    """When an operator last spoke to the caller. Abandoned calls before it need no call-back."""
    appeals: tuple[Appeal, ...] = ()
    """In the order in which they were made. At most one is open."""
    hold: Hold | None = None
    """Who holds this record as evidence, and why; None if nobody does."""
    dropped: DroppedCounts = DroppedCounts()
    forgotten: Millis = 0
    """When the caller was last erased. Calls that began before it must not be stored with the number."""

    @property
    def blocks_changed(self) -> Millis | None:
        """When a block of the caller last began or was lifted."""
        return max((b.lifted.at if b.lifted else b.since for b in self.blocks), default=None)

    @property
    def proposed(self) -> Proposal | None:
        """The pending proposal, if any."""
        return next((proposal for proposal in self.proposals if proposal.decided is None), None)

    @property
    def appeal(self) -> Appeal | None:
        """The open appeal, if any."""
        return next((appeal for appeal in self.appeals if appeal.decided is None), None)

    @property
    def pressing(self) -> int:
        """The place on the call-back list: the urgency of the most urgent call, then when it was."""
        return min((missed.need * URGENCY + missed.at for missed in self.missed), default=0)

    def suspended(self, block: Block) -> bool:
        """Return whether an open appeal suspends this block."""
        appeal = self.appeal
        return appeal is not None and appeal.suspends and block.since <= appeal.at

    def block_at(self, now: Millis) -> Block | None:
        """Return the block in force at that instant; if several are, the one that ends last."""
        return longest(block for block in self.blocks if block.holds_at(now) and not self.suspended(block))

    def block_after(self, now: Millis) -> Block | None:
        """Return the block not over at that instant, begun or not; if several, the one that ends last."""
        return longest(self.going_on(now))

    def going_on(self, now: Millis) -> list[Block]:
        """Return the blocks that have not ended by then, begun or not (see `Block.over_at`)."""
        return [one for one in self.blocks if one.lifted is None and (one.until is None or now < one.until)]
