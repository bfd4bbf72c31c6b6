"""The database, shared or failing: nothing is lost or counts twice, and no site sees another's data."""

import asyncio
import re
import resource
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from siaga112.core.model import Caller
from siaga112.core.rules import InForce
from siaga112.service.recording import Recorder
from siaga112.settings.schema import Settings
from tests.fakes.meter import KeptMeter
from tests.fakes.outbox import MemoryOutbox
from tests.faults.conftest import Rig, rig
from tests.faults.figures import Measured
from tests.lab.postgres import Postgres, postgres, with_tables
from tests.lab.redis_servers import ANSWER_SECONDS, RedisServer
from tests.lab.stores import PublishedStore, published_store
from tests.samples import CALLER, NOW, OTHER, entry, prank
from tests.waiting import until, within

pytestmark = [pytest.mark.redis]

DAY = 86_400_000
CALLS = 6
"""Misuses of one caller; the last leads to a block."""


@pytest.fixture
def server() -> Iterator[Postgres]:
    """Yield a PostgreSQL with our tables, which a test may harm."""
    with postgres() as one:
        with_tables(one.url)
        yield one


def opened(server: Postgres, redis: RedisServer, site: str) -> PublishedStore:
    """Open a site's store on these servers."""
    return published_store(server.url, redis.url, site, 400 * DAY, ANSWER_SECONDS)


async def recorded(store: PublishedStore, *calls: int, caller: Caller = CALLER) -> None:
    """Record misuses as a daemon does."""
    recorder = Recorder(MemoryOutbox(), store.records, InForce(Settings().rules()), KeptMeter())
    ended = [entry(prank(number, NOW - DAY // 2 + number * 60_000, caller)) for number in calls]
    assert set(await recorder.record(ended)) <= {None}


# ── many on one database ─────────────────────────────────────────────────────────────────────────


@pytest.mark.fault("writers")
@pytest.mark.postgresql
async def test_however_many_tell_of_a_call_it_is_one(
    redis: RedisServer, server: Postgres, measured: Measured, *, full: bool
) -> None:
    """If a hundred connections (CI: 20) record the same six misuses, there are six strikes and one block."""
    count = 100 if full else 20
    async with AsyncExitStack() as stack:
        stores = [opened(server, redis, "lab") for _ in range(count)]
        for store in stores:
            stack.push_async_callback(store.close)
        await asyncio.gather(*(recorded(store, *range(CALLS)) for store in stores))
        first = stores[0]
        rows = [row async for row in first.entries(NOW - DAY, NOW)]
        record = await first.load(CALLER)
        tallied = (await first.tallies())["strikes:ivr_prank"]
    measured("writers", count)
    measured("calls told", count * CALLS)
    measured("rows too many", len(rows) - CALLS, at_most=0)
    measured("strikes too many", len(record.strikes) - CALLS, at_most=0)
    measured("strikes in the metric too many", tallied - CALLS, at_most=0)
    measured("blocks too many", len(record.blocks) - 1, at_most=0)
    assert (len(rows), len(record.strikes), tallied, len(record.blocks)) == (CALLS, CALLS, CALLS, 1)


TODAY = datetime.fromtimestamp(NOW / 1_000, ZoneInfo("Asia/Jakarta")).date()
PERIOD = ("--from", str(TODAY - timedelta(days=2)), "--to", str(TODAY))

SEEN = (
    ("calls", "--since", "3d", "--json"),
    ("why", "081211111111", "--json"),
    ("why", "081222222222", "--json"),
    ("blocks", "--json"),
    ("allowed", "--json"),
    ("report", *PERIOD, "--format", "json", "--top", "12", "--reveal"),
    ("export", *PERIOD, "--numbers", "full"),
)
MOVES = '"(made|to)": "[^"]*"'
"""What a report on a period that lasts shows of the time at which it is made."""

VIEWS = ("calls", "blocks_now", "misuse_by_day")


@pytest.mark.fault("sites_database")
@pytest.mark.postgresql
async def test_two_sites_on_one_database_see_nothing_of_each_other(
    redis: RedisServer, server: Postgres, measured: Measured
) -> None:
    """Calls with the same ids at another site change neither the output of a command nor a view."""
    shared = {"SIAGA112_DATABASE__URL": server.url}
    async with rig(redis, "screen", wait=False, environ=shared) as found:
        lab, other = opened(server, redis, "lab"), opened(server, redis, "serang")
        await recorded(lab, *range(CALLS))

        async def seen() -> dict[str, object]:
            told: dict[str, object] = {
                " ".join(one): re.sub(MOVES, "", await found.done(*one)) for one in SEEN
            }
            for view in VIEWS:
                told[view] = sorted(map(str, server.ask(f"SELECT * FROM {view} WHERE site = 'lab'")))  # noqa: S608 - our names
            return told

        before = await seen()
        await recorded(other, *range(CALLS + 3), caller=OTHER)
        after = await seen()
        rows = [row async for row in other.entries(NOW - DAY, NOW)]
        await lab.close()
        await other.close()
    measured("questions", len(before))
    changed = {one: (before[one], after[one]) for one in before if after[one] != before[one]}
    measured("answers that changed", len(changed))
    assert changed == {}
    assert len(rows) == CALLS + 3


# ── harmed ───────────────────────────────────────────────────────────────────────────────────────

MISUSES = 5
LARGE = 1_000_000


@asynccontextmanager
async def locked(found: Rig) -> AsyncIterator[None]:
    """Lock the database, as another program might."""
    with closing(sqlite3.connect(found.daemon.folder / "state" / "siaga112.db", isolation_level=None)) as one:
        one.execute("BEGIN EXCLUSIVE")
        yield


@asynccontextmanager
async def no_room(found: Rig) -> AsyncIterator[None]:
    """Limit the daemon's files to the size of the database's log; the outbox is far smaller."""
    log, pid = found.daemon.folder / "state" / "siaga112.db-wal", found.daemon.pid
    async with within(60, "a log of writes larger than the outbox will be"):
        while log.stat().st_size < LARGE:
            await found.daemon.settled(found.misuse("081244444444"))
    outbox = found.daemon.folder / "state" / "outbox.db-wal"
    await until(lambda: outbox.stat().st_size == 0, 20, "an outbox at rest")
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@asynccontextmanager
async def read_only(server: Postgres) -> AsyncIterator[None]:
    """Make PostgreSQL reject all writes."""
    server.ask("ALTER SYSTEM SET default_transaction_read_only = on")
    server.ask("SELECT pg_reload_conf()")
    async with within(20, "new sessions to be read-only"):
        while "on" not in str(server.ask("SHOW default_transaction_read_only")):
            pass  # no sleep: each check opens a session
    # An older session may accept one more write before it knows of the change.
    server.ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
    )
    yield
    server.ask("ALTER SYSTEM RESET default_transaction_read_only")
    server.ask("SELECT pg_reload_conf()")


@pytest.mark.fault("database_away")
@pytest.mark.parametrize(
    "harm", ["locked", "no room", pytest.param("read-only", marks=pytest.mark.postgresql)]
)
async def test_while_the_database_takes_nothing_calls_wait_and_arrive_once(
    harm: str, redis: RedisServer, request: pytest.FixtureRequest, measured: Measured
) -> None:
    """While the database takes no writes, verdicts continue, commands fail in one line, no call is lost."""
    server: Postgres | None = request.getfixturevalue("server") if harm == "read-only" else None
    environ = {"SIAGA112_DATABASE__URL": server.url} if server else {}
    async with rig(redis, environ=environ) as found:
        await found.daemon.settled(found.misuse())
        held = read_only(server) if server else locked(found) if harm == "locked" else no_room(found)
        async with held:
            told = [found.misuse() for _ in range(MISUSES)]
            async with within(60, "the calls to wait in the outbox"):
                while await found.metric("outbox_pending") < MISUSES:
                    pass  # no sleep: each check asks the daemon
            answers = [await found.ask() for _ in range(20)]
            since = len(found.daemon.lines)
            await found.daemon.wait_for(
                lambda line: line["event"] in {"store_down", "store_broken"}, since=max(0, since - 40)
            )
            if harm != "no room":  # a command is another process, which the limit spares
                said = await found.daemon.command("block", "081233333333", "--permanent", "--reason", "x")
                assert said.code == 4, said
                assert len(said.err.strip().splitlines()) == 1, said.err
        async with within(60, "an empty outbox"):
            while await found.metric("outbox_pending"):
                pass  # no sleep: each check asks the daemon
        calls = Counter(row.finding.call.id for row in await found.ledger())
        strikes, lost = await found.strikes(), await found.metric("outbox_lost_total")
    reasons = {answer.reason for answer in answers}
    measured("verdicts without an answer", sum(not answer.reason for answer in answers), at_most=0)
    assert reasons == {"not_blocked"}
    measured("calls that ended meanwhile", MISUSES)
    measured("lost", lost + len(set(told) - set(calls)), at_most=0)
    measured("strikes too many", len(strikes) - MISUSES - 1, at_most=0)
