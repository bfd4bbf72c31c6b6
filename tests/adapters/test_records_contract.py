"""The records' contract, on SQLite and PostgreSQL."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import datetime, time
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Connection, event, func, insert, select, text, update

from siaga112.adapters.database import callers
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.rows import audit_entry_of, digest
from siaga112.adapters.database.schema import AUDIT, BLOCK, CALL, HANDOVER, METADATA
from siaga112.adapters.database.transactions import PAGE
from siaga112.app.store import SiteStore
from siaga112.core import decisions
from siaga112.core.caller_id import INDONESIA, spelling
from siaga112.core.changes import CallChange, Change, Imposition, replacement, without_caller
from siaga112.core.figures import Figures, grain, one_by_one
from siaga112.core.fold import Fold, Work, subject, take
from siaga112.core.handling import Handling, answered_one_by_one, passed_one_by_one
from siaga112.core.holdings import Holding, Kind
from siaga112.core.mode import Switch
from siaga112.core.model import (
    DAY,
    HOUR,
    AuditEntry,
    Caller,
    CallId,
    Entry,
    HandedOver,
    Handover,
    Level,
    Mark,
    Mode,
    Outcome,
    ProposalCause,
    Reached,
    Reason,
    Spared,
    Stages,
)
from siaga112.core.period import Period, of_days
from siaga112.core.record import AllowEntry, Attempt, CallerRecord, Hold, Lift, MissedCall, Proposal
from siaga112.core.shifts import Shift
from siaga112.core.standing import NOBODY
from siaga112.service.ports import CallPlace, Parked, StoreBrokenError
from siaga112.service.retention import Retention
from tests import month
from tests.adapters.changes import begun, blocked_for_good, listed, struck, whole
from tests.adapters.conftest import KEEP
from tests.core.table import in_force
from tests.lab.postgres import Postgres, postgres
from tests.samples import CALLER, NOW, OTHER, RULES, answered, block, entry, ledger_row, prank, strike, turn

DAEMONS = 20
PATIENCE = 120
"""Seconds. The contract is about results, not speed, and writers wait for each other."""

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


def with_tables(url: str) -> str:
    """Make the tables in that database; return its address."""
    engine = connect(url)
    METADATA.create_all(engine)
    engine.dispose()
    return url


@pytest.fixture(scope="module", name="server")
def server_running() -> Iterator[Postgres]:
    """Run one server for all tests here; each test has its own site."""
    with postgres() as running:
        with_tables(running.url)
        yield running


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of each kind of database in turn, with its tables."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("server")
        return server.url
    return with_tables(f"sqlite:///{tmp_path}/siaga112.db")


@pytest.fixture
async def records(url: str, site: str) -> AsyncIterator[DatabaseRecords]:
    """Open the records of a site."""
    found = DatabaseRecords(connect(url, PATIENCE), site, patience=PATIENCE)
    yield found
    await found.close()


@pytest.fixture
async def daemons(url: str, site: str) -> AsyncIterator[list[DatabaseRecords]]:
    """Open the same site's records as many daemons do, each with its own connection."""
    opened = [connect(url, PATIENCE) for _ in range(DAEMONS)]
    found = [DatabaseRecords(one, site, patience=PATIENCE) for one in opened]
    yield found
    await asyncio.gather(*(one.close() for one in found))


async def change(
    records: DatabaseRecords, how: Callable[[CallerRecord], CallerRecord], caller: Caller = CALLER
) -> CallerRecord:
    """Change a caller's record; return the new one."""

    def act(work: Work) -> CallerRecord:
        held = work.held(caller)
        assert held.record
        after = how(held.record)
        if after != held.record:
            work.write(Change(replacement(held.record, after, held.version, NOW, RULES)))
        return after

    return await records.transaction([(caller, None)], act)


async def write(records: DatabaseRecords, *changes: Change) -> None:
    """Write changes together."""

    def act(work: Work) -> None:
        for one in changes:
            work.write(one)

    await records.transaction([], act)


async def record(records: DatabaseRecords, *items: Entry | Reached) -> list[CallChange]:
    """Fold in ended calls, as the live line does."""
    return await records.transaction(
        [subject(one) for one in items], lambda work: [take(work, one, RULES) for one in items]
    )


async def reserve(records: DatabaseRecords, *asked: Imposition) -> list[bool]:
    """Reserve some of the hour's automatic blocks; return for each whether there was one left."""
    return await records.transaction([], lambda work: [work.reserve(one) for one in asked])


async def version(records: DatabaseRecords, caller: Caller = CALLER) -> int:
    """Return how often a caller's record has been written."""
    return await records.transaction([(caller, None)], lambda work: work.held(caller).version)


async def test_records_are_read_together_in_the_order_asked_for(records: DatabaseRecords) -> None:
    """`load_each` returns the records in the order asked for, and an empty one for an unknown caller."""
    await write(records, begun(blocked_for_good(CallerRecord(CALLER))))
    found = await records.load_each([OTHER, CALLER])
    assert found == [CallerRecord(OTHER), await records.load(CALLER)]
    assert found[1].blocks


async def test_a_stranger_has_no_standing_and_an_empty_record(records: DatabaseRecords) -> None:
    """An unknown caller has an empty record of version 0."""
    assert await records.load(CALLER) == CallerRecord(CALLER)
    assert await version(records) == 0


async def test_a_record_comes_back_as_it_was_saved(records: DatabaseRecords) -> None:
    """A record with strikes, blocks, a lift and an allow entry comes back as it was saved."""
    record = struck(*(strike(n, NOW - 100 + n) for n in range(6)))(CallerRecord(CALLER))
    record = decisions.lift(record, Lift(NOW - 50, "supervisor", 'said "sorry"\n'))
    record = decisions.impose(record, block(NOW - 40, NOW + DAY))
    record = decisions.allow(record, AllowEntry(NOW - 10, "supervisor", "rumah sakit"))
    record = decisions.take_back_strike(
        record, strike(1).call, Lift(NOW, "operator", "genuine", forgives=False)
    )
    await write(records, begun(record))
    assert await records.load(CALLER) == record


async def test_the_lists_follow_the_records(records: DatabaseRecords) -> None:
    """A caller is listed as blocked or allowed exactly as long as the record says so."""
    await change(records, blocked_for_good)
    await change(
        records, lambda record: decisions.allow(record, AllowEntry(NOW, "supervisor", "clinic")), OTHER
    )
    assert await listed(records) == ([CALLER], [OTHER])
    await change(records, lambda record: decisions.lift(record, Lift(NOW, "supervisor", "stolen")))
    await change(records, decisions.disallow, OTHER)
    assert await listed(records) == ([], [])


async def test_an_expired_block_is_listed_no_more(records: DatabaseRecords) -> None:
    """A temporary block is listed until its end, to the millisecond."""
    await change(records, lambda record: decisions.impose(record, block(NOW, NOW + 5_000)))
    assert [record.caller for record in await records.blocked(NOW + 4_999)] == [CALLER]
    assert (await records.block_counts(NOW + 4_999))[Level.TEMPORARY] == 1
    assert (await records.block_counts(NOW + 5_000))[Level.TEMPORARY] == 0
    assert await records.blocked(NOW + 5_000) == []


async def test_the_ledger_spans_midnight(records: DatabaseRecords) -> None:
    """A period across midnight UTC is complete and in order, and its end is exclusive."""
    midnight = NOW - NOW % DAY
    rows = [
        entry(prank(n, at))
        for n, at in enumerate([midnight - 1_000, midnight - 1, midnight, midnight + 1_000])
    ]
    for row in reversed(rows):
        await write(records, Change(entry=row))
    assert [row async for row in records.entries(midnight - 1_000, midnight + 1_000)] == rows[:3]
    assert [row async for row in records.entries(midnight, midnight + 1_001)] == rows[2:]


SHIFTS = (Shift("night", time(21, 35)), Shift("morning", time(7)), Shift("afternoon", time(14)))


async def test_figures_are_the_same_counted_where_the_rows_lie(records: DatabaseRecords) -> None:
    """Figures counted in the database equal those counted row by row, in every cut."""
    calls = [*islice(month.entries(), 1_500)]
    within = sorted(call.finding.stages.waited or 0 for call in calls)[-150]  # exactly the wait of one call
    for nth, call in enumerate(calls[:60]):
        away = replace(call.finding, outcome=Outcome.BLOCKED, reason=Reason.REJECTED)
        calls[nth] = Entry(away, strike=False, spared=Spared.SURGE if nth % 3 else None)
    await write(records, *(Change(entry=call) for call in calls))
    period = of_days(month.FEBRUARY.first, month.FEBRUARY.last, month.ZONE)
    row_by_row, counted = (Figures(period, SHIFTS, within) for _ in range(2))
    row_by_row.add([ledger_row(call) async for call in records.entries(period.first, period.end)])
    width = grain(SHIFTS, month.ZONE, period.first, period.end)
    counted.add_counted(await records.counted(period.first, period.end, width, within))
    counted.add_misusers(await records.misusers(period.first, period.end))
    assert counted.total == row_by_row.total
    assert counted.total.total > 1_000
    assert counted.by_day == row_by_row.by_day
    assert counted.by_hour == row_by_row.by_hour
    assert counted.by_duty == row_by_row.by_duty
    assert counted.uncounted == row_by_row.uncounted
    assert counted.top_misusers(10_000) == row_by_row.top_misusers(10_000)
    assert (counted.misuses, counted.misusers) == (row_by_row.misuses, row_by_row.misusers)


async def test_how_calls_were_handled_is_the_same_counted_where_the_rows_lie(
    records: DatabaseRecords,
) -> None:
    """How calls were handled, counted in the database, equals the count row by row, in every cut."""
    calls = [*month.handled(islice(month.entries(), 1_500))]
    odd = next(nth for nth, call in enumerate(calls) if call.finding.handovers)
    finding = calls[odd].finding
    behind = replace(finding.handovers[0], at=finding.call.started - 5_000)  # by another clock
    untold = replace(finding.stages, talk=None)
    calls[odd] = replace(calls[odd], finding=replace(finding, handovers=(behind,), stages=untold))
    await write(records, *(Change(entry=call) for call in calls))
    started = sorted(call.finding.call.started for call in calls)
    first, last = (datetime.fromtimestamp(started[n] / 1_000, month.ZONE) for n in (50, -50))
    period = Period(first, last, month.ZONE)
    row_by_row, counted = (Handling(period, SHIFTS) for _ in range(2))
    mine = [call async for call in records.entries(period.first, period.end)]
    row_by_row.add_answered(answered_one_by_one(mine))
    row_by_row.add_passed(passed_one_by_one(mine))
    width = grain(SHIFTS, month.ZONE, period.first, period.end)
    counted.add_answered(await records.answered(period.first, period.end, width))
    counted.add_passed(await records.passed(period.first, period.end))
    assert len(counted.by_operator) == 4
    assert len(counted.by_agency) == 3
    for cut in ("by_operator", "by_operator_and_shift", "by_agency"):
        assert [*getattr(counted, cut).items()] == [*getattr(row_by_row, cut).items()], cut
    assert counted.by_kind == row_by_row.by_kind
    assert counted.by_district == row_by_row.by_district


async def test_each_kind_of_call_is_counted_together_with_its_like(records: DatabaseRecords) -> None:
    """Calls of every mix of outcome, wait, mark, caller and strike are counted apart, as one by one."""
    plain = entry(answered(1)).finding
    within = 10_000
    kinds = product(
        ((Outcome.ANSWERED, Reason.OPERATOR), (Outcome.ABANDONED, Reason.LEFT_QUEUE),
         (Outcome.ABANDONED, Reason.BEFORE_MENU), (Outcome.IVR_PRANK, Reason.LEFT_MENU),
         (Outcome.BLOCKED, Reason.REJECTED)),
        (None, 0, within, within + 1),
        (None, Mark.PRANK),
        (CALLER, None),
        (False, True),
        (None, Spared.SURGE),
    )  # fmt: skip
    rows = []
    for nth, ((outcome, reason), wait, mark, caller, counts, spared) in enumerate(kinds):
        call = replace(prank(nth, NOW + nth * 60_000), caller=caller)
        stages = replace(plain.stages, wait=wait, ring=None)
        finding = replace(
            plain, call=call, deciding=(), outcome=outcome, reason=reason, mark=mark, stages=stages
        )
        rows.append(Entry(finding, strike=counts, spared=spared))
    await write(records, *(Change(entry=row) for row in rows))
    found = await records.counted(NOW, NOW + len(rows) * 60_000, 60_000, within)
    begun = [row._replace(started=max(row.started // 60_000 * 60_000, NOW)) for row in map(ledger_row, rows)]
    asked = one_by_one(begun, within)
    assert {kind: sorted(grains) for kind, grains in found.calls.items()} == asked.calls
    assert {kind: sorted(spans) for kind, spans in found.waits.items()} == asked.waits


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_a_wait_that_is_no_whole_number_spoils_no_report(records: DatabaseRecords) -> None:
    """SQLite keeps whatever another program writes: a wait with a fraction is counted, and nothing raises."""
    await write(records, Change(entry=entry(answered(1))))
    await records.act(lambda connection: connection.exec_driver_sql("UPDATE call SET wait = 1234.5"))
    found = await records.counted(NOW - DAY, NOW + DAY, HOUR, 10_000)
    assert [waits for _, waits in found.waits[Outcome.ANSWERED]] == [[12]]


async def test_what_is_counted_from_amid_a_grain_begins_there(records: DatabaseRecords) -> None:
    """A period that begins within a grain counts its calls from there on, and none before."""
    begin = NOW // HOUR * HOUR
    calls = [prank(n, begin + n * 60_000) for n in range(10)]
    await write(records, *(Change(entry=entry(call)) for call in calls))
    found = await records.counted(begin + 5 * 60_000, begin + HOUR, HOUR, 10_000)
    assert list(found.calls.values()) == [[(begin + 5 * 60_000, 5)]]
    assert not found.waits


async def test_who_was_blocked_is_known_when_the_block_is_over(records: DatabaseRecords) -> None:
    """Blocks are found by when they last began or were lifted, even ended ones, until an erasure."""
    await change(records, lambda record: decisions.impose(record, block(NOW - 50, NOW - 40)))
    await change(records, struck(strike(1)), OTHER)
    assert list(await records.blocks_of_changed(NOW - 50)) == [(block(NOW - 50, NOW - 40),)]
    assert list(await records.blocks_of_changed(NOW - 49)) == []
    held = await change(records, lambda record: decisions.impose(record, block(NOW - 30, None)))
    assert list(await records.blocks_of_changed(NOW - 30)) == [held.blocks]
    held = await change(records, lambda record: decisions.lift(record, Lift(NOW - 10, "supervisor", "wrong")))
    assert list(await records.blocks_of_changed(NOW - 10)) == [held.blocks]
    await records.erase(CALLER, 0)
    assert list(await records.blocks_of_changed(0)) == []


async def test_the_same_call_again_replaces_its_row(records: DatabaseRecords) -> None:
    """A call that is written twice has one row, the later one."""
    first = entry(answered(1))
    marked = replace(first, finding=replace(first.finding, mark=Mark.GENUINE))
    for row in (first, first, marked):
        await write(records, Change(entry=row))
    assert [row async for row in records.entries(NOW, NOW + 1)] == [marked]
    assert await records.entry(first.finding.call.id) == marked


HANDOVERS = (
    Handover(NOW + 20_000, HandedOver.BLIND, "113", "Damkar", None),
    Handover(NOW + 40_000, HandedOver.TOLD, "PMI", "PMI", 0),
)


async def test_who_answered_and_to_whom_it_went_come_back(records: DatabaseRecords) -> None:
    """Operator and hand-overs come back with every reading of a row, and a rewritten row has only its own."""
    call = replace(answered(1), recording="/spool/2026/11/a.wav")
    row = entry(call)
    finding = replace(
        row.finding, operator="Siti", handovers=HANDOVERS, kind="fire", district="Cipocok", mark=Mark.GENUINE
    )
    whole_row = replace(row, finding=finding)
    await write(records, Change(entry=whole_row), Change(entry=entry(answered(2, NOW + 1))))
    assert await records.entry(call.id) == whole_row
    assert (await records.entries_of(CALLER))[0] == whole_row
    assert [one async for one in records.entries(NOW, NOW + 1)] == [whole_row]
    (summary,) = [one async for one in records.summaries(NOW, NOW + 1)]
    assert summary == whole_row.summary
    assert (summary.operator, summary.handed_to, summary.kind) == ("Siti", "PMI", "fire")
    fewer = replace(whole_row, finding=replace(finding, handovers=HANDOVERS[:1]))
    await records.transaction([(CALLER, call.id)], lambda work: rewritten(work, fewer))
    assert await records.entry(call.id) == fewer
    await write(records, Change(entry=row))  # not read first: no old hand-over is left either
    assert await handed_over(records) == []
    await write(records, Change(entry=fewer))
    assert await handed_over(records) == [(call.id, 0)]
    await records.drop_calls(NOW + 60_000)
    assert await records.entry(call.id) is None
    assert await handed_over(records) == []


async def handed_over(records: DatabaseRecords) -> list[tuple[object, ...]]:
    """Return the rows of hand-overs."""
    rows = await records.select(HANDOVER, select(HANDOVER.c.call, HANDOVER.c.nth))
    return [tuple(one) for one in rows]


def rewritten(work: Work, row: Entry) -> None:
    """Write a row in place of the stored one."""
    call = row.finding.call
    assert work.held(call.caller, call.id).entry
    work.write(Change(entry=row))


async def test_who_is_forgotten_has_no_recording(records: DatabaseRecords) -> None:
    """An erased caller's calls have no recording, since the PBX names recordings by number."""
    call = replace(answered(1), recording="/spool/081211111111.wav")
    await write(records, Change(entry=entry(call)))
    await records.erase(CALLER, NOW + 60_000)
    found = await records.entry(call.id)
    assert found is not None
    assert found.finding.call.recording == ""


async def test_an_attempt_to_call_back_stays_until_the_caller_is_reached(records: DatabaseRecords) -> None:
    """An attempt at a call-back stays until the caller is reached: by whom, how often, and a note."""
    missed = MissedCall(prank(2).id, NOW - 5_000, 3_000, "queue_timeout")
    await change(records, lambda record: replace(record, missed=(missed,)))
    await change(records, lambda record: decisions.attempt(record, Attempt("ratna", NOW, 0, "")))
    held = await change(
        records, lambda record: decisions.attempt(record, Attempt("budi", NOW + 1, 1, "busy"))
    )
    assert held.attempt == Attempt("budi", NOW + 1, 1, "busy")
    (found,) = await records.missed()
    assert (found.attempt, found.missed) == (held.attempt, (missed,))
    held = await change(records, lambda record: decisions.reach(record, NOW + 2))
    assert held.attempt is None


@pytest.mark.parametrize("call", ["", "junk", "1795000000", "asterisk-1795000000.7", "9" * 40 + ".1"])
async def test_a_call_that_is_not_in_the_ledger(records: DatabaseRecords, call: str) -> None:
    """A call that is not in the ledger is None, whatever its id looks like."""
    assert await records.entry(CallId(call)) is None


async def test_the_mode_is_unset_until_somebody_sets_it(records: DatabaseRecords) -> None:
    """The mode is None until somebody switches it."""
    assert await records.switched() is None
    enforced = Switch(Mode.ENFORCE, NOW, "ratna", "would-block figures read")
    assert await records.switch(enforced, Mode.OBSERVE)
    assert await records.switched() == enforced


async def test_a_later_switch_is_never_replaced_by_an_earlier_one(records: DatabaseRecords) -> None:
    """A switch that is older than the last one is not done, so that it cannot undo a later decision."""
    off = Switch(Mode.OFF, NOW, "ratna", "flood")
    assert await records.switch(off, Mode.ENFORCE)
    assert not await records.switch(Switch(Mode.ENFORCE, NOW - 1, "budi"), Mode.OFF)
    assert await records.switched() == off
    assert await records.switch(Switch(Mode.OBSERVE, NOW, "budi"), Mode.OFF)
    assert await records.switch(Switch(Mode.ENFORCE, NOW + 1, "budi"), Mode.OFF)
    assert await records.switched() == Switch(Mode.ENFORCE, NOW + 1, "budi")
    assert [(line.by, line.detail) for line in await records.audit_entries(0, NOW * 2)] == [
        ("ratna", "enforce → off"),
        ("budi", "off → observe"),
        ("budi", "off → enforce"),
    ]


async def test_proposals_and_call_backs_are_listed_while_they_wait(records: DatabaseRecords) -> None:
    """A proposal and a call-back are listed and counted until a person has decided."""
    proposal = Proposal(NOW, ProposalCause.POLICY, None, 2, "over ten", (prank(1).id,))
    missed = MissedCall(prank(2).id, NOW - 5_000, 3_000)
    await change(records, lambda record: replace(record, proposals=(proposal,), missed=(missed,)))
    assert [record.proposed for record in await records.proposed()] == [proposal]
    assert await records.proposed_count() == 1
    assert [record.missed for record in await records.missed()] == [(missed,)]
    assert await records.missed_count() == (1, NOW - 5_000)
    dismissal = Lift(NOW, "ratna", "a clinic")
    await change(records, lambda record: decisions.dismiss(decisions.reach(record, NOW), dismissal))
    assert (list(await records.proposed()), list(await records.missed())) == ([], [])
    assert (await records.proposed_count(), await records.missed_count()) == (0, (0, None))


MANY: Final = (
    """INSERT INTO caller (site, caller, version, reached, since, warn_until)
       SELECT :site, '+62' || n, 1, 0, 0, 0 FROM generate_series(8110000000, 8110039999) AS n""",
    """INSERT INTO missed_call (site, caller, call, at, wait, reason)
       SELECT :site, '+62' || n, n || '.1', 1, 0, '' FROM generate_series(8110000000, 8110003999) AS n""",
    """INSERT INTO block (site, caller, nth, level, since, until, origin, reason, "by", calls, step)
       SELECT :site, '+62' || n, 0, 'temporary', CASE WHEN n < 8110004000 THEN 9 ELSE 1 END, 99,
              'manual', '', '', '[]', 0 FROM generate_series(8110000000, 8110039999) AS n""",
)
"""Forty thousand callers, each with a block; a tenth wait for a call-back, and their blocks are the last."""


@pytest.mark.postgresql
async def test_lists_take_no_longer_the_more_callers_are_known(server: Postgres, site: str) -> None:
    """On PostgreSQL, too, a list of some callers is read in seconds, however many others are known."""
    filling = DatabaseRecords(connect(server.url, PATIENCE), site, patience=PATIENCE)
    records = DatabaseRecords(connect(server.url), site, patience=PATIENCE)

    def fill(connection: Connection) -> None:
        for statement in MANY:
            connection.execute(text(statement), {"site": filling.site})

    await filling.act(fill)
    await filling.close()
    assert len(await records.missed()) == 4_000
    assert len(await records.blocks_of_changed(9)) == 4_000
    await records.close()


async def test_a_callers_calls_are_known_in_order(records: DatabaseRecords) -> None:
    """A caller's calls are returned in the order in which they started, without anybody else's."""
    rows = [entry(prank(number, NOW + number * 1_000)) for number in (3, 1, 2)]
    for row in (*rows, entry(prank(9, NOW, OTHER)), entry(prank(8, NOW, None))):
        await write(records, Change(entry=row))
    assert list(await records.calls_of(CALLER)) == [
        row.finding.call.id for row in sorted(rows, key=lambda row: row.finding.call.started)
    ]


async def test_the_audit_trail_is_in_order_and_each_line_once(records: DatabaseRecords) -> None:
    """Audit lines come back oldest first, within their time, and a line that is written twice comes once."""
    lines = [AuditEntry(NOW + n, "ratna", "block", CALLER, "permanent", f"reason {n}") for n in range(3)]
    for line in (*reversed(lines), lines[0], AuditEntry(NOW, "ratna", "mode", "site")):
        await write(records, Change(audit_entry=line))
    assert [
        audit_entry
        for audit_entry in await records.audit_entries(NOW, NOW + 2)
        if audit_entry.subject == CALLER
    ] == lines[:2]
    assert list(await records.audit_of(CALLER)) == [*lines]
    assert await records.last_of("mode") == AuditEntry(NOW, "ratna", "mode", "site")
    assert await records.last_of("allow") is None


SPELLED = spelling(CALLER, INDONESIA)
ALL_OF_IT = 10 * NOW


async def trail(records: DatabaseRecords) -> list[tuple[str, str, str, str]]:
    """Return the audit trail: action, subject, detail and reason of each line."""
    lines = await records.audit_entries(0, ALL_OF_IT)
    return [(line.action, line.subject, line.detail, line.reason) for line in lines]


async def digests(records: DatabaseRecords) -> list[tuple[AuditEntry, str]]:
    """Return each audit line with its digest."""
    found = await records.select(AUDIT, select(AUDIT).order_by(AUDIT.c.id))
    return [(audit_entry_of(row), row.digest) for row in found]


async def test_who_decided_what_stays_and_only_the_number_goes(records: DatabaseRecords) -> None:
    """`erase` and `take_out` remove the number in any spelling from all audit lines, and nothing else."""
    call = prank(1).id
    lines = [
        AuditEntry(NOW, "ratna", "block", CALLER, "permanent", "letter of 0812-1111-1111"),
        AuditEntry(NOW + 1, "ratna", "block", OTHER, "", "as +62 812 1111 1111 is, and 0062 81211111111"),
        AuditEntry(NOW + 2, "budi", "mark", call, "prank", "from 81211111111, a child"),
        AuditEntry(NOW + 3, "budi", "look", CALLER, "card"),
        AuditEntry(NOW + 4, "budi", "mode", "site", "observe", "flood"),
    ]
    await write(records, *(Change(audit_entry=line) for line in lines))
    await records.erase(CALLER, NOW + 10)
    assert await records.take_out(SPELLED) == 3
    assert await trail(records) == [
        ("block", "a caller", "permanent", "letter of a caller"),
        ("block", OTHER, "", "as a caller is, and a caller"),
        ("mark", call, "prank", "from a caller, a child"),
        ("look", "a caller", "card", ""),
        ("mode", "site", "observe", "flood"),
    ]
    assert [(line.at, line.by) for line, _ in await digests(records)] == [(one.at, one.by) for one in lines]
    assert (await records.audit_of(CALLER), await records.take_out(SPELLED)) == ([], 0)


async def test_a_line_without_its_number_is_told_from_others_by_what_it_says(
    records: DatabaseRecords,
) -> None:
    """A line without its number has a new digest, since the old one would reveal it, and stays one line."""
    line = AuditEntry(NOW, "ratna", "block", CALLER, "", "by 081211111111")
    await write(records, Change(audit_entry=line))
    ((_, before),) = await digests(records)
    await records.erase(CALLER, NOW)
    await records.take_out(SPELLED)
    ((after, now),) = await digests(records)
    assert after == replace(line, subject="a caller", reason="by a caller")
    assert now != before
    assert now == digest(after)
    await write(records, Change(audit_entry=after))
    assert len(await digests(records)) == 1


async def test_lines_that_say_the_same_once_their_numbers_are_gone_are_two(records: DatabaseRecords) -> None:
    """Two lines that are equal once their numbers are erased stay two lines."""
    for caller in (CALLER, OTHER):
        await write(records, Change(audit_entry=AuditEntry(NOW, "ratna", "block", caller, "", "a flood")))
    for caller in (CALLER, OTHER, CALLER):
        await records.erase(caller, NOW)
    assert await trail(records) == [("block", "a caller", "", "a flood")] * 2
    assert len({found for _, found in await digests(records)}) == 2


async def test_a_line_that_cannot_be_read_loses_its_number_too(records: DatabaseRecords) -> None:
    """An audit line that cannot be read, written by hand, loses its number too."""
    await write(
        records, Change(audit_entry=AuditEntry(NOW, "ratna", "block", CALLER, "", "of 0812 1111 1111"))
    )
    await records.act(lambda connection: connection.execute(update(AUDIT).values(via="a pigeon")))
    await records.erase(CALLER, NOW)
    await records.take_out(SPELLED)
    ((subject, reason),) = await records.select(AUDIT, select(AUDIT.c.subject, AUDIT.c.reason))
    assert (subject, reason) == ("a caller", "of a caller")


async def test_nobody_is_erased_whom_the_caller_of_it_spares(records: DatabaseRecords) -> None:
    """`erase` does nothing if its check of the caller's present record raises."""

    def refuse(record: CallerRecord) -> None:
        assert record.hold is None, "kept"

    await change(records, blocked_for_good)
    await write(records, Change(entry=entry(prank(1)), audit_entry=AuditEntry(NOW, "ratna", "hold", CALLER)))
    await change(records, kept)
    with pytest.raises(AssertionError, match="kept"):
        await records.erase(CALLER, NOW + 1, refuse)
    assert (await records.load(CALLER)).blocks
    assert list(await records.calls_of(CALLER)) == [prank(1).id]
    assert len(await records.audit_of(CALLER)) == 1
    await records.erase(OTHER, NOW + 1, refuse)
    assert (await records.load(OTHER)).forgotten == NOW + 1


async def test_the_ledgers_calls_are_known_without_their_rows(records: DatabaseRecords) -> None:
    """`ledger_calls` returns all calls of a time, also across midnight UTC, and no others."""
    midnight = NOW - NOW % DAY
    starts = [midnight - 1_000, midnight - 1, midnight, midnight + 1_000]
    rows = [entry(prank(n, at)) for n, at in enumerate(starts)]
    for row in (*rows, entry(prank(9, midnight - DAY - 1_000))):
        await write(records, Change(entry=row))
    named = await records.ledger_calls(midnight - 1_000, midnight + 2_000)
    assert sorted(named) == sorted(row.finding.call.id for row in rows)


async def test_tallies_add_up_over_all_processes(records: DatabaseRecords) -> None:
    """Tallies that many write at once are added up."""
    marks = ["prank"] * 50 + ["genuine"]
    await asyncio.gather(*(write(records, Change(tallies={f"marks:{mark}": 1})) for mark in marks))
    assert await records.tallies() == {"marks:prank": 50, "marks:genuine": 1}


async def test_a_withheld_number_is_found_in_every_spelling(records: DatabaseRecords) -> None:
    """Calls without a caller are found by their raw number in any spelling, and no others are."""
    for nth, raw in enumerate(("081211111111", "+6281211111111", "0062 812-1111-1111", "081222222222")):
        call = replace(prank(nth, NOW, None), raw_caller=raw)
        await write(records, Change(entry=entry(call)))
    await write(records, Change(entry=entry(prank(9))))
    found = await records.nobodys(spelling(CALLER, INDONESIA), NOW)
    assert {one.finding.call.id for one in found} == {prank(nth).id for nth in range(3)}


async def test_the_same_strike_of_many_daemons_at_once_is_one(daemons: list[DatabaseRecords]) -> None:
    """A strike that many daemons record at once is one strike."""
    row = entry(prank(1))
    changed = await asyncio.gather(*(record(one, row) for one in daemons))
    assert [one.call for one in (await daemons[0].load(CALLER)).strikes] == [prank(1).id]
    assert await version(daemons[0]) == 1
    assert [one async for one in daemons[0].entries(NOW, NOW + 1)] == [row]
    assert sum(one.misused for (one,) in changed) == 1
    assert await daemons[0].tallies() == {"strikes:ivr_prank": 1}


async def test_six_calls_of_many_daemons_are_one_block(daemons: list[DatabaseRecords]) -> None:
    """Six misuses that many daemons record at once lead to one block."""
    rows = [entry(prank(number, turn(number))) for number in range(6)]
    await asyncio.gather(*(record(one, row) for one in daemons for row in rows))
    held = await daemons[0].load(CALLER)
    assert [one.call for one in held.strikes] == [row.finding.call.id for row in rows]
    assert [one.level for one in held.blocks] == [Level.TEMPORARY]
    assert await listed(daemons[0]) == ([CALLER], [])
    assert await daemons[0].tallies() == {"strikes:ivr_prank": 6, "blocks:temporary:automatic": 1}


async def test_many_calls_of_one_caller_in_one_transaction_are_folded_in_turn(
    records: DatabaseRecords,
) -> None:
    """Several calls of a caller in one transaction are folded in one after another, as in `Fold`."""
    rows = [entry(prank(number, turn(number))) for number in range(7)]
    await record(records, *rows)
    fold = Fold(RULES)
    for row in rows:
        fold.take(row)
    assert await records.load(CALLER) == fold.records[CALLER]
    assert await version(records) == len(rows)


async def test_what_is_written_in_a_transaction_is_seen_in_it(records: DatabaseRecords) -> None:
    """A transaction reads what it has written itself."""

    def act(work: Work) -> None:
        work.write(Change(begun(blocked_for_good(CallerRecord(CALLER))).replacement, entry(prank(1))))
        for call in (prank(1).id, prank(2).id):
            assert work.held(CALLER, call).record == blocked_for_good(CallerRecord(CALLER))
        assert work.held(OTHER, prank(1).id).entry == entry(prank(1))
        assert work.held(CALLER).version == 1

    await records.transaction([], act)
    assert await version(records) == 1


async def test_all_of_a_change_is_there_or_nothing(records: DatabaseRecords) -> None:
    """A change is written whole or not at all, and writing the same change again counts nothing."""
    await write(records, whole())
    assert await listed(records) == ([CALLER], [])
    assert [row.finding.call async for row in records.entries(NOW - KEEP, NOW + 1)] == [prank(1)]
    assert [line.action for line in await records.audit_entries(0, NOW + 1)] == ["block"]
    assert await records.tallies() == {"strikes:ivr_prank": 1}
    await write(records, replace(whole(), replacement=None))
    assert await records.tallies() == {"strikes:ivr_prank": 1}

    def fails(work: Work) -> None:
        work.write(Change(entry=entry(prank(2))))
        work.write(Change(audit_entry=AuditEntry(NOW, "ratna", "allow", CALLER), tallies={"marks:prank": 1}))
        raise ValueError("our own mistake")

    with pytest.raises(ValueError, match="our own mistake"):
        await records.transaction([], fails)
    assert await records.entry(prank(2).id) is None
    assert len(await records.audit_entries(0, NOW + 1)) == 1
    assert await records.tallies() == {"strikes:ivr_prank": 1}


async def test_the_hours_blocks_are_given_out_once_each(records: DatabaseRecords) -> None:
    """The hourly cap is never exceeded; a call that asks again takes no more, and an hour frees its place."""
    calls = [CallId(f"{NOW // 1000}.{number}") for number in range(8)]
    asked = [Imposition(call, NOW, 5) for call in calls]
    assert await reserve(records, *asked) == [True] * 5 + [False] * 3
    assert await reserve(records, *asked) == [True] * 5 + [False] * 3
    assert await reserve(records, Imposition(CallId("1.1"), NOW + 3_600_001, 5)) == [True]


async def test_permanent_blocks_have_a_cap_of_their_own(records: DatabaseRecords) -> None:
    """Permanent blocks have a cap of their own, and a capped one takes nothing of the others'."""
    calls = [CallId(f"{NOW // 1000}.{number}") for number in range(7)]
    lasting = [Imposition(call, NOW, 5, 2) for call in calls[:4]]
    assert await reserve(records, *lasting) == [True, True, False, False]
    assert await reserve(records, *lasting) == [True, True, False, False]
    others = [Imposition(call, NOW, 5) for call in calls[3:]]
    assert await reserve(records, *others) == [True, True, True, False]
    assert await reserve(records, Imposition(calls[2], NOW, 0, 2)) == [False]
    assert await reserve(records, Imposition(calls[2], NOW, 0)) == [True], "no limit"
    assert await reserve(records, Imposition(calls[2], NOW + 3_600_001, 5, 2)) == [True]


async def test_an_erased_caller_is_nowhere(records: DatabaseRecords) -> None:
    """An erased caller's record and number are gone from everywhere, and the ledger's rows stay."""
    await change(records, blocked_for_good)
    await change(records, lambda held: decisions.allow(held, AllowEntry(NOW, "supervisor", "clinic")))
    await write(records, Change(entry=entry(prank(1)), audit_entry=AuditEntry(NOW, "ratna", "allow", CALLER)))
    await records.erase(CALLER, NOW + 1)
    assert await records.load(CALLER) == CallerRecord(CALLER, forgotten=NOW + 1)
    assert await version(records) > 2, "a record that begins again is told from all before it"
    assert await listed(records) == ([], [])
    assert list(await records.calls_of(CALLER)) == []
    assert [row async for row in records.entries(0, NOW + 1)] == [without_caller(entry(prank(1)))]
    assert await records.audit_entries(0, NOW + 1) == [AuditEntry(NOW, "ratna", "allow", "a caller")]


async def test_what_is_parked_of_a_longer_number_stays(records: DatabaseRecords) -> None:
    """Erasing a number deletes its parked announcements, and none of a number that begins with it."""
    bodies = [json.dumps({"data": {"caller": f"{CALLER}{more}"}}) for more in ("", "7")]
    for nth, body in enumerate(bodies):
        await records.park(Parked("dispatch", nth, NOW, "answered 503", body))
    await records.erase(CALLER, NOW)
    assert [one.body for one in await records.parked()] == bodies[1:]


async def test_what_was_erased_does_not_come_back(records: DatabaseRecords) -> None:
    """A call from before an erasure is recorded without the caller, and one that began afterwards with."""
    await change(records, blocked_for_good)
    await write(records, Change(entry=entry(prank(3, NOW, OTHER))))
    await records.erase(CALLER, NOW + 10)
    await record(records, entry(prank(1)), Reached(NOW + 5, CALLER))
    assert CALLER not in repr([row async for row in records.entries(NOW - DAY, NOW + DAY)])
    assert await records.load(CALLER) == CallerRecord(CALLER, forgotten=NOW + 10)
    await record(records, entry(prank(2, NOW + 11)))
    assert list(await records.calls_of(CALLER)) == [prank(2, NOW + 11).id]
    assert len((await records.load(CALLER)).strikes) == 1
    assert len(await records.calls_of(OTHER)) == 1, "another caller's are kept"


async def test_who_is_forgotten_while_calls_are_recorded_is_in_no_row(daemons: list[DatabaseRecords]) -> None:
    """Calls that are recorded while their caller is erased all have a row, and none has the number."""
    calls = [record(one, entry(prank(n, NOW + n))) for n, one in enumerate(daemons)]
    await asyncio.gather(*calls, daemons[0].erase(CALLER, NOW + 1_000))
    rows = [row async for row in daemons[0].entries(NOW - DAY, NOW + DAY)]
    assert len(rows) == len(daemons)
    assert CALLER not in repr(rows)
    assert await daemons[0].load(CALLER) == CallerRecord(CALLER, forgotten=NOW + 1_000)


async def test_what_cannot_be_spelled_fails_alone(records: DatabaseRecords) -> None:
    """A value that no column can hold raises StoreBrokenError, and nothing of its change is written."""
    odd = entry(prank(1))
    torn = replace(odd, finding=replace(odd.finding, queue="\ud800"))
    huge = Change(
        tallies={"x": 1}, entry=replace(odd, finding=replace(odd.finding, stages=Stages(ivr=1 << 70)))
    )
    for one in (Change(entry=torn), huge):
        with pytest.raises(StoreBrokenError):
            await write(records, one)
    await write(records, Change(entry=odd))
    assert [row async for row in records.entries(NOW, NOW + 1)] == [odd]


async def test_a_record_that_cannot_be_read_fails_alone(records: DatabaseRecords) -> None:
    """A record that was damaged by hand fails alone; the other callers' records are read and listed."""
    await change(records, blocked_for_good)
    await change(records, blocked_for_good, OTHER)
    spoil = update(BLOCK).where(BLOCK.c.caller == CALLER).values(level="for ever")
    await records.act(lambda connection: connection.execute(spoil))
    with pytest.raises(StoreBrokenError, match="for ever"):
        await records.load(CALLER)
    assert [one.caller for one in await records.blocked(NOW)] == [OTHER]
    assert list(records.unreadable) == [CALLER]
    with pytest.raises(StoreBrokenError):
        await records.transaction([(CALLER, None)], lambda work: work.held(CALLER))
    assert (await records.load(OTHER)).blocks


async def test_sites_see_nothing_of_each_other(url: str) -> None:
    """Two sites in one database each have their own records, calls, counts and mode."""
    here, there = (DatabaseRecords(connect(url, PATIENCE), f"{secrets.token_hex(4)}-{n}") for n in range(2))
    await record(here, entry(prank(1)))
    assert await here.switch(Switch(Mode.OFF, NOW, "ratna", "flood"), Mode.OFF)
    await record(there, entry(prank(1)))
    await change(there, blocked_for_good)
    assert (await here.load(CALLER)).blocks == ()
    assert (await listed(here), await listed(there)) == (([], []), ([CALLER], []))
    assert await there.switched() is None
    await there.erase(CALLER, NOW + DAY)
    assert len(await here.calls_of(CALLER)) == 1
    assert (await here.tallies(), await there.tallies()) == ({"strikes:ivr_prank": 1},) * 2
    await asyncio.gather(here.close(), there.close())


async def test_what_may_be_kept_no_longer_goes(records: DatabaseRecords) -> None:
    """Expired calls, lines and records are deleted, however many there are, and nothing younger is."""
    rows = [entry(prank(n, NOW - DAY + n)) for n in range(2_100)]
    await write(records, *(Change(entry=row) for row in rows))
    await write(
        records, Change(entry=entry(prank(9_000, NOW))), Change(audit_entry=AuditEntry(1, "a", "b", "c"))
    )
    await change(records, struck(strike(1)))
    await change(records, blocked_for_good, OTHER)
    await records.drop_calls(NOW)
    await records.drop_aged(NOW, DAY)
    await records.drop_expired(NOW + RULES.keep + DAY)
    assert [row.finding.call.id async for row in records.entries(0, NOW + DAY)] == [prank(9_000).id]
    assert await records.audit_entries(0, NOW) == []
    assert [caller async for caller in records.ageing(0, 0)] == [OTHER]
    assert await records.load(CALLER) == CallerRecord(CALLER)


@pytest.mark.parametrize("size", [1, 1_000])
async def test_each_part_of_a_record_goes_at_its_own_age(
    records: DatabaseRecords, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """A call-back or a strike past its age is deleted, also of a caller who never calls again."""
    monkeypatch.setattr(callers, "PAGE", size)
    block_list: Any = None
    store = SiteStore(records, lambda: block_list, 10 * RULES.keep)
    waiting = MissedCall(prank(7).id, NOW, 3_000)
    await change(records, lambda held: decisions.miss(held, waiting))
    later = NOW + RULES.keep
    await change(records, struck(strike(1), strike(2, later)), OTHER)
    keeper = Retention(store, in_force(policy=RULES), lambda: NOW)
    assert await keeper.prune() == 0
    keeper.clock = lambda: NOW + RULES.keep_missed
    assert await keeper.prune() == 1
    assert await records.missed_count() == (0, None)
    keeper.clock = lambda: strike(1).at + RULES.keep
    assert await keeper.prune() == 1
    assert (await records.load(OTHER)).strikes == (strike(2, later),)


async def test_a_strike_that_was_taken_back_does_not_return_with_its_call(records: DatabaseRecords) -> None:
    """Nor if nothing else is held on the caller: that it was taken back is kept as long as the strike."""
    await record(records, entry(prank(1)))
    taken = Lift(NOW + 1, "supervisor", "not me", forgives=False, mistake=True)
    await change(records, lambda held: decisions.take_back_strike(held, prank(1).id, taken))
    await records.drop_expired(NOW + RULES.keep - DAY)
    await record(records, entry(prank(1)))
    assert (await records.load(CALLER)).strikes == ()
    await records.drop_expired(NOW + RULES.keep + DAY)
    assert await records.load(CALLER) == CallerRecord(CALLER)


# ── evidence ─────────────────────────────────────────────────────────────────────────────────────


def kept(record: CallerRecord) -> CallerRecord:
    """Put what is stored about a caller on hold, as evidence."""
    return decisions.hold(record, Hold(NOW, "ratna", "police report 17"))


async def multiply(records: DatabaseRecords, call: Entry, times: int) -> None:
    """Write a call 2**times times, a millisecond after each other."""
    await write(records, Change(entry=call))
    columns = [one for one in CALL.c if one.name not in {"id", "started"}]
    into = ["id", "started", *(one.name for one in columns)]
    for nth in range(times):
        later = select(CALL.c.id + f"-{nth}", CALL.c.started + 2**nth, *columns).where(
            CALL.c.site == records.site, CALL.c.id.startswith(call.finding.call.id)
        )
        copies = insert(CALL).from_select(into, later)
        await records.act(partial(Connection.execute, statement=copies))


async def counted(records: DatabaseRecords, caller: Caller | None) -> int:
    """Return the number of a caller's calls; None: everybody's."""
    asked = select(func.count()).select_from(CALL)
    ((count,),) = await records.select(CALL, asked.where(CALL.c.caller == caller) if caller else asked)
    return int(count)


async def test_a_held_callers_calls_stay_and_all_others_go_in_pages(
    records: DatabaseRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old calls are deleted in pages of 1,000, each looked at once, and those of a caller on hold stay.

    Once released, they are deleted in the next run.
    """
    begun = NOW - 500 * DAY
    await multiply(records, entry(prank(1, begun)), 12)
    await multiply(records, entry(prank(2, begun, OTHER)), 17)
    await records.act(partial(Connection.execute, statement=text("ANALYZE")))  # which a server does by itself
    passed = (Handover(begun + 6, HandedOver.BLIND, "113"),)
    handed = Entry(replace(entry(prank(3, begun + 5)).finding, handovers=passed), strike=False)
    await write(records, Change(entry=handed), Change(entry=entry(prank(4))))
    await change(records, kept)
    places: list[CallPlace | None] = []
    dropped: list[int] = []
    drop = records._drop_calls

    def watched(connection: Connection, before: int, after: CallPlace) -> CallPlace | None:
        places.append(drop(connection, before, after))
        return places[-1]

    def executed(_connection: object, cursor: Any, statement: str, *_: object) -> None:
        if statement.startswith("DELETE FROM call "):
            dropped.append(cursor.rowcount)

    monkeypatch.setattr(records, "_drop_calls", watched)
    event.listen(records._engine, "after_cursor_execute", executed)
    await records.drop_calls(NOW - DAY)
    old = 2**12 + 2**17 + 1
    assert len(places) == old // PAGE + 1, "no page begins with what the one before has left"
    assert max(dropped) <= PAGE
    assert sum(dropped) == 2**17
    assert (await counted(records, OTHER), await counted(records, CALLER)) == (0, 2**12 + 2)
    left = await records.entry(handed.finding.call.id)
    assert left
    assert left.finding.handovers == passed
    await change(records, lambda record: decisions.hold(record, None))
    await records.drop_calls(NOW - DAY)
    assert list(await records.calls_of(CALLER)) == [prank(4).id]


async def test_the_ledger_begins_with_its_first_call_that_is_no_evidence(records: DatabaseRecords) -> None:
    """The ledger begins with its oldest call, a hidden caller's too, but not with one that a hold keeps."""
    assert await records.ledger_begins() is None
    hidden, theirs = prank(2, NOW - DAY, None), prank(3, NOW, OTHER)
    await write(records, *(Change(entry=entry(call)) for call in (prank(1, NOW - 500 * DAY), hidden, theirs)))
    assert await records.ledger_begins() == NOW - 500 * DAY
    await change(records, kept)
    assert await records.ledger_begins() == NOW - DAY
    await records.drop_calls(NOW - 1)
    assert await records.ledger_begins() == NOW


async def test_lines_about_who_is_kept_as_evidence_stay_with_those_on_their_calls(
    records: DatabaseRecords,
) -> None:
    """Audit lines about a caller on hold, and about the caller's calls, stay until the release; others go."""
    await change(records, kept)
    await change(records, blocked_for_good, OTHER)
    await write(records, Change(entry=entry(prank(1))), Change(entry=entry(prank(2, NOW, OTHER))))
    about = (CALLER, prank(1).id, OTHER, prank(2).id, "site")
    lines = [AuditEntry(NOW - 9_000 + n, "ratna", "look", about[n % 5], f"{n}") for n in range(6_000)]
    await write(records, *(Change(audit_entry=line) for line in lines))
    await records.drop_lines(NOW)
    assert {subject for _, subject, _, _ in await trail(records)} == {CALLER, prank(1).id}
    assert len(await trail(records)) == 2_400
    await change(records, lambda record: decisions.hold(record, None))
    await records.drop_lines(NOW)
    assert await trail(records) == []


async def test_who_is_kept_as_evidence_is_listed_and_never_expires(records: DatabaseRecords) -> None:
    """Callers on hold are listed, the oldest hold first, and their records expire only after the release."""
    later = replace(kept(CallerRecord(CALLER)), hold=Hold(NOW + 5, "budi", "case 18")).hold
    await change(records, struck(strike(1)))
    await change(records, kept)
    await change(records, lambda record: replace(record, hold=later), OTHER)
    assert [record.caller for record in await records.holds()] == [CALLER, OTHER]
    assert [record.hold for record in await records.holds_page(1)] == [later]
    (second,) = await records.holds_page(1, (NOW + 5, OTHER))
    assert second.hold == Hold(NOW, "ratna", "police report 17")
    await records.drop_expired(NOW + 10 * RULES.keep)
    assert (await records.load(CALLER)).strikes == (strike(1),)
    assert CALLER in [caller async for caller in records.ageing(0, 0)]
    await change(records, lambda record: decisions.hold(record, None))
    await records.drop_expired(NOW + 10 * RULES.keep)
    assert [record.caller for record in await records.holds()] == [OTHER]
    assert await records.load(CALLER) == CallerRecord(CALLER)


async def test_what_is_held_is_counted_where_it_lies(records: DatabaseRecords, url: str) -> None:
    """`holdings` counts each kind and returns the oldest, of this site only."""
    there = DatabaseRecords(connect(url, PATIENCE), f"{secrets.token_hex(4)}-other")
    await record(there, entry(prank(7)), entry(prank(8, NOW, OTHER)))
    assert {held.count for held in (await records.holdings()).values()} == {0}
    await record(records, entry(prank(1, NOW - DAY)), entry(answered(2)), entry(prank(3, NOW, None)))
    await change(records, blocked_for_good)
    await change(records, kept)
    await change(records, lambda held: decisions.allow(held, AllowEntry(NOW - 5, "ratna", "clinic")), OTHER)
    await write(records, Change(audit_entry=AuditEntry(NOW - 9, "ratna", "look", CALLER)))
    found = {kind: held for kind, held in (await records.holdings()).items() if held.count}
    assert found[Kind.CALLS] == Holding(3, NOW - DAY)
    assert found[Kind.STRIKES] == Holding(1, prank(1, NOW - DAY).ended)
    assert found[Kind.CALLERS].count == 2
    assert found[Kind.BLOCKS] == Holding(1, NOW)
    assert found[Kind.HOLDS] == Holding(1, NOW)
    assert found[Kind.ALLOWED] == Holding(1, NOW - 5)
    assert found[Kind.AUDIT] == Holding(1, NOW - 9)
    assert found.keys() >= {Kind.EVENTS, Kind.UNPUBLISHED}
    assert Kind.MARKS not in found
    await there.close()


async def test_a_standing_in_which_nothing_holds_any_more_is_nobodys(records: DatabaseRecords) -> None:
    """An expired block's or warning's standing becomes NOBODY and is to be published; the record stays."""
    await change(records, lambda held: decisions.impose(held, block(NOW, NOW + 1_000)))
    await change(records, blocked_for_good, OTHER)
    await records.published(await records.unpublished(), await records.edition())
    await records.end_standings(NOW + 999)
    assert await records.unpublished() == []
    await records.end_standings(NOW + 1_000)
    (ended,) = await records.unpublished()
    assert (ended.caller, ended.standing, ended.erased) == (CALLER, NOBODY, False)
    assert (await records.load(CALLER)).blocks == (block(NOW, NOW + 1_000),)
    await change(records, struck(*(strike(n) for n in range(RULES.warn_from))))
    warned = NOW + RULES.window
    await records.end_standings(warned - 1)
    assert [one.standing.warn_until async for page in records.standings() for one in page] == [warned, 0]
    await records.end_standings(warned)
    assert [one.caller async for page in records.standings() for one in page] == [OTHER]
