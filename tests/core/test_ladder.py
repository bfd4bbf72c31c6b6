"""Escalation as configured: presets, several thresholds, weights, proposals, caps, protection."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.core import decisions, policy, retention
from siaga112.core import standing as verdicts
from siaga112.core.model import (
    DAY,
    CallId,
    Level,
    Millis,
    Mode,
    Origin,
    Outcome,
    ProposalCause,
    Reason,
    Treatment,
    Verdict,
)
from siaga112.core.policy import add_strike
from siaga112.core.record import Attempt, CallerRecord, GenuineReport, Lift, MissedCall, Strike
from siaga112.core.regulation import PRESETS, PolicyRules
from siaga112.core.screening import ScreenReason
from tests.samples import CALLER

START = 1_795_000_000_000
HOUR = 3_600_000
SERANG = PRESETS["serang-2019"]
PERMENKOMINFO = PRESETS["permenkominfo-2016"]


def strike(
    number: int, at: Millis, outcome: Outcome = Outcome.IVR_PRANK, reason: str = "left_menu"
) -> Strike:
    """Return a strike whose call has this number."""
    return Strike(CallId(f"{number}.0"), at, outcome, reason)


def after(times: list[Millis], rules: PolicyRules, record: CallerRecord | None = None) -> CallerRecord:
    """Return the record after misuses at these times."""
    record = record or CallerRecord(CALLER)
    first = 100 + len(record.strikes) if record.strikes else 0
    for number, at in enumerate(times, first):
        record = add_strike(record, strike(number, at), rules)
    return record


def every_two_days(count: int) -> list[Millis]:
    """Return this many instants, two days apart, so that a block of one day is always over."""
    return [START + number * 2 * DAY for number in range(count)]


# ── serang-2019 ──────────────────────────────────────────────────────────────────────────────────


def test_serang_blocks_for_a_day_over_five_and_proposes_over_ten() -> None:
    """From the sixth, each misuse leads to a block of a day; the eleventh also proposes a permanent one."""
    ten = after(every_two_days(10), SERANG)
    assert [(block.step, (block.until or 0) - block.since) for block in ten.blocks] == [(1, DAY)] * 5
    assert ten.proposed is None
    eleven = after([every_two_days(11)[-1]], SERANG, ten)
    assert eleven.proposed is not None
    assert (eleven.proposed.cause, eleven.proposed.span) == (ProposalCause.POLICY, None)
    assert len(eleven.proposed.calls) == 11
    assert eleven.blocks[-1].level is Level.TEMPORARY
    assert len(after([START + 30 * DAY], SERANG, eleven).proposals) == 1, "proposed once"


def test_the_count_alone_leads_on_also_during_a_block() -> None:
    """Misuses during a block, as in observe mode, still count up to a proposal, but add no block."""
    times = [START + number * 60_000 for number in range(11)]
    record = after(times, SERANG)
    assert len(record.blocks) == 1
    assert record.proposed is not None


def test_several_thresholds_lead_up_the_ladder() -> None:
    """With several thresholds, each one exceeded leads to the next step of the ladder."""
    rules = PolicyRules(thresholds=(3, 6, 9), temporary=(DAY, 7 * DAY))
    record = after([START + number * 60_000 for number in range(10)], rules)
    assert [(block.step, block.level) for block in record.blocks] == [
        (1, Level.TEMPORARY), (2, Level.TEMPORARY), (3, Level.PERMANENT),
    ]  # fmt: skip


# ── proposals ────────────────────────────────────────────────────────────────────────────────────


def test_a_confirmed_proposal_blocks_in_the_supervisors_name() -> None:
    """A confirmed proposal becomes a permanent block in the name of the person who confirmed it."""
    record = decisions.confirm(after(every_two_days(11), SERANG), Lift(START + 21 * DAY, "budi", "letter 12"))
    block = record.block_at(START + 21 * DAY)
    assert block is not None
    assert (block.level, block.origin, block.by) == (Level.PERMANENT, Origin.MANUAL, "budi")
    assert "letter 12" in block.reason
    assert len(block.calls) == 11
    assert record.proposed is None


def test_a_dismissed_proposal_forgives() -> None:
    """Dismissing a proposal ends the block, and earlier misuses no longer count."""
    now = START + 20 * DAY + HOUR
    record = decisions.dismiss(after(every_two_days(11), SERANG), Lift(now, "budi", "a clinic's phone"))
    assert record.block_at(now) is None
    assert record.proposed is None
    assert policy.count(record, now, SERANG).strikes == ()
    assert after([now + HOUR], SERANG, record).block_at(now + HOUR) is None


def test_a_corrected_mark_ends_the_proposal_that_rested_on_it() -> None:
    """Taking back one of the eleven strikes ends the proposal that rested on them."""
    taken = Lift(START + 21 * DAY, "op", "was genuine", forgives=False)
    record = decisions.take_back_strike(after(every_two_days(11), SERANG), CallId("3.0"), taken)
    assert record.proposed is None
    assert after([START + 22 * DAY], SERANG, record).proposed is not None, "the next is the eleventh again"


def test_permanent_never_repeats_the_last_step() -> None:
    """Without permanent blocks, the last temporary step is imposed again and again."""
    rules = PolicyRules(permanent="never", temporary=(DAY, 3 * DAY))
    record = after(every_two_days(6) + [START + n * 20 * DAY for n in range(1, 5)], rules)
    assert [(block.until or 0) - block.since for block in record.blocks] == [DAY, *[3 * DAY] * 4]


def test_a_proposed_ladder_without_a_temporary_step_blocks_nobody() -> None:
    """Without a temporary step, and with permanent blocks only proposed, a person decides on every block."""
    rules = PolicyRules(temporary=(), permanent="proposed")
    record = after(every_two_days(8), rules)
    assert record.blocks == ()
    assert record.proposed is not None


@pytest.mark.fault("policy_cap")
def test_the_hours_cap_turns_a_block_into_a_proposal() -> None:
    """Beyond the cap a block is only proposed; a later block of the same step replaces the proposal."""
    record = after(every_two_days(5), PERMENKOMINFO)
    capped = add_strike(record, strike(9, START + 10 * DAY), PERMENKOMINFO, capped=True)
    assert capped.blocks == ()
    assert capped.proposed is not None
    assert (capped.proposed.cause, capped.proposed.span) == (ProposalCause.HOURLY_CAP, DAY)
    free = add_strike(capped, strike(10, START + 11 * DAY), PERMENKOMINFO)
    assert len(free.blocks) == 1
    assert free.proposed is None


@pytest.mark.fault("policy_genuine")
def test_who_reported_something_genuine_is_blocked_by_a_person_only() -> None:
    """For 30 days after a genuine report, the ladder only proposes."""
    held = decisions.add_report(CallerRecord(CALLER), GenuineReport(CallId("99.0"), START - DAY))
    protected = after(every_two_days(6), PERMENKOMINFO, held)
    assert protected.blocks == ()
    assert protected.proposed is not None
    assert protected.proposed.cause is ProposalCause.PROTECTED
    withdrawn = decisions.withdraw_report(held, CallId("99.0"))
    assert after(every_two_days(6), PERMENKOMINFO, withdrawn).block_at(START + 10 * DAY) is not None
    assert after([START + 40 * DAY + n * HOUR for n in range(6)], PERMENKOMINFO, held).blocks != ()


# ── weights, bursts, repeats ─────────────────────────────────────────────────────────────────────


def test_a_reason_weighs_before_its_outcome() -> None:
    """A reason's weight overrides its outcome's: ten calls of weight 0.5 are five misuses."""
    rules = PolicyRules(weights={"ivr_prank": 1.0, "no_choice": 0.5, "prank": 1.0})
    record = CallerRecord(CALLER)
    for number in range(10):
        silent = strike(number, START + number * HOUR, reason=Reason.NO_CHOICE)
        record = add_strike(record, silent, rules)
    assert record.blocks == ()
    record = add_strike(record, strike(10, START + 10 * HOUR, reason=Reason.NO_CHOICE), rules)
    assert record.blocks[-1].reason == (
        "11 misuses, weighing 5.5, more than 5 (own rule: threshold 5; window 30d; temporary 1d; "
        "permanent automatic; counted ivr_prank 1, no_choice 0.5, prank 1)"
    )


def test_what_the_rules_no_longer_count_counts_no_more() -> None:
    """Recorded strikes no longer count once the rules do not count their outcome."""
    record = CallerRecord(CALLER)
    with_abandoned = PolicyRules(weights={"ivr_prank": 1.0, "abandoned": 1.0})
    for number in range(5):
        left = strike(number, START + number, Outcome.ABANDONED, Reason.LEFT_QUEUE)
        record = add_strike(record, left, with_abandoned)
    assert after([START + 100], PERMENKOMINFO, record).blocks == ()
    assert len(after([START + 100], with_abandoned, record).blocks) == 1


def test_a_milder_repeat_rule() -> None:
    """With `repeat` 3, two misuses after a block change nothing, and the third leads to the next step."""
    rules = PolicyRules(repeat=3)
    blocked = after(every_two_days(6), rules)
    third = after([START + 12 * DAY, START + 12 * DAY + HOUR, START + 12 * DAY + 2 * HOUR], rules, blocked)
    assert [block.level for block in third.blocks] == [Level.TEMPORARY, Level.PERMANENT]
    assert len(third.blocks[-1].calls) == 3
    second = after([START + 12 * DAY, START + 12 * DAY + HOUR], rules, blocked)
    assert len(second.blocks) == 1


# ── verdict ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("treatment", "reason", "given_treatment"),
    [
        (Treatment.REJECT, ScreenReason.LET_THROUGH, Treatment.DEPRIORITISE),
        (Treatment.ANNOUNCE, ScreenReason.LET_THROUGH, Treatment.DEPRIORITISE),
        (Treatment.CHALLENGE, ScreenReason.BLOCKED, Treatment.CHALLENGE),
        (Treatment.DEPRIORITISE, ScreenReason.BLOCKED, Treatment.DEPRIORITISE),
    ],
)
def test_who_calls_again_at_once_reaches_the_end_of_the_queue(
    treatment: Treatment, reason: ScreenReason, given_treatment: Treatment
) -> None:
    """A rejected caller who calls again within `let_through` is queued last; other treatments stay."""
    rules = replace(PERMENKOMINFO, treatment={Level.TEMPORARY: treatment, Level.PERMANENT: treatment})
    record = after(every_two_days(6), rules)
    now = record.blocks[-1].since
    held = verdicts.standing(record, now, rules)
    first = verdicts.verdict(held, Mode.ENFORCE, now, rules)
    again = verdicts.verdict(held, Mode.ENFORCE, now, rules, again=True)
    assert (first.verdict, first.reason, first.treatment) == (Verdict.BLOCK, ScreenReason.BLOCKED, treatment)
    assert (again.verdict, again.reason, again.treatment) == (Verdict.BLOCK, reason, given_treatment)


# ── call-backs and keeping ───────────────────────────────────────────────────────────────────────


def test_a_call_back_waits_until_somebody_spoke_with_the_caller() -> None:
    """Each abandoned call is listed once for a call-back, until somebody has spoken to the caller."""
    record = CallerRecord(CALLER)
    for number in (1, 2, 2, 1):
        record = decisions.miss(record, MissedCall(CallId(f"{number}.0"), START + number * HOUR, 12_000))
    assert [missed.call for missed in record.missed] == ["1.0", "2.0"]
    between = decisions.reach(record, START + HOUR)
    assert [missed.call for missed in between.missed] == ["2.0"]
    reached = decisions.reach(record, START + 3 * HOUR)
    assert reached.missed == ()
    late = decisions.miss(reached, MissedCall(CallId("1.0"), START + HOUR, 12_000))
    assert late.missed == (), "what is told late was before we spoke"
    assert decisions.miss(reached, MissedCall(CallId("4.0"), START + 4 * HOUR, 0)).missed != ()


def test_what_is_too_old_goes_and_what_holds_stays() -> None:
    """Old strikes, ended blocks and call-backs are pruned; permanent blocks and pending proposals stay."""
    for_good = after([*every_two_days(6), START + 12 * DAY], PERMENKOMINFO)
    assert for_good.blocks[-1].level is Level.PERMANENT
    later = START + PERMENKOMINFO.keep + 13 * DAY
    kept = retention.prune(for_good, later, PERMENKOMINFO)
    assert kept.strikes == ()
    assert [block.level for block in kept.blocks] == [Level.PERMANENT]
    open_ = retention.prune(after(every_two_days(11), SERANG), START + 1000 * DAY, SERANG)
    assert open_.strikes == ()
    assert open_.proposed is not None
    waiting = decisions.miss(CallerRecord(CALLER), MissedCall(CallId("1.0"), START, 0))
    assert retention.prune(waiting, START + 7 * DAY - 1, SERANG).missed
    assert not retention.prune(waiting, START + 7 * DAY, SERANG).missed


def test_an_attempt_to_call_back_goes_with_the_calls_that_it_was_for() -> None:
    """An attempt to call back is pruned with the last of its calls, so that the next call is nobody's yet."""
    waiting = decisions.miss(CallerRecord(CALLER), MissedCall(CallId("1.0"), START, 0))
    taken = decisions.attempt(waiting, Attempt("ratna", START, 1, "busy"))
    assert retention.prune(taken, START + 7 * DAY - 1, SERANG).attempt
    assert retention.prune(taken, START + 7 * DAY, SERANG).attempt is None


# ── laws ─────────────────────────────────────────────────────────────────────────────────────────

RULE_SETS = st.builds(
    PolicyRules,
    thresholds=st.sampled_from([(5,), (2,), (5, 10), (1, 3, 5)]),
    temporary=st.sampled_from([(DAY, 7 * DAY), (7 * DAY, DAY)]),
    repeat=st.integers(1, 3),
    permanent=st.sampled_from(["automatic", "proposed", "never"]),
    burst=st.sampled_from([0, HOUR]),
)
TIMES = st.lists(st.integers(0, 40 * 24), max_size=40).map(lambda hours: [START + h * HOUR for h in hours])


@given(RULE_SETS, TIMES)
def test_under_any_rules_a_later_block_never_ends_earlier(rules: PolicyRules, times: list[Millis]) -> None:
    """While a block is in force, a further strike never makes it end earlier."""
    record = CallerRecord(CALLER)
    for number, at in enumerate(sorted(times)):
        before = record.block_at(at)
        record = add_strike(record, strike(number, at), rules)
        now = record.block_at(at)
        if before:
            assert now is not None
            assert now.until is None or (before.until is not None and now.until >= before.until)


@given(RULE_SETS, TIMES)
def test_under_any_rules_nobody_is_blocked_below_the_first_threshold(
    rules: PolicyRules, times: list[Millis]
) -> None:
    """The first block or proposal rests on more calls than the first threshold."""
    record = CallerRecord(CALLER)
    for number, at in enumerate(sorted(times)):
        record = add_strike(record, strike(number, at), rules)
        if record.blocks or record.proposals:
            calls = [held.calls for held in record.blocks] + [held.calls for held in record.proposals]
            assert len(calls[0]) > rules.thresholds[0]
            return


@given(RULE_SETS, TIMES)
def test_under_any_rules_only_automatic_ever_blocks_for_good(rules: PolicyRules, times: list[Millis]) -> None:
    """The ladder imposes a permanent block only if the rules say `automatic`."""
    record = after(sorted(times), rules)
    for_good = [block for block in record.blocks if block.until is None]
    assert not for_good or rules.permanent == "automatic"


@given(RULE_SETS, TIMES, st.randoms(use_true_random=False))
def test_the_same_strikes_again_change_nothing(
    rules: PolicyRules, times: list[Millis], random: object
) -> None:
    """Under any rules, recording the same strikes again, in any order, changes nothing."""
    strikes = [strike(number, at) for number, at in enumerate(sorted(times))]
    record = after(sorted(times), rules)
    random.shuffle(strikes)  # type: ignore[attr-defined] # a random of hypothesis
    again = record
    for one in strikes:
        again = add_strike(again, one, rules)
    assert again == record
