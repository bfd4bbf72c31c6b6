"""Reviews with real records: the ledger decides, and each decision is on the audit trail."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.schema import METADATA
from siaga112.core import decisions
from siaga112.core.changes import Change, replacement
from siaga112.core.fold import Work
from siaga112.core.model import DAY, Caller, Entry, Millis, Outcome, ProposalCause, Reason, Via
from siaga112.core.record import CallerRecord
from siaga112.core.regulation import PolicyRules
from siaga112.core.rules import InForce
from siaga112.service.ports import StoreDownError
from siaga112.service.reviewing import Reviewer
from tests.core.table import in_force
from tests.samples import CALLER, NOW, OTHER, block, call_id, entry, prank

RULES = PolicyRules(review=180 * DAY, review_quiet=60 * DAY)
BEGAN = NOW - 200 * DAY


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[DatabaseRecords]:
    """Yield the records of a site, in a database file."""
    engine = connect(f"sqlite:///{tmp_path}/siaga112.db")
    METADATA.create_all(engine)
    found = DatabaseRecords(engine, "serang")
    yield found
    await found.close()


def reviewer(records: DatabaseRecords, rules: PolicyRules = RULES) -> Reviewer:
    """Return a reviewer of the records, by a clock that shows NOW."""
    held = in_force()
    return Reviewer(records, InForce(replace(held.now, policy=rules)), lambda: NOW)


async def blocked(records: DatabaseRecords, caller: Caller, since: Millis = BEGAN) -> None:
    """Block a caller permanently from this instant on."""

    def act(work: Work) -> None:
        held = work.held(caller)
        before = held.record or CallerRecord(caller)
        after = decisions.impose(before, block(since, None))
        work.write(Change(replacement(before, after, held.version, NOW, RULES)))

    await records.transaction([(caller, None)], act)


def rejected(number: int, at: Millis, caller: Caller) -> Entry:
    """Return the ledger row of a rejected call."""
    row = entry(prank(number, at, caller))
    finding = replace(row.finding, outcome=Outcome.BLOCKED, reason=Reason.REJECTED)
    return Entry(replace(finding, call=replace(finding.call, id=call_id(number, at))), strike=False)


async def watching(records: DatabaseRecords, *more: Entry) -> None:
    """Record calls that prove that the ledger was kept from before the block until now."""
    rows = [entry(prank(n, at, None)) for n, at in ((1, BEGAN - DAY), (2, NOW - DAY // 2))]
    await records.write([Change(entry=row) for row in (*rows, *more)])


async def test_a_quiet_number_is_released_and_a_busy_one_comes_up(
    records: DatabaseRecords,
) -> None:
    """A quiet number is released; a busy one is proposed for review, with what it did since."""
    await watching(records, *(rejected(n, NOW - n * DAY, OTHER) for n in (3, 4, 5)))
    await blocked(records, CALLER)
    await blocked(records, OTHER)
    assert await reviewer(records).review() == 2
    quiet, busy = await records.load(CALLER), await records.load(OTHER)
    assert quiet.block_at(NOW) is None
    assert busy.block_at(NOW)
    assert busy.proposed
    assert busy.proposed.cause is ProposalCause.REVIEW
    assert busy.proposed.reason == "in force for 180d: rejected 3 times since, last 3 days ago"
    (line,) = await records.audit_of(CALLER)
    assert (line.by, line.action, line.via) == ("siaga112", "unblock", Via.DAEMON)
    assert line.reason == "no call for 60d: the number may have a new owner"
    assert {one.caller for one in await records.unpublished(10)} == {CALLER, OTHER}
    assert await reviewer(records).review() == 0, "once is enough"


async def test_without_calls_in_the_ledger_nobody_is_taken_for_quiet(records: DatabaseRecords) -> None:
    """While the ledger has no calls up to now, no number counts as quiet."""
    await blocked(records, CALLER)
    assert await reviewer(records).review() == 0
    await records.write([Change(entry=entry(prank(1, NOW - 2 * DAY, None)))])
    assert await reviewer(records).review() == 0
    assert (await records.load(CALLER)).block_at(NOW)


async def test_a_centre_that_does_not_ask_for_reviews_gets_none(records: DatabaseRecords) -> None:
    """Without the settings, as in the regulation's preset, there are no reviews."""
    await watching(records)
    await blocked(records, CALLER)
    assert await reviewer(records, PolicyRules()).review() == 0


async def test_what_a_person_decides_meanwhile_stands(
    records: DatabaseRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person's decision between the review's read and its write stands, and the review changes nothing."""
    await watching(records)
    await blocked(records, CALLER)
    looking = records.called

    async def meanwhile(caller: Caller, since: Millis) -> object:
        await blocked(records, caller, NOW - 1)
        return await looking(caller, since)

    monkeypatch.setattr(records, "called", meanwhile)
    assert await reviewer(records).review() == 0
    assert (await records.load(CALLER)).block_at(NOW)


async def test_the_review_of_many_is_paged_and_one_unreadable_keeps_nobody(
    records: DatabaseRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that cannot be read is skipped, and a lost database ends the round."""
    await watching(records)
    monkeypatch.setattr("siaga112.adapters.database.callers.PAGE", 3)
    callers = [Caller(f"+62812000000{n:02}") for n in range(8)]
    for caller in callers:
        await blocked(records, caller)
    load = records.load

    async def broken(caller: Caller) -> CallerRecord:
        if caller == callers[2]:
            raise ValueError("of no year")
        return await load(caller)

    monkeypatch.setattr(records, "load", broken)
    assert await reviewer(records).review() == len(callers) - 1

    async def away(_: Caller) -> CallerRecord:
        raise StoreDownError("database: gone")

    monkeypatch.setattr(records, "load", away)
    with pytest.raises(StoreDownError):
        await reviewer(records).review()
