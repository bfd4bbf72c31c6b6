"""The promises of the shipped Asterisk files to a PBX admin, tested with real calls on both PBXs."""

import base64
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, get_args

import pytest

from siaga112.core.screening import Withheld
from tests.faults.figures import Measured
from tests.lab import Asterisk, Event, Observer, Version, agi_stub, find, place_call
from tests.lab.agi_stub import BLOCK_AND_REJECT
from tests.lab.daemon import running
from tests.samples import ODD_NAMES

pytestmark = pytest.mark.pbx
CALLER: Final = "081234567890"

# Screens the call, then sets variables to what is left of the channel's own settings, and waits.
PROBE: Final = """
[probe]
exten => 112,1,Set(TIMEOUT(absolute)=300)
 same => n,Gosub(siaga112-screen,s,1)
 same => n,Set(PROBE_LEFT=${TIMEOUT(absolute)})
 same => n,Set(PROBE_AGIEXITONHANGUP=${AGIEXITONHANGUP})
 same => n,Set(PROBE_PRIO=${QUEUE_PRIO})
 same => n,Answer()
 same => n,Wait(60)
"""


@pytest.fixture(params=get_args(Version))
def version(request: pytest.FixtureRequest) -> Version:
    """Return each version of Asterisk in turn."""
    found: Version = request.param
    return found


@asynccontextmanager
async def centre(version: Version, operator: str = "answer") -> AsyncIterator[tuple[Asterisk, Observer]]:
    """Run a PBX whose trunk leads to our sample centre, and an observer."""
    async with (
        Asterisk.start(find(version), globals_={"OPERATOR": operator, "SIAGA_QUEUE_TIMEOUT": "2"}) as pbx,
        await pbx.observe() as seen,
    ):
        yield pbx, seen


@asynccontextmanager
async def probe(version: Version) -> AsyncIterator[tuple[Asterisk, Observer]]:
    """Run a PBX whose trunk leads to PROBE, and an observer."""
    async with (
        Asterisk.start(find(version), context="probe", dialplan=PROBE) as pbx,
        await pbx.observe() as seen,
    ):
        yield pbx, seen


def sets(name: str) -> Callable[[Event], bool]:
    """Return a predicate for events that set this variable."""
    return lambda e: e.name == "VarSet" and e["Variable"] == name


def runs(application: str) -> Callable[[Event], bool]:
    """Return a predicate for dialplan steps that run this application."""
    return lambda e: e.name == "Newexten" and e["Application"] == application


def joins(number: str) -> Callable[[Event], bool]:
    """Return a predicate for this caller's arrival in the queue."""
    return lambda e: e.name == "QueueCallerJoin" and e["CallerIDNum"] == number


async def screened_in(seen: Observer) -> float:
    """Return how many seconds the dialplan's AGI step took, by the PBX's own clock."""
    began = await seen.wait_for(runs("AGI"))
    left = await seen.wait_for(sets("PROBE_LEFT"))
    return float(left["Timestamp"]) - float(began["Timestamp"])


async def test_the_shipped_files_load_without_a_warning(version: Version) -> None:
    """A fresh PBX with our files logs no warning."""
    async with centre(version) as (pbx, _):
        assert pbx.warnings() == []


@pytest.mark.fault("agi_stopped", "agi_timeout")
async def test_a_stopped_daemon_costs_a_caller_under_50_ms(version: Version, measured: Measured) -> None:
    """If the daemon is stopped, a call goes on within 50 ms, with its timeout and variables unchanged."""
    async with probe(version) as (pbx, seen):
        call = await place_call(pbx, number=CALLER)
        measured("proceeds after", await screened_in(seen) * 1e3, "ms", at_most=50)
        assert float((await seen.wait_for(sets("PROBE_LEFT")))["Value"]) == pytest.approx(300, abs=1)
        assert (await seen.wait_for(sets("PROBE_AGIEXITONHANGUP")))["Value"] == ""
        await call.hang_up()


@pytest.mark.fault("agi_silent", "agi_timeout")
async def test_a_silent_daemon_costs_a_caller_two_seconds(version: Version, measured: Measured) -> None:
    """If the daemon accepts and never answers, a call goes on after 2 s, with its timeout restored."""
    async with probe(version) as (pbx, seen), agi_stub(pbx.agi_port, silent=True):
        call = await place_call(pbx, number=CALLER)
        took = await screened_in(seen)
        assert took > 1.9
        measured("proceeds after", took, "s", at_most=2.1)
        assert float((await seen.wait_for(sets("PROBE_LEFT")))["Value"]) == pytest.approx(300, abs=1)
        await call.hang_up()


@pytest.mark.fault("agi_zombie")
async def test_a_hang_up_during_a_silent_screening_leaves_no_channel(
    version: Version, measured: Measured
) -> None:
    """If the caller hangs up while the daemon is silent, the channel ends within 1 s (AGIEXITONHANGUP)."""
    async with probe(version) as (pbx, seen), agi_stub(pbx.agi_port, silent=True):
        call = await place_call(pbx, number=CALLER)
        await seen.wait_for(runs("AGI"))
        hung_up = time.monotonic()
        await call.hang_up()
        await seen.wait_for(lambda e: e.name == "Hangup")
        measured("channel gone after", time.monotonic() - hung_up, "s", at_most=1)


async def test_a_missing_module_takes_no_number_from_the_operator(version: Version) -> None:
    """Without func_strings.so nobody can be judged, and a call goes on with the number it came with."""
    async with probe(version) as (pbx, seen), agi_stub(pbx.agi_port):
        await pbx.console("module unload func_strings.so")
        call = await place_call(pbx, number=CALLER)
        left = await seen.wait_for(sets("PROBE_LEFT"))
        await call.hang_up()
        assert left["CallerIDNum"] == CALLER
        assert [e["Value"] for e in seen.events if sets("SIAGA_CALLER")(e)] == [""]


async def test_a_rejected_caller_gets_403(version: Version) -> None:
    """BLOCK with `reject` ends the call with SIP 403 and sets SIAGA_REJECTED, which proves the rejection."""
    async with probe(version) as (pbx, seen), agi_stub(pbx.agi_port, BLOCK_AND_REJECT):
        call = await place_call(pbx, number=CALLER)
        assert (await call.ended()).status == 403
        assert (await seen.wait_for(sets("SIAGA_REJECTED")))["Value"] == "reject"


async def test_an_announced_rejection_is_heard_before_403(version: Version) -> None:
    """BLOCK with `announce` plays early media and then sends SIP 403, without answering the call."""
    commands = ("SET VARIABLE SIAGA_TREATMENT announce", "SET VARIABLE SIAGA_VERDICT BLOCK")
    async with probe(version) as (pbx, seen), agi_stub(pbx.agi_port, commands):
        call = await place_call(pbx, number=CALLER)
        assert (await call.ended(timeout=60)).status == 403
        assert "SIP/2.0 183" in call.messages()
        assert "SIP/2.0 200" not in call.messages()
        assert bounded(seen) == "1?Set(TIMEOUT(absolute)=60)", "no recording, however long, holds the channel"


def bounded(seen: Observer) -> str:
    """Return the dialplan step that limits an announcement, as it was run."""
    (step,) = (e for e in seen.events if runs("ExecIf")(e) and e["Context"] == "siaga112-blocked")
    return step["AppData"]


async def test_a_limit_of_the_call_ends_an_announcement(version: Version) -> None:
    """The dialplan's own time limit ends an announcement with 403, and the announcement does not restart."""
    commands = ("SET VARIABLE SIAGA_TREATMENT announce", "SET VARIABLE SIAGA_VERDICT BLOCK")
    limited = PROBE.replace("TIMEOUT(absolute)=300", "TIMEOUT(absolute)=3")
    async with (
        Asterisk.start(find(version), context="probe", dialplan=limited) as pbx,
        await pbx.observe() as seen,
        agi_stub(pbx.agi_port, commands),
    ):
        call = await place_call(pbx, number=CALLER)
        assert (await call.ended()).status == 403
        assert len([e for e in seen.events if runs("Playback")(e)]) == 1
        assert bounded(seen) == "0?Set(TIMEOUT(absolute)=60)"


@pytest.mark.parametrize(
    "commands",
    [
        (),
        ("SET VARIABLE SIAGA_VERDICT BLOCK",),
        ("SET VARIABLE SIAGA_TREATMENT reject", "SET VARIABLE SIAGA_VERDICT block"),
        ("SET VARIABLE SIAGA_TREATMENT reject", "SET VARIABLE SIAGA_VERDICT BLOCKED"),
        ("SET VARIABLE SIAGA_TREATMENT nonsense", "SET VARIABLE SIAGA_VERDICT BLOCK"),
    ],
    ids=["closes silently", "no treatment", "lower case", "another word", "unknown treatment"],
)
async def test_only_a_complete_block_blocks(version: Version, commands: tuple[str, ...]) -> None:
    """Any answer but the exact word BLOCK with a known treatment lets the call through."""
    async with probe(version) as (pbx, seen), agi_stub(pbx.agi_port, commands):
        call = await place_call(pbx, number=CALLER)
        await seen.wait_for(sets("PROBE_LEFT"))
        assert (await call.hang_up()).status in {200, 487}


async def test_a_deprioritised_caller_waits_behind_a_later_one(version: Version) -> None:
    """BLOCK with `deprioritise` queues a caller behind one who came later."""
    commands = ("SET VARIABLE SIAGA_TREATMENT deprioritise", "SET VARIABLE SIAGA_VERDICT BLOCK")
    async with (
        Asterisk.start(find(version), globals_={"OPERATOR": "never"}) as pbx,
        await pbx.observe() as seen,
    ):
        for number, answers in (("0811", commands), ("0822", ())):
            async with agi_stub(pbx.agi_port, answers):
                await place_call(pbx, number=number, presses="1")
                await seen.wait_for(joins(number))
        entries = [e for e in await seen.action({"Action": "QueueStatus"}) if e.name == "QueueEntry"]
        assert [e["CallerIDNum"] for e in entries] == ["0822", "0811"]


@pytest.mark.parametrize(
    ("number", "asserted", "private", "apart"),
    [
        ("anonymous", None, True, None),
        ("anonymous", "081299999999", True, "081299999999"),
        ("anonymous", "0812%09999", True, ""),
        ("anonymous", "*67081299999999", True, ""),
        ("0812-3456-7890", None, False, None),
        ("081234567890%20", None, False, None),
        ("*67081234567890", None, False, None),
        ("0812%09555", None, False, None),
    ],
    ids=[
        *("hidden", "hidden but known to the exchange", "hidden and odd", "hidden with a service code"),
        *("hyphens", "trailing space", "service code", "control character"),
    ],
)
async def test_a_number_that_is_not_plain_is_withheld(
    version: Version, number: str, asserted: str | None, apart: str | None, *, private: bool
) -> None:
    """The dialplan withholds hidden and odd numbers, and repairs none; a plain hidden one is sent apart."""
    async with probe(version) as (pbx, seen), agi_stub(pbx.agi_port) as stub:
        call = await place_call(pbx, number=number, asserted=asserted, private=private)
        await seen.wait_for(sets("PROBE_LEFT"))
        await call.hang_up()
        settings = [e["Value"] for e in seen.events if sets("SIAGA_CALLER")(e)]
        assert settings[-1] == ""
        (request,) = stub.requests
        given = [line for line in request if line.startswith("agi_arg_")]
        assert given == ["agi_arg_1: ", *([] if apart is None else [f"agi_arg_2: {apart}"])]
        assert [e["Value"] for e in seen.events if sets("SIAGA_HIDDEN")(e)] == (
            [] if apart is None else [apart]
        )
        assert all(character.isprintable() for line in request for character in line)


@pytest.mark.fault("odd_name")
async def test_no_display_name_is_a_way_past_a_block(version: Version, measured: Measured) -> None:
    """No display name gets a blocked caller through, and each name stays as it was sent, but for tabs."""
    async with (
        Asterisk.start(find(version)) as pbx,
        await pbx.observe() as seen,
        running(pbx, '[policy]\ntreatment = "reject"\n') as daemon,
    ):
        blocked = await daemon.command("block", CALLER, "--permanent", "--reason", "test")
        assert blocked.code == 0, blocked
        await daemon.shows('blocks_active{level="permanent",site="lab"} 1.0')
        through = 0
        for name in ODD_NAMES.values():
            since = seen.mark()
            call = await place_call(pbx, number=CALLER, display=name)
            through += (await call.ended()).status != 403
            came = await seen.wait_for(lambda e: e.name == "Newchannel", since=since)
            end = await seen.wait_for(lambda e: e.name == "Hangup", since=since)
            assert end["CallerIDName"] == came["CallerIDName"].replace("\\t", "") != ""
        measured("odd names", len(ODD_NAMES))
        measured("let through by the name", through, at_most=0)
        page = (await daemon.metrics()).splitlines()
        withheld = [line.rpartition(" ")[2] for line in page if line.startswith("siaga112_withheld_total{")]
        assert withheld == ["0.0"] * len(Withheld)


async def test_a_name_carries_no_line_into_the_question(version: Version) -> None:
    """The dialplan removes line breaks from a display name before it asks about the caller's number."""
    name = base64.b64encode(b"x\nagi_callerid: 081299999999\n\n\x01y\x7f").decode()
    named = PROBE.replace(
        " same => n,Gosub(", f" same => n,Set(CALLERID(name)=${{BASE64_DECODE({name})}})\n same => n,Gosub("
    )
    async with (
        Asterisk.start(find(version), context="probe", dialplan=named) as pbx,
        await pbx.observe() as seen,
        agi_stub(pbx.agi_port) as stub,
    ):
        call = await place_call(pbx, number=CALLER)
        await seen.wait_for(sets("PROBE_LEFT"))
        await call.hang_up()
        (request,) = stub.requests
        assert "agi_calleridname: xagi_callerid: 081299999999y" in request
        assert [line for line in request if line.startswith("agi_callerid:")] == [f"agi_callerid: {CALLER}"]
        assert request[-1] == f"agi_arg_1: {CALLER}"


@pytest.mark.parametrize("mark", ["prank", "genuine", "information"])
async def test_the_operators_key_marks_the_callers_channel(version: Version, mark: str) -> None:
    """An operator's *71, *72 or *73 sends an event with the mark and the caller's channel."""
    async with centre(version, f"mark_{mark}") as (pbx, seen):
        call = await place_call(pbx, number=CALLER, presses="1")
        caller = await seen.caller_channel(CALLER)
        event = await seen.wait_for(lambda e: e.name == "UserEvent")
        assert (event["UserEvent"], event["Mark"]) == ("SiagaMark", mark)
        assert event["Call"] == caller["Uniqueid"]
        await call.hang_up()


async def test_a_caller_cannot_mark_his_own_call(version: Version) -> None:
    """The marking keys have no effect when the caller presses them."""
    async with centre(version) as (pbx, seen):
        call = await place_call(pbx, number=CALLER, presses="1*72")
        await seen.wait_for(lambda e: e.name == "BridgeEnter" and e["CallerIDNum"] == CALLER)
        for _ in range(2):
            since = seen.mark()
            await seen.wait_for(lambda e: e.name == "DTMFEnd" and e["Digit"] == "2", since=since)
        await call.hang_up()
        await seen.wait_for(lambda e: e.name == "Hangup" and e["CallerIDNum"] == CALLER)
        assert not [e for e in seen.events if e.name == "UserEvent"]


async def test_a_silent_caller_reaches_the_queue(version: Version) -> None:
    """A caller who presses nothing reaches an operator: it may be a person who cannot speak."""
    async with centre(version) as (pbx, seen):
        call = await place_call(pbx, number=CALLER)
        await seen.wait_for(lambda e: e.name == "AgentConnect")
        await call.hang_up()


async def test_a_third_wrong_key_ends_the_call(version: Version) -> None:
    """The PBX ends the call after the third wrong key in the menu."""
    async with centre(version) as (pbx, seen):
        call = await place_call(pbx, number=CALLER, presses="9")
        assert (await call.ended()).ended_by == "pbx"
        assert len([e for e in seen.events if runs("Set")(e) and e["Extension"] == "i"]) == 3


async def test_an_unserved_caller_is_told_so(version: Version) -> None:
    """If the queue gives up, the PBX plays `no-operator` and ends the call."""
    async with centre(version, "never") as (pbx, seen):
        call = await place_call(pbx, number=CALLER, presses="1")
        assert (await call.ended()).ended_by == "pbx"
        assert [e["Value"] for e in seen.events if sets("QUEUESTATUS")(e)][-1] == "TIMEOUT"
        assert any(runs("Playback")(e) and e["AppData"] == "siaga112/no-operator" for e in seen.events)


async def test_an_answered_call_costs_the_daemon_a_dozen_events(version: Version) -> None:
    """The shipped AMI user gets at most 18 events of an answered call, of more than 80."""
    async with centre(version) as (pbx, seen), await pbx.observe_as_siaga() as filtered:
        call = await place_call(pbx, number=CALLER, presses="1")
        await filtered.wait_for(lambda e: e.name == "BridgeEnter" and e["CallerIDNum"] == CALLER)
        await call.hang_up()
        await filtered.wait_for(lambda e: e.name == "Hangup")
        assert len([e for e in filtered.events if e.name != "FullyBooted"]) <= 18
        assert len(seen.events) > 80


@pytest.mark.fault("ami_user")
async def test_the_shipped_ami_user_has_the_least_rights(version: Version) -> None:
    """The shipped AMI user may ask for the PBX's state, and may neither change it nor read its files."""
    async with centre(version) as (pbx, _), await pbx.observe_as_siaga() as siaga:
        for action in ("Ping", "CoreShowChannels", "QueueStatus"):
            assert (await siaga.action({"Action": action}))[0]["Response"] == "Success"
        for action in ("Command", "Originate", "Setvar", "GetConfig", "Hangup", "Redirect", "Filter"):
            with pytest.raises(RuntimeError, match="denied"):
                await siaga.action({"Action": action})


async def test_a_dialled_number_with_control_characters_finds_no_extension(version: Version) -> None:
    """A dialled number with a control character gets 404; a trunk's usual spellings of 112 get through."""
    async with centre(version) as (pbx, _):
        assert (await (await place_call(pbx, number=CALLER, dialled="112%09")).ended()).status == 404
        for dialled in ("112", "+62254112", "s"):
            call = await place_call(pbx, number=CALLER, dialled=dialled)
            assert (await call.hang_up()).status in {200, 487}
