"""The block list's contract on each kind of Redis, and publishing from the records to it."""

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from siaga112.adapters.database.connect import connect as connect_database
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.schema import METADATA
from siaga112.adapters.redis.block_list import RedisBlockList
from siaga112.adapters.redis.connect import connect
from siaga112.core import decisions
from siaga112.core.changes import Change, replacement
from siaga112.core.fold import Work
from siaga112.core.mode import Switch
from siaga112.core.model import Caller, Level, Mode
from siaga112.core.record import CallerRecord, Lift
from siaga112.core.snapshot import LIFE
from siaga112.core.standing import NOBODY, Standing
from siaga112.service.ports import Edition, FeedChanges, FeedPosition, StoreBrokenError, StoreDownError
from siaga112.service.publishing import Publisher
from siaga112.service.replica import Replica
from tests.adapters.changes import blocked_for_good, every_redis_answer
from tests.adapters.conftest import IMPATIENCE, at_last
from tests.fakes.meter import KeptMeter
from tests.lab.redis_servers import Cluster, RedisServer, Sentinels, Tls, cluster, plain, sentinels, tls
from tests.samples import CALLER, NOW, OTHER, RULES, SNAPSHOT
from tests.waiting import within

pytestmark = pytest.mark.redis

PATIENCE = 120.0
LASTING = Standing(level=Level.PERMANENT, since=NOW)
FIRST = Edition("e1", 1)
KINDS = ["plain", "tls", "sentinel", "cluster"]
PLAIN = pytest.mark.parametrize("block_list", ["plain"], indirect=True)


@pytest.fixture(scope="module", name="tls")
def tls_running() -> Iterator[Tls]:
    """Run a server with TLS for all tests here."""
    with tls() as running:
        yield running


@pytest.fixture(scope="module", name="sentinel")
def sentinel_running() -> Iterator[Sentinels]:
    """Run a master with replicas and sentinels for all tests here."""
    with sentinels() as running:
        yield running


@pytest.fixture(scope="module", name="cluster")
def cluster_running() -> Iterator[Cluster]:
    """Run a cluster for all tests here."""
    with cluster() as running:
        yield running


@pytest.fixture(scope="module", name="plain")
def plain_running(redis_server: Any) -> Any:
    """Return the common server."""
    return redis_server


@pytest.fixture(params=KINDS)
async def block_list(request: pytest.FixtureRequest, site: str) -> AsyncIterator[RedisBlockList]:
    """Open the block list of a site on each kind of Redis in turn."""
    found = RedisBlockList(connect(request.getfixturevalue(request.param).url, PATIENCE), site)
    yield found
    await found.close()


async def read(block_list: RedisBlockList) -> dict[Caller, Standing]:
    """Return all standings, read as a replica does."""
    return {caller: held async for page in block_list.standings() for caller, held in page}


async def callers(block_list: RedisBlockList) -> set[Caller]:
    """Return who has a standing on the list."""
    return {caller async for page in block_list.callers() for caller in page}


def of_a_site(number: int) -> Caller:
    """Return one of many callers."""
    return Caller(f"+62812{number:07}")


async def test_a_stranger_has_no_standing_and_a_new_list_is_not_whole(block_list: RedisBlockList) -> None:
    """A new list has no standings, no edition and no changes, so that nobody takes it for complete."""
    assert await block_list.standing(CALLER) == NOBODY
    assert await block_list.edition() is None
    assert await block_list.last_change() is None
    assert await read(block_list) == {}


async def test_what_is_published_is_there_and_told(block_list: RedisBlockList) -> None:
    """A published standing is found by verdicts and replicas, and its changes are in the feed in order."""
    await block_list.finish(FIRST)
    place = await block_list.last_change()
    assert place is not None
    warned = Standing(warn_until=4 * NOW)
    await block_list.publish([(CALLER, LASTING), (OTHER, warned)], Edition("e1", 3))
    assert await block_list.edition() == Edition("e1", 3)
    assert (await block_list.standing(CALLER), await block_list.standing(OTHER)) == (LASTING, warned)
    assert await read(block_list) == {CALLER: LASTING, OTHER: warned}
    await block_list.publish([(CALLER, NOBODY)], Edition("e1", 4))
    news = await block_list.changes(place)
    assert news is not None
    assert news.changes == [(CALLER, LASTING), (OTHER, warned), (CALLER, NOBODY)]
    assert await block_list.changes(news.place) == FeedChanges(news.place, [])
    assert await callers(block_list) == {OTHER}
    assert await block_list.standing(CALLER) == NOBODY


async def test_two_thousand_callers_of_one_site_are_all_found(block_list: RedisBlockList) -> None:
    """All standings of a site are found, on however many masters, and no rejected attempt among them."""
    many = {of_a_site(n): Standing(level=Level.PERMANENT, since=n) for n in range(2_000)}
    await block_list.put(many.items())
    assert not await block_list.rejected_again(of_a_site(1), 60_000)
    assert await read(block_list) == many
    assert await callers(block_list) == set(many)


async def test_who_follows_learns_that_all_was_made_anew(block_list: RedisBlockList) -> None:
    """A rebuilt list is incomplete until it is finished, and then its followers must read everything."""
    await block_list.finish(FIRST)
    place = await block_list.last_change()
    assert place is not None
    assert await block_list.changes(place) == FeedChanges(place, [])
    await block_list.begin()
    assert (await block_list.edition(), await block_list.last_change()) == (None, None)
    await block_list.finish(Edition("e2", 0))
    assert await block_list.changes(place) is None
    assert await block_list.changes(FeedPosition(place.id, "another's")) is None
    assert await block_list.last_change() not in {None, place}


async def test_who_is_rejected_twice_is_known(block_list: RedisBlockList) -> None:
    """Only a caller's first rejected attempt counts as new, whatever other callers do."""
    assert [await block_list.rejected_again(CALLER, 60_000) for _ in range(3)] == [False, True, True]
    assert not await block_list.rejected_again(OTHER, 60_000)


async def test_the_mode_and_the_snapshot_come_back(block_list: RedisBlockList) -> None:
    """The mode and the snapshot read back are the last ones written."""
    assert (await block_list.switched(), await block_list.snapshot()) == (None, None)
    for mode in (Mode.OFF, Mode.ENFORCE):
        await block_list.switch(Switch(mode, NOW, "ratna", "flood"), Mode.OBSERVE)
        assert await block_list.switched() == Switch(mode, NOW, "ratna", "flood")
    await block_list.put_snapshot(SNAPSHOT)
    assert await block_list.snapshot() == SNAPSHOT


async def test_five_hundred_verdicts_at_once(block_list: RedisBlockList) -> None:
    """Five hundred verdicts at once are all answered: none fails for want of a connection."""
    await block_list.put([(CALLER, LASTING)])
    answers = await asyncio.gather(*(block_list.standing(CALLER) for _ in range(500)))
    assert {held.level for held in answers} == {Level.PERMANENT}


@PLAIN
@pytest.mark.parametrize("text", [b"{", b"\xff\xfe", b"null", b"[1,null,null,0]", b'[true,"often",null,0]'])
async def test_garbage_as_a_standing_turns_nobody_away(block_list: RedisBlockList, text: bytes) -> None:
    """A standing that nobody wrote rejects nobody: a verdict raises an error, a replica reads NOBODY."""
    await block_list._redis.hset(block_list._of(CALLER), CALLER, text)
    with pytest.raises(StoreBrokenError):
        await block_list.standing(CALLER)
    assert await read(block_list) == {CALLER: NOBODY}


@PLAIN
@pytest.mark.parametrize("text", [b"", b"e1", b"e1 x", b"e1 -1", b"\xff 1 2"])
async def test_garbage_as_an_edition_is_none(block_list: RedisBlockList, text: bytes) -> None:
    """An edition that cannot be parsed counts as none, so that the list is rebuilt."""
    await block_list._redis.set(block_list._once("edition"), text)
    assert await block_list.edition() is None


@PLAIN
@pytest.mark.parametrize("fields", [{"c": CALLER}, {"c": CALLER, "s": "{"}, {"c": "x", "s": "\\"}])
async def test_what_is_no_change_of_ours_is_a_gap(block_list: RedisBlockList, fields: dict[str, str]) -> None:
    """A foreign entry in the feed makes a replica read everything again, and then it follows as before."""
    await block_list.finish(FIRST)
    replica = Replica(block_list, KeptMeter(), lambda: 0.0, 1.0)

    async def read_all() -> None:
        async with within(PATIENCE, "the replica to have read all"):
            while await replica._look():
                pass

    await read_all()
    await block_list._redis.xadd(block_list._once("changes"), {**fields, "n": b"\xff"})
    await block_list.publish([(CALLER, LASTING)], Edition("e1", 2))
    await read_all()
    assert replica.of(CALLER) == LASTING


@PLAIN
async def test_a_snapshot_vanishes_by_itself(block_list: RedisBlockList) -> None:
    """A snapshot expires within seconds, so that a dead daemon's last one cannot mislead."""
    await block_list.put_snapshot(SNAPSHOT)
    assert 0 < await block_list._redis.pttl(block_list._once("now")) <= LIFE


@PLAIN
async def test_an_unknown_mode_is_broken(block_list: RedisBlockList) -> None:
    """An unknown mode raises an error and is not obeyed."""
    await block_list._redis.set(block_list._once("mode"), "maybe")
    with pytest.raises(StoreBrokenError):
        await block_list.switched()


@pytest.mark.fault("sites")
async def test_sites_share_nothing(redis_server: RedisServer, site: str) -> None:
    """Two sites on one Redis do not see each other's callers, changes or mode."""
    ours, other = (RedisBlockList(connect(redis_server.url, PATIENCE), name) for name in (site, f"{site}-b"))
    await ours.finish(FIRST)
    await ours.publish([(CALLER, LASTING)], Edition("e1", 2))
    await ours.switch(Switch(Mode.OFF), Mode.OBSERVE)
    assert await other.standing(CALLER) == NOBODY
    assert (await read(other), await callers(other)) == ({}, set())
    assert (await other.edition(), await other.last_change(), await other.switched()) == (None, None, None)
    await ours.close()
    await other.close()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """Run a server that a test may stop, pause and kill."""
    with plain() as server:
        yield server


@pytest.fixture
async def own_list(own_redis: RedisServer, site: str) -> AsyncIterator[RedisBlockList]:
    """Open the block list on that server."""
    found = RedisBlockList(connect(own_redis.url, IMPATIENCE), site)
    yield found
    await found.close()


async def test_a_stopped_server_is_down_and_comes_back(
    own_redis: RedisServer, own_list: RedisBlockList
) -> None:
    """Every question to a stopped server raises StoreDownError, and works again after its restart."""
    await own_list.ping()
    own_redis.stop()
    answers = await every_redis_answer(own_list)
    assert {type(answer) for answer in answers} == {StoreDownError}
    own_redis.start()
    assert await at_last(own_list, CALLER) == NOBODY


async def test_a_paused_server_is_down_after_one_timeout(
    own_redis: RedisServer, own_list: RedisBlockList
) -> None:
    """A server that does not answer is given up after one command timeout, without a second try."""

    def connections() -> int:
        return int(own_redis.ask("INFO", "stats")["total_connections_received"])

    await own_list.ping()
    before = connections()
    own_redis.signal(signal.SIGSTOP)
    with pytest.raises(StoreDownError, match="no answer"):
        await own_list.standing(CALLER)
    own_redis.signal(signal.SIGCONT)
    assert connections() == before + 1, "this question's own; a second try would have connected again"
    assert await at_last(own_list, CALLER) == NOBODY


async def test_an_answer_that_came_too_late_reaches_nobody(
    own_redis: RedisServer, own_list: RedisBlockList
) -> None:
    """The answer to a question that was given up at its deadline never reaches the next caller."""
    await own_list.put([(CALLER, LASTING)])
    own_redis.signal(signal.SIGSTOP)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(own_list.standing(CALLER), 0.02)
    own_redis.signal(signal.SIGCONT)
    for _ in range(10):
        assert await at_last(own_list, OTHER) == NOBODY


async def test_out_of_memory_refuses_writes_and_still_answers(own_list: RedisBlockList) -> None:
    """A full Redis rejects a block, but still answers verdicts."""
    await own_list.put([(CALLER, LASTING)])
    await own_list._redis.config_set("maxmemory", "1")
    with pytest.raises(StoreBrokenError, match="its memory is full"):
        await own_list.put([(OTHER, LASTING)])
    assert await own_list.standing(CALLER) == LASTING
    await own_list._redis.config_set("maxmemory", "0")
    await own_list.put([(OTHER, LASTING)])


# ── from the records ─────────────────────────────────────────────────────────────────────────────


class Site:
    """Records in SQLite, a block list in Redis, and the publisher between them."""

    def __init__(self, records: DatabaseRecords, block_list: RedisBlockList) -> None:
        self.records = records
        self.block_list = block_list
        self.publisher = Publisher(records, block_list)

    async def change(self, how: Any, caller: Caller = CALLER) -> None:
        """Change a caller's record."""

        def act(work: Work) -> None:
            held = work.held(caller)
            assert held.record
            work.write(Change(replacement(held.record, how(held.record), held.version, NOW, RULES)))

        await self.records.transaction([(caller, None)], act)

    async def published(self) -> dict[Caller, Standing]:
        """Publish until nothing is left; return the standings that are then on the list."""
        async with within(PATIENCE, "the end of publishing"):
            while await self.publisher.publish():
                pass
        return await read(self.block_list)


@asynccontextmanager
async def opened(folder: Path, block_list: RedisBlockList, name: str) -> AsyncIterator[Site]:
    """Open the records in that folder."""
    engine = connect_database(f"sqlite:///{folder}/siaga112.db")
    METADATA.create_all(engine)
    records = DatabaseRecords(engine, name)
    yield Site(records, block_list)
    await records.close()


@pytest.fixture
async def both(tmp_path: Path, block_list: RedisBlockList, site: str) -> AsyncIterator[Site]:
    """Open a site."""
    async with opened(tmp_path, block_list, site) as found:
        yield found


def freed(record: CallerRecord) -> CallerRecord:
    """Lift the block in force."""
    return decisions.lift(record, Lift(NOW, "supervisor", "stolen"))


async def test_a_change_of_the_records_is_published(both: Site) -> None:
    """A block and its lift are published; a change that does not affect verdicts is not."""
    assert await both.published() == {}
    await both.change(blocked_for_good)
    await both.change(blocked_for_good, OTHER)
    assert await both.published() == {CALLER: LASTING, OTHER: LASTING}
    assert await both.records.unpublished() == []
    assert await both.block_list.edition() == await both.records.edition()
    place = await both.block_list.last_change()
    assert place
    await both.change(freed)
    assert await both.published() == {OTHER: LASTING}
    news = await both.block_list.changes(place)
    assert news
    assert news.changes == [(CALLER, NOBODY)]
    await both.change(lambda held: replace(held, reached=NOW))
    assert await both.records.unpublished() == []


async def test_nobody_who_follows_learns_the_number_of_who_was_erased(both: Site) -> None:
    """After an erasure the feed, which had the number, is replaced, and followers read all that is left."""
    await both.change(blocked_for_good)
    await both.change(blocked_for_good, OTHER)
    await both.published()
    place = await both.block_list.last_change()
    assert place
    await both.records.erase(OTHER, NOW + 1)
    assert await both.published() == {CALLER: LASTING}
    assert await both.block_list.changes(place) is None
    assert await both.block_list.edition() == await both.records.edition()
    assert await both.records.unpublished() == []


async def test_a_crash_between_the_two_is_made_up_for(both: Site, tmp_path: Path) -> None:
    """What a process published but did not note before it died, the next process publishes again."""
    await both.published()
    await both.change(blocked_for_good)
    (waiting,) = await both.records.unpublished()
    edition = Edition((await both.records.edition()).epoch, 1)
    await both.block_list.publish([(waiting.caller, waiting.standing)], edition)  # but not noted as published
    async with opened(tmp_path, both.block_list, both.records.site_name) as again:
        assert await again.published() == {CALLER: LASTING}
        assert await again.records.unpublished() == []


async def test_who_follows_hears_of_what_another_process_left_unpublished(both: Site) -> None:
    """The next process publishes a block and a lift that another one left unpublished, as its own."""
    await both.change(blocked_for_good)
    await both.published()
    place = await both.block_list.last_change()
    assert place
    await both.change(blocked_for_good, OTHER)
    await both.change(freed)
    both.publisher = Publisher(both.records, both.block_list)
    assert await both.published() == {OTHER: LASTING}
    told = await both.block_list.changes(place)
    assert told
    assert dict(told.changes) == {CALLER: NOBODY, OTHER: LASTING}


async def test_who_follows_hears_of_a_standing_that_a_hand_has_taken_away(both: Site) -> None:
    """The comparison at the start restores a standing that was removed by hand, and followers receive it."""
    await both.change(blocked_for_good)
    await both.published()
    place = await both.block_list.last_change()
    assert place
    await both.block_list.put([(CALLER, NOBODY)])
    both.publisher = Publisher(both.records, both.block_list)
    assert await both.published() == {CALLER: LASTING}
    told = await both.block_list.changes(place)
    assert told
    assert told.changes == [(CALLER, LASTING)]


async def test_however_many_the_list_has_too_many_no_question_asks_of_all(both: Site) -> None:
    """Thousands of callers that the records do not know are removed without a query of too many values."""
    await both.published()
    strangers = [Caller(f"+62812{nth:08}") for nth in range(2_500)]

    def few(connection: Connection) -> None:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 1_100)

    await both.records.ask(few)
    for make_anew in (False, True):
        await both.block_list.put([(caller, LASTING) for caller in strangers])
        if make_anew:
            await both.publisher.rebuild()
        both.publisher = Publisher(both.records, both.block_list)
        assert await both.published() == {}
        assert await both.block_list.edition() == await both.records.edition()


async def test_who_follows_reads_anew_where_a_hand_has_blocked_somebody(both: Site) -> None:
    """A standing that was added by hand is removed; its number is not in the feed: followers read all."""
    await both.change(blocked_for_good)
    await both.published()
    place = await both.block_list.last_change()
    assert place
    await both.block_list.put([(OTHER, LASTING)])
    both.publisher = Publisher(both.records, both.block_list)
    assert await both.published() == {CALLER: LASTING}
    assert await both.block_list.changes(place) is None
    assert await both.block_list.edition() == await both.records.edition()


async def test_an_emptied_list_is_made_anew_and_what_was_lifted_stays_lifted(both: Site) -> None:
    """A list that was emptied, or is an older copy or another site's, is rebuilt from the records."""
    await both.change(blocked_for_good)
    await both.change(blocked_for_good, OTHER)
    await both.published()
    older = await both.block_list.edition()
    assert older
    await both.change(freed)
    await both.published()
    await both.block_list.begin()
    await both.block_list.put([(CALLER, NOBODY), (OTHER, NOBODY)])
    assert await both.published() == {OTHER: LASTING}, "emptied"
    await both.block_list.put([(CALLER, LASTING)])
    await both.block_list.finish(older)
    assert await both.published() == {OTHER: LASTING}, "an older copy"
    await both.block_list.put([(CALLER, LASTING), (OTHER, NOBODY)])
    await both.block_list.finish(Edition("another's", 10**6))
    assert await both.published() == {OTHER: LASTING}, "another's"


async def test_what_a_failover_lost_is_published_again_although_it_was_acknowledged(
    both: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a fail-over all standings are compared, since the new master may have the latest edition."""
    await both.change(blocked_for_good)
    await both.change(blocked_for_good, OTHER)
    await both.published()
    await both.block_list.put([(OTHER, NOBODY)])

    async def another() -> str:
        return "another"

    monkeypatch.setattr(both.block_list, "server", another)
    assert await both.published() == {CALLER: LASTING, OTHER: LASTING}


async def test_after_a_restart_it_is_another_server(own_list: RedisBlockList, own_redis: RedisServer) -> None:
    """A restarted server counts as another one, since it may have lost the latest writes."""
    before = await own_list.server()
    assert before == await own_list.server()
    own_redis.stop()
    own_redis.start()
    assert before != await own_list.server() != ""


async def test_a_new_site_has_lost_nothing(both: Site) -> None:
    """A new site's first list raises no alarm; each list that was emptied raises one."""
    lost = []
    both.publisher.lost = lambda: lost.append(1)
    await both.published()
    assert not lost
    await both.block_list.begin()
    await both.published()
    assert lost == [1]
    await both.change(blocked_for_good)
    await both.published()
    both.publisher = Publisher(both.records, both.block_list, lost=both.publisher.lost)
    await both.block_list.begin()
    await both.published()
    assert lost == [1, 1]


async def test_two_who_publish_at_once_end_in_the_later_standing(both: Site) -> None:
    """A process that publishes an older standing too late notices it and publishes the newer one again."""
    await both.published()
    await both.change(blocked_for_good)
    (early,) = await both.records.unpublished()
    await both.change(freed)
    assert await both.published() == {}
    edition = await both.records.edition()
    await both.block_list.publish([(early.caller, early.standing)], edition)
    await both.records.published([early], edition)
    assert await both.published() == {}


async def test_who_publishes_an_erased_caller_too_late_puts_it_right(both: Site) -> None:
    """A block of somebody without a record could be neither explained nor lifted, so it does not stay."""
    await both.published()
    await both.change(blocked_for_good)
    (early,) = await both.records.unpublished()
    await both.records.erase(CALLER, NOW + 1)
    assert await both.published() == {}
    edition = await both.records.edition()
    await both.block_list.publish([(early.caller, early.standing)], edition)
    await both.records.published([early], edition)
    assert await both.published() == {}
    assert await both.records.unpublished() == []


async def test_it_goes_on_by_itself(both: Site) -> None:
    """While the publisher runs, a change reaches verdicts by itself."""
    running = asyncio.create_task(both.publisher.run())
    try:
        await both.change(blocked_for_good)
        async with within(PATIENCE, "the block in the list"):
            while await both.block_list.standing(CALLER) != LASTING:
                await both.block_list.wait(FeedPosition("0-0", ""), 0.1)
    finally:
        while not running.done():  # ends: redis-py sometimes swallows a cancellation, as the daemon knows
            running.cancel()
            await asyncio.wait({running}, timeout=0.5)
