"""Sentinel and Cluster: fail-overs, and slots that move, with the same client."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress

import pytest

from siaga112.adapters.redis.block_list import RedisBlockList
from siaga112.core import decisions
from siaga112.core.codec import dump_standing
from siaga112.core.mode import Switch
from siaga112.core.model import Caller, Level, Mode
from siaga112.core.record import CallerRecord, Lift
from siaga112.core.standing import NOBODY, Standing
from siaga112.service.ports import StoreDownError
from siaga112.service.updating import update
from tests.adapters.changes import blocked_for_good, change, every_answer, every_redis_answer
from tests.adapters.conftest import IMPATIENCE, at_last, opened
from tests.lab.agi_client import no_processor
from tests.lab.redis_servers import Cluster, RedisServer, Sentinels, cluster, sentinels
from tests.samples import CALLER, NOW, OTHER, RULES
from tests.waiting import block_until, until, within

pytestmark = pytest.mark.redis

CALLERS = [Caller(f"+62812000{number:04}") for number in range(200)]
BATCH = 100
LASTING = Standing(level=Level.PERMANENT, since=NOW)
GENEROUS = 90.0
"""Seconds within which everything that a test waits for comes, even on a busy machine.

A sentinel whose clock stood still for 2 s acts again only after 30 s (sentinel.c, SENTINEL_TILT_PERIOD), and
a fail-over that found no majority is tried again after twice `failover-timeout`.
"""

NOTICED = 5.0
"""Seconds: far too long for a kill switch, but shorter than a replaced master stays up."""


@pytest.fixture
def watched() -> Iterator[Sentinels]:
    """Run a master, replicas and sentinels for one test."""
    with sentinels() as running:
        yield running


@pytest.fixture
def slotted() -> Iterator[Cluster]:
    """Run a cluster for one test."""
    with cluster() as running:
        yield running


# ── Sentinel ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["killed", "ordered"])
@pytest.mark.fault("redis_failover")
async def test_after_a_failover_the_block_list_is_what_the_records_say(
    watched: Sentinels, how: str, site: str
) -> None:
    """After a fail-over, what the old master took with it is published again until list and records agree."""
    async with opened(watched.url, site) as store:
        await store.switch(Switch(Mode.ENFORCE, NOW), Mode.OBSERVE)
        publishing = asyncio.create_task(store.publisher.run())

        async def decide(callers: Iterable[Caller]) -> None:
            for n, caller in enumerate(callers):
                await update(store.records, caller, blocked_for_good, NOW, RULES)
                if n % 3 == 0:
                    await update(store.records, caller, freed, NOW, RULES)
                store.publisher.wake()

        await decide(CALLERS[:BATCH])
        old, began_noise = watched.master, no_processor(*pids_of(watched))
        if how == "killed":
            watched.servers[old].stop()
        else:
            watched.sentinels[0].ask("SENTINEL", "FAILOVER", "siaga")
        began = time.monotonic()
        await decide(CALLERS[BATCH:])
        await asyncio.to_thread(block_until, lambda: watched.failed_over(old), GENEROUS)
        over = time.monotonic()
        async with opened(watched.url, site) as elsewhere:
            here, there = store.block_list, elsewhere.block_list
            await tried_until_done(lambda: there.switch(Switch(Mode.OFF, NOW + 1), Mode.ENFORCE))
            switched = time.monotonic()
            await first_mode(here, Mode.OFF)
            read_at = time.monotonic()
            noise = no_processor(*pids_of(watched)) - began_noise
            print(f"\nmaster {how}: new one after {over - began:.2f} s", end=", ")
            print(f"mode switched {switched - over:.3f} s later, read {read_at - switched:.3f} s after that")
            assert read_at - switched < NOTICED + noise
            wanted = {one.caller async for page in store.records.standings() for one in page}
            assert len(wanted) > BATCH
            async with within(GENEROUS, "all standings on the new master"):
                while await standings(there) != wanted or await store.records.unpublished():
                    pass  # each look is many questions to the new master
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)


async def standings(block_list: RedisBlockList) -> set[Caller]:
    """Return who has a standing; nobody while it cannot be read."""
    with suppress(StoreDownError):
        return {caller async for page in block_list.standings() for caller, held in page if held != NOBODY}
    return set()


def freed(record: CallerRecord) -> CallerRecord:
    """Lift the block in force."""
    return decisions.lift(record, Lift(NOW, "supervisor", "stolen"))


def pids_of(running: Sentinels) -> tuple[int, ...]:
    """Return the process ids of all that take part: servers, sentinels and ourselves."""
    return (os.getpid(), *(one.pid for one in (*running.servers.values(), *running.sentinels)))


async def tried_until_done(how: Callable[[], Awaitable[object]]) -> None:
    """Do something as often as it takes to succeed."""
    async with within(GENEROUS, "something to be done at last"):
        while True:
            try:
                await how()
            except StoreDownError:
                await asyncio.sleep(0.001)
            else:
                return


async def first_mode(block_list: RedisBlockList, wanted: Mode | None) -> Mode | None:
    """Ask for the mode until the answer is the one that is wanted."""
    last: object = "nothing"
    try:
        async with within(GENEROUS, f"the mode {wanted}"):
            while True:
                try:
                    last = await block_list.switched()
                    if (last.mode if last else None) == wanted:
                        return wanted
                except StoreDownError as error:
                    last = error
                await asyncio.sleep(0.001)
    except TimeoutError as error:
        error.add_note(f"the last answer: {last!r}")
        raise


async def test_a_master_that_asks_for_replicas_it_lacks_is_down(watched: Sentinels, site: str) -> None:
    """If the master has fewer replicas than min-replicas-to-write, a write fails as StoreDownError."""
    async with opened(watched.url, site) as store:
        block_list = store.block_list
        master = watched.servers[watched.master]
        master.ask("CONFIG", "SET", "min-replicas-to-write", 3)
        for attempt in (
            lambda: block_list.switch(Switch(Mode.OFF), Mode.OBSERVE),
            lambda: block_list.put([(CALLER, LASTING)]),
        ):
            with pytest.raises(StoreDownError, match="too few replicas follow it"):
                await attempt()
        assert await block_list.switched() is None
        master.ask("CONFIG", "SET", "min-replicas-to-write", 0)
        await block_list.put([(CALLER, LASTING)])


# ── Cluster ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("target", ["another master", "a new node"])
@pytest.mark.parametrize("bucket", ["full", "empty"])
@pytest.mark.fault("redis_slot")
async def test_a_slot_that_moves_under_updates_loses_nothing(
    slotted: Cluster, target: str, bucket: str, site: str
) -> None:
    """While a slot moves, verdicts are answered and standings written, and none is lost."""
    async with opened(slotted.url, site) as store:
        block_list = store.block_list
        slot = slotted.nodes[slotted.spare].ask("CLUSTER", "KEYSLOT", block_list._of(CALLER))
        masters = [port for port in slotted.nodes if port not in {slotted.spare, slotted.owner(slot)}]
        to = slotted.spare if target == "a new node" else masters[0]
        told: list[int] = []

        async def updates() -> None:
            """Write standings of callers in that bucket, eight at a time."""
            while True:  # ends: cancelled below
                numbers = range(len(told), len(told) + 8)
                await asyncio.gather(*(block_list._send([put(block_list, n)]) for n in numbers))
                told.extend(numbers)

        async def more() -> None:
            enough = len(told) + 16
            await until(lambda: len(told) >= enough or stream.done(), GENEROUS)

        async def verdicts() -> None:
            for _ in range(20):
                await block_list.standing(CALLER)

        await block_list.ping()
        if bucket == "empty":
            slotted.open_move(slot, to)
        stream = asyncio.create_task(updates())
        if bucket == "full":
            await more()
            slotted.open_move(slot, to)
        await verdicts()
        slotted.carry(slot, to)
        await verdicts()
        slotted.close_move(slot, to)
        await more()
        stream.cancel()
        await asyncio.gather(stream, return_exceptions=True)
        assert stream.cancelled(), stream.exception()
        await until(lambda: slotted.owner(slot) == to)
        found = await block_list._redis.hkeys(block_list._of(CALLER))
        assert {name.decode() for name in found} >= {str(n) for n in told}
        assert slotted.refusals("ASK") > 0
        assert slotted.refusals("MOVED") > 0


def put(block_list: RedisBlockList, number: int) -> tuple[object, ...]:
    """Return the command that writes a standing of a caller in CALLER's bucket."""
    return ("HSET", block_list._of(CALLER), str(number), dump_standing(LASTING))


# ── both ──────────────────────────────────────────────────────────────────────────────────


def servers_of(running: Sentinels | Cluster) -> list[RedisServer]:
    """Return the servers that hold data."""
    return [*(running.servers if isinstance(running, Sentinels) else running.nodes).values()]


async def test_without_any_server_all_is_down_and_comes_back(
    watched: Sentinels, slotted: Cluster, site: str
) -> None:
    """While no server of a Sentinel or Cluster runs, questions are StoreDownError; afterwards they work."""
    for running in (watched, slotted):
        async with opened(running.url, site) as store:
            await store.ping()
            for server in servers_of(running):
                server.stop()
            answers = await every_redis_answer(store.block_list)
            assert {type(answer) for answer in answers} == {StoreDownError}
            for server in servers_of(running):
                server.start()
            assert await first_mode(store.block_list, None) is None


async def test_an_answer_that_came_too_late_reaches_nobody(
    watched: Sentinels, slotted: Cluster, site: str
) -> None:
    """The answer to a question that was given up at its deadline never reaches the next caller."""
    for running in (watched, slotted):
        async with opened(running.url, site, IMPATIENCE) as store:
            await store.block_list.put([(CALLER, LASTING)])
            for server in servers_of(running):
                server.signal(signal.SIGSTOP)
            for _ in range(5):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(store.standing(CALLER), 0.02)
            for server in servers_of(running):
                server.signal(signal.SIGCONT)
            for _ in range(10):
                assert await at_last(store, OTHER) == NOBODY


@pytest.mark.parametrize("kind", [sentinels, cluster])
async def test_sentinel_and_cluster_with_tls(kind: type, site: str) -> None:
    """With `rediss+…` every server and sentinel is reached by TLS."""
    with kind(encrypted=True) as running:
        async with opened(running.url, site) as store:
            assert not [one for one in await every_answer(store) if isinstance(one, Exception)]
            await change(store, blocked_for_good)
