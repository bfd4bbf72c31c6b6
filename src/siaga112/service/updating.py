"""Transactional changes of a caller's record."""

from collections.abc import Callable
from dataclasses import replace

from siaga112.core.changes import Change, replacement
from siaga112.core.fold import Work
from siaga112.core.model import Caller, Millis
from siaga112.core.record import CallerRecord
from siaga112.core.regulation import PolicyRules
from siaga112.core.retention import prune
from siaga112.service.ports import Recording


async def update(
    records: Recording,
    caller: Caller,
    change: Callable[[CallerRecord], CallerRecord],
    now: Millis,
    rules: PolicyRules,
    *,
    also: Callable[[CallerRecord, CallerRecord], Change] = lambda _before, _after: Change(),
    ages: bool = True,
) -> tuple[CallerRecord, CallerRecord]:
    """Change a caller's record in one transaction; return the record before and after.

    `change` returns the new record. `also`, given both records, returns what else to write with it. `ages`:
    whether to prune the record too. Nothing is written if either function raises.
    """

    def act(work: Work) -> tuple[CallerRecord, CallerRecord]:
        held = work.held(caller)
        before = held.record or CallerRecord(caller)
        after = prune(change(before), now, rules) if ages else change(before)
        whole = also(before, after)
        if after != before:
            whole = replace(whole, replacement=replacement(before, after, held.version, now, rules))
        if whole != Change():
            work.write(whole)
        return before, after

    return await records.transaction([(caller, None)], act)
