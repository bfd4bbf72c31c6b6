"""Menus: only a closed list of applications keeps a caller in the menu."""

import re
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.core.ami.events import Newexten
from siaga112.core.ami.parser import parse
from siaga112.core.model import Outcome
from siaga112.core.rules import Dialplan
from siaga112.core.tracking import menus
from tests.core.table import findings, spelled
from tests.core.test_calls import MENU
from tests.core.test_events import message
from tests.pbx.scenarios.golden import replayed

CASES: Final = Path(__file__).parents[1] / "cases"
AMI_USER: Final = Path(__file__).parents[2] / "asterisk" / "manager.d" / "siaga112.conf"

SERVE: Final = (
    *("VoiceMail", "VoiceMailMain", "MinivmRecord", "Record", "Dictate"),
    *(
        "BridgeWait",
        "Park",
        "ParkAndAnnounce",
        "AgentRequest",
        "MeetMe",
        "ConfBridge",
        "Queue",
        "Dial",
        "Page",
    ),
    *("MusicOnHold", "StartMusicOnHold", "Ringing", "FollowMe", "RetryDial", "Bridge", "Pickup", "ChanSpy"),
    *("AGI", "EAGI", "DeadAGI", "ExternalIVR", "AudioSocket", "Stasis", "SpeechBackground"),
    *("Directory", "DISA", "Authenticate", "PrivacyManager", "Festival", "MP3Player", "ControlPlayback"),
    *("Busy", "Congestion", "Echo", "Transfer", "Gosub", "GosubIf", "Macro", "MacroIf", "Return"),
    *("System", "SendText", "SMS", "WhatComesInAsterisk30", "ExecIf"),
)
STAY: Final = (
    *("BackGround", "Read", "WaitExten", "ReadExten", "Playback", "SayDigits", "SayNumber", "SayUnixTime"),
    *("Wait", "NoOp", "Set", "MSet", "Verbose", "Log", "Goto", "GotoIf", "GotoIfTime", "Answer", "Hangup"),
)


@pytest.mark.parametrize("exten", ["t", "i"])
@pytest.mark.parametrize("application", SERVE)
def test_who_is_served_after_a_wrong_or_missing_choice_misused_nothing(application: str, exten: str) -> None:
    """A caller who leaves or is ended after an application not on the list, in `t` or `i`, is no prank."""
    step = f"10:00:10 Newexten 100.1 app={application} at=siaga112-ivr,{exten},"
    left = "10:00:40 HangupRequest 100.1\n10:00:40 Hangup 100.1"
    known = application.lower() in menus.SERVICES
    for served in (step + "1\n" + left, step + "1\n" + step.replace(application, "Playback") + "2\n" + left):
        expected = "abandoned, after_choice" if known else "unknown, no_evidence"
        assert [spelled(finding) for finding in findings(MENU + served)] == [expected]
    ended = step + f"1\n10:00:30 Newexten 100.1 app=Hangup at=siaga112-ivr,{exten},2\n10:00:30 Hangup 100.1"
    assert [spelled(finding) for finding in findings(MENU + ended)] == ["unknown, no_evidence"]


def passes(event: bytes) -> bool:
    """Return whether the shipped event filter lets an event through, as manager.c decides."""
    lines = AMI_USER.read_text("utf-8").replace("[[:cntrl:]]", "[\\x00-\\x1f\\x7f]")
    filters = re.findall(r"^eventfilter = (!?)(.*)$", lines, re.MULTILINE)
    matching = {sign for sign, pattern in filters if re.search(pattern, event.decode(), re.DOTALL)}
    return matching == {""}


@pytest.mark.parametrize("application", [name for name in SERVE if name.lower() in menus.SERVICES])
def test_the_event_filter_lets_a_service_through_wherever_it_runs(application: str) -> None:
    """A caller whom silence leads to a service elsewhere, and who then leaves the menu, is no prank."""
    step = message("Newexten", "Extension: s", f"Application: {application}", "AppData: 112")
    assert passes(step)
    assert not passes(step.replace(application.encode(), b"NoOp"))
    served = f"10:00:10 Newexten 100.1 app={application} at=elsewhere,s,1\n"
    back = "10:00:40 Newexten 100.1 app=BackGround at=siaga112-ivr,s,5\n"
    left = "10:00:45 HangupRequest 100.1\n10:00:45 Hangup 100.1"
    assert [spelled(finding) for finding in findings(MENU + served + back + left)] == [
        "abandoned, after_choice"
    ]


@pytest.mark.parametrize("exten", ["t", "i"])
@pytest.mark.parametrize("application", STAY)
def test_what_asks_speaks_or_reckons_keeps_a_caller_in_the_menu(application: str, exten: str) -> None:
    """A caller who hangs up during a listed application, after a wrong or missing choice, left the menu."""
    step = f"10:00:10 Newexten 100.1 app={application} at=siaga112-ivr,{exten},1\n"
    left = "10:00:40 HangupRequest 100.1\n10:00:40 Hangup 100.1"
    assert [spelled(finding) for finding in findings(MENU + step + left)] == ["ivr_prank, left_menu"]


@pytest.mark.parametrize("application", ["BackGround", "WaitExten", "Read", "Playback", "VoiceMail"])
@pytest.mark.parametrize("exten", ["2", "12", "*", "9#", "o", "a"])
def test_what_a_key_leads_to_is_not_the_menu(application: str, exten: str) -> None:
    """A caller who hangs up after a choice did not misuse the menu, whatever runs there."""
    table = MENU + f"10:00:09 Newexten 100.1 app={application} at=siaga112-ivr,{exten},1\n"
    left = "10:00:40 HangupRequest 100.1\n10:00:40 Hangup 100.1"
    assert [spelled(finding) for finding in findings(table + left)] == ["abandoned, after_choice"]
    ended = f"10:00:30 Newexten 100.1 app=Hangup at=siaga112-ivr,{exten},2\n10:00:30 Hangup 100.1"
    assert [spelled(finding) for finding in findings(table + ended)] == ["unknown, no_evidence"]


def test_a_menu_may_ask_in_the_extension_of_the_number_that_was_called() -> None:
    """If the menu runs in the extension of the number called, that extension is no choice."""
    both = frozenset({"siaga112-incoming"})
    table = MENU.replace("siaga112-ivr,s", "siaga112-incoming,112")
    left = "10:00:40 HangupRequest 100.1\n10:00:40 Hangup 100.1"
    assert [spelled(finding) for finding in findings(table + left, Dialplan(both, both))] == [
        "ivr_prank, left_menu"
    ]
    keyed = "10:00:10 Newexten 100.1 app=BackGround at=siaga112-incoming,113,1\n"
    assert [spelled(finding) for finding in findings(table + keyed + left, Dialplan(both, both))] == [
        "abandoned, after_choice"
    ]


def test_a_place_at_which_something_else_ran_proves_nothing() -> None:
    """If another application ran at the place of a menu step, hanging up there is no misuse."""
    left = "10:00:40 HangupRequest 100.1\n10:00:40 Hangup 100.1"
    for application, expected in (("VoiceMail", "abandoned, after_choice"), ("AGI", "unknown, no_evidence")):
        table = MENU + f"10:00:10 Newexten 100.1 app={application} at=siaga112-ivr,s,6\n"
        assert [spelled(finding) for finding in findings(table + left)] == [expected]


RUNS: Final = {
    ("Playback", "menu"): ("Playback", "menu"),
    ("ExecIf", "1?Background(menu)"): ("Background", "menu"),
    ("ExecIf", "1?Background(menu&a:b?c)"): ("Background", "menu&a:b?c"),
    ("ExecIf", "1?Playback(a):Playback(b)"): ("Playback", "a"),
    ("ExecIf", "0?Playback(a):SayDigits(12)"): ("SayDigits", "12"),
    ("ExecIf", "0?Background(menu)"): ("NoOp", ""),
    ("ExecIf", "?Background(menu)"): ("NoOp", ""),
    ("ExecIf", "1?:Background(menu)"): ("NoOp", ""),
    ("ExecIf", "1?Hangup"): ("Hangup", ""),
    ("ExecIf", "1?Goto(app-blackhole,hangup,1)"): ("Goto", "app-blackhole,hangup,1"),
    # One of the two may serve the caller, so the place proves nothing, whichever ran.
    ("ExecIf", "1?Background(menu):VoiceMail(1)"): ("VoiceMail", "1"),
    ("ExecIf", "0?VoiceMail(1)"): ("VoiceMail", "1"),
    ("ExecIf", "1?Gosub(sub,s,1)"): ("Gosub", "sub,s,1"),
    ("ExecIf", "1?Exec(VoiceMail(1))"): ("VoiceMail", "1"),
    ("ExecIf", "1?Exec(Background(menu))"): ("Background", "menu"),
    ("Exec", "Playback(a)"): ("Playback", "a"),
    ("TryExec", "Record(a.wav)"): ("Record", "a.wav"),
    ("ExecIfTime", "8:00-16:00,mon-fri,*,*?Playback(open)"): ("NoOp", ""),
    ("ExecIfTime", "8:00-16:00,mon-fri,*,*?Queue(112)"): ("Queue", "112"),
    # Not parsable.
    ("ExecIf", "maybe?Background(menu)"): ("", ""),
    ("ExecIf", "2?Background(menu)"): ("", ""),
    ("ExecIf", "1"): ("", ""),
    ("ExecIf", "1?Background(menu"): ("", ""),
    ("ExecIf", '1?"Background(menu)'): ("", ""),
    ("ExecIf", "1?Background(a):Background(b):Background(c)"): ("", ""),
    ("ExecIf", "1?ExecIf(1?ExecIf(1?ExecIf(1?ExecIf(1?Playback(a)))))"): ("", ""),
    ("Exec", "${WHAT}"): ("", ""),
    ("Exec", ""): ("", ""),
}


@pytest.mark.parametrize(("written", "read"), RUNS.items(), ids=[" ".join(key) for key in RUNS])
def test_what_a_step_runs(written: tuple[str, str], read: tuple[str, str]) -> None:
    """A step counts as the application inside it; of two, as one that may serve; some data is unreadable."""
    assert menus.runs(*written) == read


@given(st.sampled_from(["ExecIf", "Exec", "TryExec", "ExecIfTime"]), st.text(alphabet='?:()[]"\\1ab ,'))
def test_any_text_is_read(wrapper: str, data: str) -> None:
    """No data of a step raises, or gives the wrapper itself as the application."""
    assert menus.runs(wrapper, data)[0].lower() not in {"execif", "exec", "tryexec", "execiftime"}


def test_a_step_is_what_it_runs() -> None:
    """The event of a wrapper such as ExecIf names the application inside, and where that leads."""
    event = parse(message("Newexten", "Extension: s", "Application: ExecIf", "AppData: 0?a():Goto(b,c,1)"), 0)
    assert isinstance(event, Newexten)
    assert (event.application, event.leads_to) == ("a", "")
    event = parse(message("Newexten", "Extension: s", "Application: Exec", "AppData: Goto(b,c,1)"), 0)
    assert isinstance(event, Newexten)
    assert (event.application, event.leads_to) == ("Goto", "b")


@pytest.mark.parametrize("name", ["t-not-the-menu", "t-voicemail-x6"])
def test_captures_of_callers_who_were_served(name: str) -> None:
    """A caller who is served in a menu's `t` gets no strike, even after seven calls."""
    replay, entries = replayed((CASES / f"{name}.ami").read_bytes())
    assert len(entries) == 7
    assert {entry.finding.outcome for entry in entries} <= {Outcome.UNKNOWN, Outcome.ABANDONED}
    assert not any(entry.strike for entry in entries)
    assert not any(record.strikes or record.blocks for record in replay.records.values())
    assert not replay.malformed


@pytest.mark.parametrize("name", ["ari-answered", "ari-answered-40s"])
def test_captures_of_talk_in_a_bridge_that_a_program_made(name: str) -> None:
    """A caller in a bridge with somebody is answered, even if an ARI program made the bridge."""
    replay, (entry,) = replayed((CASES / f"{name}.ami").read_bytes())
    assert spelled(entry.finding) == "answered, operator"
    assert entry.finding.stages.talk == (1_210 if name == "ari-answered" else 38_810)
    assert replay.tracker.idle
