"""How busy the line is: who waits, which operators there are, and whether it is a surge.

In a disaster volume is not misuse: nobody gets a strike while callers wait too long, or while no operator
is logged in. Only what was *seen* makes a surge: a PBX without queues never has one. A single caller who
waits makes none where the operators are known: one accomplice in the queue would keep everybody else from
any strike.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from siaga112.core import durations
from siaga112.core.ami.events import Event, QueueStatus
from siaga112.core.model import Millis, OperatorState
from siaga112.core.rules import InForce

Waiting = Mapping[str, tuple[int, Millis]]
"""For each queue in which somebody waits how many do, and since when the first of them."""

Overdue = Callable[[frozenset[str], Millis, int], int]
"""How many callers wait in these queues since before an instant; counted up to the number given."""

LEAST: Final = 2
"""So many callers who wait too long make a surge, however few operators there are."""

OPERATORS_EACH: Final = 4
"""Of many operators it takes one caller who waits too long for each so many."""


class QueueState:
    """Our queues as last seen."""

    def __init__(self, rules: InForce) -> None:
        self._rules = rules
        self._there: frozenset[str] = frozenset()
        self._states: dict[str, OperatorState] = {}

    def feed(self, event: Event) -> None:
        """Take one event; only what the queues themselves say matters here."""
        if not isinstance(event, QueueStatus):
            return
        self._there = self._queues & set(event.queues)
        self._states = {
            member.interface: member.state
            for member in event.members
            if member.state and member.queue in self._queues
        }

    @property
    def _queues(self) -> frozenset[str]:
        return self._rules.now.dialplan.queues

    @property
    def known(self) -> bool:
        """Whether any of our queues was seen: without, nothing is known of operators."""
        return bool(self._there)

    def operators(self) -> Counter[OperatorState]:
        """Count the operators who are logged in by what they do; each once, however many queues."""
        return Counter(self._states.values())

    def surge(self, overdue: Overdue, now: Millis) -> str:
        """Say why this is a surge; '' if it is none."""
        patience = self._rules.now.policy.surge
        if not patience:
            return ""
        on_duty = sum(count for state, count in self.operators().items() if state is not OperatorState.PAUSED)
        if self._there and not on_duty:
            return "no operator logged in"
        # Where nothing is known of operators one who waits is enough: unsure favours the caller.
        enough = max(LEAST, -(-on_duty // OPERATORS_EACH)) if self._there else 1
        if overdue(self._queues, now - patience, enough) < enough:
            return ""
        who = "a caller" if enough == 1 else f"{enough} callers"
        return f"{who} waited over {durations.spell(patience)}"
