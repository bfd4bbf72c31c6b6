"""The store: one contract for every implementation, then what only a real Redis can show."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from siaga112.adapters.redis_store import RedisStore, connect
from siaga112.core import policy
from siaga112.core.model import DAY, Allow, Caller, CallerRecord, CallId, Level, Lift, Mark, Mode, Strike
from siaga112.core.policy import NOBODY, Standing, add_strike, forget_after, standing
from siaga112.errors import ConfigurationError
from siaga112.service.pipeline import update
from siaga112.service.ports import Store, StoreBrokenError, StoreDownError
from tests.adapters.conftest import IMPATIENCE, KEEP, RedisServer
from tests.samples import CALLER, NOW, OTHER, RULES, answered, block, entry, prank, strike


async def change(
    store: Store, how: Callable[[CallerRecord], CallerRecord], caller: Caller = CALLER
) -> CallerRecord:
    """Change a caller's record as both flows do; give it as it is then."""
    return (await update(store, caller, how, NOW, RULES))[1]


def struck(*strikes: Strike) -> Callable[[CallerRecord], CallerRecord]:
    """Give the change that adds these strikes."""

    def add(record: CallerRecord) -> CallerRecord:
        for one in strikes:
            record = add_strike(record, one, RULES)
        return record

    return add


def blocked_for_good(record: CallerRecord) -> CallerRecord:
    """Block a caller permanently."""
    return policy.impose(record, block(NOW, None))


async def listed(store: Store) -> tuple[list[Caller], list[Caller]]:
    """Give who is on the list of blocks, and who on the allow list."""
    blocked, allowed = await store.blocked(NOW), await store.allowed()
    return sorted(record.caller for record in blocked), sorted(record.caller for record in allowed)


# ── the contract ─────────────────────────────────────────────────────────────────────────────────


async def test_a_stranger_has_no_standing_and_an_empty_record(store: Store) -> None:
    """On a caller who never did anything, nothing is held."""
    assert await store.standing(CALLER) == NOBODY
    assert await store.load(CALLER) == (CallerRecord(CALLER), 0)


async def test_a_record_comes_back_as_it_was_saved(store: Store) -> None:
    """All that a record can carry survives the store, and the verdict's part is ready beside it."""
    record = struck(*(strike(n, NOW - 100 + n) for n in range(6)))(CallerRecord(CALLER))
    record = policy.lift(record, Lift(NOW - 50, "supervisor", 'said "sorry"\n'))
    record = policy.impose(record, block(NOW - 40, NOW + DAY))
    record = policy.allow(record, Allow(NOW - 10, "supervisor", "rumah sakit"))
    record = policy.take_back_strike(record, strike(1).call, Lift(NOW, "operator", "genuine", forgives=False))
    held = standing(record, NOW, RULES)
    assert await store.save(record, held, 0, None)
    assert await store.load(CALLER) == (record, 1)
    assert await store.standing(CALLER) == held


@pytest.mark.parametrize("version", [0, 2])
async def test_a_stale_version_is_refused(store: Store, version: int) -> None:
    """Who read before somebody else wrote may not overwrite it."""
    first = blocked_for_good(CallerRecord(CALLER))
    assert await store.save(first, standing(first, NOW, RULES), 0, None)
    assert not await store.save(CallerRecord(CALLER), NOBODY, version, None)
    assert await store.load(CALLER) == (first, 1)


async def test_the_same_strike_a_hundred_times_at_once_is_one(store: Store) -> None:
    """A call costs its caller one strike, however many daemons tell of it at once."""
    await asyncio.gather(*(change(store, struck(strike(1))) for _ in range(100)))
    record, version = await store.load(CALLER)
    assert record.strikes == (strike(1),)
    assert version == 1


async def test_a_hundred_strikes_at_once_all_count_and_block_once(store: Store) -> None:
    """No strike is lost when many come at once, and together they lead to one temporary block."""
    strikes = [strike(n, NOW - 100 + n) for n in range(100)]
    await asyncio.gather(*(change(store, struck(one)) for one in strikes))
    record, _ = await store.load(CALLER)
    assert record.strikes == tuple(strikes)
    (imposed,) = record.blocks
    assert imposed.level is Level.TEMPORARY
    assert await listed(store) == ([CALLER], [])


async def test_the_lists_follow_the_records(store: Store) -> None:
    """Who is blocked or allowed is listed; who is so no longer is not."""
    await change(store, blocked_for_good)
    await change(store, lambda record: policy.allow(record, Allow(NOW, "supervisor", "clinic")), OTHER)
    assert await listed(store) == ([CALLER], [OTHER])
    await change(store, lambda record: policy.lift(record, Lift(NOW, "supervisor", "stolen")))
    await change(store, policy.disallow, OTHER)
    assert await listed(store) == ([], [])


async def test_a_lost_index_write_heals_with_the_next_look(store: Store) -> None:
    """Dying between record and list costs nothing: the next update heals it, even if it changes nothing."""
    record = blocked_for_good(CallerRecord(CALLER))
    await store.save(record, standing(record, NOW, RULES), 0, None)
    assert await listed(store) == ([], [])
    await change(store, lambda same: same)
    assert await listed(store) == ([CALLER], [])


async def test_an_index_write_that_comes_late_does_no_harm(store: Store) -> None:
    """A list entry without its block in the record is not believed."""
    await store.index(CallerRecord(CALLER), Standing(level=Level.PERMANENT))
    assert await listed(store) == ([], [])


async def test_an_expired_block_is_listed_no_more(store: Store) -> None:
    """A block ends by itself, to the millisecond."""
    await change(store, lambda record: policy.impose(record, block(NOW, NOW + 5_000)))
    assert [record.caller for record in await store.blocked(NOW + 4_999)] == [CALLER]
    assert (await store.block_counts(NOW + 4_999))[Level.TEMPORARY] == 1
    assert (await store.block_counts(NOW + 5_000))[Level.TEMPORARY] == 0
    assert await store.blocked(NOW + 5_000) == []


async def test_the_ledger_spans_midnight(store: Store) -> None:
    """Days are only a layout: a period across midnight UTC is complete, in order, its end exclusive."""
    midnight = NOW - NOW % DAY
    rows = [
        entry(prank(n, at))
        for n, at in enumerate([midnight - 1_000, midnight - 1, midnight, midnight + 1_000])
    ]
    for row in reversed(rows):
        await store.put_entry(row)
    assert [row async for row in store.entries(midnight - 1_000, midnight + 1_000)] == rows[:3]
    assert [row async for row in store.entries(midnight, midnight + 1_001)] == rows[2:]


async def test_the_same_call_again_replaces_its_row(store: Store) -> None:
    """Writing a call twice leaves one row, the later one."""
    first = entry(answered(1))
    marked = replace(first, finding=replace(first.finding, mark=Mark.GENUINE))
    for row in (first, first, marked):
        await store.put_entry(row)
    assert [row async for row in store.entries(NOW, NOW + 1)] == [marked]
    assert await store.entry(first.finding.call.id) == marked


@pytest.mark.parametrize("call", ["", "junk", "1795000000", "asterisk-1795000000.7", "9" * 40 + ".1"])
async def test_a_call_that_is_not_in_the_ledger(store: Store, call: str) -> None:
    """Whatever is asked for, a call that is not there is None."""
    assert await store.entry(CallId(call)) is None


async def test_the_mode_is_unset_until_somebody_sets_it(store: Store) -> None:
    """Without a decision the configured mode holds; with one, that."""
    assert await store.mode() is None
    await store.set_mode(Mode.ENFORCE)
    assert await store.mode() is Mode.ENFORCE


# ── Redis ────────────────────────────────────────────────────────────────────────────────────────


def raw(store: RedisStore) -> Any:
    """Give the client behind a store."""
    return store._redis


@pytest.mark.redis
async def test_all_on_one_caller_is_under_one_key(redis_store: RedisStore, site: str) -> None:
    """Strikes, blocks and standing are one hash in one cluster slot, replaced together or not at all."""
    await change(redis_store, struck(*(strike(n) for n in range(6))))
    keys = await raw(redis_store).keys(f"*{site}*{CALLER}*")
    assert keys == [f"siaga112:{{{site}:{CALLER}}}".encode()]
    assert sorted(await raw(redis_store).hkeys(keys[0])) == [b"doc", b"standing", b"v"]


@pytest.mark.redis
async def test_a_record_expires_when_nothing_in_it_can_matter(redis_store: RedisStore) -> None:
    """Personal data goes by itself; a permanent block stays, and a lifted one goes again."""
    key = redis_store._caller_key(CALLER)
    record = await change(redis_store, struck(strike(1)))
    assert await raw(redis_store).pexpiretime(key) == forget_after(record, RULES)
    await change(redis_store, blocked_for_good)
    assert await raw(redis_store).pexpiretime(key) == -1
    record = await change(redis_store, lambda held: policy.lift(held, Lift(NOW, "supervisor", "stolen")))
    assert await raw(redis_store).pexpiretime(key) == forget_after(record, RULES)


@pytest.mark.redis
async def test_a_day_of_the_ledger_expires_as_a_whole(redis_store: RedisStore) -> None:
    """A day is kept as long as configured, counted from its last call, and a day more."""
    await redis_store.put_entry(entry(prank(1)))
    assert await raw(redis_store).pexpiretime(redis_store._day_key(NOW)) == NOW + KEEP + DAY


@pytest.mark.redis
async def test_sites_share_nothing(redis_server: RedisServer, redis_store: RedisStore) -> None:
    """Two sites on one Redis do not see each other's callers, lists, ledger or mode."""
    await change(redis_store, blocked_for_good)
    await redis_store.put_entry(entry(prank(1)))
    await redis_store.set_mode(Mode.OFF)
    other = RedisStore(connect(redis_server.url), "another", KEEP)
    assert await other.standing(CALLER) == NOBODY
    assert await listed(other) == ([], [])
    assert [row async for row in other.entries(NOW, NOW + 1)] == []
    assert await other.mode() is None
    await other.close()


@pytest.mark.redis
async def test_flushed_scripts_are_loaded_again(redis_store: RedisStore) -> None:
    """An operator's SCRIPT FLUSH between two saves is not noticed."""
    await change(redis_store, struck(strike(1)))
    await raw(redis_store).script_flush()
    record = await change(redis_store, struck(strike(2)))
    assert len(record.strikes) == 2


@pytest.mark.redis
async def test_five_hundred_verdicts_at_once(redis_store: RedisStore) -> None:
    """A rush of callers is not answered "store down" for want of connections."""
    await change(redis_store, blocked_for_good)
    answers = await asyncio.gather(*(redis_store.standing(CALLER) for _ in range(500)))
    assert {held.level for held in answers} == {Level.PERMANENT}


@pytest.mark.redis
async def test_a_stopped_server_is_down_and_comes_back(own_redis: RedisServer, own_store: RedisStore) -> None:
    """Every question to a dead server is StoreDownError; after its restart, no restart of ours is needed."""
    store = own_store
    await store.ping()
    own_redis.stop()
    questions = [
        store.ping(),
        store.standing(CALLER),
        store.load(CALLER),
        store.save(CallerRecord(CALLER), NOBODY, 0, None),
        store.index(CallerRecord(CALLER), NOBODY),
        store.blocked(NOW),
        store.allowed(),
        store.put_entry(entry(prank(1))),
        store.entry(prank(1).id),
        anext(store.entries(NOW, NOW + 1)),
        store.mode(),
        store.set_mode(Mode.OFF),
    ]
    answers = await asyncio.gather(*questions, return_exceptions=True)
    assert {type(answer) for answer in answers} == {StoreDownError}
    own_redis.start()
    assert await store.standing(CALLER) == NOBODY


@pytest.mark.redis
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


@pytest.mark.redis
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


@pytest.mark.redis
async def test_a_foreign_value_under_the_caller_is_broken_not_down(redis_store: RedisStore) -> None:
    """A key of the wrong type is a matter for a person, not for another try."""
    await raw(redis_store).set(redis_store._caller_key(CALLER), "not a hash")
    with pytest.raises(StoreBrokenError):
        await redis_store.standing(CALLER)
    with pytest.raises(StoreBrokenError):
        await redis_store.load(CALLER)
    with pytest.raises(StoreBrokenError):
        await redis_store.save(CallerRecord(CALLER), NOBODY, 0, None)


@pytest.mark.redis
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
    await raw(redis_store).hset(redis_store._caller_key(CALLER), "standing", text)
    with pytest.raises(StoreBrokenError):
        await redis_store.standing(CALLER)


@pytest.mark.redis
@pytest.mark.parametrize("doc", [b"{", b"\xff", b"[]", b"{}", b'{"caller":null,"strikes":7}'])
async def test_garbage_as_a_record_is_broken(redis_store: RedisStore, doc: bytes) -> None:
    """Nor as a record: it is neither guessed at nor overwritten."""
    await raw(redis_store).hset(redis_store._caller_key(CALLER), mapping={"v": 1, "doc": doc})
    with pytest.raises(StoreBrokenError):
        await change(redis_store, struck(strike(1)))
    assert await raw(redis_store).hget(redis_store._caller_key(CALLER), "doc") == doc


@pytest.mark.redis
async def test_an_unknown_mode_is_broken(redis_store: RedisStore) -> None:
    """A mode that we do not know is not obeyed."""
    await raw(redis_store).set(redis_store._key("mode"), "maybe")
    with pytest.raises(StoreBrokenError):
        await redis_store.mode()


@pytest.mark.redis
async def test_out_of_memory_refuses_writes_and_still_answers(own_store: RedisStore) -> None:
    """A full Redis takes no strikes, but verdicts go on; what waits is recorded when there is room."""
    store = own_store
    await change(store, blocked_for_good)
    await raw(store).config_set("maxmemory", "1")
    with pytest.raises(StoreBrokenError):
        await store.put_entry(entry(prank(1)))
    assert (await store.standing(CALLER)).level is Level.PERMANENT
    await raw(store).config_set("maxmemory", "0")
    await store.put_entry(entry(prank(1)))


@pytest.mark.parametrize("url", ["", "redis", "http://127.0.0.1", "127.0.0.1:6379", "redis://127.0.0.1:port"])
async def test_an_address_that_is_none_is_one_line(url: str) -> None:
    """What is no Redis address is a configuration error, before anything is sent."""
    with pytest.raises(ConfigurationError) as raised:
        connect(url)
    assert "[redis] url" in str(raised.value)
    assert "\n" not in str(raised.value)
