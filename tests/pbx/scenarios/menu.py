"""Calls that end in the menu, or before it."""

from tests.pbx.scenarios.scenario import SIMPLE, Scenario
from tests.pbx.scenarios.stage import Stage

LONGEST_KEY_SECONDS = 8
"""A telephone event's duration has 16 bits, of 8,000 a second (RFC 4733)."""

LEFT_MENU = "ivr_prank left_menu"


async def at_the_question(stage: Stage) -> None:
    """Listen to the prompt to its end, then hang up."""
    call = await stage.call()
    await call.until("Newexten", Application="WaitExten")
    await call.call.hang_up()


async def during_the_prompt(stage: Stage, **speaking: str) -> None:
    """Hang up while the menu is still speaking (its prompt lasts over 3 s), but not at once."""
    call = await stage.call()
    await call.until("Newexten", **(speaking or {"Application": "BackGround"}))
    await stage.never(call, "Newexten", Application="WaitExten", within=1.2)
    await call.call.hang_up()


async def at_once(stage: Stage) -> None:
    """Hang up in the first moment of the menu."""
    call = await stage.call()
    await call.until("Newexten", Application="BackGround")
    await call.call.hang_up()


async def with_a_key_down(stage: Stage) -> None:
    """Hang up while the key is down: the PBX has seen only its beginning."""
    call = await stage.call(presses="1", key_seconds=LONGEST_KEY_SECONDS, turns=1)
    await call.until("DTMFBegin")
    await call.until("Newexten", Application="WaitExten")
    await call.call.hang_up()
    assert not [e for e in stage.seen.events[stage.since :] if e.name == "QueueCallerJoin"]


async def after_a_wrong_key(stage: Stage) -> None:
    """Press a key that means nothing, twice, and hang up when asked again."""
    call = await stage.call(presses="9")
    await stage.nth(3, call, "Newexten", Application="BackGround")
    await call.call.hang_up()


async def during_goodbye(stage: Stage) -> None:
    """Press nonsense until the menu says goodbye, and hang up while it does."""
    call = await stage.call(presses="9")
    await call.until("Newexten", Extension="i", Application="Playback")
    await call.call.hang_up()


async def nonsense(stage: Stage) -> None:
    """Press nonsense until the PBX ends the call."""
    call = await stage.call(presses="9")
    await call.call.ended(timeout=30)


async def silence(stage: Stage) -> None:
    """Press nothing until the PBX ends the call."""
    call = await stage.call()
    await call.call.ended(timeout=30)


async def silence_then_talk(stage: Stage) -> None:
    """Press nothing; talk to the operator who then answers."""
    call = await stage.call()
    await call.until("BridgeEnter")
    await call.call.hang_up()


async def silence_then_leave(stage: Stage) -> None:
    """Press nothing; hang up while an operator's phone rings."""
    call = await stage.call()
    await call.until("DialBegin")
    await call.call.hang_up()


SCENARIOS = (
    Scenario("menu_left_at_once", "The caller hangs up in the menu's first moment.",
             ("abandoned dropped_early",), at_once),
    Scenario("menu_left_at_once_after_our_silence",
             "The daemon is frozen: our question takes 2 s. The caller hangs up in the menu's first moment.",
             ("abandoned dropped_early",), at_once, screening=None),
    Scenario("menu_left_during_prompt", "The caller hangs up while the menu speaks.",
             (LEFT_MENU,), during_the_prompt),
    Scenario("menu_left_before_key", "The caller hears the menu out, presses nothing and hangs up.",
             (LEFT_MENU,), at_the_question),
    Scenario("menu_left_with_key_down", "The caller hangs up while holding a key down.",
             ("abandoned left_choosing",), with_a_key_down),
    Scenario("menu_left_after_wrong_key", "The caller presses two wrong keys, is asked again and hangs up.",
             (LEFT_MENU,), after_a_wrong_key),
    Scenario("menu_left_during_goodbye", "Three wrong keys; the caller hangs up during the goodbye.",
             (LEFT_MENU,), during_goodbye),
    Scenario("menu_ends_after_wrong_keys", "Three wrong keys; the menu says goodbye and ends the call.",
             ("ivr_prank invalid_choice",), nonsense),
    Scenario("menu_ends_after_wrong_key", "Another centre's menu ends the call at the first wrong key.",
             ("ivr_prank invalid_choice",), nonsense, SIMPLE),
    Scenario("menu_ends_after_silence",
             "Another centre's menu ends the call of a caller who presses nothing.",
             ("ivr_prank no_choice",), silence, SIMPLE),
    Scenario("silence_reaches_operator", "A caller who presses nothing is led to an operator, who answers.",
             ("answered operator",), silence_then_talk),
    Scenario("silence_left_ringing", "A caller who presses nothing is led to the queue, and hangs up there.",
             ("abandoned left_queue",), silence_then_leave),
)  # fmt: skip
