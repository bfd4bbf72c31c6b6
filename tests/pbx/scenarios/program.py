"""Calls that a program of the centre's own handles over ARI, in Stasis()."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from tests.lab import ari
from tests.lab.ari import Program
from tests.lab.day import Witnessed
from tests.pbx.scenarios.scenario import Centre, Scenario
from tests.pbx.scenarios.served import AFTER_CHOICE, NOT_A_MISUSE
from tests.pbx.scenarios.stage import Stage

ANSWERED: Final = "answered operator"

CENTRE: Final = Centre(
    "program",
    "from-program",
    frozenset({"menu-program"}),
    """
[from-program]
exten => 112,1,Gosub(siaga112-screen,s,1)
 same => n,Goto(menu-program,s,1)
[menu-program]
exten => s,1,Answer()
 same => n,Background(siaga112/number-01)
 same => n,WaitExten(1)
exten => 1,1,Stasis(lab)
 same => n,Hangup()
exten => t,1,Stasis(lab)
 same => n,Hangup()
""",
)
"""A menu that leads to the program by key 1, and after silence."""

Story = Callable[[Stage, Program, Witnessed, str], Awaitable[None]]
"""What the program does with the caller's channel, until the caller hangs up."""


async def handled(stage: Stage, story: Story) -> None:
    """Run the story with two callers, one after the other: one presses the key, one presses nothing."""
    async with ari.program(stage.ari_port) as program:
        for presses in ("1", ""):
            call = await stage.call(presses=presses)
            told = await program.event("StasisStart", lambda e, uid=call.uid: e["channel"]["id"] == uid)  # type: ignore[misc] # mypy gives a lambda's default no type
            try:
                await story(stage, program, call, told["channel"]["id"])
                await call.call.hang_up()
                await call.until("Hangup")
            finally:
                await program.clear()


async def with_an_operator(stage: Stage, program: Program, call: Witnessed, channel: str) -> None:
    """Connect the caller with an operator's phone."""
    operator = await program.rings("PJSIP/101")
    await (await stage.phones["101"].ringing()).answer()
    await program.event("StasisStart", lambda e: e["channel"]["id"] == operator)
    await program.bridge("mixing", channel, operator)
    await call.until("BridgeEnter")


async def first_alone(stage: Stage, program: Program, call: Witnessed, channel: str) -> None:
    """Let the caller wait alone in the bridge until the operator has answered."""
    bridge = await program.bridge("mixing", channel)
    await call.until("BridgeEnter")
    operator = await program.rings("PJSIP/101")
    await (await stage.phones["101"].ringing()).answer()
    await program.event("StasisStart", lambda e: e["channel"]["id"] == operator)
    await program.ask("POST", f"bridges/{bridge}/addChannel", channel=operator)
    await entered(stage, call, bridge, "PJSIP/101")


async def alone(stage: Stage, program: Program, call: Witnessed, channel: str, kind: str = "mixing") -> None:
    """Leave the caller alone in a bridge of this kind."""
    await program.bridge(kind, channel)
    await call.until("BridgeEnter")
    await stage.never(call, "Hangup", within=1.2)


async def with_machines(stage: Stage, program: Program, call: Witnessed, channel: str) -> None:
    """Put an announcer, a recorder, an eavesdropper and a stream to a program into the caller's bridge."""
    bridge = await program.bridge("mixing", channel)
    await program.ask("POST", f"bridges/{bridge}/play", media="sound:siaga112/menu")
    await program.event("PlaybackStarted")
    tape = f"tape-{call.uid}"
    await program.ask("POST", f"bridges/{bridge}/record", name=tape, format="wav")
    await program.event("RecordingStarted", lambda e: e["recording"]["name"] == tape)
    spy = await program.ask("POST", f"channels/{channel}/snoop", spy="in", app=ari.APP)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
    try:
        host = "127.0.0.1:{}".format(transport.get_extra_info("sockname")[1])
        stream = await program.ask(
            "POST", "channels/externalMedia", app=ari.APP, external_host=host, format="ulaw"
        )
        for machine in (spy["id"], stream["id"]):
            await program.event("StasisStart", lambda e, machine=machine: e["channel"]["id"] == machine)  # type: ignore[misc] # mypy gives a lambda's default no type
            await program.ask("POST", f"bridges/{bridge}/addChannel", channel=machine)
        await entered(stage, call, bridge, "Snoop/")
        await entered(stage, call, bridge, "UnicastRTP/")
        await stage.never(call, "Hangup", within=1.2)
    finally:
        transport.close()


async def entered(stage: Stage, call: Witnessed, bridge: str, start: str) -> None:
    """Wait until a channel whose name begins so is in this bridge, during this call."""
    await stage.seen.wait_for(
        lambda e: (
            e.name == "BridgeEnter" and e["BridgeUniqueid"] == bridge and e["Channel"].startswith(start)
        ),
        since=call.since,
    )


def _scenario(name: str, what: str, story: Story, *expect: str, **more: object) -> Scenario:
    play = partial(handled, story=partial(story, **more))
    return Scenario(name, what, expect, play, CENTRE, needs=ari.MODULES)


SCENARIOS = (
    _scenario("program_answered", "A program (ARI) connects the caller with an operator's phone.",
              with_an_operator, ANSWERED, ANSWERED),
    _scenario("program_answered_later", "The caller waits alone in the program's bridge; an operator comes.",
              first_alone, ANSWERED, ANSWERED),
    _scenario("program_left_alone", "The caller hangs up alone in the program's bridge.",
              alone, AFTER_CHOICE, NOT_A_MISUSE),
    _scenario("program_left_holding", "The program lets the caller wait in a holding bridge; he hangs up.",
              alone, AFTER_CHOICE, NOT_A_MISUSE, kind="holding"),
    _scenario("program_left_with_machines",
              "With announcer, recorder, listener and stream alone in the bridge, the caller hangs up.",
              with_machines, AFTER_CHOICE, NOT_A_MISUSE),
)  # fmt: skip
