"""Ports: what the two flows need from outside, as protocols. Adapters implement them."""

import re
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeVar

from siaga112.core.announcements import Announcement
from siaga112.core.changes import Change
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

if TYPE_CHECKING:  # the screening half uses none of it: 1 MB
    from siaga112.core.access import Person, Session, Token
    from siaga112.core.figures import Counted, Misuser
    from siaga112.core.fold import Subject, Work
    from siaga112.core.handling import AnsweredCounts, PassedCounts
    from siaga112.core.holdings import Holdings

_T = TypeVar("_T")


class StoreDownError(UnreachableError):
    """Redis or the database cannot be reached or did not answer in time. A retry may help."""

    remedy = say("is it running, and is its url in the configuration correct?")


class StoreBrokenError(SiagaError):
    """The store answered, but not with data that we store there. A person must look into it."""

    remedy = say("is its url the one that siaga112 uses, and may its user read and write there?")


class UnrecordableError(StoreBrokenError):
    """A value cannot be serialised for the store. A retry does not help."""


class StandingReader(Protocol):
    """The part of the store that a verdict needs."""

    async def standing(self, caller: Caller) -> Standing:
        """Return a caller's standing, `NOBODY` if there is none."""

    async def rejected_again(self, caller: Caller, within: Millis) -> bool:
        """Record that a caller is being rejected; return whether that already happened within this time."""


class Edition(NamedTuple):
    """Identifies a state of the records: the database (`epoch`) and how many changes it has had."""

    epoch: str
    changes: int


class FeedPosition(NamedTuple):
    """The last change of a standing that a reader has seen, as identified in the feed."""

    id: str
    nonce: str


class FeedChanges(NamedTuple):
    """Changes of standings, in order, and the position after them."""

    place: FeedPosition
    changes: Sequence[tuple[Caller, Standing]]


class StandingFeed(Protocol):
    """The standings of all callers, and a feed of their changes."""

    async def last_change(self) -> FeedPosition | None:
        """Return the position of the last change; None while the list is incomplete.

        A reader gets it before it reads `standings`, so that it misses no change.
        """

    def standings(self) -> AsyncIterator[Sequence[tuple[Caller, Standing]]]:
        """Yield all standings in pages. A caller may come more than once."""

    async def wait(self, place: FeedPosition, seconds: float) -> None:
        """Return after a change since `place`, or after `seconds` at the latest."""

    async def changes(self, place: FeedPosition) -> FeedChanges | None:
        """Return the changes since `place`; None if it is not in the feed, so changes may be missing."""


class BlockList(StandingReader, Protocol):
    """The standings that verdicts use. Built from the records, and rebuilt if it may be incomplete."""

    async def server(self) -> str:
        """Return which Redis answers: another text after a restart or a fail-over; '' if that is unknown.

        Either may have lost the latest writes, although they were acknowledged.
        """

    async def edition(self) -> Edition | None:
        """Return the edition of the records that this list reflects; None if it is incomplete."""

    async def publish(self, changes: Sequence[tuple[Caller, Standing]], edition: Edition) -> None:
        """Replace standings, add them to the feed, and set the list's edition."""

    async def begin(self) -> None:
        """Mark the list as incomplete."""

    async def put(self, standings: Iterable[tuple[Caller, Standing]]) -> None:
        """Replace standings without adding them to the feed, for a rebuild."""

    async def finish(self, edition: Edition) -> None:
        """Mark the list as complete with this edition. Replicas then read all standings again."""

    async def standings_of(self, callers: Sequence[Caller]) -> Sequence[Standing]:
        """Return the standings of these callers, in one round trip."""

    def callers(self) -> AsyncIterator[Sequence[Caller]]:
        """Yield all callers with a standing in pages. A caller may come more than once."""

    async def count(self) -> int:
        """Return the number of callers with a standing."""


class Unpublished(NamedTuple):
    """A standing that the block list may not have yet, and the version of the record it comes from.

    `erased`: the record was erased, so the number must not appear in the feed.
    """

    caller: Caller
    version: int
    standing: Standing
    erased: bool = False


class Published(Protocol):
    """What the records know about the block list that is built from them."""

    async def edition(self) -> Edition:
        """Return the edition that a complete block list has, apart from unpublished standings."""

    async def unpublished(self, limit: int) -> Sequence[Unpublished]:
        """Return up to `limit` standings that the block list may not have."""

    async def published(self, done: Sequence[Unpublished], edition: Edition) -> None:
        """Mark standings as published. One that has changed in the meantime stays unpublished."""

    def standings(self) -> AsyncIterator[Sequence[Unpublished]]:
        """Yield all standings except `NOBODY` in pages, ordered by caller."""

    async def moved_on(self, page: Sequence[Unpublished]) -> Sequence[Unpublished]:
        """Return the standings of a page that have a newer version or are marked as unpublished."""

    async def without_standing(self, callers: Sequence[Caller]) -> Sequence[Caller]:
        """Return those of these callers who have no standing."""


class Recording(Protocol):
    """Transactional writes to the records."""

    async def transaction(self, subjects: Sequence["Subject"], act: Callable[["Work"], _T]) -> _T:
        """Run `act` in one transaction; return its result. Nothing is written if it raises.

        `act` runs in another thread, and nobody else writes to the site meanwhile. `subjects`: what `act`
        will read, so that it can be loaded at once.
        """

    async def write(self, changes: Sequence[Change]) -> None:
        """Write changes that do not depend on stored data, all of them or none."""


class CallerRecords(Recording, Protocol):
    """The records of callers, and the lists derived from them."""

    async def load(self, caller: Caller) -> CallerRecord:
        """Return a caller's record."""

    async def load_each(self, callers: Sequence[Caller]) -> Sequence[CallerRecord]:
        """Return the records of these callers, in the same order, in one round trip."""

    async def blocked(self, now: Millis) -> Sequence[CallerRecord]:
        """Return the records of all callers with a block in force."""

    async def block_counts(self, now: Millis) -> Mapping[Level, int]:
        """Count the blocks in force, without loading records."""

    async def allowed(self) -> Sequence[CallerRecord]:
        """Return the records of all callers on the allow list."""

    async def proposed(self) -> Sequence[CallerRecord]:
        """Return the records of all callers with a pending proposal."""

    async def proposed_count(self) -> int:
        """Count the pending proposals, without loading records."""

    async def appealed(self) -> Sequence[CallerRecord]:
        """Return the records of all callers with an open appeal, the most urgent first."""

    async def appealed_count(self) -> tuple[int, Millis | None]:
        """Return the number of open appeals and when the first is due, without loading records."""

    async def holds(self) -> Sequence[CallerRecord]:
        """Return the records that are kept as evidence, the oldest hold first."""

    async def missed(self) -> Sequence[CallerRecord]:
        """Return the records of all callers who wait for a call-back, the longest wait first."""

    async def missed_count(self) -> tuple[int, Millis | None]:
        """Return the number of pending call-backs and the time of the oldest, without loading records."""

    def ageing(self, since: Millis, missed_since: Millis) -> AsyncIterator[Caller]:
        """Yield the callers with a record that does not expire, or parts of which may be too old.

        Those are parts that began up to `since`, and missed calls up to `missed_since`. Does not load all
        records into memory.
        """

    async def tidy(self, now: Millis) -> None:
        """Delete expired data, and reset standings that no longer have any effect.

        Evidence on hold stays: the record, its calls, and the audit lines about them.
        """

    async def erase(
        self, caller: Caller, at: Millis, unless: Callable[[CallerRecord], None] = lambda _: None
    ) -> None:
        """Delete a caller's record, and the number from ledger rows and from the subjects of audit lines.

        Calls that began up to `at` are no longer written with this caller. `unless` is called with the
        current record; if it raises, nothing is done.
        """

    async def take_out(self, spelled: re.Pattern[str]) -> int:
        """Remove a number in any spelling from the texts of audit lines; return how many lines changed."""


class CallFilter(NamedTuple):
    """Which calls of the ledger to list: those of a time range that match every field that is not None.

    `mark` '': answered calls without a mark.
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
    """A cursor in the ledger: it continues with the calls before the named one."""

    started: Millis
    call: str


class CallPage(NamedTuple):
    """Calls, newest first, and the cursor after them; None if there are no more.

    `looked`: how far back the search went. Each page examines a bounded number of rows, so it may have fewer
    calls than requested, or none, and still a cursor.
    """

    calls: Sequence[CallSummary]
    after: CallPlace | None
    looked: Millis


class Ledger(Protocol):
    """The ledger of ended calls."""

    async def ping(self) -> None:
        """Return if the ledger answers, else raise StoreDownError."""

    async def entry(self, call: CallId) -> Entry | None:
        """Return the row of a call; None if there is none."""

    async def entries_of(self, caller: Caller) -> Sequence[Entry]:
        """Return the rows of a caller's calls, oldest first."""

    def entries(self, since: Millis, until: Millis) -> AsyncIterator[Entry]:
        """Yield the rows of calls that started in that time, oldest first."""

    def summaries(self, since: Millis, until: Millis) -> AsyncIterator[CallSummary]:
        """Yield the same rows without the calls' facts."""

    async def fingerprint(self, since: Millis, until: Millis) -> str:
        """Return a value that differs after any change to the rows of that time; '' without rows."""

    async def nobodys(self, spelled: re.Pattern[str], until: Millis) -> Sequence[Entry]:
        """Return the rows up to `until` without a caller but with a raw number that matches."""

    async def ledger_calls(self, since: Millis, until: Millis) -> Collection[CallId]:
        """Return the ids of the calls of that time, without loading their rows."""


class Statistics(Protocol):
    """The counts that reports are made from."""

    async def counted(self, since: Millis, until: Millis, grain: Millis, answer_within: Millis) -> "Counted":
        """Count the calls that started in that time, in groups within one grain."""

    async def answered(self, since: Millis, until: Millis, grain: Millis) -> "AnsweredCounts":
        """Count the answered calls that started in that time, by operator, mark, kind and district."""

    async def passed(self, since: Millis, until: Millis) -> "PassedCounts":
        """Count the hand-overs of the calls that started in that time."""

    async def misusers(self, since: Millis, until: Millis) -> Sequence["Misuser"]:
        """Return the callers who got a strike or were rejected in that time."""

    async def ledger_begins(self) -> Millis | None:
        """Return when the ledger's first call began, except for calls kept as evidence; None for none."""

    async def blocks_of_changed(self, since: Millis) -> Sequence[Sequence[Block]]:
        """Return, per caller, all blocks of callers with a block that began or was lifted since then."""


class ModeStore(Protocol):
    """A store of the site's mode."""

    async def switched(self) -> Switch | None:
        """Return the last switch of the site's mode, if any."""

    async def switch(self, switch: Switch, instead_of: Mode) -> bool:
        """Switch the site's mode, with an audit line if this store has an audit trail.

        Return False, and do nothing, if there is a later switch.
        """


class AuditFilter(NamedTuple):
    """Which audit lines to list: those of a time range, and with these values where they are not ''.

    `looks`: whether to include lines about viewing data and logging in.
    """

    since: Millis
    until: Millis
    action: str = ""
    by: str = ""
    subject: str = ""
    looks: bool = False


class SiteRecords(ModeStore, Protocol):
    """The site-wide records: the audit trail, the counts, the mode."""

    async def audit_entries(self, since: Millis, until: Millis) -> Sequence[AuditEntry]:
        """Return the audit lines of that time, oldest first."""

    async def audit_of(self, caller: Caller) -> Sequence[AuditEntry]:
        """Return the audit lines about a caller and about the caller's calls, oldest first."""

    async def last_of(self, action: str) -> AuditEntry | None:
        """Return the last audit line with this action; None if there is none."""

    async def tallies(self) -> Mapping[str, int]:
        """Return the counters, summed over all processes of the site."""

    async def holdings(self) -> "Holdings":
        """Count the stored data by kind. The block list is left out if it cannot be reached."""


class Announced(NamedTuple):
    """An announcement with its sequence number."""

    id: int
    told: Announcement


class WebhookProgress(NamedTuple):
    """The progress of a webhook: the last delivered event, and why the next one is not delivered yet.

    `next_at`: when to try again, None for at once.
    """

    name: str
    position: int
    sent_at: Millis | None = None
    tries: int = 0
    failing_since: Millis | None = None
    next_at: Millis | None = None
    error: str = ""


class WebhookResult(StrEnum):
    """The result of sending an event. A closed set, because it is a metric label."""

    SENT = "sent"
    FAILED = "failed"
    PARKED = "parked"


class Parked(NamedTuple):
    """An event that a webhook did not accept, as it was sent."""

    name: str
    event: int
    at: Millis
    error: str
    body: str


class Announcements(Protocol):
    """The announcements for other programs."""

    async def announce(self, told: Sequence[Announcement]) -> None:
        """Write announcements of live events, which no other row records."""

    async def announce_ends(self, now: Millis) -> None:
        """Announce the temporary blocks that have expired since this method last ran.

        An end is announced only once, unless a clock that was far ahead had announced it too early.
        """

    async def last_announced(self) -> int:
        """Return the id of the last announcement; 0 if there is none."""

    async def announcements(self, after: int, limit: int = 1_000) -> Sequence[Announced]:
        """Return up to `limit` announcements after that id, in order."""


class Webhooks(Announcements, Protocol):
    """The delivery progress of each webhook."""

    async def webhook(self, name: str) -> WebhookProgress:
        """Return the progress of a webhook. A new one starts after the last announcement."""

    async def webhooks(self) -> Sequence[WebhookProgress]:
        """Return the progress of all webhooks."""

    async def keep_webhook(
        self, progress: WebhookProgress, result: WebhookResult | None = None, parked: Parked | None = None
    ) -> None:
        """Write a webhook's progress, the result of the last delivery, and an event to park, if any."""

    async def parked(self, name: str = "") -> Sequence[Parked]:
        """Return the parked events of a webhook, or of all webhooks."""

    async def park(self, parked: Parked) -> None:
        """Park an event that was not accepted."""

    async def unpark(self, parked: Parked) -> None:
        """Remove a parked event that was accepted later."""

    async def wake_webhook(self, name: str) -> bool:
        """Let a webhook be tried again at once; return whether there is one with that name."""


class People(Protocol):
    """The people and programs that may use the console and the API."""

    async def people(self) -> Sequence["Person"]:
        """Return all people, sorted by name."""

    async def person(self, name: str) -> "Person | None":
        """Return the person with that name, ignoring case; None if there is none."""

    async def keep_person(self, person: "Person", line: AuditEntry) -> None:
        """Write a person, replacing the one with that name, with an audit line."""

    async def change_person(
        self,
        name: str,
        change: "Callable[[Person, Sequence[Person]], Person]",
        line: AuditEntry,
        *,
        log_out: bool = False,
    ) -> "Person | None":
        """Change the person with that name, ignoring case; return the new person, None if there is none.

        `change` gets the person and all others, in the transaction that writes: of two changes at once,
        neither undoes the other. If it raises, nothing is written. `line`: the audit line, which gets the
        person's name as it is stored. `log_out`: also end the person's sessions.
        """

    async def tokens(self) -> Sequence["Token"]:
        """Return all tokens, sorted by name."""

    async def token(self, digest: str) -> "Token | None":
        """Return the token with this digest of its secret; None if there is none."""

    async def keep_token(self, token: "Token", line: AuditEntry) -> None:
        """Write a token, replacing the one with that name, with an audit line."""

    async def session(self, digest: str) -> "tuple[Session, Person] | None":
        """Return the session with this digest of the browser's secret, and its person; None if none."""

    async def keep_session(self, session: "Session", line: AuditEntry | None = None) -> None:
        """Write a session, replacing the one with that digest, with an audit line for a login."""

    async def session_seen(self, digest: str, at: Millis) -> None:
        """Note that a session was used, if it has not been ended meanwhile."""

    async def end_sessions(self, *, digest: str = "", person: str = "", before: Millis = 0) -> None:
        """End one session, all of a person, or all that have been idle since `before`."""

    async def secret(self) -> bytes:
        """Return the site's own secret, creating it on the first call."""


class Board(Protocol):
    """The place for the live snapshot."""

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """Show a snapshot until the next one, for `snapshot.LIFE` at most. The last daemon to write wins."""

    async def snapshot(self) -> Snapshot | None:
        """Return the current snapshot; None if no daemon has written one recently."""


class Store(CallerRecords, Ledger, Statistics, SiteRecords, Board, StandingReader, StandingFeed, Protocol):
    """The whole store of a site: its records and its block list."""

    async def ping(self) -> None:
        """Return if every part answers, else raise StoreDownError."""


class LocalModes(Protocol):
    """The mode in this machine's state directory. All methods raise OSError on failure."""

    def held_off(self) -> Switch | None:
        """Return the switch in the file `off`, if the file exists; `at` is 0 if it does not say when."""

    def kept(self) -> Switch | None:
        """Return the last switch that this machine knew."""

    def keep(self, switch: Switch) -> None:
        """Store a switch for the next start."""

    def release(self) -> bool:
        """Delete the file `off`; return whether it existed."""


class Outbox(Protocol):
    """Ended calls that are on local disk and not yet in the store, and the calls in progress.

    Methods raise OSError if the local disk fails.
    """

    async def note(self, begun: Sequence[Entry]) -> None:
        """Note calls in progress, each as it is to be recorded if the daemon ends first."""

    async def close_unfollowed(self, followed: Callable[[CallId], bool]) -> Sequence[Entry]:
        """Append the noted calls that are no longer tracked, as noted; return them."""

    async def append(self, items: Sequence[Entry | Reached]) -> None:
        """Append items; return when they are on disk. Notes about these calls are dropped."""

    async def oldest(self, limit: int, after: int = 0) -> Sequence[tuple[int, Entry | Reached]]:
        """Return up to `limit` items after the key `after`, oldest first, with their ascending keys."""

    async def drop(self, keys: Sequence[int]) -> None:
        """Remove items that the store now has."""

    async def set_aside(self, reasons: Mapping[int, str]) -> None:
        """Move the items with these keys aside, with the reasons. `oldest` no longer returns them."""

    async def wait(self, seconds: float) -> None:
        """Return when something is appended, or after `seconds` at the latest."""


class QueueLog(Protocol):
    """The PBX's queue_log."""

    async def lines(self, since: Millis) -> Sequence[str]:
        """Return the lines written since then, oldest first. Raise OSError if the file cannot be read."""


class Meter(Protocol):
    """The metrics. Each method reports one event or one value."""

    def mode(self, mode: Mode) -> None:
        """Set the mode by which this process decides verdicts and strikes."""

    def call_ended(self, entry: Entry) -> None:
        """Count a call with its outcome and stage times."""

    def proposal(self, cause: ProposalCause) -> None:
        """Count a proposed block."""

    def screened(self, screening: Screening, seconds: float) -> None:
        """Count a verdict and how long the dialplan waited for it."""

    def withheld(self, cause: Withheld) -> None:
        """Count a call without a caller who could be blocked."""

    def asked(self) -> None:
        """Count a screening request, except for those of the doctor."""

    def calls_screened(self, calls: int, unfollowed: Mapping[str, int]) -> None:
        """Set how many calls AMI has shown as screened, and by context those that are not tracked."""

    def in_progress(self, stages: dict[Stage, int]) -> None:
        """Set the number of calls in each stage."""

    def operators(self, counts: Mapping[OperatorState, int] | None) -> None:
        """Set the number of logged-in operators in each state; None while nothing is known about them."""

    def waiting(self, queues: Mapping[str, tuple[int, float]]) -> None:
        """Set, for each queue, how many callers wait and for how many seconds the first one has waited."""

    def surge(self, *, on: bool) -> None:
        """Set whether strikes are suspended by a surge."""

    def lost(self, count: int) -> None:
        """Count ended calls that could not be written."""

    def replica(self, callers: int) -> None:
        """Set the number of callers with a standing in the replica."""

    def replica_gap(self) -> None:
        """Count that the replica may have missed a change and reads all standings again."""

    def answers(self, part: str, *, up: bool) -> None:
        """Set whether `redis` or the `database` answers."""

    def unpublished(self, count: int) -> None:
        """Set the number of standings that the block list may not have yet."""
