"""What one real Redis shows beyond the store's contract: its layout, its faults, foreign values in it."""

import asyncio
import signal
import time
from typing import Any

import pytest

from siaga112.adapters.redis.connect import connect
from siaga112.adapters.redis.store import RedisStore
from siaga112.core import decisions
from siaga112.core.changes import Change, replacement
from siaga112.core.mode import Switch
from siaga112.core.model import DAY, Caller, Level, Mode
from siaga112.core.record import CallerRecord, Lift
from siaga112.core.retention import forget_after
from siaga112.core.snapshot import LIFE
from siaga112.core.standing import NOBODY, Standing
from siaga112.service.ports import StoreBrokenError, StoreDownError
from siaga112.service.replica import Replica
from siaga112.service.retention import Retention
from siaga112.service.supervisor import RefusedError, Supervisor
from tests.adapters.changes import blocked_for_good, change, every_answer, listed, struck
from tests.adapters.conftest import IMPATIENCE, KEEP
from tests.core.table import in_force
from tests.fakes.meter import KeptMeter
from tests.lab.redis_servers import ANSWER_SECONDS, RedisServer
from tests.samples import CALLER, NOW, OTHER, RULES, SNAPSHOT, block, entry, prank, strike
from tests.waiting import within

pytestmark = pytest.mark.redis


def raw(store: RedisStore) -> Any:
    """Give the client behind a store."""
    return store._redis


async def test_all_on_one_caller_is_under_one_key(redis_store: RedisStore, site: str) -> None:
    """Strikes, blocks and standing are one hash in one cluster slot, replaced together or not at all."""
    await change(redis_store, struck(*(strike(n) for n in range(6))))
    keys = await raw(redis_store).keys(f"*{site}*{CALLER}*")
    assert keys == [f"siaga112:{{{site}}}:caller:{CALLER}".encode()]
    assert sorted(await raw(redis_store).hkeys(keys[0])) == [b"doc", b"standing", b"v"]


async def test_a_record_expires_when_nothing_in_it_can_matter(redis_store: RedisStore) -> None:
    """Personal data goes by itself; a permanent block stays, and a lifted one goes again."""
    key = redis_store._keys.caller(CALLER)
    record = await change(redis_store, struck(strike(1)))
    assert await raw(redis_store).pexpiretime(key) == forget_after(record, RULES)
    await change(redis_store, blocked_for_good)
    assert await raw(redis_store).pexpiretime(key) == -1
    record = await change(redis_store, lambda held: decisions.lift(held, Lift(NOW, "supervisor", "stolen")))
    assert await raw(redis_store).pexpiretime(key) == forget_after(record, RULES)


async def test_a_day_of_the_ledger_expires_as_a_whole(redis_store: RedisStore) -> None:
    """A day is kept as long as configured, counted from its last call, and a day more."""
    await redis_store.write([Change(entry=entry(prank(1)))])
    assert await raw(redis_store).pexpiretime(redis_store._keys.day(NOW)) == NOW + KEEP + DAY


async def test_a_caller_is_erased_though_a_row_of_his_is_gone(redis_store: RedisStore) -> None:
    """A day that expired, or was deleted by hand, keeps nobody from being forgotten."""
    await redis_store.write([Change(entry=entry(prank(n, NOW - n * DAY))) for n in range(2)])
    await raw(redis_store).delete(redis_store._keys.day(NOW))
    async with within(20, "the caller to be erased"):
        await redis_store.erase(CALLER, NOW + 1)
    assert list(await redis_store.calls_of(CALLER)) == []
    (left,) = [row async for row in redis_store.entries(NOW - 2 * DAY, NOW + 1)]
    assert left.finding.call.caller is None


async def test_lists_and_feed_forget_what_is_over(redis_store: RedisStore) -> None:
    """A record that expired leaves the lists with the next look through them; the feed keeps a day."""
    await change(redis_store, blocked_for_good)
    await change(redis_store, lambda record: decisions.impose(record, block(NOW, NOW + 1_000)), OTHER)
    place = await redis_store.last_change()
    assert await redis_store.changes(place) is not None
    await raw(redis_store).delete(redis_store._keys.caller(CALLER))  # as if it had expired
    later = time.time_ns() // 1_000_000 + 2 * DAY
    await Retention(redis_store, in_force(policy=RULES), lambda: later).prune()
    assert [caller async for caller in redis_store.listed()] == []
    assert await redis_store.load(CALLER) == (CallerRecord(CALLER), 0)
    assert await redis_store.changes(place) is None
    assert await redis_store.last_change() != place


async def followed(store: RedisStore) -> Replica:
    """Give a replica that has read all, and never grows stale."""
    replica = Replica(store, KeptMeter(), lambda: 0.0, 1.0)
    async with within(20, "the replica to have read all"):
        while await replica._look():
            pass
    return replica


async def test_the_records_are_the_truth_not_the_lists(redis_store: RedisStore, site: str) -> None:
    """Who is on a list without a record, or with one that cannot be read, is turned away by nobody."""
    await change(redis_store, blocked_for_good)
    await change(redis_store, blocked_for_good, OTHER)
    await raw(redis_store).delete(redis_store._keys.caller(CALLER))
    await raw(redis_store).hset(redis_store._keys.caller(OTHER), "standing", b"{")
    third = "+6281333333333"
    await raw(redis_store).zadd(f"siaga112:{{{site}}}:blocks", {third: "+inf", "junk": 1, b"\xff": 2})
    await raw(redis_store).set(redis_store._keys.caller(Caller(third)), "not a hash")
    replica = await followed(redis_store)
    assert [replica.of(Caller(who)) for who in (CALLER, OTHER, third)] == [NOBODY] * 3
    assert replica.callers == 0
    assert third in [caller async for caller in redis_store.listed()]


async def test_a_block_whose_record_was_deleted_by_hand_can_be_undone(redis_store: RedisStore) -> None:
    """The replica knows of the block, the store no more: `unblock` finds none, and frees the caller."""
    await change(redis_store, blocked_for_good)
    replica = await followed(redis_store)
    await raw(redis_store).delete(redis_store._keys.caller(CALLER))
    await replica._look()
    assert replica.of(CALLER) == Standing(level=Level.PERMANENT, since=NOW)
    supervisor = Supervisor(redis_store, RULES, Mode.ENFORCE, lambda: NOW, "ratna")
    with pytest.raises(RefusedError, match="is not blocked"):
        await supervisor.unblock(CALLER, "the phone was stolen")
    await replica._look()
    assert replica.of(CALLER) == NOBODY
    assert [caller async for caller in redis_store.listed()] == []
    assert await redis_store.load(CALLER) == (CallerRecord(CALLER), 0)


@pytest.mark.parametrize("fields", [{"c": CALLER}, {"c": CALLER, "s": "{"}, {"c": "x", "s": "\\"}])
async def test_what_is_no_change_of_ours_is_a_gap(redis_store: RedisStore, fields: dict[str, str]) -> None:
    """An entry that somebody else put into the feed ends nothing: all is read anew, and then followed."""
    await change(redis_store, blocked_for_good)
    replica = await followed(redis_store)
    await raw(redis_store).xadd(redis_store._keys.site_wide("changes"), {**fields, "n": b"\xff"})
    await change(redis_store, blocked_for_good, OTHER)
    async with within(20, "the replica to have read all"):
        while await replica._look():
            pass
    assert {replica.of(who) for who in (CALLER, OTHER)} == {Standing(level=Level.PERMANENT, since=NOW)}


async def test_a_snapshot_vanishes_by_itself(redis_store: RedisStore, site: str) -> None:
    """What a daemon that died has said last is gone after seconds: it must not lie."""
    await redis_store.put_snapshot(SNAPSHOT)
    assert 0 < await raw(redis_store).pttl(f"siaga112:{{{site}}}:now") <= LIFE


@pytest.mark.fault("sites")
async def test_sites_share_nothing(redis_server: RedisServer, redis_store: RedisStore) -> None:
    """Two sites on one Redis do not see each other's callers, lists, ledger or mode."""
    await change(redis_store, blocked_for_good)
    await redis_store.write([Change(entry=entry(prank(1)))])
    await redis_store.switch(Switch(Mode.OFF))
    other = RedisStore(connect(redis_server.url, ANSWER_SECONDS), "another", KEEP)
    assert await other.standing(CALLER) == NOBODY
    assert await listed(other) == ([], [])
    assert [row async for row in other.entries(NOW, NOW + 1)] == []
    assert await other.switched() is None
    await other.close()


@pytest.mark.fault("redis_scripts")
async def test_flushed_scripts_are_loaded_again(redis_store: RedisStore) -> None:
    """An operator's SCRIPT FLUSH between two saves is not noticed."""
    await change(redis_store, struck(strike(1)))
    await raw(redis_store).script_flush()
    record = await change(redis_store, struck(strike(2)))
    assert len(record.strikes) == 2


async def test_a_stopped_server_is_down_and_comes_back(own_redis: RedisServer, own_store: RedisStore) -> None:
    """Every question to a dead server is StoreDownError; after its restart, no restart of ours is needed."""
    store = own_store
    await store.ping()
    own_redis.stop()
    answers = await every_answer(store)
    assert {type(answer) for answer in answers} == {StoreDownError}
    own_redis.start()
    assert await store.standing(CALLER) == NOBODY


async def test_a_paused_server_is_down_after_one_timeout(
    own_redis: RedisServer, own_store: RedisStore
) -> None:
    """A server that does not answer is given up after the command timeout, and not asked again."""
    store = own_store
    await store.ping()
    loop = asyncio.get_running_loop()
    own_redis.signal(signal.SIGSTOP)
    began = loop.time()
    with pytest.raises(StoreDownError):
        await store.standing(CALLER)
    assert IMPATIENCE * 0.9 < loop.time() - began < IMPATIENCE * 1.9
    own_redis.signal(signal.SIGCONT)
    assert await store.standing(CALLER) == NOBODY


async def test_an_answer_that_came_too_late_reaches_nobody(
    own_redis: RedisServer, own_store: RedisStore
) -> None:
    """A question given up at its deadline never leaves its answer to the next caller's."""
    store = own_store
    await change(store, blocked_for_good, CALLER)
    own_redis.signal(signal.SIGSTOP)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(store.standing(CALLER), 0.02)
    own_redis.signal(signal.SIGCONT)
    for _ in range(10):
        assert await store.standing(OTHER) == NOBODY


async def test_a_foreign_value_under_the_caller_is_broken_not_down(redis_store: RedisStore) -> None:
    """A key of the wrong type is a matter for a person, not for another try."""
    await raw(redis_store).set(redis_store._keys.caller(CALLER), "not a hash")
    with pytest.raises(StoreBrokenError):
        await redis_store.standing(CALLER)
    with pytest.raises(StoreBrokenError):
        await redis_store.load(CALLER)
    change = Change(replacement(CallerRecord(CALLER), blocked_for_good(CallerRecord(CALLER)), 0, NOW, RULES))
    (answer,) = await redis_store.write([change])
    assert isinstance(answer, StoreBrokenError)


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"[1,null,null,0]",
        b'[true,"often",null,0]',
        b'[true,null,"x",0]',
        b"7",
    ],
)
async def test_garbage_as_a_standing_is_broken(redis_store: RedisStore, text: bytes) -> None:
    """No text in Redis is taken for a standing that nobody wrote."""
    await raw(redis_store).hset(redis_store._keys.caller(CALLER), "standing", text)
    with pytest.raises(StoreBrokenError):
        await redis_store.standing(CALLER)


@pytest.mark.parametrize("doc", [b"{", b"\xff", b"[]", b"{}", b'{"caller":null,"strikes":7}'])
async def test_garbage_as_a_record_is_broken(redis_store: RedisStore, doc: bytes) -> None:
    """Nor as a record: it is neither guessed at nor overwritten."""
    await raw(redis_store).hset(redis_store._keys.caller(CALLER), mapping={"v": 1, "doc": doc})
    with pytest.raises(StoreBrokenError):
        await change(redis_store, struck(strike(1)))
    assert await raw(redis_store).hget(redis_store._keys.caller(CALLER), "doc") == doc


async def test_an_unknown_mode_is_broken(redis_store: RedisStore) -> None:
    """A mode that we do not know is not obeyed."""
    await raw(redis_store).set(redis_store._keys.site_wide("mode"), "maybe")
    with pytest.raises(StoreBrokenError):
        await redis_store.switched()


async def test_out_of_memory_refuses_writes_and_still_answers(own_store: RedisStore) -> None:
    """A full Redis takes no strikes, but verdicts go on; what waits is recorded when there is room."""
    store = own_store
    await change(store, blocked_for_good)
    await raw(store).config_set("maxmemory", "1")
    (answer,) = await store.write([Change(entry=entry(prank(1)))])
    assert isinstance(answer, StoreBrokenError)
    assert (await store.standing(CALLER)).level is Level.PERMANENT
    await raw(store).config_set("maxmemory", "0")
    await store.write([Change(entry=entry(prank(1)))])
