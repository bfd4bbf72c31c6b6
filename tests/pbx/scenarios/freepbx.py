"""A centre with contexts as FreePBX writes them: its menus, and what they lead to.

As on a real FreePBX 16 and 17: a menu collects further digits after a valid key; a key may lead to an
announcement and back; a queue plays an announcement before the caller joins it; an extension that is called
directly runs no `membergosub`.
"""

from functools import partial
from typing import Final

from tests.pbx.scenarios.scenario import Centre, Play, Scenario
from tests.pbx.scenarios.stage import Stage

FREEPBX: Final = Centre(
    "freepbx-forms",
    "from-trunk-pjsip-telkom",
    frozenset({"ivr-11", "ivr-12", "ivr-13"}),
    """
[from-trunk-pjsip-telkom]
include => from-pstn-custom-lab
include => ext-did-telkom
[from-pstn-custom-lab]
exten => 112,1,Gosub(siaga112-screen,s,1)
 same => n,Goto(ext-did-telkom,${EXTEN},1)
[ext-did-telkom]
exten => 112,1,Answer()
 same => n,Set(__FROM_DID=${EXTEN})
 same => n,Goto(${SERVE},s,1)

; WaitExten: 17 writes "1#" beside "1", so that it waits for more after a key.
[ivr-11]
exten => s,1,Set(INVALID_LOOPCOUNT=0)
 same => n,Set(TIMEOUT_LOOPCOUNT=0)
 same => n,Set(TIMEOUT(digit)=3)
 same => n(start),Background(siaga112/goodbye)
 same => n,WaitExten(2,)
exten => 1,1(ivrsel-1),Goto(ext-queues,601,1)
exten => 1#,1,Goto(1,ivrsel-1)
exten => 2,1(ivrsel-2),Goto(app-announcement-1,s,1)
exten => 2#,1,Goto(2,ivrsel-2)
exten => 3,1(ivrsel-3),Goto(from-did-direct,101,1)
exten => i,1,Set(INVALID_LOOPCOUNT=$[${INVALID_LOOPCOUNT}+1])
 same => n,GotoIf($[${INVALID_LOOPCOUNT} > 2]?final)
 same => n,Goto(s,start)
 same => n(final),Playback(siaga112/goodbye)
 same => n,Goto(app-blackhole,hangup,1)
exten => t,1,Set(TIMEOUT_LOOPCOUNT=$[${TIMEOUT_LOOPCOUNT}+1])
 same => n,GotoIf($[${TIMEOUT_LOOPCOUNT} > 1]?final)
 same => n,Goto(s,start)
 same => n(final),Playback(siaga112/goodbye)
 same => n,Goto(app-blackhole,hangup,1)
exten => return,1,Goto(s,start)
exten => h,1,Hangup()

; Read: it collects until "#" or until nothing comes for a while.
[ivr-12]
exten => s,1(start),Read(IVREXT,siaga112/goodbye,,,0,4)
 same => n,GotoIf($["${IVREXT}" = ""]?t,1)
 same => n,GotoIf(${DIALPLAN_EXISTS(ivr-12,${IVREXT},1)}?ivr-12,${IVREXT},1:i,1)
exten => 1,1(ivrsel-1),Goto(ext-queues,601,1)
exten => i,1,Goto(s,start)
exten => t,1,Goto(app-blackhole,hangup,1)
exten => h,1,Hangup()

; Read, a digit at a time.
[ivr-13]
exten => s,1(start),Set(IVREXT=)
 same => n,Read(DIGIT,siaga112/goodbye,1,,0,4)
 same => n,GotoIf($["${DIGIT}" = ""]?t,1)
 same => n(more),Set(IVREXT=${IVREXT}${DIGIT})
 same => n,Read(DIGIT,,1,,0,4)
 same => n,GotoIf($["${DIGIT}" != ""]?more)
 same => n,GotoIf(${DIALPLAN_EXISTS(ivr-13,${IVREXT},1)}?ivr-13,${IVREXT},1:i,1)
exten => 1,1(ivrsel-1),Goto(ext-queues,601,1)
exten => i,1,Goto(s,start)
exten => t,1,Goto(app-blackhole,hangup,1)
exten => h,1,Hangup()

[app-announcement-1]
exten => s,1(begin),NoOp(Playing announcement)
 same => n(play),Playback(siaga112/menu,noanswer)
 same => n,Goto(ivr-11,return,1)

[ext-queues]
exten => 601,1,Set(__NODEST=)
 same => n,Answer()
 same => n,Playback(siaga112/menu,)
 same => n(qcall),Queue(601,tr,,,30)
 same => n,Goto(app-blackhole,hangup,1)
exten => h,1,Hangup()

[from-queue]
exten => 101,1,Goto(from-did-direct,101,1)
[from-did-direct]
exten => 101,1,Dial(PJSIP/101,30,Ttr)
 same => n,Busy(20)
""",
    hangup_contexts=frozenset({"app-blackhole"}),
    queues=frozenset({"601"}),
)
"""The trunk leads to the menu that the global SERVE names; `enter` sets it."""

MEMBER: Final = {"601": "membergosub=siaga112-operator\nmember => Local/101@from-queue/n,0,Siti,PJSIP/101"}

LEFT_MENU: Final = "ivr_prank left_menu"
CHOOSING: Final = "abandoned left_choosing"
AFTER_CHOICE: Final = "abandoned after_choice"


async def enter(stage: Stage, menu: str) -> None:
    """Have the trunk lead to this menu."""
    await stage.seen.set_global("SERVE", menu)


async def left_choosing(stage: Stage, menu: str) -> None:
    """Press a valid key, and hang up while the PBX waits for more digits."""
    await enter(stage, menu)
    call = await stage.call(presses="1", turns=1)
    await call.until("DTMFEnd", Direction="Received")
    await call.call.hang_up()
    assert not [e for e in stage.seen.events[stage.since :] if e.name == "QueueCallerJoin"]


async def left_before_key(stage: Stage, menu: str) -> None:
    """Listen to the menu for a while, press nothing, and hang up."""
    await enter(stage, menu)
    call = await stage.call()
    await call.until("Newexten", Context=menu, Application="Read" if menu != "ivr-11" else "BackGround")
    await stage.never(call, "Hangup", within=1.3)
    await call.call.hang_up()


async def announcement(stage: Stage, *, back: bool) -> None:
    """Choose an announcement; hang up in it, or back in the menu."""
    await enter(stage, "ivr-11")
    call = await stage.call(presses="2", turns=1)
    await call.until("Newexten", Context="app-announcement-1", Application="Playback")
    if back:
        await call.until("Newexten", Context="ivr-11", Extension="return")
        await stage.nth(2, call, "Newexten", Context="ivr-11", Application="BackGround")
        await stage.never(call, "Hangup", within=1.3)
    else:
        await stage.never(call, "Hangup", within=1.2)
    await call.call.hang_up()


async def before_the_queue(stage: Stage) -> None:
    """Choose the queue, and hang up during its announcement, before joining it."""
    await enter(stage, "ivr-11")
    call = await stage.call(presses="1#", turns=1)
    await call.until("Newexten", Context="ext-queues", Application="Playback")
    await stage.never(call, "QueueCallerJoin", within=0.7)
    await call.call.hang_up()


async def silence(stage: Stage) -> None:
    """Press nothing until the PBX ends the call."""
    await enter(stage, "ivr-11")
    call = await stage.call()
    await call.call.ended(timeout=40)


async def member_answers(stage: Stage) -> None:
    """A member behind a Local channel answers; the caller hangs up."""
    await enter(stage, "ivr-11")
    call = await stage.call(presses="1#", turns=1)
    leg = await stage.phones["101"].ringing()
    await leg.answer()
    await stage.bridged("PJSIP/101-")
    await call.until("BridgeEnter")
    await call.call.hang_up()
    await leg.ended()


async def direct_extension_marked(stage: Stage) -> None:
    """An extension that was called directly answers, hangs up and marks the call by dialling *72."""
    await enter(stage, "ivr-11")
    call = await stage.call(presses="3", turns=1)
    leg = await stage.phones["101"].ringing()
    await leg.answer()
    await stage.bridged("PJSIP/101-")
    await leg.hang_up()
    await call.call.ended(timeout=40)
    later = stage.phones["101"].call("*72")
    await stage.event(lambda e: e.name == "UserEvent" and e["UserEvent"] == "SiagaMark")
    await later.ended()


def _scenario(name: str, what: str, play: Play, expect: str) -> Scenario:
    return Scenario(f"freepbx_{name}", what, (expect,), play, FREEPBX, queues=MEMBER)


FORMS: Final = {"ivr-11": "WaitExten", "ivr-12": "Read", "ivr-13": "Read, digit by digit"}

SCENARIOS = (
    *(
        _scenario(f"{form.lower().partition(',')[0]}{'_digits' if ',' in form else ''}_left_choosing",
                  f"A menu by {form}: the caller presses a valid key, and hangs up while it waits for more.",
                  partial(left_choosing, menu=menu), CHOOSING)
        for menu, form in FORMS.items()
    ),
    *(
        _scenario(f"{form.lower().partition(',')[0]}{'_digits' if ',' in form else ''}_left_before_key",
                  f"A menu by {form}: the caller presses nothing and hangs up.",
                  partial(left_before_key, menu=menu), LEFT_MENU)
        for menu, form in FORMS.items()
    ),
    _scenario("announcement_left", "A key leads to an announcement; the caller hangs up in it.",
              partial(announcement, back=False), AFTER_CHOICE),
    _scenario("announcement_returned", "A key leads to an announcement and back; there the caller hangs up.",
              partial(announcement, back=True), AFTER_CHOICE),
    _scenario("queue_announcement_left", "The queue says something before it is joined; the caller hangs up.",
              before_the_queue, "abandoned before_queue"),
    _scenario("ended_after_silence", "The menu ends the call of a caller who presses nothing.",
              silence, "ivr_prank no_choice"),
    _scenario("member_answers", "A queue's member behind a Local channel answers.",
              member_answers, "answered operator"),
    _scenario("direct_extension_marked", "A menu's key calls an extension; it marks the call after the end.",
              direct_extension_marked, "answered operator"),
)  # fmt: skip
