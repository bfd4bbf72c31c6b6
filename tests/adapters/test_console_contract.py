"""The contract of the records with the console and with programs, on SQLite and PostgreSQL."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import pytest
from sqlalchemy import update

from siaga112.adapters.database import announced, ledger
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.schema import AUDIT, BLOCK, EVENT, TALLY
from siaga112.core import decisions
from siaga112.core.access import Person, Role, Session, Token
from siaga112.core.announcements import KEPT, Announcement, EventType
from siaga112.core.changes import Change
from siaga112.core.mode import Switch
from siaga112.core.model import (
    DAY,
    HOUR,
    SECOND,
    TOLERANCE,
    AuditEntry,
    Caller,
    CallId,
    CallSummary,
    Entry,
    Level,
    Mark,
    Millis,
    Mode,
    Outcome,
    ProposalCause,
    Reason,
)
from siaga112.core.record import (
    AllowEntry,
    Appeal,
    Attempt,
    CallerRecord,
    Hold,
    Lift,
    MissedCall,
    Proposal,
)
from siaga112.service.ports import AuditFilter, CallFilter, CallPlace
from tests.adapters.changes import begun, blocked_for_good
from tests.adapters.test_records_contract import change, record, records, server_running, url, write
from tests.samples import CALLER, NOW, OTHER, answered, block, call_id, entry, prank

__all__ = ["records", "server_running", "url"]

LINE: Final = AuditEntry(NOW, "root", "user added", "Ratna", "supervisor")
BEGAN: Final = NOW - DAY
ALL: Final = CallFilter(BEGAN, NOW)
FEW: Final = 7


# ── the ledger, a page at a time ─────────────────────────────────────────────────────────────────────


def calls() -> list[Entry]:
    """Return sixty calls with everything that a filter can ask for; five of them begin at each instant."""
    rows = []
    for n in range(60):
        caller, at = (CALLER, OTHER, None)[n % 3], BEGAN + (n // 5) * SECOND
        row = entry((answered if n % 2 else prank)(100 + n, at, caller))
        if n % 2:
            mark = (Mark.GENUINE, Mark.PRANK, None)[n // 2 % 3]
            finding = replace(row.finding, mark=mark, operator=("Budi", "Siti")[n // 2 % 2])
            row = replace(row, finding=replace(finding, queue=("siaga112", "english")[n % 4 // 2]))
        rows.append(row)
    return rows


def newest(rows: list[Entry], holds: Callable[[CallSummary], bool]) -> list[CallId]:
    """Return the matching calls, newest first."""
    held = [row.summary for row in rows if holds(row.summary)]
    return [one.id for one in sorted(held, key=lambda one: (one.started, one.id), reverse=True)]


async def turned(records: DatabaseRecords, which: CallFilter, limit: int = FEW) -> list[list[CallId]]:
    """Return all pages, from the newest call to the oldest."""
    pages: list[list[CallId]] = []
    place: CallPlace | None = None
    while len(pages) < 100:  # ends: there are sixty calls
        page = await records.page(which, limit, place)
        pages.append([call.id for call in page.calls])
        if page.after is None:
            return pages
        assert place is None or page.after < place, "a page that leads nowhere"
        place = page.after
    raise AssertionError(pages)


FILTERS: Final[dict[str, tuple[dict[str, Any], Callable[[CallSummary], bool]]]] = {
    "all": ({}, lambda _: True),
    "time": (
        {"since": BEGAN + 3 * SECOND, "until": BEGAN + 9 * SECOND},
        lambda one: BEGAN + 3 * SECOND <= one.started < BEGAN + 9 * SECOND,
    ),
    "outcome": ({"outcome": Outcome.IVR_PRANK}, lambda one: one.outcome is Outcome.IVR_PRANK),
    "reason": ({"reason": Reason.LEFT_MENU}, lambda one: one.reason is Reason.LEFT_MENU),
    "mark": ({"mark": Mark.GENUINE}, lambda one: one.mark is Mark.GENUINE),
    "unmarked": ({"mark": ""}, lambda one: one.mark is None and one.outcome is Outcome.ANSWERED),
    "operator": ({"operator": "Budi"}, lambda one: one.operator == "Budi"),
    "queue": ({"queue": "english"}, lambda one: one.queue == "english"),
    "caller": ({"caller": OTHER}, lambda one: one.caller == OTHER),
    "nobody": ({"caller": Caller("+62811")}, lambda _: False),
    "several": (
        {"caller": CALLER, "operator": "Siti", "outcome": Outcome.ANSWERED, "mark": Mark.PRANK},
        lambda one: (one.caller, one.operator, one.mark) == (CALLER, "Siti", Mark.PRANK),
    ),
}


@pytest.mark.parametrize("named", FILTERS)
async def test_a_filter_gives_the_calls_that_it_names_and_no_other(
    records: DatabaseRecords, named: str
) -> None:
    """A filter returns exactly the calls that match all its fields, newest first."""
    rows = calls()
    await write(records, *(Change(entry=row) for row in rows))
    fields, holds = FILTERS[named]
    expected = newest(rows, holds)
    page = await records.page(ALL._replace(**fields), 100)
    assert [call.id for call in page.calls] == expected
    assert page.after is None
    assert page.looked == fields.get("since", BEGAN)
    assert bool(expected) is (named != "nobody")


@pytest.mark.parametrize("named", FILTERS)
async def test_pages_give_each_call_exactly_once(records: DatabaseRecords, named: str) -> None:
    """Pages give each call once, even if several began at the same instant, and all but the last are full."""
    rows = calls()
    await write(records, *(Change(entry=row) for row in rows))
    fields, holds = FILTERS[named]
    pages = await turned(records, ALL._replace(**fields))
    assert [call for page in pages for call in page] == newest(rows, holds)
    assert {len(page) for page in pages[:-1]} <= {FEW}


async def test_a_page_is_what_the_ledger_has_of_its_calls(records: DatabaseRecords) -> None:
    """A page has the summary of each of its calls as it was recorded."""
    rows = calls()
    await write(records, *(Change(entry=row) for row in rows))
    page = await records.page(ALL, 100)
    assert {call.id: call for call in page.calls} == {row.finding.call.id: row.summary for row in rows}


@pytest.mark.parametrize("named", FILTERS)
async def test_a_page_that_has_looked_at_enough_rows_says_where_to_go_on(
    records: DatabaseRecords, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """However few rows a page may look at, all pages together give each call exactly once."""
    monkeypatch.setattr(ledger, "SCANNED", 4)
    rows = calls()
    await write(records, *(Change(entry=row) for row in rows))
    fields, holds = FILTERS[named]
    pages = await turned(records, ALL._replace(**fields))
    assert [call for page in pages for call in page] == newest(rows, holds)


async def test_a_page_without_a_call_leads_on(
    records: DatabaseRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the first page finds nothing, it still says how far it looked and where to continue."""
    monkeypatch.setattr(ledger, "SCANNED", 10)
    rows = [entry(prank(100 + n, BEGAN + n)) for n in range(30)]
    rows[0] = replace(rows[0], finding=replace(rows[0].finding, queue="english"))
    await write(records, *(Change(entry=row) for row in rows))
    sought = ALL._replace(queue="english")
    page = await records.page(sought, FEW)
    assert (page.calls, page.looked) == ([], BEGAN + 20)
    assert page.after == CallPlace(BEGAN + 20, rows[20].finding.call.id)
    assert await turned(records, sought) == [[], [], [rows[0].finding.call.id], []]


async def test_a_call_that_comes_while_pages_are_turned_moves_none(records: DatabaseRecords) -> None:
    """A call that is recorded between two pages moves no other call to another page."""
    rows = calls()
    await write(records, *(Change(entry=row) for row in rows))
    first = await records.page(ALL, FEW)
    await write(records, Change(entry=entry(prank(900, NOW - 1))))
    second = await records.page(ALL, FEW, first.after)
    seen = [call.id for call in [*first.calls, *second.calls]]
    assert seen == newest(rows, lambda _: True)[: 2 * FEW]


async def test_a_page_has_no_call_of_another_site(records: DatabaseRecords, url: str) -> None:
    """A site's page has no calls of another site."""
    other = DatabaseRecords(connect(url), f"{records.site_name}-other")
    try:
        await write(other, *(Change(entry=row) for row in calls()))
        assert (await records.page(ALL, 100)).calls == []
    finally:
        await other.close()


# ── callers, and the audit trail, a page at a time ───────────────────────────────────────────────────


def number(n: int) -> Caller:
    """Return a caller by a number of three digits."""
    return Caller(f"+62812000{n:03}")


async def test_pages_of_the_blocked_give_each_once_the_newest_first(records: DatabaseRecords) -> None:
    """Pages of the blocked give each caller with a block in force once, the newest first, by level too."""
    for n in range(12):
        until = None if n % 3 == 0 else NOW + HOUR
        held = block(NOW - DAY + n // 2, until)
        await change(records, partial(decisions.impose, block=held), number(n))
    await change(records, lambda record: decisions.impose(record, block(NOW - DAY, NOW - 1)), number(99))
    in_order = sorted(range(12), key=lambda n: (-(n // 2), n))
    for level, wanted in (
        (None, in_order),
        (Level.PERMANENT, [n for n in in_order if n % 3 == 0]),
        (Level.TEMPORARY, [n for n in in_order if n % 3]),
    ):
        found: list[Caller] = []
        after = None
        for _ in range(12):
            page = await records.blocked_page(NOW, 5, after, level)
            found += [one.caller for one in page]
            if len(page) < 5:
                break
            after = page[-1].blocks[-1].since, page[-1].caller
        assert found == [number(n) for n in wanted]


async def test_pages_of_the_allow_list_give_each_once_the_newest_first(records: DatabaseRecords) -> None:
    """Pages of the allow list give each entry once, the newest first, even if two are of the same instant."""
    for n in range(12):
        allow = AllowEntry(NOW + n // 2, "ratna", "klinik")
        await change(records, partial(replace, allow=allow), number(n))
    found: list[CallerRecord] = []
    for _ in range(3):
        last = found[-1] if found else None
        after = (last.allow.at, last.caller) if last and last.allow else None
        found += await records.allowed_page(5, after)
    assert [one.caller for one in found] == [
        number(n) for n in sorted(range(12), key=lambda n: (-(n // 2), n))
    ]
    assert all(one.allow for one in found)


async def test_pages_of_proposals_give_each_caller_once_by_number(records: DatabaseRecords) -> None:
    """Pages of proposals give each caller once, by number, without decided proposals."""
    waiting = Proposal(NOW, ProposalCause.POLICY, None, 2, "over ten", (call_id(1),))
    for n in range(7):
        both = (waiting, replace(waiting, at=NOW + 1))
        await change(records, partial(replace, proposals=both), number(n))
    decided = replace(waiting, decided=Lift(NOW, "ratna", "a child", forgives=False))
    await change(records, lambda record: replace(record, proposals=(decided,)), number(50))
    first = await records.proposed_page(5)
    second = await records.proposed_page(5, first[-1].caller)
    assert [one.caller for one in [*first, *second]] == [number(n) for n in range(7)]


async def test_pages_of_call_backs_begin_with_who_was_not_served(records: DatabaseRecords) -> None:
    """Pages of call-backs begin with the most urgent; of the same urgency, with the longest wait."""
    reasons = (Reason.LEFT_CHOOSING, Reason.QUEUE_TIMEOUT)
    for n in range(8):
        missed = (MissedCall(call_id(n), NOW - n * SECOND, 12_000, reason=reasons[n % 2]),)
        await change(records, partial(replace, missed=missed), number(n))
    found = list[CallerRecord]()
    for _ in range(4):
        found += await records.missed_page(3, (found[-1].pressing, found[-1].caller) if found else None)
    assert [one.caller for one in found] == [number(n) for n in (7, 5, 3, 1, 6, 4, 2, 0)]


async def test_call_backs_are_found_by_who_has_taken_them(records: DatabaseRecords) -> None:
    """Call-backs of one person, and those that nobody has taken, are found behind any number of others."""
    for n in range(9):
        missed = (MissedCall(call_id(n), NOW + n, 12_000),)
        taken = {7: Attempt("budi", NOW), 8: None}.get(n, Attempt("siti", NOW))
        await change(records, partial(replace, missed=missed, attempt=taken), number(n))
    await change(records, partial(replace, attempt=Attempt("budi", NOW)), number(50))
    assert [one.caller for one in await records.missed_page(3, by="budi")] == [number(7)]
    assert [one.caller for one in await records.missed_page(3, by="")] == [number(8)]
    first = await records.missed_page(3, by="siti")
    second = await records.missed_page(9, (first[-1].pressing, first[-1].caller), by="siti")
    assert [one.caller for one in [*first, *second]] == [number(n) for n in range(7)]


async def test_a_record_that_cannot_be_read_ends_no_list(records: DatabaseRecords) -> None:
    """A page is full as long as there is more: whoever reads page by page would stop at a short one."""
    for n in range(5):
        missed = (MissedCall(call_id(n), NOW + n, 12_000),)
        both = partial(replace, missed=missed, blocks=(block(NOW - n, None),))
        await change(records, both, number(n))
    spoil = update(BLOCK).where(BLOCK.c.caller.in_([number(1), number(2)])).values(level="for ever")
    await records.act(lambda connection: connection.execute(spoil))
    for page in (await records.blocked_page(NOW, 2), await records.missed_page(2)):
        assert [one.caller for one in page] == [number(0), number(3)]
    lines = [AuditEntry(NOW + n, "ratna", "block", f"{n}") for n in range(4)]
    await write(records, *(Change(audit_entry=line) for line in lines))
    unknown = update(AUDIT).where(AUDIT.c.subject == "2").values(via="pigeon")
    await records.act(lambda connection: connection.execute(unknown))
    found = await records.audit_page(AuditFilter(NOW, NOW + 9), 2)
    assert [line.subject for _, line in found] == ["3", "1"]


async def test_pages_of_the_audit_trail_give_each_line_once(records: DatabaseRecords) -> None:
    """Pages of the audit trail give each matching line once, newest first; looks only on request."""
    lines = [
        AuditEntry(NOW + n, ("ratna", "budi")[n % 2], ("block", "look", "mark")[n % 3], f"{n % 4}")
        for n in range(24)
    ]
    await write(records, *(Change(audit_entry=line) for line in lines))

    async def found(which: AuditFilter) -> list[AuditEntry]:
        rows: list[tuple[int, AuditEntry]] = []
        for _ in range(6):
            rows += await records.audit_page(which, 5, rows[-1][0] if rows else 0)
        return [line for _, line in rows]

    asked = AuditFilter(NOW, NOW + 24, looks=True)
    lines.reverse()
    assert await found(asked) == lines
    assert await found(asked._replace(looks=False)) == [one for one in lines if one.action != "look"]
    assert await found(asked._replace(by="budi")) == [one for one in lines if one.by == "budi"]
    assert await found(asked._replace(subject="2")) == [one for one in lines if one.subject == "2"]
    assert await found(asked._replace(action="mark")) == [one for one in lines if one.action == "mark"]
    looks = [one for one in lines if one.action == "look"]
    assert await found(asked._replace(action="look", looks=False)) == looks, "who asks for looks gets them"
    assert await found(asked._replace(since=NOW + 5, until=NOW + 9)) == lines[15:19]


# ── announcements ────────────────────────────────────────────────────────────────────────────────────


def started(n: int, at: Millis = NOW) -> Announcement:
    """Return the announcement of a call that started."""
    return Announcement(EventType.CALL_STARTED, at + n, call_id(n), CALLER, {"nth": n, "word": "é·ꦱ"})


async def test_announcements_are_read_in_order_after_an_id(records: DatabaseRecords) -> None:
    """Announcements come back as they were, a page at a time, in order and each once."""
    assert (await records.last_announced(), await records.announcements(0)) == (0, [])
    for n in range(0, 30, 3):
        await records.announce([started(m) for m in range(n, n + 3)])
    last, told = 0, []
    for _ in range(5):
        page = await records.announcements(last, 7)
        assert [one.id for one in page] == sorted(one.id for one in page)
        told += [one.told for one in page]
        last = page[-1].id
    assert told == [started(n) for n in range(30)]
    assert await records.last_announced() == last
    assert await records.announcements(last) == []


async def test_none_is_lost_to_who_follows_while_many_write(records: DatabaseRecords, url: str) -> None:
    """A reader that follows by id misses nothing while many write: a later commit has a higher id."""
    writers = [DatabaseRecords(connect(url, 60), records.site_name, patience=60) for _ in range(6)]

    async def writes(writer: DatabaseRecords, nth: int) -> None:
        for n in range(10):
            await writer.announce([started(100 * nth + n), started(100 * nth + n + 50)])

    writing = asyncio.gather(*(writes(writer, nth) for nth, writer in enumerate(writers)))
    seen: list[Announcement] = []
    last = 0
    try:
        while True:  # ends: with the writing, which has its own bound
            over = writing.done()
            page = await records.announcements(last)
            seen += [one.told for one in page]
            last = page[-1].id if page else last
            if over and not page:
                break
        await writing
    finally:
        await asyncio.gather(writing, return_exceptions=True)
        await asyncio.gather(*(writer.close() for writer in writers))
    expected = [100 * nth + n + more for nth in range(6) for n in range(10) for more in (0, 50)]
    assert sorted(one.data["nth"] for one in seen) == sorted(expected)  # type: ignore[type-var]


async def test_what_a_transaction_undid_was_never_announced(records: DatabaseRecords) -> None:
    """An announcement is part of the transaction of its change, and is undone with it."""

    class UndoneError(Exception):
        """Undoes the transaction."""

    def act(work: Any) -> None:
        work.write(begun(blocked_for_good(CallerRecord(CALLER))))
        raise UndoneError

    with pytest.raises(UndoneError):
        await records.transaction([(CALLER, None)], act)
    assert await records.announcements(0) == []
    await change(records, blocked_for_good)
    (told,) = await records.announcements(0)
    assert (told.told.type, told.told.caller) == (EventType.BLOCK_IMPOSED, CALLER)


async def test_an_ended_call_that_comes_again_is_announced_once(records: DatabaseRecords) -> None:
    """A call that is recorded again, as after a restart, is not announced again."""
    await record(records, entry(prank(1)))
    first = [one.told.type for one in await records.announcements(0)]
    await record(records, entry(prank(1)))
    assert [one.told.type for one in await records.announcements(0)] == first
    assert first.count(EventType.CALL_ENDED) == 1


async def test_announcements_are_kept_for_a_week(
    records: DatabaseRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Announcements older than `KEPT` are deleted, however many there are, and no younger ones."""
    monkeypatch.setattr(announced, "PAGE", 4)
    await records.announce([started(n, NOW - KEPT - 100) for n in range(11)])
    await records.announce([started(n, NOW - KEPT) for n in range(3)])
    await records.drop_aged(NOW, DAY)
    assert [one.told for one in await records.announcements(0)] == [started(n, NOW - KEPT) for n in range(3)]


async def test_what_a_clock_that_ran_ahead_announced_keeps_no_older_announcement(
    records: DatabaseRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Announcements past their age are deleted, whatever was announced before them with a later time."""
    monkeypatch.setattr(announced, "PAGE", 4)
    ahead = [started(n, NOW + 3_650 * DAY) for n in range(6)]
    await records.announce(ahead)
    await records.announce([started(n, NOW - KEPT - 100) for n in range(11)])
    await records.drop_aged(NOW, DAY)
    assert [one.told for one in await records.announcements(0)] == ahead


async def test_an_id_is_never_given_again(records: DatabaseRecords) -> None:
    """After all announcements were deleted, ids continue, so that a follower misses nothing new."""
    await records.announce([started(n) for n in range(5)])
    last = await records.last_announced()
    await records.drop_announced(NOW + DAY)
    assert await records.announcements(0) == []
    await records.announce([started(9)])
    (told,) = await records.announcements(last)
    assert told.told == started(9)


async def test_an_announcement_that_cannot_be_read_stops_no_other(records: DatabaseRecords) -> None:
    """A damaged announcement is skipped and named; those before and after it are read."""
    await records.announce([started(n) for n in range(3)])
    ids = [one.id for one in await records.announcements(0)]

    def damage(connection: Any) -> None:
        connection.execute(EVENT.update().where(EVENT.c.id == ids[1]).values(data="{{"))

    await records.act(damage)
    assert [one.id for one in await records.announcements(0)] == [ids[0], ids[2]]
    assert f"event {ids[1]}" in records.unreadable


async def test_a_switch_of_the_mode_is_announced_with_it(records: DatabaseRecords) -> None:
    """A switch of the mode is announced; one that is older than the last is neither done nor announced."""
    assert await records.switch(Switch(Mode.ENFORCE, NOW, "ratna", "figures read"), Mode.OBSERVE)
    assert not await records.switch(Switch(Mode.OFF, NOW - 1, "budi", "too late"), Mode.ENFORCE)
    (told,) = await records.announcements(0)
    assert (told.told.type, told.told.data["mode"], told.told.data["by"]) == (
        EventType.MODE_CHANGED,
        "enforce",
        "ratna",
    )


# ── the ends of temporary blocks ─────────────────────────────────────────────────────────────────────


async def ends(records: DatabaseRecords) -> list[tuple[Caller | None, Millis, object]]:
    """Return whose blocks were announced as ended, when and how."""
    return [
        (one.told.caller, one.told.at, one.told.data["how"])
        for one in await records.announcements(0)
        if one.told.type is EventType.BLOCK_ENDED
    ]


async def test_a_block_that_ends_is_told_of_once(records: DatabaseRecords) -> None:
    """The end of a temporary block is announced once, with the time of the end; a permanent one has none."""
    await records.announce_ends(NOW)
    await change(records, lambda held: decisions.impose(held, block(NOW, NOW + 10)))
    await change(records, blocked_for_good, OTHER)
    await records.announce_ends(NOW + 9)
    assert await ends(records) == []
    for at in (NOW + 10, NOW + 10, NOW + 11, NOW + DAY):
        await records.announce_ends(at)
    assert await ends(records) == [(CALLER, NOW + 10, "run out")]


async def test_a_block_that_ended_while_nothing_ran_is_told_of_after_the_restart(
    records: DatabaseRecords, url: str
) -> None:
    """After a restart, ends that came meanwhile are announced, and none is announced twice."""
    await records.announce_ends(NOW)
    await change(records, lambda held: decisions.impose(held, block(NOW, NOW + 10)))
    await change(records, lambda held: decisions.impose(held, block(NOW, NOW + 20)), OTHER)
    await records.announce_ends(NOW + 15)
    for _ in range(2):
        anew = DatabaseRecords(connect(url), records.site_name)
        try:
            await anew.announce_ends(NOW + HOUR)
        finally:
            await anew.close()
    assert await ends(records) == [(CALLER, NOW + 10, "run out"), (OTHER, NOW + 20, "run out")]


async def test_many_who_look_for_ends_at_once_tell_of_each_once(records: DatabaseRecords, url: str) -> None:
    """Several daemons that look at once, as during an update, announce an end once."""
    await records.announce_ends(NOW)
    await change(records, lambda held: decisions.impose(held, block(NOW, NOW + 10)))
    daemons = [DatabaseRecords(connect(url, 60), records.site_name, patience=60) for _ in range(4)]
    try:
        await asyncio.gather(*(daemon.announce_ends(NOW + 10 + n) for n, daemon in enumerate(daemons)))
    finally:
        await asyncio.gather(*(daemon.close() for daemon in daemons))
    assert await ends(records) == [(CALLER, NOW + 10, "run out")]


async def test_a_block_that_a_person_lifted_does_not_run_out_as_well(records: DatabaseRecords) -> None:
    """A lifted block is announced as lifted, and not again when it would have expired."""
    await records.announce_ends(NOW)
    await change(records, lambda held: decisions.impose(held, block(NOW, NOW + 10)))
    lift = Lift(NOW + 5, "ratna", "wrong", forgives=False)
    await change(records, lambda held: decisions.lift(held, lift))
    await records.announce_ends(NOW + DAY)
    assert await ends(records) == [(CALLER, NOW + 5, "lifted")]


async def test_a_block_written_after_its_own_end_is_told_to_have_ended(records: DatabaseRecords) -> None:
    """A block that is written after its own end is announced as imposed and as ended, in that order, once."""
    await records.announce_ends(NOW - 5)
    await change(records, lambda held: decisions.impose(held, block(NOW - HOUR, NOW - 10)))
    told = [(one.told.type, one.told.at) for one in await records.announcements(0)]
    assert told == [(EventType.BLOCK_IMPOSED, NOW - HOUR), (EventType.BLOCK_ENDED, NOW - 10)]
    for at in (NOW, NOW + DAY):
        await records.announce_ends(at)
    assert await ends(records) == [(CALLER, NOW - 10, "run out")]


async def test_a_block_that_ends_between_two_looks_is_told_of_once_however_late_it_is_written(
    records: DatabaseRecords,
) -> None:
    """If the end is after the last look, the next look announces it, and not the writing of the block."""
    await records.announce_ends(NOW - 20)
    await change(records, lambda held: decisions.impose(held, block(NOW - HOUR, NOW - 10)))
    assert await ends(records) == []
    for at in (NOW, NOW + DAY):
        await records.announce_ends(at)
    assert await ends(records) == [(CALLER, NOW - 10, "run out")]


async def test_no_end_is_lost_between_who_looks_and_who_writes(records: DatabaseRecords) -> None:
    """If a look went beyond the time of a decision that is being written, the block's end is not missed."""
    await records.announce_ends(NOW + 20)
    await change(records, lambda held: decisions.impose(held, block(NOW, NOW + 10)))
    assert await ends(records) == [], "by whoever decides it is still to come"
    for at in (NOW + 20, NOW + 30):
        await records.announce_ends(at)
    assert await ends(records) == [(CALLER, NOW + 10, "run out")]


async def test_the_end_of_a_block_that_nobody_looked_for_yet_is_told(records: DatabaseRecords) -> None:
    """The end of a block from before the first look is announced once."""
    await change(records, lambda held: decisions.impose(held, block(NOW - HOUR, NOW - 10)), OTHER)
    await change(records, lambda held: decisions.impose(held, block(NOW, NOW + 10)))
    for at in (NOW + 20, NOW + 30):
        await records.announce_ends(at)
    assert await ends(records) == [(OTHER, NOW - 10, "run out"), (CALLER, NOW + 10, "run out")]
    assert not any("block.ended" in name for name in await records.tallies()), "the place is no count"


async def test_blocks_that_came_without_events_are_no_news(records: DatabaseRecords) -> None:
    """A site with records from before there were events does not announce the ends of those blocks."""
    await change(records, lambda held: decisions.impose(held, block(NOW - HOUR, NOW - 1)))

    def before_events(connection: Any) -> None:
        for table in (EVENT, TALLY):
            connection.execute(table.delete().where(table.c.site == records.site))

    await records.act(before_events)
    await records.announce_ends(NOW)
    await records.announce_ends(NOW + 1)
    assert await ends(records) == []


async def test_ends_that_a_clock_far_ahead_took_for_over_are_told_again_when_they_come(
    records: DatabaseRecords,
) -> None:
    """After a clock that was far ahead is corrected, ends that it announced too early are announced again."""
    third = Caller("+6281233333333")
    await records.announce_ends(NOW)
    await change(records, lambda held: decisions.impose(held, block(NOW, NOW + HOUR)))
    await records.announce_ends(NOW + DAY)
    assert await ends(records) == [(CALLER, NOW + HOUR, "run out")]
    for at in (NOW + 1, NOW + 2):
        await records.announce_ends(at)
    await change(records, lambda held: decisions.impose(held, block(NOW, NOW + 10)), OTHER)
    await records.announce_ends(NOW + 10)
    await change(records, lambda held: decisions.impose(held, block(NOW, NOW + 2 * HOUR)), third)
    for at in (NOW + HOUR, NOW + HOUR + 1, NOW + 3 * HOUR, NOW + 4 * HOUR):
        await records.announce_ends(at)
    assert (await ends(records))[1:] == [
        (OTHER, NOW + 10, "run out"),
        (CALLER, NOW + HOUR, "run out"),
        (third, NOW + 2 * HOUR, "run out"),
    ]


async def test_a_block_written_before_a_clock_set_right_is_looked_at_loses_no_end(
    records: DatabaseRecords,
) -> None:
    """The first block written after a clock was corrected moves the last look back, so no end is lost."""
    await records.announce_ends(NOW + DAY)
    await change(records, lambda held: decisions.impose(held, block(NOW, NOW + 10)))
    await change(records, lambda held: decisions.impose(held, block(NOW - HOUR, NOW - 10)), OTHER)
    for at in (NOW + 20, NOW + 30):
        await records.announce_ends(at)
    assert await ends(records) == [(OTHER, NOW - 10, "run out"), (CALLER, NOW + 10, "run out")]


async def test_clocks_that_differ_as_they_may_tell_of_each_end_once(records: DatabaseRecords) -> None:
    """Two daemons with clocks a few minutes apart announce each end once."""
    ahead = TOLERANCE // 2
    await records.announce_ends(NOW)
    await change(records, lambda held: decisions.impose(held, block(NOW, NOW + 10)))
    for at in range(NOW, NOW + 100, 5):
        await records.announce_ends(at + ahead)
        await records.announce_ends(at)
    assert await ends(records) == [(CALLER, NOW + 10, "run out")]


# ── people, sessions, programs ───────────────────────────────────────────────────────────────────────

RATNA: Final = Person("Ratna", Role.SUPERVISOR, "a hash", "id", NOW, "root")
PROGRAM: Final = Token("dispatch", "d1", Role.VIEWER, True, NOW, "root", NOW + DAY)  # noqa: FBT003 - as a row


async def test_a_person_comes_back_and_is_one_however_often_written(records: DatabaseRecords) -> None:
    """A person is found by name in any capitalisation, and each change has an audit line."""
    assert (await records.people(), await records.person("Ratna")) == ([], None)
    await records.keep_person(RATNA, LINE)
    disabled = replace(RATNA, role=Role.ADMIN, password=None, lang=None, disabled_at=NOW + 1)
    assert await records.person("rAtNa") == RATNA
    await records.keep_person(disabled, replace(LINE, at=NOW + 1, action="user changed"))
    budi = Person("budi", Role.OPERATOR)
    await records.keep_person(budi, replace(LINE, subject="budi"))
    assert sorted(one.name for one in await records.people()) == ["Ratna", "budi"]
    assert await records.person("ratna") == disabled
    lines = await records.audit_entries(0, NOW + DAY)
    assert [line.action for line in lines] == ["user added", "user added", "user changed"]


async def test_of_two_changes_of_a_person_neither_undoes_the_other(records: DatabaseRecords) -> None:
    """Each gets the person as the one before left it, with all others; the line has the stored name."""
    for one in (RATNA, Person("Budi", Role.OPERATOR)):
        await records.keep_person(one, LINE)
    await records.keep_session(Session("a", "Ratna", "c", NOW, NOW))
    others = list[Person]()

    def disabled(held: Person, rest: Sequence[Person]) -> Person:
        others.extend(rest)
        return replace(held, disabled_at=NOW)

    def refused(held: Person, rest: Sequence[Person]) -> Person:
        raise ValueError(held, rest)

    changed = replace(LINE, action="user changed", subject="rAtNa")
    await asyncio.gather(
        records.change_person("Ratna", lambda held, _: replace(held, lang="en"), changed),
        records.change_person("rAtNa", disabled, replace(changed, detail="disabled"), log_out=True),
    )
    assert await records.person("Ratna") == replace(RATNA, lang="en", disabled_at=NOW)
    assert others == [Person("Budi", Role.OPERATOR)]
    assert await records.session("a") is None
    await records.session_seen("a", NOW + 1)
    assert await records.session("a") is None, "to be seen brings no session back"
    assert {line.subject for line in await records.audit_entries(0, NOW + DAY)} == {"Ratna"}
    assert await records.change_person("Nobody", disabled, changed) is None
    with pytest.raises(ValueError, match="Ratna"):
        await records.change_person("Ratna", refused, changed)


async def test_a_token_is_found_by_its_digest_alone(records: DatabaseRecords) -> None:
    """A token that is written again under its name has the new digest only."""
    await records.keep_token(PROGRAM, LINE)
    assert (await records.token("d1"), await records.token("d2"), await records.token("")) == (
        PROGRAM,
        None,
        None,
    )
    other = replace(PROGRAM, digest="d2", numbers=False, until=None, revoked_at=NOW)
    await records.keep_token(other, LINE)
    assert (await records.token("d1"), await records.token("d2")) == (None, other)
    assert await records.tokens() == [other]


async def test_a_session_is_of_a_person_and_ends_in_three_ways(records: DatabaseRecords) -> None:
    """Sessions end by digest, by person or by last use, and all others stay."""
    await records.keep_person(RATNA, LINE)
    await records.keep_person(replace(RATNA, name="Budi"), LINE)

    async def begin(digest: str, person: str, seen: Millis) -> None:
        await records.keep_session(Session(digest, person, "c", NOW, seen))

    async def left() -> list[str]:
        return [one for one in ("a", "b", "c", "d") if await records.session(one)]

    for digest, person, seen in (("a", "Ratna", NOW), ("b", "Ratna", NOW + 9), ("c", "Budi", NOW + 9)):
        await begin(digest, person, seen)
    await begin("d", "nobody", NOW)
    assert await records.session("a") == (Session("a", "Ratna", "c", NOW, NOW), RATNA)
    assert await left() == ["a", "b", "c"], "a session of nobody is none"
    await begin("a", "Ratna", NOW + 5)
    found = await records.session("a")
    assert found
    assert found[0].seen == NOW + 5
    await records.end_sessions(digest="b")
    assert await left() == ["a", "c"]
    await records.end_sessions(before=NOW + 9)
    assert await left() == ["c"]
    await begin("a", "Ratna", NOW)
    await records.end_sessions(person="Budi")
    assert await left() == ["a"]
    await records.end_sessions()
    assert await left() == ["a"], "to name nothing ends nothing"


async def test_people_tokens_and_sessions_are_of_one_site(records: DatabaseRecords, url: str) -> None:
    """People, tokens, sessions and the secret of one site are unknown at another."""
    other = DatabaseRecords(connect(url), f"{records.site_name}-other")
    try:
        await records.keep_person(RATNA, LINE)
        await records.keep_token(PROGRAM, LINE)
        await records.keep_session(Session("a", "Ratna", "c", NOW, NOW))
        assert (await other.people(), await other.token("d1"), await other.session("a")) == ([], None, None)
        await other.end_sessions(person="Ratna")
        assert await records.session("a")
        assert await other.secret() != await records.secret()
    finally:
        await other.close()


async def test_the_sites_secret_is_made_once(records: DatabaseRecords, url: str) -> None:
    """A site's secret is made once, even if many ask for it first at the same time."""
    many = [DatabaseRecords(connect(url, 60), records.site_name, patience=60) for _ in range(4)]
    try:
        held = await asyncio.gather(*(one.secret() for one in many))
    finally:
        await asyncio.gather(*(one.close() for one in many))
    assert {*held, await records.secret()} == {held[0]}
    assert len(held[0]) == 32


async def test_a_token_that_cannot_be_read_opens_nothing(records: DatabaseRecords) -> None:
    """A token with an unknown role opens nothing and is named, and the other tokens stay usable."""
    await records.keep_token(PROGRAM, LINE)
    await records.keep_token(replace(PROGRAM, name="other", digest="d2"), LINE)
    await records.act(
        lambda connection: connection.exec_driver_sql(
            f"UPDATE token SET role = 'king' WHERE digest = 'd1' AND site = {records.site}"  # noqa: S608 - our own number
        )
    )
    assert [one.name for one in await records.tokens()] == ["other"]
    assert await records.token("d1") is None
    assert "dispatch" in records.unreadable
    assert await records.token("d2")


async def test_a_session_of_a_person_who_cannot_be_read_opens_nothing(records: DatabaseRecords) -> None:
    """A session of a person who cannot be read opens nothing, and the person is named."""
    await records.keep_person(RATNA, LINE)
    await records.keep_session(Session("a", "Ratna", "c", NOW, NOW))
    await records.act(
        lambda connection: connection.exec_driver_sql(
            f"UPDATE person SET role = 'king' WHERE site = {records.site}"  # noqa: S608 - our own number
        )
    )
    assert await records.session("a") is None
    assert await records.people() == []
    assert "Ratna" in records.unreadable


# ── appeals, and what reviews ask ────────────────────────────────────────────────────────────────


async def test_objections_are_found_by_their_deadline_and_gone_once_decided(records: DatabaseRecords) -> None:
    """The list of appeals, its pages and their count agree, by deadline, and leave out decided ones."""
    callers = [Caller(f"+628120000000{n}") for n in range(5)]
    made = [Appeal(NOW, "clerk", "not me", NOW + (5 - n) * HOUR, suspends=n == 0) for n in range(5)]
    for caller, appeal in zip(callers, made, strict=True):
        await change(records, partial(decisions.object_, appeal=appeal), caller)
    assert [one.caller for one in await records.appealed()] == callers[::-1]
    assert (await records.load(callers[0])).appeals == (made[0],)
    first = await records.appealed_page(2)
    last = first[-1]
    assert last.appeal
    rest = await records.appealed_page(9, (last.appeal.due, last.caller))
    assert [one.caller for one in (*first, *rest)] == callers[::-1]
    assert await records.appealed_count() == (5, NOW + HOUR)
    decision = Lift(NOW, "supervisor", "seen", forgives=False)
    after = await change(records, partial(decisions.reject, decision=decision), callers[-1])
    assert (await records.load(callers[-1])).appeals == after.appeals
    assert await records.appealed_count() == (4, NOW + 2 * HOUR)


async def test_what_is_held_as_evidence_is_read_back(records: DatabaseRecords) -> None:
    """A hold and its release are read back as they were written."""
    held = Hold(NOW, "privacy", "case 3/2026")
    await change(records, partial(decisions.hold, held=held))
    assert (await records.load(CALLER)).hold == held
    await change(records, partial(decisions.hold, held=None))
    assert (await records.load(CALLER)).hold is None


async def test_a_review_finds_who_is_blocked_for_good_and_what_they_did(records: DatabaseRecords) -> None:
    """A review finds the callers with a permanent block in force, and each one's last call."""
    await records.write([Change(entry=row) for row in calls()])
    for caller in (CALLER, OTHER):
        await change(records, partial(decisions.impose, block=block(BEGAN, None)), caller)
    assert [one async for one in records.permanent()] == sorted([CALLER, OTHER])
    watched = await records.watched()
    assert watched == (BEGAN, BEGAN + 11 * SECOND)
    assert await records.called(CALLER, BEGAN + 5 * SECOND) == (BEGAN + 11 * SECOND, 0)
    assert await records.called(CALLER, NOW) == (None, 0)
    await change(records, partial(decisions.lift, lifted=Lift(NOW, "supervisor", "stolen")))
    assert [one async for one in records.permanent()] == [OTHER]
