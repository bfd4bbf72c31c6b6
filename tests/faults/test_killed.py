"""kill -9 at every step between a hang-up and the stored strike: nothing lost, nothing counted twice."""

import asyncio
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from itertools import cycle
from typing import Final

import pytest

from siaga112.core.model import CallId, Millis, Outcome
from tests.fakes.manager import Session
from tests.faults.calls import arrives, leaves, uid
from tests.faults.conftest import Rig, rig
from tests.faults.figures import Measured
from tests.faults.killed import CALL_BY_CALL, STEPS, TOGETHER
from tests.lab.daemon import PROGRAM
from tests.lab.redis_servers import RedisServer
from tests.samples import NOW
from tests.waiting import until

pytestmark = pytest.mark.redis

AT_ONCE: Final = 20
"""Calls that are up together, and end together."""

CALLERS: Final = 250
"""Each misuses the line four times in a thousand calls: none is blocked."""


def noted(running: Rig) -> set[str]:
    """Give the calls in progress that are noted on disk."""
    with closing(
        sqlite3.connect(f"file:{running.daemon.folder}/state/outbox.db?mode=ro", uri=True)
    ) as outbox:
        return {call for (call,) in outbox.execute("SELECT call FROM in_progress")}


def number(nth: int) -> str:
    """Give the caller of the nth call."""
    return f"0812{nth % CALLERS:08}"


async def session(running: Rig, *program: str) -> Session:
    """Start the daemon; give its connection once it follows."""
    since = len(running.daemon.lines)
    running.daemon.program = program
    await running.daemon.start("--only", "track")
    await running.daemon.ready("track", since=since)
    return await running.pbx.manager.session()


async def up(running: Rig, following: Session, first: int) -> list[tuple[CallId, str, Millis]]:
    """Let calls arrive, until the daemon has noted them."""
    calls = []
    for nth in range(first, first + AT_ONCE):
        at = NOW - 3_600_000 + nth * 1_000
        calls.append((uid(nth, at), number(nth), at))
    following.send(*(arrives(*call) for call in calls))
    await until(lambda: noted(running) >= {call for call, _, _ in calls}, 20)
    return calls


@pytest.mark.slow
@pytest.mark.fault("kill")
async def test_killed_at_any_step_no_call_is_lost_and_none_counts_twice(
    redis: RedisServer, measured: Measured, *, full: bool
) -> None:
    """Twenty calls end at once and the daemon is killed amid them, at each step in turn; the next goes on."""
    total = 1_000 if full else AT_ONCE * len(STEPS)
    steps = cycle((step, nth) for nth in (1, 9, 17) for step in STEPS)
    placed: list[CallId] = []
    async with rig(redis, "track", "[policy]\nwarn_from = 1\n", wait=False) as running:
        await running.daemon.stop()
        for first in range(0, total, AT_ONCE):
            step, nth = next(steps)
            if step not in CALL_BY_CALL:  # several at once: of twenty twice, or once
                nth = 1 if step in TOGETHER else min(nth, 2)
            following = await session(running, "-m", "tests.faults.killed", step, str(nth))
            calls = await up(running, following, first)
            placed += [call for call, _, _ in calls]
            running.daemon.signal(signal.SIGUSR1)
            following.send(*(leaves(*call) for call in calls))
            async with asyncio.timeout(20):
                assert await running.daemon.ended() == -signal.SIGKILL, step
        await session(running, *PROGRAM)
        await until(lambda: not noted(running), 20)
        async with asyncio.timeout(60):
            while await running.metric("outbox_pending"):
                pass  # each look is a question to the daemon
            async with running.store() as store:
                while await store.records.unpublished():
                    pass  # as is each of these to the database
        rows = await running.ledger()
        assert await running.daemon.stop() == 0
        async with running.store() as store:
            callers = {entry.finding.call.caller for entry in rows}
            records = [await store.load(caller) for caller in callers if caller]
            strikes = [strike.call for record in records for strike in record.strikes]
            tallied = (await store.tallies())["strikes:ivr_prank"]
            wanted = {one.caller: one.standing async for page in store.records.standings() for one in page}
            held = {caller: one async for page in store.block_list.standings() for caller, one in page}
    found = Counter(entry.finding.call.id for entry in rows)
    pranks = {e.finding.call.id for e in rows if e.finding.outcome is Outcome.IVR_PRANK}
    assert {entry.finding.outcome for entry in rows} <= {Outcome.IVR_PRANK, Outcome.UNKNOWN}
    assert sorted(strikes) == sorted(pranks)
    assert held == wanted, "what verdicts go by is what the records say"
    measured("standings published", len(held))
    measured("calls", len(placed))
    measured("kills", total // AT_ONCE)
    measured("lost", len(set(placed) - set(found)), at_most=0)
    measured("twice", max(found.values()) - 1, at_most=0)
    measured("settled as unknown", len(found) - len(pranks))
    measured("strikes not counted in the metric", len(strikes) - tallied)
