"""One change to the store, whoever else is changing the same record."""

from collections.abc import Callable
from dataclasses import replace

from siaga112.core.changes import Change, replacement
from siaga112.core.model import Caller, Millis
from siaga112.core.record import CallerRecord
from siaga112.core.regulation import PolicyRules
from siaga112.core.retention import prune
from siaga112.service.ports import Store, StoreBrokenError, Written


async def write(store: Store, change: Change) -> Written:
    """Write one change.

    Raises:
        StoreBrokenError: if the store will not take it.

    """
    (answer,) = await store.write([change])
    if isinstance(answer, StoreBrokenError):
        raise answer
    return answer


async def update(
    store: Store,
    caller: Caller,
    change: Callable[[CallerRecord], CallerRecord],
    now: Millis,
    rules: PolicyRules,
    *,
    also: Callable[[CallerRecord, CallerRecord], Change] = lambda _before, _after: Change(),
) -> tuple[CallerRecord, CallerRecord]:
    """Change a caller's record, whoever else is changing it too; give it before and after.

    Optimistic: read, decide in pure code, replace if nobody came between, else again. `also` gives what
    else is written with it. What is older than may be kept goes on the way.
    """
    while True:
        before, version = await store.load(caller)
        after = prune(change(before), now, rules)
        whole = also(before, after)
        if after != before:
            whole = replace(whole, replacement=replacement(before, after, version, now, rules))
        if whole == Change() or await write(store, whole) is Written.DONE:
            return before, after
