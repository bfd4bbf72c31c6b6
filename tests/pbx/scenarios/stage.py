"""The stage of a scenario: its callers, its phones, and the PBX's events to wait for."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.lab import Asterisk, Event, Observer, place_call
from tests.lab.day import Witnessed
from tests.lab.phone import Phone
from tests.lab.sipp import CallError
from tests.waiting import within

GONE_SECONDS: Final = 60.0

CALLER: Final = "081234567890"
OTHER_CALLER: Final = "081298765432"


@dataclass(slots=True)
class Stage:
    """One scenario being played. `uids` are the calls placed, in the order in which they came in."""

    pbx: Asterisk
    seen: Observer
    phones: dict[str, Phone]
    source: str
    since: int
    port: int
    channel: str
    ari_port: int
    uids: list[str] = field(default_factory=list)

    async def call(
        self, number: str = CALLER, presses: str = "", *, shown: str = "", **more: Any
    ) -> Witnessed:
        """Place a call over the scenario's trunk; `shown` is its number as the PBX writes it."""
        since = self.seen.mark()
        call = await place_call(
            self.pbx, number=number, presses=presses, source=self.source, port=self.port, **more
        )
        try:
            channel = await self.seen.caller_channel(shown or number, self.channel, since=since)
        except TimeoutError:
            raise CallError(call.last_words()) from None
        self.uids.append(channel["Uniqueid"])
        return Witnessed(call, channel["Uniqueid"], self.seen, since)

    async def event(self, wanted: Callable[[Event], bool], *, timeout: float = 30) -> Event:
        """Wait for any event of this scenario."""
        return await self.seen.wait_for(wanted, since=self.since, timeout=timeout)

    async def nth(self, number: int, call: Witnessed, name: str, **headers: str) -> Event:
        """Wait for the nth event of this kind on the caller's own channel."""
        count = itertools.count(1)
        wanted = {"Uniqueid": call.uid, **headers}
        return await self.seen.wait_for(
            lambda e: (
                e.name == name
                and all(e[key] == value for key, value in wanted.items())
                and next(count) == number
            ),
            since=call.since,
        )

    async def bridged(self, channel: str = "PJSIP/101-", *, since: int | None = None) -> None:
        """Wait until a channel whose name begins so is in a bridge with another channel.

        The first one in a bridge is alone. Behind a Local channel, the caller enters one before the operator.
        """
        first = self.since if since is None else since
        entered = await self.seen.wait_for(
            lambda e: e.name == "BridgeEnter" and e["Channel"].startswith(channel), since=first
        )
        await self.seen.wait_for(
            lambda e: (
                e.name == "BridgeEnter"
                and e["BridgeUniqueid"] == entered["BridgeUniqueid"]
                and int(e["BridgeNumChannels"]) > 1
            ),
            since=first,
        )

    async def never(self, call: Witnessed, name: str, *, within: float, **headers: str) -> None:
        """Let `within` seconds pass; raise AssertionError if this event comes meanwhile."""
        try:
            async with asyncio.timeout(within):
                await call.until(name, **headers)
        except TimeoutError:
            return
        raise AssertionError(f"{name} came within {within:g} s")

    async def do(self, action: str, **headers: str) -> None:
        """Send the PBX an AMI action."""
        await self.seen.action({"Action": action, **headers})

    async def originate(self, channel: str, application: str, data: str = "") -> None:
        """Have the PBX call this channel and run an application on it."""
        more = {"Data": data} if data else {}
        await self.do("Originate", Channel=channel, Application=application, Async="true", **more)

    def channel_like(self, start: str) -> str:
        """Return the name of the scenario's latest channel whose name begins so."""
        names = [e["Channel"] for e in self.seen.events[self.since :] if e.name == "Newchannel"]
        return [name for name in names if name.startswith(start)][-1]

    async def all_gone(self) -> None:
        """Wait until every channel of the scenario has ended."""
        async with within(GONE_SECONDS, "every channel of the scenario to end"):
            while alive := self.alive():
                await self._one_gone(alive)

    async def _one_gone(self, alive: set[str]) -> None:
        since = self.seen.mark()
        await self.seen.wait_for(
            lambda e: e.name == "Hangup" and e["Uniqueid"] in alive, since=since, timeout=30
        )

    def alive(self) -> set[str]:
        """Return the channels of the scenario that have not ended."""
        alive: set[str] = set()
        for event in self.seen.events[self.since :]:
            if event.name == "Newchannel":
                alive.add(event["Uniqueid"])
            elif event.name == "Hangup":
                alive.discard(event["Uniqueid"])
        return alive
