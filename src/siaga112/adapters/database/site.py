"""The site as a whole: its counts, its mode, and what expires."""

from collections.abc import Mapping

from sqlalchemy import Connection, delete, or_, select, update

from siaga112.adapters.database.announced import Announcements
from siaga112.adapters.database.schema import FORGOTTEN, PLACE, SITE, TALLY
from siaga112.adapters.database.trail import Trail
from siaga112.core.announcements import KEPT, of_switch
from siaga112.core.mode import Switch, told
from siaga112.core.model import Millis, Mode, Via


class Site(Announcements, Trail):
    """The site as a whole."""

    async def drop_aged(self, now: Millis, keep_audit: Millis) -> None:
        """Delete audit lines and announcements past their retention, and expired marks of erased callers."""
        over = FORGOTTEN.c.ends < now
        await self.drop_lines(now - keep_audit)
        await self.act(
            lambda connection: connection.execute(
                delete(FORGOTTEN).where(FORGOTTEN.c.site == self.site, over)
            )
        )
        await self.drop_announced(now - KEPT)

    async def tallies(self) -> Mapping[str, int]:
        """Return the counts over all processes of the site."""
        counts = select(TALLY.c.name, TALLY.c.count).where(TALLY.c.name.not_like(f"{PLACE}%"))
        found = await self.select(TALLY, counts)
        return {name: int(count) for name, count in found}

    async def switched(self) -> Switch | None:
        """Return the last switch of the site's mode; None if nobody has switched it."""
        asked = select(SITE.c.mode, SITE.c.mode_at, SITE.c.mode_by, SITE.c.mode_reason, SITE.c.mode_via)
        row = await self.ask(lambda connection: connection.execute(asked.where(SITE.c.id == self.site)).one())
        if not row.mode:
            return None
        return Switch(Mode(row.mode), row.mode_at, row.mode_by, row.mode_reason, Via(row.mode_via))

    async def switch(self, switch: Switch, instead_of: Mode) -> bool:
        """Switch the site's mode, and write the line in the audit trail.

        Return False and do nothing if a later switch has already happened.
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
