"""The whole line without its machinery: events in, ledger rows and caller records out.

The same tracker, classifier and policy as the daemon's, in its order, with a dictionary for a store.
Nothing here can differ from the live line but the speed: replay and back-test stand on it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from siaga112.core.calls import Tracker
from siaga112.core.events import Event, Malformed
from siaga112.core.model import Call, Caller, CallerRecord, Entry
from siaga112.core.outcome import ClassifierRules, classify
from siaga112.core.policy import PolicyRules, add_strike, strike_for


@dataclass(slots=True)
class Replay:
    """Runs events through the line; `records` holds what a store would, `malformed` what was refused."""

    tracker: Tracker
    classifier: ClassifierRules
    policy: PolicyRules
    records: dict[Caller, CallerRecord] = field(default_factory=dict)
    malformed: Counter[str] = field(default_factory=Counter)

    def run(self, events: Iterable[Event | Malformed | None]) -> Iterator[Entry]:
        """Give the ledger rows of the calls that ended, in order."""
        for event in events:
            if isinstance(event, Malformed):
                self.malformed[event.defect] += 1
            elif event is not None:
                for call in self.tracker.feed(event):
                    yield self._settle(call)

    def _settle(self, call: Call) -> Entry:
        finding = classify(call, self.classifier)
        strike = strike_for(finding, self.policy)
        if strike is None or call.caller is None:
            return Entry(finding, strike=False)
        record = self.records.get(call.caller) or CallerRecord(call.caller)
        record = add_strike(record, strike, self.policy)
        self.records[call.caller] = record
        return Entry(finding, strike in record.strikes)
