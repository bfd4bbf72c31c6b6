"""Calls that the menu itself serves: the caller leaves a message, waits for somebody or hears a program.

Each application is reached in three ways: by a key, in the menu's `i` after a wrong key, and in its `t` after
silence.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from tests.lab import Version
from tests.pbx.scenarios.scenario import Centre, Scenario
from tests.pbx.scenarios.stage import Stage

NOT_A_MISUSE: Final = "unknown no_evidence"
AFTER_CHOICE: Final = "abandoned after_choice"
PROGRAM: Final = "#!/bin/sh\nexec sleep 60\n"
BOTH: Final[tuple[Version, ...]] = ("22", "16")
NEWER: Final[tuple[Version, ...]] = ("22",)

FILES: Final = {
    "voicemail.conf": "[general]\nformat = wav\n[default]\n1 => 1,The centre\n",
    "agents.conf": "[general]\n[1001]\nackcall = yes\n",
}
"""Configuration files that the applications need."""

MENU: Final = """
[from-{name}]
exten => 112,1,Gosub(siaga112-screen,s,1)
 same => n,Goto(menu-{name},s,1)
[menu-{name}]
exten => s,1,Answer()
 same => n,Background(siaga112/goodbye)
 same => n,WaitExten(1)
exten => 1,1,{step}
 same => n,Hangup()
exten => i,1,{step}
 same => n,Hangup()
exten => t,1,{step}
 same => n,Hangup()
[phones]
exten => {name},1,{staff}
"""


def centre(name: str, step: str, staff: str = "Hangup()") -> Centre:
    """Return a centre whose menu runs this step after key 1, after a wrong key and after silence."""
    text = MENU.format(name=name, step=step, staff=staff)
    return Centre(name, f"from-{name}", frozenset({f"menu-{name}"}), text)


@asynccontextmanager
async def nothing(_: Stage) -> AsyncIterator[None]:
    """Prepare nothing."""
    yield


@asynccontextmanager
async def a_program(stage: Stage) -> AsyncIterator[None]:
    """Install a silent program for AGI, EAGI and ExternalIVR."""
    program = stage.pbx.folder / "agi-bin/wait.sh"
    program.write_text(PROGRAM, "utf-8")
    program.chmod(0o755)
    yield


@asynccontextmanager
async def a_stream(stage: Stage) -> AsyncIterator[None]:
    """Run a server that receives the caller's voice."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):  # ends: with the call, or with the PBX
            pass
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    await stage.seen.set_global("STREAM_PORT", str(server.sockets[0].getsockname()[1]))
    async with server:
        yield


@asynccontextmanager
async def an_agent(stage: Stage) -> AsyncIterator[None]:
    """Log in an agent who does not take the call."""
    since = stage.seen.mark()
    leg = stage.phones["103"].call("agentrequest")
    # A new agent is on probation for some seconds.
    await stage.seen.wait_for(
        lambda e: e.name == "DeviceStateChange" and e["Device"] == "Agent:1001" and e["State"] == "NOT_INUSE",
        since=since,
    )
    yield
    await leg.hang_up()
    await stage.seen.wait_for(lambda e: e.name == "AgentLogoff", since=since)


@dataclass(frozen=True, slots=True)
class Serving:
    """An application that serves callers: its dialplan step, and what that needs."""

    step: str
    what: str
    versions: tuple[Version, ...] = BOTH
    needs: tuple[str, ...] = ()
    staff: str = "Hangup()"
    prepare: Callable[[Stage], AbstractAsyncContextManager[None]] = nothing


SERVING: Final = {
    "voicemail": Serving(
        "VoiceMail(1@default,s)", "leaves a message in a mailbox", NEWER, ("app_voicemail",)
    ),
    "record": Serving("Record(${ASTSPOOLDIR}/left.wav,0,30,q)", "is recorded"),
    "dictate": Serving("Dictate(${ASTSPOOLDIR},left)", "dictates a report"),
    "bridgewait": Serving("BridgeWait()", "waits in a holding bridge"),
    "parked": Serving("Park()", "is parked"),
    "agentrequest": Serving(
        "AgentRequest(1001)", "waits for an agent", needs=("app_agent_pool",),
        staff="AgentLogin(1001,s)", prepare=an_agent,
    ),
    "confbridge": Serving("ConfBridge(2)", "waits in a conference"),
    "music": Serving("MusicOnHold()", "waits with music"),
    "agi": Serving("AGI(wait.sh)", "speaks with a program (AGI)", prepare=a_program),
    "eagi": Serving("EAGI(wait.sh)", "speaks with a program (EAGI)", prepare=a_program),
    "externalivr": Serving(
        "ExternalIVR(${ASTAGIDIR}/wait.sh)", "speaks with a program (ExternalIVR)", prepare=a_program
    ),
    "audiosocket": Serving(
        "AudioSocket(40325ec2-5efd-4bd3-805f-53576e581d13,127.0.0.1:${STREAM_PORT})",
        "speaks with a program (AudioSocket)", NEWER,
        needs=("app_audiosocket", "res_audiosocket"), prepare=a_stream,
    ),
    "echo": Serving("Echo()", "hears himself"),
    "disa": Serving("DISA(no-password,nowhere)", "gets a dial tone"),
    "execif": Serving("ExecIf(1?Record(${ASTSPOOLDIR}/left.wav,0,30,q):Playback(siaga112/menu))",
                      "is recorded, if a condition holds"),
    "tryexec": Serving("TryExec(BridgeWait())", "waits in a holding bridge, if there is one"),
}  # fmt: skip


async def served(stage: Stage, serving: Serving) -> None:
    """Reach the application by a key, by a wrong key and by silence, and hang up in it each time."""
    application = serving.step.partition("(")[0]
    for exten, presses in (("1", "1"), ("i", "9"), ("t", "")):
        async with serving.prepare(stage):
            call = await stage.call(presses=presses)
            await call.until("Newexten", Extension=exten, Application=application)
            await stage.never(call, "Hangup", within=1.2)
            await call.call.hang_up()
            await call.until("Hangup")


ASKS_AGAIN: Final = Centre(
    "again",
    "from-again",
    frozenset({"menu-again"}),
    """
[from-again]
exten => 112,1,Gosub(siaga112-screen,s,1)
 same => n,Goto(menu-again,s,1)
[menu-again]
exten => s,1,Answer()
 same => n,Background(siaga112/goodbye)
 same => n,WaitExten(1)
exten => 2,1,Background(siaga112/menu)
 same => n,Goto(s,1)
exten => t,1,Set(ASKED=${IF($["${ASKED}" = ""]?1:2)})
 same => n,ExecIf($[${ASKED} > 1]?Hangup())
 same => n,Playback(siaga112/number-01)
 same => n,WaitExten(10)
""",
)
"""A menu that asks again in its `t`, and whose key 2 plays an announcement in the menu's own context."""


async def left_where(stage: Stage, presses: str, step: Mapping[str, str]) -> None:
    """Press these keys, and hang up a second after this dialplan step has begun."""
    call = await stage.call(presses=presses)
    await call.until("Newexten", **step)
    await stage.never(call, "Hangup", within=1.2)
    await call.call.hang_up()


def _left_where(presses: str, **step: str) -> Callable[[Stage], Awaitable[None]]:
    return partial(left_where, presses=presses, step=step)


MESSAGES: Final = frozenset({"voicemail", "record", "dictate", "disa", "execif"})
"""These serve a caller however reached; the others leave a call unknown after a wrong key or silence."""

SCENARIOS = (
    *(
        Scenario(
            f"served_{name}",
            f"By a key, by a wrong key, by silence: the caller {serving.what}, and hangs up.",
            (AFTER_CHOICE, *(AFTER_CHOICE if name in MESSAGES else NOT_A_MISUSE,) * 2),
            partial(served, serving=serving),
            centre(name, serving.step, serving.staff), versions=serving.versions, needs=serving.needs,
        )
        for name, serving in SERVING.items()
    ),
    Scenario("chosen_announcement_left",
             "Key 2 leads to an announcement in the menu's context; the caller hangs up in it.",
             (AFTER_CHOICE,), _left_where("2", Extension="2", Application="BackGround"), ASKS_AGAIN),
    Scenario("asked_again_left", "The menu asks again after silence; the caller hangs up.",
             ("ivr_prank left_menu",), _left_where("", Extension="t", Application="WaitExten"), ASKS_AGAIN),
)  # fmt: skip
