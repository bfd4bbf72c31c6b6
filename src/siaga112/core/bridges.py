"""Who talks with whom: which channels are in a two-way bridge together, and which are people's."""

from collections.abc import Callable, Container
from typing import Final

MAX_BRIDGES: Final = 20_000
"""How many bridges are followed; beyond that the oldest is forgotten (its end was never told)."""

_MACHINES: Final = (
    "CBAnn/", "CBRec/", "Announcer/", "Recorder/",  # bridge_media.c: prompts and recordings in a bridge
    "Snoop/", "UnicastRTP/", "MulticastRTP/", "AudioSocket/", "WebSocket/",  # streams to programs
    "Surrogate/", "Message/",  # stand-ins of Asterisk's own
)  # fmt: skip


def machine(channel: str) -> bool:
    """Say whether a channel of this name has no person behind it, whoever made it.

    Only Asterisk's own machines are named: a driver that nobody here knows carries phones.
    """
    return channel.startswith(_MACHINES)


class Bridges:
    """Channels in bridges. `is_caller` tells our callers' channels from everybody else's."""

    def __init__(self, is_caller: Callable[[str], bool]) -> None:
        self._is_caller = is_caller
        self._members: dict[str, set[str]] = {}
        self._bridge_of: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, uid: object) -> bool:
        return uid in self._bridge_of

    def enter(self, uid: str, bridge: str) -> set[str]:
        """Put a channel into a bridge; give the callers who are with somebody there."""
        members = self._members.setdefault(bridge, set())
        members.add(uid)
        self._bridge_of[uid] = bridge
        callers = {member for member in members if self._is_caller(member)}
        if len(self._members) > MAX_BRIDGES:
            self._forget(next(iter(self._members)))
        return callers if len(callers) < len(members) else set()

    def leave(self, uid: str, bridge: str | None = None) -> set[str]:
        """Take a channel out of its bridge (or of that one); give the callers who are alone now."""
        held = self._bridge_of.get(uid)
        if held is None or bridge not in {None, held}:
            return set()
        del self._bridge_of[uid]
        members = self._members[held]
        members.discard(uid)
        callers = {member for member in members if self._is_caller(member)}
        alone = callers if len(callers) == len(members) else set()
        if not callers:
            # Legs without a caller of ours are not followed: their leaving may never be told.
            self._forget(held)
        return alone | {uid}

    def keep_only(self, present: Container[str]) -> set[str]:
        """Take out every channel that is not present; give the callers who are alone now."""
        gone = [uid for uid in self._bridge_of if uid not in present]
        return {caller for uid in gone for caller in self.leave(uid)}

    def _forget(self, bridge: str) -> None:
        for uid in self._members.pop(bridge):
            self._bridge_of.pop(uid, None)
