"""The pipeline without its machinery: events in, ledger entries and caller records out.

It uses the daemon's tracker, classifier and fold in the daemon's order, with a dictionary as the store.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from siaga112.core.ami.events import Event, Malformed
from siaga112.core.fold import Fold
from siaga112.core.ledger import entry_of
from siaga112.core.model import Call, Caller, Entry, Mode, Reached
from siaga112.core.record import CallerRecord
from siaga112.core.rules import InForce, Rules
from siaga112.core.tracking.outgoing import OutgoingCalls
from siaga112.core.tracking.queue_state import QueueState
from siaga112.core.tracking.tracker import Tracker


@dataclass(slots=True)
class Replay:
    """Run events through the pipeline. `malformed` counts rejected messages; `reached` lists call-backs."""

    rules: Rules
    tracker: Tracker = field(init=False)
    malformed: Counter[str] = field(default_factory=Counter)
    reached: list[Reached] = field(default_factory=list)
    _queues: QueueState = field(init=False)
    _outgoing: OutgoingCalls = field(init=False)
    _fold: Fold = field(init=False)

    def __post_init__(self) -> None:
        rules = InForce(self.rules)
        self.tracker = Tracker(rules)
        self._queues = QueueState(rules)
        self._outgoing = OutgoingCalls(rules)
        self._fold = Fold(self.rules.policy)

    @property
    def records(self) -> dict[Caller, CallerRecord]:
        """The callers' records that a store would have."""
        return self._fold.records

    def run(self, events: Iterable[Event | Malformed | None]) -> Iterator[Entry]:
        """Yield the ledger entries of the ended calls, in order."""
        for event in events:
            if isinstance(event, Malformed):
                self.malformed[event.defect] += 1
            elif event is not None:
                self._queues.feed(event)
                for call in self.tracker.feed(event):
                    yield self._entry_of(call)
                for reached in self._outgoing.feed(event):
                    self.reached.append(reached)
                    self._fold.take(reached)

    def _entry_of(self, call: Call) -> Entry:
        def surge() -> str:
            return self._queues.surge(self.tracker.overdue, call.ended)

        entry = entry_of(call, self.rules, Mode.ENFORCE, surge)
        return self._fold.take(entry).entry or entry
