"""`siaga112 mode off` while calls are in progress: real ones on both PBXs, and hundreds of fake ones."""

import asyncio
import time
from typing import Final, get_args

import pytest

from siaga112.core.model import SECOND, Caller, CallId, Entry
from tests.faults.calls import QUEUE, begins, goes_on, hangs_up, is_marked, queues, talks, uid
from tests.faults.conftest import rig
from tests.faults.figures import Measured
from tests.faults.test_decisions import now
from tests.lab import Asterisk, Version, find
from tests.lab.agi_client import PAUSE_SECONDS, ask
from tests.lab.daemon import Daemon, running
from tests.lab.day import CONFIG
from tests.lab.redis_servers import RedisServer
from tests.pbx.test_supervisor import call
from tests.waiting import within

BLOCKED: Final = "081233333333"
KNOWN_SECONDS: Final = 1.0
ASKING: Final = 4
"""How many tasks keep asking about the blocked caller."""

REJECTED: Final = ("BLOCK", "blocked")
SWITCHED_SECONDS: Final = 60.0
LATE: Final = ("ALLOW", "deadline")
"""The answer at the deadline, which a busy machine may give."""


async def switch_off(daemon: Daemon, port: int, measured: Measured) -> None:
    """Run `siaga112 mode off` during questions about a blocked caller; measure when all get ALLOW for it.

    Until then, each answer must be the block, or ALLOW at the deadline.
    """
    rejected = asyncio.Event()

    async def until_freed() -> float:
        async with within(SWITCHED_SECONDS, "a verdict of mode off"):
            while (answer := await ask(port, BLOCKED)).reason != "mode_off":
                assert (answer.verdict, answer.reason) in {REJECTED, LATE}
                if answer.reason == "blocked":
                    rejected.set()
                await asyncio.sleep(PAUSE_SECONDS)  # the command needs a processor too
        return time.perf_counter()

    async with asyncio.TaskGroup() as asking:
        freed = [asking.create_task(until_freed()) for _ in range(ASKING)]
        async with within(SWITCHED_SECONDS, "a rejected call"):
            await rejected.wait()
        began = time.perf_counter()
        assert (await daemon.command("mode", "off", "--reason", "a flood")).code == 0
        ended = time.perf_counter()
    last = max(task.result() for task in freed)
    assert (await ask(port, BLOCKED)).verdict == "ALLOW"
    measured("ALLOW after the command's end", max(0.0, last - ended), "s", at_most=KNOWN_SECONDS)
    measured("after its start", last - began, "s")


# ── hundreds of calls ────────────────────────────────────────────────────────────────────────────

HUNDREDS: Final = 400
BEFORE: Final = 20
CALLERS: Final = 10
"""Each has two earlier misuses, and enough calls in progress for a block."""

STATIONS: Final = ("screening", "ivr", "queue", "talking")
ENDS: Final = {
    "screening": ("ivr_prank", False, "mode_off"),
    "ivr": ("ivr_prank", False, "mode_off"),
    "queue": ("abandoned", False, None),
    "talking": ("answered", False, "mode_off"),
}
"""Outcome, strike, and why there is none, by station. A `talking` call is marked a prank after the switch."""


class InFlight:
    """A call that arrived a minute ago and is at one of the stations."""

    def __init__(self, nth: int) -> None:
        self.at = now() - 60 * SECOND
        self.id: Final[CallId] = uid(nth, self.at)
        self.number: Final = number(nth)
        self.station: Final = STATIONS[nth % len(STATIONS)]

    def begins(self) -> bytes:
        """Return its events up to its station."""
        told = begins(self.id, self.number, self.at)
        if self.station != "screening":
            told += goes_on(self.id, self.number, self.at)
        if self.station in {"queue", "talking"}:
            told += queues(self.id, self.number, now())
        if self.station == "talking":
            told += talks(self.id, self.number, now())
        return told

    def ends(self) -> bytes:
        """Return the rest of its events, for after the switch."""
        match self.station:
            case "screening":
                freed = goes_on(self.id, self.number, self.at, "ALLOW", "mode_off")
                return freed + hangs_up(self.id, self.number, now())
            case "talking":
                marked = is_marked(self.id, "prank", now())
                return marked + hangs_up(self.id, self.number, now(), QUEUE)
            case "queue":
                return hangs_up(self.id, self.number, now(), QUEUE)
            case _:
                return hangs_up(self.id, self.number, now())


def number(nth: int) -> str:
    """Return the number of the nth call's caller."""
    return f"0812{nth // len(STATIONS) % CALLERS:08}"


def struck(rows: list[Entry]) -> set[tuple[Caller | None, CallId]]:
    """Return the caller and the call of each strike."""
    return {(row.finding.call.caller, row.finding.call.id) for row in rows if row.strike}


@pytest.mark.redis
@pytest.mark.fault("policy_switch")
async def test_the_kill_switch_spares_hundreds_of_calls_in_flight(
    redis: RedisServer, measured: Measured, *, full: bool
) -> None:
    """`mode off` cuts off none of 400 calls in progress (CI: 80); each gets its outcome, none a strike."""
    calls = [InFlight(nth) for nth in range(HUNDREDS if full else HUNDREDS // 5)]
    async with rig(redis) as found:
        await found.done("block", BLOCKED, "--permanent", "--reason", "threats")
        for nth in range(BEFORE):
            found.misuse(number(nth * len(STATIONS)))
        before = await found.until_recorded(BEFORE)
        assert len(struck(before)) == BEFORE
        found.play(*(one.begins() for one in calls))
        await found.up(len(calls))
        for station in STATIONS:
            assert await found.metric("calls_in_progress", stage=station) == len(calls) / len(STATIONS)
        await switch_off(found.daemon, found.pbx.agi_port, measured)
        measured("in flight", len(calls))
        measured("cut off", len(await found.ledger()) - BEFORE, at_most=0)
        assert await found.metric("calls_in_progress") == len(calls)
        found.play(*(one.ends() for one in calls))
        rows = {row.finding.call.id: row for row in await found.until_recorded(BEFORE + len(calls), 60)}
        for one in calls:
            row = rows[one.id]
            assert (row.finding.outcome, row.strike, row.spared) == ENDS[one.station]
        measured("strikes", len(struck(list(rows.values()))) - BEFORE, at_most=0)
        assert struck(list(rows.values())) == struck(before)


# ── real calls ───────────────────────────────────────────────────────────────────────────────────

PATIENT: Final = r"""
[siaga112-incoming](+)
exten => 1129,1,Gosub(siaga112-screen,s,1)
 same => n,Goto(siaga112-ivr,patient,1)

[siaga112-ivr](+)
exten => patient,1,Answer()
 same => n,WaitExten(60)

[operators](+)
exten => mark_when_told,1,Ringing()
 same => n,Wait(0.3)
 same => n,Answer()
 same => n(waiting),Wait(0.1)
 same => n,GotoIf($["${TOLD}" = ""]?waiting)
 same => n,SendDTMF(*71)
 same => n,Goto(answer,stay)
"""
"""A menu that waits long for a key, even on a slow machine, and an operator who marks once TOLD is set."""


@pytest.mark.pbx
@pytest.mark.parametrize("version", get_args(Version))
@pytest.mark.fault("policy_switch")
@pytest.mark.night
async def test_the_kill_switch_cuts_no_call_off(version: Version, measured: Measured) -> None:
    """`mode off` cuts off no real call, in menu, queue or conversation, and none of them costs a strike."""
    async with (
        Asterisk.start(find(version), dialplan=PATIENT, operators=("101", "102", "103")) as pbx,
        await pbx.observe() as seen,
        running(pbx, CONFIG) as daemon,
    ):
        assert (await daemon.command("block", BLOCKED, "--permanent", "--reason", "threats")).code == 0
        first = await call(pbx, seen)
        await first.until("Newexten", Application="WaitExten")
        await first.call.hang_up()
        assert (await daemon.settled(first.uid))["strike"]

        talking = await call(pbx, seen, "1", "081200000001")
        await talking.until("BridgeEnter")
        await seen.set_global("OPERATOR", "mark_when_told")
        marked = await call(pbx, seen, "1", "081200000002")
        await marked.until("BridgeEnter")
        await seen.set_global("OPERATOR", "never")
        queued = await call(pbx, seen, "1", "081200000003")
        await queued.until("DialBegin")
        menu = await call(pbx, seen, dialled="1129")
        await menu.until("Newexten", Application="WaitExten")
        in_flight = (
            (talking, "answered", None, None),
            (marked, "answered", "prank", "mode_off"),
            (queued, "abandoned", None, None),
            (menu, "ivr_prank", None, "mode_off"),
        )

        since = seen.mark()
        await switch_off(daemon, pbx.agi_port, measured)
        freed = await call(pbx, seen, number=BLOCKED)
        await freed.until("Newexten", Application="BackGround")
        await seen.set_global("TOLD", "yes")
        await marked.marked()
        gone = {event["Uniqueid"] for event in seen.events[since:] if event.name == "Hangup"}
        measured("in flight", len(in_flight))
        measured("cut off", len(gone), at_most=0)
        for one, outcome, mark, spared in in_flight:
            ending = await one.call.hang_up()
            assert (ending.status, ending.ended_by) == (200, "caller")
            line = await daemon.settled(one.uid)
            assert (line["outcome"], line["mark"], line["spared"]) == (outcome, mark, spared)
        await freed.call.hang_up()
        assert (await daemon.settled(freed.uid))["screened"] == "ALLOW mode_off"
        rows = (await daemon.command("calls", "--json")).json
        assert [row["call"] for row in rows if row["strike"]] == [first.uid]
        measured("strikes", sum(row["strike"] for row in rows) - 1, at_most=0)
