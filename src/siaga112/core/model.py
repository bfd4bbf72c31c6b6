"""Every word of the domain as a type.

Times are `Millis`: integer milliseconds since the Unix epoch, taken from event timestamps, never
from this machine's clock, so that a live call, a test and a replay are decided alike.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NewType

Millis = int
"""Milliseconds: since the epoch for an instant, plain for a span."""

SECOND: Final[Millis] = 1_000
HOUR: Final[Millis] = 3_600 * SECOND
DAY: Final[Millis] = 24 * HOUR

FIRST_INSTANT: Final[Millis] = 946_684_800_000
"""2000-01-01 UTC: the PBX tells of nothing before it."""

LAST_INSTANT: Final[Millis] = 4_102_444_800_000
"""2100-01-01 UTC: nor of anything from then on. What says so is damaged or forged."""

TOLERANCE: Final[Millis] = 600 * SECOND
"""How far clocks may be apart before no strike rests on them: the PBX's, ours, another machine's."""

END_OF_TIME: Final[Millis] = 10_413_792_000_000
"""2300-01-01 UTC: nothing that we write lies after it, a block of a century included."""


def credible(at: Millis) -> bool:
    """Say whether an instant is one at which a call of the PBX can have been."""
    return FIRST_INSTANT <= at < LAST_INSTANT


CallId = NewType("CallId", str)
"""The uniqueid of the caller's channel, as the PBX writes it in its own logs."""

Caller = NewType("Caller", str)
"""A caller in E.164 (`+6281234567890`). Made only by `caller_id.canonical`."""


class Outcome(StrEnum):
    """How a call ended: exactly one per call. The order is the precedence."""

    BLOCKED = "blocked"
    ANSWERED = "answered"
    UNKNOWN = "unknown"
    UNSERVED = "unserved"
    ABANDONED = "abandoned"
    IVR_PRANK = "ivr_prank"


class Reason(StrEnum):
    """Why a call got its outcome; a closed set, since it is a metric label."""

    REJECTED = "rejected"
    OPERATOR = "operator"
    EVENTS_LOST = "events_lost"
    SEEN_IN_PART = "seen_in_part"
    NO_EVIDENCE = "no_evidence"
    QUEUE_TIMEOUT = "queue_timeout"
    QUEUE_FULL = "queue_full"
    QUEUE_EMPTY = "queue_empty"
    QUEUE_UNAVAILABLE = "queue_unavailable"
    QUEUE_WITHDRAWN = "queue_withdrawn"
    NO_ANSWER = "no_answer"
    OPERATORS_BUSY = "operators_busy"
    CONGESTION = "congestion"
    LEFT_QUEUE = "left_queue"
    LEFT_RINGING = "left_ringing"
    DROPPED_EARLY = "dropped_early"
    BEFORE_MENU = "before_menu"
    LEFT_MENU = "left_menu"
    INVALID_CHOICE = "invalid_choice"
    NO_CHOICE = "no_choice"


class Mark(StrEnum):
    """What the operator says of an answered call."""

    GENUINE = "genuine"
    INFORMATION = "information"
    PRANK = "prank"


class Verdict(StrEnum):
    """The answer to the dialplan's question."""

    ALLOW = "ALLOW"
    BLOCK = "BLOCK"


class Treatment(StrEnum):
    """What the dialplan does with a blocked caller."""

    REJECT = "reject"
    ANNOUNCE = "announce"
    CHALLENGE = "challenge"
    DEPRIORITISE = "deprioritise"


class Level(StrEnum):
    """How long a block lasts."""

    TEMPORARY = "temporary"
    PERMANENT = "permanent"


class Origin(StrEnum):
    """Who imposed a block."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


class Spared(StrEnum):
    """Why a misuse that would have cost a strike cost none."""

    MODE_OFF = "mode_off"
    STARTING = "starting"
    """The daemon had not read the site's mode yet: it may be off."""
    SURGE = "surge"
    ALLOW_LISTED = "allow_listed"
    OVERLAP = "overlap"
    CLOCK = "clock"
    """The PBX's clock and our own were too far apart."""


class ProposalCause(StrEnum):
    """Why a block was left to a person to decide."""

    POLICY = "policy"
    HOURLY_CAP = "hourly_cap"
    PROTECTED = "protected"


class Mode(StrEnum):
    """How far the site goes: `off` gives neither blocks nor strikes, `observe` never rejects."""

    OBSERVE = "observe"
    ENFORCE = "enforce"
    OFF = "off"


class Stage(StrEnum):
    """Where a call in progress is."""

    SCREENING = "screening"
    IVR = "ivr"
    QUEUE = "queue"
    TALKING = "talking"


class OperatorState(StrEnum):
    """What an operator who is logged in does."""

    AVAILABLE = "available"
    BUSY = "busy"
    PAUSED = "paused"


class FactKind(StrEnum):
    """What the tracker saw happen to a call. A classification rule reads these and nothing else."""

    ARRIVED = "arrived"
    ADOPTED = "adopted"
    GAP = "gap"
    CLOCK_OFF = "clock_off"
    SCREENED = "screened"
    REJECTED = "rejected"
    MENU = "menu"
    INVALID_CHOICE = "invalid_choice"
    NO_CHOICE = "no_choice"
    QUEUED = "queued"
    RINGING = "ringing"
    CONNECTED = "connected"
    PARTED = "parted"
    GAVE_UP = "gave_up"
    LEFT_MENU = "left_menu"
    LEFT_QUEUE = "left_queue"
    LEFT_RINGING = "left_ringing"
    LEFT_ARRIVAL = "left_arrival"
    LEFT = "left"
    MENU_HUNG_UP = "menu_hung_up"
    MARKED = "marked"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing seen on a call, when, and the detail that matters (a queue, a status, a mark)."""

    at: Millis
    kind: FactKind
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is over: what was seen of it, in order."""

    id: CallId
    raw_caller: str
    caller: Caller | None
    identified: bool
    """Whether the dialplan's own screening confirmed the number: without that, no strike."""
    facts: tuple[Fact, ...]
    trunk: str = ""
    """Over which trunk it came (`arrivals.trunk_of`); '' where that is not known."""
    attested: bool = False
    """Whether the PBX showed that the caller's exchange vouches for the number (`SIAGA_ATTESTED`)."""

    @property
    def started(self) -> Millis:
        """When the PBX first showed the call to us."""
        return self.facts[0].at

    @property
    def ended(self) -> Millis:
        """When the caller's channel went."""
        return self.facts[-1].at

    @property
    def complete(self) -> bool:
        """Say whether the call was seen from its beginning, with nothing lost on the way."""
        return self.first(FactKind.ADOPTED, FactKind.GAP) is None

    @property
    def timed(self) -> bool:
        """Say whether the PBX's clock and our own agreed, as far as that was to be seen."""
        return self.first(FactKind.CLOCK_OFF) is None

    def first(self, *kinds: FactKind) -> Fact | None:
        """Give the earliest fact of one of these kinds."""
        return next((fact for fact in self.facts if fact.kind in kinds), None)

    def last(self, *kinds: FactKind) -> Fact | None:
        """Give the latest fact of one of these kinds."""
        return next((fact for fact in reversed(self.facts) if fact.kind in kinds), None)


@dataclass(frozen=True, slots=True)
class CallInProgress:
    """A call that is not over, as it is now. `since`: in this stage.

    `queue` and `screened` (the verdict and its reason) are '' while there is none.
    """

    call: CallId
    caller: Caller | None
    started: Millis
    stage: Stage
    since: Millis
    queue: str = ""
    screened: str = ""


@dataclass(frozen=True, slots=True)
class Stages:
    """How long a call spent where; None where it never was."""

    ivr: Millis | None = None
    wait: Millis | None = None
    ring: Millis | None = None
    talk: Millis | None = None

    @property
    def waited(self) -> Millis | None:
        """How long the caller waited for an operator: in the queue; ringing, where there is none."""
        return self.ring if self.wait is None else self.wait


@dataclass(frozen=True, slots=True)
class Finding:
    """A call with its one outcome, and the facts that decided it."""

    call: Call
    outcome: Outcome
    reason: Reason
    deciding: tuple[Fact, ...]
    stages: Stages
    queue: str | None = None
    verdict: Verdict | None = None
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the ledger: the finding, and whether it cost the caller a strike, or why it did not."""

    finding: Finding
    strike: bool
    spared: Spared | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """An operator called this caller back, and they were connected."""

    at: Millis
    caller: Caller


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

    def overlaps(self, other: "Strike") -> bool:
        """Say whether both calls were up at one moment. A call may begin where the other ends."""
        mine = self.at if self.begun is None else self.begun
        theirs = other.at if other.begun is None else other.begun
        return mine < other.at and theirs < self.at


@dataclass(frozen=True, slots=True)
class Lift:
    """The end that a person, or a corrected mark, put to a block before its time.

    A person's decision forgives all misuse before it; a corrected mark only takes itself back.
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
    """Give the block that ends last."""
    return max(blocks, key=lambda block: (block.until is None, block.until or 0), default=None)


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
class GenuineReport:
    """A call that an operator marked genuine."""

    call: CallId
    at: Millis


@dataclass(frozen=True, slots=True)
class MissedCall:
    """An abandoned call that nobody has answered since, and how long the caller had waited."""

    call: CallId
    at: Millis
    wait: Millis


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


@dataclass(frozen=True, slots=True)
class CallerRecord:
    """All that is held on one caller; the unit that the store reads and writes as a whole.

    However often somebody calls, it stays small: `core.bounds`.
    """

    caller: Caller
    strikes: tuple[Strike, ...] = ()
    blocks: tuple[Block, ...] = ()
    allow: AllowEntry | None = None
    withdrawn: frozenset[CallId] = field(default_factory=frozenset)
    """Calls whose strike was taken back: a late duplicate must not bring it back."""
    proposals: tuple[Proposal, ...] = ()
    reports: tuple[GenuineReport, ...] = ()
    missed: tuple[MissedCall, ...] = ()
    """What `siaga112 callbacks` lists, oldest first."""
    reached: Millis = 0
    """When an operator last spoke with the caller: no abandoned call before it is missed."""
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

    def block_at(self, now: Millis) -> Block | None:
        """Give the block in force at that instant that ends last."""
        return longest(block for block in self.blocks if block.holds_at(now))

    def block_after(self, now: Millis) -> Block | None:
        """Give the block that is not over at that instant, begun or not, that ends last."""
        return longest(block for block in self.blocks if not block.over_at(now))


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What a person did: a line of the audit trail. `subject` is a caller, a call or the site."""

    at: Millis
    by: str
    action: str
    subject: str
    detail: str = ""
    reason: str = ""


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
