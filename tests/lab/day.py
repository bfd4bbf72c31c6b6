"""A day at the centre in miniature: real callers, one real PBX, the running daemon, the expected outcomes.

The demo plays it on Asterisk 22 for people to watch; the tests play it on 22 and 16.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tests.lab import ports
from tests.lab.ami import Event, Observer
from tests.lab.asterisk import Asterisk
from tests.lab.daemon import Daemon, Line
from tests.lab.phone import Phone, registered
from tests.lab.sipp import Call, Ending, place_call
from tests.lab.unpack import AsteriskRoot

CONFIG: Final = """\
[classifier]
early_drop = "1s"
[policy]
temporary = ["15s"]
treatment = { temporary = "announce", permanent = "reject" }
[operators]
"101" = "Budi"
"102" = "Siti"
[agencies]
"113" = "Damkar"
"""
"""The day's configuration: an early drop is one within 1 s, and a temporary block lasts 15 s, not a day.

A temporarily blocked caller hears the announcement, as by default; a permanently blocked one is rejected
without it, as a centre may choose.
"""

DIALPLAN: Final = """
[phones]
exten => 113,1,Dial(Local/answer@operators/n,20)
include => siaga112-mark-last
"""
"""What the centre's one real telephone can dial: the fire brigade, and a mark after the call."""

GLOBALS: Final = {"SIAGA_QUEUE_TIMEOUT": "2"}

GENUINE, LEAVER, UNLUCKY, EARLY, SILENT, JOKER, MUTE, BURNING = (f"08121000000{n}" for n in range(1, 9))
PRANKER: Final = "081311111111"
FRIEND: Final = "081322222222"
HIDDEN: Final = "081333333333"
AGAIN_AND_AGAIN: Final = 10

Deed = Callable[["Witnessed"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Row:
    """One step of the day: what the PBX saw of it, what siaga112 decided, and what it should decide."""

    what: str
    pbx: str
    decided: str
    expected: str

    @property
    def ok(self) -> bool:
        """Whether siaga112 decided as expected."""
        return self.decided == self.expected


@dataclass(slots=True)
class Witnessed:
    """A call in progress, with the PBX's own events about it."""

    call: Call
    uid: str
    seen: Observer
    since: int

    async def until(self, name: str, **headers: str) -> Event:
        """Wait for an event on the caller's own channel."""
        return await self.seen.wait_for(
            lambda e: (
                e.name == name
                and e["Uniqueid"] == self.uid
                and all(e[key] == value for key, value in headers.items())
            ),
            since=self.since,
            timeout=30,
        )

    async def marked(self) -> Event:
        """Wait until an operator's key has marked this call."""
        return await self.seen.wait_for(
            lambda e: e["UserEvent"] == "SiagaMark" and e["Call"] == self.uid, since=self.since, timeout=30
        )

    def variable(self, name: str) -> str:
        """Return the last value of a channel variable; '' if it was never set."""
        values = [
            e["Value"]
            for e in self.seen.events[self.since :]
            if e.name == "VarSet" and e["Uniqueid"] == self.uid and e["Variable"] == name
        ]
        return values[-1] if values else ""


async def hang_up_at_once(call: Witnessed) -> None:
    """Hang up at once."""
    await call.call.hang_up()


async def hang_up_in_menu(call: Witnessed) -> None:
    """Listen to the whole menu, press nothing, and hang up."""
    await call.until("Newexten", Application="WaitExten")
    await call.call.hang_up()


async def hang_up_in_queue(call: Witnessed) -> None:
    """Wait until an operator's phone rings, then hang up."""
    await call.until("DialBegin")
    await call.call.hang_up()


async def talk(call: Witnessed) -> None:
    """Talk to the operator, then hang up."""
    await call.until("BridgeEnter")
    await call.call.hang_up()


async def talk_until_marked(call: Witnessed) -> None:
    """Talk until the operator has marked the call, then hang up."""
    await call.marked()
    await call.call.hang_up()


async def hang_up_when_told(call: Witnessed) -> None:
    """Wait for the announcement that the number is blocked, then hang up."""
    await call.until("Newexten", Context="siaga112-blocked", Application="Playback")
    await call.call.hang_up()


async def wait_it_out(call: Witnessed) -> None:
    """Stay on the line until the PBX ends the call."""
    await call.call.ended(timeout=40)


def spell(line: Line) -> str:
    """Return a decision of the daemon in the form that the rows expect."""
    parts = [f"{line['outcome']}/{line['reason']}"]
    if line["mark"]:
        parts.append(f"marked {line['mark']}")
    if line["strike"]:
        parts.append("strike")
    if line["block"]:
        parts.append(f"→ {line['block']} block")
    return " ".join(parts)


@asynccontextmanager
async def centre(root: AsteriskRoot) -> AsyncIterator[tuple[Asterisk, Phone]]:
    """Run a PBX with the lab's operators, one of whom has a real telephone."""
    address = "127.0.1.102", ports.free(4)
    async with Asterisk.start(
        root, globals_=GLOBALS, dialplan=DIALPLAN, more={"pjsip.conf": registered({"102": address})}
    ) as pbx:
        phone = await Phone.open("102", address, ("127.0.0.1", pbx.sip_port))
        try:
            yield pbx, phone
        finally:
            phone.close()


@dataclass(slots=True)
class Day:
    """Plays the day and yields its rows as they happen. `calls` counts the real calls placed."""

    pbx: Asterisk
    daemon: Daemon
    seen: Observer
    phone: Phone
    calls: int = 0
    _rows: asyncio.Queue[Row | None] = field(default_factory=asyncio.Queue)

    async def rows(self) -> AsyncIterator[Row]:
        """Play everything in three parallel lanes, since three callers do not wait for each other."""
        playing = asyncio.create_task(self._play())
        try:
            while (row := await self._rows.get()) is not None:  # ends: each row has its bounds
                yield row
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
        playing.result()

    async def _play(self) -> None:
        try:
            async with asyncio.TaskGroup() as lanes:
                lanes.create_task(self._callers())
                lanes.create_task(self._pranker())
                lanes.create_task(self._never_blocked())
            await self._let_in_again()
            await self._operator_with_a_telephone()
            await self._adds_up()
        finally:
            self._rows.put_nowait(None)

    # ── lanes ────────────────────────────────────────────────────────────────────────────────────

    async def _callers(self) -> None:
        await self.seen.set_global("OPERATOR", "mark_genuine")
        await self._call(
            "a genuine call, answered and marked",
            "answered/operator marked genuine",
            talk_until_marked,
            GENUINE,
            "1",
        )
        await self.seen.set_global("OPERATOR", "never")
        await self._call("a caller leaves the queue", "abandoned/left_queue", hang_up_in_queue, LEAVER, "1")
        await self._call("no operator takes the call", "unserved/queue_timeout", wait_it_out, UNLUCKY, "1")
        await self._call("a caller drops at once", "abandoned/dropped_early", hang_up_at_once, EARLY)
        await self.seen.set_global("OPERATOR", "answer")
        await self._call("silence in the menu reaches an operator", "answered/operator", talk, SILENT)
        await self.seen.set_global("OPERATOR", "mark_prank")
        await self._call(
            "the operator marks a prank with *71",
            "answered/operator marked prank strike",
            talk_until_marked,
            JOKER,
            "1",
        )
        await self.seen.set_global("OPERATOR", "mark_silent")
        await self._call(
            "nobody speaks; the operator marks it with *74",
            "answered/operator marked silent",
            talk_until_marked,
            MUTE,
            "1",
        )
        await self.seen.set_global("OPERATOR", "answer")

    async def _operator_with_a_telephone(self) -> None:
        await self.seen.set_global("OPERATOR", "never")
        member = {"Queue": "siaga112", "Interface": "PJSIP/102"}
        await self.seen.action({"Action": "QueueAdd", **member})

        async def handed_over(call: Witnessed) -> None:
            leg = await self.phone.ringing()
            await leg.answer()
            await call.until("BridgeEnter")
            since = self.seen.mark()
            leg.transfer("113")
            await self.seen.wait_for(
                lambda e: e.name == "BridgeEnter" and e["Uniqueid"] == call.uid, since=since
            )
            await call.call.hang_up()

        async def hung_up(_: Witnessed) -> None:
            leg = await self.phone.ringing()
            since = self.seen.mark()
            await leg.answer()
            await self.seen.wait_for(
                lambda e: e.name == "BridgeEnter" and e["BridgeNumChannels"] == "2", since=since
            )
            await leg.hang_up()

        uid = await self._call(
            "an operator hands the caller over", "answered/operator", handed_over, BURNING, "1"
        )
        (row,) = (await self.daemon.command("calls", "--call", uid, "--json")).json
        self._tell(
            "who answered, and to whom it went",
            "",
            f"{row['operator']} → {row['handed_to']}",
            "Siti → Damkar",
        )
        uid = await self._call("the operator hangs up", "answered/operator", hung_up, BURNING, "1")
        since = len(self.daemon.lines)
        self.phone.call("*72")
        line = await self.daemon.wait_for(
            lambda line: line["event"] == "call" and line["call"] == uid, since=since
        )
        self._tell("and dials *72: the call was genuine", "", spell(line), "answered/operator marked genuine")
        await self.seen.action({"Action": "QueueRemove", **member})
        await self.seen.set_global("OPERATOR", "answer")

    async def _pranker(self) -> None:
        for n in range(1, 7):
            warned = " (warned)" if n > 4 else ""
            block = " → temporary block" if n == 6 else ""
            what = f"one number dies in the menu, {n} of 6"
            await self._call(what, f"ivr_prank/left_menu strike{block}{warned}", hang_up_in_menu, PRANKER)
        await self._call("its next call hears why", "blocked/rejected", hang_up_when_told, PRANKER)
        await self._until_block_ends()
        await self._call(
            "after the block it misuses again",
            "ivr_prank/left_menu strike → permanent block (warned)",
            hang_up_in_menu,
            PRANKER,
        )
        await self._call("its next call", "blocked/rejected", wait_it_out, PRANKER)

    async def _never_blocked(self) -> None:
        await self.daemon.command("allow", FRIEND, "--reason", "hospital switchboard")
        for n in range(1, AGAIN_AND_AGAIN + 1):
            what = f"a hidden number misuses, {n} of {AGAIN_AND_AGAIN}"
            # Half of them hide by the text `anonymous` alone, half by presentation.
            hidden: dict[str, Any] = {"number": "anonymous", "private": True}
            shown = "anonymous" if n % 2 else HIDDEN
            if shown == HIDDEN:
                hidden["asserted"] = HIDDEN
            async with asyncio.TaskGroup() as both:
                both.create_task(self._call(what, "ivr_prank/left_menu", hang_up_in_menu, shown, **hidden))
                both.create_task(
                    self._call(
                        f"an allow-listed number misuses, {n} of {AGAIN_AND_AGAIN}",
                        "ivr_prank/left_menu",
                        hang_up_in_menu,
                        FRIEND,
                    )
                )

    async def _until_block_ends(self) -> None:
        rows = (await self.daemon.command("blocks", "--json")).json
        until = next(row["until"] for row in rows if row["caller"].endswith(PRANKER[1:]))
        end = time.mktime(time.localtime()) if until is None else _epoch(until)
        self._tell(
            "waiting until the temporary block runs out", "", f"until {until[11:19]}", f"until {until[11:19]}"
        )
        await asyncio.sleep(max(0.0, end - time.time()) + 0.05)

    async def _let_in_again(self) -> None:
        done = await self.daemon.command(
            "unblock", PRANKER, "--reason", "the phone was stolen", "--by", "supervisor"
        )
        decided = done.out.split(" (")[0].split(" ", 1)[1].strip()
        self._tell("a supervisor unblocks it, with a reason", "", decided, "is no longer blocked")
        await self._call("its next call gets through", "answered/operator", talk, PRANKER, "1")

    async def _adds_up(self) -> None:
        ledger = (await self.daemon.command("calls", "--json")).json
        placed = f"{self.calls} calls, {self.calls} outcomes"
        self._tell("the ledger adds up", f"{self.calls} calls placed", f"{len(ledger)} calls, "
                   f"{sum(bool(row['outcome']) for row in ledger)} outcomes", placed)  # fmt: skip
        blocked = [row["caller"] for row in (await self.daemon.command("blocks", "--json")).json]
        self._tell("nobody else is blocked", "", f"{len(blocked)} blocked", "0 blocked")

    # ── one call ─────────────────────────────────────────────────────────────────────────────────

    async def _call(
        self, what: str, expected: str, deed: Deed, shown: str, presses: str = "", **caller: Any
    ) -> str:
        since = self.seen.mark()
        self.calls += 1
        call = await place_call(self.pbx, presses=presses, **{"number": shown, **caller})
        channel = await self.seen.caller_channel(shown, since=since)
        witnessed = Witnessed(call, channel["Uniqueid"], self.seen, since)
        await deed(witnessed)
        ending = await call.ended()
        line = await self.daemon.settled(witnessed.uid)
        warned = " (warned)" if witnessed.variable("SIAGA_NOTICE") == "WARN" else ""
        self._tell(what, _spell_ending(ending, witnessed), spell(line) + warned, expected)
        return witnessed.uid

    def _tell(self, what: str, pbx: str, decided: str, expected: str) -> None:
        self._rows.put_nowait(Row(what, pbx, decided, expected))


def _spell_ending(ending: Ending, call: Witnessed) -> str:
    verdict = f"{call.variable('SIAGA_VERDICT')} {call.variable('SIAGA_REASON')}".strip()
    by = {"caller": ", caller hung up", "pbx": ", PBX ended it", None: ""}[ending.ended_by]
    return f"{verdict}, SIP {ending.status}{by}"


def _epoch(iso: str) -> float:
    from datetime import datetime  # noqa: PLC0415 - loaded only where it is needed

    return datetime.fromisoformat(iso).timestamp()
