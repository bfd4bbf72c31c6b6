"""What there is once a site: the audit trail, the counts, the mode."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select, update

from siaga112.adapters.database import rows
from siaga112.adapters.database.announced import Announcements
from siaga112.adapters.database.schema import AUDIT, CALL, FORGOTTEN, SITE, TALLY
from siaga112.core.announcements import KEPT, of_switch
from siaga112.core.mode import Switch, told
from siaga112.core.model import AuditEntry, Caller, Millis, Mode, Via


class Site(Announcements):
    """The site as a whole."""

    async def audit_entries(self, since: Millis, until: Millis) -> Sequence[AuditEntry]:
        """Give the lines of that time, oldest first."""
        return await self._audit(AUDIT.c.at >= since, AUDIT.c.at < until)

    async def audit_of(self, caller: Caller) -> Sequence[AuditEntry]:
        """Give the lines about a caller and about the caller's calls, oldest first."""
        calls = select(CALL.c.id).where(CALL.c.site == AUDIT.c.site, CALL.c.caller == caller)
        return await self._audit(or_(AUDIT.c.subject == caller, AUDIT.c.subject.in_(calls)))

    async def last_of(self, action: str) -> AuditEntry | None:
        """Give the last line of an action, if there is one."""
        asked = select(AUDIT).where(AUDIT.c.action == action).order_by(AUDIT.c.at.desc(), AUDIT.c.id.desc())
        return next(iter(self._lines(await self.select(AUDIT, asked.limit(1)))), None)

    async def _audit(self, *which: Any) -> Sequence[AuditEntry]:
        asked = select(AUDIT).where(*which).order_by(AUDIT.c.at, AUDIT.c.id)
        return self._lines(await self.select(AUDIT, asked))

    def _lines(self, found: Sequence[Any]) -> Sequence[AuditEntry]:
        name = "a line of the audit trail"
        return [line for row in found for line in self.readable(name, rows.audit_entry_of, row)]

    async def drop_aged(self, now: Millis, keep_audit: Millis) -> None:
        """Drop the lines that are older than may be kept, and marks of erased callers that have served."""

        def act(connection: Any) -> None:
            connection.execute(delete(AUDIT).where(AUDIT.c.site == self.site, AUDIT.c.at < now - keep_audit))
            connection.execute(delete(FORGOTTEN).where(FORGOTTEN.c.site == self.site, FORGOTTEN.c.ends < now))

        await self.act(act)
        await self.drop_announced(now - KEPT)

    async def tallies(self) -> Mapping[str, int]:
        """Give what was counted in all processes of the site."""
        found = await self.select(TALLY, select(TALLY.c.name, TALLY.c.count))
        return {name: int(count) for name, count in found}

    async def switched(self) -> Switch | None:
        """Give the site's mode, if anybody has switched it."""
        asked = select(SITE.c.mode, SITE.c.mode_at, SITE.c.mode_by, SITE.c.mode_reason, SITE.c.mode_via)
        row = await self.ask(lambda connection: connection.execute(asked.where(SITE.c.id == self.site)).one())
        if not row.mode:
            return None
        return Switch(Mode(row.mode), row.mode_at, row.mode_by, row.mode_reason, Via(row.mode_via))

    async def switch(self, switch: Switch, instead_of: Mode) -> bool:
        """Switch the site's mode, with its line in the audit trail.

        False, and nothing done, if it was switched later than that already.
        """
        new = update(SITE).where(or_(SITE.c.mode_at.is_(None), SITE.c.mode_at <= switch.at))
        new = new.values(
            mode=switch.mode.value,
            mode_at=switch.at,
            mode_by=switch.by,
            mode_reason=switch.reason,
            mode_via=switch.via.value,
        )
        line = told(switch, instead_of)

        def act(connection: Connection) -> bool:
            done = connection.execute(new.where(SITE.c.id == self.site)).rowcount == 1
            if done:
                self.note(connection, line)
                self.announced(connection, [of_switch(switch, instead_of)])
            return done

        return await self.act(act)

    def note(self, connection: Connection, line: AuditEntry) -> None:
        """Write a line of the audit trail, unless it is there."""
        new = rows.audit_values(line)
        if not self.among(connection, AUDIT, "digest", [new["digest"]]):
            connection.execute(insert(AUDIT).values(site=self.site, **new))
