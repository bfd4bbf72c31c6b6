"""Calls that go on through a Local channel: its Answer() connects nobody; what counts is behind it.

Also what only looks like a caller or a menu: an operator's own call to another queue, an AGI's tape.
"""

import contextlib
from typing import Any, Final

from tests.lab.day import Witnessed
from tests.pbx.scenarios.queue import (
    caller_ends,
    caller_leaves_phone,
    phone_ends,
    wait_it_out,
)
from tests.pbx.scenarios.scenario import ANSWERS, NEVER_ANSWERS, Centre, Play, Scenario
from tests.pbx.scenarios.stage import Stage
from tests.pbx.scenarios.talk import talking
from tests.waiting import within

LEFT_QUEUE: Final = "abandoned left_queue"
ANSWERED: Final = "answered operator"
TIMEOUT: Final = "unserved queue_timeout"
NO_EVIDENCE: Final = "unknown no_evidence"
PHONE: Final = "PJSIP/101"

CENTRE: Final = Centre(
    "behind",
    "from-behind",
    frozenset({"first-menu"}),
    """
[from-behind]
exten => 112,1,Gosub(siaga112-screen,s,1)
 same => n,Goto(first-menu,s,1)
[first-menu]
exten => s,1,Answer()
 same => n,Background(siaga112/goodbye)
 same => n,WaitExten(10)
exten => 1,1,Goto(serve,${SERVE},1)
exten => tape,1,AGI(tape.agi)
 same => n,Hangup()

; What stands behind the Local channels: a queue, a menu, a phone, a further Local channel.
[behind]
exten => _queue-.,1,Answer()
 same => n,Queue(${EXTEN:6},r,,,30)
 same => n,Hangup()
exten => _brief-.,1,Answer()
 same => n,Queue(${EXTEN:6},r,,,1)
 same => n,Playback(siaga112/no-operator)
 same => n,Hangup()
exten => _early-.,1,Queue(${EXTEN:6},r,,,30)
 same => n,Hangup()
exten => menu,1,Goto(second-menu,s,1)
exten => _via-.,1,Dial(Local/${EXTEN:4}@behind/n,30)
exten => 101,1,Dial(PJSIP/101,30)
[second-menu]
exten => s,1,Answer()
 same => n,Background(siaga112/goodbye)
 same => n,WaitExten(10)
exten => 1,1,Dial(PJSIP/101,30)
exten => 2,1,Dial(PJSIP/101,1)
 same => n,Playback(siaga112/no-operator)
 same => n,Hangup()
""",
)
"""A centre that passes callers on through Local channels."""


async def _waits(stage: Stage) -> Witnessed:
    """Wait in a queue behind the Local channel, longer than an early drop takes."""
    call = await stage.call(presses="1")
    await stage.event(lambda e: e.name == "QueueCallerJoin" and e["Channel"].startswith("Local/"))
    await stage.never(call, "Hangup", within=1.1)
    return call


async def leave_queue(stage: Stage) -> None:
    """Wait in the queue behind the Local channel, and hang up."""
    call = await _waits(stage)
    await call.call.hang_up()


async def _in_second_menu(stage: Stage) -> Witnessed:
    """Hear the menu behind the Local channel, longer than an early drop takes."""
    call = await stage.call(presses="1")
    await call.until("BridgeEnter")
    await stage.never(call, "Hangup", within=1.1)
    return call


async def leave_second_menu(stage: Stage) -> None:
    """Hang up in the menu behind the Local channel."""
    call = await _in_second_menu(stage)
    await call.call.hang_up()


async def press(stage: Stage, key: str) -> Witnessed:
    """Press a key in the menu behind the Local channel."""
    call = await _in_second_menu(stage)
    channel = stage.channel_like("PJSIP/trunk-behind")
    await stage.do("PlayDTMF", Channel=channel, Digit=key, Duration="100", Receive="true")
    return call


async def press_and_talk(stage: Stage) -> None:
    """Press 1 in the menu behind the Local channel; the operator answers, and hangs up."""
    call = await press(stage, "1")
    leg = await stage.phones["101"].ringing()
    await leg.answer()
    await stage.bridged()
    await leg.hang_up()
    await call.call.ended()


async def press_in_vain(stage: Stage) -> None:
    """Press 2 in the menu behind the Local channel; nobody answers the phone that rings."""
    call = await press(stage, "2")
    await call.call.ended(timeout=30)


async def back_in_menu(stage: Stage) -> None:
    """The phone is unreachable; the dialplan returns to the menu, where the caller hangs up."""
    call = await stage.call(presses="1")
    await stage.nth(2, call, "Newexten", Application="BackGround", Context="first-menu")
    await stage.never(call, "Hangup", within=0.3)
    await call.call.hang_up()


async def followed(stage: Stage) -> None:
    """FollowMe() finds the operator, who accepts the call and hangs up."""
    call = await stage.call(presses="1")
    leg = await stage.phones["101"].ringing()
    await leg.answer()
    await stage.event(lambda e: e.name == "Newchannel" and e["Channel"].startswith("PJSIP/101-"))
    channel = stage.channel_like("PJSIP/101-")
    for _ in range(10):  # until FollowMe() asks, which it does after a prompt of its own
        await stage.do("PlayDTMF", Channel=channel, Digit="1", Duration="100", Receive="true")
        with contextlib.suppress(AssertionError):
            await stage.never(call, "BridgeEnter", within=1)
            continue
        break
    await leg.hang_up()
    await call.call.ended()


async def member_answers(stage: Stage) -> None:
    """The queue connects a member that is a Local channel too; the caller hangs up."""
    call = await stage.call(presses="1")
    await stage.bridged("Local/answer@")
    await call.call.hang_up()


async def consulting_a_queue(stage: Stage) -> None:
    """The operator first calls another queue, then connects the caller with the expert who answers there."""
    call, leg = await talking(stage)
    await leg.hold()
    await call.until("MusicOnHoldStart")
    consult = stage.phones["101"].call("experts")
    expert = await stage.phones["102"].ringing()
    await expert.answer()
    async with within(30, "the expert's answer"):
        await consult.answered.wait()
    await stage.bridged("PJSIP/102-")
    leg.join(consult)
    await stage.event(lambda e: e.name == "AttendedTransfer")
    await leg.ended()
    await call.call.hang_up()
    await expert.ended()


async def leave_tape(stage: Stage) -> None:
    """An AGI has asked with Read(), and plays a tape; the caller hangs up."""
    call = await stage.call(presses="1")
    await stage.event(lambda e: e.name == "AGIExecStart" and e["Command"].startswith("STREAM FILE"))
    await stage.never(call, "Hangup", within=1.1)
    await call.call.hang_up()


def _behind(name: str, what: str, expect: str, play: Play, *serve: str, **more: Any) -> Scenario:
    return Scenario(name, what, (expect,), play, CENTRE, serve, **more)


def _queue(name: str, member: str = NEVER_ANSWERS) -> dict[str, Any]:
    return {"queues": {name: f"member => {member}\n"}}


SCENARIOS = (
    _behind("behind_queue_left", "Dial() leads by a Local channel (/n) into a queue; the caller leaves.",
            LEFT_QUEUE, leave_queue, "Dial(Local/queue-b1@behind/n,60)", **_queue("b1")),
    _behind("behind_queue_left_plain", "The same with a Local channel that Asterisk may take out.",
            LEFT_QUEUE, leave_queue, "Dial(Local/queue-b2@behind,60)", **_queue("b2")),
    _behind("behind_queue_answered", "An operator of the queue behind the Local channel (/n) answers.",
            ANSWERED, caller_ends, "Dial(Local/queue-b3@behind/n,60)", **_queue("b3", PHONE)),
    _behind("behind_queue_answered_plain", "The same with a Local channel that Asterisk takes out.",
            ANSWERED, phone_ends, "Dial(Local/queue-b4@behind,60)", **_queue("b4", PHONE)),
    _behind("behind_queue_member_answers", "A member that is a Local channel too answers.",
            ANSWERED, member_answers, "Dial(Local/queue-b5@behind/n,60)", **_queue("b5", ANSWERS)),
    _behind("behind_queue_timeout", "The queue behind the Local channel gives up, and the PBX says so.",
            TIMEOUT, wait_it_out, "Dial(Local/brief-b6@behind/n,60)", "Hangup()", **_queue("b6")),
    _behind("behind_queue_unanswered_left", "The queue is entered without Answer(); the caller hangs up.",
            LEFT_QUEUE, leave_queue, "Dial(Local/early-b7@behind/n,60)", **_queue("b7")),
    _behind("behind_two_left", "A Local channel leads to another one, and that into a queue.",
            LEFT_QUEUE, leave_queue, "Dial(Local/via-queue-b8@behind/n,60)", **_queue("b8")),
    _behind("behind_two_answered", "A Local channel leads to another one, and that to a phone.",
            ANSWERED, caller_ends, "Dial(Local/via-101@behind/n,60)"),
    _behind("behind_left_ringing", "A phone behind a Local channel rings; the caller hangs up.",
            "abandoned left_ringing", caller_leaves_phone, "Dial(Local/101@behind/n,60)"),
    _behind("behind_menu_left", "Dial() leads by a Local channel (/n) into a menu; the caller leaves.",
            NO_EVIDENCE, leave_second_menu, "Dial(Local/menu@behind/n,60)"),
    _behind("behind_menu_left_plain", "The same with a Local channel that Asterisk may take out.",
            NO_EVIDENCE, leave_second_menu, "Dial(Local/menu@behind,60)"),
    _behind("behind_menu_to_operator", "A key in the menu behind the Local channel leads to an operator.",
            ANSWERED, press_and_talk, "Dial(Local/menu@behind/n,60)"),
    _behind("behind_menu_to_operator_plain", "The same with a Local channel that Asterisk takes out.",
            ANSWERED, press_and_talk, "Dial(Local/menu@behind,60)"),
    _behind("behind_menu_no_answer", "A key in the menu behind the Local channel rings a phone in vain.",
            "unserved no_answer", press_in_vain, "Dial(Local/menu@behind/n,60)", "Hangup()"),
    _behind("behind_member_left", "A queue's member leads into another queue; the caller hangs up there.",
            LEFT_QUEUE, leave_queue, "Queue(b9,r)",
            queues={"b9": "member => Local/queue-b10@behind/n\n", "b10": f"member => {NEVER_ANSWERS}\n"}),
    _behind("behind_member_answered", "A queue's member leads into another queue, where an operator answers.",
            ANSWERED, caller_ends, "Queue(b11,r)",
            queues={"b11": "member => Local/queue-b12@behind/n\n", "b12": f"member => {PHONE}\n"}),
    _behind("followme_answered", "FollowMe() finds one.", ANSWERED, followed, "FollowMe(operator,n)"),
    _behind("followme_left", "FollowMe() rings the operator; the caller hangs up.",
            "abandoned left_ringing", caller_leaves_phone, "FollowMe(operator,n)"),
    _behind("unreachable_back_in_menu", "No phone is registered; the caller hangs up when asked again.",
            "unserved congestion", back_in_menu, "Dial(PJSIP/unregistered,30)", "Goto(first-menu,s,1)"),
    _behind("tape_left", "In the menu an AGI asks with Read(), then plays a tape; the caller hangs up.",
            NO_EVIDENCE, leave_tape, "Goto(first-menu,tape,1)"),
    Scenario("transfer_by_queue", "The operator asks in another queue, and connects the caller there.",
             (ANSWERED,), consulting_a_queue, operators=(PHONE,),
             queues={"experts": "member => PJSIP/102\n"}),
)  # fmt: skip
