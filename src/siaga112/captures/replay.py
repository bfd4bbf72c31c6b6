"""The whole line without its machinery: events in, ledger rows and caller records out.

The same tracker, classifier and policy as the daemon's, in its order, with a dictionary for a store.
Nothing here can differ from the live line but the speed: replay and back-test stand on it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from siaga112.core.ami.events import Event, Malformed
from siaga112.core.model import Call, Caller, CallerRecord, Entry, Mode
from siaga112.core.outcome import ClassifierRules
from siaga112.core.policy import PolicyRules, add_strike, spared_by, strike_for
from siaga112.core.settle import settle
from siaga112.core.tracking.queue_state import Lines
from siaga112.core.tracking.tracker import Dialplan, Tracker


@dataclass(slots=True)
class Replay:
    """Runs events through the line; `records` holds what a store would, `malformed` what was refused."""

    dialplan: Dialplan
    classifier: ClassifierRules
    policy: PolicyRules
    tracker: Tracker = field(init=False)
    lines: Lines = field(init=False)
    records: dict[Caller, CallerRecord] = field(default_factory=dict)
    malformed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.tracker = Tracker(self.dialplan)
        self.lines = Lines(self.dialplan.queues, self.policy.surge)

    def run(self, events: Iterable[Event | Malformed | None]) -> Iterator[Entry]:
        """Give the ledger rows of the calls that ended, in order."""
        for event in events:
            if isinstance(event, Malformed):
                self.malformed[event.defect] += 1
            elif event is not None:
                self.lines.feed(event)
                for call in self.tracker.feed(event):
                    yield self._settle(call)

    def _settle(self, call: Call) -> Entry:
        def surge() -> str:
            return self.lines.surge(self.tracker.overdue, call.ended)

        entry = settle(call, self.classifier, self.policy, Mode.ENFORCE, surge)
        strike = strike_for(entry.finding, self.policy) if entry.strike else None
        if strike and call.caller:
            record = self.records.get(call.caller) or CallerRecord(call.caller)
            self.records[call.caller] = add_strike(record, strike, self.policy)
            spared = spared_by(record, strike)
            return replace(entry, strike=not spared, spared=spared)
        return entry
