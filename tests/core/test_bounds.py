"""However often somebody calls, the record stays small and leads to the same decisions."""

import json
from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.core import bounds, decisions, policy
from siaga112.core.announcements import Announcement, EventType, of_change
from siaga112.core.changes import Stored, change_of_call
from siaga112.core.model import DAY, SECOND, CallId, Level, Millis, Origin, Outcome, ProposalCause
from siaga112.core.policy import add_strike
from siaga112.core.record import (
    Block,
    CallerRecord,
    DroppedCounts,
    GenuineReport,
    Lift,
    MissedCall,
    Proposal,
    Strike,
)
from siaga112.core.regulation import PRESETS, PolicyRules
from siaga112.core.retention import prune
from tests.samples import CALLER, NOW, RULES, entry, prank

EMPTY = CallerRecord(CALLER)


def call(nth: int) -> CallId:
    """Return the uniqueid of the nth call, one second after the previous one."""
    return CallId(f"{NOW // SECOND + nth}.{nth}")


def strike(nth: int) -> Strike:
    """Return the nth strike, one second after the previous one."""
    return Strike(call(nth), NOW + nth * SECOND, Outcome.IVR_PRANK, "left_menu")


def spelled(record: CallerRecord) -> str:
    """Return a record as stored, to measure it."""
    return json.dumps(astuple(record), default=sorted, separators=(",", ":"))


def struck(count: int, rules: PolicyRules = RULES, step: Millis = SECOND) -> CallerRecord:
    """Return the record after this many misuses, bounded after each call."""
    record = EMPTY
    for nth in range(count):
        at = NOW + nth * step
        record = prune(add_strike(record, replace(strike(nth), at=at), rules), at, rules)
    return record


def test_a_caller_who_hangs_up_at_once_for_an_hour_is_held_as_a_hundred_calls_and_a_count() -> None:
    """A record keeps the first and the last abandoned calls, and counts each of the others only once."""
    record = EMPTY
    for nth in range(2_000):
        at = NOW + nth * 50
        record = prune(decisions.miss(record, MissedCall(call(nth), at, SECOND)), at, RULES)
    assert len(record.missed) == bounds.MISSED
    assert record.missed[0].call == call(0)
    assert [missed.call for missed in record.missed[1:]] == [call(nth) for nth in range(1_901, 2_000)]
    assert record.dropped == DroppedCounts(missed=1_900)
    for nth in (0, 17, 1_900, 1_999):
        assert decisions.miss(record, MissedCall(call(nth), NOW + nth * 50, SECOND)) == record
    assert len(spelled(record)) < 8_000
    reached = prune(decisions.reach(record, NOW + DAY), NOW + DAY, RULES)
    assert (reached.missed, reached.dropped) == ((), DroppedCounts())


def test_a_record_of_forty_thousand_calls_from_before_shrinks_with_the_next_one() -> None:
    """An oversized record from an earlier version shrinks at the next call, and counts what it dropped."""
    missed = tuple(MissedCall(call(nth), NOW + nth, 0) for nth in range(40_000))
    after = prune(replace(EMPTY, missed=missed), NOW + 50_000, RULES)
    assert (len(after.missed), after.dropped.missed) == (bounds.MISSED, 40_000 - bounds.MISSED)


@pytest.mark.parametrize(
    "rules",
    [
        RULES,
        PolicyRules(permanent="never"),
        PolicyRules(thresholds=(5, 10), permanent="proposed"),
        PolicyRules(thresholds=(300,), window=365 * DAY),
        PolicyRules(thresholds=(30,), weights={"ivr_prank": 0.1}),
        PolicyRules(burst=60 * SECOND, thresholds=(8,)),
        PolicyRules(temporary=(60 * SECOND,), permanent="never"),
    ],
    ids=["preset", "never", "two steps", "over 300", "a tenth each", "bursts", "a minute each"],
)
def test_no_decision_is_weakened_by_what_went(rules: PolicyRules) -> None:
    """At each of 600 misuses, a bounded record leads to the same block as a complete one."""
    kept = whole = EMPTY
    for nth in range(600):
        new = strike(nth)
        kept = prune(add_strike(kept, new, rules), new.at, rules)
        whole = add_strike(whole, new, rules)
        mine, theirs = kept.block_at(new.at), whole.block_at(new.at)
        assert (mine is None) == (theirs is None), nth
        assert mine is None or theirs is None or (mine.until, mine.step) == (theirs.until, theirs.step)
        assert (kept.proposed is None) == (whole.proposed is None)
    assert len(kept.strikes) + kept.dropped.strikes == 600
    assert len(kept.strikes) <= max(bounds.STRIKES, 302)
    assert len(spelled(kept)) < 64_000


def test_strikes_that_count_for_nothing_go_first() -> None:
    """A burst of hundreds of strikes, which counts as one misuse, does not displace earlier strikes."""
    rules = PolicyRules(burst=3_600 * SECOND, thresholds=(8,))
    record = EMPTY
    for nth in range(5):
        record = add_strike(record, replace(strike(nth), at=NOW - (5 - nth) * DAY), rules)
    for nth in range(10, 1_000):
        one = replace(strike(nth), at=NOW + nth * 100)
        record = prune(add_strike(record, one, rules), one.at, rules)
    assert policy.count(record, NOW + 100_000, rules).weight(rules) == 6
    assert record.strikes[-1].call == call(999)


def test_calls_that_may_be_anothers_are_not_counted_when_the_others_of_them_went() -> None:
    """Parallel pairs never count: the record drops both strikes of a pair or neither."""
    record = EMPTY
    for nth in range(400):
        at = NOW + (nth // 2) * 10 * SECOND + nth % 2
        one = replace(strike(nth), at=at + SECOND, begun=at)
        record = prune(add_strike(record, one, RULES), one.at, RULES)
        assert policy.count(record, one.at, RULES).strikes in {(), (one,)}, "until its own other comes"
    assert record.blocks == ()
    assert bounds.STRIKES - 2 <= len(record.strikes) <= bounds.STRIKES
    assert len(record.strikes) + record.dropped.strikes == 400


def test_a_block_that_names_fewer_calls_by_now_is_no_new_one() -> None:
    """A block is counted and announced once, even after its list of calls was shortened."""
    serang, record = PRESETS["serang-2019"], EMPTY
    counted, told = list[str](), list[Announcement]()
    for nth in range(35):
        one = entry(prank(nth, NOW + nth * 25 * 3_600 * SECOND))
        taken = change_of_call(one, Stored(record, 1, None), serang)
        counted += taken.change.tallies
        told += of_change(taken.change, None)
        assert taken.change.replacement
        record = taken.change.replacement.record
    assert any(len(block.calls) == bounds.EVIDENCE for block in record.blocks[15 : -bounds.WHOLE])
    assert counted.count("blocks:temporary:automatic") == len(record.blocks) == 30
    assert sum(one.type is EventType.BLOCK_IMPOSED for one in told) == len(record.blocks)
    assert sum(one.type is EventType.PROPOSAL_MADE for one in told) == len(record.proposals)


def test_what_was_forgiven_stays_forgiven_however_many_blocks_follow() -> None:
    """The last decision that forgave is kept, however old: otherwise misuses before it would count again."""
    lifted = Block(
        Level.TEMPORARY, NOW, NOW + DAY, Origin.AUTOMATIC, "r", "b", lifted=Lift(NOW + 1, "ratna", "a clinic")
    )
    later = [
        Block(Level.TEMPORARY, NOW + nth, NOW + nth + 1, Origin.AUTOMATIC, "r", "b", step=1)
        for nth in range(2, 400)
    ]
    record = prune(replace(EMPTY, blocks=(lifted, *later)), NOW + 1_000, RULES)
    assert len(record.blocks) == bounds.BLOCKS + 1
    assert policy.forgiven_until(record) == NOW + 1
    decided = Proposal(NOW, ProposalCause.POLICY, None, 2, "r", decided=Lift(NOW + 5, "ratna", "a school"))
    others = [replace(decided, at=NOW + nth, confirmed=True) for nth in range(200)]
    held = prune(replace(EMPTY, proposals=(decided, *others)), NOW + 1_000, RULES)
    assert policy.forgiven_until(held) == NOW + 5
    assert len(held.proposals) <= bounds.PROPOSALS + 1


def test_a_block_in_force_and_a_proposal_that_waits_are_never_dropped() -> None:
    """A block in force and a pending proposal stay, with every call that they rest on."""
    calls = tuple(call(nth) for nth in range(200))
    holding = Block(Level.PERMANENT, NOW, None, Origin.MANUAL, "threats", "ratna", calls)
    ended = [replace(holding, level=Level.TEMPORARY, until=NOW + nth) for nth in range(1, 300)]
    waiting = Proposal(NOW, ProposalCause.POLICY, None, 2, "r", calls)
    decided = [replace(waiting, decided=Lift(NOW, "b", "r", forgives=False)) for _ in range(300)]
    record = replace(EMPTY, blocks=(holding, *ended), proposals=(waiting, *decided))
    after = prune(record, NOW + DAY, RULES)
    assert after.block_at(NOW + DAY) == holding
    assert after.proposed == waiting
    assert [len(block.calls) for block in after.blocks[-bounds.WHOLE :]] == [200] * bounds.WHOLE
    assert len(spelled(after)) < 250_000


def test_the_rest_is_bounded_too() -> None:
    """The newest genuine reports and taken-back strikes are kept, and the others are counted."""
    reports = tuple(GenuineReport(call(nth), NOW + nth) for nth in range(500))
    withdrawn = frozenset(call(nth) for nth in range(500))
    after = prune(replace(EMPTY, reports=reports, withdrawn=withdrawn), NOW + DAY, RULES)
    assert after.reports == reports[-bounds.REPORTS :]
    assert after.withdrawn == {call(nth) for nth in range(300, 500)}
    assert after.dropped == DroppedCounts(reports=400, withdrawn=300)


def test_a_strike_more_on_a_full_record_is_counted_as_one() -> None:
    """A new strike on a full record is counted as one misuse, and a repeated one as none."""
    full = struck(bounds.STRIKES)
    one = entry(prank(1, NOW + DAY))
    plan = change_of_call(one, Stored(full, 1, None), RULES)
    assert plan.misused
    assert "strikes:ivr_prank" in plan.change.tallies
    assert plan.change.replacement
    assert plan.change.replacement.record.dropped.strikes == 1
    again = change_of_call(one, Stored(plan.change.replacement.record, 2, one), RULES)
    assert not again.misused
    assert again.change.replacement is None


@given(
    st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=400, unique_by=lambda pair: pair[0]),
    st.integers(0, 10**9),
)
def test_bounding_twice_changes_nothing_more(some: list[tuple[int, bool]], now: int) -> None:
    """Bounding a record twice changes nothing more, so retention writes nothing the second time."""
    strikes = tuple(strike(nth) for nth, _ in sorted(some))
    missed = tuple(MissedCall(call(nth), NOW + nth, 0) for nth, waits in sorted(some) if waits)
    once = prune(replace(EMPTY, strikes=strikes, missed=missed), NOW + now, RULES)
    assert prune(once, NOW + now, RULES) == once


def test_a_record_with_many_blocks_that_are_short_is_left_as_it_is() -> None:
    """A record within the bounds is not copied; an old block that names too many calls is shortened."""
    blocks = tuple(
        Block(Level.TEMPORARY, NOW + n, NOW + n + 1, Origin.AUTOMATIC, "r", "b", (call(n),), step=1)
        for n in range(bounds.BLOCKS)
    )
    record = replace(EMPTY, blocks=blocks)
    assert prune(record, NOW + DAY, RULES) is record
    long = replace(blocks[0], calls=tuple(map(call, range(bounds.EVIDENCE + 1))))
    shortened = prune(replace(EMPTY, blocks=(long, *blocks[1:])), NOW + DAY, RULES)
    assert shortened.blocks == (replace(long, calls=long.calls[-bounds.EVIDENCE :]), *blocks[1:])


def test_a_strike_that_is_told_late_stands_where_it_belongs() -> None:
    """Strikes stand in the order in which their calls ended, in whatever order they are recorded."""
    rules = PolicyRules(thresholds=(50,))
    told = [replace(strike(n), at=NOW + n // 2 * SECOND, begun=NOW + n // 2 * SECOND) for n in range(6)]
    for order in ((0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0), (3, 0, 5, 2, 1, 4)):
        record = EMPTY
        for n in order:
            record = add_strike(record, told[n], rules)
        assert record.strikes == tuple(told)
