"""Redis fails in many ways: verdicts stay in time, no outcome is lost, and no restart is needed."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import pytest
from redis.asyncio import Redis

from siaga112.adapters.redis.block_list import RedisBlockList
from siaga112.core.model import Caller
from tests.faults.conftest import NUMBER, Rig, rig
from tests.faults.figures import Measured, rows
from tests.lab.agi_client import Answer
from tests.lab.redis_servers import RedisServer, cluster, sentinels
from tests.waiting import block_until, within

pytestmark = pytest.mark.redis

DEADLINE_MS: Final = 300
BACK_SECONDS: Final = 5.0
BLOCKED: Final = "081233333333"
OTHER: Final = "081244444444"
VERDICTS: Final = 20
MISUSES: Final = 4

Act = Callable[[Rig], None]


def nothing(_: Rig) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How Redis is harmed and repaired, and the possible reasons of a blocked caller's verdicts meanwhile."""

    harm: Act
    mend: Act
    told: frozenset[str]


RIGHT: Final = frozenset({"blocked"})
DOWN: Final = frozenset({"store_down", "deadline", "starting"})
HELD_SECONDS: Final = 1.0
"""The default of `[redis] stale_after`: how long known blocks hold without Redis."""


def key(caller: str) -> str:
    """Return the Redis key of the bucket that holds a caller's standing."""
    return RedisBlockList(Redis(), "lab")._of(Caller(caller))


def wrong_type(running: Rig) -> None:
    """Replace the callers' buckets by strings."""
    for caller in ("+62" + BLOCKED[1:], "+62" + NUMBER[1:]):
        if running.redis.ask("EXISTS", key(caller)):
            running.redis.ask("RENAME", key(caller), f"{key(caller)}:kept")
        running.redis.ask("SET", key(caller), "nonsense")


def right_type(running: Rig) -> None:
    """Restore the callers' buckets."""
    for caller in ("+62" + BLOCKED[1:], "+62" + NUMBER[1:]):
        running.redis.ask("DEL", key(caller))
        if running.redis.ask("EXISTS", f"{key(caller)}:kept"):
            running.redis.ask("RENAME", f"{key(caller)}:kept", key(caller))


def loading(running: Rig) -> None:
    """Restart Redis so that it loads its data for seconds and meanwhile answers nothing else."""
    for number in range(300):
        running.redis.ask("SET", f"filler:{number}", 1)
    running.redis.stop()
    running.redis.start("--key-load-delay", "10000", wait=False)


def set_(name: str, value: str) -> Act:
    """Return an act that sets an option of Redis."""
    return lambda running: running.redis.ask("CONFIG", "SET", name, value)


FAULTS: Final[dict[str, Fault]] = {
    "redis_killed": Fault(lambda r: r.redis.stop(), lambda r: r.redis.start(), DOWN),
    "redis_paused": Fault(
        lambda r: r.redis.signal(signal.SIGSTOP), lambda r: r.redis.signal(signal.SIGCONT), DOWN
    ),
    "redis_client": Fault(
        lambda r: r.redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"), nothing, RIGHT
    ),
    # ends: `block_until`
    "redis_loading": Fault(loading, lambda r: r.redis.wait(), DOWN),
    "redis_memory": Fault(set_("maxmemory", "1"), set_("maxmemory", "0"), RIGHT),
    "redis_readonly": Fault(
        lambda r: r.redis.ask("REPLICAOF", "127.0.0.1", "1"),
        lambda r: r.redis.ask("REPLICAOF", "NO", "ONE"),
        RIGHT,
    ),
    "redis_type": Fault(wrong_type, right_type, RIGHT),
    "redis_rights": Fault(
        lambda r: r.redis.ask("ACL", "SETUSER", "default", "-hget", "-hset", "-xadd"),
        lambda r: r.redis.ask("ACL", "SETUSER", "default", "+@all"),
        RIGHT,
    ),
}


async def verdicts(running: Rig, number: str = BLOCKED) -> list[Answer]:
    """Ask about a caller `VERDICTS` times, two at once; return the answers."""
    answers: list[Answer] = []
    for _ in range(VERDICTS // 2):
        answers += await asyncio.gather(running.ask(number), running.ask(number))
    return answers


@asynccontextmanager
async def harmed(running: Rig, fault: Fault) -> AsyncIterator[None]:
    """Apply a fault while the block runs."""
    await asyncio.to_thread(fault.harm, running)
    try:
        yield
    finally:
        await asyncio.to_thread(fault.mend, running)


async def asked_until(running: Rig, told: frozenset[str]) -> list[Answer]:
    """Ask about the blocked caller until the reason is one of these; return all answers with the last."""
    answers: list[Answer] = []
    async with asyncio.timeout(60):
        while (answer := await running.ask(BLOCKED)).reason not in told:
            answers.append(answer)  # no sleep: each check asks for a verdict
    return [*answers, answer]


async def block(running: Rig) -> None:
    """Block a caller once the daemon has read the block list; from then on verdicts need no Redis."""
    await running.daemon.event("replica_read")
    made = await running.daemon.command("block", BLOCKED, "--permanent", "--reason", "a fault")
    assert made.code == 0, made.err
    await asked_until(running, RIGHT)


def in_time(measured: Measured, answers: list[Answer]) -> None:
    """Check that answers are in time and have a reason, and that all except `blocked` are ALLOW."""
    slowest = max(answer.seconds for answer in answers) * 1e3
    measured("verdict", slowest, "ms", at_most=DEADLINE_MS)
    failed = [answer for answer in answers if answer.reason != "blocked"]
    assert {answer.verdict for answer in failed} <= {"ALLOW"}
    assert all(answer.reason for answer in answers)
    measured("without an answer, ALLOW", len(failed))


@pytest.mark.parametrize("row", rows(FAULTS, by_day=("redis_killed", "redis_paused", "redis_type")))
async def test_whatever_happens_to_redis_no_verdict_waits_and_no_outcome_is_lost(
    row: str, redis: RedisServer, measured: Measured, *, full: bool
) -> None:
    """While Redis fails, every verdict is in time, and every misuse is recorded exactly once and in order."""
    fault = FAULTS[row]
    async with rig(redis) as running:
        await block(running)
        assert {answer.reason for answer in await verdicts(running)} == RIGHT
        running.misuse(NUMBER)
        await running.until_recorded(1)
        before = await running.metric("fail_open_total")
        async with harmed(running, fault):
            calls = [running.misuse(number) for _ in range(MISUSES) for number in (NUMBER, OTHER)]
            began = time.perf_counter()
            first = await asked_until(running, fault.told)
            assert {answer.reason for answer in first[:-1]} <= RIGHT
            if fault.told is DOWN:
                held = time.perf_counter() - began
                measured("known blocks held for", held, "s", at_most=HELD_SECONDS + DEADLINE_MS / 1e3)
            then = await verdicts(running)
            assert {answer.reason for answer in then} <= fault.told
            answers = first + then
            in_time(measured, answers)
            counted = await running.metric("fail_open_total") - before
            assert counted == sum(answer.reason != "blocked" for answer in answers)
            if row == "redis_paused":
                await asyncio.sleep(6 if full else 1)  # as long as the row says
            await running.until_recorded(1 + len(calls))  # no call waits for Redis
        mended = time.perf_counter()
        await asked_until(running, RIGHT)
        took = time.perf_counter() - mended
        rows = await running.until_recorded(1 + len(calls))
        measured("back after", took, "s", at_most=BACK_SECONDS)
        found = [entry.finding.call.id for entry in rows]
        measured("lost", len(set(calls) - set(found)), at_most=0)
        measured("twice", len(found) - len(set(found)), at_most=0)
        assert await running.strikes(NUMBER) == sorted(found[:1] + calls[::2])
        assert await running.strikes(OTHER) == calls[1::2]
        async with asyncio.timeout(BACK_SECONDS):
            while await running.metric("outbox_pending"):
                pass  # no sleep: each check asks the daemon


@pytest.mark.fault("redis_at_start")
async def test_a_redis_that_is_down_at_the_start_is_waited_for(
    redis: RedisServer, measured: Measured
) -> None:
    """Without Redis at the start, verdicts are ALLOW and no outcome is lost; no restart is needed later.

    The daemon reads the mode from the database once Redis has failed. From then on each misuse is a strike.
    """
    redis.stop()
    async with rig(redis, wait=False) as running:
        await running.daemon.event("started")
        await running.daemon.event("ami_connected")
        running.session = await running.pbx.manager.session()
        await running.daemon.event("mode")
        calls = [running.misuse() for _ in range(MISUSES)]
        answers = await verdicts(running)
        assert {answer.reason for answer in answers} <= DOWN
        in_time(measured, answers)
        rows = await running.until_recorded(MISUSES)
        measured("lost", MISUSES - len(rows), at_most=0)
        assert await running.strikes() == calls
        redis.start()
        mended = time.perf_counter()
        await running.told("not_blocked")
        measured("back after", time.perf_counter() - mended, "s", at_most=BACK_SECONDS)


@pytest.mark.fault("redis_failover")
async def test_during_a_failover_no_verdict_waits_and_no_outcome_is_lost(measured: Measured) -> None:
    """While Sentinel replaces a killed master, verdicts are in time, and every outcome is recorded once."""
    with sentinels() as watched:
        old = watched.master
        survivors = [server for port, server in watched.servers.items() if port != old]
        async with rig(survivors[0], url=watched.url) as running:
            await block(running)
            watched.servers[old].stop()
            calls = [running.misuse() for _ in range(MISUSES)]
            failing = asyncio.create_task(
                asyncio.to_thread(block_until, lambda: watched.failed_over(old), 60)
            )
            answers: list[Answer] = []
            while not failing.done():  # ends: `failing` has 60 s
                answers += await verdicts(running)
            await failing
            over = time.perf_counter()
            running.redis = watched.servers[watched.master]
            in_time(measured, answers)
            await asked_until(running, RIGHT)
            rows = await running.until_recorded(MISUSES)
            measured("back after", time.perf_counter() - over, "s", at_most=BACK_SECONDS)
            measured("lost", MISUSES - len(rows), at_most=0)
            assert await running.strikes() == calls


@pytest.mark.fault("redis_slot")
async def test_while_a_slot_moves_no_verdict_waits_and_no_outcome_is_lost(measured: Measured) -> None:
    """While the site's slot moves to another node, verdicts are right or ALLOW, and no outcome is lost."""
    with cluster() as slotted:
        spare = slotted.nodes[slotted.spare]
        async with rig(spare, url=slotted.url) as running:
            await block(running)
            slot = spare.ask("CLUSTER", "KEYSLOT", key("+62" + BLOCKED[1:]))
            calls = [running.misuse()]
            slotted.open_move(slot, slotted.spare)
            calls.append(running.misuse())
            answers = await verdicts(running)
            slotted.carry(slot, slotted.spare)
            calls.append(running.misuse())
            answers += await verdicts(running)
            slotted.close_move(slot, slotted.spare)
            calls.append(running.misuse())
            answers += await verdicts(running)
            over = time.perf_counter()
            in_time(measured, answers)
            await asked_until(running, RIGHT)
            lines = [
                await running.daemon.wait_for(lambda line, call=call: line.get("call") == call)  # type: ignore[misc] # mypy gives a lambda's default no type
                for call in calls
            ]
            measured("back after", time.perf_counter() - over, "s", at_most=BACK_SECONDS)
            measured("lost", len(calls) - sum(line["strike"] for line in lines), at_most=0)


# ── the replica ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.fault("redis_replica")
async def test_known_blocks_can_outlast_redis_for_as_long_as_the_centre_says(
    redis: RedisServer, measured: Measured
) -> None:
    """Without Redis, known blocks hold for `stale_after`, then get ALLOW; other callers never wait."""
    stale = {"SIAGA112_REDIS__STALE_AFTER": "3s"}
    async with rig(redis, environ=stale) as running:
        await block(running)
        redis.stop()
        stopped = time.perf_counter()
        known, strangers = await verdicts(running), await verdicts(running, OTHER)
        assert {answer.reason for answer in known} == RIGHT
        assert {answer.reason for answer in strangers} == {"not_blocked"}
        known += await asked_until(running, DOWN)
        measured("known blocks held for", time.perf_counter() - stopped, "s", at_most=3.0 + DEADLINE_MS / 1e3)
        in_time(measured, known + strangers)
        redis.start()
        await asked_until(running, RIGHT)


@pytest.mark.fault("redis_replica")
async def test_a_redis_that_comes_back_with_less_is_made_anew(redis: RedisServer, measured: Measured) -> None:
    """A block that a restarted Redis has lost never stops holding; a new one takes effect within a second."""
    stale = {"SIAGA112_REDIS__STALE_AFTER": "1h"}
    async with rig(redis, environ=stale) as running:
        await block(running)
        since = len(running.daemon.lines)
        redis.stop()
        redis.start("--appendonly", "no")
        back = time.perf_counter()
        read = asyncio.create_task(running.daemon.event("replica_read", since=since))
        answers: list[Answer] = []
        async with within(60, "all standings read anew"):
            while not read.done():
                answers.append(await running.ask(BLOCKED))
        measured("all blocks are back after", time.perf_counter() - back, "s", at_most=5.0)
        assert {answer.reason for answer in answers} == RIGHT
        in_time(measured, answers)
        made = await running.daemon.command("block", OTHER, "--permanent", "--reason", "after the loss")
        assert made.code == 0, made.err
        began = time.perf_counter()
        async with within(60, "the new block to be known"):
            while (await running.ask(OTHER)).reason != "blocked":
                pass  # no sleep: each check asks for a verdict
        measured("a new one is known after", time.perf_counter() - began, "s", at_most=1.0)
        assert await running.metric("replica_gaps_total") == 1
