"""The views for people: what the tables have, in readable form, and no complete number."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from siaga112.adapters.database import views
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.migrating import migrate
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.core import decisions
from siaga112.core.changes import Change
from siaga112.core.model import DAY, SECOND, AuditEntry, Millis
from siaga112.core.record import MissedCall
from tests.adapters.test_records_contract import change, record, write
from tests.lab.postgres import Postgres, postgres
from tests.samples import CALLER, NOW, answered, block, call_id, entry, prank

PATIENCE = 120.0
MASKED = "+62812****111"


@pytest.fixture(scope="module", name="server")
def server_running() -> Iterator[Postgres]:
    """Run one server for all tests here."""
    with postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def records(
    request: pytest.FixtureRequest, tmp_path: Path, site: str
) -> AsyncIterator[DatabaseRecords]:
    """Open a site with some data of each kind, in each kind of database in turn."""
    url = f"sqlite:///{tmp_path}/siaga112.db"
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("server")
        url = server.url
    engine = connect(url, PATIENCE)
    migrate(engine)
    found = DatabaseRecords(engine, site, patience=PATIENCE)
    await record(found, entry(prank(1)), entry(answered(2)), entry(prank(3, NOW + DAY, None)))
    await write(found, Change(audit_entry=AuditEntry(NOW, "ratna", "block", CALLER, "permanent", "threats")))
    await change(found, lambda held: decisions.impose(held, block(NOW - 10, NOW - 5)))
    await change(found, lambda held: decisions.impose(held, block(NOW, None)))
    await change(found, lambda held: decisions.miss(held, MissedCall(call_id(9), NOW + DAY, 1)))
    yield found
    await found.close()


async def shown(records: DatabaseRecords, view: str) -> list[dict[str, Any]]:
    """Return what a view shows of the site."""
    asked = text(f"SELECT * FROM {view} WHERE site = :site")  # noqa: S608 - our own names
    found = await records.ask(
        lambda connection: connection.execute(asked, {"site": records.site_name}).mappings().all()
    )
    return [dict(row) for row in found]


async def test_each_view_shows_what_the_tables_have(records: DatabaseRecords) -> None:
    """The views show calls, blocks in force, misuse by day, waiting callers and decisions of the tables."""
    calls = sorted(await shown(records, "calls"), key=lambda row: row["call"])
    assert [row["outcome"] for row in calls] == ["ivr_prank", "answered", "ivr_prank"]
    assert [row["caller"] for row in calls] == [MASKED, MASKED, None]
    assert float(calls[1]["talk_seconds"]) > 0
    (held,) = await shown(records, "blocks_now")
    assert (held["caller"], held["level"], held["until"], held["reason"]) == (
        MASKED,
        "permanent",
        None,
        "threats",
    )
    days = sorted(await shown(records, "misuse_by_day"), key=lambda row: str(row["day"]))
    assert [(int(row["calls"]), int(row["pranks"]), int(row["misuses"])) for row in days] == [
        (2, 1, 1),
        (1, 1, 0),
    ]
    (waiting,) = await shown(records, "waiting_for_a_call_back")
    assert (waiting["caller"], int(waiting["calls"])) == (MASKED, 1)
    (line,) = await shown(records, "decisions")
    assert (line["by"], line["action"], line["reason"]) == ("ratna", "block", "threats")


def instant(value: datetime | str) -> Millis:
    """Parse a time from the database: of its own type or, in SQLite, text in UTC."""
    read = datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value
    return int(read.timestamp()) * SECOND


async def test_times_are_times(records: DatabaseRecords) -> None:
    """The views show the times at which calls began, to the second."""
    rows = [row.finding.call.started async for row in records.entries(0, NOW + 2 * DAY)]
    shown_at = sorted(instant(row["started"]) for row in await shown(records, "calls"))
    assert shown_at == [started // SECOND * SECOND for started in rows]


async def test_no_view_tells_a_whole_number(records: DatabaseRecords) -> None:
    """No view contains a complete number."""
    for view in views.NAMES:
        assert CALLER not in repr(await shown(records, view))


@pytest.mark.postgresql
async def test_a_user_who_may_read_the_views_reads_nothing_else(server: Postgres, site: str) -> None:
    """A role with rights on the views only, as in the manual, reads them and no table below them."""
    engine = connect(server.url, PATIENCE)
    migrate(engine)
    engine.dispose()
    server.ask("DROP ROLE IF EXISTS looker")
    server.ask("CREATE ROLE looker LOGIN")
    server.ask(f"GRANT SELECT ON {', '.join(views.NAMES)} TO looker")
    looker = connect(server.url.replace("postgres@", "looker@"), PATIENCE)
    with looker.connect() as connection:
        for view in views.NAMES:
            asked = text(f"SELECT count(*) FROM {view} WHERE site = :site")  # noqa: S608 - our own names
            assert connection.execute(asked, {"site": site}).scalar() == 0
    for table in ("call", "caller", "audit", "site"):
        with looker.connect() as connection, pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text(f"SELECT * FROM {table}"))  # noqa: S608 - our own names
    looker.dispose()
