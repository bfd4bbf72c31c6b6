"""One number that calls without end: its record stays small, and nobody else waits for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest

from siaga112.core import bounds
from siaga112.core.changes import Change, replacement
from siaga112.core.model import SECOND, CallId
from siaga112.core.record import CallerRecord, MissedCall
from tests.faults.calls import arrives, begins, hangs_up, leaves, uid
from tests.faults.conftest import CALLER, NUMBER, Rig, rig
from tests.faults.figures import Measured
from tests.lab.agi_client import percentile, probing
from tests.lab.daemon import running
from tests.lab.redis_servers import RedisServer
from tests.samples import NOW, RULES
from tests.waiting import within

pytestmark = pytest.mark.redis

RATE: Final = 20
"""Calls a second."""

HOUR: Final = 3_600 * RATE
ROUNDS: Final = 5
ROUND_SECONDS: Final = 4
INCOMING: Final[dict[str, str]] = {}


def call(nth: int, number: str) -> bytes:
    """Return the events of the nth call: it ends after 1 s, or every fourth time in the menu."""
    at = NOW - 1_800_000 + nth * 50
    name = uid(nth, at)
    if nth % 4:
        return begins(name, number, at) + hangs_up(name, number, at + SECOND, INCOMING)
    return arrives(name, number, at) + leaves(name, number, at)


async def calling(found: Rig, first: int, seconds: float, *, stuck: bool) -> int:
    """Play calls at `RATE`, all from one number (`stuck`) or each from its own; return how many."""
    loop, nth = asyncio.get_running_loop(), 0
    began = loop.time()
    while (due := began + nth / RATE) < began + seconds:
        await asyncio.sleep(max(0.0, due - loop.time()))
        found.play(call(first + nth, NUMBER if stuck else f"0813{first + nth:08}"))
        nth += 1
    return nth


async def an_hour_of_it(found: Rig, calls: int) -> None:
    """Store a record with that many missed calls, as there were before records had bounds."""
    missed = tuple(MissedCall(CallId(f"{nth}.1"), NOW - 3_600_000 + nth, SECOND) for nth in range(calls))
    record = CallerRecord(CALLER, missed=missed)
    async with found.store() as store:
        await store.write([Change(replacement(CallerRecord(CALLER), record, 0, NOW, RULES))])


@asynccontextmanager
async def halves(redis: RedisServer, processes: int) -> AsyncIterator[tuple[Rig, tuple[int, ...]]]:
    """Run the daemon as one process or two; yield it and the processes that take part in a verdict."""
    async with contextlib.AsyncExitStack() as stack:
        found = await stack.enter_async_context(rig(redis, "track" if processes == 2 else ""))
        url = f'[redis]\nurl = "{redis.url}"\n'
        screening = found.daemon
        if processes == 2:
            screening = await stack.enter_async_context(running(found.pbx, url, only="screen"))
        yield found, (screening.pid, redis.pid)


@pytest.mark.fault("stuck_dialler")
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.night
async def test_a_stuck_dialler_is_felt_by_nobody_else(
    redis: RedisServer, measured: Measured, processes: int, *, full: bool
) -> None:
    """20 calls/s of one number, after an hour of it, delay others no more than 20 calls/s of many numbers."""
    rounds, seconds = (ROUNDS, ROUND_SECONDS) if full else (1, 2)
    async with halves(redis, processes) as (found, pids):
        await an_hour_of_it(found, HOUR)
        found.play(call(0, NUMBER))
        await found.until_recorded(1)
        nth, waits = 1, {True: list[float](), False: list[float]()}
        async with probing(found.pbx.agi_port, *pids) as quiet:
            await asyncio.sleep(seconds)
        for _ in range(rounds):
            for stuck in (False, True):
                async with probing(found.pbx.agi_port, *pids) as during:
                    nth += await calling(found, nth, seconds, stuck=stuck)
                waits[stuck] += during.waits
        await found.until_recorded(nth)
        async with within(20, "an empty outbox"):
            while await found.metric("outbox_pending"):
                pass  # no sleep: each check asks the daemon
        async with found.store() as store:
            record = await store.load(CALLER)
        one, each = percentile(waits[True], 99), percentile(waits[False], 99)
        name = f"{processes} process{'es' * (processes > 1)}"
        measured(f"{name}: p99, quiet", quiet.p99, "ms")
        measured(f"{name}: p99, a number each", each, "ms")
        measured(f"{name}: p99, one number", one, "ms")
        measured(f"{name}: ratio", one / each, at_most=1.2 if full else None)
        size = len(repr(record)) / 1e3
        measured(f"{name}: its record, spelled out", size, "kB", at_most=64)
        assert len(record.missed) <= bounds.MISSED
        assert record.dropped.missed > HOUR - bounds.MISSED
