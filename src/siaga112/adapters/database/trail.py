"""The audit trail: what people did, one line each."""

import re
from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import count
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, delete, insert, or_, select, update

from siaga112.adapters.database import rows
from siaga112.adapters.database.holding import kept_as_evidence
from siaga112.adapters.database.schema import AUDIT, CALL
from siaga112.adapters.database.transactions import HERE, PAGE, Transactions
from siaga112.core.changes import A_CALLER, without_number
from siaga112.core.model import AuditEntry, Caller, Millis, Via

_VIAS: Final = frozenset(via.value for via in Via)


class Trail(Transactions):
    """The rows of `audit`."""

    async def audit_entries(self, since: Millis, until: Millis) -> Sequence[AuditEntry]:
        """Return the lines of that time, oldest first."""
        return await self._audit(AUDIT.c.at >= since, AUDIT.c.at < until)

    async def audit_of(self, caller: Caller) -> Sequence[AuditEntry]:
        """Return the lines about a caller and the caller's calls, oldest first."""
        calls = select(CALL.c.id).where(CALL.c.site == HERE, CALL.c.caller == caller)
        return await self._audit(or_(AUDIT.c.subject == caller, AUDIT.c.subject.in_(calls)))

    async def last_of(self, action: str) -> AuditEntry | None:
        """Return the last line with an action; None if there is none."""
        asked = select(AUDIT).where(AUDIT.c.action == action).order_by(AUDIT.c.at.desc(), AUDIT.c.id.desc())
        return next(iter(self._lines(await self.select(AUDIT, asked.limit(1)))), None)

    async def _audit(self, *which: Any) -> Sequence[AuditEntry]:
        asked = select(AUDIT).where(*which).order_by(AUDIT.c.at, AUDIT.c.id)
        return self._lines(await self.select(AUDIT, asked))

    def _lines(self, found: Sequence[Any]) -> Sequence[AuditEntry]:
        name = "a line of the audit trail"
        return [line for row in found for line in self.readable(name, rows.audit_entry_of, row)]

    def note(self, connection: Connection, line: AuditEntry) -> None:
        """Write a line unless it already exists."""
        new = rows.audit_values(line)
        if not self.among(connection, AUDIT, "digest", [new["digest"]]):
            connection.execute(insert(AUDIT).values(site=self.site, **new))

    # ── ageing and erasing ───────────────────────────────────────────────────────────────────────

    async def drop_lines(self, before: Millis) -> None:
        """Delete older lines, a page at a time, except those on callers kept as evidence or their calls."""
        place: tuple[Millis, int] | None = (0, 0)
        while place:
            place = await self.act(partial(self._drop_lines, before=before, after=place))

    def _drop_lines(
        self, connection: Connection, before: Millis, after: tuple[Millis, int]
    ) -> tuple[Millis, int] | None:
        """Delete what may go of one page; return where the next page starts, None after the last."""
        beyond = or_(AUDIT.c.at > after[0], and_(AUDIT.c.at == after[0], AUDIT.c.id > after[1]))
        asked = select(AUDIT.c.id, AUDIT.c.at, AUDIT.c.subject).where(
            AUDIT.c.site == self.site, AUDIT.c.at >= after[0], AUDIT.c.at < before, beyond
        )
        found = connection.execute(asked.order_by(AUDIT.c.at, AUDIT.c.id).limit(PAGE)).all()
        kept = self._evidence(connection, {row.subject for row in found})
        going = [row.id for row in found if row.subject not in kept]
        if going:
            connection.execute(delete(AUDIT).where(AUDIT.c.site == self.site, AUDIT.c.id.in_(going)))
        return (found[-1].at, found[-1].id) if len(found) == PAGE else None

    def _evidence(self, connection: Connection, subjects: Collection[str]) -> set[str]:
        """Return the callers kept as evidence, and those of these subjects that are their calls."""
        callers = kept_as_evidence(connection, self.site)
        if not callers:
            return set()
        asked = select(CALL.c.id).where(CALL.c.site == self.site, CALL.c.id.in_(subjects))
        return {*callers, *connection.execute(asked.where(CALL.c.caller.in_(callers))).scalars()}

    def unname(self, connection: Connection, caller: Caller) -> None:
        """Replace a caller by an anonymous one in the lines about the caller, within the transaction."""
        self._rewrite(connection, AUDIT.c.subject == caller, lambda _: {"subject": A_CALLER})

    async def take_out(self, spelled: re.Pattern[str]) -> int:
        """Remove a matching number from the text of all lines, a page at a time; return how many changed."""

        def change(row: Row[Any]) -> dict[str, str]:
            return {name: without_number(getattr(row, name), spelled) for name in ("detail", "reason")}

        changed, last, full = 0, 0, True
        while full:
            said = or_(AUDIT.c.detail != "", AUDIT.c.reason != "")
            asked = select(AUDIT).where(said, AUDIT.c.id > last).order_by(AUDIT.c.id).limit(PAGE)
            found = await self.select(AUDIT, asked)
            hit = [row.id for row in found if any(map(spelled.search, (row.detail, row.reason)))]
            if hit:
                await self.act(partial(self._rewrite, which=AUDIT.c.id.in_(hit), change=change))
            changed, full = changed + len(hit), len(found) == PAGE
            last = found[-1].id if found else last
        return changed

    def _rewrite(
        self, connection: Connection, which: Any, change: Callable[[Row[Any]], dict[str, str]]
    ) -> None:
        """Change lines, each with a new digest: the number could be recovered from the old one."""
        for row in connection.execute(select(AUDIT).where(AUDIT.c.site == self.site, which)).all():
            new = {"subject": row.subject, "detail": row.detail, "reason": row.reason, **change(row)}
            via = Via(row.via) if row.via in _VIAS else row.via
            line = AuditEntry(row.at, row.by, row.action, **new, via=via)
            mine = AUDIT.c.site == self.site, AUDIT.c.id == row.id
            connection.execute(
                update(AUDIT).where(*mine).values(**new, digest=self._digest(connection, line, row.id))
            )

    def _digest(self, connection: Connection, line: AuditEntry, own: int) -> str:
        """Return an unused digest: two lines may become identical when their numbers are removed."""
        for nth in count():
            digest = rows.digest(line, nth)
            if all(row.id == own for row in self.among(connection, AUDIT, "digest", [digest])):
                return digest
        raise AssertionError("count() has no end")
