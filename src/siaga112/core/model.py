"""The domain's vocabulary as types.

Times are `Millis`: integer milliseconds since the Unix epoch. They come from event timestamps, never from
this machine's clock, so a live call, a test and a replay lead to the same decision.
"""

from enum import StrEnum
from typing import Final, NamedTuple, NewType

from siaga112.core.values import value

Millis = int
"""Milliseconds: since the epoch for an instant, a plain number for a span."""

SECOND: Final[Millis] = 1_000
HOUR: Final[Millis] = 3_600 * SECOND
DAY: Final[Millis] = 24 * HOUR

FIRST_INSTANT: Final[Millis] = 946_684_800_000
"""2000-01-01 UTC. An earlier time from the PBX is damaged or forged."""

LAST_INSTANT: Final[Millis] = 4_102_444_800_000
"""2100-01-01 UTC. From here on, a time from the PBX is damaged or forged."""

TOLERANCE: Final[Millis] = 600 * SECOND
"""How far two clocks (the PBX's, ours, another machine's) may differ before calls no longer cost strikes."""

END_OF_TIME: Final[Millis] = 10_413_792_000_000
"""2300-01-01 UTC. Later than every time we write, including the end of a block of a century."""


def credible(at: Millis) -> bool:
    """Return whether a call can have taken place at this instant."""
    return FIRST_INSTANT <= at < LAST_INSTANT


def due(last: Millis, now: Millis, every: Millis) -> bool:
    """Return whether a periodic task is due again. If the clock was set back, it is due at once."""
    return not 0 <= now - last < every


CallId = NewType("CallId", str)
"""The uniqueid of the caller's channel, as in the PBX's own logs."""

Caller = NewType("Caller", str)
"""A caller in E.164 (`+6281234567890`) or as a keyed hash. See `caller_id`."""


class Outcome(StrEnum):
    """How a call ended: exactly one per call. Members are in order of precedence."""

    BLOCKED = "blocked"
    ANSWERED = "answered"
    UNKNOWN = "unknown"
    UNSERVED = "unserved"
    ABANDONED = "abandoned"
    IVR_PRANK = "ivr_prank"


class Reason(StrEnum):
    """Why a call got its outcome. A closed set, because it is a metric label."""

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
    BEFORE_QUEUE = "before_queue"
    LEFT_CHOOSING = "left_choosing"
    AFTER_CHOICE = "after_choice"
    LEFT_MENU = "left_menu"
    INVALID_CHOICE = "invalid_choice"
    NO_CHOICE = "no_choice"


class Mark(StrEnum):
    """How the operator classifies an answered call."""

    GENUINE = "genuine"
    INFORMATION = "information"
    SILENT = "silent"
    """Nobody speaks: a pocket call, a dead line, or somebody who cannot speak. Not a misuse by itself."""
    PRANK = "prank"


class HandedOver(StrEnum):
    """How a caller was handed over to somebody else."""

    BLIND = "blind"
    ATTENDED = "attended"
    """The operator spoke to the target first."""
    TOLD = "told"
    """The operator informed the target by radio or telephone, and noted that with the mark."""


class Verdict(StrEnum):
    """The answer to the dialplan's screening request."""

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
    IMPORT = "import"
    """A person, with a list from another system (`siaga112 import`)."""


class Spared(StrEnum):
    """Why a misuse cost no strike."""

    MODE_OFF = "mode_off"
    STARTING = "starting"
    """The daemon did not know the site's mode yet, and it may be off."""
    SURGE = "surge"
    ALLOW_LISTED = "allow_listed"
    OVERLAP = "overlap"
    """Another call from the number was up at the same time: either of them may be spoofed."""
    CLOCK = "clock"
    """The PBX's clock and ours differed too much."""


class Discounted(StrEnum):
    """Why a recorded strike does not count at a given instant."""

    OVERLAP = "overlap"
    SEVERAL_TRUNKS = "several_trunks"
    OLD = "old"
    FORGIVEN = "forgiven"
    AHEAD = "ahead"
    """Its time is in the future."""
    BURST = "burst"
    NOT_A_MISUSE = "not_a_misuse"
    """The rules now in force do not count it; the rules at the time did."""


class ProposalCause(StrEnum):
    """Why a person must decide about a block."""

    POLICY = "policy"
    HOURLY_CAP = "hourly_cap"
    PROTECTED = "protected"
    REVIEW = "review"
    """A permanent block is old: a person must decide whether it stays."""


class Mode(StrEnum):
    """The site's enforcement: `off` gives neither blocks nor strikes, `observe` never rejects a caller."""

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
    """What a logged-in operator is doing."""

    AVAILABLE = "available"
    BUSY = "busy"
    PAUSED = "paused"


QUEUE_LOG: Final = "queue_log"
"""The detail of the first and the last fact of a call that only queue_log shows."""


class FactKind(StrEnum):
    """What the tracker saw happen to a call. Classification rules read facts and nothing else."""

    ARRIVED = "arrived"
    ADOPTED = "adopted"
    GAP = "gap"
    CLOCK_OFF = "clock_off"
    SCREENED = "screened"
    REJECTED = "rejected"
    MENU = "menu"
    INVALID_CHOICE = "invalid_choice"
    NO_CHOICE = "no_choice"
    KEYED = "keyed"
    """The caller pressed a key after the menu's last prompt. The digit is not kept."""
    QUEUED = "queued"
    RINGING = "ringing"
    CONNECTED = "connected"
    PARTED = "parted"
    HANDED_OVER = "handed_over"
    GAVE_UP = "gave_up"
    LEFT_MENU = "left_menu"
    LEFT_CHOICE = "left_choice"
    """The caller hung up in what they chose in the menu: an announcement, a message, another service."""
    SERVED = "served"
    BESIDE = "beside"
    """Another call from the number was up at the same time; `detail` is its id."""
    LEFT_BEFORE_QUEUE = "left_before_queue"
    LEFT_QUEUE = "left_queue"
    LEFT_RINGING = "left_ringing"
    LEFT_ARRIVAL = "left_arrival"
    LEFT = "left"
    MENU_HUNG_UP = "menu_hung_up"
    MARKED = "marked"
    ENDED = "ended"


@value
class Fact:
    """One thing seen on a call, its time, and the detail that matters (a queue, a status, a mark)."""

    at: Millis
    kind: FactKind
    detail: str = ""


@value
class Call:
    """An ended call: what was seen of it, in order."""

    id: CallId
    raw_caller: str
    caller: Caller | None
    identified: bool
    """Whether the dialplan's own screening confirmed the number. Without that, there is no strike."""
    facts: tuple[Fact, ...]
    trunk: str = ""
    """The trunk of the call (`arrivals.trunk_of`); '' if unknown."""
    attested: bool = False
    """Whether the caller's exchange vouches for the number (`SIAGA_ATTESTED`)."""
    recording: str = ""
    """The PBX's name for the recording of the call; '' if it is not recorded."""

    @property
    def started(self) -> Millis:
        """When the call was first seen."""
        return self.facts[0].at

    @property
    def ended(self) -> Millis:
        """When the caller's channel ended. A mark may come later."""
        last = self.facts[-1]
        return last.at if last.kind is not FactKind.MARKED else (self.last(FactKind.ENDED) or last).at

    @property
    def mark(self) -> tuple[Mark, str] | None:
        """The operator's last mark, and who gave it in the PBX's terms; None if there is no mark."""
        marked = self.last(FactKind.MARKED)
        if marked is None:
            return None
        mark, _, by = marked.detail.partition(" ")
        return Mark(mark), by

    @property
    def marked_later(self) -> bool:
        """Whether this is a repeat of the call with a mark that was given after its end."""
        return self.facts[-1].kind is FactKind.MARKED

    @property
    def from_queue_log(self) -> bool:
        """Whether only queue_log shows this call."""
        return self.facts[0].kind is FactKind.ADOPTED and self.facts[0].detail == QUEUE_LOG

    @property
    def complete(self) -> bool:
        """Whether the call was seen from its start, without lost events."""
        return self.first(FactKind.ADOPTED, FactKind.GAP) is None

    @property
    def timed(self) -> bool:
        """Whether the PBX's clock and ours agreed during the call, as far as was seen."""
        return self.first(FactKind.CLOCK_OFF) is None

    @property
    def alone(self) -> bool:
        """Whether no other call from the number was seen at the same time."""
        return self.first(FactKind.BESIDE) is None

    def first(self, *kinds: FactKind) -> Fact | None:
        """Return the earliest fact of one of these kinds."""
        for fact in self.facts:  # no generator, for speed: this runs a dozen times per call
            if fact.kind in kinds:
                return fact
        return None

    def last(self, *kinds: FactKind) -> Fact | None:
        """Return the latest fact of one of these kinds."""
        for fact in reversed(self.facts):
            if fact.kind in kinds:
                return fact
        return None


@value
class OperatorNow:
    """A logged-in operator, by name, as of now.

    `reason`: why the operator is paused, '' if none is given. `since`: when this state began, 0 if unknown.
    """

    name: str
    state: OperatorState
    reason: str = ""
    since: Millis = 0


@value
class CallInProgress:
    """A call in progress, as of now. `since`: when this stage began.

    `queue`, `screened` (the verdict and its reason) and `operator` (the name of who talks to the caller) are
    '' while there is none.
    """

    call: CallId
    caller: Caller | None
    started: Millis
    stage: Stage
    since: Millis
    queue: str = ""
    screened: str = ""
    operator: str = ""


@value
class Stages:
    """How long a call spent in each stage; None for a stage it never reached."""

    ivr: Millis | None = None
    wait: Millis | None = None
    ring: Millis | None = None
    talk: Millis | None = None

    @property
    def waited(self) -> Millis | None:
        """How long the caller waited for an operator: in the queue, or ringing if there is no queue."""
        return self.ring if self.wait is None else self.wait


@value
class Handover:
    """A hand-over of a caller: when, how and to which target.

    `agency`: the target's name in the configuration, '' if it has none. `reached`: after how many ms the
    target answered, None if nobody did.
    """

    at: Millis
    how: HandedOver
    target: str
    agency: str = ""
    reached: Millis | None = None


@value
class Finding:
    """A call with its one outcome, and the facts that decided it.

    `operator`: who answered, by name if known; `marked_by`: who gave the mark, likewise. `kind`, `district`:
    what a genuine report was about, and where.
    """

    call: Call
    outcome: Outcome
    reason: Reason
    deciding: tuple[Fact, ...]
    stages: Stages
    queue: str | None = None
    verdict: Verdict | None = None
    mark: Mark | None = None
    operator: str | None = None
    marked_by: str | None = None
    handovers: tuple[Handover, ...] = ()
    kind: str | None = None
    district: str | None = None


class CallSummary(NamedTuple):
    """A row of the ledger without the call's facts, for lists."""

    id: CallId
    started: Millis
    ended: Millis
    caller: Caller | None
    raw_caller: str
    outcome: Outcome
    reason: Reason
    queue: str | None
    stages: Stages
    mark: Mark | None
    verdict: Verdict | None
    strike: bool
    spared: Spared | None
    operator: str | None = None
    handed_to: str | None = None
    """The target of the last hand-over: the agency's name, or the number dialled."""
    kind: str | None = None
    district: str | None = None
    recording: str = ""


@value
class Entry:
    """A row of the ledger: the finding, and whether it cost a strike. `spared`: why a misuse cost none."""

    finding: Finding
    strike: bool
    spared: Spared | None = None

    @property
    def summary(self) -> CallSummary:
        """This row without the call's facts."""
        finding, call = self.finding, self.finding.call
        return CallSummary(
            call.id,
            call.started,
            call.ended,
            call.caller,
            call.raw_caller,
            finding.outcome,
            finding.reason,
            finding.queue,
            finding.stages,
            finding.mark,
            finding.verdict,
            self.strike,
            self.spared,
            finding.operator,
            finding.handovers[-1].agency or finding.handovers[-1].target if finding.handovers else None,
            finding.kind,
            finding.district,
            call.recording,
        )


@value
class Reached:
    """An operator called this caller back and reached them."""

    at: Millis
    caller: Caller


class Via(StrEnum):
    """The interface through which somebody did something."""

    CLI = "cli"
    CONSOLE = "console"
    API = "api"
    PHONE = "phone"
    DAEMON = "daemon"
    """No person: the centre's rules did it."""


@value
class AuditEntry:
    """A line of the audit trail: what somebody did. `subject` is a caller, a call or the site."""

    at: Millis
    by: str
    action: str
    subject: str
    detail: str = ""
    reason: str = ""
    via: Via = Via.CLI
