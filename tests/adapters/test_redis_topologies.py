"""What Sentinel and Cluster add: fail-over, and slots that move, under the same client."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from siaga112.adapters.outbox import SqliteOutbox
from siaga112.adapters.redis import connect as redis_connect
from siaga112.adapters.redis.store import RedisStore
from siaga112.core.changes import Change
from siaga112.core.codec import dump_switch
from siaga112.core.mode import Switch
from siaga112.core.model import Caller, Mode
from siaga112.core.standing import NOBODY
from siaga112.service.ports import StoreDownError
from siaga112.service.recording import Recorder
from tests.adapters.changes import blocked_for_good, change, every_answer, struck
from tests.adapters.conftest import IMPATIENCE, opened
from tests.core.table import in_force
from tests.fakes.meter import KeptMeter
from tests.lab.agi_client import no_processor
from tests.lab.redis_servers import Cluster, RedisServer, Sentinels, cluster, sentinels
from tests.samples import CALLER, NOW, OTHER, RULES, entry, prank, strike, turn
from tests.waiting import block_until, until, within

pytestmark = pytest.mark.redis

CALLERS = [Caller(f"+62812000{number:04}") for number in range(50)]
BATCH = 200
GENEROUS = 90.0
"""Seconds within which whatever a test waits for comes, also on a machine that is busy.

A sentinel whose clock stood for 2 s waits for 30 s before it acts again (sentinel.c, SENTINEL_TILT_PERIOD),
and a fail-over that found no majority is tried again after twice `failover-timeout`.
"""

NOTICED = 5.0
"""Seconds that would be far too long for a kill switch, and still less than a replaced master goes on."""


@pytest.fixture
def watched() -> Iterator[Sentinels]:
    """Give a test a master, replicas and sentinels of its own."""
    with sentinels() as running:
        yield running


@pytest.fixture
def slotted() -> Iterator[Cluster]:
    """Give a test a cluster of its own."""
    with cluster() as running:
        yield running


# ── Sentinel ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["killed", "ordered"])
@pytest.mark.fault("redis_failover")
async def test_a_failover_loses_nothing_that_was_acknowledged(
    watched: Sentinels, how: str, site: str, tmp_path: Path
) -> None:
    """The new master has all that left the outbox before; the same client records the rest there."""
    began_at = turn(-2 * BATCH)
    rows = [entry(prank(n, turn(n - 2 * BATCH), CALLERS[n % len(CALLERS)])) for n in range(2 * BATCH)]
    outbox, meter = SqliteOutbox(tmp_path / "outbox.db"), KeptMeter()
    await outbox.open()
    async with opened(watched.url, site) as store:
        await store.switch(Switch(Mode.ENFORCE))
        recording = asyncio.create_task(Recorder(outbox, store, in_force(policy=RULES), meter).run())
        await outbox.append(rows[:BATCH])
        await until(lambda: outbox.pending <= BATCH // 2, GENEROUS)
        old, began_noise = watched.master, no_processor(*pids_of(watched))
        if how == "killed":
            watched.servers[old].stop()
        else:
            watched.sentinels[0].ask("SENTINEL", "FAILOVER", "siaga")
        began = time.monotonic()
        await outbox.append(rows[BATCH:])
        await asyncio.to_thread(block_until, lambda: watched.failed_over(old), GENEROUS)
        over = time.monotonic()
        async with opened(watched.url, site) as supervisor:
            assert await first_mode(supervisor, Mode.ENFORCE) is Mode.ENFORCE
            await tried_until_done(lambda: supervisor.switch(Switch(Mode.OFF)))
            switched = time.monotonic()
            await first_mode(store, Mode.OFF)
            read = time.monotonic()
            noise = no_processor(*pids_of(watched)) - began_noise
        print(f"\nmaster {how}: new one after {over - began:.2f} s", end=", ")
        print(f"mode switched {switched - over:.3f} s later, read {read - switched:.3f} s after that")
        assert read - switched < NOTICED + noise
        await until(lambda: outbox.pending == 0, GENEROUS)
        recording.cancel()
    async with opened(watched.url, site) as store:
        for caller in CALLERS:
            mine = [row for row in rows if row.finding.call.caller == caller]
            record, _ = await store.load(caller)
            assert [one.call for one in record.strikes] == [row.finding.call.id for row in mine]
        assert [row async for row in store.entries(began_at, NOW)] == rows
    await outbox.close()
    assert how == "ordered" or False in meter.up


def pids_of(running: Sentinels) -> tuple[int, ...]:
    """Who takes part: servers, sentinels, and we."""
    return (os.getpid(), *(one.pid for one in (*running.servers.values(), *running.sentinels)))


async def tried_until_done(how: Callable[[], Awaitable[object]]) -> None:
    """Do something as often as it takes."""
    async with within(GENEROUS, "something to be done at last"):
        while True:
            try:
                await how()
            except StoreDownError:
                await asyncio.sleep(0.001)
            else:
                return


async def first_mode(store: RedisStore, wanted: Mode | None) -> Mode | None:
    """Ask for the mode until somebody answers with the one that is wanted."""
    last: object = "nothing"
    try:
        async with within(GENEROUS, f"the mode {wanted}"):
            while True:
                try:
                    if (last := await store.switched()) == (Switch(wanted) if wanted else None):
                        return wanted
                except StoreDownError as error:
                    last = error
                await asyncio.sleep(0.001)
    except TimeoutError as error:
        error.add_note(f"the last answer: {last!r}")
        raise


async def test_a_write_is_told_when_the_replicas_have_it(
    watched: Sentinels, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is acknowledged is on every replica that is up; verdicts wait for none."""
    monkeypatch.setattr(redis_connect, "COPY_MILLIS", 15_000)
    master = watched.servers[watched.master]
    replicas = [server for server in watched.servers.values() if server is not master]
    async with opened(watched.url, site, GENEROUS) as store:
        await store.ping()
        replicas[0].signal(signal.SIGSTOP)
        writing = asyncio.create_task(store.switch(Switch(Mode.ENFORCE)))
        await until(lambda: master.ask("EXISTS", store._keys.site_wide("mode")) == 1)
        for _ in range(20):
            assert await store.standing(CALLER) == NOBODY
        assert not writing.done()
        replicas[0].signal(signal.SIGCONT)
        await writing
        assert [one.ask("GET", store._keys.site_wide("mode")) for one in replicas] == [
            dump_switch(Switch(Mode.ENFORCE))
        ] * 2


async def test_a_replica_that_is_lost_holds_writes_up_only_until_the_sentinels_know(
    watched: Sentinels, site: str
) -> None:
    """A master alone goes on: there is nothing left that a fail-over could go to."""
    async with opened(watched.url, site) as store:
        for port, server in watched.servers.items():
            if port != watched.master:
                server.stop()
        with pytest.raises(StoreDownError, match="0 of 2 replicas"):
            await store.switch(Switch(Mode.OFF))
        await tried_until_done(lambda: store.switch(Switch(Mode.ENFORCE)))
        assert await store.switched() == Switch(Mode.ENFORCE)


async def test_a_master_that_asks_for_replicas_it_lacks_is_down(watched: Sentinels, site: str) -> None:
    """Where the centre set min-replicas-to-write, a refused write is worth trying again, and is not lost."""
    async with opened(watched.url, site) as store:
        master = watched.servers[watched.master]
        master.ask("CONFIG", "SET", "min-replicas-to-write", 3)
        for attempt in (lambda: store.switch(Switch(Mode.OFF)), lambda: change(store, blocked_for_good)):
            with pytest.raises(StoreDownError, match="too few replicas follow it"):
                await attempt()
        assert await store.switched() is None
        master.ask("CONFIG", "SET", "min-replicas-to-write", 0)
        await change(store, blocked_for_good)


# ── Cluster ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("target", ["another master", "a new node"])
@pytest.mark.parametrize("caller", ["known", "stranger"])
@pytest.mark.fault("redis_slot")
async def test_a_slot_that_moves_under_updates_loses_nothing(
    slotted: Cluster, target: str, caller: str, site: str
) -> None:
    """While keys are here and there verdicts are answered and writes wait; none is lost or done twice."""
    async with opened(slotted.url, site) as store:
        slot = slotted.nodes[slotted.spare].ask("CLUSTER", "KEYSLOT", store._keys.caller(CALLER))
        masters = [port for port in slotted.nodes if port not in {slotted.spare, slotted.owner(slot)}]
        to = slotted.spare if target == "a new node" else masters[0]
        told: list[int] = []

        async def updates() -> None:
            """Keep eight connections busy with strikes, each of its own."""
            while True:  # ends: cancelled below
                numbers = range(len(told), len(told) + 8)
                with suppress(StoreDownError):  # while keys of the site are here and there
                    await asyncio.gather(
                        *(change(store, struck(strike(n, NOW - 9_000 + n))) for n in numbers)
                    )
                    await store.write([Change(entry=entry(prank(n, NOW - 9_000 + n))) for n in numbers])
                    told.extend(numbers)

        async def more() -> None:
            enough = len(told) + 16
            await until(lambda: len(told) >= enough or stream.done(), GENEROUS)

        async def verdicts() -> None:
            for _ in range(20):
                await store.standing(CALLER)
            with pytest.raises(StoreDownError):
                await store.write([Change(entry=entry(prank(0, NOW - 9_000)))])

        await store.ping()
        known = caller == "known"
        if not known:
            slotted.open_move(slot, to)
        stream = asyncio.create_task(updates())
        if known:
            await more()
            slotted.open_move(slot, to)
        await verdicts()
        assert (slotted.carry(slot, to) > 0) is known
        await verdicts()
        slotted.close_move(slot, to)
        await more()
        stream.cancel()
        await asyncio.gather(stream, return_exceptions=True)
        assert stream.cancelled(), stream.exception()
        await until(lambda: slotted.owner(slot) == to)
        record, _ = await store.load(CALLER)
        assert {one.call for one in record.strikes} >= {strike(n, NOW - 9_000 + n).call for n in told}
        rows = [prank(n, NOW - 9_000 + n).id for n in told]
        assert set(await store.calls_of(CALLER)) >= set(rows)
        assert {row.finding.call.id async for row in store.entries(NOW - 9_000, NOW)} >= set(rows)
        assert slotted.refusals("ASK") > 0
        assert slotted.refusals("MOVED") > 0


# ── both ──────────────────────────────────────────────────────────────────────────────────


def servers_of(running: Sentinels | Cluster) -> list[RedisServer]:
    """Give the servers that hold data."""
    return [*(running.servers if isinstance(running, Sentinels) else running.nodes).values()]


async def test_without_any_server_all_is_down_and_comes_back(
    watched: Sentinels, slotted: Cluster, site: str
) -> None:
    """What Sentinel and Cluster raise while nothing can be reached is "down", each question of it."""
    for running in (watched, slotted):
        async with opened(running.url, site) as store:
            await store.ping()
            for server in servers_of(running):
                server.stop()
            answers = await every_answer(store)
            assert {type(answer) for answer in answers} == {StoreDownError}
            for server in servers_of(running):
                server.start()
            assert await first_mode(store, None) is None


async def test_an_answer_that_came_too_late_reaches_nobody(
    watched: Sentinels, slotted: Cluster, site: str
) -> None:
    """A question given up at its deadline never leaves its answer to the next caller's."""
    for running in (watched, slotted):
        async with opened(running.url, site, IMPATIENCE) as store:
            await change(store, blocked_for_good)
            for server in servers_of(running):
                server.signal(signal.SIGSTOP)
            for _ in range(5):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(store.standing(CALLER), 0.02)
            for server in servers_of(running):
                server.signal(signal.SIGCONT)
            for _ in range(10):
                assert await store.standing(OTHER) == NOBODY


@pytest.mark.parametrize("kind", [sentinels, cluster])
async def test_sentinel_and_cluster_with_tls(kind: type, site: str) -> None:
    """`rediss+…` is TLS to every server and sentinel."""
    with kind(encrypted=True) as running:
        async with opened(running.url, site) as store:
            assert not [one for one in await every_answer(store) if isinstance(one, Exception)]
            await change(store, blocked_for_good)
