"""The shapes of the API's requests and responses. The names are those of the commands' JSON."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from siaga112.core.access import Role
from siaga112.core.announcements import EventType
from siaga112.core.holdings import Ends, Kind, Numbers
from siaga112.core.model import (
    Discounted,
    HandedOver,
    Level,
    Mark,
    Mode,
    OperatorState,
    Origin,
    Outcome,
    ProposalCause,
    Reason,
    Spared,
    Stage,
    Treatment,
    Verdict,
    Via,
)
from siaga112.core.screening import ScreenReason
from siaga112.core.text import one_line
from siaga112.service.asking import Cause


def _why(text: str) -> str:
    if line := one_line(text):
        return line
    raise ValueError("say why, for the record")


WHY: Final = AfterValidator(_why)
"""Puts a reason on one line, as a command does; refuses a blank one."""

Text = Annotated[str, Field(max_length=500), AfterValidator(one_line)]
Why = Annotated[str, Field(min_length=1, max_length=500, description="Why, for the record."), WHY]
Number = Annotated[str, Field(min_length=1, max_length=64, description="A number in any spelling.")]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(_Shape):
    """An error, as RFC 9457 problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Said(_Shape):
    """The result of a decision in one sentence. `late`: where it is not in effect yet, and why."""

    said: str
    late: list[str] = []


class AskRow(_Shape):
    """A reason to ask for confirmation. `caller` None: it concerns all of them."""

    cause: Cause
    caller: str | None
    said: str


class AskFirst(Problem):
    """It may harm the wrong caller: nothing was done. Confirm by sending it again with `"yes": true`."""

    type: Literal["urn:siaga112:ask-first"]
    asks: list[AskRow]


class DoneRow(_Shape):
    """The result for one of several callers: the state now, or why nothing was done."""

    caller: str
    done: bool
    said: str


class Blocked(Said):
    """The result for each caller. `said` is one sentence for all."""

    results: list[DoneRow]


class Me(_Shape):
    """Who asks."""

    name: str
    role: Role
    via: Via
    numbers: bool
    may: list[str]


class CallRow(_Shape):
    """A call of the ledger. Without `reveal` numbers are masked, and `recording` is null: it may have one."""

    call: str
    started: datetime
    ended: datetime
    caller: str | None
    raw_caller: str
    outcome: Outcome
    reason: Reason
    queue: str | None
    ivr_seconds: float | None
    wait_seconds: float | None
    ring_seconds: float | None
    talk_seconds: float | None
    mark: Mark | None
    operator: str | None
    handed_to: str | None
    kind: str | None
    district: str | None
    recording: str | None
    verdict: Verdict | None
    strike: bool
    spared: Spared | None


class FactRow(_Shape):
    """One fact seen of a call."""

    at: datetime
    fact: str
    detail: str


class HandoverRow(_Shape):
    """To whom a caller was handed over."""

    at: datetime
    how: HandedOver
    target: str
    agency: str | None
    reached_seconds: float | None


class ExplainedCall(CallRow):
    """A call with its facts, and those that decided its outcome."""

    facts: list[FactRow]
    deciding: list[FactRow]
    handovers: list[HandoverRow]


class LiftRow(_Shape):
    """How a block was ended."""

    at: datetime
    by: str
    reason: str


class BlockRow(_Shape):
    """A block."""

    caller: str
    level: Level
    since: datetime
    until: datetime | None
    origin: Origin
    by: str
    reason: str
    calls: list[str]
    lifted: LiftRow | None


class BlockedRow(BlockRow):
    """A block in force, and whether the allow list overrides it."""

    allowed: bool


class ProposalRow(_Shape):
    """A proposed block that waits for a supervisor."""

    caller: str
    level: Level | None
    since: datetime | None
    cause: ProposalCause | None
    reason: str | None
    calls: list[str]


class ObjectionRow(_Shape):
    """A caller's objection; `granted` None: undecided, with the deadline `due`."""

    since: datetime
    due: datetime
    by: str
    reason: str
    suspends: bool
    granted: bool | None
    decided: LiftRow | None


class AppealRow(ObjectionRow):
    """An objection and its caller."""

    caller: str


class AllowedRow(_Shape):
    """An entry of the allow list."""

    caller: str
    since: datetime | None
    by: str | None
    reason: str | None


class HoldRow(_Shape):
    """A caller kept as evidence: since when, by whom, for which case."""

    caller: str
    since: datetime | None
    by: str | None
    reason: str | None


class HeldKind(_Shape):
    """How much is stored of a kind, and for how long. `count` None: it could not be read."""

    kind: Kind
    count: int | None
    oldest: datetime | None
    until: datetime | None
    ends: Ends
    kept: str | None
    setting: str | None
    numbers: Numbers


class HeldKinds(_Shape):
    """What is stored, by kind."""

    items: list[HeldKind]


class CallbackRow(_Shape):
    """A caller who waits for a call-back."""

    caller: str
    since: datetime
    last: datetime
    why: str | None
    times: int
    longest_wait_seconds: float
    taken_by: str | None
    taken: datetime | None
    tries: int
    note: str | None
    calls: list[str]


class AuditRow(_Shape):
    """What a person did."""

    at: datetime
    by: str
    via: Via
    action: str
    subject: str
    detail: str
    reason: str


class StrikeRow(_Shape):
    """A recorded misuse; `why_not`: why it does not count, `beside`: the call that casts doubt on it."""

    call: str
    at: datetime
    outcome: Outcome
    reason: str
    weight: float
    why_not: Discounted | None
    beside: str | None
    trunk: str | None
    attested: bool


class SparedRow(_Shape):
    """A misuse that cost no strike, and why."""

    call: str
    at: datetime
    outcome: Outcome
    why: Spared
    trunk: str | None
    attested: bool


class StoryRow(_Shape):
    """Everything a verdict on a caller rests on."""

    caller: str
    mode: Mode
    switched: AuditRow | None
    verdict: Verdict
    reason: ScreenReason
    treatment: Treatment | None
    warn: bool
    allowed: AllowedRow | None
    strikes: list[StrikeRow]
    spared: list[SparedRow]
    blocks: list[BlockRow]
    proposed: ProposalRow | None
    appeals: list[ObjectionRow]
    hold: HoldRow | None
    callback: CallbackRow | None
    genuine: list[str]
    more: dict[str, int]


class CallerStory(_Shape):
    """A caller's story, as an object and in sentences."""

    story: StoryRow
    lines: list[str]


class Page(_Shape):
    """A page of a list; `next` is the `cursor` of the next page, None at the end."""

    next: str | None


class Calls(Page):
    """Calls, newest first."""

    items: list[CallRow]
    looked_back_to: datetime


class Blocks(Page):
    """Blocked callers, newest block first."""

    items: list[BlockedRow]


class Proposals(Page):
    """Proposed blocks that wait for a supervisor."""

    items: list[ProposalRow]


class Appeals(Page):
    """Objections that wait for a decision, most urgent first."""

    items: list[AppealRow]


class Holds(Page):
    """Callers kept as evidence, newest hold first."""

    items: list[HoldRow]


class Alloweds(Page):
    """The allow list, newest first."""

    items: list[AllowedRow]


class Callbacks(Page):
    """Callers who wait for a call-back, most urgent first."""

    items: list[CallbackRow]


class Audits(Page):
    """What people did, newest first."""

    items: list[AuditRow]


class ModeRow(_Shape):
    """The site's mode, and who switched to it."""

    mode: Mode
    since: datetime | None
    by: str | None
    reason: str | None


class GoingCall(_Shape):
    """A call in progress."""

    call: str
    caller: str | None
    started: datetime
    stage: Stage
    since: datetime
    queue: str | None
    operator: str | None


class QueueRow(_Shape):
    """A queue: how many callers wait, and since when the first."""

    queue: str
    waiting: int
    since: datetime


class OperatorRow(_Shape):
    """An operator who is logged in."""

    name: str
    state: OperatorState
    reason: str | None
    since: datetime | None


class NowRow(_Shape):
    """The live line. `at` None: no daemon reports."""

    at: datetime | None
    mode: Mode
    connected: bool
    surge: str | None
    stages: dict[str, int]
    queues: list[QueueRow]
    calls: list[GoingCall]
    operators: list[OperatorRow]
    callbacks: int
    proposals: int
    appeals: int
    blocked: int


class Event(_Shape):
    """An event, as CloudEvents 1.0 in JSON."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    time: datetime
    subject: str | None = None
    datacontenttype: Literal["application/json"]
    data: dict[str, Any]


Yes = Annotated[
    bool,
    Field(
        description="Whoever decides was asked (409, type `urn:siaga112:ask-first`) and goes on; "
        "that is on record."
    ),
]


class NewBlock(_Shape):
    """A block to impose on a `caller` or on several `numbers`: `for` a time, or `permanent`."""

    caller: Number | None = None
    numbers: Annotated[
        list[Number],
        Field(
            max_length=500,
            description="None is blocked before all are read and asked about; then each stands for itself.",
        ),
    ] = []
    for_: Annotated[str | None, Field(alias="for", max_length=20, description='How long, like "24h".')] = None
    permanent: bool = False
    reason: Why
    shorten: bool = False
    yes: Yes = False


class NewAppeal(_Shape):
    """An objection: `reason` is what the caller says."""

    caller: Number
    reason: Why


SEEN = (
    "The `since` of what was seen: the proposal, the objection and, to unblock, the block. "
    "If there is another by then, nothing is done (409). Without it, what there is then is decided."
)
Instant = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
        r"(Z|[+-][0-9]{2}:[0-9]{2})$",
        description="A time as the lists have it.",
    ),
]
Seen = Annotated[list[Instant], Field(max_length=10, description=SEEN)]


class Reasoned(_Shape):
    """A reason."""

    reason: Why


class Decided(Reasoned):
    """Why a proposal is dismissed, or an objection rejected."""

    seen: Seen = []


class Confirmed(Decided):
    """Why a proposal is confirmed."""

    yes: Yes = False


class NewMark(_Shape):
    """The mark of an answered call. `call` may be a number: its last answered call."""

    call: Annotated[str, Field(min_length=1, max_length=150)]
    mark: Mark
    note: Text = ""
    kind: Annotated[str, Field(max_length=80)] = ""
    district: Annotated[str, Field(max_length=80)] = ""
    agency: Annotated[str, Field(max_length=80)] = ""


class Attempted(_Shape):
    """The result of a call-back: taken on, tried without success, or the caller reached."""

    did: Literal["take", "tried", "reached"]
    note: Text = ""


class NewMode(_Shape):
    """The mode to switch to; off needs a reason."""

    mode: Mode
    reason: Text = ""


EVENT_TYPES = tuple(one.value for one in EventType)
