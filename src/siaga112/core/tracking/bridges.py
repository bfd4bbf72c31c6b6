"""Bridges: which channels can talk to each other, and which of them belong to people.

A Local channel is a pipe, not a person. Its halves `Local/…;1` and `Local/…;2` are in different bridges and
connect the two. If the other half runs a dialplan (a menu, a queue), nobody is behind it, even though the
dialplan answered. When the other end is not visible, only a queue can vouch for a Local channel: it reports
that its member took the call.
"""

from collections.abc import Callable, Container, Iterator
from typing import Final

MAX_BRIDGES: Final = 20_000
"""Maximum number of bridges tracked. Above it the oldest is dropped: AMI never reported its end."""

_MACHINES: Final = (
    "CBAnn/", "CBRec/", "Announcer/", "Recorder/",  # bridge_media.c: prompts and recordings in a bridge
    "Snoop/", "UnicastRTP/", "MulticastRTP/", "AudioSocket/", "WebSocket/",  # streams to programs
    "Surrogate/", "Message/",  # Asterisk's internal stand-ins
)  # fmt: skip

MAX_HALVES: Final = 10_000
"""Maximum number of Local channel halves remembered. Above it the oldest is dropped."""

_LOCAL: Final = "Local/"


def machine(channel: str) -> bool:
    """Return whether a channel with this name never has a person behind it.

    Only Asterisk's internal channel types are listed. An unknown driver is assumed to carry phones.
    """
    return channel.startswith(_MACHINES)


def stem(channel: str) -> str:
    """Return the part of the name that both halves of a Local channel share; '' for any other channel."""
    return channel[:-2] if channel.startswith(_LOCAL) and channel[-2:] in {";1", ";2"} else ""


def interface_of(channel: str) -> str:
    """Return a channel name without its sequence number: `PJSIP/101` for `PJSIP/101-0000002a`."""
    return (stem(channel) or channel).rpartition("-")[0] or channel


class Bridges:
    """Channels in bridges. `is_caller` returns whether a uniqueid is the channel of a tracked call."""

    def __init__(self, is_caller: Callable[[str], bool]) -> None:
        self._is_caller = is_caller
        self._members: dict[str, dict[str, None]] = {}  # in order of arrival
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
        """Return whether a channel is already in that bridge; entering again is then a repeated event."""
        return self._bridge_of.get(uid) == bridge

    def enter(self, uid: str, bridge: str, channel: str = "") -> set[str]:
        """Put a channel into a bridge; return the callers who are now connected to somebody."""
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
        """Take a channel out of its bridge, or out of `bridge`; return the callers who are now alone."""
        held = self._bridge_of.get(uid)
        if held is None or (bridge is not None and bridge != held):
            return set()
        beyond = self._beyond(uid)
        self._drop(uid)
        self._members[held].pop(uid, None)
        return {uid}.union(self._alone(held), self._alone(beyond) if beyond else ())

    def vouch(self, uid: str) -> set[str]:
        """Record that a queue vouches for its member; return the callers now connected to somebody."""
        _remember(self._vouched, uid)
        held = self._bridge_of.get(uid)
        return self._callers_with_somebody(held) if held else set()

    def lead_on(self, channel: str) -> set[str]:
        """Record that this half of a Local channel waits in a queue; return the callers who are now alone.

        This overrides any vouching for the other half: it leads only to whoever answers that queue.
        """
        _remember(self._led_on, stem(channel))
        halves = (self._half.get(f"{stem(channel)};{n}") for n in "12")
        held = {self._bridge_of[uid] for uid in halves if uid}
        return {caller for bridge in held for caller in self._alone(bridge)}

    def forget_names(self) -> None:
        """Forget which Local channels lead into a queue: after a restart, Asterisk reuses the names."""
        self._led_on.clear()

    def joined(self, uid: str, channel: str) -> bool:
        """Return whether a channel is connected, through any chain of pipes, to this Local channel."""
        return stem(channel) in map(stem, self.pipes(uid))

    def pipes(self, uid: str) -> Iterator[str]:
        """Yield the names of the Local channel halves that a channel is connected to."""
        held = self._bridge_of.get(uid)
        return (
            (self._name[member] for member in self._together(held) if member in self._name)
            if held
            else iter(())
        )

    def phones(self, uid: str) -> dict[str, str]:
        """Return the phones a channel is connected to, through any chain of pipes: uniqueid to name."""
        held = self._bridge_of.get(uid)
        return {
            member: self._phone[member]
            for member in (self._together(held) if held else ())
            if member in self._phone and not self._is_caller(member)
        }

    def is_phone(self, uid: str) -> bool:
        """Return whether a channel in a bridge is a phone: neither a caller nor half of a Local channel."""
        return uid in self._phone and not self._is_caller(uid)

    def callers_with(self, uid: str) -> list[str]:
        """Return the callers that a channel is connected to, through any chain of pipes."""
        held = self._bridge_of.get(uid)
        return [member for member in self._together(held) if self._is_caller(member)] if held else []

    def only_vouched(self, uid: str) -> bool:
        """Return whether a caller is connected only to halves of Local channels that a queue vouched for."""
        held = self._bridge_of.get(uid)
        return held is not None and not any(self._is_somebody(member) and member not in self._name
                                            for member in self._together(held))  # fmt: skip

    def keep_only(self, present: Container[str]) -> set[str]:
        """Remove every channel that is not in `present`; return the callers who are now alone."""
        gone = [uid for uid in self._bridge_of if uid not in present]
        return {caller for uid in gone for caller in self.leave(uid)}

    # ── behind the pipes ─────────────────────────────────────────────────────────────────────────

    def _beyond(self, uid: str) -> str | None:
        """Return the bridge that holds the other half of a Local channel, if there is one."""
        name = self._name.get(uid)
        other = self._half.get(name[:-1] + ("2" if name[-1] == "1" else "1")) if name else None
        return self._bridge_of.get(other) if other else None

    def _connected(self, bridge: str) -> list[str]:
        """Return this bridge and all bridges that Local channels connect to it, nearest first."""
        found = [bridge]
        for near in found:  # the list grows during the loop
            for uid in self._members.get(near, ()):
                beyond = self._beyond(uid) if uid in self._name else None
                if beyond and beyond not in found:
                    found.append(beyond)
        return found

    def _together(self, bridge: str) -> list[str]:
        members = self._members.get(bridge, ())
        if self._name.keys().isdisjoint(members):  # so it is with nearly every bridge
            return [*members]
        return [uid for one in self._connected(bridge) for uid in self._members.get(one, ())]

    def _is_somebody(self, uid: str) -> bool:
        if self._is_caller(uid):
            return False
        name = self._name.get(uid)
        return name is None or (uid in self._vouched and stem(name) not in self._led_on)

    def _callers_with_somebody(self, bridge: str) -> set[str]:
        together = self._together(bridge)
        if not any(map(self._is_somebody, together)):
            return set()
        return {uid for uid in together if self._is_caller(uid)}

    def _alone(self, bridge: str) -> set[str]:
        """Return the callers whom this bridge connects to nobody."""
        together = self._together(bridge)
        callers = {uid for uid in together if self._is_caller(uid)}
        if not callers and len(self._members.get(bridge, ())) < 2:  # noqa: PLR2004 - a talk needs two
            # Without a caller, a leg is not tracked and its BridgeLeave may never arrive.
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
