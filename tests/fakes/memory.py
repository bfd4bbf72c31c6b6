"""A store in memory that fails on demand, for tests of the service."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import TypeVar

from siaga112.core.changes import (
    A_CALLER,
    Change,
    Imposition,
    Replacement,
    Stored,
    of_nobody,
    without_caller,
    without_number,
)
from siaga112.core.figures import Counted, Misuser, one_by_one
from siaga112.core.fold import HourlyCaps, Subject, Work
from siaga112.core.handling import AnsweredCounts, PassedCounts, answered_one_by_one, passed_one_by_one
from siaga112.core.holdings import Holding, Holdings, Kind
from siaga112.core.mode import Switch, told
from siaga112.core.model import AuditEntry, Caller, CallId, CallSummary, Entry, Level, Millis, Mode
from siaga112.core.record import Block, CallerRecord
from siaga112.core.snapshot import Snapshot
from siaga112.core.standing import NOBODY, Standing
from siaga112.service.ports import FeedChanges, FeedPosition, StoreBrokenError, StoreDownError
from tests.samples import ledger_row

_T = TypeVar("_T")


class MemoryStore:
    """`service.ports.Store` in dictionaries; while `down`, nothing answers."""

    def __init__(self) -> None:
        self.down = False
        self.writes = 0
        self.nonce = "first"
        self._feed: list[tuple[Caller, Standing]] = []
        self._records: dict[Caller, tuple[CallerRecord, int, Standing]] = {}
        self._blocked: set[Caller] = set()
        self._allowed: set[Caller] = set()
        self._ledger: dict[CallId, Entry] = {}
        self._proposed: set[Caller] = set()
        self._missed: set[Caller] = set()
        self._caps = HourlyCaps()
        self._away: set[Caller] = set()
        self._audit_entries: Counter[AuditEntry] = Counter()  # two may be equal once a number is erased
        self._tallies: Counter[str] = Counter()
        self._forgotten: dict[Caller, tuple[Millis, int]] = {}
        self.broken: set[Caller] = set()
        self.refused = 0
        self.work = MemoryWork(self)
        self.held_switch: Switch | None = None
        self._snapshot: Snapshot | None = None

    @property
    def records(self) -> dict[Caller, CallerRecord]:
        """The records of all callers."""
        return {caller: record for caller, (record, _, _) in self._records.items()}

    async def ping(self) -> None:
        """Raise StoreDownError if down."""
        if self.down:
            self.refused += 1
            raise StoreDownError("memory: switched off by the test")

    async def standing(self, caller: Caller) -> Standing:
        """Return a caller's standing."""
        await self.ping()
        return self._standing(caller)

    def _standing(self, caller: Caller) -> Standing:
        return self._records[caller][2] if caller in self._records else NOBODY

    async def load(self, caller: Caller) -> CallerRecord:
        """Return a caller's record."""
        await self.ping()
        return self.record_of(caller)

    async def load_each(self, callers: Sequence[Caller]) -> Sequence[CallerRecord]:
        """Return the record of each of these callers."""
        return [await self.load(caller) for caller in callers]

    def record_of(self, caller: Caller) -> CallerRecord:
        """Return a caller's record, even while down."""
        record = self.work.held(caller).record
        assert record
        return record

    async def transaction(self, subjects: Sequence[Subject], act: Callable[[Work], _T]) -> _T:
        """Let `act` read and write; undo what it wrote if it raises."""
        del subjects
        await self.ping()
        before = {name: copy(value) for name, value in vars(self).items()}
        try:
            return act(self.work)
        except Exception:
            vars(self).update(before)
            raise

    async def write(self, changes: Sequence[Change]) -> None:
        """Write changes."""

        def act(work: Work) -> None:
            for change in changes:
                work.write(change)

        await self.transaction([], act)

    def put(self, change: Change) -> None:
        """Write one change."""
        if change.replacement:
            self._replace(change.replacement)
        if change.entry:
            self.writes += 1
            call = change.entry.finding.call
            self._ledger[call.id] = change.entry
        if change.audit_entry and change.audit_entry in self._audit_entries:
            return
        if change.audit_entry:
            self._audit_entries[change.audit_entry] = 1
        self._tallies.update(change.tallies)

    def _replace(self, new: Replacement) -> None:
        """Replace a record and update the lists; nothing ever expires here."""
        caller = new.record.caller
        if self._standing(caller) != new.held:
            self._feed.append((caller, new.held))
        self._records[caller] = (new.record, new.version + 1, new.held)
        for listed, present in (
            (self._blocked, new.held.level),
            (self._allowed, new.record.allow),
            (self._proposed, new.record.proposed),
            (self._missed, new.record.missed),
        ):
            (listed.add if present else listed.discard)(caller)

    async def last_change(self) -> FeedPosition:
        """Return the position of the last change."""
        await self.ping()
        return self._place()

    def _place(self) -> FeedPosition:
        return FeedPosition(str(len(self._feed)), self.nonce)

    def cut_feed(self) -> None:
        """Lose the feed: whoever follows it must read everything again."""
        self._feed.clear()
        self.nonce += "'"

    async def tidy(self, now: Millis) -> None:
        """Delete nothing: nothing expires here."""
        del now
        await self.ping()

    async def standings(self) -> AsyncIterator[Sequence[tuple[Caller, Standing]]]:
        """Yield all standings, in one page."""
        await self.ping()
        yield [(caller, held) for caller, (_, _, held) in self._records.items()]

    async def wait(self, place: FeedPosition, seconds: float) -> None:
        """Return at once, after a turn of the event loop."""
        del place, seconds
        await self.ping()
        await asyncio.sleep(0)

    async def changes(self, place: FeedPosition) -> FeedChanges | None:
        """Return the changes since that position; None if the feed was lost."""
        await self.ping()
        if place.nonce != self.nonce:
            return None
        return FeedChanges(self._place(), self._feed[int(place.id) :])

    async def blocked(self, now: Millis) -> Sequence[CallerRecord]:
        """Return the records of all callers with a block in force."""
        records = [self.record_of(caller) for caller in self._blocked]
        return [record for record in records if record.block_at(now)]

    async def block_counts(self, now: Millis) -> Mapping[Level, int]:
        """Return how many blocks of each level are in force."""
        held = [record.block_at(now) for record in await self.blocked(now)]
        return Counter(block.level for block in held if block)

    async def allowed(self) -> Sequence[CallerRecord]:
        """Return the records of all callers on the allow list."""
        return [self.record_of(caller) for caller in sorted(self._allowed)]

    async def proposed(self) -> Sequence[CallerRecord]:
        """Return the records of all callers with a block that a supervisor must decide about."""
        return [self.record_of(caller) for caller in sorted(self._proposed)]

    async def proposed_count(self) -> int:
        """Return how many of these callers there are."""
        return len(self._proposed)

    async def missed(self) -> Sequence[CallerRecord]:
        """Return the records of all callers who wait for a call-back, the longest wait first."""
        records = [self.record_of(caller) for caller in self._missed]
        return sorted(records, key=lambda record: record.missed[0].at)

    async def appealed(self) -> Sequence[CallerRecord]:
        """Return the records of all callers with an open appeal, the earliest deadline first."""
        await self.ping()
        found = [record for record, _, _ in self._records.values() if record.appeal]
        return sorted(found, key=lambda record: record.appeal.due if record.appeal else 0)

    async def appealed_count(self) -> tuple[int, Millis | None]:
        """Return how many appeals are open, and when the first is due."""
        waiting = [record.appeal.due for record in await self.appealed() if record.appeal]
        return len(waiting), waiting[0] if waiting else None

    async def holds(self) -> Sequence[CallerRecord]:
        """Return the records of all callers that are kept as evidence, the oldest hold first."""
        await self.ping()
        found = [record for record, _, _ in self._records.values() if record.hold]
        return sorted(found, key=lambda record: record.hold.at if record.hold else 0)

    async def missed_count(self) -> tuple[int, Millis | None]:
        """Return how many callers wait for a call-back, and since when the first does."""
        waiting = await self.missed()
        return len(waiting), waiting[0].missed[0].at if waiting else None

    async def ageing(self, since: Millis, missed_since: Millis) -> AsyncIterator[Caller]:
        """Yield all callers with a record."""
        del since, missed_since
        await self.ping()
        for caller in sorted(self._records):
            yield caller

    async def rejected_again(self, caller: Caller, within: Millis) -> bool:
        """Return whether the caller was rejected before; here that never expires."""
        del within
        await self.ping()
        before = caller in self._away
        self._away.add(caller)
        return before

    async def erase(
        self, caller: Caller, at: Millis, unless: Callable[[CallerRecord], None] = lambda _: None
    ) -> None:
        """Delete a caller's record, and the number from ledger rows and from the subjects of audit lines."""
        await self.ping()
        unless(self.record_of(caller))
        before, floor = self._forgotten.get(caller, (0, 0))
        version = self._records[caller][1] if caller in self._records else 0
        self._forgotten[caller] = (max(before, at), max(floor, version) + 1)
        self.cut_feed()
        self._records.pop(caller, None)
        for entry in await self.entries_of(caller):
            self._ledger[entry.finding.call.id] = without_caller(entry)
        self._rewrite(lambda line: replace(line, subject=A_CALLER) if line.subject == caller else line)
        for listed in (self._blocked, self._allowed, self._proposed, self._missed, self._away):
            listed.discard(caller)

    async def take_out(self, spelled: re.Pattern[str]) -> int:
        """Remove a number with this spelling from the texts of audit lines; return how many lines changed."""
        await self.ping()

        def without(line: AuditEntry) -> AuditEntry:
            return replace(
                line,
                detail=without_number(line.detail, spelled),
                reason=without_number(line.reason, spelled),
            )

        return self._rewrite(without)

    def _rewrite(self, change: Callable[[AuditEntry], AuditEntry]) -> int:
        before, self._audit_entries = self._audit_entries, Counter()
        for line, times in before.items():
            self._audit_entries[change(line)] += times
        return sum(times for line, times in before.items() if change(line) != line)

    async def audit_entries(self, since: Millis, until: Millis) -> Sequence[AuditEntry]:
        """Return the audit lines of that time, oldest first."""
        await self.ping()
        return sorted(
            (
                audit_entry
                for audit_entry in self._audit_entries.elements()
                if since <= audit_entry.at < until
            ),
            key=lambda audit_entry: audit_entry.at,
        )

    async def audit_of(self, caller: Caller) -> Sequence[AuditEntry]:
        """Return the audit lines about a caller and about the caller's calls."""
        about = {caller, *(entry.finding.call.id for entry in await self.entries_of(caller))}
        return [line for line in await self.audit_entries(0, 1 << 62) if line.subject in about]

    async def last_of(self, action: str) -> AuditEntry | None:
        """Return the last audit line of an action."""
        lines = [line for line in await self.audit_entries(0, 1 << 62) if line.action == action]
        return lines[-1] if lines else None

    async def holdings(self) -> Holdings:
        """Return the counts of a few kinds of data."""
        await self.ping()
        records = [record for record, _, _ in self._records.values()]
        return {
            Kind.CALLS: Holding(len(self._ledger)),
            Kind.CALLERS: Holding(len(records)),
            Kind.STRIKES: Holding(sum(len(record.strikes) for record in records)),
            Kind.AUDIT: Holding(self._audit_entries.total()),
        }

    async def tallies(self) -> Mapping[str, int]:
        """Return the tallies."""
        return dict(self._tallies)

    async def entry(self, call: CallId) -> Entry | None:
        """Return a row of the ledger; None if there is none."""
        await self.ping()
        return self._ledger.get(call)

    async def fingerprint(self, since: Millis, until: Millis) -> str:
        """Return a value that differs after any change to the rows of that time."""
        rows = [entry async for entry in self.entries(since, until)]
        return str(hash(tuple(rows))) if rows else ""

    async def nobodys(self, spelled: re.Pattern[str], until: Millis) -> Sequence[Entry]:
        """Return the rows without a caller but with a raw number that matches."""
        del until
        return [entry for entry in self._ledger.values() if of_nobody(entry, spelled)]

    async def entries_of(self, caller: Caller) -> Sequence[Entry]:
        """Return the rows of a caller's calls, oldest first."""
        mine = [entry for entry in self._ledger.values() if entry.finding.call.caller == caller]
        return sorted(mine, key=lambda entry: entry.finding.call.started)

    async def entries(self, since: Millis, until: Millis) -> AsyncIterator[Entry]:
        """Yield the rows of that time, oldest first."""
        await self.ping()
        for entry in sorted(self._ledger.values(), key=lambda e: (e.finding.call.started, e.finding.call.id)):
            if since <= entry.finding.call.started < until:
                yield entry

    async def summaries(self, since: Millis, until: Millis) -> AsyncIterator[CallSummary]:
        """Yield the same rows without the calls' facts."""
        async for entry in self.entries(since, until):
            yield entry.summary

    async def ledger_calls(self, since: Millis, until: Millis) -> Collection[CallId]:
        """Return the ids of the calls of that time."""
        return [entry.finding.call.id async for entry in self.entries(since, until)]

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """Store the snapshot; here it never expires."""
        await self.ping()
        self._snapshot = snapshot

    async def snapshot(self) -> Snapshot | None:
        """Return the snapshot."""
        await self.ping()
        return self._snapshot

    async def counted(self, since: Millis, until: Millis, grain: Millis, answer_within: Millis) -> Counted:
        """Count the calls of that time, here one by one."""
        del grain
        return one_by_one([ledger_row(entry) async for entry in self.entries(since, until)], answer_within)

    async def answered(self, since: Millis, until: Millis, grain: Millis) -> AnsweredCounts:
        """Count the answered calls of that time, here one by one."""
        del grain
        return answered_one_by_one([entry async for entry in self.entries(since, until)])

    async def passed(self, since: Millis, until: Millis) -> PassedCounts:
        """Count the hand-overs of those calls, here one by one."""
        return passed_one_by_one([entry async for entry in self.entries(since, until)])

    async def misusers(self, since: Millis, until: Millis) -> Sequence[Misuser]:
        """Return nobody."""
        del since, until
        return []

    async def ledger_begins(self) -> Millis | None:
        """Return when the first call began."""
        await self.ping()
        return min((entry.finding.call.started for entry in self._ledger.values()), default=None)

    async def blocks_of_changed(self, since: Millis) -> Sequence[Sequence[Block]]:
        """Return all blocks of each caller one of whose blocks began or was lifted since then."""
        await self.ping()
        records = [
            record for record, _, _ in self._records.values() if (record.blocks_changed or -1) >= since
        ]
        return [record.blocks for record in records]

    async def switched(self) -> Switch | None:
        """Return the last switch of the site's mode."""
        await self.ping()
        return self.held_switch

    async def switch(self, switch: Switch, instead_of: Mode) -> bool:
        """Switch the site's mode, unless it was switched later; return whether it was done."""
        await self.ping()
        if self.held_switch and self.held_switch.at > switch.at:
            return False
        self.held_switch = switch
        self._audit_entries[told(switch, instead_of)] = 1
        return True


class MemoryWork:
    """`core.fold.Work` on a store in memory."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def held(self, caller: Caller | None, call: CallId | None = None) -> Stored:
        """Return what is stored about a caller and a call."""
        store = self._store
        entry = store._ledger.get(call) if call else None
        if caller is None:
            return Stored(None, 0, entry)
        if caller in store.broken:
            raise StoreBrokenError("memory: broken by the test")
        at, floor = store._forgotten.get(caller, (0, 0))
        record, version, _ = store._records.get(caller, (CallerRecord(caller), floor, NOBODY))
        return Stored(replace(record, forgotten=at), version, entry)

    def reserve(self, asked: Imposition) -> bool:
        """Reserve one of the hour's automatic blocks; return whether there was one left."""
        return self._store._caps.reserve(asked)

    def write(self, change: Change) -> None:
        """Write a change."""
        self._store.put(change)


class MemoryModes:
    """`service.ports.LocalModes` in memory; while `broken`, every method raises OSError."""

    def __init__(self) -> None:
        self.off: Switch | None = None
        self.last: Switch | None = None
        self.broken = False

    def held_off(self) -> Switch | None:
        """Return the switch to off, if there is one."""
        self._work()
        return self.off

    def kept(self) -> Switch | None:
        """Return the last known switch."""
        self._work()
        return self.last

    def keep(self, switch: Switch) -> None:
        """Store a switch as the last known."""
        self._work()
        self.last = switch

    def release(self) -> bool:
        """Remove the switch to off; return whether there was one."""
        self._work()
        was, self.off = self.off, None
        return was is not None

    def _work(self) -> None:
        if self.broken:
            raise OSError("no such disk")
