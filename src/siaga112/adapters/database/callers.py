"""Callers' records, and the lists that callers are on."""

import contextlib
import hashlib
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, case, delete, exists, func, or_, select, update

from siaga112.adapters.database import caller_rows
from siaga112.adapters.database.schema import (
    APPEAL,
    BLOCK,
    CALL,
    CALLER,
    EVENT,
    FORGOTTEN,
    GENUINE_REPORT,
    MISSED_CALL,
    OF_A_CALLER,
    PARKED,
    PROPOSAL,
    STRIKE,
    UNPUBLISHED,
)
from siaga112.adapters.database.trail import Trail
from siaga112.adapters.database.transactions import HERE, PAGE
from siaga112.core.changes import Stored
from siaga112.core.model import Caller, Level, Millis, Outcome
from siaga112.core.record import Block, CallerRecord
from siaga112.core.retention import REMEMBERED
from siaga112.core.review import Called, Watched
from siaga112.core.standing import NOBODY, Standing
from siaga112.service.ports import StoreBrokenError

_TIMES: Final = (STRIKE.c.at, BLOCK.c.since, PROPOSAL.c.at, APPEAL.c.at, GENUINE_REPORT.c.at)
"""When each part of a record began; what began too late to be old is not old."""


@dataclass(frozen=True, slots=True)
class Found:
    """A caller's record with its version, or why it cannot be read; and the caller's standing."""

    stored: Stored | StoreBrokenError
    standing: Standing | None


class Callers(Trail):
    """The records of callers."""

    async def load(self, caller: Caller) -> CallerRecord:
        """Return a caller's record. Raises StoreBrokenError if it cannot be read."""
        return (await self.load_each([caller]))[0]

    async def load_each(self, callers: Sequence[Caller]) -> Sequence[CallerRecord]:
        """Return the record of each of these callers. Raises StoreBrokenError if one cannot be read."""
        found = await self.ask(lambda connection: self.records_of(connection, callers))
        records = []
        for caller in callers:
            stored = found[caller].stored
            if isinstance(stored, StoreBrokenError):
                raise stored
            records.append(stored.record or CallerRecord(caller))
        return records

    def records_of(self, connection: Connection, callers: Collection[Caller]) -> dict[Caller, Found]:
        """Return the records of these callers, with an empty one for a caller without rows."""
        known = {row.caller: row for row in self.among(connection, CALLER, "caller", callers)}
        parts: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
        for table in OF_A_CALLER if known else ():
            for row in self.among(connection, table, "caller", known):
                parts[row.caller][table.name].append(row)
        marks = {caller: mark(self.site_name, caller) for caller in callers}
        gone = {
            row.mark: (row.at, row.version)
            for row in self.among(connection, FORGOTTEN, "mark", {*marks.values()})
        }
        found = {}
        for caller in callers:
            at, floor = gone.get(marks[caller], (0, 0))
            row = known.get(caller)
            if row is None:
                found[caller] = Found(Stored(CallerRecord(caller, forgotten=at), floor, None), NOBODY)
            else:
                found[caller] = _found(row, parts[caller], at)
        return found

    # ── lists ────────────────────────────────────────────────────────────────────────────────────

    async def blocked(self, now: Millis) -> Sequence[CallerRecord]:
        """Return the records of all callers with a block in force."""
        return [one for one in await self._listed(*_blocked(now)) if one.block_at(now)]

    async def block_counts(self, now: Millis) -> Mapping[Level, int]:
        """Count the blocks in force, without reading them."""
        asked = select(CALLER.c.level, func.count()).where(*_blocked(now)).group_by(CALLER.c.level)
        counted = {level: int(count) for level, count in await self.select(CALLER, asked)}
        return {level: counted.get(level.value, 0) for level in Level}

    async def allowed(self) -> Sequence[CallerRecord]:
        """Return the records of all callers on the allow list."""
        return await self._listed(CALLER.c.allow_at.is_not(None))

    async def proposed(self) -> Sequence[CallerRecord]:
        """Return the records of all callers with a proposal that no supervisor has decided."""
        waiting = select(PROPOSAL.c.caller).where(PROPOSAL.c.decided_at.is_(None))
        return await self._listed(CALLER.c.caller.in_(waiting.where(PROPOSAL.c.site == HERE)))

    async def proposed_count(self) -> int:
        """Count the callers with an open proposal, without reading their records."""
        asked = select(func.count(PROPOSAL.c.caller.distinct())).where(PROPOSAL.c.decided_at.is_(None))
        ((count,),) = await self.select(PROPOSAL, asked)
        return int(count)

    async def appealed(self) -> Sequence[CallerRecord]:
        """Return the records of all callers with an open appeal, the most urgent first."""
        waiting = select(APPEAL.c.caller).where(APPEAL.c.decided_at.is_(None))
        found = await self._listed(CALLER.c.caller.in_(waiting.where(APPEAL.c.site == HERE)))
        return sorted(found, key=lambda record: (record.appeal.due if record.appeal else 0, record.caller))

    async def appealed_count(self) -> tuple[int, Millis | None]:
        """Count the open appeals, and return when the first is due, without reading the records."""
        asked = select(func.count(), func.min(APPEAL.c.due)).where(APPEAL.c.decided_at.is_(None))
        ((count, first),) = await self.select(APPEAL, asked)
        return int(count), None if first is None else int(first)

    async def holds(self) -> Sequence[CallerRecord]:
        """Return the records of all callers kept as evidence, the oldest hold first."""
        found = await self._listed(CALLER.c.hold_at.is_not(None))
        return sorted(found, key=lambda record: (record.hold.at if record.hold else 0, record.caller))

    async def missed(self) -> Sequence[CallerRecord]:
        """Return the records of all callers who wait for a call-back, the longest wait first."""
        waiting = select(MISSED_CALL.c.caller).where(MISSED_CALL.c.site == HERE)
        found = await self._listed(CALLER.c.caller.in_(waiting))
        return sorted(found, key=lambda record: (record.missed[0].at, record.caller))

    async def missed_count(self) -> tuple[int, Millis | None]:
        """Count the callers who wait for a call-back, and return when the oldest missed call was."""
        asked = select(func.count(MISSED_CALL.c.caller.distinct()), func.min(MISSED_CALL.c.at))
        ((count, oldest),) = await self.select(MISSED_CALL, asked)
        return int(count), None if oldest is None else int(oldest)

    async def blocks_of_changed(self, since: Millis) -> Sequence[Sequence[Block]]:
        """Return all blocks of each caller with a block that began or was lifted since then."""
        other = BLOCK.alias()
        changed = select(other.c.caller).where(or_(other.c.since >= since, other.c.lifted_at >= since))
        asked = select(BLOCK).where(BLOCK.c.caller.in_(changed.where(other.c.site == HERE)))
        found: dict[str, list[Block]] = defaultdict(list)
        for row in await self.select(BLOCK, asked.order_by(BLOCK.c.caller, BLOCK.c.nth)):
            found[row.caller] += self.readable(row.caller, caller_rows.block_of, row)
        return [tuple(blocks) for blocks in found.values()]

    async def _listed(self, *which: Any) -> list[CallerRecord]:
        """Return the records of the callers that meet these conditions, ordered by number."""

        def ask(connection: Connection) -> dict[Caller, Found]:
            asked = select(CALLER.c.caller).where(CALLER.c.site == HERE, *which)
            found = connection.execute(asked, {"here": self.site}).scalars()
            callers = [Caller(caller) for caller in found]
            return self.records_of(connection, callers)

        listed = []
        for caller, found in sorted((await self.ask(ask)).items(), key=itemgetter(0)):
            if isinstance(found.stored, StoreBrokenError):
                self.unreadable[caller] = str(found.stored)
            elif found.stored.record:
                listed.append(found.stored.record)
        return listed

    # ── ageing and erasing ───────────────────────────────────────────────────────────────────────

    async def ageing(self, since: Millis, missed_since: Millis) -> AsyncIterator[Caller]:
        """Yield the callers with a record that does not expire, or parts of which may be too old.

        See `service.ports.CallerRecords.ageing`. Looks at a page of all callers at a time.
        """
        after, full = "", True
        while full:
            page = await self.ask(partial(self._ageing, after=after, since=since, missed_since=missed_since))
            for row in page:
                if row.due:
                    yield Caller(row.caller)
            full = len(page) == PAGE
            after = page[-1].caller if page else after

    def _ageing(
        self, connection: Connection, after: str, since: Millis, missed_since: Millis
    ) -> Sequence[Row[Any]]:
        """Return the next page of all callers, each with whether something may be `due` to be deleted."""
        page = select(CALLER.c.caller, CALLER.c.expires).where(
            CALLER.c.site == self.site, CALLER.c.caller > after
        )
        callers = page.order_by(CALLER.c.caller).limit(PAGE).subquery("callers")
        old = [
            exists().where(at.table.c.site == self.site, at.table.c.caller == callers.c.caller, at <= last)
            for at, last in (*((at, since) for at in _TIMES), (MISSED_CALL.c.at, missed_since))
        ]
        due = or_(callers.c.expires.is_(None), *old).label("due")
        return connection.execute(select(callers.c.caller, due).order_by(callers.c.caller)).all()

    # ── reviews ──────────────────────────────────────────────────────────────────────────────────

    async def permanent(self) -> AsyncIterator[Caller]:
        """Yield the callers with a permanent block; reads a page at a time."""
        lasting = BLOCK.c.level == Level.PERMANENT.value, BLOCK.c.lifted_at.is_(None)
        page, after = [Caller("")] * PAGE, ""
        while len(page) == PAGE:
            asked = select(BLOCK.c.caller).distinct().where(*lasting, BLOCK.c.caller > after)
            found = await self.select(BLOCK, asked.order_by(BLOCK.c.caller).limit(PAGE))
            page = [Caller(caller) for (caller,) in found]
            for caller in page:
                yield caller
            after = page[-1] if page else ""

    async def watched(self) -> Watched:
        """Return the start times of the first and the last call in the ledger."""
        # One query for each end, since each uses the index; a query for both would use none.
        ((first,),) = await self.select(CALL, select(func.min(CALL.c.started)))
        ((last,),) = await self.select(CALL, select(func.max(CALL.c.started)))
        return Watched(first, last)

    async def called(self, caller: Caller, since: Millis) -> Called:
        """Return a caller's last call since then, and how many of the caller's calls were blocked."""
        rejections = func.count(case((CALL.c.outcome == Outcome.BLOCKED.value, 1)))
        asked = select(func.max(CALL.c.started), rejections).where(
            CALL.c.caller == caller, CALL.c.started >= since
        )
        ((last, rejected),) = await self.select(CALL, asked)
        return Called(last, int(rejected))

    async def end_standings(self, now: Millis) -> None:
        """Remove expired blocks and warnings from the standings, one page per transaction."""
        ended = and_(CALLER.c.level.is_not(None), CALLER.c.until <= now)
        over = or_(ended, and_(CALLER.c.warn_until > 0, CALLER.c.warn_until <= now))

        def act(connection: Connection) -> int:
            asked = select(CALLER).where(CALLER.c.site == self.site, over).limit(PAGE)
            found = connection.execute(asked).all()
            for row in found:
                new: dict[str, Any] = {"version": row.version + 1}
                if row.level is not None and row.until is not None and row.until <= now:
                    new |= {"level": None, "until": None, "since": 0}
                if row.warn_until <= now:
                    new["warn_until"] = 0
                mine = CALLER.c.site == self.site, CALLER.c.caller == row.caller
                connection.execute(update(CALLER).where(*mine).values(new))
            self.upsert(
                connection, UNPUBLISHED, [{"caller": row.caller, "version": row.version + 1} for row in found]
            )
            return len(found)

        while await self.act(act) == PAGE:
            pass

    async def drop_expired(self, now: Millis) -> None:
        """Delete the records that have expired, one page per transaction, so that nobody waits for long."""

        def act(connection: Connection) -> int:
            old = select(CALLER.c.caller).where(CALLER.c.site == self.site, CALLER.c.expires <= now)
            callers = connection.execute(old.limit(PAGE)).scalars().all()
            self._delete(connection, callers)
            return len(callers)

        while await self.act(act) == PAGE:
            pass

    def _delete(self, connection: Connection, callers: Sequence[str]) -> None:
        for table in (CALLER, *OF_A_CALLER) if callers else ():
            connection.execute(delete(table).where(table.c.site == self.site, table.c.caller.in_(callers)))

    async def erase(
        self, caller: Caller, at: Millis, unless: Callable[[CallerRecord], None] = lambda _: None
    ) -> None:
        """Delete a caller's record, and the number from the ledger, the audit trail and announcements.

        From then on nothing that began up to `at` is written for this caller. A new record of the caller
        starts at a version that no earlier one had. Nothing changes if `unless` raises or the record cannot
        be read.
        """

        def act(connection: Connection) -> None:
            stored = self.records_of(connection, [caller])[caller].stored
            if isinstance(stored, StoreBrokenError):
                raise stored
            unless(stored.record or CallerRecord(caller))
            its = mark(self.site_name, caller)
            marked = self.among(connection, FORGOTTEN, "mark", [its])
            held = self.among(connection, CALLER, "caller", [caller])
            version = max((row.version for row in (*marked, *held)), default=0) + 1
            since = max([at, *(row.at for row in marked)])
            erased = {"mark": its, "at": since, "version": version, "ends": at + REMEMBERED}
            self.upsert(connection, FORGOTTEN, [erased])
            self._delete(connection, [caller])
            nameless = update(CALL).values(caller=None, raw_caller="", identified=False, recording=None)
            connection.execute(nameless.where(CALL.c.site == self.site, CALL.c.caller == caller))
            self.unname(connection, caller)
            told = EVENT.c.site == self.site, EVENT.c.caller == caller
            connection.execute(update(EVENT).where(*told).values(caller=None, data="{}"))
            self._unpark(connection, caller)
            self.upsert(connection, UNPUBLISHED, [{"caller": caller, "version": version}])

        await self.act(act)

    def _unpark(self, connection: Connection, caller: Caller) -> None:
        """Delete the parked announcements with a number, but not those with a longer one."""
        whole = re.compile(rf"{re.escape(caller)}(?![0-9])")
        having = PARKED.c.site == self.site, PARKED.c.body.contains(caller, autoescape=True)
        for row in connection.execute(select(PARKED).where(*having)).all():
            if whole.search(row.body):
                this = PARKED.c.name == row.name, PARKED.c.event == row.event
                connection.execute(delete(PARKED).where(PARKED.c.site == self.site, *this))

    async def remember_erased(self, erased: Mapping[str, tuple[Millis, int]]) -> None:
        """Note who was erased elsewhere: by mark, when, and the version that a new record begins with."""

        def act(connection: Connection) -> None:
            for row in self.among(connection, FORGOTTEN, "mark", erased):
                at, version = new[row.mark]
                new[row.mark] = max(at, row.at), max(version, row.version)
            self.upsert(
                connection,
                FORGOTTEN,
                [
                    {"mark": its, "at": at, "version": version, "ends": at + REMEMBERED}
                    for its, (at, version) in new.items()
                ],
            )

        new = dict(erased)
        await self.act(act)


def _blocked(now: Millis) -> tuple[Any, ...]:
    return CALLER.c.level.is_not(None), or_(CALLER.c.until.is_(None), and_(CALLER.c.until > now))


def mark(site: str, caller: Caller) -> str:
    """Return the mark kept for some days of an erased caller: 20 bits, shared by ten thousand numbers."""
    return hashlib.sha256(f"{site} {caller}".encode()).hexdigest()[:5]


def _found(row: Any, parts: Mapping[str, Sequence[Any]], forgotten: Millis) -> Found:
    standing = None
    with contextlib.suppress(ValueError):  # no verdict should rest on a standing that cannot be read
        standing = caller_rows.standing_of(row)
    try:
        record = replace(caller_rows.record_of(row, parts), forgotten=forgotten)
        return Found(Stored(record, row.version, None), standing)
    except ValueError as error:
        return Found(StoreBrokenError(f"database: {row.caller}: {error}"), standing)
