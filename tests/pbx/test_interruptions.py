"""Interruptions cost no caller a strike: AMI lost, the PBX restarted or killed, the daemon restarted."""

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import pytest

from tests.faults.figures import Measured
from tests.lab import Asterisk, Observer, Version, find, place_call
from tests.lab.daemon import Daemon, running
from tests.lab.day import CONFIG
from tests.waiting import until

pytestmark = pytest.mark.pbx

NUMBERS = [f"0812100000{n:02}" for n in range(20)]


@pytest.fixture(params=get_args(Version))
def version(request: pytest.FixtureRequest) -> Version:
    """Return each version of Asterisk in turn."""
    found: Version = request.param
    return found


@asynccontextmanager
async def lab(version: Version) -> AsyncIterator[tuple[Asterisk, Observer, Daemon]]:
    """Run a PBX, an observer, and a daemon that may read the PBX's queue_log."""
    async with Asterisk.start(find(version)) as pbx, await pbx.observe() as seen:
        queue_log = f'[pbx]\nqueue_log = "{pbx.folder}/log/queue_log"\n'
        async with running(pbx, CONFIG + queue_log) as daemon:
            yield pbx, seen, daemon


async def ledger(daemon: Daemon) -> dict[str, tuple[str, str, bool]]:
    """Return each call's outcome, reason and strike."""
    rows = (await daemon.command("calls", "--json")).json
    return {row["call"]: (row["outcome"], row["reason"], row["strike"]) for row in rows}


@pytest.mark.parametrize("killed", [False, True], ids=["restarted", "killed"])
@pytest.mark.fault("ami_restart")
async def test_a_restart_of_the_pbx_strikes_nobody(
    version: Version, measured: Measured, *, killed: bool
) -> None:
    """20 calls cut by Asterisk's restart end as unknown, without a strike; following resumes within 10 s."""
    async with lab(version) as (pbx, seen, daemon):
        calls = [await place_call(pbx, number=number) for number in NUMBERS]
        for number in NUMBERS:
            uid = (await seen.caller_channel(number))["Uniqueid"]
            await seen.wait_for(lambda e, uid=uid: e["Uniqueid"] == uid and e["Application"] == "BackGround")  # type: ignore[misc] # mypy gives a lambda's default no type
        since = len(daemon.lines)
        if killed:
            await pbx.kill()
            await pbx.boot()
        else:
            await pbx.restart()
        await daemon.event("ami_lost", since=since)
        back = time.monotonic()
        await daemon.event("ami_connected", since=since)
        measured("following again after", time.monotonic() - back, "s", at_most=10)
        settled = [await daemon.settled(await _uid(seen, number)) for number in NUMBERS]
        assert {(line["outcome"], line["reason"], line["strike"]) for line in settled} <= {
            ("unknown", "events_lost", False),
            ("unknown", "no_evidence", False),
        }
        measured("strikes", sum(line["strike"] for line in settled), at_most=0)
        for call in calls:
            await call.abort()
        async with await pbx.observe() as again:
            call = await place_call(pbx, number="081299999999", presses="1")
            uid = (await again.caller_channel("081299999999"))["Uniqueid"]
            await again.wait_for(lambda e: e.name == "BridgeEnter" and e["Uniqueid"] == uid)
            await call.hang_up()
        assert (await daemon.settled(uid))["outcome"] == "answered"


async def _uid(seen: Observer, number: str) -> str:
    return (await seen.caller_channel(number))["Uniqueid"]


@pytest.mark.fault("ami_silent")
async def test_a_silent_pbx_is_noticed(version: Version, measured: Measured) -> None:
    """The daemon notices a frozen Asterisk within 10 s, and reconnects when it runs again."""
    async with lab(version) as (pbx, _, daemon):
        since = len(daemon.lines)
        paused = time.monotonic()
        pbx.pause()
        await daemon.event("ami_lost", since=since, timeout=20)
        measured("noticed after", time.monotonic() - paused, "s", at_most=10)
        pbx.resume()
        await daemon.event("ami_connected", since=since, timeout=70)


async def test_calls_that_the_daemon_missed_are_settled_from_queue_log(version: Version) -> None:
    """A call that ended while the daemon was down gets its outcome from queue_log, once, without a strike."""
    async with lab(version) as (pbx, seen, daemon):
        # One call is up when the daemon stops, another comes and goes while it is down.
        through = await place_call(pbx, number=NUMBERS[0], presses="1")
        first = await _uid(seen, NUMBERS[0])
        await seen.wait_for(lambda e: e.name == "BridgeEnter" and e["Uniqueid"] == first)
        await daemon.stop()
        await through.hang_up()
        await seen.set_global("OPERATOR", "never")
        leaver = await place_call(pbx, number=NUMBERS[1], presses="1")
        second = await _uid(seen, NUMBERS[1])
        await seen.wait_for(lambda e: e.name == "DialBegin" and e["Uniqueid"] == second)
        await leaver.hang_up()
        await seen.wait_for(lambda e: e.name == "Hangup" and e["Uniqueid"] == second)
        since = len(daemon.lines)
        await daemon.start()
        await daemon.event("reconciled", since=since)
        for uid in (first, second):
            await daemon.wait_for(lambda line, uid=uid: line.get("call") == uid, since=since)  # type: ignore[misc] # mypy gives a lambda's default no type
        once = await ledger(daemon)
        assert once == {
            first: ("answered", "operator", False),
            second: ("abandoned", "left_queue", False),
        }
        since = len(daemon.lines)
        await daemon.stop(signal.SIGKILL)
        await daemon.start()
        await daemon.event("ami_connected", since=since)
        assert await ledger(daemon) == once


async def test_a_daemon_that_starts_amid_calls_adopts_them(version: Version) -> None:
    """A call older than the daemon is unknown, unless the daemon sees an operator answer it."""
    async with Asterisk.start(find(version)) as pbx, await pbx.observe() as seen:
        await seen.set_global("OPERATOR", "never")
        menu = await place_call(pbx, number=NUMBERS[0])
        queue = await place_call(pbx, number=NUMBERS[1], presses="1")
        waiting, queued = await _uid(seen, NUMBERS[0]), await _uid(seen, NUMBERS[1])
        await seen.wait_for(lambda e: e.name == "DialBegin" and e["Uniqueid"] == queued)
        async with running(pbx, CONFIG) as daemon:
            await seen.set_global("OPERATOR", "answer")
            await seen.wait_for(lambda e: e.name == "BridgeEnter" and e["Uniqueid"] == queued, timeout=40)
            await asyncio.gather(menu.hang_up(), queue.hang_up())
            left, answered = await daemon.settled(waiting), await daemon.settled(queued)
    assert (left["outcome"], left["reason"], left["strike"]) == ("unknown", "seen_in_part", False)
    assert (answered["outcome"], answered["strike"]) == ("answered", False)


async def test_a_capture_tells_the_same_again(version: Version, tmp_path: Path) -> None:
    """`replay` settles what `record --pseudonyms` recorded as the live daemon did, with the number hidden."""
    async with lab(version) as (pbx, seen, daemon):
        file = tmp_path / "capture.ami"
        recording = await daemon.begin("record", str(file), "--pseudonyms")
        await seen.login_of(recording.pid, timeout=60)
        call = await place_call(pbx, number=NUMBERS[0], presses="1")
        uid = await _uid(seen, NUMBERS[0])
        await seen.wait_for(lambda e: e.name == "BridgeEnter" and e["Uniqueid"] == uid)
        await call.hang_up()
        live = await daemon.settled(uid)
        # The recorder has its own connection, and may read the end of the call later than the daemon.
        end = re.compile(rb"Event: Hangup\r\n(?:[^\r\n]+\r\n)*?Uniqueid: " + uid.encode() + rb"\r\n")
        await until(
            lambda: end.search(file.read_bytes()) is not None, 60, "the end of the call in the capture"
        )
        recording.send_signal(signal.SIGINT)
        assert (await daemon.finish(recording)).code == 0
        replayed = (await daemon.command("replay", str(file), "--json")).json
    assert NUMBERS[0].encode() not in file.read_bytes()
    assert [(row["call"], row["outcome"], row["reason"]) for row in replayed] == [
        (uid, live["outcome"], live["reason"])
    ]
    assert replayed[0]["caller"] not in {None, "+62" + NUMBERS[0][1:]}


FREEZE_SECONDS = 5.0
"""How long the reader is paused."""


@pytest.mark.fault("ami_paused")
async def test_a_reader_that_was_paused_strikes_nobody(version: Version, measured: Measured) -> None:
    """A daemon frozen 5 s under 6,000 events settles ten callers who leave the queue, without a strike."""
    async with lab(version) as (pbx, seen, daemon):
        await seen.set_global("OPERATOR", "never")
        callers = NUMBERS[:10]
        calls = [await place_call(pbx, number=number, presses="1") for number in callers]
        uids = [await _uid(seen, number) for number in callers]
        for uid in uids:
            await seen.wait_for(lambda e, uid=uid: e.name == "QueueCallerJoin" and e["Uniqueid"] == uid)  # type: ignore[misc] # mypy gives a lambda's default no type
        daemon.signal(signal.SIGSTOP)
        thaw = asyncio.create_task(asyncio.sleep(FREEZE_SECONDS))
        flood = {"Action": "UserEvent", "UserEvent": "SiagaMark", "Mark": "prank", "Filler": "x" * 900}
        for _ in range(60):
            await asyncio.gather(*(seen.action(flood) for _ in range(100)))
        await asyncio.gather(*(call.hang_up() for call in calls))
        await thaw
        daemon.signal(signal.SIGCONT)
        lines = [await daemon.settled(uid) for uid in uids]
        assert {line["outcome"] for line in lines} <= {"abandoned", "unknown"}
        measured("calls", len(lines))
        measured("strikes", sum(line["strike"] for line in lines), at_most=0)
        lost = [line for line in daemon.lines if line["event"] == "ami_lost"]
        measured("gaps counted", len(lost))
        assert lost or {line["reason"] for line in lines} == {"left_queue"}, "what was not lost is known"
