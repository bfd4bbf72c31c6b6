"""Rude FastAGI clients: other callers do not notice them, and nothing of them is left."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from siaga112.core.agi import MAX_REQUEST
from tests.faults.conftest import Rig, accepted, resident, rig
from tests.faults.figures import Measured, rows
from tests.lab.agi_client import OK, Answer, ask, no_processor, probing, request
from tests.lab.redis_servers import RedisServer
from tests.waiting import within

pytestmark = pytest.mark.redis

WATCHED: Final = ("-m", "tests.faults.watched")
CALLER: Final = "081200000001"
PROMISED_MS: Final = 50
PROMISED_MB: Final = 1.0
CLOSED: Final = 1.0
CLOSED_SECONDS: Final = 60.0
"""A connection that is not closed by then will never be, however busy the machine."""
TRIES: Final = 3
"""Time that a virtual machine's host takes away is not shown anywhere; a lag of our own is in every try."""
CALM_SECONDS: Final = 2.0
"""For how long callers' waits are measured without the fault."""


async def closed(port: int, *pieces: bytes, pause: float = 0.0) -> float:
    """Connect, send the pieces one by one, and return the seconds until the server closes."""
    began = time.perf_counter()
    async with within(CLOSED_SECONDS, "the server to close"):
        await _until_closed(port, pieces, pause)
    return time.perf_counter() - began


async def _until_closed(port: int, pieces: tuple[bytes, ...], pause: float) -> None:
    with contextlib.suppress(ConnectionError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)  # ends: in `closed`
        listening = asyncio.create_task(reader.read())
        try:
            for piece in pieces:
                writer.write(piece)
                if pause:
                    await asyncio.wait([listening], timeout=pause)
                if listening.done():
                    break
            await listening
        finally:
            listening.cancel()
            writer.close()


async def many(times: int, one: Callable[[], Awaitable[float]]) -> float:
    """Run `one` that many times at once; return the longest time."""
    return max(await asyncio.gather(*(one() for _ in range(times))))


ROWS: Final = 100
"""Rounds of a hundred connections each; CI makes a fifth of them."""


async def connect_and_close(port: int) -> float:
    """Open a hundred connections at once and close them."""
    return await many(100, lambda: _touch(port))


async def _touch(port: int) -> float:
    async with within(CLOSED_SECONDS, "a connection"):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    return 0.0


REQUEST: Final = request(CALLER)
ODD: Final = (
    REQUEST.replace(b"agi_dnid: 112", b"agi_callerid: 081200000002"),
    REQUEST.replace(b"agi_uniqueid", b"agi_something"),
    REQUEST.replace(b"agi_dnid: 112", b"agi_dnid: \xff\xfe"),
    REQUEST.replace(b"agi_dnid: 112", b"agi_dnid: \0"),
    REQUEST.replace(b"agi_dnid: 112", b"agi_dnid: \x1b[2J"),
)


async def odd_headers(port: int) -> float:
    """Send each odd request fifty times at once."""
    return max([await many(50, lambda odd=odd: closed(port, odd, OK, OK, pause=0.01)) for odd in ODD])  # type: ignore[misc] # mypy gives a lambda's default no type


ATTACKS: Final[dict[str, Callable[[int], Awaitable[float]]]] = {
    "agi_connects": connect_and_close,
    "agi_idle": lambda port: many(256, lambda: closed(port)),
    "agi_slow": lambda port: many(100, lambda: closed(port, *(bytes([byte]) for byte in REQUEST), pause=0.3)),
    "agi_unended": lambda port: many(100, lambda: closed(port, REQUEST[:-1])),
    "agi_16k": lambda port: many(100, lambda: closed(port, b"agi_x: ".ljust(MAX_REQUEST + 1, b"x"))),
    "agi_10mb": lambda port: many(4, lambda: closed(port, b"agi_x: ".ljust(10_000_000, b"x"))),
    "agi_odd": odd_headers,
}


async def lag(running: Rig) -> float:
    """Return the largest lag of the daemon's loop since the last call, in milliseconds."""
    since = len(running.daemon.lines)
    running.daemon.signal(signal.SIGUSR1)
    return float((await running.daemon.event("lag", since=since))["milliseconds"])


@pytest.mark.parametrize("row", rows(ATTACKS, by_day=("agi_slow", "agi_10mb")))
async def test_a_rude_peer_is_felt_by_nobody_else(
    row: str, redis: RedisServer, measured: Measured, *, full: bool
) -> None:
    """A rude client slows neither the loop nor other verdicts, costs no memory, and is disconnected."""
    attack, times = ATTACKS[row], 1
    if row == "agi_connects":
        times = ROWS if full else ROWS // 5
    async with rig(redis, "screen", program=WATCHED) as running:
        port, pid = running.pbx.agi_port, running.daemon.pid
        for _ in range(2):
            await attack(port)  # so that what is allocated only once is there before it is measured
        async with probing(port, *running.pids[:2]) as calm:
            await asyncio.sleep(CALM_SECONDS)
        before = resident(pid)

        async def attacked() -> tuple[float, float, float, float]:
            """Return lag and p99 in ms, then in s the slowest attack and the wait for a processor in it."""
            await lag(running)
            noise = no_processor(*running.pids)
            async with probing(port, *running.pids[:2]) as others:
                slowest = max([await attack(port) for _ in range(times)])
            return await lag(running), others.p99, slowest, no_processor(*running.pids) - noise

        tried = [await attacked()]
        # ends: after TRIES
        while len(tried) < TRIES and (max(tried[-1][:2]) > PROMISED_MS or tried[-1][2] > CLOSED):
            tried.append(await attacked())
        worst, p99, slowest, noise = tried[-1]
        measured("lag", worst, "ms", at_most=PROMISED_MS)
        measured("p99", p99, "ms", at_most=PROMISED_MS)
        measured("p99 without", calm.p99, "ms")
        measured("memory", resident(pid) - before, "MB", at_most=PROMISED_MB)
        if row != "agi_connects":
            measured("closed after", slowest, "s", at_most=CLOSED + noise)


# ── hang-ups, refusals, other paths ──────────────────────────────────────────────────────────────


@pytest.mark.fault("agi_hang_up", "agi_replies", "agi_path")
async def test_whatever_the_dialplan_does_the_next_caller_is_answered(
    redis: RedisServer, measured: Measured
) -> None:
    """A hang-up or a refused command closes the connection within a second; an unknown path gets ALLOW."""
    async with rig(redis, "screen") as running:
        port = running.pbx.agi_port
        hung_up = (
            b"HANGUP\n",
            REQUEST + b"HANGUP\n",
            REQUEST + OK + b"HANGUP\n",
            REQUEST + OK + OK + b"HANGUP\n",
        )
        for said in hung_up:
            assert await closed(port, said) < CLOSED
        measured("closed after", max([await closed(port, said) for said in hung_up]), "s", at_most=CLOSED)
        for reply in (b"510 Invalid\n", b"511 Dead\n", b"520-Usage:\nx\n520 End of proper usage.\n"):
            took = await closed(port, REQUEST + reply + reply)
            measured("closed after", took, "s", row="agi_replies", at_most=CLOSED)
        answer = await ask(port, script="elsewhere")
        assert (answer.verdict, answer.reason) == ("ALLOW", "bad_request")
        assert (await ask(port)).reason == "not_blocked"


# ── many at once, and the end ────────────────────────────────────────────────────────────────────


def none_lost(answers: list[Answer], measured: Measured, *, full: bool) -> None:
    """Check that no call is lost: each has the store's answer or, in the short form, ALLOW at the deadline.

    Other tests run beside the short form, so a busy machine may take longer than the deadline. A call that
    waits is then let through in time, as it should be. Such calls are counted separately: up to half.
    """
    late = sum(answer.reason == "deadline" for answer in answers)
    measured("lost", sum(answer.reason != "not_blocked" for answer in answers) - late, at_most=0)
    measured("let through at the deadline", late, at_most=0 if full else len(answers) // 2)


@pytest.mark.fault("agi_100")
@pytest.mark.night
async def test_a_hundred_at_once_are_all_answered(
    redis: RedisServer, measured: Measured, *, full: bool
) -> None:
    """Of a hundred calls at once, ten times over, none is lost."""
    async with rig(redis, "screen") as running:
        answers = []
        for _ in range(10):
            answers += await asyncio.gather(*(running.ask() for _ in range(100)))
        none_lost(answers, measured, full=full)


RATE: Final = 500
SECONDS: Final = 10
CI_SECONDS: Final = 3


@pytest.mark.fault("agi_500")
@pytest.mark.night
async def test_five_hundred_calls_a_second_are_all_answered(
    redis: RedisServer, measured: Measured, *, full: bool
) -> None:
    """Of 500 calls a second, for ten seconds (CI: three), none is lost."""
    async with rig(redis, "screen") as running:
        loop = asyncio.get_running_loop()
        began = loop.time()
        calls = []
        for nth in range(RATE * (SECONDS if full else CI_SECONDS)):
            await asyncio.sleep(max(0.0, began + nth / RATE - loop.time()))
            calls.append(asyncio.create_task(running.ask()))
        sent = loop.time() - began
        answers = await asyncio.gather(*calls)
        measured("calls", len(answers))
        none_lost(answers, measured, full=full)
        measured("calls a second", len(answers) / sent)
        measured("the slowest", max(answer.seconds for answer in answers) * 1e3, "ms")


IN_FLIGHT: Final = 50
WAVES: Final = 20


async def in_flight(running: Rig) -> list[asyncio.Task[Answer]]:
    """Start fifty callers, and return when all of them wait for a verdict at once.

    Each waits less than a second: on a busy machine the first may have its verdict before the last arrives.
    Then fifty new ones are started.
    """
    pid, port = running.daemon.pid, running.pbx.agi_port
    for _ in range(WAVES):
        calls = [asyncio.create_task(running.ask()) for _ in range(IN_FLIGHT)]
        # ends: a call is done within a second
        while accepted(pid, port) < IN_FLIGHT and not any(call.done() for call in calls):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.001)
        if not any(call.done() for call in calls):
            return calls
        await asyncio.gather(*calls)
    raise TimeoutError(f"in {WAVES} waves there were never {IN_FLIGHT} callers who waited at once")


@pytest.mark.fault("agi_sigterm")
async def test_the_end_lets_all_in_flight_through(redis: RedisServer, measured: Measured) -> None:
    """At SIGTERM, fifty callers waiting for a silent Redis get ALLOW within a second; the exit code is 0."""
    async with rig(redis, "screen", environ={"SIAGA112_AGI__DEADLINE_MS": "900"}) as running:
        redis.signal(signal.SIGSTOP)
        calls = await in_flight(running)
        began = time.perf_counter()
        running.daemon.signal(signal.SIGTERM)
        answers = await asyncio.gather(*calls)
        measured("answered after", time.perf_counter() - began, "s", at_most=1.0)
        measured(
            "not ALLOW",
            sum(answer.variables.get("SIAGA_VERDICT") != "ALLOW" for answer in answers),
            at_most=0,
        )
        assert await running.daemon.ended() == 0
        measured("exit after", time.perf_counter() - began, "s", at_most=5.0)
        assert {answer.reason for answer in answers} <= {"stopping", "deadline"}
        redis.signal(signal.SIGCONT)
