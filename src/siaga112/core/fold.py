"""The fold of ended calls into callers' records, and the interface it needs from a store of records.

`changes.change_of_call` decides what a call changes; this module applies it to a store (`Work`). `Fold` is
the store in memory that replay and back-test use.
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
    """A transaction: everything read and written through it is kept together, or not at all."""

    def held(self, caller: Caller | None, call: CallId | None = None) -> Stored:
        """Return what is stored about a caller and a call, including what this transaction wrote."""

    def reserve(self, asked: Imposition) -> bool:
        """Reserve one of the hour's automatic blocks; return whether there was one left."""

    def write(self, change: Change) -> None:
        """Write a change."""


def subject(item: Entry | Reached) -> Subject:
    """Return the caller and the call that an item is about."""
    if isinstance(item, Reached):
        return item.caller, None
    return item.finding.call.caller, item.finding.call.id


def take(work: Work, item: Entry | Reached, rules: PolicyRules, now: Millis | None = None) -> CallChange:
    """Fold one item in; return what it changed. `now`: the time of our own clock, if there is one."""
    held = work.held(*subject(item))
    taken = change_of_call(item, held, rules, now=now)
    if taken.change.imposes and not work.reserve(taken.change.imposes):
        taken = change_of_call(item, held, rules, capped=True, now=now)
    work.write(taken.change)
    return taken


@dataclass(slots=True)
class HourlyCaps:
    """The automatic blocks of the last hour, and the permanent ones among them, as call to time."""

    imposed: dict[CallId, Millis] = field(default_factory=dict)
    permanent: dict[CallId, Millis] = field(default_factory=dict)

    def reserve(self, asked: Imposition) -> bool:
        """Reserve one more block; return whether the caps allow it. A call needs only one reservation."""
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
    """Callers' records in memory. Feed it ended calls in the order in which they ended."""

    rules: PolicyRules
    records: dict[Caller, CallerRecord] = field(default_factory=dict)
    _caps: HourlyCaps = field(default_factory=HourlyCaps)
    _again_until: dict[Caller, Millis] = field(default_factory=dict)

    def take(self, item: Entry | Reached) -> CallChange:
        """Fold one item in; return what it changed."""
        return take(self, item, self.rules)

    def held(self, caller: Caller | None, call: CallId | None = None) -> Stored:
        """Return the caller's record. This store keeps no rows of calls."""
        del call
        return Stored(self.records.get(caller) or CallerRecord(caller) if caller else None, 0, None)

    def reserve(self, asked: Imposition) -> bool:
        """Reserve one of the hour's automatic blocks; return whether there was one left."""
        return self._caps.reserve(asked)

    def write(self, change: Change) -> None:
        """Store a caller's record."""
        if new := change.replacement:
            self.records[new.record.caller] = new.record

    def rejected_again(self, caller: Caller, now: Millis) -> bool:
        """Record a rejected attempt; return whether the caller's last one was within `let_through`."""
        if now < self._again_until.get(caller, 0):
            return True
        self._again_until[caller] = now + self.rules.let_through
        return False
