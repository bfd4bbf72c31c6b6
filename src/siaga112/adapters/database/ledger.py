"""The ledger: one row per call."""

import hashlib
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    or_,
    select,
)

from siaga112.adapters.database import call_rows
from siaga112.adapters.database.holding import kept_as_evidence
from siaga112.adapters.database.schema import CALL, HANDOVER
from siaga112.adapters.database.transactions import PAGE, Transactions
from siaga112.core.changes import Stored, of_nobody
from siaga112.core.codec import OUTCOMES
from siaga112.core.figures import WAITED, Alike, Counted, Misuser
from siaga112.core.handling import Answered, AnsweredCount, AnsweredCounts, PassedCounts
from siaga112.core.model import Caller, CallId, CallSummary, Entry, Handover, Millis, Outcome
from siaga112.core.service_level import BEFORE_THE_QUEUE
from siaga112.service.ports import CallFilter, CallPage, CallPlace, StoreBrokenError

_PRIME: Final = 1_000_003
"""The modulus for the sums of a fingerprint: the remainders cannot overflow a database's integers."""


_WHOLE: Final = select(CALL)
_SUMMARY: Final = select(*(CALL.c[name] for name in call_rows.SUMMARY))


SCANNED: Final = 20_000
"""Rows that one page looks at; takes about 30 ms."""


def _indexed(which: CallFilter) -> tuple[ColumnElement[bool], ...]:
    """Return the part of a filter that one index answers in order of time: the most selective column."""
    time = CALL.c.started >= which.since, CALL.c.started < which.until
    if which.caller is not None:
        return (*time, CALL.c.caller == which.caller)
    if which.mark:
        return (*time, CALL.c.mark == which.mark.value)
    if which.operator is not None:
        return (*time, CALL.c.operator == which.operator)
    outcome = Outcome.ANSWERED if which.mark == "" else which.outcome
    return time if outcome is None else (*time, CALL.c.outcome == outcome.value)


def _sought(which: CallFilter, column: Any) -> list[ColumnElement[bool]]:
    """Return the conditions of the whole filter, except the time."""
    wanted = {
        "outcome": which.outcome and which.outcome.value,
        "reason": which.reason and which.reason.value,
        "mark": which.mark and which.mark.value,
        "operator": which.operator,
        "queue": which.queue,
        "caller": which.caller,
    }
    sought = [column[name] == value for name, value in wanted.items() if value not in {None, ""}]
    if which.mark == "":
        sought += [column.mark.is_(None), column.outcome == Outcome.ANSWERED.value]
    return sought


def _beyond(after: CallPlace | None) -> tuple[ColumnElement[bool], ...]:
    if after is None:
        return ()
    earlier = and_(CALL.c.started == after.started, CALL.c.id < after.call)
    return CALL.c.started <= after.started, or_(CALL.c.started < after.started, earlier)


class Ledger(Transactions):
    """The ended calls."""

    async def entry(self, call: CallId) -> Entry | None:
        """Return the entry of a call; None if there is none. Raises StoreBrokenError if it cannot be read."""
        found = (await self.ask(lambda connection: self.entries_by_call(connection, [call])))[call]
        if isinstance(found, StoreBrokenError):
            raise found
        return found.entry

    def entries_by_call(
        self, connection: Connection, calls: Collection[CallId]
    ) -> dict[str, Stored | StoreBrokenError]:
        """Return the entry of each call: an empty one if there is none, an error if it cannot be read."""
        found: dict[str, Stored | StoreBrokenError] = {call: Stored(None, 0, None) for call in calls}
        held = self.among(connection, CALL, "id", calls)
        handed = self._handovers(connection, held)
        for row in held:
            try:
                found[row.id] = Stored(None, 0, call_rows.entry_of(row, handed.get(row.id, ())))
            except ValueError as error:
                found[row.id] = StoreBrokenError(f"database: call {row.id}: {error}")
        return found

    def _handovers(self, connection: Connection, held: Sequence[Row[Any]]) -> dict[str, tuple[Handover, ...]]:
        """Return the hand-overs of these calls; few calls have any."""
        found: dict[str, list[tuple[int, Handover]]] = defaultdict(list)
        for row in self.among(connection, HANDOVER, "call", [row.id for row in held if row.handed_to]):
            for one in self.readable(row.call, call_rows.handover_of, row):
                found[row.call].append((row.nth, one))
        return {
            call: tuple(one for _, one in sorted(some, key=itemgetter(0))) for call, some in found.items()
        }

    async def calls_of(self, caller: Caller) -> Sequence[CallId]:
        """Return a caller's calls, oldest first."""
        asked = select(CALL.c.id).where(CALL.c.caller == caller).order_by(CALL.c.started, CALL.c.id)
        return [CallId(call) for (call,) in await self.select(CALL, asked)]

    async def entries_of(self, caller: Caller) -> Sequence[Entry]:
        """Return the entries of a caller's calls, oldest first."""
        asked = select(CALL).where(CALL.c.caller == caller).order_by(CALL.c.started, CALL.c.id)
        return await self._whole(await self.select(CALL, asked))

    async def entries(self, since: Millis, until: Millis) -> AsyncIterator[Entry]:
        """Yield the entries of calls that started in [since, until), oldest first."""
        async for page in self._pages(since, until):
            for entry in await self._whole(page):
                yield entry

    async def summaries(self, since: Millis, until: Millis) -> AsyncIterator[CallSummary]:
        """Yield the summaries of the same calls, without their facts."""
        async for page in self._pages(since, until, _SUMMARY):
            for row in page:
                for summary in self.readable(row.id, call_rows.summary_of, row):
                    yield summary

    async def page(self, which: CallFilter, limit: int, after: CallPlace | None = None) -> CallPage:
        """Return a page of calls, newest first.

        Conditions with an index use it; the others are checked on at most `SCANNED` rows.
        """
        theirs = (CALL.c.site == bindparam("site"), *_indexed(which), *_beyond(after))
        newest = CALL.c.started.desc(), CALL.c.id.desc()
        scanned = _SUMMARY.where(*theirs).order_by(*newest).limit(SCANNED).subquery("scanned")
        asked = select(scanned).where(*_sought(which, scanned.c)).limit(limit + 1)
        last = select(CALL.c.started, CALL.c.id).where(*theirs).order_by(*newest).limit(1).offset(SCANNED - 1)

        def ask(connection: Connection) -> tuple[Sequence[Any], Any]:
            here = {"site": self.site}
            rows = connection.execute(asked, here).all()
            return rows, None if len(rows) > limit else connection.execute(last, here).one_or_none()

        rows, end = await self.ask(ask)
        calls = [one for row in rows[:limit] for one in self.readable(row.id, call_rows.summary_of, row)]
        if len(rows) > limit:
            end = rows[limit - 1]
        place = CallPlace(end.started, end.id) if end else None
        return CallPage(calls, place, place.started if place else which.since)

    async def counted(self, since: Millis, until: Millis, grain: Millis, answer_within: Millis) -> Counted:
        """Count calls inside the database, in the form that `Figures.add_counted` takes.

        Waits are listed separately: almost all differ, so grouping by them would merge hardly any calls. The
        waits of a group come as one text: with a row for each, Python takes several times as long.
        """
        mine = CALL.c.site == bindparam("site"), CALL.c.started >= since, CALL.c.started < until
        nth = CALL.c.started // grain
        waited = func.coalesce(CALL.c.wait, CALL.c.ring)
        answered = CALL.c.outcome == Outcome.ANSWERED.value
        flags = call_rows.flags(answered & (waited <= answer_within), answered & (waited > answer_within))
        key = (nth * call_rows.FLAGS + flags).label("key")  # one number: sorting by several columns is slower
        words = CALL.c.outcome, CALL.c.reason, CALL.c.mark
        calls = select(key, *words, func.count()).where(*mine)
        calls = calls.group_by("key", *words)  # by label: each expression binds its own parameters
        tenths = cast((waited + 50) // 100, BigInteger)  # SQLite also keeps fractions, if somebody writes one
        listed = func.aggregate_strings(cast(tenths, String), ",")
        queued = or_(answered, CALL.c.reason.not_in([reason.value for reason in BEFORE_THE_QUEUE]))
        waits = select(nth.label("nth"), CALL.c.outcome, listed).where(
            *mine, CALL.c.outcome.in_([outcome.value for outcome in WAITED]), queued, waited.is_not(None)
        )
        waits = waits.group_by("nth", CALL.c.outcome)

        def ask(connection: Connection) -> tuple[Sequence[Any], Sequence[Any]]:
            here = {"site": self.site}
            return connection.execute(calls, here).all(), connection.execute(waits, here).all()

        found, spans = await self.ask(ask)
        counted = Counted(defaultdict(list), defaultdict(list))
        kinds: dict[Any, list[Alike]] = {}
        for key, *spelled, count in found:
            began, flags = divmod(key, call_rows.FLAGS)
            if (told := (flags, *spelled)) not in kinds:
                kinds[told] = self.readable(f"{told}", call_rows.alike_of, told)
            for kind in kinds[told]:
                counted.calls[kind].append((max(began * grain, since), count))
        for began, outcome, waits_listed in spans:
            each = [*map(int, waits_listed.split(","))]
            counted.waits[OUTCOMES[outcome]].append((max(began * grain, since), each))
        return counted

    async def answered(self, since: Millis, until: Millis, grain: Millis) -> AnsweredCounts:
        """Count the answered calls inside the database, in the form that `Handling.add_answered` takes."""
        nth, talk = CALL.c.started // grain, CALL.c.talk
        words = CALL.c.operator, CALL.c.mark, CALL.c.kind, CALL.c.district
        sums = func.count(), func.count(talk), func.coalesce(func.sum(talk), 0)
        asked = select(nth.label("nth"), *words, *sums).where(
            CALL.c.started >= since, CALL.c.started < until, CALL.c.outcome == Outcome.ANSWERED.value
        )
        counted: dict[Answered, list[AnsweredCount]] = defaultdict(list)
        alike: dict[Any, list[Answered]] = {}
        for began, *told, calls, timed, talked in await self.select(CALL, asked.group_by("nth", *words)):
            if (spelled := tuple(told)) not in alike:
                alike[spelled] = self.readable(f"{spelled}", call_rows.answered_of, spelled)
            for one in alike[spelled]:
                counted[one].append(AnsweredCount(max(began * grain, since), calls, timed, int(talked)))
        return counted

    async def passed(self, since: Millis, until: Millis) -> PassedCounts:
        """Count the hand-overs of calls started in that time, in the form that `Handling.add_passed` takes.

        Hand-overs are few, so each looks up its call. Through the index on the start time the database would
        look for hand-overs of every call, and hardly any has one; adding 0 to the start time hides the index.
        """
        began, after = CALL.c.started + 0, HANDOVER.c.at - CALL.c.started
        dialled = case((HANDOVER.c.agency == "", HANDOVER.c.target), else_="").label("dialled")
        tenths = ((case((after > 0, after), else_=0) + 50) // 100).label("tenths")
        there = HANDOVER.c.reached.is_not(None).label("there")
        asked = select(HANDOVER.c.agency, dialled, tenths, there, func.count()).join(
            CALL, (CALL.c.site == HANDOVER.c.site) & (CALL.c.id == HANDOVER.c.call)
        )
        asked = asked.where(began >= since, began < until)
        asked = asked.group_by(HANDOVER.c.agency, "dialled", "tenths", "there")
        found = await self.select(HANDOVER, asked)
        return {
            passed: count
            for *words, count in found
            for passed in self.readable(f"{words}", call_rows.passed_of, words)
        }

    async def misusers(self, since: Millis, until: Millis) -> Sequence[Misuser]:
        """Return the callers who got a strike or were blocked in that time, with how often."""
        theirs = CALL.c.started >= since, CALL.c.started < until, CALL.c.caller.is_not(None)
        counts = func.count(case((CALL.c.strike, 1))), func.count(case((~CALL.c.strike, 1)))
        asked = select(CALL.c.caller, *counts).where(
            *theirs, or_(CALL.c.strike, CALL.c.outcome == Outcome.BLOCKED.value)
        )
        found = await self.select(CALL, asked.group_by(CALL.c.caller))
        return [Misuser(Caller(caller), misuses, turned) for caller, misuses, turned in found]

    async def ledger_begins(self) -> Millis | None:
        """Return when the first call began. Those kept as evidence are older than what is whole."""

        def ask(connection: Connection) -> Millis | None:
            kept = kept_as_evidence(connection, self.site)
            others = or_(CALL.c.caller.is_(None), CALL.c.caller.not_in(kept))
            asked = select(CALL.c.started).where(CALL.c.site == self.site, others)
            first: Millis | None = connection.execute(asked.order_by(CALL.c.started).limit(1)).scalar()
            return first

        return await self.ask(ask)

    async def ledger_calls(self, since: Millis, until: Millis) -> Collection[CallId]:
        """Return the ids of the calls in that time, without reading the rows."""
        asked = select(CALL.c.id).where(CALL.c.started >= since, CALL.c.started < until)
        return [CallId(call) for (call,) in await self.select(CALL, asked)]

    async def fingerprint(self, since: Millis, until: Millis) -> str:
        """Return a digest that changes when any row of that time changes, appears or goes; '' without rows.

        It covers counts and sums of groups of similar rows, which the database computes.
        """
        alike = [
            *(CALL.c[name] for name in ("outcome", "reason", "queue", "mark", "verdict", "strike", "spared")),
            *(CALL.c[name] for name in ("operator", "handed_to", "kind", "district")),
            CALL.c.caller.is_not(None).label("numbered"),
            (CALL.c.raw_caller != "").label("as_it_came"),  # `erase` clears it
        ]
        sums = [
            func.sum(CALL.c[name] % _PRIME) for name in ("started", "ended", "ivr", "wait", "ring", "talk")
        ]
        asked = select(*alike, func.count(), *sums).where(CALL.c.started >= since, CALL.c.started < until)
        found = await self.select(CALL, asked.group_by(*alike))
        told = sorted(repr([None if one is None else str(one) for one in row]) for row in found)
        return hashlib.sha256("\n".join(told).encode()).hexdigest()[:32] if told else ""

    async def nobodys(self, spelled: re.Pattern[str], until: Millis) -> Sequence[Entry]:
        """Return the entries, up to then, of calls with no known caller whose raw number matches."""
        asked = select(CALL).where(CALL.c.caller.is_(None), CALL.c.raw_caller != "", CALL.c.started <= until)

        def ask(connection: Connection) -> list[Row[Any]]:
            found = connection.execute(asked.where(CALL.c.site == self.site)).yield_per(PAGE)
            return [row for row in found if spelled.search(row.raw_caller)]

        return [entry for entry in await self._whole(await self.ask(ask)) if of_nobody(entry, spelled)]

    async def drop_calls(self, before: Millis) -> None:
        """Delete the calls that started before then; one page per transaction, to keep others going.

        Calls of callers kept as evidence stay. Each page starts where the last one ended.
        """
        place: CallPlace | None = CallPlace(0, "")
        while place:
            place = await self.act(partial(self._drop_calls, before=before, after=place))

    def _drop_calls(self, connection: Connection, before: Millis, after: CallPlace) -> CallPlace | None:
        """Delete what may go of one page; return where the next page starts, None after the last."""
        same = and_(CALL.c.started == after.started, CALL.c.id > after.call)
        asked = select(CALL.c.id, CALL.c.started, CALL.c.caller).where(
            CALL.c.site == self.site,
            *(CALL.c.started >= after.started, CALL.c.started < before),
            or_(CALL.c.started > after.started, same),
        )
        page = connection.execute(asked.order_by(CALL.c.started, CALL.c.id).limit(PAGE)).all()
        kept = kept_as_evidence(connection, self.site)
        going = [row.id for row in page if row.caller not in kept]
        for table, key in ((HANDOVER, HANDOVER.c.call), (CALL, CALL.c.id)) if going else ():
            connection.execute(delete(table).where(table.c.site == self.site, key.in_(going)))
        return CallPlace(page[-1].started, page[-1].id) if len(page) == PAGE else None

    async def _whole(self, found: Sequence[Row[Any]]) -> list[Entry]:
        handed = {}
        if any(row.handed_to for row in found):
            handed = await self.ask(lambda connection: self._handovers(connection, found))
        return [
            entry
            for row in found
            for entry in self.readable(
                row.id, partial(call_rows.entry_of, handovers=handed.get(row.id, ())), row
            )
        ]

    async def _pages(
        self, since: Millis, until: Millis, what: Select[Any] = _WHOLE
    ) -> AsyncIterator[Sequence[Row[Any]]]:
        last: tuple[Millis, str] = (since, "")
        full = True
        while full:
            beyond = or_(CALL.c.started > last[0], and_(CALL.c.started == last[0], CALL.c.id > last[1]))
            asked = what.where(CALL.c.started >= last[0], CALL.c.started < until, beyond)
            page = await self.select(CALL, asked.order_by(CALL.c.started, CALL.c.id).limit(PAGE))
            yield page
            full = len(page) == PAGE
            last = (page[-1].started, page[-1].id) if page else last
