"""The one fold of ended calls into callers' records, in memory: replay and back-test stand on it.

`changes.change_of_call` says what a call changes, for the live line too; here is what a store adds to that.
The live line has Redis for it, since several daemons and a restart share it.
"""

from dataclasses import dataclass, field

from siaga112.core.changes import CallChange, Imposition, Stored, change_of_call
from siaga112.core.model import HOUR, Caller, CallId, Entry, Millis, Reached
from siaga112.core.record import CallerRecord
from siaga112.core.regulation import PolicyRules


@dataclass(slots=True)
class HourlyCaps:
    """The automatic blocks of the last hour, and the permanent ones among them."""

    _imposed: dict[CallId, Millis] = field(default_factory=dict)
    _permanent: dict[CallId, Millis] = field(default_factory=dict)

    def reserve(self, asked: Imposition) -> bool:
        """Take room for one more; say whether there is. The same call has its room already."""
        lists = ((self._imposed, asked.cap), (self._permanent, asked.cap_permanent))
        for held, cap in lists:
            for call in [call for call, at in held.items() if at <= asked.at - HOUR]:
                del held[call]
            if cap and asked.call not in held and len(held) >= cap:
                return False
        for held, cap in lists:
            if cap:
                held.setdefault(asked.call, asked.at)
        return True


@dataclass(slots=True)
class Fold:
    """Callers' records in memory. Take what ended in the order in which it ended."""

    rules: PolicyRules
    records: dict[Caller, CallerRecord] = field(default_factory=dict)
    _caps: HourlyCaps = field(default_factory=HourlyCaps)
    _away: dict[Caller, Millis] = field(default_factory=dict)

    def take(self, item: Entry | Reached) -> CallChange:
        """Fold one in; give what it changed."""
        caller = item.caller if isinstance(item, Reached) else item.finding.call.caller
        held = Stored(self.records.get(caller) or CallerRecord(caller) if caller else None, 0, None)
        taken = change_of_call(item, held, self.rules)
        if taken.change.imposes and not self._caps.reserve(taken.change.imposes):
            taken = change_of_call(item, held, self.rules, capped=True)
        if new := taken.change.replacement:
            self.records[new.record.caller] = new.record
        return taken

    def turned_away(self, caller: Caller, now: Millis) -> bool:
        """Note that a caller is being turned away; say whether that happened within `let_through` already."""
        if now < self._away.get(caller, 0):
            return True
        self._away[caller] = now + self.rules.let_through
        return False
