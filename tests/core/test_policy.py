"""The policy: thresholds, window, ladder, people's decisions, doubtful calls, and the laws it keeps."""

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.core import decisions, policy
from siaga112.core import standing as verdicts
from siaga112.core.model import (
    DAY,
    Caller,
    CallId,
    Discounted,
    Level,
    Millis,
    Mode,
    Origin,
    Outcome,
    Treatment,
    Verdict,
)
from siaga112.core.record import AllowEntry, Block, CallerRecord, Lift, Strike
from siaga112.core.regulation import PRESETS, PolicyRules
from siaga112.core.screening import ScreenReason

CALLER = Caller("+6281211111111")
RULES = PolicyRules()
NOW = 1_795_000_000_000


def strike(n: int, at: Millis) -> Strike:
    """Return the nth strike."""
    return Strike(CallId(f"{n}.0"), at, Outcome.IVR_PRANK, "left_menu")


def struck(times: list[Millis], rules: PolicyRules = RULES) -> CallerRecord:
    """Return the record of a caller with strikes at these times."""
    record = CallerRecord(CALLER)
    for n, at in enumerate(times):
        record = policy.add_strike(record, strike(n, at), rules)
    return record


def minutes(*numbers: int) -> list[Millis]:
    """Return instants at these minutes after the start."""
    return [NOW + n * 60_000 for n in numbers]


def test_five_misuses_are_forgiven_the_sixth_blocks_for_a_day() -> None:
    """Five misuses within the window block nobody, and the sixth leads to a block of a day."""
    assert struck(minutes(1, 2, 3, 4, 5)).blocks == ()
    (block,) = struck(minutes(1, 2, 3, 4, 5, 6)).blocks
    assert (block.level, block.since, block.until) == (Level.TEMPORARY, NOW + 360_000, NOW + 360_000 + DAY)
    assert len(block.calls) == 6


@pytest.mark.fault("policy_edge")
def test_a_strike_one_window_old_counts_no_more() -> None:
    """A strike exactly one window old no longer counts, and one a millisecond younger does."""
    first, rest = NOW, [NOW + n for n in range(1, 5)]
    assert struck([first, *rest, first + RULES.window]).blocks == ()
    assert len(struck([first, *rest, first + RULES.window - 1]).blocks) == 1


def test_any_misuse_after_a_block_is_permanent_within_the_memory() -> None:
    """A misuse after a block leads to a permanent block, until the memory of the block is over."""
    record = struck(minutes(1, 2, 3, 4, 5, 6))
    end = record.blocks[0].until or 0
    again = policy.add_strike(record, strike(7, end), RULES)
    assert again.blocks[-1].level is Level.PERMANENT
    late = policy.add_strike(record, strike(7, end + RULES.memory), RULES)
    assert len(late.blocks) == 1


def test_a_strike_during_a_block_imposes_no_other() -> None:
    """A strike during a block, as in observe mode, imposes no other block."""
    record = struck(minutes(1, 2, 3, 4, 5, 6, 7, 8))
    assert len(record.blocks) == 1
    assert len(record.strikes) == 8


def test_a_longer_ladder() -> None:
    """The ladder may have any number of temporary steps."""
    rules = replace(RULES, temporary=(1_000, 2_000, 3_000))
    record = struck(minutes(*range(1, 10)), rules)
    spans = [block.until and block.until - block.since for block in record.blocks]
    assert spans == [1_000, 2_000, 3_000, None]


def test_a_burst_counts_once_if_the_centre_wants_it() -> None:
    """Redials within `burst` count as one misuse; without it, each one counts."""
    redials = [NOW + n for n in range(6)]
    assert len(struck(redials).blocks) == 1
    assert struck(redials, replace(RULES, burst=1_000)).blocks == ()


@pytest.mark.fault("policy_allowed")
def test_allow_listed_never_gets_a_strike() -> None:
    """An allow-listed caller never gets a strike."""
    record = decisions.allow(CallerRecord(CALLER), AllowEntry(NOW, "supervisor", "hospital"))
    for n in range(1_000):
        record = policy.add_strike(record, strike(n, NOW + n), RULES)
    assert record.strikes == ()
    assert record.blocks == ()


def test_a_lifted_block_forgives_what_was_before() -> None:
    """After a person lifts a block, the count and the ladder start again."""
    record = struck(minutes(1, 2, 3, 4, 5, 6))
    after = (record.blocks[0].until or 0) + 1
    record = policy.add_strike(record, strike(7, after), RULES)
    record = decisions.lift(record, Lift(after + 1, "supervisor", "stolen phone"))
    for n in range(5):
        record = policy.add_strike(record, strike(10 + n, after + 10 + n), RULES)
    assert record.block_at(after + 100) is None
    record = policy.add_strike(record, strike(20, after + 50), RULES)
    assert record.blocks[-1].level is Level.TEMPORARY


@pytest.mark.fault("policy_corrected")
def test_a_corrected_mark_takes_its_strike_and_block_back_but_forgives_no_other() -> None:
    """Taking back one of six strikes lifts the block, and the next misuse is the sixth again."""
    record = struck(minutes(1, 2, 3, 4, 5, 6))
    taken = decisions.take_back_strike(
        record, CallId("2.0"), Lift(NOW + 400_000, "op", "was genuine", forgives=False)
    )
    assert taken.block_at(NOW + 400_000) is None
    assert len(taken.strikes) == 5
    assert policy.add_strike(taken, strike(2, NOW), RULES) == taken, "a late duplicate must not bring it back"
    again = policy.add_strike(taken, strike(9, NOW + 500_000), RULES)
    assert again.blocks[-1].level is Level.TEMPORARY


@pytest.mark.fault("policy_observe")
def test_verdict_by_mode_and_treatment() -> None:
    """Only `enforce` gives BLOCK; `observe` gives ALLOW with the reason that it would block."""
    record = struck(minutes(1, 2, 3, 4, 5, 6))
    now = record.blocks[0].since
    held = verdicts.standing(record, now, RULES)
    enforce = verdicts.verdict(held, Mode.ENFORCE, now, RULES)
    assert (enforce.verdict, enforce.reason, enforce.treatment) == (
        Verdict.BLOCK, ScreenReason.BLOCKED, Treatment.ANNOUNCE,
    )  # fmt: skip
    observe = verdicts.verdict(held, Mode.OBSERVE, now, RULES)
    assert (observe.verdict, observe.reason) == (Verdict.ALLOW, ScreenReason.WOULD_BLOCK)
    assert verdicts.verdict(held, Mode.OFF, now, RULES).reason is ScreenReason.MODE_OFF


@pytest.mark.fault("policy_expiry")
def test_a_block_ends_on_the_millisecond() -> None:
    """A standing leads to BLOCK up to the last millisecond before the block's end, and then to ALLOW."""
    record = struck(minutes(1, 2, 3, 4, 5, 6))
    block = record.blocks[0]
    end = block.until or 0
    held = verdicts.standing(record, block.since, RULES)
    assert verdicts.verdict(held, Mode.ENFORCE, end - 1, RULES).verdict is Verdict.BLOCK
    assert verdicts.verdict(held, Mode.ENFORCE, end, RULES).verdict is Verdict.ALLOW


def test_warning_near_the_limit() -> None:
    """From the fourth misuse on, a caller is warned, until only three are left in the window."""
    three, four = struck(minutes(1, 2, 3)), struck(minutes(1, 2, 3, 4))
    soon = NOW + 300_000
    assert not verdicts.verdict(verdicts.standing(three, soon, RULES), Mode.ENFORCE, soon, RULES).warn
    held = verdicts.standing(four, soon, RULES)
    assert verdicts.verdict(held, Mode.ENFORCE, soon, RULES).warn
    later = four.strikes[0].at + RULES.window
    assert not verdicts.verdict(held, Mode.ENFORCE, later, RULES).warn


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_named_where_its_ladder_stands_and_only_there(name: str) -> None:
    """The rules' title is the preset's name only if its ladder is unchanged; else it lists the values."""
    preset = PRESETS[name]
    assert preset.title == name
    assert replace(preset, cap=3, protect=0, warn_from=2, surge=0).title == name, "no part of the ladder"
    own = {
        "thresholds": (7,), "window": DAY, "weights": {"abandoned": 0.5}, "temporary": (2 * DAY, 3 * DAY),
        "repeat": 2, "permanent": "never", "memory": 2 * DAY, "burst": 1_500,
        "unattested": 0.5, "several_trunks": 0.25, "trunk_burst": 1_500,
    }  # fmt: skip
    said = {
        "thresholds": "threshold 7", "window": "window 1d", "weights": "counted abandoned 0.5",
        "temporary": "temporary 2d, 3d", "repeat": "repeat 2", "permanent": "permanent never",
        "memory": "memory 2d", "burst": "burst 1500ms",
        "unattested": "unattested 0.5, over several trunks 1",
        "several_trunks": "unattested 1, over several trunks 0.25",
        "trunk_burst": "burst over several trunks 1500ms",
    }  # fmt: skip
    for key, value in own.items():
        title = replace(preset, **{key: value}).title  # type: ignore[arg-type] # any key
        assert title.startswith("own rule: threshold ")
        assert said[key] in title
        assert name not in title


# ── laws ─────────────────────────────────────────────────────────────────────────────────────────

TIMES = st.lists(st.integers(NOW, NOW + 90 * DAY), max_size=30)


@given(TIMES, st.integers(0, 29))
def test_recording_a_strike_twice_is_recording_it_once(times: list[Millis], which: int) -> None:
    """Recording a strike a second time changes nothing."""
    record = struck(times)
    if which < len(times):
        assert policy.add_strike(record, strike(which, times[which]), RULES) == record


@given(TIMES)
def test_the_end_of_a_block_never_moves_earlier(times: list[Millis]) -> None:
    """Whatever strikes follow, the latest end of the caller's blocks never moves earlier."""
    record, ends = CallerRecord(CALLER), 0
    for n, at in enumerate(sorted(times)):
        record = policy.add_strike(record, strike(n, at), RULES)
        forever = 1 << 60
        latest = max((forever if b.until is None else b.until for b in record.blocks), default=0)
        assert latest >= ends
        ends = latest


@given(TIMES, st.permutations(range(30)))
def test_nobody_is_blocked_without_more_strikes_than_the_threshold(
    times: list[Millis], order: list[int]
) -> None:
    """In any order of strikes, the first block rests on more of them than the threshold."""
    record = CallerRecord(CALLER)
    for n in order:
        if n < len(times):
            record = policy.add_strike(record, strike(n, times[n]), RULES)
    if record.blocks:
        assert len(record.blocks[0].calls) > RULES.thresholds[0]


@given(TIMES, st.integers(NOW, NOW + 400 * DAY), st.sampled_from(Mode))
def test_the_ready_made_standing_says_what_the_record_says(
    times: list[Millis], now: Millis, mode: Mode
) -> None:
    """The standing from the last change gives the same verdict as the record does now."""
    record = struck(sorted(times))
    written = max((s.at for s in record.strikes), default=NOW)
    now = max(now, written)
    early = verdicts.verdict(verdicts.standing(record, written, RULES), mode, now, RULES)
    fresh = verdicts.verdict(verdicts.standing(record, now, RULES), mode, now, RULES)
    assert early.verdict is fresh.verdict
    assert early.reason is fresh.reason


@given(st.integers(1, 10 * DAY), st.integers(1, 10 * DAY), st.integers(0, 20 * DAY))
def test_of_two_blocks_the_later_end_holds(first: Millis, second: Millis, after: Millis) -> None:
    """Of two blocks, the one that ends later decides how long the caller is blocked."""
    record = CallerRecord(CALLER)
    for span in (first, second):
        block = Block(Level.TEMPORARY, NOW, NOW + span, Origin.MANUAL, "", "a")
        record = decisions.impose(record, block)
    assert (record.block_at(NOW + after) is not None) is (after < max(first, second))


# ── parallel calls ───────────────────────────────────────────────────────────────────────────────


def spanning(n: int, begun: Millis, at: Millis) -> Strike:
    """Return the nth strike, of a call with this start and end."""
    return replace(strike(n, at), begun=begun)


def held_against(strikes: list[Strike], rules: PolicyRules = RULES) -> CallerRecord:
    """Return the record of a caller with these strikes, in this order."""
    record = CallerRecord(CALLER)
    for one in strikes:
        record = policy.add_strike(record, one, rules)
    return record


@pytest.mark.parametrize("first", range(6))
def test_calls_of_one_number_that_are_up_at_once_count_for_nothing(first: int) -> None:
    """Parallel calls from one number never count, in any order: nobody knows which is the owner's."""
    calls = [spanning(n, NOW + n, NOW + 4_000 + n) for n in range(6)]
    record = held_against([calls[first], *calls])
    assert record.strikes == tuple(calls)
    assert policy.count(record, NOW + DAY, RULES).strikes == ()
    assert record.blocks == ()
    why = policy.discounted(record, NOW + DAY, RULES)
    assert {one.why for one in why.values()} == {Discounted.OVERLAP}
    assert all(other and other.call != call for call, (_, other) in why.items())


def test_a_call_that_begins_where_the_other_ends_is_a_second_misuse() -> None:
    """A call that begins when the other ends is a second misuse; a millisecond earlier, both are doubtful."""
    one = spanning(1, NOW, NOW + 4_000)
    redialled, forged = spanning(2, NOW + 4_000, NOW + 8_000), spanning(2, NOW + 3_999, NOW + 8_000)
    assert len(policy.count(held_against([one, redialled]), NOW + DAY, RULES).strikes) == 2
    assert policy.count(held_against([one, forged]), NOW + DAY, RULES).strikes == ()


def test_a_long_call_makes_all_doubtful_that_came_beside_it() -> None:
    """A long call makes all calls beside it doubtful, and their block is taken back as a mistake."""
    long = spanning(0, NOW, NOW + 600_000)
    short = [spanning(n, NOW + n * 10_000, NOW + n * 10_000 + 5_000) for n in range(1, 7)]
    before, after = held_against(short), held_against([*short, long])
    assert len(before.blocks) == 1
    assert policy.count(after, NOW + DAY, RULES).strikes == ()
    assert after.block_at(NOW + 600_000) is None, "its block is taken back when the long one is known"
    lift = after.blocks[0].lifted
    assert lift
    assert (lift.by, lift.mistake, lift.forgives) == (policy.AUTOMATIC, True, False)
    assert lift.reason == policy.doubt(long)


def test_a_strike_whose_beginning_was_not_kept_counts_as_before() -> None:
    """A strike without a known start counts, unless another call was up when it ended."""
    assert len(policy.count(struck([NOW] * 6), NOW, RULES).strikes) == 6
    old = strike(1, NOW + 2_000)
    assert policy.count(held_against([old, spanning(2, NOW, NOW + 4_000)]), NOW + DAY, RULES).strikes == ()


def test_what_a_person_decided_is_not_taken_back_by_a_doubt() -> None:
    """A later doubt takes back a pending proposal, but not a block that a supervisor confirmed."""
    rules = replace(RULES, cap=1, temporary=(), permanent="proposed")
    short = [spanning(n, NOW + n * 10_000, NOW + n * 10_000 + 5_000) for n in range(1, 7)]
    proposed = held_against(short, rules)
    assert proposed.proposed
    late = spanning(7, NOW + 11_000, NOW + 14_000)
    withdrawn = policy.add_strike(proposed, late, rules)
    assert withdrawn.proposed is None
    assert withdrawn.proposals[0].decided
    assert not withdrawn.proposals[0].confirmed
    decided = decisions.confirm(proposed, Lift(NOW + 70_000, "budi", "letter 12"))
    assert policy.add_strike(decided, late, rules).block_at(NOW + 80_000) is not None


def test_a_strike_that_is_taken_back_makes_none_beside_it_doubtful() -> None:
    """Taking back a strike makes the calls beside it count again, but that alone blocks nobody."""
    owners = [spanning(n, NOW + n * 20_000, NOW + n * 20_000 + 5_000) for n in range(1, 7)]
    record = held_against([*owners[:5], spanning(9, NOW + 101_000, NOW + 104_000), owners[5]])
    assert (record.blocks, len(policy.count(record, NOW + DAY, RULES).strikes)) == ((), 5)
    cleared = decisions.take_back_strike(
        record, CallId("9.0"), Lift(NOW + 200_000, "budi", "forged", forgives=False, mistake=True)
    )
    assert (cleared.blocks, len(policy.count(cleared, NOW + DAY, RULES).strikes)) == ((), 6)


@given(
    st.lists(st.tuples(st.integers(NOW, NOW + 60_000), st.integers(1, 20_000)), max_size=20),
    st.randoms(use_true_random=False),
)
def test_no_two_that_count_are_ever_up_at_one_moment(
    spans: list[tuple[Millis, Millis]], order: Random
) -> None:
    """In any order of recording, the same calls count, and no two of them are parallel."""
    strikes = [spanning(n, begun, begun + lasted) for n, (begun, lasted) in enumerate(spans)]
    counted = policy.count(held_against(strikes), NOW + DAY, RULES).strikes
    order.shuffle(strikes)
    record = held_against(strikes)
    assert policy.count(record, NOW + DAY, RULES).strikes == counted
    assert all(one.at <= (two.begun or 0) for one, two in pairwise(counted))
    calls = {one.call for one in counted}
    assert all(block.lifted or calls >= set(block.calls) for block in record.blocks)


SPANS = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.integers(0, 3),
        st.sampled_from([Outcome.IVR_PRANK, Outcome.ABANDONED]),
        st.sampled_from(["", "PJSIP/a", "PJSIP/b"]),
    ),
    max_size=12,
)


@given(
    SPANS, st.integers(-1, 45), st.integers(0, 40), st.integers(0, 4), st.integers(0, 4), st.integers(-1, 40)
)
def test_what_counts_is_what_one_by_one_counts(  # noqa: PLR0917 - each one matters
    spans: list[tuple[int, int, Outcome, str]],
    now: int,
    window: int,
    burst: int,
    trunk_burst: int,
    lifted: int,
) -> None:
    """The fast count equals a plain one that leaves out old, forgiven and doubtful strikes and bursts."""
    strikes = sorted(
        (
            Strike(CallId(f"{n}.0"), at, outcome, "left_menu", at - span, trunk)
            for n, (at, span, outcome, trunk) in enumerate(spans)
        ),
        key=lambda one: one.order,
    )
    block = Block(
        Level.PERMANENT, 0, None, Origin.MANUAL, "threats", "budi", lifted=Lift(lifted, "budi", "no")
    )
    record = CallerRecord(CALLER, tuple(strikes), (block,))
    rules = replace(RULES, window=window, burst=burst, trunk_burst=trunk_burst)

    def doubts(one: Strike, other: Strike) -> bool:
        apart = max(one.began, other.began) - min(one.at, other.at)
        several = bool(one.trunk and other.trunk and one.trunk != other.trunk)
        return one.call != other.call and (one.overlaps(other) or (several and apart < trunk_burst))

    doubtful = {one.call for one in strikes if any(doubts(one, other) for other in strikes)}
    counted: list[Strike] = []
    for one in strikes:
        if not now - window < one.at <= now or one.at <= lifted or one.outcome is Outcome.ABANDONED:
            continue
        if one.call not in doubtful and (not counted or one.at - counted[-1].at >= burst):
            counted.append(one)
    assert policy.doubted(strikes, rules).keys() == doubtful
    assert policy.count(record, now, rules).strikes == tuple(counted)
    assert policy.discounted(record, now, rules).keys() == {one.call for one in strikes if one not in counted}
