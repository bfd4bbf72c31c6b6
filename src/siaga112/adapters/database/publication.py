"""The source of the block list, and how much of it is published."""

import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, or_, select, update

from siaga112.adapters.database import caller_rows
from siaga112.adapters.database.schema import CALLER, SITE, UNPUBLISHED
from siaga112.adapters.database.transactions import PAGE, Transactions
from siaga112.core.model import Caller
from siaga112.core.standing import NOBODY
from siaga112.service.ports import Edition, Unpublished

_HELD: Final = or_(CALLER.c.level.is_not(None), CALLER.c.allow_at.is_not(None), CALLER.c.warn_until > 0)
"""The condition for a row with a standing that differs from the default."""


class Publication(Transactions):
    """Implements `service.ports.Published`."""

    async def edition(self) -> Edition:
        """Return the edition that a complete block list has, apart from unpublished standings."""
        asked = select(SITE.c.epoch, SITE.c.published)
        found = await self.ask(
            lambda connection: connection.execute(asked.where(SITE.c.id == self.site)).one()
        )
        return Edition(found.epoch, found.published) if found.epoch else await self.new_epoch()

    async def new_epoch(self) -> Edition:
        """Start a new epoch: no existing block list belongs to this database any more."""
        epoch = secrets.token_hex(8)
        new = update(SITE).values(epoch=epoch, published=0)
        await self.act(lambda connection: connection.execute(new.where(SITE.c.id == self.site)))
        return Edition(epoch, 0)

    async def unpublished(self, limit: int = PAGE) -> Sequence[Unpublished]:
        """Return the standings that the block list may lack; for an erased caller, the empty one."""
        joined = UNPUBLISHED.outerjoin(
            CALLER, (CALLER.c.site == UNPUBLISHED.c.site) & (CALLER.c.caller == UNPUBLISHED.c.caller)
        )
        asked = select(UNPUBLISHED.c.caller.label("whose"), UNPUBLISHED.c.version.label("noted"), CALLER)
        asked = asked.select_from(joined).order_by(UNPUBLISHED.c.caller).limit(limit)
        return [self._standing(row, row.whose, row.noted) for row in await self.select(UNPUBLISHED, asked)]

    async def published(self, done: Sequence[Unpublished], edition: Edition) -> None:
        """Record what the block list has now; standings that changed meanwhile stay unpublished.

        A standing becomes unpublished again if another process published a newer one before ours arrived, or
        the end of the record.
        """
        versions = {one.caller: one.version for one in done}
        held = {one.caller for one in done if one.standing != NOBODY}

        def do(connection: Connection) -> None:
            now = {row.caller: row.version for row in self.among(connection, CALLER, "caller", versions)}
            noted = {
                row.caller: row.version for row in self.among(connection, UNPUBLISHED, "caller", versions)
            }
            over = {who for who, was in versions.items() if max(now.get(who, 0), noted.get(who, 0)) <= was}
            gone = delete(UNPUBLISHED).where(UNPUBLISHED.c.site == self.site)
            connection.execute(gone.where(UNPUBLISHED.c.caller.in_(over & noted.keys())))
            late = {who: now[who] for who in versions if who in now and who not in over}
            late |= {who: versions[who] for who in (over & held) - now.keys()}
            new = [{"caller": who, "version": version} for who, version in late.items()]
            self.upsert(connection, UNPUBLISHED, new)
            further = update(SITE).where(SITE.c.id == self.site, SITE.c.epoch == edition.epoch)
            further = further.where(SITE.c.published < edition.changes).values(published=edition.changes)
            connection.execute(further)

        await self.act(do)

    async def standings(self) -> AsyncIterator[Sequence[Unpublished]]:
        """Yield all standings that differ from the default, in pages, ordered by caller."""
        after, full = "", True
        while full:
            asked = select(*caller_rows.STANDING).where(_HELD, CALLER.c.caller > after)
            asked = asked.order_by(CALLER.c.caller).limit(PAGE)
            page = await self.select(CALLER, asked)
            yield self._standings(page)
            full = len(page) == PAGE
            after = page[-1].caller if page else after

    async def moved_on(self, page: Sequence[Unpublished]) -> Sequence[Unpublished]:
        """Return those of a page of `standings` that have a new version since or are marked unpublished."""
        if not page:
            return []

        def here(table: Table) -> ColumnElement[bool]:
            return and_(table.c.site == self.site, table.c.caller.between(page[0].caller, page[-1].caller))

        def versions(connection: Connection, table: Table) -> dict[str, int]:
            return dict(connection.execute(select(table.c.caller, table.c.version).where(here(table))).all())

        def changed(connection: Connection) -> list[Unpublished]:
            noted = versions(connection, UNPUBLISHED)
            if not noted:  # counting and adding up takes a tenth of the time of reading the rows
                added = func.sum(CALLER.c.version), func.sum(CALLER.c.since)
                asked = select(func.count(), *added).where(here(CALLER), _HELD)
                is_now = tuple(connection.execute(asked).one())
                if is_now == (len(page), sum(one[1] for one in page), sum(one[2].since for one in page)):
                    return []
            now = versions(connection, CALLER)
            return [one for one in page if now.get(one[0]) != one[1] or one[0] in noted]

        return await self.ask(changed)

    async def without_standing(self, callers: Sequence[Caller]) -> Sequence[Caller]:
        """Return those of these callers that have no standing."""
        rows = await self.ask(lambda connection: self.among(connection, CALLER, "caller", callers))
        having = {row.caller for row in rows if self._standing(row, row.caller, 0).standing != NOBODY}
        return [caller for caller in callers if caller not in having]

    def _standings(self, page: Sequence[Any]) -> list[Unpublished]:
        """Parse a page of standings; one that cannot be read blocks nobody."""
        try:
            held = caller_rows.standings_of(page)
        except ValueError:
            return [self._standing(row, row.caller, row.version) for row in page]
        return [Unpublished(row[0], row[1], one) for row, one in zip(page, held, strict=True)]

    def _standing(self, row: Any, caller: str, version: int) -> Unpublished:
        """Parse a standing; one that cannot be read blocks nobody."""
        erased = row.caller is None
        found = [] if erased else self.readable(caller, caller_rows.standing_of, row)
        return Unpublished(Caller(caller), version, found[0] if found else NOBODY, erased)
