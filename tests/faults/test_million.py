"""A country's block list in one Redis: a verdict costs what it costs with an empty one."""

import random
import time
from typing import Final

import pytest

from siaga112.core.changes import Change, replacement
from siaga112.core.model import Caller
from siaga112.core.record import CallerRecord
from tests.faults.conftest import Rig, rig
from tests.faults.figures import Measured
from tests.lab.agi_client import percentile
from tests.lab.redis_servers import plain
from tests.samples import NOW, RULES, block
from tests.waiting import within

pytestmark = pytest.mark.redis

MILLION: Final = 1_000_000
PROMISED_MS: Final = 5
ASKED: Final = 2_000
CHUNK: Final = 5_000


def number(nth: int) -> str:
    """Give the number of the nth caller, as the dialplan has it."""
    return f"0812{nth:08}"


async def fill(running: Rig, count: int) -> None:
    """Block so many callers for good, in the records, as a restored backup would have them."""
    held = (block(NOW, None),)
    async with running.store() as store:
        for first in range(0, count, CHUNK):
            callers = [Caller("+62" + number(nth)[1:]) for nth in range(first, first + CHUNK)]
            records = [CallerRecord(caller, blocks=held) for caller in callers]
            await store.records.write(
                [Change(replacement(CallerRecord(one.caller), one, 0, NOW, RULES)) for one in records]
            )


async def waits(running: Rig, blocked: int, count: int) -> list[float]:
    """Give what callers at random wait, of twice as many as there may be blocked."""
    chance = random.Random(112)
    found = []
    for _ in range(ASKED):
        nth = chance.randrange(2 * count)
        answer = await running.ask(number(nth))
        assert answer.reason == ("blocked" if nth < blocked else "not_blocked")
        found.append(answer.seconds * 1e3)
    return found


@pytest.mark.fault("million")
@pytest.mark.night
async def test_a_million_blocked_numbers_cost_no_verdict_anything(measured: Measured, *, full: bool) -> None:
    """Callers at random, half of them blocked, while retention looks through the lists (CI: 100,000)."""
    count = MILLION if full else MILLION // 10
    with plain() as server:
        async with rig(server) as running:
            without = await waits(running, 0, count)
            await running.daemon.stop()
            await fill(running, count)
            since, began = len(running.daemon.lines), time.monotonic()
            await running.daemon.start()
            await running.daemon.ready(since=since)
            async with within(600, "all of them at hand"):
                while await running.metric("replica_callers") < count:
                    pass  # each look is a question to the daemon
            measured("all at hand after", time.monotonic() - began, "s")
            measured("blocked", int(await running.metric("replica_callers")))
            held = int(server.ask("INFO", "memory")["used_memory"])
            measured("Redis holds", held / 1e6, "MB", at_most=2_000)
            measured("a number in Redis", held / count, "B", at_most=160 if full else None)
            during = await waits(running, count, count)
        noise = percentile(without, 99)
        measured("p99", percentile(during, 99), "ms", at_most=max(PROMISED_MS, noise + PROMISED_MS))
        measured("p99 without any", noise, "ms")
        measured("median", percentile(during, 50), "ms")
