"""Trunks of other channel drivers than PJSIP: chan_sip (only on Asterisk 16) and IAX2.

A new incoming channel of chan_sip is `Down`, like an outgoing one; one of IAX2 is ringing.
"""

from typing import Final

from tests.lab import Version
from tests.lab.agi_stub import BLOCK_AND_REJECT
from tests.pbx.scenarios.menu import at_the_question
from tests.pbx.scenarios.queue import leave_when_ringing, talk_and_leave
from tests.pbx.scenarios.scenario import NEVER_ANSWERS, Centre, Scenario
from tests.pbx.scenarios.stage import CALLER, Stage

TEXT: Final = """
[from-{name}]
exten => 112,1,Gosub(siaga112-screen,s,1)
 same => n,Goto(menu-of-{name},s,1)
exten => unscreened,1,Dial({operator},30)
[menu-of-{name}]
exten => s,1,Answer()
 same => n,Background(siaga112/goodbye)
 same => n,WaitExten(10)
exten => 1,1,Goto(serve,${{SERVE}},1)
"""


def _centre(name: str, driver: str, operator: str) -> Centre:
    return Centre(
        name, f"from-{name}", frozenset({f"menu-of-{name}"}),
        TEXT.format(name=name, operator=operator), driver=driver,
    )  # fmt: skip


SIP: Final = _centre("chan-sip", "SIP", "SIP/sip-operator")
IAX2: Final = _centre("iax", "IAX2", "PJSIP/101")

LEFT_MENU: Final = "ivr_prank left_menu"
ANSWERED: Final = "answered operator"
QUEUE: Final = ("Queue(siaga112,r)",)


async def blocked(stage: Stage) -> None:
    """Be rejected."""
    call = await stage.call()
    await call.call.ended()


async def to_sip_operator(stage: Stage) -> None:
    """Talk to an operator whose phone is a chan_sip peer."""
    call = await stage.call(presses="1")
    leg = await stage.phones["sip-operator"].ringing()
    await leg.answer()
    await call.until("BridgeEnter")
    await call.call.hang_up()
    await leg.ended()


async def unscreened_to_sip_operator(stage: Stage) -> None:
    """Be put through to an operator without any screening."""
    call = await stage.call(dialled="unscreened")
    leg = await stage.phones["sip-operator"].ringing()
    await leg.answer()
    await call.until("BridgeEnter")
    await call.call.hang_up()
    await leg.ended()


async def handed_on(stage: Stage) -> None:
    """Be connected with an agency, out through the same trunk."""
    call = await stage.call(presses="1")
    agency = await stage.phones["sip-citizen"].ringing()
    await agency.answer()
    await call.until("BridgeEnter")
    await agency.hang_up()
    await call.call.ended()


async def called_back(stage: Stage) -> None:
    """An operator calls a citizen out through the chan_sip trunk; they talk."""
    operator = stage.phones["101"].call("9" + CALLER)
    citizen = await stage.phones["sip-citizen"].ringing()
    await citizen.answer()
    await stage.event(lambda e: e.name == "BridgeEnter" and e["BridgeNumChannels"] == "2")
    await citizen.hang_up()
    await operator.ended()


async def called_back_by_iax(stage: Stage) -> None:
    """An operator calls out over IAX2; the far end answers, and hangs up."""
    operator = stage.phones["101"].call("8" + CALLER)
    await stage.event(lambda e: e.name == "BridgeEnter" and e["BridgeNumChannels"] == "2")
    await operator.ended()


async def clicked_into_the_trunks_context(stage: Stage) -> None:
    """The PBX calls a citizen, who then goes through the screening and the menu like a caller."""
    await stage.do(
        "Originate", Channel=f"SIP/{CALLER}@sip-out", Context=SIP.trunk_context, Exten="112", Priority="1",
        CallerID="112", Async="true",
    )  # fmt: skip
    citizen = await stage.phones["sip-citizen"].ringing()
    await citizen.answer()
    await stage.event(lambda e: e.name == "Newexten" and e["Application"] == "WaitExten")
    await citizen.hang_up()


async def clicked_to_an_operator(stage: Stage) -> None:
    """The PBX calls a citizen, then the operator."""
    await stage.do(
        "Originate", Channel=f"SIP/{CALLER}@sip-out", Context="phones", Exten="101", Priority="1",
        CallerID="112", Async="true",
    )  # fmt: skip
    citizen = await stage.phones["sip-citizen"].ringing()
    await citizen.answer()
    operator = await stage.phones["101"].ringing()
    await operator.answer()
    await stage.event(lambda e: e.name == "BridgeEnter" and e["BridgeNumChannels"] == "2")
    await citizen.hang_up()
    await operator.ended()


def _of_both(name: str, centre: Centre, driver: str) -> tuple[Scenario, ...]:
    versions: tuple[Version, ...] = ("16",) if centre is SIP else ("22", "16")
    return (
        Scenario(f"{name}_answered", f"Over {driver}: an operator answers.",
                 (ANSWERED,), talk_and_leave, centre, QUEUE, versions=versions),
        Scenario(f"{name}_queue_left", f"Over {driver}: the caller hangs up in the queue.",
                 ("abandoned left_queue",), leave_when_ringing, centre, QUEUE,
                 operators=(NEVER_ANSWERS,), versions=versions),
        Scenario(f"{name}_menu_left", f"Over {driver}: the caller hangs up in the menu.",
                 (LEFT_MENU,), at_the_question, centre, versions=versions),
        Scenario(f"{name}_blocked", f"Over {driver}: a blocked caller is rejected.",
                 ("blocked rejected",), blocked, centre, screening=BLOCK_AND_REJECT, versions=versions),
    )  # fmt: skip


SCENARIOS: Final = (
    *_of_both("chan_sip", SIP, "chan_sip"),
    Scenario("chan_sip_operator", "Over chan_sip: an operator whose phone is a chan_sip peer answers.",
             (ANSWERED,), to_sip_operator, SIP, ("Dial(SIP/sip-operator,30)",), versions=("16",)),
    Scenario("chan_sip_unscreened", "Over chan_sip, without screening: an operator answers.",
             (ANSWERED,), unscreened_to_sip_operator, SIP, versions=("16",)),
    Scenario("chan_sip_handed_on", "Over chan_sip: key 1 leads to an agency, out through the same trunk.",
             (ANSWERED,), handed_on, SIP, ("Dial(SIP/119@sip-out,30)",), versions=("16",)),
    Scenario("call_back_chan_sip", "An operator calls a citizen back over chan_sip: no incoming call.",
             (), called_back, SIP, versions=("16",)),
    Scenario("call_back_chan_sip_by_click", "The PBX calls a citizen back over chan_sip, then an operator.",
             (), clicked_to_an_operator, SIP, versions=("16",)),
    Scenario("call_back_chan_sip_into_menu",
             "The PBX calls a citizen over chan_sip, who then hears the menu: no incoming call.",
             (), clicked_into_the_trunks_context, SIP, versions=("16",)),
    *_of_both("iax2", IAX2, "IAX2"),
    Scenario("call_back_iax2", "An operator calls a citizen back over IAX2: no incoming call.",
             (), called_back_by_iax, IAX2),
)  # fmt: skip
