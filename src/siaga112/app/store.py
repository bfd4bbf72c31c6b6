"""A site's records and its block list as one store, for whoever needs both."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.versions import bring
from siaga112.adapters.redis.block_list import RedisBlockList
from siaga112.core.changes import Change, Stored
from siaga112.core.figures import LedgerRow
from siaga112.core.fold import Subject, Work
from siaga112.core.mode import Switch
from siaga112.core.model import DAY, AuditEntry, Caller, CallId, Entry, Level, Millis
from siaga112.core.record import Block, CallerRecord
from siaga112.core.snapshot import Snapshot
from siaga112.core.standing import Standing
from siaga112.service.ports import (
    FeedChanges,
    FeedPosition,
    StoreBrokenError,
    StoreDownError,
    UnrecordableError,
    Written,
)
from siaga112.service.publishing import Publisher

_T = TypeVar("_T")


class SiteStore:
    """`service.ports.Store`: what must last is in the database, what verdicts need in Redis."""

    def __init__(
        self,
        records: DatabaseRecords,
        block_list: RedisBlockList,
        keep_calls: Millis,
        keep_audit: Millis = 400 * DAY,
    ) -> None:
        self.records = records
        self.block_list = block_list
        self.publisher = Publisher(records, block_list)
        self._keep_calls = keep_calls
        self._keep_audit = keep_audit

    def __repr__(self) -> str:
        return f"<SiteStore {self.records.site_name}>"

    @property
    def unreadable(self) -> dict[str, str]:
        """What a listing had to leave out, and why."""
        return self.records.unreadable

    async def ping(self) -> None:
        """Return if both answer."""
        await self.records.ping()
        await self.block_list.ping()

    async def close(self) -> None:
        """Close the connections."""
        await self.records.close()
        await self.block_list.close()

    # ── the block list ───────────────────────────────────────────────────────────────────────────

    async def standing(self, caller: Caller) -> Standing:
        """Give a caller's standing."""
        return await self.block_list.standing(caller)

    async def turned_away(self, caller: Caller, within: Millis) -> bool:
        """Note that a caller is being turned away; say whether that happened within this time already."""
        return await self.block_list.turned_away(caller, within)

    async def last_change(self) -> FeedPosition | None:
        """Give the place of the last change of a standing."""
        return await self.block_list.last_change()

    def standings(self) -> AsyncIterator[Sequence[tuple[Caller, Standing]]]:
        """Give all standings in pages."""
        return self.block_list.standings()

    async def wait(self, place: FeedPosition, seconds: float) -> None:
        """Return when a standing has changed since."""
        await self.block_list.wait(place, seconds)

    async def changes(self, place: FeedPosition) -> FeedChanges | None:
        """Give what has changed since."""
        return await self.block_list.changes(place)

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """Show what goes on now."""
        await self.block_list.put_snapshot(snapshot)

    async def snapshot(self) -> Snapshot | None:
        """Give what goes on now."""
        return await self.block_list.snapshot()

    # ── the records ──────────────────────────────────────────────────────────────────────────────

    async def transaction(self, subjects: Sequence[Subject], act: Callable[[Work], _T]) -> _T:
        """Let `act` read and write within one transaction."""
        return await self.records.transaction(subjects, act)

    async def load(self, caller: Caller) -> tuple[CallerRecord, int]:
        """Give a caller's record and its version."""
        (found,) = await self.held([(caller, None)])
        if isinstance(found, StoreBrokenError):
            raise found
        return found.record or CallerRecord(caller), found.version

    async def held(self, wanted: Sequence[Subject]) -> Sequence[Stored | StoreBrokenError]:
        """Give what is held on callers and of calls."""

        def one(work: Work, caller: Caller | None, call: CallId | None) -> Stored | StoreBrokenError:
            try:
                return work.held(caller, call)
            except StoreBrokenError as error:
                return error

        return await self.records.transaction(wanted, lambda work: [one(work, *each) for each in wanted])

    async def write(self, changes: Sequence[Change]) -> Sequence[Written | StoreBrokenError]:
        """Write changes, all in one transaction; where one of them cannot be, each in its own."""
        subjects: list[Subject] = [(_whose(change), None) for change in changes]
        try:
            return await self.records.transaction(
                subjects, lambda work: [_write(work, change) for change in changes]
            )
        except StoreBrokenError as error:
            if len(changes) == 1:
                return [UnrecordableError(f"not to be written: {error}")]
            return [answer for change in changes for answer in await self.write([change])]

    async def blocked(self, now: Millis) -> Sequence[CallerRecord]:
        """Give the records of all callers with a block in force."""
        return await self.records.blocked(now)

    async def block_counts(self, now: Millis) -> Mapping[Level, int]:
        """Count the blocks in force."""
        return await self.records.block_counts(now)

    async def allowed(self) -> Sequence[CallerRecord]:
        """Give the records of all callers on the allow list."""
        return await self.records.allowed()

    async def proposed(self) -> Sequence[CallerRecord]:
        """Give the records of all callers whose block waits for a supervisor."""
        return await self.records.proposed()

    async def proposed_count(self) -> int:
        """Count them."""
        return await self.records.proposed_count()

    async def missed(self) -> Sequence[CallerRecord]:
        """Give the records of all callers who wait for a call-back, longest first."""
        return await self.records.missed()

    async def missed_count(self) -> tuple[int, Millis | None]:
        """Count them, and say since when the oldest waits."""
        return await self.records.missed_count()

    def listed(self) -> AsyncIterator[Caller]:
        """Give whose record lasts though nobody touches it."""
        return self.records.lasting()

    async def tidy(self, now: Millis) -> None:
        """Drop what may be kept no longer."""
        await self.records.drop_calls(now - self._keep_calls)
        await self.records.drop_aged(now, self._keep_audit)
        await self.records.drop_expired(now)
        await self.records.end_standings(now)

    async def erase(self, caller: Caller, at: Millis) -> None:
        """Delete a caller's record, the lines about the caller, and the number from the ledger's rows."""
        await self.records.erase(caller, at)
        await self.block_list.forget(caller)

    async def entry(self, call: CallId) -> Entry | None:
        """Find a row of the ledger by its call."""
        return await self.records.entry(call)

    async def calls_of(self, caller: Caller) -> Sequence[CallId]:
        """Give a caller's calls, oldest first."""
        return await self.records.calls_of(caller)

    async def entries_of(self, caller: Caller) -> Sequence[Entry]:
        """Give the rows of a caller's calls, oldest first."""
        return await self.records.entries_of(caller)

    def entries(self, since: Millis, until: Millis) -> AsyncIterator[Entry]:
        """Give the rows of calls that started in that time, oldest first."""
        return self.records.entries(since, until)

    async def nobodys(self, spelled: re.Pattern[str], until: Millis) -> Sequence[Entry]:
        """Give the rows up to then of no known caller whose number, as it came, is spelled so."""
        return await self.records.nobodys(spelled, until)

    async def ledger_calls(self, since: Millis, until: Millis) -> Collection[CallId]:
        """Give the calls of that time."""
        return await self.records.ledger_calls(since, until)

    def rows(self, since: Millis, until: Millis) -> AsyncIterator[Sequence[LedgerRow]]:
        """Give what figures need of the same rows."""
        return self.records.ledger_rows(since, until)

    async def blocks_of_changed(self, since: Millis) -> Sequence[Sequence[Block]]:
        """Give all blocks of each caller one of whose blocks began or was lifted since then."""
        return await self.records.blocks_of_changed(since)

    async def audit_entries(self, since: Millis, until: Millis) -> Sequence[AuditEntry]:
        """Give the lines of that time, oldest first."""
        return await self.records.audit_entries(since, until)

    async def audit_of(self, caller: Caller) -> Sequence[AuditEntry]:
        """Give the lines about a caller and about the caller's calls, oldest first."""
        return await self.records.audit_of(caller)

    async def last_of(self, action: str) -> AuditEntry | None:
        """Give the last line of an action."""
        return await self.records.last_of(action)

    async def tallies(self) -> Mapping[str, int]:
        """Give what was counted in all processes of the site."""
        return await self.records.tallies()

    # ── the mode, in both ────────────────────────────────────────────────────────────────────────

    async def switched(self) -> Switch | None:
        """Give the site's mode, if anybody has switched it: of what both say, the later.

        While one of the two is away, what the other says; where they differ, the earlier is put right.
        """
        recorded, told = await asyncio.gather(
            self.records.switched(), self.block_list.switched(), return_exceptions=True
        )
        both = [one for one in (recorded, told) if not isinstance(one, BaseException)]
        if not both:
            raise StoreDownError(f"{recorded}; {told}")
        switch = max((one for one in both if one), key=lambda one: one.at, default=None)
        if switch and len(both) > 1:
            if switch != told:
                await self.block_list.switch(switch)
            if switch != recorded:
                await self.records.switch(switch)
        return switch

    async def switch(self, switch: Switch) -> bool:
        """Switch the site's mode; False, and nothing done, if it was switched later than that already."""
        both = await asyncio.gather(
            self.records.switch(switch), self.block_list.switch(switch), return_exceptions=True
        )
        if all(isinstance(one, BaseException) for one in both):
            raise StoreDownError("; ".join(map(str, both)))
        if False in both:  # the other one may have taken it: what is later is told to both
            await self.switched()
            return False
        return True


def _whose(change: Change) -> Caller | None:
    if change.replacement:
        return change.replacement.record.caller
    return change.entry.finding.call.caller if change.entry else None


def _write(work: Work, change: Change) -> Written:
    caller: Any = _whose(change)
    held = work.held(caller)
    if change.replacement and held.version != change.replacement.version:
        return Written.MOVED
    entry, record = change.entry, held.record
    if entry and record and record.forgotten >= entry.finding.call.started:
        return Written.MOVED
    if change.imposes and not work.reserve(change.imposes):
        return Written.CAPPED
    work.write(change)
    return Written.DONE


def open_site(
    url: str, block_list: RedisBlockList, site: str, keep_calls: Millis, keep_audit: Millis
) -> SiteStore:
    """Make the store of a site on that database and that block list; nothing is opened yet."""
    return SiteStore(DatabaseRecords(connect(url), site, bring), block_list, keep_calls, keep_audit)
