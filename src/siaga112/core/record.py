"""All that is held on one caller, as values."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from siaga112.core.model import Caller, CallId, Level, Millis, Origin, Outcome, ProposalCause, Reason
from siaga112.core.unserved import REASONS

UNSERVED: Final = frozenset(REASONS.values())
"""Why we failed to serve somebody."""

CHOSEN: Final = frozenset({Reason.LEFT_CHOOSING, Reason.AFTER_CHOICE})
"""Why somebody left who had used the menu."""


@dataclass(frozen=True, slots=True)
class Strike:
    """One misuse held against a caller: the call it rests on, and why (a `Reason`, or the mark `prank`).

    `at`: when the call ended; `begun`: when it began, None where that was not kept. `trunk` and `attested`
    are the call's: how far its number is to be believed.
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
        """When the call ended; of two in one moment, either is first, and always the same one."""
        return self.at, self.call

    @property
    def began(self) -> Millis:
        """When the call began; where that was not kept, when it ended."""
        return self.at if self.begun is None else self.begun

    def overlaps(self, other: "Strike") -> bool:
        """Say whether both calls were up at one moment. A call may begin where the other ends."""
        return self.began < other.at and other.began < self.at


@dataclass(frozen=True, slots=True)
class Lift:
    """The end that a person, a corrected mark, or a doubt whose calls they were, put to a block early.

    A person's decision forgives all misuse before it; a corrected mark or a doubt takes only itself back.
    `mistake`: the block should never have been.
    """

    at: Millis
    by: str
    reason: str
    forgives: bool = True
    mistake: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A decision to keep a caller out: since when, until when, by whom and on what grounds.

    `step` is the step of the ladder that it is; 0 for a person's own decision.
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
        """Say whether the block is in force at that instant; its end is exclusive."""
        return self.since <= now and not self.over_at(now)

    def over_at(self, now: Millis) -> bool:
        """Say whether it has ended by then. One that has not may still have to begin: clocks differ."""
        return self.lifted is not None or (self.until is not None and now >= self.until)


def longest(blocks: Iterable[Block]) -> Block | None:
    """Give the block that ends last; of several that do, the one that began last."""
    return max(blocks, key=lambda block: (block.until is None, block.until or 0, block.since), default=None)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A block that the policy left to a supervisor. `span` None is for good; `decided` ends it."""

    at: Millis
    cause: ProposalCause
    span: Millis | None
    step: int
    reason: str
    calls: tuple[CallId, ...] = ()
    confirmed: bool = False
    decided: Lift | None = None


@dataclass(frozen=True, slots=True)
class Appeal:
    """A caller's objection to what is held against the number, as a case: `decided` ends it.

    `due`: until when the citizen is owed an answer. `suspends`: what was in force when it was made holds
    nobody back while it is open. `granted`: how it was decided; a decision that grants forgives.
    """

    at: Millis
    by: str
    reason: str
    due: Millis
    suspends: bool = False
    granted: bool = False
    decided: Lift | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Somebody keeps what is held on a caller as evidence: neither age nor `forget` takes it away."""

    at: Millis
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class GenuineReport:
    """A call that an operator marked genuine."""

    call: CallId
    at: Millis


@dataclass(frozen=True, slots=True)
class MissedCall:
    """A call of somebody whom no operator has spoken with since, how long he had waited, and why he waits.

    `reason`: the call's, or the mark `silent`; '' where it was not kept.
    """

    call: CallId
    at: Millis
    wait: Millis
    reason: str = ""

    @property
    def need(self) -> int:
        """How pressing a call-back is, 0 most: whom we failed, who left or was silent, who made a choice."""
        if self.reason in UNSERVED:
            return 0
        return 2 if self.reason in CHOSEN else 1


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was done to call somebody back, so far: who has taken it, when, how often it was tried, a note."""

    by: str
    at: Millis
    tries: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class AllowEntry:
    """A place on the allow list, which comes before everything."""

    at: Millis
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class DroppedCounts:
    """How much was once held on a caller beside what is (`core.bounds`): counts, with no more to tell."""

    strikes: int = 0
    missed: int = 0
    blocks: int = 0
    proposals: int = 0
    reports: int = 0
    withdrawn: int = 0
    appeals: int = 0


@dataclass(frozen=True, slots=True)
class CallerRecord:
    """All that is held on one caller; the unit that the store reads and writes as a whole.

    However often somebody calls, it stays small: `core.bounds`.
    """

    caller: Caller
    strikes: tuple[Strike, ...] = ()
    """In the order in which the calls ended (`Strike.order`)."""
    blocks: tuple[Block, ...] = ()
    allow: AllowEntry | None = None
    withdrawn: frozenset[CallId] = field(default_factory=frozenset)
    """Calls whose strike was taken back: a late duplicate must not bring it back."""
    proposals: tuple[Proposal, ...] = ()
    reports: tuple[GenuineReport, ...] = ()
    missed: tuple[MissedCall, ...] = ()
    """What `siaga112 callbacks` lists, oldest first."""
    attempt: Attempt | None = None
    """Who calls back, as far as it went; None once the caller was reached."""
    reached: Millis = 0
    """When an operator last spoke with the caller: no abandoned call before it is missed."""
    appeals: tuple[Appeal, ...] = ()
    """Objections, in the order in which they were made; one at most is open."""
    hold: Hold | None = None
    """Who keeps all of this as evidence, and why; None for nobody."""
    dropped: DroppedCounts = DroppedCounts()
    forgotten: Millis = 0
    """When the caller was last erased: of what began before it nothing may be written with the number."""

    @property
    def blocks_changed(self) -> Millis | None:
        """When a block of the caller last began, or was lifted."""
        return max((b.lifted.at if b.lifted else b.since for b in self.blocks), default=None)

    @property
    def proposed(self) -> Proposal | None:
        """The proposal that waits for a supervisor's decision."""
        return next((proposal for proposal in self.proposals if proposal.decided is None), None)

    @property
    def appeal(self) -> Appeal | None:
        """The objection that waits for a decision."""
        return next((appeal for appeal in self.appeals if appeal.decided is None), None)

    def suspended(self, block: Block) -> bool:
        """Say whether a block holds nobody back while the objection to it is open."""
        appeal = self.appeal
        return appeal is not None and appeal.suspends and block.since <= appeal.at

    def block_at(self, now: Millis) -> Block | None:
        """Give the block in force at that instant that ends last."""
        return longest(block for block in self.blocks if block.holds_at(now) and not self.suspended(block))

    def block_after(self, now: Millis) -> Block | None:
        """Give the block that is not over at that instant, begun or not, that ends last."""
        return longest(self.going_on(now))

    def going_on(self, now: Millis) -> list[Block]:
        """Give the blocks that are not over at that instant, begun or not (see `Block.over_at`)."""
        return [one for one in self.blocks if one.lifted is None and (one.until is None or now < one.until)]
