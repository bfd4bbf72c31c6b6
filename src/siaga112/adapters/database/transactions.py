"""One site in a database: one thread, one connection, and transactions on it."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, Select, Table, bindparam, func, select

from siaga112.adapters.database import rows
from siaga112.adapters.database.connect import AT, READING, WRITING, cut, mapped
from siaga112.adapters.database.schema import SITE, TALLY
from siaga112.errors import Said
from siaga112.service.ports import StoreBrokenError, StoreDownError

_T = TypeVar("_T")

PAGE: Final = 1_000
"""Rows read or deleted at once where there may be many."""

PATIENCE: Final = 30.0
"""Seconds until we give up on a database; its own limits are shorter, so it must be hanging."""

_LOCKS: Final = 112
"""The first key of PostgreSQL's advisory lock, which serialises a site's writers."""

IN: Final = 500
"""Values per IN clause: SQLite takes 32,766 parameters, and each length keeps a plan in the cache."""


HERE: Final[Any] = bindparam("here")
"""The site in a query for `select`, and in its sub-selects: PostgreSQL would run one with the outer column
for each row."""


@cache
def _among(table: Table, column: str) -> Select[Any]:
    """Build the query once: building takes longer than running it."""
    wanted = table.c[column].in_(bindparam("wanted", expanding=True))
    return select(table).where(table.c.site == HERE, wanted)


class _Spelled(NamedTuple):
    """A statement as text for the driver: SQLAlchemy would process each value of each row again."""

    text: str
    columns: Sequence[str] | None
    """The order of the values where the driver takes no names."""


class Transactions:
    """Reads and writes for one site; no verdict waits for them."""

    def __init__(
        self,
        engine: Engine,
        site: str,
        prepare: Callable[[Engine], object] = lambda _: None,
        patience: float = PATIENCE,
    ) -> None:
        self.site_name: Final = site
        self._patience: Final = patience
        self._prepare: Final = prepare  # creates or checks the tables before their first use
        self._engine = engine
        self._id: int | None = None
        self._thread: Final = ThreadPoolExecutor(1, thread_name_prefix="database")
        # Loading PostgreSQL's dialect takes a twelfth of a command's time, so a command on SQLite does not.
        self._dialect: Final[Any] = import_module(f"sqlalchemy.dialects.{engine.dialect.name}")
        self._upserts: Final[dict[Table, _Spelled]] = {}
        self._inserts: Final[dict[Table, _Spelled]] = {}
        self.unreadable: Final[dict[str, str]] = {}
        """Records that a list left out, and why: one bad record must not fail the list."""

    async def ping(self) -> None:
        """Return if the database answers."""
        await self.ask(lambda connection: connection.execute(select(1)).scalar())

    async def close(self) -> None:
        """Close the connection."""
        with suppress(StoreDownError):
            await self._run(self._engine.dispose)
        self._thread.shutdown()

    @property
    def site(self) -> int:
        """The site's number; known only within a transaction."""
        assert self._id is not None, "asked outside a transaction"  # noqa: S101 - our own mistake otherwise
        return self._id

    async def ask(self, ask: Callable[[Connection], _T]) -> _T:
        """Read in one transaction, so that all answers show the same moment."""

        def work() -> _T:
            self._find_site()
            reading = READING[self._engine.dialect.name]
            with mapped(), self._engine.connect() as plain, plain.execution_options(**reading).begin():
                return ask(plain)

        return await self._run(work)

    async def select(self, table: Table, asked: Any) -> Sequence[Any]:
        """Return the rows of this site among those selected."""
        here = asked.where(table.c.site == HERE)
        return await self.ask(lambda connection: connection.execute(here, {"here": self.site}).all())

    async def act(self, do: Callable[[Connection], _T]) -> _T:
        """Write in one transaction; a site's writes run one after another."""
        return await self._run(lambda: self.acted(do))

    def acted(self, do: Callable[[Connection], _T]) -> _T:
        """Write in one transaction; call it from the database's thread."""
        self._find_site()
        with mapped(), self._engine.connect() as plain:
            connection = plain.execution_options(**WRITING)
            with connection.begin():
                if self._engine.dialect.name == "postgresql":  # SQLite has one writer by itself
                    connection.execute(select(func.pg_advisory_xact_lock(_LOCKS, self.site)))
                return do(connection)

    async def _run(self, work: Callable[[], _T]) -> _T:
        done = asyncio.get_running_loop().run_in_executor(self._thread, work)
        done.add_done_callback(lambda one: one.cancelled() or one.exception())  # if nobody awaits it any more
        try:
            async with asyncio.timeout(self._patience):
                return await asyncio.shield(done)
        except TimeoutError:
            cut(self._engine)
            why = Said("no answer within {seconds} s", seconds=format(self._patience, "g"))
            raise StoreDownError(AT, why=why) from None

    def _find_site(self) -> None:
        """Look up the site's number, or insert the site, in a transaction of its own."""
        if self._id is not None:
            return
        self._bring_tables()
        named = select(SITE.c.id).where(SITE.c.name == self.site_name)
        with mapped(), self._engine.begin() as connection:
            found = connection.execute(named).scalar()
        if found is None:
            new = self.insert(SITE).values(name=self.site_name, epoch="", published=0)
            with mapped(), self._engine.connect() as plain, plain.execution_options(**WRITING).begin():
                plain.execute(new.on_conflict_do_nothing())
                found = plain.execute(named).scalar_one()
        self._id = int(found)

    def _bring_tables(self) -> None:
        try:
            self._prepare(self._engine)
        except (StoreDownError, StoreBrokenError):
            raise
        except Exception as error:  # whatever a migration meets must only end our use of this database
            raise StoreBrokenError(
                AT, why=Said("its tables cannot be migrated to our version: {why}", why=str(error))
            ) from error

    def insert(self, table: Table) -> Any:
        """Start an INSERT that supports ON CONFLICT."""
        return self._dialect.insert(table)

    def upsert(self, connection: Connection, table: Table, values: Sequence[rows.Values]) -> None:
        """Insert rows, or replace those with the same key."""
        if values and table not in self._upserts:
            self._upserts[table] = self._spell_upsert(table)
        self._give(connection, self._upserts, table, values)

    def add(self, connection: Connection, table: Table, values: Sequence[rows.Values]) -> None:
        """Insert new rows; the database gives each its number."""
        if values and table not in self._inserts:
            self._inserts[table] = self._spell(self.insert(table).inline(), ["site", *values[0]])
        self._give(connection, self._inserts, table, values)

    def _give(
        self,
        connection: Connection,
        spelled: Mapping[Table, _Spelled],
        table: Table,
        values: Sequence[rows.Values],
    ) -> None:
        if not values:
            return
        text, columns = spelled[table]
        named = [{"site": self.site, **one} for one in values]
        placed = [tuple(map(one.__getitem__, columns)) for one in named] if columns else named
        connection.exec_driver_sql(text, placed)

    def count(self, connection: Connection, counts: Mapping[str, int]) -> None:
        """Add to the counts over all processes of the site."""
        new = self.insert(TALLY)
        added = new.on_conflict_do_update(
            index_elements=["site", "name"], set_={"count": TALLY.c["count"] + new.excluded["count"]}
        )
        connection.execute(
            added, [{"site": self.site, "name": name, "count": n} for name, n in counts.items()]
        )

    def _spell_upsert(self, table: Table) -> _Spelled:
        insert = self.insert(table)
        key = [column.name for column in table.primary_key]
        others = [column.name for column in table.c if column.name not in key]
        upsert = (
            insert.on_conflict_do_update(
                index_elements=key, set_={name: insert.excluded[name] for name in others}
            )
            if others
            else insert.on_conflict_do_nothing()
        )
        return self._spell(upsert, [column.name for column in table.c])

    def _spell(self, statement: Any, columns: Sequence[str]) -> _Spelled:
        spelled = statement.compile(dialect=self._engine.dialect, column_keys=list(columns))
        return _Spelled(str(spelled), spelled.positiontup)

    def among(self, connection: Connection, table: Table, column: str, values: Collection[Any]) -> list[Any]:
        """Return the site's rows in which the column has one of these values."""
        wanted = list(values)
        found: list[Any] = []
        for first in range(0, len(wanted), IN):
            asked = {"here": self.site, "wanted": wanted[first : first + IN]}
            found += connection.execute(_among(table, column), asked).all()
        return found

    def readable(self, name: str, build: Callable[[Any], _T], row: Sequence[Any]) -> list[_T]:
        """Parse one row of many; if it is malformed, record that and return an empty list."""
        try:
            return [build(row)]
        except ValueError as error:
            self.unreadable[name] = str(error)
            return []
