"""Calls as tables of their events, each with the outcome that the events prove."""

from dataclasses import replace

import pytest

from siaga112.core.caller_id import NumberPlan
from siaga112.core.model import Mark, Verdict
from siaga112.core.policy import strike_for
from siaga112.core.regulation import PolicyRules
from siaga112.core.rules import Dialplan
from siaga112.core.tracking.tracker import Tracker
from tests.core.table import DIALPLAN, events, findings, in_force, settle, spelled

ARRIVES = """
10:00:00  Newchannel  100.1  num=081211111111
10:00:00  VarSet      100.1  SIAGA_VERDICT=ALLOW
10:00:00  VarSet      100.1  SIAGA_CALLER=081211111111
10:00:00  VarSet      100.1  SIAGA_REASON=not_blocked
10:00:00  VarSet      100.1  SIAGA_VERDICT=ALLOW
"""
MENU = (
    ARRIVES
    + """
10:00:01  Newexten  100.1  app=BackGround at=siaga112-ivr,s,5
10:00:05  Newexten  100.1  app=WaitExten  at=siaga112-ivr,s,6
"""
)
QUEUE = (
    MENU
    + """
10:00:06  QueueCallerJoin  100.1  queue=siaga112 at=siaga112-queue,s,1
10:00:06  DialBegin        100.1  leg=100.2
"""
)
TALKS = (
    QUEUE
    + """
10:00:10  AgentConnect  100.1  leg=100.2 queue=siaga112
10:00:10  BridgeEnter   100.2  bridge=b1
10:00:10.100  BridgeEnter  100.1  bridge=b1
"""
)

LEAVES = "10:00:40 HangupRequest 100.1\n10:00:40 Hangup 100.1"

CHOSEN = "10:00:06 Newexten 100.1 app=Goto at=siaga112-ivr,2,1\n"

CALLS = {
    "pressed a key, and left while the PBX still collected": (
        MENU + "10:00:06 Dtmf 100.1\n" + LEAVES,
        "abandoned, left_choosing",
    ),
    "pressed a key while a question without a prompt went on": (
        MENU + "10:00:06 Dtmf 100.1\n10:00:07 Newexten 100.1 app=WaitExten at=siaga112-ivr,s,6\n" + LEAVES,
        "abandoned, left_choosing",
    ),
    "pressed a key, was asked again, and left": (
        MENU + "10:00:06 Dtmf 100.1\n10:00:07 Newexten 100.1 app=BackGround at=siaga112-ivr,s,5\n" + LEAVES,
        "ivr_prank, left_menu",
    ),
    "pressed a key before the first prompt, which may have taken it, and left": (
        ARRIVES
        + "10:00:00.5 Dtmf 100.1\n10:00:01 Newexten 100.1 app=BackGround at=siaga112-ivr,s,5\n"
        + LEAVES,
        "abandoned, left_choosing",
    ),
    "pressed a wrong key, and left": (
        MENU + "10:00:06 Dtmf 100.1\n10:00:07 Newexten 100.1 app=Playback at=siaga112-ivr,i,1\n" + LEAVES,
        "ivr_prank, left_menu",
    ),
    "was cut off in the menu by the network": (
        MENU + "10:00:40 HangupRequest 100.1\n10:00:40 Hangup 100.1 cause=41",
        "unknown, no_evidence",
    ),
    "pressed a key in the queue, and left it": (
        QUEUE + "10:00:07 Dtmf 100.1\n" + LEAVES,
        "abandoned, left_queue",
    ),
    "chose an announcement elsewhere, and left it": (
        MENU + CHOSEN + "10:00:07 Newexten 100.1 app=Playback at=info,s,1\n" + LEAVES,
        "abandoned, after_choice",
    ),
    "chose something of which nothing was seen, and left it": (
        MENU + CHOSEN + "10:00:40 HangupRequest 100.1 at=info,s,1\n10:00:40 Hangup 100.1",
        "abandoned, after_choice",
    ),
    "chose an announcement, came back to the menu, and left": (
        MENU
        + CHOSEN
        + "10:00:07 Newexten 100.1 app=Playback at=info,s,1\n"
        + "10:00:20 Newexten 100.1 app=BackGround at=siaga112-ivr,s,5\n"
        + LEAVES,
        "abandoned, after_choice",
    ),
    "chose an announcement, came back, and the PBX ended the call": (
        MENU
        + CHOSEN
        + "10:00:07 Newexten 100.1 app=Playback at=info,s,1\n"
        + "10:00:20 Newexten 100.1 app=BackGround at=siaga112-ivr,s,5\n"
        + "10:00:30 Newexten 100.1 app=Playback at=siaga112-ivr,t,1\n"
        + "10:00:31 Newexten 100.1 app=Hangup at=siaga112-ivr,t,2\n10:00:31 Hangup 100.1",
        "abandoned, after_choice",
    ),
    "left a message after a wrong key, came back to the menu, and left": (
        MENU
        + "10:00:07 Newexten 100.1 app=VoiceMail at=siaga112-ivr,i,1\n"
        + "10:00:20 Newexten 100.1 app=BackGround at=siaga112-ivr,s,5\n"
        + LEAVES,
        "abandoned, after_choice",
    ),
    "was told goodbye elsewhere after a wrong key, and left": (
        MENU
        + "10:00:06 Dtmf 100.1\n10:00:07 Newexten 100.1 app=Goto at=siaga112-ivr,i,1\n"
        + "10:00:08 Newexten 100.1 app=Playback at=goodbye,s,1\n"
        + LEAVES,
        "unknown, no_evidence",
    ),
    "chose an announcement, then the queue, and left that": (
        MENU
        + CHOSEN
        + "10:00:07 Newexten 100.1 app=Playback at=info,s,1\n"
        + "10:00:20 QueueCallerJoin 100.1 queue=siaga112 at=siaga112-queue,s,1\n"
        + LEAVES,
        "abandoned, left_queue",
    ),
    "pressed a wrong key, and the PBX ended the call at once": (
        MENU.replace("10:00:05  Newexten  100.1  app=WaitExten  at=siaga112-ivr,s,6\n", "")
        + "10:00:02 Newexten 100.1 app=Hangup at=siaga112-ivr,i,1\n10:00:02 Hangup 100.1",
        "ivr_prank, invalid_choice",
    ),
    "was screened once more in the menu, and left": (
        MENU
        + "10:00:30 VarSet 100.1 SIAGA_VERDICT=ALLOW\n10:00:31 HangupRequest 100.1\n10:00:31 Hangup 100.1",
        "ivr_prank, left_menu",
    ),
    "left during the announcement before the queue": (
        MENU + CHOSEN + "10:00:07 Newexten 100.1 app=Playback at=ext-queues,600,3\n" + LEAVES,
        "abandoned, before_queue",
    ),
    "left before the queue of a centre without a menu": (
        ARRIVES + "10:00:07 Newexten 100.1 app=Playback at=ext-queues,600,3\n" + LEAVES,
        "abandoned, before_queue",
    ),
    "waited for our own answer, and dropped right after it": (
        ARRIVES
        + "10:00:02 VarSet 100.1 SIAGA_SCREENED=ALLOW\n"
        + "10:00:02.1 Newexten 100.1 app=BackGround at=siaga112-ivr,s,5\n"
        + "10:00:04.5 HangupRequest 100.1\n10:00:04.5 Hangup 100.1",
        "abandoned, dropped_early",
    ),
    "waited for our own answer, heard the menu, and left": (
        ARRIVES
        + "10:00:02 VarSet 100.1 SIAGA_SCREENED=ALLOW\n"
        + "10:00:02.1 Newexten 100.1 app=BackGround at=siaga112-ivr,s,5\n"
        + "10:00:05.1 HangupRequest 100.1\n10:00:05.1 Hangup 100.1",
        "ivr_prank, left_menu",
    ),
    "answered, ended by the caller": (
        TALKS
        + "10:01:00 HangupRequest 100.1\n10:01:00 BridgeLeave 100.1 bridge=b1\n"
        + "10:01:00.200 Hangup 100.1",
        "answered, operator",
    ),
    "answered, even if the end was all that was lost": (
        TALKS + "10:01:00 Hangup 100.1",
        "answered, operator",
    ),
    "answered, even if events were lost before": (
        TALKS + "10:00:30 Interrupted lost\n10:01:00 Hangup 100.1",
        "answered, operator",
    ),
    "left the queue": (
        QUEUE + "10:00:12 HangupRequest 100.1\n10:00:12.200 Hangup 100.1",
        "abandoned, left_queue",
    ),
    "left the queue, after a gap": (
        QUEUE + "10:00:11 Interrupted lost\n10:00:12 HangupRequest 100.1\n10:00:12 Hangup 100.1",
        "unknown, events_lost",
    ),
    "the queue gave up": (
        QUEUE + "10:01:06 VarSet 100.1 QUEUESTATUS=TIMEOUT\n10:01:10 Hangup 100.1",
        "unserved, queue_timeout",
    ),
    "the caller left while hearing that the queue gave up": (
        QUEUE
        + "10:01:06 VarSet 100.1 QUEUESTATUS=LEAVEEMPTY\n"
        + "10:01:07 HangupRequest 100.1 at=siaga112-queue,s,2\n10:01:07 Hangup 100.1",
        "unserved, queue_empty",
    ),
    "dropped in the first moment": (
        ARRIVES + "10:00:01 HangupRequest 100.1\n10:00:01 Hangup 100.1",
        "abandoned, dropped_early",
    ),
    "dropped in the menu's first moment": (
        MENU + "10:00:03 HangupRequest 100.1\n10:00:03 Hangup 100.1",
        "abandoned, dropped_early",
    ),
    "one millisecond after early_drop it is a prank": (
        MENU + "10:00:03.001 HangupRequest 100.1\n10:00:03.201 Hangup 100.1",
        "ivr_prank, left_menu",
    ),
    "left after ringing long, before any menu": (
        ARRIVES + "10:00:20 HangupRequest 100.1 at=siaga112-incoming,112,2\n10:00:20 Hangup 100.1",
        "abandoned, before_menu",
    ),
    "nonsense until the menu hung up": (
        MENU
        + "10:00:06 Newexten 100.1 app=Set at=siaga112-ivr,i,1\n"
        + "10:00:06 Newexten 100.1 app=GotoIf at=siaga112-ivr,i,2\n"
        + "10:00:06 Newexten 100.1 app=Playback at=siaga112-ivr,i,3\n"
        + "10:00:08 Newexten 100.1 app=Hangup at=siaga112-ivr,i,4\n"
        + "10:00:08 Hangup 100.1",
        "ivr_prank, invalid_choice",
    ),
    "no choice, and the menu hung up": (
        MENU
        + "10:00:10 Newexten 100.1 app=Playback at=siaga112-ivr,t,1\n"
        + "10:00:11 Newexten 100.1 app=Hangup at=siaga112-ivr,t,2\n"
        + "10:00:11 Hangup 100.1",
        "ivr_prank, no_choice",
    ),
    "given up by the queue, then left the menu": (
        QUEUE
        + "10:01:06 VarSet 100.1 QUEUESTATUS=TIMEOUT\n"
        + "10:01:06 Newexten 100.1 app=WaitExten at=siaga112-ivr,s,6\n"
        + "10:01:09 HangupRequest 100.1\n10:01:09 Hangup 100.1",
        "unserved, queue_timeout",
    ),
    "given up by a queue whose status was lost, then left the menu": (
        QUEUE
        + "10:01:06 Newexten 100.1 app=WaitExten at=siaga112-ivr,s,6\n"
        + "10:01:09 HangupRequest 100.1\n10:01:09 Hangup 100.1",
        "unknown, no_evidence",
    ),
    "a caller with an announcer in a bridge": (
        MENU
        + "10:00:06 BridgeEnter 100.1 bridge=b1 at=siaga112-ivr,1,1\n"
        + "10:00:06 BridgeEnter 100.9 bridge=b1 machine=1\n"
        + "10:00:30 HangupRequest 100.1\n10:00:30 Hangup 100.1\n10:00:30 BridgeLeave 100.9 bridge=b1",
        "unknown, no_evidence",
    ),
    "left a message in `t`": (
        MENU
        + "10:00:10 Newexten 100.1 app=Playback at=siaga112-ivr,t,1\n"
        + "10:00:12 Newexten 100.1 app=VoiceMail at=siaga112-ivr,t,2\n"
        + "10:00:42 HangupRequest 100.1\n10:00:42 Hangup 100.1",
        "abandoned, after_choice",
    ),
    "was asked again in `t`, and left a message there the second time": (
        MENU
        + "10:00:10 Newexten 100.1 app=GotoIf at=siaga112-ivr,t,1\n"
        + "10:00:10 Newexten 100.1 app=Playback at=siaga112-ivr,t,2\n"
        + "10:00:12 Newexten 100.1 app=Goto at=siaga112-ivr,t,3\n"
        + "10:00:20 Newexten 100.1 app=GotoIf at=siaga112-ivr,t,1\n"
        + "10:00:20 Newexten 100.1 app=VoiceMail at=siaga112-ivr,t,4\n"
        + "10:00:42 HangupRequest 100.1\n10:00:42 Hangup 100.1",
        "abandoned, after_choice",
    ),
    "chose an announcement, and hung up during it": (
        MENU
        + "10:00:10 Newexten 100.1 app=BackGround at=siaga112-ivr,2,1\n"
        + "10:00:42 HangupRequest 100.1\n10:00:42 Hangup 100.1",
        "abandoned, after_choice",
    ),
    "left while Dial() rang the operators": (
        MENU
        + "10:00:06 DialBegin 100.1 leg=100.2 at=siaga112-ivr,1,1\n"
        + "10:00:12 HangupRequest 100.1\n10:00:12 Hangup 100.1",
        "abandoned, left_ringing",
    ),
    "Dial() found no operator": (
        MENU
        + "10:00:06 DialBegin 100.1 leg=100.2 at=siaga112-ivr,1,1\n"
        + "10:00:36 VarSet 100.1 DIALSTATUS=NOANSWER\n"
        + "10:00:36 Newexten 100.1 app=Hangup at=siaga112-ivr,1,2\n10:00:36 Hangup 100.1",
        "unserved, no_answer",
    ),
    "Dial() was answered": (
        MENU
        + "10:00:06 DialBegin 100.1 leg=100.2 at=siaga112-ivr,1,1\n"
        + "10:00:09 BridgeEnter 100.2 bridge=b1\n10:00:09 BridgeEnter 100.1 bridge=b1\n"
        + "10:00:30 BridgeLeave 100.2 bridge=b1\n10:00:30 BridgeLeave 100.1 bridge=b1\n"
        + "10:00:30 Hangup 100.1",
        "answered, operator",
    ),
    "queued, but nothing else seen of the queue, then left the menu": (
        MENU
        + "10:00:06 QueueCallerJoin 100.1 queue=siaga112 at=siaga112-queue,s,1\n"
        + "10:01:06 Newexten 100.1 app=WaitExten at=siaga112-ivr,s,6\n"
        + "10:01:09 HangupRequest 100.1\n10:01:09 Hangup 100.1",
        "unknown, no_evidence",
    ),
    "rung by Dial(), whose end was lost, then left the menu": (
        MENU
        + "10:00:06 DialBegin 100.1 leg=100.2 at=siaga112-ivr,1,1\n"
        + "10:01:06 Newexten 100.1 app=WaitExten at=siaga112-ivr,s,6\n"
        + "10:01:09 HangupRequest 100.1\n10:01:09 Hangup 100.1",
        "unknown, no_evidence",
    ),
    "marked as a prank": (
        TALKS + "10:00:30 SiagaMark 100.1 mark=prank\n10:01:00 Hangup 100.1",
        "answered, operator",
    ),
    "dropped at once, while being screened": (
        ARRIVES + "10:00:01 HangupRequest 100.1 at=siaga112-screen,s,9\n10:00:01 Hangup 100.1",
        "abandoned, dropped_early",
    ),
    "there before we were": (
        (
            "10:00:00 Resumed - 100.1=1\n"
            "10:00:02 HangupRequest 100.1 at=siaga112-incoming,112,1\n10:00:02 Hangup 100.1"
        ),
        "unknown, seen_in_part",
    ),
    "hung up, and bridged by the PBX all the same": (
        QUEUE
        + "10:00:10 HangupRequest 100.1\n"
        + "10:00:10 BridgeEnter 100.2 bridge=b1\n10:00:10 BridgeEnter 100.1 bridge=b1\n10:00:10 Hangup 100.1",
        "abandoned, left_queue",
    ),
    "rejected, and then queued after all": (
        ARRIVES
        + "10:00:00 VarSet 100.1 SIAGA_REJECTED=announce\n"
        + "10:00:01 QueueCallerJoin 100.1 queue=siaga112 at=siaga112-queue,s,1\n"
        + "10:00:12 HangupRequest 100.1\n10:00:12 Hangup 100.1",
        "abandoned, left_queue",
    ),
    "rejected, and answered after all": (
        ARRIVES
        + "10:00:00 VarSet 100.1 SIAGA_REJECTED=announce\n"
        + "10:00:09 BridgeEnter 100.2 bridge=b1\n10:00:09 BridgeEnter 100.1 bridge=b1\n"
        + "10:00:12 Hangup 100.1",
        "answered, operator",
    ),
    "rejected by us": (
        (
            "10:00:00 Newchannel 100.1 num=081211111111\n"
            "10:00:00 VarSet 100.1 SIAGA_VERDICT=BLOCK\n"
            "10:00:00 VarSet 100.1 SIAGA_REJECTED=reject\n"
            "10:00:00 Hangup 100.1 cause=21"
        ),
        "blocked, rejected",
    ),
    "told BLOCK, but the dialplan let it through to an operator": (
        TALKS.replace("=ALLOW", "=BLOCK") + "10:01:00 Hangup 100.1",
        "answered, operator",
    ),
    "ended, and nobody can say why": (MENU + "10:00:20 Hangup 100.1 cause=38", "unknown, no_evidence"),
}


@pytest.mark.parametrize(("table", "expected"), CALLS.values(), ids=list(CALLS))
def test_outcome(table: str, expected: str) -> None:
    """A call gets the one outcome that its events prove."""
    assert [spelled(finding) for finding in findings(table)] == [expected]


def test_a_menu_that_runs_the_queue_is_no_prank_when_the_queues_events_are_lost() -> None:
    """If Queue() runs in the menu's context and its events are lost, leaving it is not leaving the menu."""
    table = MENU + "10:00:40 HangupRequest 100.1 at=siaga112-ivr,1,1\n10:00:40 Hangup 100.1"
    assert [spelled(finding) for finding in findings(table)] == ["abandoned, after_choice"]


def test_hidden_by_presentation_is_withheld() -> None:
    """A number that the dialplan withdraws is nobody's, even if it was set before."""
    table = MENU.replace(
        "10:00:00  VarSet      100.1  SIAGA_REASON",
        "10:00:00  VarSet  100.1  SIAGA_CALLER=\n10:00:00  VarSet  100.1  SIAGA_REASON",
    )
    (finding,) = findings(table + "10:00:06 HangupRequest 100.1\n10:00:06 Hangup 100.1")
    assert finding.call.caller is None
    assert strike_for(finding, PolicyRules()) is None


def test_a_hidden_number_is_judged_only_by_who_may_and_as_it_arrived() -> None:
    """A hidden number is judged only if the site wants that and the dialplan passes it apart, unchanged."""
    may = replace(DIALPLAN, numbers=NumberPlan(judge_hidden=True))
    for dialplan, apart, judged in (
        (DIALPLAN, ["081211111111"], False),
        (may, [], False),
        (may, ["081299999999"], False),
        (may, [""], False),
        (may, ["081211111111"], True),
    ):
        hidden = "".join(f"10:00:00  VarSet  100.1  SIAGA_HIDDEN={number}\n" for number in apart)
        table = MENU.replace(
            "10:00:00  VarSet      100.1  SIAGA_CALLER=081211111111",
            f"{hidden}10:00:00  VarSet  100.1  SIAGA_CALLER=",
        )
        assert table != MENU
        (finding,) = findings(
            table + "10:00:06 HangupRequest 100.1\n10:00:06 Hangup 100.1", dialplan=dialplan
        )
        assert (finding.call.caller is not None) is judged
        assert (strike_for(finding, PolicyRules()) is not None) is judged


def test_a_number_that_the_dialplan_did_not_confirm_gets_no_strike() -> None:
    """A number that the dialplan did not confirm gets no strike: it may be hidden or forged."""
    table = MENU.replace("SIAGA_CALLER=081211111111", "OTHER=1")
    (finding,) = findings(table + "10:00:06 HangupRequest 100.1\n10:00:06 Hangup 100.1")
    assert spelled(finding) == "ivr_prank, left_menu"
    assert strike_for(finding, PolicyRules()) is None


def test_a_call_whose_beginning_was_lost_is_unknown_and_not_forgotten() -> None:
    """A call without its Newchannel was seen in part: it gets one outcome, `unknown`, and no strike."""
    table = MENU.split("\n", 2)[2] + "10:00:06 HangupRequest 100.1\n10:00:06 Hangup 100.1\n"
    (finding,) = findings(table)
    assert spelled(finding) == "unknown, seen_in_part"
    assert strike_for(finding, PolicyRules()) is None
    assert len(findings(table + "10:00:07 VarSet 100.1 SIAGA_CALLER=08\n10:00:07 Hangup 100.1")) == 1


def test_the_number_is_frozen_at_arrival() -> None:
    """If a number set later differs from the number at arrival, the call has no caller."""
    table = MENU + "10:00:02 VarSet 100.1 SIAGA_CALLER=081299999999\n"
    (finding,) = findings(table + "10:00:06 HangupRequest 100.1\n10:00:06 Hangup 100.1")
    assert finding.call.caller is None


def test_mark_and_stage_times() -> None:
    """A finding has the operator's mark, and the time in each stage in milliseconds of event time."""
    table = TALKS + "10:00:40 SiagaMark 100.1 mark=prank\n10:01:00.250 HangupRequest 100.1\n"
    (finding,) = findings(table + "10:01:00.250 BridgeLeave 100.1 bridge=b1\n10:01:00.300 Hangup 100.1")
    assert finding.mark is Mark.PRANK
    assert finding.verdict is Verdict.ALLOW
    assert finding.queue == "siaga112"
    stages = finding.stages
    assert (stages.ivr, stages.wait, stages.ring, stages.talk) == (5_000, 4_100, 4_100, 50_150)


def test_the_wait_is_that_for_each_phone_that_rang() -> None:
    """If the dialplan rings one phone after another, the caller has waited for all of them."""
    table = ARRIVES + (
        "10:00:01 DialBegin 100.1 leg=100.2 at=direct,112,2\n10:00:03 VarSet 100.1 DIALSTATUS=BUSY\n"
        "10:00:03 DialBegin 100.1 leg=100.3 at=direct,112,3\n10:00:33 VarSet 100.1 DIALSTATUS=NOANSWER\n"
        "10:00:33 DialBegin 100.1 leg=100.4 at=direct,112,4\n"
        "10:00:43 BridgeEnter 100.4 bridge=b1\n10:00:43 BridgeEnter 100.1 bridge=b1\n"
        "10:01:00 BridgeLeave 100.4 bridge=b1\n10:01:00 BridgeLeave 100.1 bridge=b1\n"
        "10:01:00 DialBegin 100.1 leg=100.5 at=direct,112,5\n10:01:09 VarSet 100.1 DIALSTATUS=BUSY\n"
        "10:01:09 DialBegin 100.1 leg=100.6 at=direct,112,6\n10:01:20 Hangup 100.1"
    )
    (finding,) = findings(table)
    assert spelled(finding) == "answered, operator"
    assert finding.stages.waited == 42_000


def test_a_leg_that_the_pbx_makes_is_no_call() -> None:
    """A channel without an extension is no call: the PBX created it."""
    table = "10:00:00 Newchannel 200.1 at=siaga112-incoming,,1\n10:00:09 Hangup 200.1"
    assert findings(table) == []


def test_calls_to_other_numbers_are_not_ours() -> None:
    """If the trunk carries other numbers too, only calls to configured numbers are tracked."""
    ours = Dialplan(frozenset({"siaga112-incoming"}), frozenset({"siaga112-ivr"}), frozenset({"112"}))
    office = MENU.replace("num=", "at=siaga112-incoming,0254200100,1 num=")
    assert settle(events(office + "10:00:09 HangupRequest 100.1\n10:00:09 Hangup 100.1"), ours) == []
    assert len(settle(events(MENU + "10:00:09 HangupRequest 100.1\n10:00:09 Hangup 100.1"), ours)) == 1


def test_a_call_that_arrives_while_we_ask_what_is_going_on_is_seen_whole() -> None:
    """A call first listed as present and then reported from its start is one complete call."""
    table = "09:59:59 Resumed - 100.1=1\n" + MENU + "10:00:09 HangupRequest 100.1\n10:00:09 Hangup 100.1"
    assert [spelled(finding) for finding in findings(table)] == ["ivr_prank, left_menu"]


def test_a_channel_of_another_name_is_another_call() -> None:
    """If a channel of another name has a call's uniqueid after a gap, the call is gone and `unknown`."""
    table = (
        MENU.replace("num=", "chan=PJSIP/trunk-7 num=")
        + "10:00:07 Interrupted lost\n10:00:09 Resumed - 100.1=1\n"
    )
    assert [spelled(finding) for finding in findings(table)] == ["unknown, events_lost"]


def test_a_leg_with_an_extension_is_no_call_either() -> None:
    """A channel that begins `Down` and does nothing is no call, whatever its extension."""
    table = "10:00:00 Newchannel 200.1 state=0 at=siaga112-incoming,s,1\n10:00:09 Hangup 200.1"
    assert findings(table) == []


@pytest.mark.fault("ami_hangups")
def test_a_second_hangup_settles_nothing() -> None:
    """A duplicate Hangup gives no second outcome."""
    assert len(findings(MENU + "10:00:09 Hangup 100.1\n10:00:09 Hangup 100.1\n10:00:09 Hangup 100.1")) == 1


@pytest.mark.fault("ami_reused")
def test_uniqueid_used_again() -> None:
    """A reused uniqueid ends the earlier call as `unknown`."""
    both = findings(
        MENU + ARRIVES.replace("10:00:0", "11:00:0") + "11:00:01 HangupRequest 100.1\n11:00:01 Hangup 100.1"
    )
    assert [spelled(finding) for finding in both] == ["unknown, events_lost", "abandoned, dropped_early"]


def test_after_an_interruption() -> None:
    """A call that is gone after a gap is `unknown`, a new one is seen in part, and neither costs a strike."""
    table = MENU + "10:00:07 Interrupted lost\n10:00:09 Resumed - 100.5=1\n"
    table += "10:00:20 Newexten 100.5 app=WaitExten at=siaga112-ivr,s,6\n"
    table += "10:00:30 HangupRequest 100.5\n10:00:30 Hangup 100.5"
    gone, adopted = findings(table)
    assert spelled(gone) == "unknown, events_lost"
    assert spelled(adopted) == "unknown, seen_in_part"
    assert [strike_for(finding, PolicyRules()) for finding in (gone, adopted)] == [None, None]


def test_tracker_is_empty_when_all_is_over() -> None:
    """When every leg has ended, the tracker keeps nothing."""
    tracker = Tracker(in_force(DIALPLAN))
    for event in events(TALKS + "10:01:00 Hangup 100.2\n10:01:00 Hangup 100.1"):
        tracker.feed(event)
    assert tracker.idle


def test_a_flood_of_facts_makes_a_call_unknown_and_stays_bounded() -> None:
    """A call with endless facts keeps a bounded number of them and becomes `unknown`."""
    flood = "\n".join("10:00:02 VarSet 100.1 SIAGA_VERDICT=ALLOW" for _ in range(5_000))
    (finding,) = findings(MENU + flood + "\n10:00:06 HangupRequest 100.1\n10:00:06 Hangup 100.1")
    assert spelled(finding) == "unknown, events_lost"
    assert len(finding.call.facts) < 300


def test_contexts_are_the_admins_own() -> None:
    """The outcome does not depend on the context names of our sample dialplan."""
    theirs = Dialplan(frozenset({"from-pstn"}), frozenset({"ivr-1"}))
    table = MENU.replace("num=", "at=from-pstn,112,1 num=").replace("siaga112-ivr", "ivr-1")
    (finding,) = settle(events(table + "10:00:09 HangupRequest 100.1\n10:00:09 Hangup 100.1"), theirs)
    assert spelled(finding) == "ivr_prank, left_menu"


def test_a_menu_that_speaks_by_execif_and_ends_in_a_context_that_only_hangs_up() -> None:
    """A call that goes from the menu's `i` to a context that only hangs up was ended by a wrong choice."""
    freepbx = Dialplan(
        frozenset({"siaga112-incoming"}),
        frozenset({"siaga112-ivr"}),
        hangup_contexts=frozenset({"app-blackhole"}),
    )
    wrong = (
        MENU
        + "10:00:06 Newexten 100.1 app=Playback at=siaga112-ivr,i,1\n"
        + "10:00:08 Newexten 100.1 app=Goto to=app-blackhole at=siaga112-ivr,i,2\n"
        + "10:00:09 Hangup 100.1 at=app-blackhole,hangup,1\n"
    )
    assert [spelled(f) for f in settle(events(wrong), freepbx)] == ["ivr_prank, invalid_choice"]
    assert [spelled(f) for f in settle(events(wrong))] == ["unknown, no_evidence"]
    led_elsewhere = wrong.replace("to=app-blackhole", "to=somewhere")
    assert [spelled(f) for f in settle(events(led_elsewhere), freepbx)] == ["unknown, no_evidence"]


def test_the_queues_tell_of_a_caller_whose_joining_was_lost() -> None:
    """After a gap, a caller in the PBX's list of the queue counts as waiting; the call stays `unknown`."""
    table = MENU + "10:00:07 Interrupted lost\n10:00:09 Resumed - 100.1=1\n10:00:09 Queues - 100.1=siaga112\n"
    tracker = Tracker(in_force(DIALPLAN))
    for event in events(table):
        assert not tracker.feed(event)
    assert list(tracker.waiting()) == ["siaga112"]
    (finding,) = findings(table + "10:00:12 HangupRequest 100.1\n10:00:12 Hangup 100.1")
    assert spelled(finding) == "unknown, events_lost"


def test_the_queues_tell_nothing_new_of_a_call_that_was_seen_whole() -> None:
    """The PBX's list of the queue, which may be a little older, does not override a call's events."""
    (finding,) = findings(
        MENU + "10:00:05 Queues - 100.1=siaga112\n10:00:06 HangupRequest 100.1\n10:00:06 Hangup 100.1"
    )
    assert spelled(finding) == "ivr_prank, left_menu"
