"""If the PBX's clock or ours is wrong, nobody gets a strike or a longer block because of it."""

from dataclasses import replace
from datetime import date, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.backtest.columns import Clock
from siaga112.core import changes as books
from siaga112.core import policy
from siaga112.core import standing as verdicts
from siaga112.core.ami.events import ClockOffset, Newstate
from siaga112.core.changes import Stored
from siaga112.core.clocks import ClockWatch
from siaga112.core.ledger import entry_of
from siaga112.core.model import (
    DAY,
    SECOND,
    TOLERANCE,
    Call,
    Entry,
    Fact,
    FactKind,
    Level,
    Millis,
    Mode,
    Origin,
    Spared,
    Verdict,
    due,
)
from siaga112.core.period import of_days
from siaga112.core.record import AllowEntry, Block, CallerRecord, MissedCall
from siaga112.core.shifts import Shift, shift_at
from siaga112.core.tracking.tracker import Tracker
from siaga112.core.uniqueid import made
from tests.core.table import DIALPLAN, events, in_force
from tests.samples import CALLER, NOW, RULES, call_id, entry, prank, strike

CENTURY = 36_525 * DAY
CLOCKS = st.integers(NOW - CENTURY // 5, NOW + CENTURY // 5)
SKEWS = st.sampled_from([0, 0, 0, 300 * SECOND, -DAY, 30 * DAY, CENTURY // 10, -CENTURY // 10])
OFF = st.integers(-CENTURY // 10, CENTURY // 10)
BERLIN = ZoneInfo("Europe/Berlin")


def off(call_at: Millis, number: int = 1) -> Entry:
    """Return the entry of a misuse during which the PBX's clock was wrong."""
    call = prank(number, call_at)
    seen = (call.facts[0], Fact(call_at, FactKind.CLOCK_OFF, "3600000"), *call.facts[1:])
    return entry_of(replace(call, facts=seen), in_force(policy=RULES).now, Mode.ENFORCE, str)


@given(st.lists(st.tuples(OFF, st.integers(0, 600 * SECOND)), max_size=12), st.booleans())
def test_what_is_off_is_timed_by_our_own_clock(steps: list[tuple[Millis, Millis]], begun: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    """However the clocks are set, no event's time differs from its arrival by more than the tolerance."""
    watch, now = ClockWatch(), NOW
    told = [Newstate(NOW - 2 * TOLERANCE, "1.1")] if begun else []
    watch.timed(told, now)
    for ahead, pause in steps:
        now += pause
        event = Newstate(now + ahead, "1.1")
        *seen, timed = watch.timed([event], now)
        assert abs(timed.at - now) <= TOLERANCE
        assert (timed.at == event.at) is (watch.ahead == 0)
        assert all(isinstance(one, ClockOffset) and one.ahead == watch.ahead for one in seen)
        assert watch.ahead or abs(ahead) <= TOLERANCE


def test_the_times_within_a_call_stay_what_the_pbx_measured() -> None:
    """Spans between events are the PBX's, even if its clock is ten years ahead and events arrive late."""
    watch, ahead = ClockWatch(), 10 * 365 * DAY
    first, *more = watch.timed([Newstate(NOW + ahead + n * 1_500, "1.1") for n in range(4)], NOW)
    assert first == ClockOffset(NOW, ahead)
    assert [event.at - NOW for event in more] == [0, 1_500, 3_000, 4_500]
    right = [Newstate(NOW + 5_000, "1.1")]
    assert watch.timed(right, NOW + 5_000) == [ClockOffset(NOW + 5_000, 0), *right]
    assert watch.timed(right, NOW + 5_000) is right


CALL = """
    10:00:00  Newchannel     1.1  num=081211111111
    10:00:00  VarSet         1.1  SIAGA_CALLER=081211111111
    10:00:01  Newexten       1.1  app=BackGround at=siaga112-ivr,s,5
    10:00:20  HangupRequest  1.1
    10:00:20  Hangup         1.1
"""


@pytest.mark.parametrize("when", range(6))
@pytest.mark.parametrize("lasts", [1, 6])
def test_a_call_that_was_up_while_the_clock_was_off_costs_no_strike(when: int, lasts: int) -> None:
    """A wrong clock at any point of a call prevents that call's strike, but not an earlier or later one."""
    told = [*events(CALL)]
    tracker = Tracker(in_force(DIALPLAN))
    before = [call for event in told for call in tracker.feed(event)]
    marks = {when: 3_600_000, min(when + lasts, len(told)): 0}
    ended: list[Call] = []
    for nth in range(len(told) + 1):
        if nth in marks:
            ended += tracker.feed(ClockOffset(told[0].at, marks[nth]))
        if nth < len(told):
            ended += tracker.feed(told[nth])
    after = [call for event in told for call in tracker.feed(event)]
    for call, timed in zip((*before, *ended, *after), (True, when == len(told), True), strict=True):
        settled = entry_of(call, in_force(policy=RULES).now, Mode.ENFORCE, str)
        assert (settled.strike, settled.spared) == ((True, None) if timed else (False, Spared.CLOCK))
        assert (policy.strike_for(settled.finding, RULES) is not None) is timed


@given(st.lists(st.tuples(SKEWS, SKEWS, st.sampled_from([True, True, False])), max_size=30), CLOCKS)
def test_no_block_begins_or_ends_later_than_by_our_own_clock(
    calls: list[tuple[Millis, Millis, bool]], looked: Millis
) -> None:
    """Whatever both clocks show, a block begins by now and lasts no longer than its span from now."""
    record = CallerRecord(CALLER)
    for number, (pbx, ours, right) in enumerate(calls):
        at, now = NOW + number * 20 * SECOND + pbx, NOW + number * 20 * SECOND + ours
        settled = entry(prank(number, at)) if right else off(at, number)
        told = books.change_of_call(settled, Stored(record, number, None), RULES, now=now)
        if told.change.replacement is None:
            continue
        known, record = record.blocks, told.change.replacement.record
        for block in record.blocks[len(known) :]:
            assert block.since <= now
            assert block.until is None or block.until <= now + max(RULES.temporary)
        assert right or told.entry is None or not told.entry.strike
    answer = verdicts.verdict(verdicts.standing(record, looked, RULES), Mode.ENFORCE, looked, RULES)
    if answer.verdict is Verdict.BLOCK and answer.until is not None:
        assert looked < answer.until <= looked + max(RULES.temporary)


@given(st.lists(st.tuples(CLOCKS, st.integers(1, CENTURY)), max_size=5), CLOCKS, CLOCKS, OFF)
def test_a_verdict_blocks_only_between_a_beginning_and_an_end(
    blocks: list[tuple[Millis, Millis]], written: Millis, now: Millis, ahead: Millis
) -> None:
    """A verdict is BLOCK only if our clock shows the block's start or later, and never showed its end."""
    held = tuple(Block(Level.TEMPORARY, since, since + span, Origin.MANUAL, "", "") for since, span in blocks)
    standing = verdicts.standing(CallerRecord(CALLER, blocks=held), written, RULES)
    answer = verdicts.verdict(standing, Mode.ENFORCE, now, RULES, latest=now + ahead)
    covers = any(block.since <= now and (block.until or 0) > max(now, now + ahead) for block in held)
    assert answer.verdict is Verdict.ALLOW or covers or len(held) > 1
    if answer.verdict is Verdict.BLOCK:
        assert standing.since <= now
        assert max(now, now + ahead) < (standing.until or 0)


def test_a_time_that_is_not_yet_throws_nothing_away() -> None:
    """A call from ten years ahead deletes neither call-backs nor the entry on the allow list."""
    missed = MissedCall(call_id(3), NOW, 9_000)
    record = CallerRecord(CALLER, missed=(missed,), strikes=(), allow=AllowEntry(NOW, "x", "y"))
    told = books.change_of_call(entry(prank(4, NOW + CENTURY // 10)), Stored(record, 1, None), RULES, now=NOW)
    kept = told.change.replacement.record if told.change.replacement else record
    assert (kept.missed, kept.allow) == (record.missed, record.allow)


def test_what_waited_for_hours_still_counts() -> None:
    """Six misuses recorded five hours late lead to a block from the end of the last one."""
    record, late = CallerRecord(CALLER), NOW + 5 * 3_600 * SECOND
    for n in range(6):
        told = books.change_of_call(
            entry(prank(n, NOW + n * 20_000)), Stored(record, n, None), RULES, now=late
        )
        assert told.change.replacement
        record = told.change.replacement.record
    (block,) = record.blocks
    assert (block.since, block.until) == (record.strikes[-1].at, record.strikes[-1].at + DAY)


@pytest.mark.parametrize(
    ("uid", "at"),
    [
        ("1795463311.12", 1_795_463_311_000),
        ("pbx-1.2-1795463311.7", 1_795_463_311_000),
        ("x", None),
    ],
)
def test_the_pbxs_clock_is_in_an_id(uid: str, at: Millis | None) -> None:
    """A uniqueid gives the second in which the channel was created, if it contains a time at all."""
    assert made(uid) == at


# ── days with a change of the clocks ─────────────────────────────────────────────────────────────

TWO_WINTER = 1_793_494_800_000
"""2026-10-25 02:00 in Berlin, for the second time: an hour earlier it was 02:00 in summer time."""


def test_a_shift_is_the_walls_also_in_the_hour_that_comes_twice() -> None:
    """If the hour from two to three comes twice, both belong to the night shift, and the next begins once."""
    shifts = (Shift("night", time(22)), Shift("early", time(3)))
    hour = 3_600 * SECOND
    found = [shift_at(TWO_WINTER + n * hour, shifts, BERLIN) for n in (-2, -1, 0, 1, 2)]
    assert found == ["night", "night", "night", "early", "early"]


def test_a_day_of_the_walls_has_25_hours_and_a_block_of_a_day_24() -> None:
    """On a day with 25 hours, a report's day has 25 hours, and a block of one day has 24."""
    day = of_days(date(2026, 10, 25), date(2026, 10, 25), BERLIN)
    assert day.end - day.first == 25 * 3_600 * SECOND
    record = CallerRecord(CALLER)
    for n in range(6):
        record = policy.add_strike(record, strike(n, TWO_WINTER - 6 + n), RULES)
    (block,) = record.blocks
    assert (block.until or 0) - block.since == DAY


@pytest.mark.parametrize(
    ("text", "seconds_after"),
    [("2016-12-31 23:59:59", -1), ("2016-12-31 23:59:60", 0), ("2017-01-01 00:00:00", 0)],
)
def test_a_leap_second_is_read(text: str, seconds_after: int) -> None:
    """A leap second, 23:59:60, is read as the first second of the next day."""
    midnight = 1_483_228_800_000
    assert Clock(ZoneInfo("UTC")).read(text) == midnight + seconds_after * SECOND


@pytest.mark.parametrize("back", [1, 2, 30, 599])
def test_a_second_that_comes_twice_makes_nothing_negative(back: int) -> None:
    """If the clock steps back within the tolerance, no span is negative and the call keeps its outcome."""
    told = [*events(CALL)]
    tracker = Tracker(in_force(DIALPLAN))
    turned = [replace(event, at=event.at - back * SECOND) for event in told[3:]]
    (call,) = [call for event in (*told[:3], *turned) for call in tracker.feed(event)]
    settled = entry_of(call, in_force(policy=RULES).now, Mode.ENFORCE, str)
    stages = settled.finding.stages
    assert all((span or 0) >= 0 for span in (stages.ivr, stages.wait, stages.ring, stages.talk))
    assert settled.finding.outcome != "unknown"


def test_what_is_done_now_and_then_is_not_put_off_by_a_clock_that_is_set_back() -> None:
    """A periodic task is due after its interval, and at once if the clock was set back."""
    again = {after: due(NOW, NOW + after * SECOND, 10 * SECOND) for after in (0, 9, 10, 11, -1, -DAY)}
    assert again == {0: False, 9: False, 10: True, 11: True, -1: True, -DAY: True}
