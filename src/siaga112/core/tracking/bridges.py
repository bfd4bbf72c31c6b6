"""Who talks with whom: which channels are in a two-way bridge together, and which are people's.

A Local channel is a pipe, not a person: its halves `Local/…;1` and `Local/…;2` stand in different bridges,
and who is in the one can talk with who is in the other. A half whose other half runs a dialplan (a menu, a
queue) has nobody behind it, although the dialplan answered. Only a queue vouches for a Local channel whose
other end is not seen: its member took the call.
"""

from collections.abc import Callable, Container, Iterator
from typing import Final

MAX_BRIDGES: Final = 20_000
"""How many bridges are followed; beyond that the oldest is forgotten (its end was never told)."""

_MACHINES: Final = (
    "CBAnn/", "CBRec/", "Announcer/", "Recorder/",  # bridge_media.c: prompts and recordings in a bridge
    "Snoop/", "UnicastRTP/", "MulticastRTP/", "AudioSocket/", "WebSocket/",  # streams to programs
    "Surrogate/", "Message/",  # stand-ins of Asterisk's own
)  # fmt: skip

MAX_HALVES: Final = 10_000
"""How many halves of Local channels are remembered; beyond that the oldest is forgotten, as above."""

_LOCAL: Final = "Local/"


def machine(channel: str) -> bool:
    """Say whether a channel of this name has no person behind it, whoever made it.

    Only Asterisk's own machines are named: a driver that nobody here knows carries phones.
    """
    return channel.startswith(_MACHINES)


def stem(channel: str) -> str:
    """Give what the names of both halves of a Local channel have in common; '' for any other channel."""
    return channel[:-2] if channel.startswith(_LOCAL) and channel[-2:] in {";1", ";2"} else ""


def interface_of(channel: str) -> str:
    """Give a channel's name without what the PBX numbers channels by: `PJSIP/101` of `PJSIP/101-0000002a`."""
    return (stem(channel) or channel).rpartition("-")[0] or channel


class Bridges:
    """Channels in bridges. `is_caller` tells our callers' channels from everybody else's."""

    def __init__(self, is_caller: Callable[[str], bool]) -> None:
        self._is_caller = is_caller
        self._members: dict[str, dict[str, None]] = {}  # in the order in which they came
        self._bridge_of: dict[str, str] = {}
        self._name: dict[str, str] = {}
        self._phone: dict[str, str] = {}
        self._half: dict[str, str] = {}
        self._vouched: dict[str, None] = {}
        self._led_on: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, uid: object) -> bool:
        return uid in self._bridge_of

    def holds(self, uid: str, bridge: str) -> bool:
        """Say whether a channel is in that bridge: then its entering is told once more."""
        return self._bridge_of.get(uid) == bridge

    def enter(self, uid: str, bridge: str, channel: str = "") -> set[str]:
        """Put a channel into a bridge; give the callers who are with somebody there."""
        self._members.setdefault(bridge, {})[uid] = None
        self._bridge_of[uid] = bridge
        if stem(channel):
            self._name[uid] = channel
            self._half[channel] = uid
        elif channel:
            self._phone[uid] = channel
        connected = self._callers_with_somebody(bridge)
        if len(self._members) > MAX_BRIDGES:
            self._forget(next(iter(self._members)))
        return connected

    def leave(self, uid: str, bridge: str | None = None) -> set[str]:
        """Take a channel out of its bridge (or of that one); give the callers who are alone now."""
        held = self._bridge_of.get(uid)
        if held is None or bridge not in {None, held}:
            return set()
        beyond = self._beyond(uid)
        self._drop(uid)
        self._members[held].pop(uid, None)
        return {uid}.union(self._alone(held), self._alone(beyond) if beyond else ())

    def vouch(self, uid: str) -> set[str]:
        """Take a queue's word that its member is there; give the callers who are with somebody now."""
        _remember(self._vouched, uid)
        held = self._bridge_of.get(uid)
        return self._callers_with_somebody(held) if held else set()

    def lead_on(self, channel: str) -> set[str]:
        """Note that this half of a Local channel waits in a queue; give the callers who are alone now.

        Whatever vouched for the other half: it leads to nobody but to whom that queue will find.
        """
        _remember(self._led_on, stem(channel))
        halves = (self._half.get(f"{stem(channel)};{n}") for n in "12")
        held = {self._bridge_of[uid] for uid in halves if uid}
        return {caller for bridge in held for caller in self._alone(bridge)}

    def forget_names(self) -> None:
        """Forget which Local channels lead into a queue: after a restart others have their names."""
        self._led_on.clear()

    def joined(self, uid: str, channel: str) -> bool:
        """Say whether a channel is connected, over whatever pipes, with this Local channel."""
        return stem(channel) in map(stem, self.pipes(uid))

    def pipes(self, uid: str) -> Iterator[str]:
        """Give the halves of Local channels with which a channel is connected."""
        held = self._bridge_of.get(uid)
        return (
            (self._name[member] for member in self._together(held) if member in self._name)
            if held
            else iter(())
        )

    def phones(self, uid: str) -> dict[str, str]:
        """Give who a channel is with, over whatever pipes: the channels that are no callers' and no pipes."""
        held = self._bridge_of.get(uid)
        return {
            member: self._phone[member]
            for member in (self._together(held) if held else ())
            if member in self._phone and not self._is_caller(member)
        }

    def callers_with(self, uid: str) -> list[str]:
        """Give the callers with whom a channel is connected, over whatever pipes."""
        held = self._bridge_of.get(uid)
        return [member for member in self._together(held) if self._is_caller(member)] if held else []

    def only_vouched(self, uid: str) -> bool:
        """Say whether all that a caller is with are halves of Local channels, for which a queue vouched."""
        held = self._bridge_of.get(uid)
        return held is not None and not any(self._is_somebody(member) and member not in self._name
                                            for member in self._together(held))  # fmt: skip

    def keep_only(self, present: Container[str]) -> set[str]:
        """Take out every channel that is not present; give the callers who are alone now."""
        gone = [uid for uid in self._bridge_of if uid not in present]
        return {caller for uid in gone for caller in self.leave(uid)}

    # ── behind the pipes ─────────────────────────────────────────────────────────────────────────

    def _beyond(self, uid: str) -> str | None:
        """Give the bridge in which the other half of a Local channel is, if it is in one."""
        name = self._name.get(uid)
        other = self._half.get(name[:-1] + ("2" if name[-1] == "1" else "1")) if name else None
        return self._bridge_of.get(other) if other else None

    def _connected(self, bridge: str) -> list[str]:
        """Give this bridge and those that Local channels connect it with, the nearest first."""
        found = [bridge]
        for near in found:  # grows on the way
            for uid in self._members.get(near, ()):
                beyond = self._beyond(uid) if uid in self._name else None
                if beyond and beyond not in found:
                    found.append(beyond)
        return found

    def _together(self, bridge: str) -> Iterator[str]:
        for one in self._connected(bridge):
            yield from self._members.get(one, ())

    def _is_somebody(self, uid: str) -> bool:
        if self._is_caller(uid):
            return False
        name = self._name.get(uid)
        return name is None or (uid in self._vouched and stem(name) not in self._led_on)

    def _callers_with_somebody(self, bridge: str) -> set[str]:
        together = list(self._together(bridge))
        if not any(map(self._is_somebody, together)):
            return set()
        return {uid for uid in together if self._is_caller(uid)}

    def _alone(self, bridge: str) -> set[str]:
        """Give the callers whom this bridge connects with nobody."""
        together = list(self._together(bridge))
        callers = {uid for uid in together if self._is_caller(uid)}
        if not callers and len(self._members.get(bridge, ())) < 2:  # noqa: PLR2004 - nobody talks there
            # A leg without a caller of ours is not followed: its leaving may never be told.
            self._forget(bridge)
        return set() if any(map(self._is_somebody, together)) else callers

    def _drop(self, uid: str) -> None:
        self._bridge_of.pop(uid, None)
        self._phone.pop(uid, None)
        name = self._name.pop(uid, None)
        if name and self._half.get(name) == uid:
            del self._half[name]

    def _forget(self, bridge: str) -> None:
        for uid in self._members.pop(bridge, ()):
            self._drop(uid)


def _remember(held: dict[str, None], what: str) -> None:
    held[what] = None
    if len(held) > MAX_HALVES:
        del held[next(iter(held))]
