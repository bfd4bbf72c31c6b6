"""Queue state: which operators are logged in, and whether there is a surge.

In a disaster, volume is not misuse: nobody gets a strike while callers wait too long or while no operator
is logged in. Only what was *seen* makes a surge, so a PBX without queues never has one. If the operators
are known, one waiting caller is not a surge: a single accomplice in the queue would otherwise save
everybody else from strikes.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from siaga112.core import durations
from siaga112.core.ami.events import Event, Interrupted, QueueMember, QueueStatus
from siaga112.core.model import END_OF_TIME, Millis, OperatorNow, OperatorState
from siaga112.core.rules import InForce

Waiting = Mapping[str, tuple[int, Millis]]
"""For each queue with waiting callers: how many wait, and since when the first one waits."""

Overdue = Callable[[frozenset[str], Millis, int], int]
"""Counts the callers who have waited in these queues since before an instant, up to the given maximum."""

LEAST: Final = 2
"""The fewest overdue callers that make a surge, however few operators there are."""

OPERATORS_EACH: Final = 4
"""With many operators, a surge needs one overdue caller for each group of this many operators."""


LISTED: Final = (OperatorState.PAUSED, OperatorState.BUSY, OperatorState.AVAILABLE)
"""The order in which operators are listed. Paused ones come first, because the counts do not say why."""


OF_QUEUES: Final = frozenset({Interrupted, QueueStatus})
"""The event types that `QueueState` uses."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A logged-in operator as the PBX reports one: the interface, and the member name in the queue."""

    interface: str
    name: str
    state: OperatorState
    reason: str
    since: Millis


class QueueState:
    """The configured queues as last reported by the PBX."""

    def __init__(self, rules: InForce) -> None:
        self._rules = rules
        self._there: frozenset[str] = frozenset()
        self._logged_in: dict[str, LoggedIn] = {}
        self._followed = False

    def feed(self, event: Event) -> None:
        """Process one event. Only QueueStatus and Interrupted have an effect."""
        if isinstance(event, Interrupted):
            self._followed = False
        if not isinstance(event, QueueStatus):
            return
        self._there = self._queues & set(event.queues)
        self._logged_in = {
            member.interface: self._seen(member, member.state, event.at)
            for member in event.members
            if member.state and member.queue in self._queues
        }
        self._followed = True

    def _seen(self, member: QueueMember, state: OperatorState, at: Millis) -> LoggedIn:
        """Return a logged-in operator. Only a pause has the PBX's time; else `since` is when it was seen."""
        since = member.since
        if not since and self._followed:
            before = self._logged_in.get(member.interface)
            since = before.since if before and before.state is state else at
        return LoggedIn(member.interface, member.name, state, member.reason, since)

    @property
    def _queues(self) -> frozenset[str]:
        return self._rules.now.dialplan.queues

    @property
    def known(self) -> bool:
        """Whether any configured queue was seen. If not, nothing is known about operators."""
        return bool(self._there)

    def operators(self) -> Counter[OperatorState]:
        """Return the number of logged-in operators in each state. An operator in many queues counts once."""
        return Counter(operator.state for operator in self._logged_in.values())

    def logged_in(self, most: int) -> list[OperatorNow]:
        """Return at most `most` logged-in operators, each once.

        Paused operators come first; within each state, the one who has been in it longest.
        """
        names = self._rules.now.names
        first = sorted(
            self._logged_in.values(),
            key=lambda one: (LISTED.index(one.state), one.since or END_OF_TIME, one.name, one.interface),
        )
        return [
            OperatorNow(
                names.operator(f"{one.interface} {one.name}".rstrip()), one.state, one.reason, one.since
            )
            for one in first[:most]
        ]

    def surge(self, overdue: Overdue, now: Millis) -> str:
        """Return why this is a surge; '' if it is not one."""
        patience = self._rules.now.policy.surge
        if not patience:
            return ""
        on_duty = sum(count for state, count in self.operators().items() if state is not OperatorState.PAUSED)
        if self._there and not on_duty:
            return "no operator logged in"
        # If nothing is known about operators, one waiting caller is enough: doubt favours the caller.
        enough = max(LEAST, -(-on_duty // OPERATORS_EACH)) if self._there else 1
        if overdue(self._queues, now - patience, enough) < enough:
            return ""
        who = "a caller" if enough == 1 else f"{enough} callers"
        return f"{who} waited over {durations.spell(patience)}"
