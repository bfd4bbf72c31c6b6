"""Outgoing calls: when an operator reaches a citizen, the pending call-back is done.

Outgoing calls get no outcome. Only a leg that the PBX creates through the trunk counts, and only once it
is in a bridge with somebody.
"""

from collections.abc import Sequence
from typing import Final

from siaga112.core.ami.events import BridgeEnter, BridgeLeave, DialBegin, Event, Hangup, Newchannel
from siaga112.core.caller_id import canonical
from siaga112.core.model import Caller, Reached
from siaga112.core.rules import InForce
from siaga112.core.tracking.bridges import Bridges

MAX_LEGS: Final = 10_000
"""Maximum number of outgoing legs tracked. Above it the oldest is dropped: AMI never reported its end."""


OF_OUTGOING: Final = frozenset({Newchannel, DialBegin, BridgeEnter, BridgeLeave, Hangup})
"""The event types that `OutgoingCalls` uses."""


class OutgoingCalls:
    """Tracks the legs that go out through the trunk. Feed it the same events as the tracker."""

    def __init__(self, rules: InForce) -> None:
        self._rules = rules
        self._legs: dict[str, Caller | None] = {}
        self._bridges = Bridges(self._legs.__contains__)

    def __repr__(self) -> str:
        return f"<OutgoingCalls: {len(self._legs)} legs>"

    def feed(self, event: Event) -> Sequence[Reached]:
        """Process one event; return the callers it shows to have been reached."""
        match event:
            case Newchannel():
                self._made(event)
            case DialBegin():
                self._dialled(event)
            case BridgeEnter(two_way=True):
                return self._entered(event)
            case BridgeLeave():
                self._bridges.leave(event.uid, event.bridge)
            case Hangup():
                self._bridges.leave(event.uid)
                self._legs.pop(event.uid, None)
            case _:
                pass
        return ()

    def _made(self, event: Newchannel) -> None:
        if not event.rings and event.place.context in self._rules.now.dialplan.trunk_contexts:
            self._legs[event.uid] = None
            if len(self._legs) > MAX_LEGS:
                del self._legs[next(iter(self._legs))]

    def _dialled(self, event: DialBegin) -> None:
        if event.leg in self._legs:
            spelled = (canonical(number, self._rules.now.dialplan.numbers) for number in event.numbers)
            self._legs[event.leg] = next(filter(None, spelled), None)

    def _entered(self, event: BridgeEnter) -> list[Reached]:
        reached: list[Reached] = []
        if not self._bridges.holds(event.uid, event.bridge):
            self._bridges.leave(event.uid)
        for leg in self._bridges.enter(event.uid, event.bridge, event.channel):
            if caller := self._legs[leg]:
                self._legs[leg] = None  # report each leg once
                reached.append(Reached(event.at, caller))
        return reached
