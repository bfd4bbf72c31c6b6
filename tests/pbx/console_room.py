"""A real PBX with the daemon, its console and an observer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp

from tests.lab import Asterisk, find, place_call
from tests.lab.ami import Observer
from tests.lab.daemon import Daemon, running
from tests.lab.day import Witnessed, hang_up_in_menu
from tests.lab.sipp import Ending
from tests.waiting import within

FIRST, SECOND, THIRD = "081311111111", "081322222222", "081344444444"
BLOCKED: Final = ("SIAGA_VERDICT", "BLOCK")
CONFIG: Final = """\
[classifier]
early_drop = "1s"
[policy]
threshold = 1
blocks_per_hour = 1
treatment = "reject"
[operators]
"101" = "Budi"
"""
"""The second misuse blocks. Only the first block of an hour is automatic; a second one is proposed."""


@dataclass
class Room:
    """A PBX, the daemon with its console, an observer, and the users' passwords."""

    pbx: Asterisk
    daemon: Daemon
    seen: Observer
    passwords: dict[str, str]

    async def call(self, number: str, presses: str = "") -> Witnessed:
        """Place a call from this number; return it once its channel exists."""
        since = self.seen.mark()
        placed = await place_call(self.pbx, number=number, presses=presses)
        uid = (await self.seen.caller_channel(number, since=since))["Uniqueid"]
        return Witnessed(placed, uid, self.seen, since)

    async def misuse(self, number: str) -> None:
        """Place a call, hang up in the menu, and wait until the daemon has settled it."""
        call = await self.call(number)
        await hang_up_in_menu(call)
        await call.call.ended()
        await self.daemon.settled(call.uid)

    async def tried(self, number: str) -> Ending:
        """Place a call, hang up after the menu's prompt unless it is rejected, and return how it ended."""
        call = await self.call(number)
        met = await self.seen.wait_for(
            lambda e: (
                e["Uniqueid"] == call.uid
                and (
                    e["Application"] == "WaitExten"
                    or (e["Variable"], e["Value"]) == ("SIAGA_VERDICT", "BLOCK")
                )
            ),
            since=call.since,
            timeout=30,
        )
        if met.name == "Newexten":
            await call.call.hang_up()
        return await call.call.ended()


@asynccontextmanager
async def room(more: str = "") -> AsyncIterator[Room]:
    """Run a room; `siaga112 run` starts the console itself once there is a user.

    `more`: further sections of the configuration.
    """
    config = CONFIG + more
    async with Asterisk.start(find("22")) as pbx, await pbx.observe() as seen, running(pbx, config) as daemon:
        roles = {"Ratna": "supervisor", "Budi": "operator"}
        passwords = {name: await daemon.add_user(name, role) for name, role in roles.items()}
        await daemon.event("console")
        async with within(30, "the console"), aiohttp.ClientSession() as session:
            while True:  # ends: within its bound
                try:
                    async with session.get(f"{daemon.console_url}/readyz") as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    pass
        yield Room(pbx, daemon, seen, passwords)
