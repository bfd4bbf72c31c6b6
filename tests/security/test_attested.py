"""Attested numbers: what the dialplan reads from P-Asserted-Identity, on both PBXs."""

from typing import Final, get_args

import pytest

from tests.lab import Asterisk, Observer, Version, agi_stub, find, place_call
from tests.lab.daemon import running

pytestmark = pytest.mark.pbx

NUMBER: Final = "+6281234567890"
SAID: Final = "verstat=TN-Validation-Passed"
PLAIN_USERS: Final = {"pjsip.conf": "[global]\ntype = global\nignore_uri_user_options = yes\n"}
"""Otherwise chan_pjsip takes the user part's parameters for a part of the number."""

FROM_COUNTS: Final = f"""
[from-counts]
exten => 112,1,Set(CALLERID(num)={NUMBER})
 same => n,Gosub(siaga112-screen,s,1)
 same => n,Answer()
 same => n,Wait(60)
"""
"""A trunk that identifies callers by From, whatever P-Asserted-Identity says."""

HOST: Final = "@127.0.0.1;user=phone"
MUTE: Final = {
    "nothing": "",
    "without verstat": f"<sip:{NUMBER}{HOST}>",
    "failed": f"<sip:{NUMBER};verstat=TN-Validation-Failed{HOST}>",
    "of another number": f"<sip:+6281299999999;{SAID}{HOST}>",
    "of a longer number": f"<sip:{NUMBER}1;{SAID}{HOST}>",
    "a longer word": f"<sip:{NUMBER};{SAID}-C{HOST}>",
    "in another parameter": f"<sip:{NUMBER};x{SAID}{HOST}>",
    "of the host": f"<sip:{NUMBER}@127.0.0.1;{SAID}>",
    "behind the address": f"<sip:{NUMBER}{HOST}>;{SAID}",
    "in the name": f'"x <tel:{NUMBER};{SAID}>" <sip:{NUMBER}{HOST}>',
    "without brackets": f"sip:{NUMBER};{SAID}{HOST}",
}
TOLD: Final = {
    "SIP": f"<sip:{NUMBER};{SAID}{HOST}>",
    "SIP, with a name and more": f'"A <b>; c" <sip:{NUMBER};npdi;{SAID};rn=1{HOST}>',
    "tel": f"<tel:{NUMBER};{SAID}>",
}


async def attested(pbx: Asterisk, seen: Observer, identity: str) -> str:
    """Call with that identity; return the SIAGA_ATTESTED that the dialplan sets before it asks."""
    since = seen.mark()
    header = f"P-Asserted-Identity: {identity}\n" if identity else ""
    call = await place_call(pbx, number=NUMBER, headers=header)
    asked = await seen.wait_for(lambda e: e.name == "Newexten" and e["Application"] == "AGI", since=since)
    await call.hang_up()
    assert asked["AppData"].endswith(f",{NUMBER}"), "the number itself is judged as ever"
    return " ".join(e["Value"] for e in seen.events[since:] if e["Variable"] == "SIAGA_ATTESTED")


@pytest.mark.parametrize("version", get_args(Version))
async def test_only_the_exchanges_own_word_for_this_number_attests_it(version: Version) -> None:
    """Only verstat in the URI of this very number attests it, not in a name, a host or another number."""
    trust = {"SIAGA_TRUST": "verstat"}
    async with (
        Asterisk.start(
            find(version), context="from-counts", dialplan=FROM_COUNTS, globals_=trust, more=PLAIN_USERS
        ) as pbx,
        await pbx.observe() as seen,
        agi_stub(pbx.agi_port),
    ):
        told = {name: await attested(pbx, seen, identity) for name, identity in TOLD.items()}
        mute = {name: await attested(pbx, seen, identity) for name, identity in MUTE.items()}
        assert told == dict.fromkeys(TOLD, "yes")
        assert mute == dict.fromkeys(MUTE, "")
        ours = [line for line in pbx.warnings() if "Session already DISCONNECTED" not in line]
        assert ours == [], "but for a hang-up that meets the answer"


@pytest.mark.parametrize("version", get_args(Version))
async def test_unasked_the_dialplan_reads_no_header(version: Version) -> None:
    """Without SIAGA_TRUST, the dialplan attests no number, whatever the exchange sends."""
    async with Asterisk.start(find(version), more=PLAIN_USERS) as pbx, await pbx.observe() as seen:
        assert await attested(pbx, seen, TOLD["SIP"]) == ""


TRUSTING_LESS: Final = """
[classifier]
early_drop = "0s"
[policy]
threshold = 1
surge = false
trust = { unattested = 0.5 }
"""


@pytest.mark.parametrize("version", get_args(Version))
async def test_forged_calls_weigh_less_than_attested_ones(version: Version) -> None:
    """With `unattested = 0.5`, two unattested misuses block nobody; an attested one after them does."""
    trust = {"SIAGA_TRUST": "verstat"}
    async with (
        Asterisk.start(find(version), globals_=trust, more=PLAIN_USERS) as pbx,
        await pbx.observe() as seen,
        running(pbx, TRUSTING_LESS) as daemon,
    ):
        told, weights = {}, list[float]()
        for identity in (MUTE["without verstat"], MUTE["failed"], TOLD["SIP"]):
            since, ended = seen.mark(), len(daemon.lines)
            call = await place_call(pbx, number=NUMBER, headers=f"P-Asserted-Identity: {identity}\n")
            await seen.wait_for(
                lambda e: e.name == "Newexten" and e["Application"] == "WaitExten", since=since
            )
            await call.hang_up()
            await daemon.event("call", since=ended)
            (told,) = (await daemon.command("why", NUMBER, "--json")).json
            weights = [strike["weight"] for strike in told["strikes"]]
            assert bool(told["blocks"]) is (sum(weights) > 1), weights
        assert weights == [0.5, 0.5, 1.0]
        assert [strike["attested"] for strike in told["strikes"]] == [False, False, True]
        assert {strike["trunk"] for strike in told["strikes"]} == {"PJSIP/trunk"}
        text = (await daemon.command("why", NUMBER)).out
        assert "; over PJSIP/trunk; nobody vouches for the number; weighs 0.5\n" in text
        assert "; over PJSIP/trunk; the number is vouched for\n" in text


VOUCHED_ALONE: Final = TRUSTING_LESS.replace("unattested = 0.5", "unattested = 0")


@pytest.mark.parametrize("version", get_args(Version))
async def test_with_0_only_calls_count_that_the_exchange_vouches_for(version: Version) -> None:
    """With `unattested = 0`, unattested misuses give no strike, and the second attested one blocks."""
    async with (
        Asterisk.start(find(version), globals_={"SIAGA_TRUST": "verstat"}, more=PLAIN_USERS) as pbx,
        await pbx.observe() as seen,
        running(pbx, VOUCHED_ALONE) as daemon,
    ):
        struck, blocked = list[int](), list[bool]()
        for identity in (MUTE["without verstat"], MUTE["failed"], "", TOLD["SIP"], TOLD["SIP"]):
            since, ended = seen.mark(), len(daemon.lines)
            header = f"P-Asserted-Identity: {identity}\n" if identity else ""
            call = await place_call(pbx, number=NUMBER, headers=header)
            await seen.wait_for(
                lambda e: e.name == "Newexten" and e["Application"] == "WaitExten", since=since
            )
            await call.hang_up()
            await daemon.event("call", since=ended)
            (told,) = (await daemon.command("why", NUMBER, "--json")).json
            struck.append(len(told["strikes"]))
            blocked.append(bool(told["blocks"]))
        assert struck == [0, 0, 0, 1, 2]
        assert blocked == [False, False, False, False, True]
