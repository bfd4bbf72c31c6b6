"""How busy the line is: who waits, which operators there are, and whether it is a surge.

In a disaster volume is not misuse: nobody gets a strike while callers wait too long, or while no operator
is logged in. Only what was *seen* makes a surge: a PBX without queues never has one. A single caller who
waits makes none where the operators are known: one accomplice in the queue would keep everybody else from
any strike.
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
"""For each queue in which somebody waits how many do, and since when the first of them."""

Overdue = Callable[[frozenset[str], Millis, int], int]
"""How many callers wait in these queues since before an instant; counted up to the number given."""

LEAST: Final = 2
"""So many callers who wait too long make a surge, however few operators there are."""

OPERATORS_EACH: Final = 4
"""Of many operators it takes one caller who waits too long for each so many."""


LISTED: Final = (OperatorState.PAUSED, OperatorState.BUSY, OperatorState.AVAILABLE)
"""The order in which operators are listed: why somebody is not there is what their count does not say."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """An operator who is logged in, as the PBX shows one: the interface, and the name in the queue."""

    interface: str
    name: str
    state: OperatorState
    reason: str
    since: Millis


class QueueState:
    """Our queues as last seen."""

    def __init__(self, rules: InForce) -> None:
        self._rules = rules
        self._there: frozenset[str] = frozenset()
        self._logged_in: dict[str, LoggedIn] = {}
        self._followed = False

    def feed(self, event: Event) -> None:
        """Take one event; only what the queues themselves say matters here."""
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
        """Take a member. Only of a pause it is told since when; else it is when the change was seen."""
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
        """Whether any of our queues was seen: without, nothing is known of operators."""
        return bool(self._there)

    def operators(self) -> Counter[OperatorState]:
        """Count the operators who are logged in by what they do; each once, however many queues."""
        return Counter(operator.state for operator in self._logged_in.values())

    def logged_in(self, most: int) -> list[OperatorNow]:
        """Give the operators who are logged in, by name, each once; not more than so many.

        Who is paused comes first, in each state who is in it longest.
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
