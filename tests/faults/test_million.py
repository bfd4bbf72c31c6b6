"""A country's block list in one Redis: a verdict costs what it costs with an empty one."""

import asyncio
import random
import socket
from collections.abc import Iterator
from typing import Final

import pytest

from siaga112.core.codec import dump_record, dump_standing
from siaga112.core.model import Caller, Level
from siaga112.core.record import CallerRecord
from siaga112.core.standing import Standing
from tests.faults.conftest import Rig, rig
from tests.faults.figures import Measured
from tests.lab.agi_client import percentile
from tests.lab.redis_servers import RedisServer, plain
from tests.samples import NOW, block

pytestmark = pytest.mark.redis

MILLION: Final = 1_000_000
PROMISED_MS: Final = 5
ASKED: Final = 2_000
CHUNK: Final = 10_000


def number(nth: int) -> str:
    """Give the number of the nth caller, as the dialplan has it."""
    return f"0812{nth:08}"


def resp(*parts: str) -> bytes:
    """Write a command as Redis reads it fastest."""
    return b"".join((b"*%d\r\n" % len(parts), *(b"$%d\r\n%s\r\n" % (len(p), p.encode()) for p in parts)))


def commands(count: int) -> Iterator[bytes]:
    """Block so many callers for good."""
    standing = dump_standing(Standing(level=Level.PERMANENT))
    first = Caller("+62" + number(0)[1:])
    record = dump_record(CallerRecord(first, blocks=(block(NOW, None),)))
    for nth in range(count):
        caller = "+62" + number(nth)[1:]
        doc = record.replace(first, caller)
        yield resp("HSET", f"siaga112:{{lab}}:caller:{caller}", "v", "1", "doc", doc, "standing", standing)
        yield resp("ZADD", "siaga112:{lab}:blocks", "+inf", caller)


def fill(server: RedisServer, count: int) -> None:
    """Send it all in one stream, reading the answers as they come."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(60)
        line.connect(server.url.removeprefix("unix://"))
        made = commands(count)
        for _ in range(0, count, CHUNK):
            line.sendall(b"".join(next(made) for _ in range(2 * CHUNK)))
            answers = 0
            while answers < 2 * CHUNK:  # ends: the socket has a timeout
                answers += line.recv(1 << 20).count(b"\n")


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
        await asyncio.to_thread(fill, server, count)
        measured("blocked", int(server.ask("ZCARD", "siaga112:{lab}:blocks")))
        measured("Redis holds", int(server.ask("INFO", "memory")["used_memory"]) / 1e6, "MB", at_most=2_000)
        async with rig(server) as running:
            during = await waits(running, count, count)
        noise = percentile(without, 99)
        measured("p99", percentile(during, 99), "ms", at_most=max(PROMISED_MS, noise + PROMISED_MS))
        measured("p99 without any", noise, "ms")
        measured("median", percentile(during, 50), "ms")
