"""The runbook's sections that need a PBX, tried on a real Asterisk 22 and its console."""

import asyncio
import os
import shlex
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.lab import Asterisk, Observer, find, place_call
from tests.lab.agi_client import ask
from tests.lab.daemon import Daemon, running
from tests.lab.day import GLOBALS, Witnessed, hang_up_in_menu, talk
from tests.pbx.test_hostile import malformed, payloads
from tests.runbook.page import filled
from tests.runbook.trying import Trying, until

pytestmark = pytest.mark.pbx
NUMBER = "081211111111"
USER = "etc/manager.d/siaga112.conf"
QUIET = "[policy]\nsurge = false\n"


class Centre:
    """A PBX, its observer, a daemon, and somebody with the runbook."""

    def __init__(self, pbx: Asterisk, seen: Observer, daemon: Daemon, folder: Path) -> None:
        self.pbx, self.seen, self.daemon, self._folder = pbx, seen, daemon, folder

    def trying(self, section: str) -> Trying:
        """Open the runbook at a section."""
        return Trying(section, self.daemon, self._folder, self.pbx.console_command)

    async def call(self, number: str = NUMBER, presses: str = "") -> Witnessed:
        """Place a call; return it once its channel exists."""
        since = self.seen.mark()
        placed = await place_call(self.pbx, number=number, presses=presses)
        channel = await self.seen.caller_channel(number, since=since)
        return Witnessed(placed, channel["Uniqueid"], self.seen, since)

    async def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's series that have these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            float(line.rpartition(" ")[2])
            for line in (await self.daemon.metrics()).splitlines()
            if line.startswith((f"siaga112_{name}{{", f"siaga112_{name} "))
            and all(label in line for label in wanted)
        )

    async def shows(self, name: str, value: float, **labels: str) -> None:
        """Wait until a metric has that value."""

        async def there() -> bool:
            return await self.metric(name, **labels) == value

        await until(there)

    def user(self) -> Path:
        """Return the path of the PBX's file with our AMI user."""
        return self.pbx.folder / USER


@asynccontextmanager
async def centre(more: str = QUIET) -> AsyncIterator[Centre]:
    """Run a centre for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="siaga112-desk-") as folder:
        async with (
            Asterisk.start(find("22"), globals_=GLOBALS) as pbx,
            await pbx.observe() as seen,
            running(pbx, more) as daemon,
        ):
            yield Centre(pbx, seen, daemon, Path(folder))


async def test_pbx_unreachable() -> None:
    """While the PBX has another AMI secret, its console does not list us and the alert fires."""
    async with centre() as at:
        trying = at.trying("PBX unreachable")
        await trying.holds(2)
        ours = at.user().read_text("utf-8")
        at.user().write_text(ours.replace(at.pbx.siaga_secret, "another"), "utf-8")
        await at.pbx.restart()
        await at.daemon.event("ami_refused")
        await trying.holds(3)
        assert trying.axis.fires(trying.alert)
        assert "siaga112" not in await trying.run("asterisk -rx")
        assert "siaga112" in await trying.run("asterisk -rx")
        at.user().write_text(ours, "utf-8")
        await at.pbx.console("manager reload")
        await at.shows("ami_connected", 1)
        assert "siaga112" in (await trying.typed('asterisk -rx "manager show connected"')).out
        await trying.holds(2)
        assert trying.axis.silent(trying.alert)
        trying.done()


async def test_no_events_while_calls_up() -> None:
    """The alert fires while an event filter hides all but arrivals; with ours back, calls are followed."""
    async with centre() as at:
        trying = at.trying("No events while calls up")
        ours = at.user().read_text("utf-8")
        kept = [line for line in ours.splitlines() if not line.startswith("eventfilter")]
        at.user().write_text(
            "\n".join([*kept, "eventfilter = ^Event: (FullyBooted|Newchannel)[[:cntrl:]]", ""]), "utf-8"
        )
        await at.pbx.restart()
        await at.shows("ami_connected", 1)
        async with await at.pbx.observe() as seen:
            at.seen = seen
            first = await at.call(presses="1")
            await first.until("BridgeEnter")
            await trying.holds(13)
            assert trying.axis.fires(trying.alert)
            assert " active call" in await trying.run("asterisk -rx")
            assert "siaga112" in await trying.run("asterisk -rx")
            at.user().write_text(ours, "utf-8")
            await trying.run("asterisk -rx")
            assert (await trying.run("systemctl")).split() == ["systemctl", "restart", "siaga112-track"]
            since = len(at.daemon.lines)
            await at.daemon.stop()
            await at.daemon.start()
            await at.daemon.ready(since=since)
            second = await at.call("081222222222")
            await hang_up_in_menu(second)
            line = await at.daemon.settled(second.uid)
            assert (line["outcome"], line["reason"]) == ("ivr_prank", "left_menu")
            await first.call.hang_up()
            await trying.holds(2)
            assert trying.axis.silent(trying.alert)
            trying.done()


async def test_malformed_ami() -> None:
    """A forged event in a caller's number fires the alert, and the runbook's recording contains it."""
    async with centre() as at:
        trying = at.trying("Malformed AMI")
        await trying.holds(5)
        (line,) = trying._left
        recording = await asyncio.create_subprocess_exec(
            *("sh", "-c", f"exec {filled(line)}"),
            cwd=trying.folder,
            env={"PATH": f"{trying.folder}:{os.environ['PATH']}"},
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )
        trying._left.clear()
        odd = trying.folder / shlex.split(line)[2]
        await until(lambda: _holds(odd, "FullyBooted"))
        for payload in payloads("1.1")[:2]:
            since = at.seen.mark()
            call = await place_call(at.pbx, number=quote(payload, safe=""))
            await at.seen.wait_for(lambda e: e["Application"] == "WaitExten", since=since)
            await call.hang_up()
        await until(lambda: _counted(at.daemon))
        await trying.holds(3)
        assert trying.axis.fires(trying.alert)
        await until(lambda: _holds(odd, "SiagaMark"))
        recording.send_signal(signal.SIGINT)
        await asyncio.wait_for(recording.wait(), 60)
        await trying.holds(17)
        assert trying.axis.silent(trying.alert)


async def _holds(path: Path, text: str) -> bool:
    return await asyncio.to_thread(lambda: path.is_file() and text in path.read_text("utf-8", "replace"))


async def _counted(daemon: Daemon) -> bool:
    return await malformed(daemon) > 0


async def test_withheld_share() -> None:
    """Many hidden callers fire the alert; the ledger shows what the trunk sent in place of their number."""
    async with centre() as at:
        trying = at.trying("Withheld share")
        await trying.holds(5)
        hidden = await place_call(at.pbx, number="anonymous", private=True)
        await until(lambda: _asked(at, 1))
        for _ in range(21):
            await ask(at.pbx.agi_port, "anonymous")
        await hidden.hang_up()
        await trying.holds(20)
        assert trying.axis.fires(trying.alert)
        await at.daemon.event("call")
        assert "anonymous" in await trying.run("siaga112 calls --since 1h --json")
        trying.done()


async def _asked(at: Centre, times: int) -> bool:
    return await at.metric("agi_verdicts_total") >= times


async def test_service_level() -> None:
    """Callers leave an unserved queue: three alerts fire; once calls are answered, the fast one ends."""
    async with centre() as at:
        names = ("Service level fast burn", "Service level slow burn", "Service level below target")
        fast, slow, below = tries = [at.trying(name) for name in names]
        for trying in tries:
            await trying.holds(5)
        await at.seen.set_global("OPERATOR", "never")
        for group in range(6):
            async with asyncio.TaskGroup() as together:
                for nth in range(4):
                    together.create_task(_leaves(at, f"08123000{group}{nth:03}"))
        await until(lambda: _unanswered(at, 22))
        await fast.holds(4)
        await slow.holds(10)
        await below.holds(66)
        for trying in tries:
            assert trying.axis.fires(trying.alert), trying.alert
        assert "Local/101@operators" in await fast.run("asterisk -rx")
        assert "abandoned" in await fast.run("siaga112 calls")
        await fast.run("siaga112 mode enforce")
        await at.seen.set_global("OPERATOR", "answer")
        last = await at.call("081299999999", presses="1")
        await talk(last)
        assert (await at.daemon.settled(last.uid))["outcome"] == "answered"
        await fast.holds(8)
        assert fast.axis.silent(fast.alert)
        for trying in tries:
            trying.done()


async def _leaves(at: Centre, number: str) -> None:
    call = await at.call(number, presses="1")
    # Do not wait for a phone to ring: the queue's only member may be ringing for another caller.
    await call.until("QueueCallerJoin")
    await call.call.hang_up()
    await call.call.ended()


async def _unanswered(at: Centre, count: int) -> bool:
    return await at.metric("service_calls_total", result="abandoned") >= count


async def test_no_operator_available() -> None:
    """The alert fires while the only operator is paused, as the console shows, and ends with the pause."""
    async with centre() as at:
        trying = at.trying("No operator available")
        await at.shows("operators", 1, state="available")
        await at.pbx.console("queue pause member Local/101@operators/n")
        await at.shows("operators", 1, state="paused")
        await at.shows("operators", 0, state="available")
        await trying.holds(4)
        assert trying.axis.fires(trying.alert)
        assert "paused" in await trying.run("asterisk -rx")
        await at.pbx.console("queue unpause member Local/101@operators/n")
        await at.shows("operators", 1, state="available")
        await trying.holds(2)
        assert trying.axis.silent(trying.alert)
        trying.done()
