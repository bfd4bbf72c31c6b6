"""Centres that call their operators with Dial(), without any queue."""

from tests.pbx.scenarios.queue import (
    caller_ends,
    caller_leaves_phone,
    leave_during_gosub,
    none_of_three,
    one_of_three,
    phone_ends,
    wait_it_out,
)
from tests.pbx.scenarios.scenario import Centre, Scenario
from tests.pbx.scenarios.stage import Stage

LEFT = "abandoned left_ringing"
ANSWERED = "answered operator"
PHONE = "PJSIP/101"
THREE = "PJSIP/101&PJSIP/102&PJSIP/103"

DIRECT = Centre(
    "direct",
    "from-direct",
    frozenset({"no-menu"}),
    """
[from-direct]
exten => 112,1,Gosub(siaga112-screen,s,1)
 same => n,Dial(PJSIP/101,30)
 same => n,Hangup()
""",
)
"""A centre without a menu: the trunk leads to the operator's phone."""


async def refused(stage: Stage) -> None:
    """The operator refuses the call."""
    call = await stage.call(presses="1")
    (await stage.phones["101"].ringing()).refuse()
    await call.call.ended()


async def second_try_answered(stage: Stage) -> None:
    """The operator refuses; the dialplan tries the queue, where somebody answers."""
    call = await stage.call(presses="1")
    (await stage.phones["101"].ringing()).refuse()
    await call.until("BridgeEnter")
    await call.call.hang_up()


async def second_try_left(stage: Stage) -> None:
    """The operator refuses; the dialplan tries the next, and the caller hangs up."""
    call = await stage.call(presses="1")
    (await stage.phones["101"].ringing()).refuse()
    leg = await stage.phones["102"].ringing()
    await call.call.hang_up()
    await leg.ended()


async def answered_during_announcement(stage: Stage) -> None:
    """Hang up after the operator has picked up, during the announcement that only the operator hears."""
    call = await stage.call(presses="1")
    leg = await stage.phones["101"].ringing()
    await leg.answer()
    await stage.never(call, "BridgeEnter", within=0.5)
    await call.call.hang_up()
    await leg.ended()


async def told_and_left(stage: Stage) -> None:
    """Hang up during the announcement that nobody is free."""
    call = await stage.call(presses="1")
    await call.until("Newexten", Application="Playback", AppData="siaga112/no-operator")
    await call.call.hang_up()


SCENARIOS = (
    Scenario("dial_answered", "The operator answers; the caller hangs up.",
             (ANSWERED,), caller_ends, serve=(f"Dial({PHONE},30)",)),
    Scenario("dial_ended_by_operator", "The operator answers and hangs up.",
             (ANSWERED,), phone_ends, serve=(f"Dial({PHONE},30)",)),
    Scenario("dial_left_ringing", "The operator's phone rings; the caller hangs up.",
             (LEFT,), caller_leaves_phone, serve=(f"Dial({PHONE},30)",)),
    Scenario("dial_no_answer", "The operator's phone rings in vain.",
             ("unserved no_answer",), wait_it_out, serve=(f"Dial({PHONE},1)", "Hangup()")),
    Scenario("dial_no_answer_then_left",
             "The operator's phone rings in vain; the caller hangs up during the apology.",
             ("unserved no_answer",), told_and_left,
             serve=(f"Dial({PHONE},1)", "Playback(siaga112/no-operator)", "Hangup()")),
    Scenario("dial_refused", "The operator refuses the call.",
             ("unserved operators_busy",), refused, serve=(f"Dial({PHONE},30)", "Hangup()")),
    Scenario("dial_congestion", "The way to the operator is congested.",
             ("unserved congestion",), wait_it_out, serve=("Dial(Local/congested@phones/n,30)", "Hangup()")),
    Scenario("dial_unreachable", "The operator's phone is not registered.",
             ("unserved congestion",), wait_it_out, serve=("Dial(PJSIP/unregistered,30)", "Hangup()")),
    Scenario("dial_then_queue", "The operator refuses; the dialplan tries the queue, which answers.",
             (ANSWERED,), second_try_answered, serve=(f"Dial({PHONE},30)", "Queue(siaga112,r)")),
    Scenario("dial_second_left",
             "The first operator refuses; the caller hangs up while the second one's phone "
             "rings.", ("unserved operators_busy",), second_try_left,
             serve=(f"Dial({PHONE},30)", "Dial(PJSIP/102,30)")),
    Scenario("dial_three_one_answers", "Three phones ring at once, one answers.",
             (ANSWERED,), one_of_three, serve=(f"Dial({THREE},30)",)),
    Scenario("dial_three_none_answers", "Three phones ring at once; the caller hangs up.",
             (LEFT,), none_of_three, serve=(f"Dial({THREE},30)",)),
    Scenario("dial_local", "Dial() calls a Local channel that calls the phone.",
             (ANSWERED,), phone_ends, serve=("Dial(Local/101@phones,30)",)),
    Scenario("dial_local_n", "Dial() calls a Local channel (/n) that calls the phone.",
             (ANSWERED,), caller_ends, serve=("Dial(Local/101@phones/n,30)",)),
    Scenario("dial_left_before_connect", "The operator has picked up, Dial() has not connected them yet, "
             "the caller hangs up.", (LEFT,), leave_during_gosub,
             serve=("Dial(Local/answer@operators/n,30,U(slow-operator))",)),
    Scenario("dial_left_during_announcement",
             "The caller hangs up while the operator hears the announcement.",
             (LEFT,), answered_during_announcement, serve=(f"Dial({PHONE},30,A(siaga112/notice))",)),
    Scenario("dial_marked_keys", "The operator's leg has the keys that mark a call.",
             (ANSWERED,), caller_ends, serve=(f"Dial({PHONE},30,U(siaga112-operator))",)),
    Scenario("no_menu_answered", "A centre without a menu: the operator answers.",
             (ANSWERED,), phone_ends, DIRECT),
    Scenario("no_menu_left", "A centre without a menu: the caller hangs up while the phone rings.",
             (LEFT,), caller_leaves_phone, DIRECT),
    Scenario("no_menu_refused", "A centre without a menu: the operator refuses.",
             ("unserved operators_busy",), refused, DIRECT),
)  # fmt: skip
