"""Lists of callers and of the audit trail, paged, however long they are."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
)

from siaga112.adapters.database import rows
from siaga112.adapters.database.callers import Callers
from siaga112.adapters.database.schema import APPEAL, AUDIT, CALLER, MISSED_CALL, PROPOSAL
from siaga112.core.model import AuditEntry, Caller, Level, Millis
from siaga112.core.record import CHOSEN, UNSERVED, URGENCY, CallerRecord
from siaga112.service.ports import AuditFilter, StoreBrokenError

_T = TypeVar("_T")

_HERE: Final[Any] = bindparam("here")
"""The site's id, bound within the transaction."""

LOOKS: Final = ("look", "subject", "login")
"""Actions in the audit trail that changed nothing."""


class Pages(Callers):
    """Pages of callers' records and of the audit trail.

    Each page starts after the caller or line that the last one ended with.
    """

    async def blocked_page(
        self, now: Millis, limit: int, after: tuple[Millis, str] | None = None, level: Level | None = None
    ) -> Sequence[CallerRecord]:
        """Return blocked callers, newest block first; `after`: start and caller of the previous last one."""
        holds = CALLER.c.level.is_not(None) if level is None else CALLER.c.level == level.value
        which = [holds, or_(CALLER.c.until.is_(None), CALLER.c.until > now)]
        if after:
            same = and_(CALLER.c.since == after[0], CALLER.c.caller > after[1])
            which.append(or_(CALLER.c.since < after[0], same))
        asked = select(CALLER.c.caller).where(CALLER.c.site == _HERE, *which)
        return await self._page(asked.order_by(CALLER.c.since.desc(), CALLER.c.caller), limit)

    async def allowed_page(
        self, limit: int, after: tuple[Millis, str] | None = None
    ) -> Sequence[CallerRecord]:
        """Return callers on the allow list, newest first; `after`: time and caller of the last one."""
        which: list[ColumnElement[bool]] = [CALLER.c.allow_at.is_not(None)]
        if after:
            same = and_(CALLER.c.allow_at == after[0], CALLER.c.caller > after[1])
            which.append(or_(CALLER.c.allow_at < after[0], same))
        asked = select(CALLER.c.caller).where(CALLER.c.site == _HERE, *which)
        return await self._page(asked.order_by(CALLER.c.allow_at.desc(), CALLER.c.caller), limit)

    async def proposed_page(self, limit: int, after: str = "") -> Sequence[CallerRecord]:
        """Return callers with an open proposal, ordered by number."""
        asked = select(PROPOSAL.c.caller).where(
            PROPOSAL.c.site == _HERE, PROPOSAL.c.decided_at.is_(None), PROPOSAL.c.caller > after
        )
        return await self._page(asked.distinct().order_by(PROPOSAL.c.caller), limit)

    async def appealed_page(
        self, limit: int, after: tuple[Millis, str] | None = None
    ) -> Sequence[CallerRecord]:
        """Return callers with an open appeal, most urgent first; `after`: due time and caller of the last."""
        which = [APPEAL.c.site == _HERE, APPEAL.c.decided_at.is_(None)]
        if after:
            same = and_(APPEAL.c.due == after[0], APPEAL.c.caller > after[1])
            which.append(or_(APPEAL.c.due > after[0], same))
        asked = select(APPEAL.c.caller).where(*which)
        return await self._page(asked.order_by(APPEAL.c.due, APPEAL.c.caller), limit)

    async def holds_page(self, limit: int, after: tuple[Millis, str] | None = None) -> Sequence[CallerRecord]:
        """Return callers kept as evidence, the newest hold first; `after`: start and caller of the last."""
        which = [CALLER.c.site == _HERE, CALLER.c.hold_at.is_not(None)]
        if after:
            same = and_(CALLER.c.hold_at == after[0], CALLER.c.caller > after[1])
            which.append(or_(CALLER.c.hold_at < after[0], same))
        asked = select(CALLER.c.caller).where(*which)
        return await self._page(asked.order_by(CALLER.c.hold_at.desc(), CALLER.c.caller), limit)

    async def missed_page(
        self, limit: int, after: tuple[int, str] | None = None, by: str | None = None
    ) -> Sequence[CallerRecord]:
        """Return callers who wait for a call-back, the most urgent first.

        `after`: how `pressing` the last one was, and the caller. `by`: only those whom this person calls
        back; '': only those whom nobody does.
        """
        pressing = case(
            (MISSED_CALL.c.reason.in_(sorted(UNSERVED)), 0),
            (MISSED_CALL.c.reason.in_(sorted(CHOSEN)), 2),
            else_=1,
        )
        first = func.min(pressing * literal(URGENCY, BigInteger) + MISSED_CALL.c.at)
        asked = select(MISSED_CALL.c.caller).where(MISSED_CALL.c.site == _HERE).group_by(MISSED_CALL.c.caller)
        if by is not None:
            theirs = and_(CALLER.c.site == MISSED_CALL.c.site, CALLER.c.caller == MISSED_CALL.c.caller)
            taken = CALLER.c.attempt_by == by if by else CALLER.c.attempt_by.is_(None)
            asked = asked.where(exists().where(theirs, taken))
        if after:
            place, caller = literal(after[0], BigInteger), after[1]
            asked = asked.having(or_(first > place, and_(first == place, MISSED_CALL.c.caller > caller)))
        return await self._page(asked.order_by(first, MISSED_CALL.c.caller), limit)

    async def audit_page(
        self, which: AuditFilter, limit: int, before: int = 0
    ) -> Sequence[tuple[int, AuditEntry]]:
        """Return lines of the audit trail with their numbers, the newest first."""
        wanted = [AUDIT.c.at >= which.since, AUDIT.c.at < which.until]
        if before:
            wanted.append(AUDIT.c.id < before)
        asked_for = {name: getattr(which, name) for name in ("action", "by", "subject")}
        wanted += [AUDIT.c[name] == value for name, value in asked_for.items() if value]
        if not which.looks and which.action not in LOOKS:
            wanted.append(AUDIT.c.action.not_in(LOOKS))
        asked = select(AUDIT).where(AUDIT.c.site == _HERE, *wanted).order_by(AUDIT.c.id.desc())
        name = "a line of the audit trail"

        def read(_: Connection, found: Sequence[Any]) -> Sequence[tuple[int, AuditEntry]]:
            return [(row.id, line) for row in found for line in self.readable(name, rows.audit_entry_of, row)]

        return await self._filled(asked, limit, read)

    async def _page(self, asked: Any, limit: int) -> Sequence[CallerRecord]:
        """Return the records of the selected callers, in the selected order."""

        def read(connection: Connection, found: Sequence[Any]) -> list[CallerRecord]:
            callers = [Caller(row.caller) for row in found]
            held = self.records_of(connection, callers)
            listed = []
            for caller in callers:
                stored = held[caller].stored
                if isinstance(stored, StoreBrokenError):
                    self.unreadable[caller] = str(stored)
                elif stored.record:
                    listed.append(stored.record)
            return listed

        return await self._filled(asked, limit, read)

    async def _filled(
        self, asked: Any, limit: int, read: Callable[[Connection, Sequence[Any]], Sequence[_T]]
    ) -> Sequence[_T]:
        """Return so many readable items of a list, fewer only at its end.

        A reader takes a short page for the last one, so what cannot be read must not make one.
        """

        def ask(connection: Connection) -> list[_T]:
            listed, seen, more = list[_T](), 0, True
            while more and len(listed) < limit:
                wanted = limit - len(listed)
                found = connection.execute(asked.limit(wanted).offset(seen), {"here": self.site}).all()
                listed += read(connection, found)
                seen, more = seen + len(found), len(found) == wanted
            return listed

        return await self.ask(ask)
