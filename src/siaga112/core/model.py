"""Every word of the domain as a type.

Times are `Millis`: integer milliseconds since the Unix epoch, taken from event timestamps, never
from this machine's clock, so that a live call, a test and a replay are decided alike.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, NewType

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


def due(last: Millis, now: Millis, every: Millis) -> bool:
    """Say whether to do again what was last done then; a clock that was set back does not put it off."""
    return not 0 <= now - last < every


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
    BEFORE_QUEUE = "before_queue"
    LEFT_CHOOSING = "left_choosing"
    AFTER_CHOICE = "after_choice"
    LEFT_MENU = "left_menu"
    INVALID_CHOICE = "invalid_choice"
    NO_CHOICE = "no_choice"


class Mark(StrEnum):
    """What the operator says of an answered call."""

    GENUINE = "genuine"
    INFORMATION = "information"
    SILENT = "silent"
    """Nobody speaks: a pocket, a line gone dead, or somebody who cannot. No misuse by itself."""
    PRANK = "prank"


class HandedOver(StrEnum):
    """How a caller was handed over to somebody else."""

    BLIND = "blind"
    ATTENDED = "attended"
    """The operator asked there first."""
    TOLD = "told"
    """By radio or telephone, as the operator noted with the mark."""


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
    IMPORT = "import"
    """A person, with a list of another system (`siaga112 import`)."""


class Spared(StrEnum):
    """Why a misuse that would have cost a strike cost none."""

    MODE_OFF = "mode_off"
    STARTING = "starting"
    """The daemon had not read the site's mode yet: it may be off."""
    SURGE = "surge"
    ALLOW_LISTED = "allow_listed"
    OVERLAP = "overlap"
    """Another call of the number was up at the same moment: which of them is its owner's is not known."""
    CLOCK = "clock"
    """The PBX's clock and our own were too far apart."""


class Discounted(StrEnum):
    """Why a strike that is held counts for nothing at an instant."""

    OVERLAP = "overlap"
    SEVERAL_TRUNKS = "several_trunks"
    OLD = "old"
    FORGIVEN = "forgiven"
    AHEAD = "ahead"
    """Its time is still to come."""
    BURST = "burst"
    NOT_A_MISUSE = "not_a_misuse"
    """By the rules in force, which were others when it was given."""


class ProposalCause(StrEnum):
    """Why a block was left to a person to decide."""

    POLICY = "policy"
    HOURLY_CAP = "hourly_cap"
    PROTECTED = "protected"
    REVIEW = "review"
    """A permanent block that has held for long: whether it goes on is a person's decision."""


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
    KEYED = "keyed"
    """A key was pressed after the menu's last prompt; which one is not kept."""
    QUEUED = "queued"
    RINGING = "ringing"
    CONNECTED = "connected"
    PARTED = "parted"
    HANDED_OVER = "handed_over"
    GAVE_UP = "gave_up"
    LEFT_MENU = "left_menu"
    LEFT_CHOICE = "left_choice"
    """The caller left what the menu had led to by choice: an announcement, a message, another service."""
    SERVED = "served"
    BESIDE = "beside"
    """Another call of the number was up meanwhile, of that id."""
    LEFT_BEFORE_QUEUE = "left_before_queue"
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
    recording: str = ""
    """The file into which the PBX records the call, as it names it; '' where it does not."""

    @property
    def started(self) -> Millis:
        """When the PBX first showed the call to us."""
        return self.facts[0].at

    @property
    def ended(self) -> Millis:
        """When the caller's channel went; a mark may come later."""
        last = self.facts[-1]
        return last.at if last.kind is not FactKind.MARKED else (self.last(FactKind.ENDED) or last).at

    @property
    def mark(self) -> tuple[Mark, str] | None:
        """The operator's last mark, and whose it is as the PBX shows it; None where there is none."""
        marked = self.last(FactKind.MARKED)
        if marked is None:
            return None
        mark, _, by = marked.detail.partition(" ")
        return Mark(mark), by

    @property
    def marked_later(self) -> bool:
        """Say whether this tells the call once more, with a mark that was given after its end."""
        return self.facts[-1].kind is FactKind.MARKED

    @property
    def complete(self) -> bool:
        """Say whether the call was seen from its beginning, with nothing lost on the way."""
        return self.first(FactKind.ADOPTED, FactKind.GAP) is None

    @property
    def timed(self) -> bool:
        """Say whether the PBX's clock and our own agreed, as far as that was to be seen."""
        return self.first(FactKind.CLOCK_OFF) is None

    @property
    def alone(self) -> bool:
        """Say whether no other call of the number was seen up meanwhile."""
        return self.first(FactKind.BESIDE) is None

    def first(self, *kinds: FactKind) -> Fact | None:
        """Give the earliest fact of one of these kinds."""
        for fact in self.facts:  # no generator: a dozen times a call
            if fact.kind in kinds:
                return fact
        return None

    def last(self, *kinds: FactKind) -> Fact | None:
        """Give the latest fact of one of these kinds."""
        for fact in reversed(self.facts):
            if fact.kind in kinds:
                return fact
        return None


@dataclass(frozen=True, slots=True)
class OperatorNow:
    """An operator who is logged in, by name, as of now. `since`: in this state, 0 where that is not known.

    `reason`: why the operator is paused; '' where none is given.
    """

    name: str
    state: OperatorState
    reason: str = ""
    since: Millis = 0


@dataclass(frozen=True, slots=True)
class CallInProgress:
    """A call that is not over, as it is now. `since`: in this stage.

    `queue`, `screened` (the verdict and its reason) and `operator` (who talks with the caller, by name)
    are '' while there is none.
    """

    call: CallId
    caller: Caller | None
    started: Millis
    stage: Stage
    since: Millis
    queue: str = ""
    screened: str = ""
    operator: str = ""


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
class Handover:
    """A caller was handed over to somebody else: when, how, where to, and after what time that answered.

    `agency`: its name in the configuration, '' for what is none. `reached` None: nobody answered there.
    """

    at: Millis
    how: HandedOver
    target: str
    agency: str = ""
    reached: Millis | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A call with its one outcome, and the facts that decided it.

    `operator`: who answered, by name where one is known; `marked_by`: whose key the mark is, likewise.
    `kind`, `district`: of a genuine report.
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
    """A row of the ledger without what was seen of the call: what lists show."""

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
    """To whom last: the agency's name, or what was dialled."""
    kind: str | None = None
    district: str | None = None
    recording: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the ledger: the finding, and whether it cost the caller a strike, or why it did not."""

    finding: Finding
    strike: bool
    spared: Spared | None = None

    @property
    def summary(self) -> CallSummary:
        """The same without what was seen of the call."""
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


@dataclass(frozen=True, slots=True)
class Reached:
    """An operator called this caller back, and they were connected."""

    at: Millis
    caller: Caller


class Via(StrEnum):
    """Through which door a person did something."""

    CLI = "cli"
    CONSOLE = "console"
    API = "api"
    PHONE = "phone"
    DAEMON = "daemon"
    """Nobody's: what the centre's own rules bring by themselves."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What a person did: a line of the audit trail. `subject` is a caller, a call or the site."""

    at: Millis
    by: str
    action: str
    subject: str
    detail: str = ""
    reason: str = ""
    via: Via = Via.CLI
