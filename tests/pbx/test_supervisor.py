"""Decisions of supervisors and operators take effect with the next call: real calls on both PBXs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import get_args

import pytest

from tests.lab import Asterisk, Observer, Version, find, place_call
from tests.lab.daemon import Daemon, running
from tests.lab.day import GLOBALS, Witnessed
from tests.pbx.scenarios.play import theatre
from tests.pbx.scenarios.scenario import ANSWERS, NEVER_ANSWERS
from tests.waiting import within

pytestmark = pytest.mark.pbx

CALLER = "081234567890"
E164 = "+6281234567890"


@pytest.fixture(params=get_args(Version))
def version(request: pytest.FixtureRequest) -> Version:
    """Return each version of Asterisk in turn."""
    found: Version = request.param
    return found


@asynccontextmanager
async def centre(version: Version, more: str = "") -> AsyncIterator[tuple[Asterisk, Observer, Daemon]]:
    """Run a PBX with our centre, an observer, and a daemon that enforces."""
    async with (
        Asterisk.start(find(version), globals_=GLOBALS) as pbx,
        await pbx.observe() as seen,
        running(pbx, more) as daemon,
    ):
        yield pbx, seen, daemon


async def call(
    pbx: Asterisk, seen: Observer, presses: str = "", number: str = CALLER, dialled: str = "112"
) -> Witnessed:
    """Place a call; return it once its channel exists."""
    since = seen.mark()
    placed = await place_call(pbx, number=number, presses=presses, dialled=dialled)
    channel = await seen.caller_channel(number, since=since)
    return Witnessed(placed, channel["Uniqueid"], seen, since)


async def test_a_block_and_the_kill_switch_hold_with_the_next_call(version: Version) -> None:
    """`block` rejects the caller's next call, and `mode off` lets the one after it through."""
    async with centre(version, '[policy]\ntreatment = "reject"\n') as (pbx, seen, daemon):
        assert (await daemon.command("block", CALLER, "--for", "1h", "--reason", "threats")).code == 0
        first = await call(pbx, seen)
        assert (await first.call.ended()).status == 403

        since = len(daemon.lines)
        assert (await daemon.command("mode", "off", "--reason", "a flood")).code == 0
        await daemon.event("mode", since=since)
        freed = await call(pbx, seen)
        await freed.until("Newexten", Application="WaitExten")
        await freed.call.hang_up()
        assert (await daemon.settled(freed.uid))["screened"] == "ALLOW mode_off"
        trail = (await daemon.command("audit", "--json")).json
        assert [line["action"] for line in trail] == ["block", "mode"]


async def test_who_calls_again_at_once_reaches_the_end_of_the_queue(version: Version) -> None:
    """With `let_through`, a blocked caller who calls again at once is served, at the end of the queue."""
    async with centre(version, '[policy]\nlet_through = "1m"\ntreatment = "reject"\n') as (pbx, seen, daemon):
        await daemon.command("block", CALLER, "--permanent", "--reason", "threats")
        first = await call(pbx, seen)
        assert (await first.call.ended()).status == 403
        second = await call(pbx, seen, "1")
        await second.until("BridgeEnter")
        assert second.variable("QUEUE_PRIO") == "-10"
        await second.call.hang_up()
        settled = await daemon.settled(second.uid)
        assert (settled["outcome"], settled["screened"]) == ("answered", "BLOCK let_through")


async def test_a_call_back_closes_what_was_abandoned(version: Version) -> None:
    """A caller who left the queue is on the call-back list until an operator calls back and talks to them."""
    async with theatre(version, []) as stage, running(stage.pbx) as daemon:
        await stage.seen.set_global("SIAGA_QUEUE_TIMEOUT", "30")
        await stage.seen.action({"Action": "QueueAdd", "Queue": "siaga112", "Interface": NEVER_ANSWERS})
        left = await call(stage.pbx, stage.seen, "1")
        await left.until("DialBegin")
        await left.call.hang_up()
        assert (await daemon.settled(left.uid))["outcome"] == "abandoned"
        (waiting,) = (await daemon.command("callbacks", "--json")).json
        assert (waiting["caller"], waiting["calls"]) == (E164, [left.uid])

        operator = stage.phones["101"].call(CALLER)
        citizen = await stage.phones["citizen"].ringing()
        await citizen.answer()
        async with within(60, "the end of the call-back list"):
            while (await daemon.command("callbacks", "--json")).json:
                pass  # each look is a question to the store
        await citizen.hang_up()
        await operator.ended()


async def test_nobody_gets_a_strike_while_no_operator_is_logged_in(version: Version) -> None:
    """A misuse is spared while the queue has no operator, and earns a strike once it has one."""
    async with theatre(version, []) as stage, running(stage.pbx) as daemon:
        for interface, expected in (("", (False, "surge")), (ANSWERS, (True, None))):
            if interface:
                await stage.seen.action({"Action": "QueueAdd", "Queue": "siaga112", "Interface": interface})
                shown = 'siaga112_operators{site="lab",state="available"} 1.0'
                async with asyncio.timeout(20):
                    while shown not in await daemon.metrics():
                        pass  # each look is a question to the daemon
            misuse = await call(stage.pbx, stage.seen)
            await misuse.until("Newexten", Application="WaitExten")
            await misuse.call.hang_up()
            settled = await daemon.settled(misuse.uid)
            assert (settled["strike"], settled["spared"]) == expected
