"""Handling: each answered call counts for one operator, and each hand-over for one agency."""

from collections import Counter
from datetime import date, time
from itertools import islice
from typing import Final

import pytest

from siaga112.core.figures import ANSWERED, category, grain
from siaga112.core.handling import (
    Answered,
    AnsweredCount,
    Answering,
    Handling,
    Passed,
    answered_one_by_one,
    passed_one_by_one,
)
from siaga112.core.model import DAY, SECOND, Entry, Mark, Outcome
from siaga112.core.period import of_days
from siaga112.core.shifts import Shift
from tests import month

SHIFTS: Final = (Shift("night", time(21, 30)), Shift("morning", time(7)), Shift("afternoon", time(14)))
PERIOD: Final = of_days(date(2019, 2, 12), date(2019, 2, 14), month.ZONE)


@pytest.fixture(scope="module", name="entries")
def entries_of_days() -> list[Entry]:
    """Return the calls of the month's first days, with what operators did with those answered."""
    return list(month.handled(islice(month.entries(), 12_000)))


def summed(some: list[Answering]) -> Answering:
    """Return the sum of some operators' figures."""
    total = Answering()
    for one in some:
        total.update(one)
    return total


def handling(entries: list[Entry], shifts: tuple[Shift, ...] = SHIFTS) -> Handling:
    """Return the handling of the period, counted row by row.

    A hand-over is counted without a time, so rows outside the period are left out first.
    """
    found = Handling(PERIOD, shifts)
    found.add_answered(answered_one_by_one(entries))
    mine = [one for one in entries if PERIOD.first <= one.finding.call.started < PERIOD.end]
    found.add_passed(passed_one_by_one(mine))
    return found


def test_each_answered_call_of_the_period_is_one_operators_however_it_is_cut(entries: list[Entry]) -> None:
    """By operator and by shift, the marks add up to the answered calls, and the talk times to the total."""
    found = handling(entries)
    mine = [
        one.finding
        for one in entries
        if one.finding.outcome is Outcome.ANSWERED and PERIOD.first <= one.finding.call.started < PERIOD.end
    ]
    whole = summed([*found.by_operator.values()])
    assert whole == summed([*found.by_operator_and_shift.values()])
    assert whole.calls == Counter(category(one.outcome, one.mark) for one in mine)
    assert whole.talk == sum(one.stages.talk or 0 for one in mine)
    assert whole.answered == len(mine) == sum(whole.calls[kind] for kind in ANSWERED) > 300
    reports = [one for one in mine if one.mark is Mark.GENUINE]
    assert dict(found.by_kind) == Counter(one.kind for one in reports)
    assert dict(found.by_district) == Counter(one.district for one in reports)
    assert sum(one.handed_over for one in found.by_agency.values()) == sum(len(one.handovers) for one in mine)


def test_the_busiest_is_first_and_who_has_no_name_is_last(entries: list[Entry]) -> None:
    """Rows are sorted by count, and those without a name come last, however many calls they have."""
    found = handling(entries)
    assert [*found.by_operator][-1] is None
    answered = [one.answered for name, one in found.by_operator.items() if name]
    assert answered == sorted(answered, reverse=True)
    assert [*found.by_agency][-1] == ""
    assert found.by_agency[""].targets == {"0811", "0812"}
    assert not any(one.targets for name, one in found.by_agency.items() if name)
    assert found.by_kind[-1][0] is found.by_district[-1][0] is None
    order = [*found.by_operator]
    assert sorted(found.by_operator_and_shift, key=lambda cut: order.index(cut[0])) == [
        *found.by_operator_and_shift
    ]


def test_counted_by_the_grain_it_is_the_same(entries: list[Entry]) -> None:
    """Counting calls by the grain gives the same as one by one, as a grain is within one shift."""
    width = grain(SHIFTS, month.ZONE, PERIOD.first, PERIOD.end)
    together = Handling(PERIOD, SHIFTS)
    together.add_answered(
        {
            alike: [one._replace(began=one.began // width * width) for one in counts]
            for alike, counts in answered_one_by_one(entries).items()
        }
    )
    each = handling(entries)
    assert together.by_operator == each.by_operator
    assert together.by_operator_and_shift == each.by_operator_and_shift
    assert together.by_kind == each.by_kind


def test_where_there_is_nothing_to_say_there_is_nothing() -> None:
    """Tables of operators, agencies, kinds and shifts are empty if nothing is known of them."""
    found = Handling(PERIOD, ())
    unseen = {Answered(None, Mark.GENUINE): [AnsweredCount(PERIOD.first, 5, 0, 0)]}
    found.add_answered(unseen)
    assert (found.by_operator, found.by_agency, found.by_kind, found.by_district) == ({}, {}, [], [])
    found.add_answered({Answered("Ani", None): [AnsweredCount(PERIOD.first, 1, 1, 3 * SECOND)]})
    assert [*found.by_operator] == ["Ani", None]
    assert found.by_operator[None].mean is None
    assert found.by_operator["Ani"].mean == 3 * SECOND
    assert found.by_operator_and_shift == {}


def test_a_call_of_another_time_is_not_counted() -> None:
    """A call that begins outside the period is not counted."""
    found = Handling(PERIOD, SHIFTS)
    for began in (PERIOD.first - 1, PERIOD.end, PERIOD.end + DAY):
        found.add_answered({Answered("Ani", Mark.GENUINE, "fire"): [AnsweredCount(began, 1, 1, SECOND)]})
    assert found.by_operator == {}
    assert found.by_kind == []


def test_half_and_nine_tenths_were_handed_over_within() -> None:
    """Percentiles of the time to a hand-over are nearest ranks; only answered hand-overs count as reached."""
    found = Handling(PERIOD, ())
    found.add_passed({Passed("Damkar", "", tenths, reached=tenths < 50): 1 for tenths in range(10, 110, 10)})
    damkar = found.by_agency["Damkar"]
    assert (damkar.handed_over, damkar.reached) == (10, 4)
    assert (damkar.after.within(50), damkar.after.within(90)) == (5 * SECOND, 9 * SECOND)


def test_a_report_that_names_nobody_has_the_rest(entries: list[Entry]) -> None:
    """A report that names nobody keeps agencies and kinds: only the operators are personal data."""
    found = handling(entries)
    agencies, kinds = found.by_agency, found.by_kind
    found.forget_operators()
    assert (found.by_operator, found.by_operator_and_shift) == ({}, {})
    assert (found.by_agency, found.by_kind) == (agencies, kinds)
