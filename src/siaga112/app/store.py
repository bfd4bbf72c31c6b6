"""A site's records and its block list as one store."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.versions import bring
from siaga112.core.changes import Change
from siaga112.core.figures import Counted, Misuser
from siaga112.core.fold import Subject, Work
from siaga112.core.handling import AnsweredCounts, PassedCounts
from siaga112.core.holdings import Holding, Holdings, Kind
from siaga112.core.mode import Switch
from siaga112.core.model import DAY, AuditEntry, Caller, CallId, CallSummary, Entry, Level, Millis, Mode
from siaga112.core.record import Block, CallerRecord
from siaga112.core.snapshot import Snapshot
from siaga112.core.standing import Standing
from siaga112.errors import Said, saying
from siaga112.service.ports import (
    CallFilter,
    CallPage,
    CallPlace,
    FeedChanges,
    FeedPosition,
    StoreBrokenError,
    StoreDownError,
)

if TYPE_CHECKING:
    from siaga112.adapters.redis.block_list import RedisBlockList
    from siaga112.service.publishing import Publisher

_T = TypeVar("_T")

DESK_CACHE_KIB: Final = 2_048
"""A command reads a place of the file once; more memory makes none of them faster."""

PUBLISHING_SECONDS: Final = 5.0
"""How long a command waits for its changes to reach the block list."""


class SiteStore:
    """Implements `service.ports.Store`: lasting data in the database, verdicts' data in Redis."""

    def __init__(
        self,
        records: DatabaseRecords,
        block_list: "Callable[[], RedisBlockList]",
        keep_calls: Millis,
        keep_audit: Millis = 400 * DAY,
    ) -> None:
        self.records = records
        self._open_block_list = block_list
        self._opened = False
        records.changed = self._wake
        self.late: dict[str, str] = {}
        """Changes that have not reached every store yet, each with the reason."""
        self._keep_calls = keep_calls
        self._keep_audit = keep_audit

    def __repr__(self) -> str:
        return f"<SiteStore {self.records.site_name}>"

    @cached_property
    def block_list(self) -> "RedisBlockList":
        """The block list, opened on first use: a report needs none."""
        self._opened = True
        return self._open_block_list()

    @cached_property
    def publisher(self) -> "Publisher":
        """Publishes changes of the records to the block list."""
        # It loads structlog, and with it rich: a tenth of the time of a command that changes nothing.
        from siaga112.service.publishing import Publisher  # noqa: PLC0415 - see above

        return Publisher(self.records, self.block_list)

    @property
    def unreadable(self) -> dict[str, str]:
        """Records that a list left out, and why."""
        return self.records.unreadable

    async def ping(self) -> None:
        """Return if the database and Redis answer."""
        await self.records.ping()
        await self.block_list.ping()

    async def close(self) -> None:
        """Close the connections."""
        await self.records.close()
        if self._opened:
            await self.block_list.close()

    # ── the block list ───────────────────────────────────────────────────────────────────────────

    async def standing(self, caller: Caller) -> Standing:
        """Return a caller's standing."""
        return await self.block_list.standing(caller)

    async def rejected_again(self, caller: Caller, within: Millis) -> bool:
        """Record that a caller is being rejected; return whether that happened within this time before."""
        return await self.block_list.rejected_again(caller, within)

    async def last_change(self) -> FeedPosition | None:
        """Return the position of the last change of a standing."""
        return await self.block_list.last_change()

    def standings(self) -> AsyncIterator[Sequence[tuple[Caller, Standing]]]:
        """Yield all standings in pages."""
        return self.block_list.standings()

    async def wait(self, place: FeedPosition, seconds: float) -> None:
        """Wait until a standing changes after that position, or for `seconds`."""
        await self.block_list.wait(place, seconds)

    async def changes(self, place: FeedPosition) -> FeedChanges | None:
        """Return the changes after that position."""
        return await self.block_list.changes(place)

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """Replace the snapshot of the current calls."""
        await self.block_list.put_snapshot(snapshot)

    async def snapshot(self) -> Snapshot | None:
        """Return the snapshot of the current calls."""
        return await self.block_list.snapshot()

    # ── the records ──────────────────────────────────────────────────────────────────────────────

    async def transaction(self, subjects: Sequence[Subject], act: Callable[[Work], _T]) -> _T:
        """Run `act`, which reads and writes within one transaction; its effect on standings is published."""
        return await self.records.transaction(subjects, act)

    async def _changed(self) -> None:
        self._wake()

    def _wake(self) -> None:
        self.publisher.wake()

    async def write(self, changes: Sequence[Change]) -> None:
        """Write changes that do not depend on existing records; all of them or none."""
        await self.records.write(changes)

    async def load(self, caller: Caller) -> CallerRecord:
        """Return a caller's record."""
        return await self.records.load(caller)

    async def load_each(self, callers: Sequence[Caller]) -> Sequence[CallerRecord]:
        """Return the record of each of these callers."""
        return await self.records.load_each(callers)

    async def blocked(self, now: Millis) -> Sequence[CallerRecord]:
        """Return the records of all callers with a block in force."""
        return await self.records.blocked(now)

    async def block_counts(self, now: Millis) -> Mapping[Level, int]:
        """Count the blocks in force."""
        return await self.records.block_counts(now)

    async def allowed(self) -> Sequence[CallerRecord]:
        """Return the records of all callers on the allow list."""
        return await self.records.allowed()

    async def proposed(self) -> Sequence[CallerRecord]:
        """Return the records of all callers with an open proposal."""
        return await self.records.proposed()

    async def proposed_count(self) -> int:
        """Count the callers with an open proposal."""
        return await self.records.proposed_count()

    async def missed(self) -> Sequence[CallerRecord]:
        """Return the records of all callers who wait for a call-back, the longest wait first."""
        return await self.records.missed()

    async def appealed(self) -> Sequence[CallerRecord]:
        """Return the records of all callers with an open appeal, the most urgent first."""
        return await self.records.appealed()

    async def holds(self) -> Sequence[CallerRecord]:
        """Return the records of all callers kept as evidence, the oldest hold first."""
        return await self.records.holds()

    async def appealed_count(self) -> tuple[int, Millis | None]:
        """Count the open appeals, and return when the first is due."""
        return await self.records.appealed_count()

    async def missed_count(self) -> tuple[int, Millis | None]:
        """Count the callers who wait for a call-back, and return when the oldest missed call was."""
        return await self.records.missed_count()

    def ageing(self, since: Millis, missed_since: Millis) -> AsyncIterator[Caller]:
        """Yield the callers with a record that does not expire, or parts of which may be too old."""
        return self.records.ageing(since, missed_since)

    async def tidy(self, now: Millis) -> None:
        """Delete what is past its retention."""
        await self.records.drop_calls(now - self._keep_calls)
        await self.records.drop_aged(now, self._keep_audit)
        await self.records.drop_expired(now)
        await self.records.end_standings(now)
        await self._changed()

    async def erase(
        self, caller: Caller, at: Millis, unless: Callable[[CallerRecord], None] = lambda _: None
    ) -> None:
        """Delete a caller's record, and the number from the ledger, the audit trail and announcements."""
        await self.records.erase(caller, at, unless)
        with contextlib.suppress(StoreDownError):  # the key expires soon anyway
            await self.block_list.forget(caller)
        await self._changed()

    async def take_out(self, spelled: re.Pattern[str]) -> int:
        """Remove a matching number from the text of the audit trail."""
        return await self.records.take_out(spelled)

    async def entry(self, call: CallId) -> Entry | None:
        """Return the entry of a call; None if there is none."""
        return await self.records.entry(call)

    async def entries_of(self, caller: Caller) -> Sequence[Entry]:
        """Return the entries of a caller's calls, oldest first."""
        return await self.records.entries_of(caller)

    def entries(self, since: Millis, until: Millis) -> AsyncIterator[Entry]:
        """Yield the entries of calls that started in that time, oldest first."""
        return self.records.entries(since, until)

    def summaries(self, since: Millis, until: Millis) -> AsyncIterator[CallSummary]:
        """Yield the summaries of the same calls, without their facts."""
        return self.records.summaries(since, until)

    async def page(self, which: CallFilter, limit: int, after: CallPlace | None = None) -> CallPage:
        """Return a page of calls, newest first."""
        return await self.records.page(which, limit, after)

    async def fingerprint(self, since: Millis, until: Millis) -> str:
        """Return a digest that changes when any row of that time changes."""
        return await self.records.fingerprint(since, until)

    async def nobodys(self, spelled: re.Pattern[str], until: Millis) -> Sequence[Entry]:
        """Return the entries, up to then, of calls with no known caller whose raw number matches."""
        return await self.records.nobodys(spelled, until)

    async def ledger_calls(self, since: Millis, until: Millis) -> Collection[CallId]:
        """Return the ids of the calls in that time."""
        return await self.records.ledger_calls(since, until)

    async def counted(self, since: Millis, until: Millis, grain: Millis, answer_within: Millis) -> Counted:
        """Count the calls that started in that time."""
        return await self.records.counted(since, until, grain, answer_within)

    async def answered(self, since: Millis, until: Millis, grain: Millis) -> AnsweredCounts:
        """Count the answered calls that started in that time."""
        return await self.records.answered(since, until, grain)

    async def passed(self, since: Millis, until: Millis) -> PassedCounts:
        """Count the hand-overs of the calls that started in that time."""
        return await self.records.passed(since, until)

    async def misusers(self, since: Millis, until: Millis) -> Sequence[Misuser]:
        """Return the callers who misused the line in that time."""
        return await self.records.misusers(since, until)

    async def ledger_begins(self) -> Millis | None:
        """Return when the ledger's first call began, except for calls kept as evidence."""
        return await self.records.ledger_begins()

    async def blocks_of_changed(self, since: Millis) -> Sequence[Sequence[Block]]:
        """Return all blocks of each caller with a block that began or was lifted since then."""
        return await self.records.blocks_of_changed(since)

    async def audit_entries(self, since: Millis, until: Millis) -> Sequence[AuditEntry]:
        """Return the audit lines of that time, oldest first."""
        return await self.records.audit_entries(since, until)

    async def audit_of(self, caller: Caller) -> Sequence[AuditEntry]:
        """Return the audit lines about a caller and the caller's calls, oldest first."""
        return await self.records.audit_of(caller)

    async def last_of(self, action: str) -> AuditEntry | None:
        """Return the last audit line with an action."""
        return await self.records.last_of(action)

    async def tallies(self) -> Mapping[str, int]:
        """Return the counts over all processes of the site."""
        return await self.records.tallies()

    async def holdings(self) -> Holdings:
        """Count the records by kind, in both stores; leave out Redis if it does not answer."""
        found = {**await self.records.holdings()}
        with contextlib.suppress(StoreDownError, StoreBrokenError):
            found[Kind.STANDINGS] = Holding(await self.block_list.count())
            snapshot = await self.block_list.snapshot()
            at = snapshot.at if snapshot else None
            found[Kind.SNAPSHOT] = Holding(int(at is not None), at)
        return found

    # ── the mode, in both ────────────────────────────────────────────────────────────────────────

    async def switched(self) -> Switch | None:
        """Return the last switch of the site's mode, from whichever store has the later one; None for none.

        While one store is down, return what the other has.
        """
        halves = self.records, self.block_list
        both = await asyncio.gather(*(one.switched() for one in halves), return_exceptions=True)
        told = [one for one in both if not isinstance(one, BaseException)]
        if not told:
            raise _worst(both)
        return max((one for one in told if one), key=lambda one: one.at, default=None)

    async def switch(self, switch: Switch, instead_of: Mode) -> bool:
        """Switch the site's mode; return False if either store already has a later switch.

        If one store cannot be written, `late` says so, and the daemon's mode watch writes it later.
        """
        unheard = (
            Said("the new mode is not in the database yet"),
            Said("the new mode is not in Redis yet"),
        )
        both = await asyncio.gather(
            *(one.switch(switch, instead_of) for one in (self.records, self.block_list)),
            return_exceptions=True,
        )
        failed = {one: why for one, why in zip(unheard, both, strict=True) if isinstance(why, BaseException)}
        if len(failed) == len(both):
            raise _worst(both)
        self.late |= {one: saying(why) for one, why in failed.items()}
        return False not in both


def _worst(errors: Sequence[object]) -> Exception:
    """Return one error for both: "down" only if every error is."""
    found = [one for one in errors if isinstance(one, Exception)]
    down = all(isinstance(one, StoreDownError) for one in found)
    kind = StoreDownError if down else StoreBrokenError
    first, *more = map(saying, found)
    return kind("{first}; {second}", first=first, second=more[0]) if more else kind(first)


class DecidingStore(SiteStore):
    """A command's store: it publishes changes before the command ends, or says why it could not."""

    async def transaction(self, subjects: Sequence[Subject], act: Callable[[Work], _T]) -> _T:
        """Run `act`, which reads and writes within one transaction, and publish its effects."""
        done = await super().transaction(subjects, act)
        await self._changed()
        return done

    async def write(self, changes: Sequence[Change]) -> None:
        """Write changes that do not depend on existing records, and publish their effects."""
        await super().write(changes)
        await self._changed()

    async def _changed(self) -> None:
        try:
            async with asyncio.timeout(PUBLISHING_SECONDS):
                if await self.publisher.hand_on():
                    return
            why = Said(
                "Redis does not have the whole block list: siaga112 run rebuilds it (or: siaga112 rebuild)"
            )
        except TimeoutError:
            why = Said("not done within {seconds} s", seconds=format(PUBLISHING_SECONDS, "g"))
        except (StoreDownError, StoreBrokenError) as error:
            why = error.said
        self.late[Said("verdicts do not use it yet; the daemon publishes it")] = why


def open_site(
    url: str, block_list: "Callable[[], RedisBlockList]", site: str, keep_calls: Millis, keep_audit: Millis
) -> SiteStore:
    """Create the store of a site on that database and that block list, without connecting."""
    return SiteStore(DatabaseRecords(connect(url), site, bring), block_list, keep_calls, keep_audit)


def open_desk(
    url: str, block_list: "Callable[[], RedisBlockList]", site: str, keep_calls: Millis, keep_audit: Millis
) -> DecidingStore:
    """Create the store of a command, which never creates a database."""
    records = DatabaseRecords(connect(url, create=False, cache=DESK_CACHE_KIB), site, bring)
    return DecidingStore(records, block_list, keep_calls, keep_audit)
