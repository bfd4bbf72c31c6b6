"""Calls with somebody else's number, from a trunk that lets its customers send any number."""

import asyncio
from typing import get_args

import pytest

from tests.faults.figures import Measured
from tests.lab import Asterisk, Observer, Version, find, place_call
from tests.lab.daemon import Daemon, running
from tests.waiting import until

pytestmark = pytest.mark.pbx

NO_EARLY_DROP = '[classifier]\nearly_drop = "0s"\n'
ONE_BLOCKS = NO_EARLY_DROP + "[policy]\nthreshold = 1\nsurge = false\n"
VICTIM = "081211112222"
CHEAP = "127.0.0.7"
"""The exchange of a second trunk, which lets anybody send any number."""

TWO_TRUNKS = {
    "pjsip.conf": f"""
[cheap]
type = endpoint
context = siaga112-incoming
disallow = all
allow = ulaw
direct_media = no
[cheap]
type = identify
endpoint = cheap
match = {CHEAP}
"""
}
FORGED = 6
"""As many misuses as lead to a block if they come one after the other (`permenkominfo-2016`)."""


@pytest.mark.parametrize("version", get_args(Version))
@pytest.mark.fault("forged_at_once")
async def test_six_forged_calls_at_once_are_no_misuse(version: Version, measured: Measured) -> None:
    """Six calls with one number that hang up in the menu at the same time cost no strike and no block."""
    async with (
        Asterisk.start(find(version)) as pbx,
        await pbx.observe() as seen,
        running(pbx, NO_EARLY_DROP) as daemon,
    ):
        placed = await asyncio.gather(*(place_call(pbx, number=VICTIM) for _ in range(FORGED)))
        await until(
            lambda: len({e["Uniqueid"] for e in seen.events if e["Application"] == "WaitExten"}) == FORGED, 30
        )
        await asyncio.gather(*(call.hang_up() for call in placed))
        await daemon.wait_for(lambda _: sum(line["event"] == "call" for line in daemon.lines) == FORGED)
        rows = (await daemon.command("calls", "--json")).json
        measured("calls at once", len(rows))
        measured("strikes", sum(row["strike"] for row in rows), at_most=0)
        assert {row["outcome"] for row in rows} == {"ivr_prank"}
        assert [row["spared"] for row in rows] == ["overlap"] * FORGED
        measured("blocks", len((await daemon.command("blocks", "--json")).json), at_most=0)
        (told,) = (await daemon.command("why", VICTIM, "--json")).json
        assert told["verdict"] == "ALLOW"


@pytest.mark.parametrize("version", get_args(Version))
async def test_forged_calls_over_another_trunk_count_for_nothing_nor_do_the_owners_beside_them(
    version: Version,
) -> None:
    """Two misuses over different trunks do not count, and `why` names the other call in both languages."""
    async with (
        Asterisk.start(find(version), more=TWO_TRUNKS) as pbx,
        await pbx.observe() as seen,
        running(pbx, ONE_BLOCKS) as daemon,
    ):
        trunks = ("127.0.0.1", CHEAP)
        calls = [await _leaves_the_menu(pbx, seen, daemon, source) for source in trunks]
        (told,) = (await daemon.command("why", VICTIM, "--json")).json
        assert [(one["trunk"], one["weight"], one["why_not"]) for one in told["strikes"]] == [
            ("PJSIP/trunk", 0, "several_trunks"),
            ("PJSIP/cheap", 0, "several_trunks"),
        ]
        assert [one["beside"] for one in told["strikes"]] == [one["call"] for one in told["strikes"]][::-1]
        assert (told["blocks"], told["verdict"]) == ([], "ALLOW")
        text = (await daemon.command("why", VICTIM)).out
        beside = (
            f"counts for nothing: call {calls[1]} of the number came over PJSIP/cheap within 10 minutes of it"
        )
        assert f"; over PJSIP/trunk; nobody vouches for the number; {beside}" in text
        text = (await daemon.command("--lang", "id", "why", VICTIM)).out
        assert f"tidak dihitung: panggilan {calls[1]} dari nomor itu masuk lewat PJSIP/cheap" in text


@pytest.mark.parametrize("version", get_args(Version))
async def test_a_forged_call_while_the_owner_is_on_the_line_costs_no_strike(version: Version) -> None:
    """A misuse over another trunk costs no strike while the number's owner talks with an operator."""
    async with (
        Asterisk.start(find(version), more=TWO_TRUNKS) as pbx,
        await pbx.observe() as seen,
        running(pbx, ONE_BLOCKS) as daemon,
    ):
        owner = await place_call(pbx, number=VICTIM, presses="1")
        await seen.wait_for(lambda e: e.name == "AgentConnect")
        for _ in range(2):
            await _leaves_the_menu(pbx, seen, daemon, CHEAP)
        ended = len(daemon.lines)
        await owner.hang_up()
        await daemon.event("call", since=ended)
        rows = (await daemon.command("calls", "--json")).json
        assert sorted((row["outcome"], str(row["spared"])) for row in rows) == [
            ("answered", "None"),
            ("ivr_prank", "overlap"),
            ("ivr_prank", "overlap"),
        ]
        (told,) = (await daemon.command("why", VICTIM, "--json")).json
        assert [(one["why"], one["trunk"]) for one in told["spared"]] == [("overlap", "PJSIP/cheap")] * 2
        assert (told["strikes"], told["blocks"]) == ([], [])


async def _leaves_the_menu(pbx: Asterisk, seen: Observer, daemon: Daemon, source: str) -> str:
    """Place a call with the victim's number from that address, hang up in the menu, and return its id."""
    since, ended = seen.mark(), len(daemon.lines)
    call = await place_call(pbx, number=VICTIM, source=source)
    await seen.wait_for(lambda e: e.name == "Newexten" and e["Application"] == "WaitExten", since=since)
    await call.hang_up()
    return str((await daemon.event("call", since=ended))["call"])
