"""The one fold of ended calls into callers' records, and what it needs of whatever holds them.

`changes.change_of_call` says what a call changes; here is what a holder of records adds to that. `Fold` holds
them in memory: replay and back-test stand on it.
"""

from dataclasses import dataclass, field
from typing import Protocol

from siaga112.core.changes import CallChange, Change, Imposition, Stored, change_of_call
from siaga112.core.model import HOUR, Caller, CallId, Entry, Millis, Reached
from siaga112.core.record import CallerRecord
from siaga112.core.regulation import PolicyRules

Subject = tuple[Caller | None, CallId | None]
"""What a change is about: a caller, a call, or both."""


class Work(Protocol):
    """What may be read and written together: all of it is kept, or nothing."""

    def held(self, caller: Caller | None, call: CallId | None = None) -> Stored:
        """Give what is held on a caller and of a call, with what has been written here before."""

    def reserve(self, asked: Imposition) -> bool:
        """Take room for an automatic block among those of the hour; say whether there is any."""

    def write(self, change: Change) -> None:
        """Write a change of what is held."""


def subject(item: Entry | Reached) -> Subject:
    """Say what an item is about."""
    if isinstance(item, Reached):
        return item.caller, None
    return item.finding.call.caller, item.finding.call.id


def take(work: Work, item: Entry | Reached, rules: PolicyRules, now: Millis | None = None) -> CallChange:
    """Fold one in; give what it changed. `now`: our own clock, where there is one."""
    held = work.held(*subject(item))
    taken = change_of_call(item, held, rules, now=now)
    if taken.change.imposes and not work.reserve(taken.change.imposes):
        taken = change_of_call(item, held, rules, capped=True, now=now)
    work.write(taken.change)
    return taken


@dataclass(slots=True)
class HourlyCaps:
    """The automatic blocks of the last hour, and the permanent ones among them: each one's call, and when."""

    imposed: dict[CallId, Millis] = field(default_factory=dict)
    permanent: dict[CallId, Millis] = field(default_factory=dict)

    def reserve(self, asked: Imposition) -> bool:
        """Take room for one more; say whether there is. The same call has its room already."""
        lists = ((self.imposed, asked.cap), (self.permanent, asked.cap_permanent))
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
        return take(self, item, self.rules)

    def held(self, caller: Caller | None, call: CallId | None = None) -> Stored:
        """Give what is held on a caller; rows of calls are not held."""
        del call
        return Stored(self.records.get(caller) or CallerRecord(caller) if caller else None, 0, None)

    def reserve(self, asked: Imposition) -> bool:
        """Take room for an automatic block among those of the hour; say whether there is any."""
        return self._caps.reserve(asked)

    def write(self, change: Change) -> None:
        """Keep a caller's record."""
        if new := change.replacement:
            self.records[new.record.caller] = new.record

    def turned_away(self, caller: Caller, now: Millis) -> bool:
        """Note that a caller is being turned away; say whether that happened within `let_through` already."""
        if now < self._away.get(caller, 0):
            return True
        self._away[caller] = now + self.rules.let_through
        return False
