"""A mark after the call changes the caller's record once, however often the row is recorded."""

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.core.changes import Stored, change_of_call
from siaga112.core.fold import Fold
from siaga112.core.ledger import entry_of
from siaga112.core.model import (
    SECOND,
    Call,
    Entry,
    Fact,
    FactKind,
    HandedOver,
    Handover,
    Mark,
    Mode,
)
from siaga112.core.record import CallerRecord
from siaga112.core.rules import Dialplan, Rules
from tests.samples import CALLER, answered, prank

RULES: Final = Rules(Dialplan(frozenset(), frozenset()))
CALL: Final = answered(1)


def marked(*marks: Mark) -> Entry:
    """Return the row of the call after these marks."""
    later = tuple(
        Fact(CALL.ended + n * 30 * SECOND, FactKind.MARKED, f"{mark} PJSIP/101")
        for n, mark in enumerate(marks, start=1)
    )
    return row(replace(CALL, facts=(*CALL.facts, *later)))


def row(call: Call) -> Entry:
    """Return a call's row of the ledger."""
    return entry_of(call, RULES, Mode.ENFORCE, lambda: "")


def told(*rows: Entry) -> CallerRecord:
    """Return the caller's record after these rows, in this order."""
    fold = Fold(RULES.policy)
    for one in rows:
        fold.take(one)
    return fold.records.get(CALLER, CallerRecord(CALLER))


def test_a_prank_costs_a_strike_and_another_mark_takes_it_back() -> None:
    """A prank mark gives a strike; another mark takes it back."""
    assert [held.call for held in told(row(CALL), marked(Mark.PRANK)).strikes] == [CALL.id]
    assert not told(row(CALL), marked(Mark.PRANK), marked(Mark.PRANK, Mark.INFORMATION)).strikes
    again = marked(Mark.PRANK, Mark.INFORMATION, Mark.PRANK)
    assert told(row(CALL), marked(Mark.PRANK), marked(Mark.PRANK, Mark.INFORMATION), again).strikes


def test_a_block_that_rests_on_it_is_lifted_too() -> None:
    """Correcting a prank mark lifts the block that rests on it."""
    pranks = [row(prank(n, CALL.started - (10 - n) * 60 * SECOND)) for n in range(2, 7)]
    record = told(*pranks, row(CALL), marked(Mark.PRANK))
    assert record.block_at(CALL.ended + 1)
    record = told(*pranks, row(CALL), marked(Mark.PRANK), marked(Mark.PRANK, Mark.GENUINE))
    assert record.block_at(CALL.ended + 1) is None
    assert [report.call for report in record.reports] == [CALL.id]


def test_who_was_silent_waits_for_a_call_back_until_somebody_says_otherwise() -> None:
    """A silent caller waits for a call-back and gets no strike, as somebody may be unable to speak."""
    record = told(row(CALL), marked(Mark.SILENT))
    assert [(missed.call, missed.reason) for missed in record.missed] == [(CALL.id, "silent")]
    assert not record.strikes
    assert not told(row(CALL), marked(Mark.SILENT), marked(Mark.SILENT, Mark.PRANK)).missed


@given(st.lists(st.sampled_from(Mark), min_size=1, max_size=5), st.data())
def test_told_twice_it_is_as_told_once(marks: list[Mark], data: st.DataObject) -> None:
    """Recording rows again in their order, as after a crash, changes nothing."""
    rows = [row(CALL), *(marked(*marks[: n + 1]) for n in range(len(marks)))]
    begin = data.draw(st.integers(0, len(rows) - 1))
    again = told(*rows, *rows[begin:])
    once = told(*rows)
    assert [held.call for held in again.strikes] == [held.call for held in once.strikes]
    assert again.reports == once.reports
    assert [missed.call for missed in again.missed] == [missed.call for missed in once.missed]
    assert (again.block_at(CALL.ended + 1) is None) == (once.block_at(CALL.ended + 1) is None)


@pytest.mark.parametrize("later", [(), (Mark.GENUINE,)])
def test_what_a_desk_told_of_a_report_stays_however_often_the_call_is_told(later: tuple[Mark, ...]) -> None:
    """Details of a report entered at a desk stay when the call is recorded again."""
    keyed = Fact(CALL.ended - SECOND, FactKind.MARKED, "genuine PJSIP/101")
    call = replace(CALL, facts=(*CALL.facts[:-1], keyed, CALL.facts[-1]))
    told_by_radio = Handover(CALL.ended, HandedOver.TOLD, "PMI", "PMI", 0)
    held = row(call)
    held = replace(
        held,
        finding=replace(held.finding, kind="fire", district="Cipocok", handovers=(told_by_radio,)),
    )
    facts = tuple(Fact(call.ended + SECOND, FactKind.MARKED, f"{mark} PJSIP/101") for mark in later)
    again = row(replace(call, facts=(*call.facts, *facts)))
    written = change_of_call(again, Stored(CallerRecord(CALLER), 0, held), RULES.policy).change.entry
    assert written is not None
    finding = written.finding
    assert (finding.kind, finding.district, finding.handovers) == ("fire", "Cipocok", (told_by_radio,))


def test_what_a_desk_told_of_a_report_goes_with_another_mark() -> None:
    """Another mark removes the details of a report, as a call that is no report has none."""
    held = marked(Mark.GENUINE)
    held = replace(held, finding=replace(held.finding, kind="fire"))
    other = marked(Mark.GENUINE, Mark.PRANK)
    written = change_of_call(other, Stored(CallerRecord(CALLER), 0, held), RULES.policy).change.entry
    assert written is not None
    assert written.finding.kind is None


@pytest.mark.parametrize("desk", list(Mark))
def test_a_mark_from_a_desk_stands_against_the_phones(desk: Mark) -> None:
    """A key after the call overrides an earlier key, but not a mark from a desk."""
    held = row(CALL)
    by_desk = replace(held, finding=replace(held.finding, mark=desk))
    late = marked(Mark.INFORMATION)
    taken = change_of_call(late, Stored(CallerRecord(CALLER), 0, by_desk), RULES.policy)
    assert (taken.change.entry is not None) == (desk is Mark.INFORMATION)
    by_phone = marked(Mark.PRANK)
    taken = change_of_call(
        marked(Mark.PRANK, Mark.INFORMATION), Stored(CallerRecord(CALLER), 0, by_phone), RULES.policy
    )
    assert taken.change.entry is not None
    line = taken.change.audit_entry
    assert line is not None
    assert (line.by, line.detail, line.reason) == ("PJSIP/101", "information", "dialled after the call")
