"""How busy the line is: who waits, which operators there are, and whether it is a surge.

In a disaster volume is not misuse: nobody gets a strike while a caller waits too long, or while no
operator is logged in. Only what was *seen* makes a surge: a PBX without queues never has one.
"""

from collections import Counter
from collections.abc import Mapping

from siaga112.core.events import Event, QueuesSeen
from siaga112.core.model import Millis, OperatorState

Waiting = Mapping[str, tuple[int, Millis]]
"""For each queue in which somebody waits how many do, and since when the first of them."""


class Lines:
    """The queues as last seen. `queues`: those that are ours. `patience`: 0 for no surge, ever."""

    def __init__(self, queues: frozenset[str], patience: Millis) -> None:
        self._queues = queues
        self.patience = patience
        self._there: frozenset[str] = frozenset()
        self._states: dict[str, OperatorState] = {}

    def feed(self, event: Event) -> None:
        """Take one event; only what the queues themselves say matters here."""
        if not isinstance(event, QueuesSeen):
            return
        self._there = self._queues & set(event.queues)
        self._states = {
            member.interface: member.state
            for member in event.members
            if member.state and member.queue in self._queues
        }

    @property
    def known(self) -> bool:
        """Whether any of our queues was seen: without, nothing is known of operators."""
        return bool(self._there)

    def operators(self) -> Counter[OperatorState]:
        """Count the operators who are logged in by what they do; each once, however many queues."""
        return Counter(self._states.values())

    def surge(self, waiting: Waiting, now: Millis) -> str:
        """Say why this is a surge; '' if it is none."""
        if not self.patience:
            return ""
        if self._there and not set(self._states.values()) - {OperatorState.PAUSED}:
            return "no operator logged in"
        longest = max(
            (now - first for queue, (_, first) in waiting.items() if queue in self._queues), default=0
        )
        return f"a caller waited {longest // 1000} s" if longest > self.patience else ""
