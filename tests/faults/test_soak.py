"""Calls for a while, at five times the pace of the long soak: memory and descriptors stay where they are."""

import asyncio
from typing import Final

import pytest

from siaga112.core.calls import DONE_KEPT
from tests.faults.conftest import Rig, descriptors, resident, rig
from tests.faults.figures import Measured
from tests.lab.redis_servers import plain

pytestmark = pytest.mark.redis

RATE: Final = 50
WARM_RATE: Final = 200
"""Until all that is kept of calls that are over is full, memory grows."""


async def traffic(running: Rig, calls: int, first: int, rate: int = RATE) -> None:
    """Let so many callers ask, misuse the line and leave, evenly in time; return when all are recorded."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for nth in range(calls):
        await asyncio.sleep(max(0.0, began + nth / rate - loop.time()))
        number = f"0812{(first + nth) % 500:08}"
        await running.ask(number)
        running.misuse(number)
    async with asyncio.timeout(240):
        while await running.metric("outbox_pending") or await running.metric("calls_total") < first + calls:
            pass  # each look is a question to the daemon


@pytest.mark.fault("soak")
async def test_under_steady_calls_memory_and_descriptors_are_flat(measured: Measured, *, full: bool) -> None:
    """After a warm-up, AMI and FastAGI together at fifty calls a second for a while."""
    warm, calls = (DONE_KEPT + 500, 3_000) if full else (500, 250)
    with plain() as server:
        async with rig(server) as running:
            await traffic(running, warm, 0, WARM_RATE)
            memory, files = resident(running.daemon.pid), descriptors(running.daemon.pid)
            await traffic(running, calls, warm)
            measured("calls", calls)
            measured("memory", resident(running.daemon.pid) - memory, "MB", at_most=1)
            measured("descriptors more", descriptors(running.daemon.pid) - files, at_most=0)
