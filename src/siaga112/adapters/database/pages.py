"""Lists of callers and of the audit trail, paged, however long they are."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
)

from siaga112.adapters.database import rows
from siaga112.adapters.database.callers import Callers
from siaga112.adapters.database.schema import APPEAL, AUDIT, CALLER, MISSED_CALL, PROPOSAL
from siaga112.core.model import AuditEntry, Caller, Level, Millis
from siaga112.core.record import CHOSEN, UNSERVED, CallerRecord
from siaga112.service.ports import AuditFilter, StoreBrokenError

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
        return await self._page(asked.order_by(CALLER.c.since.desc(), CALLER.c.caller).limit(limit))

    async def allowed_page(
        self, limit: int, after: tuple[Millis, str] | None = None
    ) -> Sequence[CallerRecord]:
        """Return callers on the allow list, newest first; `after`: time and caller of the last one."""
        which: list[ColumnElement[bool]] = [CALLER.c.allow_at.is_not(None)]
        if after:
            same = and_(CALLER.c.allow_at == after[0], CALLER.c.caller > after[1])
            which.append(or_(CALLER.c.allow_at < after[0], same))
        asked = select(CALLER.c.caller).where(CALLER.c.site == _HERE, *which)
        return await self._page(asked.order_by(CALLER.c.allow_at.desc(), CALLER.c.caller).limit(limit))

    async def proposed_page(self, limit: int, after: str = "") -> Sequence[CallerRecord]:
        """Return callers with an open proposal, ordered by number."""
        asked = select(PROPOSAL.c.caller).where(
            PROPOSAL.c.site == _HERE, PROPOSAL.c.decided_at.is_(None), PROPOSAL.c.caller > after
        )
        return await self._page(asked.distinct().order_by(PROPOSAL.c.caller).limit(limit))

    async def appealed_page(
        self, limit: int, after: tuple[Millis, str] | None = None
    ) -> Sequence[CallerRecord]:
        """Return callers with an open appeal, most urgent first; `after`: due time and caller of the last."""
        which = [APPEAL.c.site == _HERE, APPEAL.c.decided_at.is_(None)]
        if after:
            same = and_(APPEAL.c.due == after[0], APPEAL.c.caller > after[1])
            which.append(or_(APPEAL.c.due > after[0], same))
        asked = select(APPEAL.c.caller).where(*which)
        return await self._page(asked.order_by(APPEAL.c.due, APPEAL.c.caller).limit(limit))

    async def holds_page(self, limit: int, after: tuple[Millis, str] | None = None) -> Sequence[CallerRecord]:
        """Return callers kept as evidence, the newest hold first; `after`: start and caller of the last."""
        which = [CALLER.c.site == _HERE, CALLER.c.hold_at.is_not(None)]
        if after:
            same = and_(CALLER.c.hold_at == after[0], CALLER.c.caller > after[1])
            which.append(or_(CALLER.c.hold_at < after[0], same))
        asked = select(CALLER.c.caller).where(*which)
        return await self._page(asked.order_by(CALLER.c.hold_at.desc(), CALLER.c.caller).limit(limit))

    async def missed_page(self, limit: int, offset: int = 0) -> Sequence[CallerRecord]:
        """Return callers who wait for a call-back, the most urgent first; `offset`: how many to skip."""
        pressing = case(
            (MISSED_CALL.c.reason.in_(sorted(UNSERVED)), 0),
            (MISSED_CALL.c.reason.in_(sorted(CHOSEN)), 2),
            else_=1,
        )
        # One sort key for urgency and time: the urgency is the digit before the time.
        first = func.min(pressing * literal(10_000_000_000_000_000, BigInteger) + MISSED_CALL.c.at)
        asked = select(MISSED_CALL.c.caller).where(MISSED_CALL.c.site == _HERE)
        asked = asked.group_by(MISSED_CALL.c.caller).order_by(first, MISSED_CALL.c.caller)
        return await self._page(asked.limit(limit).offset(offset))

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
        asked = select(AUDIT).where(*wanted).order_by(AUDIT.c.id.desc()).limit(limit)
        return [
            (row.id, line)
            for row in await self.select(AUDIT, asked)
            for line in self.readable("a line of the audit trail", rows.audit_entry_of, row)
        ]

    async def _page(self, asked: Any) -> Sequence[CallerRecord]:
        """Return the records of the selected callers, in the selected order."""

        def ask(connection: Connection) -> list[CallerRecord]:
            found = connection.execute(asked, {"here": self.site}).scalars().all()
            callers = [Caller(caller) for caller in found]
            held = self.records_of(connection, callers)
            listed = []
            for caller in callers:
                stored = held[caller].stored
                if isinstance(stored, StoreBrokenError):
                    self.unreadable[caller] = str(stored)
                elif stored.record:
                    listed.append(stored.record)
            return listed

        return await self.ask(ask)
