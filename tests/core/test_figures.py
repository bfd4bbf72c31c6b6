"""The figures add up, whatever the calls are and however they are grouped."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siaga112.core.decisions import lift
from siaga112.core.figures import (
    Category,
    Figures,
    LedgerRow,
    Misuser,
    Tally,
    Waits,
    category,
    grain,
    one_by_one,
)
from siaga112.core.model import DAY, SECOND, Caller, Level, Mark, Millis, Origin, Outcome, Reason
from siaga112.core.period import Period, of_days
from siaga112.core.record import CallerRecord, Lift
from siaga112.core.service_level import Served
from siaga112.core.shifts import Shift, duty
from siaga112.report.block_figures import count_blocks
from tests.samples import CALLER, OTHER, block, tally

JAKARTA: Final = ZoneInfo("Asia/Jakarta")
BERLIN: Final = ZoneInfo("Europe/Berlin")
WITHIN: Final = 10 * SECOND
NO_HURRY: Final = settings(deadline=None)
"""The time per example is not tested."""
SHIFTS: Final = (Shift("night", time(21, 30)), Shift("morning", time(7)), Shift("afternoon", time(14)))
"""Not in order; the night shift crosses midnight."""


def at(day: str, zone: ZoneInfo = JAKARTA) -> Millis:
    """Return the instant of a local time."""
    return int(datetime.fromisoformat(day).replace(tzinfo=zone).timestamp() * SECOND)


def row(
    started: Millis,
    outcome: Outcome = Outcome.IVR_PRANK,
    *,
    reason: Reason = Reason.LEFT_MENU,
    mark: Mark | None = None,
    waited: Millis | None = None,
    caller: Caller | None = CALLER,
    strike: bool = False,
) -> LedgerRow:
    """Return a ledger row, reduced to what the figures need."""
    return LedgerRow(started, outcome, reason, mark, waited, caller, strike)


MARCH: Final = of_days(date(2019, 3, 30), date(2019, 4, 1), BERLIN)
"""Three days, the second with 23 hours: summer time begins."""


@st.composite
def rows(draw: st.DrawFn) -> LedgerRow:
    """Draw a call during those three days, or up to a day before or after them."""
    outcome = draw(st.sampled_from(Outcome))
    return row(
        draw(st.integers(MARCH.first - DAY, MARCH.end + DAY)),
        outcome,
        reason=draw(st.sampled_from(Reason)),
        mark=draw(st.sampled_from([None, *Mark])) if outcome is Outcome.ANSWERED else None,
        waited=draw(st.none() | st.integers(0, 600 * SECOND)),
        caller=draw(st.sampled_from([None, CALLER, OTHER])),
        strike=draw(st.booleans()),
    )


def summed(tallies: list[Tally]) -> Tally:
    """Return the sum of tallies."""
    total = Tally()
    for one in tallies:
        total.update(one)
    return total


@NO_HURRY
@given(st.lists(rows(), max_size=80), st.sampled_from([SHIFTS, SHIFTS[:1], ()]))
def test_every_call_of_the_period_is_counted_exactly_once_however_it_is_cut(
    given_rows: list[LedgerRow], shifts: tuple[Shift, ...]
) -> None:
    """The categories add up to the calls; days, hours and shifts each add up to the period."""
    figures = Figures(MARCH, shifts, WITHIN)
    figures.add(given_rows)
    mine = [one for one in given_rows if MARCH.first <= one.started < MARCH.end]
    assert figures.total.total == sum(figures.total.calls.values()) == len(mine)
    for kind in Category:
        assert figures.total.calls[kind] == sum(category(one.outcome, one.mark) is kind for one in mine)
    assert summed([*figures.by_day.values()]) == summed([*figures.by_hour.values()]) == figures.total
    if shifts:
        assert summed([*figures.by_shift.values()]) == summed([*figures.by_duty.values()]) == figures.total
    assert list(figures.by_day) == MARCH.days
    assert [*figures.by_shift] == [shift.name for shift in shifts]


@NO_HURRY
@given(st.lists(rows(), max_size=80))
def test_the_formulas_divide_what_was_counted(given_rows: list[LedgerRow]) -> None:
    """Calls in time ≤ answered ≤ presented ≤ all calls, and each share is between 0 and 1."""
    counted = tally(given_rows, WITHIN)
    levels = counted.levels
    assert levels.of_answered.part == levels.of_presented.part == counted.service[Served.IN_TIME]
    assert levels.of_answered.part <= levels.of_answered.whole <= levels.of_presented.whole <= counted.total
    assert levels.of_offered.whole == counted.total
    assert counted.answered == sum(one.outcome is Outcome.ANSWERED for one in given_rows)
    for ratio in (levels.of_answered, levels.of_presented, levels.of_offered):
        assert ratio.share is None if ratio.whole == 0 else 0 <= (ratio.share or 0) <= 1


@NO_HURRY
@given(st.lists(rows(), max_size=60), st.randoms())
def test_the_order_of_rows_changes_nothing(given_rows: list[LedgerRow], random: object) -> None:
    """The figures do not depend on the order of the rows."""
    shuffled = list(given_rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # a random of hypothesis
    one, other = Figures(MARCH, SHIFTS, WITHIN), Figures(MARCH, SHIFTS, WITHIN)
    one.add(given_rows)
    other.add(shuffled)
    assert one.total == other.total
    assert one.by_duty == other.by_duty
    assert one.top_misusers(5) == other.top_misusers(5)


@NO_HURRY
@given(st.lists(st.integers(0, 3_000_000), min_size=1), st.integers(1, 100))
def test_waits_are_the_nearest_rank_to_the_tenth_of_a_second(waits: list[Millis], percent: int) -> None:
    """A percentile of the waits is the nearest rank, to a tenth of a second."""
    rows = [row(0, Outcome.ANSWERED, reason=Reason.OPERATOR, waited=wait) for wait in waits]
    held, rounded = tally(rows, WITHIN).answered_after, [(wait + 50) // 100 * 100 for wait in waits]
    found = held.within(percent)
    assert found in rounded
    assert found is not None
    assert sum(wait <= found for wait in rounded) * 100 >= percent * len(waits)
    assert sum(wait < found for wait in rounded) * 100 < percent * len(waits)
    assert held.longest == max(rounded)
    assert held.mean == sum(rounded) // len(rounded)


def test_of_nobody_there_is_no_wait() -> None:
    """Without waits there is no mean, percentile or maximum."""
    waits = Waits()
    assert (waits.count, waits.mean, waits.within(90), waits.longest) == (0, None, None, None)


def test_answered_in_time_is_up_to_and_including_the_limit() -> None:
    """A wait equal to the limit is in time, as in the metrics; an unknown wait counts as answered only."""
    waits = (WITHIN, WITHIN + 1, None)
    rows = [row(0, Outcome.ANSWERED, reason=Reason.OPERATOR, waited=waited) for waited in waits]
    counted = tally(rows, WITHIN)
    assert counted.service == Counter({Served.IN_TIME: 1, Served.LATE: 1})
    assert (counted.answered, counted.answered_after.count) == (3, 2)


@pytest.mark.parametrize("reason", [Reason.DROPPED_EARLY, Reason.BEFORE_MENU])
def test_who_drops_before_the_queue_is_abandoned_but_nobodys_service(reason: Reason) -> None:
    """A call dropped before the queue is abandoned, but not in the service level: nobody could answer."""
    counted = tally([row(0, Outcome.ABANDONED, reason=reason, waited=3_000)], WITHIN)
    assert counted.calls[Category.ABANDONED] == 1
    assert counted.abandoned_after.count == 0
    assert counted.levels.of_presented.whole == 0


@pytest.mark.parametrize(
    ("local", "day", "shift"),
    [
        ("2019-02-11T21:29:59", "2019-02-11", "afternoon"),
        ("2019-02-11T21:30:00", "2019-02-11", "night"),
        ("2019-02-12T00:00:00", "2019-02-11", "night"),
        ("2019-02-12T06:59:59", "2019-02-11", "night"),
        ("2019-02-12T07:00:00", "2019-02-12", "morning"),
        ("2019-03-01T03:00:00", "2019-02-28", "night"),
    ],
)
def test_a_night_shift_belongs_to_the_day_on_which_it_began(local: str, day: str, shift: str) -> None:
    """A night shift belongs to the day on which it began; its calls belong to their own calendar days."""
    moment = datetime.fromisoformat(local).replace(tzinfo=JAKARTA)
    assert duty(moment, SHIFTS) == (date.fromisoformat(day), shift)
    figures = Figures(of_days(moment.date(), moment.date(), JAKARTA), SHIFTS, WITHIN)
    figures.add([row(at(local))])
    assert list(figures.by_duty) == [(date.fromisoformat(day), shift)]
    assert figures.by_day[moment.date()].total == 1


def test_the_shifts_of_a_day_come_in_their_order() -> None:
    """The shifts of a day are sorted by their starts, in whatever order they are configured."""
    figures = Figures(of_days(date(2019, 2, 11), date(2019, 2, 11), JAKARTA), SHIFTS, WITHIN)
    figures.add(row(at(f"2019-02-11T{hour}:00")) for hour in ("23", "08", "15", "02"))
    names = [f"{day:%d} {shift}" for day, shift in figures.by_duty]
    assert names == ["10 night", "11 morning", "11 afternoon", "11 night"]


def test_who_misused_most_comes_first() -> None:
    """Misusers are sorted by strikes, then by rejected calls; their other calls do not count."""
    third = Caller("+6281233333333")
    calls = [row(at("2019-02-11T08:00"), caller=caller, strike=True) for caller in (CALLER, OTHER, OTHER)]
    calls += [row(at("2019-02-11T08:00"), Outcome.BLOCKED, caller=caller) for caller in (third, CALLER)]
    calls += [
        row(at("2019-02-11T08:00"), caller=third),
        row(at("2019-02-11T08:00"), caller=None, strike=True),
    ]
    figures = Figures(of_days(date(2019, 2, 11), date(2019, 2, 11), JAKARTA), SHIFTS, WITHIN)
    figures.add(calls)
    found = [Misuser(OTHER, 2, 0), Misuser(CALLER, 1, 1), Misuser(third, 0, 1)]
    assert figures.top_misusers(5) == found
    assert figures.top_misusers(1) == found[:1]
    assert figures.misusers == 2


# ── blocks ───────────────────────────────────────────────────────────────────────────────────────

DAY_OF_BLOCKS: Final = of_days(date(2019, 2, 11), date(2019, 2, 11), JAKARTA)


def test_a_block_is_imposed_in_the_period_in_which_it_began() -> None:
    """A block is counted as imposed, by level and origin, only in the period in which it began."""
    first, end = DAY_OF_BLOCKS.first, DAY_OF_BLOCKS.end
    blocks = [block(first - 1, end), block(first, None), block(end - 1, end + DAY), block(end, None)]
    counted = count_blocks([blocks], DAY_OF_BLOCKS)
    assert counted.imposed == {
        (Level.PERMANENT, Origin.MANUAL): 1,
        (Level.TEMPORARY, Origin.MANUAL): 1,
    }
    assert (counted.of(Level.PERMANENT), counted.of(Origin.MANUAL), counted.of(Origin.AUTOMATIC)) == (1, 2, 0)
    counted.imposed[Level.PERMANENT, Origin.IMPORT] = 3
    assert counted.by_people == 5
    assert (counted.lifted, counted.wrong) == (0, 0)


@pytest.mark.parametrize(("mistake", "wrong"), [(False, 0), (True, 1)])
def test_a_block_is_lifted_when_it_was_lifted(mistake: bool, wrong: int) -> None:  # noqa: FBT001 - pytest names it
    """A lift is counted in its own period, and as a wrong block only if the person who lifted it said so."""
    first = DAY_OF_BLOCKS.first
    record = CallerRecord(CALLER, blocks=(block(first - 30 * DAY, None),))
    lifted = lift(record, Lift(first, "supervisor", "a clinic", mistake=mistake))
    assert count_blocks([lifted.blocks], DAY_OF_BLOCKS.before()).lifted == 0
    counted = count_blocks([lifted.blocks], DAY_OF_BLOCKS)
    assert (counted.lifted, counted.wrong, counted.imposed.total()) == (1, wrong, 0)


def test_a_decision_counts_once_however_many_blocks_it_lifted() -> None:
    """One decision that lifts three overlapping blocks of a caller counts once."""
    first = DAY_OF_BLOCKS.first
    overlapping = (block(first, first + DAY), block(first + 1, first + DAY), block(first + 2, None))
    by_mistake = Lift(first + 10, "supervisor", "a clinic", mistake=True)
    lifted = lift(CallerRecord(CALLER, blocks=overlapping), by_mistake).blocks
    counted = count_blocks([lifted], DAY_OF_BLOCKS)
    assert (counted.imposed.total(), counted.lifted, counted.wrong) == (3, 1, 1)
    twice = count_blocks([lifted, lifted], DAY_OF_BLOCKS)
    assert (twice.lifted, twice.wrong) == (2, 2)


# ── periods ──────────────────────────────────────────────────────────────────────────────────────


def test_the_period_before_has_as_many_days_also_over_summer_time() -> None:
    """The period before three days of 71 hours is 27 to 29 March: days are calendar days."""
    assert (MARCH.end - MARCH.first) == 71 * 3_600_000
    assert MARCH.before() == of_days(date(2019, 3, 27), date(2019, 3, 29), BERLIN)


@NO_HURRY
@given(
    st.datetimes(datetime(2019, 3, 1), datetime(2019, 5, 1)),  # noqa: DTZ001 - aware below
    st.timedeltas(timedelta(milliseconds=1), timedelta(days=40)),
)
def test_the_period_before_ends_where_this_one_begins(start: datetime, length: timedelta) -> None:
    """The period before ends where this one begins, and is as long, unless both consist of whole days."""
    since = start.replace(tzinfo=UTC, microsecond=0).astimezone(BERLIN)
    until = (since.astimezone(UTC) + length).astimezone(BERLIN)
    period = Period(since, until, BERLIN)
    assert period.before().end == period.first
    if not period.whole_days:
        assert period.before().end - period.before().first == period.end - period.first


@NO_HURRY
@given(st.lists(rows(), max_size=80), st.sampled_from([SHIFTS, ()]), st.integers(1, 4))
def test_calls_counted_together_are_counted_as_each_by_itself(
    given_rows: list[LedgerRow], shifts: tuple[Shift, ...], parts: int
) -> None:
    """Calls counted in groups give the same totals as counted one by one, however they are divided."""
    each, together = Figures(MARCH, shifts, WITHIN), Figures(MARCH, shifts, WITHIN)
    each.add(given_rows)
    length = -(-(MARCH.end - MARCH.first) // parts)
    for since in range(MARCH.first, MARCH.end, length):
        until = min(since + length, MARCH.end)
        width = grain(shifts, BERLIN, since, until)
        mine = [
            one._replace(started=max(one.started // width * width, since))
            for one in given_rows
            if since <= one.started < until
        ]
        together.add_counted(one_by_one(mine, WITHIN))
    for cut in ("total", "by_day", "by_hour", "by_shift", "by_duty", "uncounted"):
        assert getattr(each, cut) == getattr(together, cut)


GAZA: Final = ZoneInfo("Asia/Gaza")
"""A zone whose clocks changed at a minute past midnight."""


@given(
    st.lists(st.times(), max_size=4),
    st.sampled_from(
        [
            (JAKARTA, MARCH.first),
            (BERLIN, MARCH.first),
            (ZoneInfo("Asia/Kathmandu"), MARCH.first),
            (ZoneInfo("Australia/Lord_Howe"), at("2019-04-05")),
            (GAZA, at("2011-03-31")),
        ]
    ),
    st.integers(0, DAY),
    st.data(),
)
@NO_HURRY
def test_calls_of_one_grain_are_of_one_hour_and_one_shift(
    begins: list[time], place: tuple[ZoneInfo, Millis], later: Millis, data: st.DataObject
) -> None:
    """All calls of a grain are in one hour and one shift, in odd zones and at changes of the clocks too."""
    zone, since = place[0], place[1] + later
    shifts = tuple(Shift(str(n), at.replace(second=0, microsecond=0)) for n, at in enumerate(begins))
    width = grain(shifts, zone, since, since + 3 * DAY)
    first = data.draw(st.integers(since, since + 3 * DAY - 1)) // width * width
    one, other = (
        datetime.fromtimestamp(at / SECOND, zone)
        for at in (max(first, since), min(first + width, since + 3 * DAY) - 1)
    )
    assert (one.date(), one.hour) == (other.date(), other.hour)
    assert duty(one, shifts) == duty(other, shifts)


@pytest.mark.parametrize(
    ("zone", "day", "width"),
    [
        (JAKARTA, "2019-03-30", 60),
        (BERLIN, "2019-03-30", 60),
        (ZoneInfo("Asia/Kathmandu"), "2019-03-30", 15),
        (ZoneInfo("Australia/Lord_Howe"), "2019-04-05", 30),
        (GAZA, "2011-03-31", 1),
        (GAZA, "2011-03-01", 60),
    ],
    ids=str,
)
def test_a_grain_is_an_hour_where_it_can_be(zone: ZoneInfo, day: str, width: int) -> None:
    """A grain is an hour, and finer only if the zone's offset or a change of its clocks requires it."""
    assert grain(SHIFTS[1:], zone, at(day), at(day) + 4 * DAY) == width * 60 * SECOND
