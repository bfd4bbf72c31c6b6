"""What tests of a store need: changes as both flows make them, and every question that it answers."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.redis.block_list import RedisBlockList
from siaga112.app.store import SiteStore
from siaga112.core import decisions
from siaga112.core.changes import Change, Imposition, replacement
from siaga112.core.mode import Switch
from siaga112.core.model import AuditEntry, Caller, Mode
from siaga112.core.policy import add_strike
from siaga112.core.record import CallerRecord, Strike
from siaga112.core.standing import NOBODY, Standing
from siaga112.service.ports import Edition, FeedPosition, Store
from siaga112.service.updating import update
from tests.samples import CALLER, NOW, OTHER, RULES, SNAPSHOT, block, entry, prank


async def change(
    store: Store, how: Callable[[CallerRecord], CallerRecord], caller: Caller = CALLER
) -> CallerRecord:
    """Change a caller's record as both flows do; return the new one."""
    return (await update(store, caller, how, NOW, RULES))[1]


def struck(*strikes: Strike) -> Callable[[CallerRecord], CallerRecord]:
    """Return the change that adds these strikes."""

    def add(record: CallerRecord) -> CallerRecord:
        for one in strikes:
            record = add_strike(record, one, RULES)
        return record

    return add


def blocked_for_good(record: CallerRecord) -> CallerRecord:
    """Block a caller permanently."""
    return decisions.impose(record, block(NOW, None))


async def listed(store: Store | DatabaseRecords) -> tuple[list[Caller], list[Caller]]:
    """Return who is on the list of blocks, and who on the allow list."""
    blocked, allowed = await store.blocked(NOW), await store.allowed()
    return sorted(record.caller for record in blocked), sorted(record.caller for record in allowed)


def begun(record: CallerRecord) -> Change:
    """Return the change that writes the first record of a caller."""
    return Change(replacement(CallerRecord(record.caller), record, 0, NOW, RULES))


def whole() -> Change:
    """Return a change of everything that one change can contain."""
    return Change(
        begun(blocked_for_good(CallerRecord(CALLER))).replacement,
        entry(prank(1)),
        AuditEntry(NOW, "ratna", "block", CALLER),
        {"strikes:ivr_prank": 1},
        Imposition(prank(1).id, NOW, 1),
    )


async def every_answer(store: SiteStore) -> list[Any]:
    """Ask a store all its questions at once; return the answers, errors included."""
    questions = [
        store.ping(),
        store.load(CALLER),
        store.write([whole()]),
        store.blocked(NOW),
        store.block_counts(NOW),
        store.allowed(),
        store.entry(prank(1).id),
        anext(aiter(store.entries(NOW, NOW + 1)), None),
        store.counted(NOW, NOW + 1, 1_000, 1_000),
        store.misusers(NOW, NOW + 1),
        store.ledger_begins(),
        anext(store.ageing(0, 0), None),
        store.blocks_of_changed(NOW),
        store.ledger_calls(NOW, NOW + 1),
        store.proposed(),
        store.proposed_count(),
        store.appealed(),
        store.appealed_count(),
        store.holds(),
        store.holdings(),
        store.missed(),
        store.missed_count(),
        store.audit_entries(0, NOW + 1),
        store.audit_of(CALLER),
        store.last_of("mode"),
        store.entries_of(CALLER),
        store.tallies(),
        store.tidy(NOW),
        store.erase(CALLER, 0),
        store.take_out(re.compile(re.escape(CALLER))),
        store.switched(),
        store.switch(Switch(Mode.OFF), Mode.OBSERVE),
    ]
    answers: list[Any] = await asyncio.gather(*questions, return_exceptions=True)
    return [*answers, *await every_redis_answer(store.block_list)]


async def every_redis_answer(block_list: RedisBlockList) -> list[Any]:
    """Ask the block list all its questions at once; return the answers, errors included."""
    edition, changes = Edition("e", 1), [(CALLER, Standing(allowed=True)), (OTHER, NOBODY)]
    questions = [
        block_list.ping(),
        block_list.standing(CALLER),
        block_list.rejected_again(CALLER, 1_000),
        block_list.forget(CALLER),
        block_list.edition(),
        block_list.publish(changes, edition),
        block_list.put(changes),
        block_list.begin(),
        block_list.finish(edition),
        anext(block_list.callers(), None),
        block_list.last_change(),
        anext(aiter(block_list.standings()), None),
        block_list.changes(FeedPosition("1-1", "")),
        block_list.wait(FeedPosition("1-1", ""), 0.001),
        block_list.put_snapshot(SNAPSHOT),
        block_list.snapshot(),
        block_list.switched(),
        block_list.switch(Switch(Mode.OFF), Mode.OBSERVE),
    ]
    answers: list[Any] = await asyncio.gather(*questions, return_exceptions=True)
    return answers
