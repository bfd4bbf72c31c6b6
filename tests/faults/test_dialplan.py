"""A daemon that freezes, dies during an answer or cannot log in: the dialplan goes on, on both PBXs."""

import asyncio
import contextlib
import signal
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, get_args

import pytest

from siaga112.adapters.redis import embedded as redis_embedded
from tests.faults.figures import Measured
from tests.lab import Asterisk, Observer, Version, find, place_call
from tests.lab.daemon import running
from tests.lab.day import CONFIG
from tests.lab.postgres import postgres, with_tables
from tests.pbx.test_guard import CALLER, probe, runs, screened_in, sets
from tests.waiting import until

pytestmark = pytest.mark.pbx

GUARD_SECONDS: Final = 2.1
GONE_SECONDS: Final = 5.0

DYING: Final = """
import os, signal, sys
from siaga112.adapters import fastagi
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
def send_one(self, screening):
    os.write(self._socket.fileno(), fastagi.commands(screening)[0])
    die()
{what}
from siaga112.cli import main
main()
"""
"""Runs the daemon, which dies at a given point of its first answer."""

AFTER_THE_HEADERS: Final = "fastagi._Connection._ask = die"
AFTER_SET_VARIABLE: Final = "fastagi._Connection.reply = send_one"


@pytest.fixture(params=get_args(Version))
def version(request: pytest.FixtureRequest) -> Version:
    """Return each version of Asterisk in turn."""
    found: Version = request.param
    return found


async def proceeds(pbx: Asterisk, seen: Observer) -> float:
    """Place a call; check that it proceeds with ALLOW; return the seconds that its screening took."""
    call = await place_call(pbx, number=CALLER)
    took = await screened_in(seen)
    verdicts = [e["Value"] for e in seen.events if sets("SIAGA_VERDICT")(e)]
    assert verdicts[-1] == "ALLOW"
    assert float((await seen.wait_for(sets("PROBE_LEFT")))["Value"]) == pytest.approx(300, abs=1)
    await call.hang_up()
    return took


@pytest.mark.fault("agi_frozen", "agi_timeout", "agi_zombie")
async def test_a_frozen_daemon_costs_a_caller_two_seconds(version: Version, measured: Measured) -> None:
    """With the daemon frozen, a call proceeds within its timeout, and a hang-up leaves no channel."""
    async with probe(version) as (pbx, seen), running(pbx, CONFIG) as daemon:
        daemon.signal(signal.SIGSTOP)
        measured("proceeds after", await proceeds(pbx, seen), "s", at_most=GUARD_SECONDS)
        since = seen.mark()
        call = await place_call(pbx, number=CALLER)
        uid = (await seen.caller_channel(CALLER, since=since))["Uniqueid"]
        await seen.wait_for(lambda e: runs("AGI")(e) and e["Uniqueid"] == uid, since=since)
        loop = asyncio.get_running_loop()
        hung_up = loop.time()
        await call.hang_up()
        await seen.wait_for(lambda e: e.name == "Hangup" and e["Uniqueid"] == uid, since=since)
        measured("channel gone after", loop.time() - hung_up, "s", row="agi_zombie", at_most=GONE_SECONDS)
        assert await seen.action({"Action": "CoreShowChannels"}) != []


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(AFTER_THE_HEADERS, marks=pytest.mark.fault("agi_dies_early"), id="after the headers"),
        pytest.param(AFTER_SET_VARIABLE, marks=pytest.mark.fault("agi_dies_late"), id="after SET VARIABLE"),
    ],
)
async def test_a_daemon_that_dies_amid_its_answer_blocks_nobody(
    version: Version, what: str, measured: Measured
) -> None:
    """If the daemon is killed before or during its verdict on a blocked caller, the call proceeds."""
    program = ("-c", DYING.format(what=what))
    async with probe(version) as (pbx, seen), running(pbx, CONFIG, program=program) as daemon:
        blocked = await daemon.command("block", CALLER, "--permanent", "--reason", "threats")
        assert blocked.code == 0
        measured("proceeds after", await proceeds(pbx, seen), "s", at_most=GUARD_SECONDS)
        assert await daemon.ended() == -signal.SIGKILL


def closing(writer: asyncio.StreamWriter) -> None:
    """Close a connection."""
    writer.close()


def resetting(writer: asyncio.StreamWriter) -> None:
    """Reset a connection: to linger for 0 s sends RST instead of FIN (socket(7), SO_LINGER)."""
    line: socket.socket = writer.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def rude(port: int, end: Callable[[asyncio.StreamWriter], None]) -> AsyncIterator[list[int]]:
    """Listen on the port and end each connection at once; yield a list that grows with each."""
    met: list[int] = []

    async def meet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append(1)
        end(writer)

    server = await asyncio.start_server(meet, "127.0.0.1", port)
    try:
        yield met
    finally:
        server.close()


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(closing, marks=pytest.mark.fault("agi_closes")),
        pytest.param(resetting, marks=pytest.mark.fault("agi_resets")),
    ],
)
async def test_a_server_that_only_ends_connections_costs_nothing(
    version: Version, end: Callable[[asyncio.StreamWriter], None], measured: Measured
) -> None:
    """If the connection is closed or reset as soon as it is accepted, the call proceeds."""
    async with probe(version) as (pbx, seen), rude(pbx.agi_port, end) as met:
        measured("proceeds after", await proceeds(pbx, seen), "s", at_most=GUARD_SECONDS)
        await until(lambda: bool(met))


# ── AMI ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.fault("ami_secret")
async def test_a_wrong_secret_is_told_and_tried_again(version: Version, measured: Measured) -> None:
    """A wrong secret gives one clear line per attempt, at growing intervals, and does not end the daemon."""
    async with Asterisk.start(find(version)) as pbx:
        wrong = {"SIAGA112_AMI__SECRET": "not the secret"}
        async with running(pbx, CONFIG, environ=wrong, wait=False) as daemon:
            first = await daemon.event("ami_refused")
            again = await daemon.event("ami_refused", since=daemon.lines.index(first) + 1)
            waits = [line["next_attempt_seconds"] for line in (first, again)]
            assert waits == [2.0, 4.0]
            assert "secret" in first["remedy"]
            assert "not the secret" not in str(daemon.lines)
            measured("first attempts, seconds apart", waits[0], "s")
            assert await daemon.stop() == 0


# ── two daemons ──────────────────────────────────────────────────────────────────────────────────

MISUSES: Final = 6
TAKEN_OVER_SECONDS: Final = 10.0


@pytest.mark.postgresql
@pytest.mark.fault("two_daemons", "takeover")
@pytest.mark.night
async def test_two_daemons_on_one_pbx_count_once_and_one_goes_on(
    version: Version, measured: Measured
) -> None:
    """Two daemons on one PBX count each call once; if one is killed during a call, the other settles it."""
    async with contextlib.AsyncExitStack() as stack:
        pbx = await stack.enter_async_context(Asterisk.start(find(version)))
        seen = await stack.enter_async_context(await pbx.observe())
        shared = f'{CONFIG}[database]\nurl = "{with_tables(stack.enter_context(postgres()).url)}"\n'
        one = await stack.enter_async_context(running(pbx, shared))
        same = f'{shared}[redis]\nurl = "{redis_embedded.url(one.folder / "state")}"\n'
        other = await stack.enter_async_context(running(pbx, same, only="track"))
        calls = []
        killed = 0.0
        for nth in range(MISUSES):
            since = seen.mark()
            call = await place_call(pbx, number=CALLER)
            uid = (await seen.caller_channel(CALLER, since=since))["Uniqueid"]
            await seen.wait_for(
                lambda e, uid=uid: e["Uniqueid"] == uid and e["Application"] == "WaitExten",  # type: ignore[misc] # mypy gives a lambda's default no type
                since=since,
            )
            if nth == MISUSES // 2:
                await other.stop(signal.SIGKILL)
                killed = asyncio.get_running_loop().time()
            await call.hang_up()
            await one.settled(uid)
            if nth == MISUSES // 2:
                took = asyncio.get_running_loop().time() - killed
                measured("goes on after", took, "s", row="takeover", at_most=TAKEN_OVER_SECONDS)
            calls.append(uid)
        rows = (await one.command("calls", "--json")).json
        assert sorted(row["call"] for row in rows) == sorted(calls)
        strikes = sum(row["strike"] for row in rows)
        measured("calls", len(calls))
        measured("strikes beyond one a call", strikes - len(calls), at_most=0)
        assert strikes == MISUSES
        told = [line for line in one.lines + other.lines if line["event"] == "call" and line["block"]]
        measured("blocks", len(told))
        assert len(told) == 1
