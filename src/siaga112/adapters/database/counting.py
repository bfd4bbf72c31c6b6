"""Count the records of each kind inside the database."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, Connection, Table, bindparam, func, select

from siaga112.adapters.database.schema import (
    APPEAL,
    AUDIT,
    BLOCK,
    CALL,
    CALLER,
    EVENT,
    FORGOTTEN,
    GENUINE_REPORT,
    HANDOVER,
    MISSED_CALL,
    PARKED,
    PERSON,
    PROPOSAL,
    SESSION,
    STRIKE,
    TOKEN,
    UNPUBLISHED,
    WITHDRAWN,
)
from siaga112.adapters.database.transactions import Transactions
from siaga112.core.holdings import Holding, Holdings, Kind


class _Rows(NamedTuple):
    """The rows of one kind, and the columns with the age of the oldest row and the expiry of the next.

    `only`: a column that is set only in rows of this kind, where other rows share the table.
    """

    table: Table
    since: Column[Any] | None = None
    until: Column[Any] | None = None
    only: Column[Any] | None = None


ROWS: Final[Mapping[Kind, _Rows]] = {
    Kind.CALLS: _Rows(CALL, CALL.c.started),
    Kind.HANDOVERS: _Rows(HANDOVER, HANDOVER.c.at),
    Kind.MARKS: _Rows(CALL, CALL.c.started, only=CALL.c.mark),
    Kind.CALLERS: _Rows(CALLER, until=CALLER.c.expires),
    Kind.STRIKES: _Rows(STRIKE, STRIKE.c.at),
    Kind.WITHDRAWN: _Rows(WITHDRAWN),
    Kind.BLOCKS: _Rows(BLOCK, BLOCK.c.since),
    Kind.PROPOSALS: _Rows(PROPOSAL, PROPOSAL.c.at),
    Kind.APPEALS: _Rows(APPEAL, APPEAL.c.at),
    Kind.REPORTS: _Rows(GENUINE_REPORT, GENUINE_REPORT.c.at),
    Kind.CALLBACKS: _Rows(MISSED_CALL, MISSED_CALL.c.at),
    Kind.ALLOWED: _Rows(CALLER, CALLER.c.allow_at, only=CALLER.c.allow_at),
    Kind.HOLDS: _Rows(CALLER, CALLER.c.hold_at, only=CALLER.c.hold_at),
    Kind.AUDIT: _Rows(AUDIT, AUDIT.c.at),
    Kind.EVENTS: _Rows(EVENT, EVENT.c.at),
    Kind.PARKED: _Rows(PARKED, PARKED.c.at),
    Kind.FORGOTTEN: _Rows(FORGOTTEN, FORGOTTEN.c.at, FORGOTTEN.c.ends),
    Kind.PEOPLE: _Rows(PERSON, PERSON.c.made_at),
    Kind.TOKENS: _Rows(TOKEN, TOKEN.c.made_at),
    Kind.SESSIONS: _Rows(SESSION, SESSION.c.begun),
    Kind.UNPUBLISHED: _Rows(UNPUBLISHED),
}
"""Every table with personal data; the other tables have only counts, or call ids kept for an hour."""


_HERE: Final[Any] = bindparam("here")


class Counting(Transactions):
    """Counts for one site."""

    async def holdings(self) -> Holdings:
        """Count the records by kind, as of one moment."""
        return await self.ask(
            lambda connection: {kind: self._holding(connection, one) for kind, one in ROWS.items()}
        )

    def _holding(self, connection: Connection, rows: _Rows) -> Holding:
        here = {"here": self.site}
        count = connection.execute(self._count(rows), here).scalar_one()
        if not count:
            return Holding(0)
        since, until = (
            None if column is None else connection.execute(_first(rows, column), here).scalar()
            for column in (rows.since, rows.until)
        )
        return Holding(int(count), since, until)

    def _count(self, rows: _Rows) -> Any:
        """Return the query that counts the rows of a kind.

        SQLite is ten times slower if it must check the site of every row. So we count all rows and subtract
        those of other sites, of which an embedded database has few.
        """
        counted, site = select(func.count()).select_from(rows.table), rows.table.c.site
        if rows.only is not None or self._engine.dialect.name != "sqlite":
            mine = counted.where(site == _HERE)
            return mine if rows.only is None else mine.where(rows.only.is_not(None))
        others = (counted.where(beside).scalar_subquery() for beside in (site < _HERE, site > _HERE))
        before, after = others
        return select(counted.scalar_subquery() - before - after)


def _first(rows: _Rows, column: Column[Any]) -> Any:
    """Return the query for the lowest value of a column, phrased so that an index answers it."""
    asked = select(column).where(rows.table.c.site == _HERE, column.is_not(None))
    if rows.only is not None and rows.only is not column:
        asked = asked.where(func.coalesce(rows.only, "") != "")
    return asked.order_by(column).limit(1)
