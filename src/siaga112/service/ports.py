"""What the two flows need of the outside, as protocols; adapters provide it."""

import re
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol, TypeVar

from siaga112.core.access import Person, Session, Token
from siaga112.core.announcements import Announcement
from siaga112.core.changes import Change
from siaga112.core.figures import Counted, Misuser
from siaga112.core.fold import Subject, Work
from siaga112.core.handling import AnsweredCounts, PassedCounts
from siaga112.core.holdings import Holdings
from siaga112.core.mode import Switch
from siaga112.core.model import (
    AuditEntry,
    Caller,
    CallId,
    CallSummary,
    Entry,
    Level,
    Mark,
    Millis,
    Mode,
    OperatorState,
    Outcome,
    ProposalCause,
    Reached,
    Reason,
    Stage,
)
from siaga112.core.record import Block, CallerRecord
from siaga112.core.screening import Screening, Withheld
from siaga112.core.snapshot import Snapshot
from siaga112.core.standing import Standing
from siaga112.errors import SiagaError, UnreachableError
from siaga112.words import say

_T = TypeVar("_T")


class StoreDownError(UnreachableError):
    """Redis or the database cannot be reached, or did not answer in time. Worth trying again."""

    remedy = say("is it running, and its url in the configuration right?")


class StoreBrokenError(SiagaError):
    """The store answered, but not with what we keep there. A person must look."""

    remedy = say("is its url the one that siaga112 uses, and may its user read and write there?")


class UnrecordableError(StoreBrokenError):
    """What was to be written cannot be spelled for the store: trying again changes nothing."""


class StandingReader(Protocol):
    """As much of the store as a verdict needs."""

    async def standing(self, caller: Caller) -> Standing:
        """Give a caller's standing; `NOBODY` for one on whom nothing is held."""

    async def turned_away(self, caller: Caller, within: Millis) -> bool:
        """Note that a caller is being turned away; say whether that happened within this time already."""


class Edition(NamedTuple):
    """Of which database something was made, and as of how many of its changes."""

    epoch: str
    changes: int


class FeedPosition(NamedTuple):
    """The last change of a standing that one has seen, as the feed knows it again."""

    id: str
    nonce: str


class FeedChanges(NamedTuple):
    """Changes of standings, in order, and the place after them."""

    place: FeedPosition
    changes: Sequence[tuple[Caller, Standing]]


class StandingFeed(Protocol):
    """The standings of all callers on whom one is held, and their changes from then on."""

    async def last_change(self) -> FeedPosition | None:
        """Give the place of the last change, before `standings` are read: from there on none is missed.

        None while nobody can say that all standings are there.
        """

    def standings(self) -> AsyncIterator[Sequence[tuple[Caller, Standing]]]:
        """Give them in pages; a caller may come more than once."""

    async def wait(self, place: FeedPosition, seconds: float) -> None:
        """Return when something has changed since, at the latest after that time."""

    async def changes(self, place: FeedPosition) -> FeedChanges | None:
        """Give what has changed since; None if the place is not in the feed, so that some may be missed."""


class BlockList(StandingReader, Protocol):
    """What verdicts go by: made from the records, and made anew whenever it may not be whole."""

    async def edition(self) -> Edition | None:
        """Say of what this is the block list; None if it is not whole."""

    async def publish(self, changes: Sequence[tuple[Caller, Standing]], edition: Edition) -> None:
        """Put standings in place of those that were, tell who follows, and say as of what it is whole."""

    async def begin(self) -> None:
        """Say that the list is not whole from now on."""

    async def put(self, standings: Iterable[tuple[Caller, Standing]]) -> None:
        """Put standings in place of those that were, and tell nobody: the list is being made anew."""

    async def finish(self, edition: Edition) -> None:
        """Say that it is whole: those who follow read all anew."""

    async def standings_of(self, callers: Sequence[Caller]) -> Sequence[Standing]:
        """Give the standings of these callers, in one trip."""

    def callers(self) -> AsyncIterator[Sequence[Caller]]:
        """Give in pages who has a standing here, some maybe twice."""

    async def count(self) -> int:
        """Say on how many callers there is a standing here."""


class Unpublished(NamedTuple):
    """A standing that the block list may not have, with the version of the record that it follows from.

    `erased`: there is no record any more, and nobody who follows the list may learn the number.
    """

    caller: Caller
    version: int
    standing: Standing
    erased: bool = False


class Published(Protocol):
    """What the records know of the block list that is made of them."""

    async def edition(self) -> Edition:
        """Say which edition the block list must have to be whole, but for what is unpublished."""

    async def unpublished(self, limit: int) -> Sequence[Unpublished]:
        """Give standings that the block list may not have."""

    async def published(self, done: Sequence[Unpublished], edition: Edition) -> None:
        """Note what the block list has now; what has changed meanwhile stays unpublished."""

    def standings(self) -> AsyncIterator[Sequence[Unpublished]]:
        """Give in pages all standings that are not nobody's, in the order of the callers."""

    async def moved_on(self, page: Sequence[Unpublished]) -> Sequence[Unpublished]:
        """Give of a page of `standings` what has another version since, or is noted as unpublished."""

    async def without_standing(self, callers: Sequence[Caller]) -> Sequence[Caller]:
        """Give of these callers who have none."""


class Recording(Protocol):
    """Where what ended, or was decided, is recorded: all that belongs together in one transaction."""

    async def transaction(self, subjects: Sequence[Subject], act: Callable[[Work], _T]) -> _T:
        """Let `act` read and write within one transaction; nothing is written if it raises.

        It runs in another thread, and nobody else writes to the site meanwhile. `subjects`: what will be
        asked for, so that it can be read at once.
        """

    async def write(self, changes: Sequence[Change]) -> None:
        """Write changes that rest on nothing that is held; all of them, or none."""


class CallerRecords(Recording, Protocol):
    """What is held on callers, and who is on which list."""

    async def load(self, caller: Caller) -> CallerRecord:
        """Give a caller's record."""

    async def load_each(self, callers: Sequence[Caller]) -> Sequence[CallerRecord]:
        """Give the record of each of these callers, in their order, in one trip."""

    async def blocked(self, now: Millis) -> Sequence[CallerRecord]:
        """Give the records of all callers with a block in force."""

    async def block_counts(self, now: Millis) -> Mapping[Level, int]:
        """Count the blocks in force, without reading them."""

    async def allowed(self) -> Sequence[CallerRecord]:
        """Give the records of all callers on the allow list."""

    async def proposed(self) -> Sequence[CallerRecord]:
        """Give the records of all callers whose block waits for a supervisor."""

    async def proposed_count(self) -> int:
        """Count them, without reading them."""

    async def appealed(self) -> Sequence[CallerRecord]:
        """Give the records of all callers whose objection waits for a decision, the most pressing first."""

    async def appealed_count(self) -> tuple[int, Millis | None]:
        """Count them, and say when the first is due, without reading them."""

    async def holds(self) -> Sequence[CallerRecord]:
        """Give the records of all callers that are kept as evidence, the oldest hold first."""

    async def missed(self) -> Sequence[CallerRecord]:
        """Give the records of all callers who wait for a call-back, longest first."""

    async def missed_count(self) -> tuple[int, Millis | None]:
        """Count them, and say since when the oldest waits, without reading them."""

    def lasting(self) -> AsyncIterator[Caller]:
        """Give whose record lasts though nobody touches it, never all at once in memory."""

    async def tidy(self, now: Millis) -> None:
        """Drop what may be kept no longer, and end standings in which nothing holds any more.

        What is kept as evidence stays: the record, the calls, and the lines about them.
        """

    async def erase(
        self, caller: Caller, at: Millis, unless: Callable[[CallerRecord], None] = lambda _: None
    ) -> None:
        """Delete a caller's record, and the number from the ledger's rows and from whom lines are about.

        Nothing that began up to `at` is written with this caller from then on. Nothing is done if `unless`
        raises, which is asked of the record as it is then.
        """

    async def take_out(self, spelled: re.Pattern[str]) -> int:
        """Take a number, so spelled, out of what lines of the audit trail say; give of how many."""


class CallFilter(NamedTuple):
    """Which calls of the ledger are listed: those of that time of which all that is not None holds.

    `mark` '': the answered ones that nobody has marked.
    """

    since: Millis
    until: Millis
    outcome: Outcome | None = None
    reason: Reason | None = None
    mark: Mark | Literal[""] | None = None
    operator: str | None = None
    queue: str | None = None
    caller: Caller | None = None


class CallPlace(NamedTuple):
    """A place in the ledger, between the call named and those before it."""

    started: Millis
    call: str


class CallPage(NamedTuple):
    """Calls, newest first, and the place after them; None where there are no more.

    `looked`: so far back they were looked for. A page may have fewer calls than asked for, or none, and
    still a place after it: no page looks at more than a bounded number of rows.
    """

    calls: Sequence[CallSummary]
    after: CallPlace | None
    looked: Millis


class Ledger(Protocol):
    """The calls that are over."""

    async def ping(self) -> None:
        """Return if it answers; raises StoreDownError if not."""

    async def entry(self, call: CallId) -> Entry | None:
        """Find a row by its call."""

    async def entries_of(self, caller: Caller) -> Sequence[Entry]:
        """Give the rows of a caller's calls, oldest first."""

    def entries(self, since: Millis, until: Millis) -> AsyncIterator[Entry]:
        """Give the rows of calls that started in that time, oldest first."""

    def summaries(self, since: Millis, until: Millis) -> AsyncIterator[CallSummary]:
        """Give the same without what was seen of each call."""

    async def fingerprint(self, since: Millis, until: Millis) -> str:
        """Give what is another if any row of that time has changed, come or gone; '' for no row."""

    async def nobodys(self, spelled: re.Pattern[str], until: Millis) -> Sequence[Entry]:
        """Give the rows up to then of no known caller whose number, as it came, is spelled so."""

    async def ledger_calls(self, since: Millis, until: Millis) -> Collection[CallId]:
        """Give the calls of that time, without reading their rows."""


class Statistics(Protocol):
    """What reports are made of."""

    async def counted(self, since: Millis, until: Millis, grain: Millis, answer_within: Millis) -> Counted:
        """Count the calls that started in that time, together those that began within one grain."""

    async def answered(self, since: Millis, until: Millis, grain: Millis) -> AnsweredCounts:
        """Count the answered calls that started in that time, by operator, mark, kind and district."""

    async def passed(self, since: Millis, until: Millis) -> PassedCounts:
        """Count the hand-overs of the calls that started in that time."""

    async def misusers(self, since: Millis, until: Millis) -> Sequence[Misuser]:
        """Give the callers who got a strike, or were turned away, in that time."""

    async def blocks_of_changed(self, since: Millis) -> Sequence[Sequence[Block]]:
        """Give all blocks of each caller one of whose blocks began or was lifted since then."""


class ModeStore(Protocol):
    """A place that has the site's mode."""

    async def switched(self) -> Switch | None:
        """Give the site's mode, if anybody has switched it."""

    async def switch(self, switch: Switch, instead_of: Mode) -> bool:
        """Switch the site's mode, with a line in the audit trail if there is one here.

        False, and nothing done, if it was switched later than that already.
        """


class AuditFilter(NamedTuple):
    """Which lines of the audit trail are listed: of that time, and of whom or what, if that is asked.

    `looks`: those too that only say that somebody has looked, or logged in.
    """

    since: Millis
    until: Millis
    action: str = ""
    by: str = ""
    subject: str = ""
    looks: bool = False


class SiteRecords(ModeStore, Protocol):
    """What there is once a site: the audit trail, the counts, the mode."""

    async def audit_entries(self, since: Millis, until: Millis) -> Sequence[AuditEntry]:
        """Give the lines of that time, oldest first."""

    async def audit_of(self, caller: Caller) -> Sequence[AuditEntry]:
        """Give the lines about a caller and about the caller's calls, oldest first."""

    async def last_of(self, action: str) -> AuditEntry | None:
        """Give the last line of an action."""

    async def tallies(self) -> Mapping[str, int]:
        """Give what was counted in all processes of the site."""

    async def holdings(self) -> Holdings:
        """Count what is held, by kind, where it lies; of a block list that is away nothing is told."""


class Announced(NamedTuple):
    """An announcement with its place in the order."""

    id: int
    told: Announcement


class WebhookProgress(NamedTuple):
    """How far a subscription has been told: the last event that it has, and what keeps it from the next.

    `next_at` None: it may be tried at once.
    """

    name: str
    position: int
    sent_at: Millis | None = None
    tries: int = 0
    failing_since: Millis | None = None
    next_at: Millis | None = None
    error: str = ""


class WebhookResult(StrEnum):
    """What came of sending an event; a closed set, since it is a metric's label."""

    SENT = "sent"
    FAILED = "failed"
    PARKED = "parked"


class Parked(NamedTuple):
    """An event that a subscription would not take, as it was sent."""

    name: str
    event: int
    at: Millis
    error: str
    body: str


class Announcements(Protocol):
    """What programs are told of."""

    async def announce(self, told: Sequence[Announcement]) -> None:
        """Write announcements of what no other row tells: what goes on now."""

    async def announce_ends(self, now: Millis) -> None:
        """Announce the temporary blocks that have run out since this was last done.

        Nothing is announced twice, but for what a clock that was far ahead took for over.
        """

    async def last_announced(self) -> int:
        """Give the id of the last announcement; 0 if there is none."""

    async def announcements(self, after: int, limit: int = 1_000) -> Sequence[Announced]:
        """Give announcements in order, those after that id."""


class Webhooks(Announcements, Protocol):
    """How far each webhook has been told."""

    async def webhook(self, name: str) -> WebhookProgress:
        """Say how far a subscription has been told; a new one begins with what comes from now on."""

    async def webhooks(self) -> Sequence[WebhookProgress]:
        """Say how far each has been told."""

    async def keep_webhook(
        self, progress: WebhookProgress, result: WebhookResult | None = None, parked: Parked | None = None
    ) -> None:
        """Note how far one has been told, what came of it, and what it would not take."""

    async def parked(self, name: str = "") -> Sequence[Parked]:
        """Give what a subscription would not take, or what any would not."""

    async def park(self, parked: Parked) -> None:
        """Keep what would not be taken."""

    async def unpark(self, parked: Parked) -> None:
        """Forget what was taken after all."""

    async def wake_webhook(self, name: str) -> bool:
        """Let one be tried again at once; say whether there is one of that name."""


class People(Protocol):
    """Who may use the console and the API."""

    async def people(self) -> Sequence[Person]:
        """Give all, by name."""

    async def person(self, name: str) -> Person | None:
        """Find one by name, however it is capitalised."""

    async def keep_person(self, person: Person, line: AuditEntry) -> None:
        """Write a person in place of the one of that name, with who did so."""

    async def tokens(self) -> Sequence[Token]:
        """Give all, by name."""

    async def token(self, digest: str) -> Token | None:
        """Find one by the digest of what the program holds."""

    async def keep_token(self, token: Token, line: AuditEntry) -> None:
        """Write a token in place of the one of that name, with who did so."""

    async def session(self, digest: str) -> tuple[Session, Person] | None:
        """Find a session by the digest of what the browser holds, and whose it is."""

    async def keep_session(self, session: Session, line: AuditEntry | None = None) -> None:
        """Write a session in place of the one with that digest, with a line on the login."""

    async def end_sessions(self, *, digest: str = "", person: str = "", before: Millis = 0) -> None:
        """End one session, or a person's, or those in which nothing was done since that instant."""

    async def secret(self) -> bytes:
        """Give the site's own secret, made when it is first asked for."""


class Board(Protocol):
    """Where what goes on now is shown."""

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """Show what goes on now, for `snapshot.LIFE` or until the next; of two daemons the last one holds."""

    async def snapshot(self) -> Snapshot | None:
        """Give what goes on now; None if no daemon has said so lately."""


class Store(CallerRecords, Ledger, Statistics, SiteRecords, Board, StandingReader, StandingFeed, Protocol):
    """All of a site: its records, and its block list."""

    async def ping(self) -> None:
        """Return if all of it answers; raises StoreDownError if not."""


class LocalModes(Protocol):
    """The mode as this machine's state directory has it, without the store; what fails is an OSError."""

    def held_off(self) -> Switch | None:
        """Give the switch that needs nobody, if somebody has made it; `at` 0 if it does not say when."""

    def kept(self) -> Switch | None:
        """Give the last switch that was known here."""

    def keep(self, switch: Switch) -> None:
        """Keep it over the next start."""

    def release(self) -> bool:
        """Take the switch that needs nobody away; say whether it was there."""


class Outbox(Protocol):
    """What ended, safe on local disk and not yet in the store; and the calls in progress.

    What local disk cannot do is an OSError.
    """

    async def note(self, begun: Sequence[Entry]) -> None:
        """Note calls in progress, each as it is to be recorded if we end before it does."""

    async def close_unfollowed(self, followed: Callable[[CallId], bool]) -> Sequence[Entry]:
        """Settle what was noted and is followed no more, as it was noted; give it."""

    async def append(self, items: Sequence[Entry | Reached]) -> None:
        """Keep it durably; returns when it is on disk. What was noted of these calls is forgotten."""

    async def oldest(self, limit: int, after: int = 0) -> Sequence[tuple[int, Entry | Reached]]:
        """Give the oldest with their keys, which rise; only those after that key."""

    async def drop(self, keys: Sequence[int]) -> None:
        """Forget what the store now has."""

    async def set_aside(self, reasons: Mapping[int, str]) -> None:
        """Keep what stands under these keys apart, with why; it is not given as the oldest again."""

    async def wait(self, seconds: float) -> None:
        """Return when something was appended, at the latest after that time."""


class QueueLog(Protocol):
    """The PBX's own record of its queues."""

    async def lines(self, since: Millis) -> Sequence[str]:
        """Give the lines written since then, oldest first. Raises OSError if it cannot be read."""


class Meter(Protocol):
    """What is counted; each method is one thing that happened."""

    def mode(self, mode: Mode) -> None:
        """Show the mode by which this process gives verdicts and strikes."""

    def call_ended(self, entry: Entry) -> None:
        """Count a call with its outcome and stage times."""

    def misused(self, entry: Entry) -> None:
        """Count what a call cost that the store has taken as a strike."""

    def proposal(self, cause: ProposalCause) -> None:
        """Count a block that was left to a supervisor."""

    def screened(self, screening: Screening, seconds: float) -> None:
        """Count a verdict and how long the dialplan waited for it."""

    def withheld(self, cause: Withheld) -> None:
        """Count a call that brought no caller who could be blocked."""

    def asked(self) -> None:
        """Count a call for which the dialplan asks; the doctor's question is none."""

    def calls_screened(self, calls: int, unfollowed: Mapping[str, int]) -> None:
        """Show how many calls the PBX's events have shown as screened; by context, those not followed."""

    def in_progress(self, stages: dict[Stage, int]) -> None:
        """Show how many calls are where."""

    def operators(self, counts: Mapping[OperatorState, int]) -> None:
        """Show what the operators who are logged in do."""

    def waiting(self, queues: Mapping[str, tuple[int, float]]) -> None:
        """Show for each queue how many callers wait, and how many seconds the first of them has."""

    def surge(self, *, on: bool) -> None:
        """Show whether strikes are suspended."""

    def lost(self, count: int) -> None:
        """Count ended calls that could not be kept."""

    def replica(self, callers: int) -> None:
        """Show on how many callers the replica holds a standing."""

    def replica_gap(self) -> None:
        """Count that the replica may have missed a change and reads all anew."""

    def answers(self, part: str, *, up: bool) -> None:
        """Show whether `redis`, or the `database`, answers."""

    def unpublished(self, count: int) -> None:
        """Show how many standings the block list may not have yet."""
