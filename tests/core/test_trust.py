"""Trust in a number: misuses count less without attestation, or over several trunks."""

from dataclasses import replace
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.core import policy, retention
from siaga112.core import standing as verdicts
from siaga112.core.model import DAY, Call, Caller, CallId, Discounted, Level, Millis, Outcome
from siaga112.core.outcome import ClassifierRules, classify
from siaga112.core.record import CallerRecord, Strike
from siaga112.core.regulation import PolicyRules
from siaga112.core.tracking.arrivals import trunk_of
from siaga112.core.tracking.tracker import Tracker
from siaga112.settings.schema import Policy
from tests.core.table import DIALPLAN, events, in_force

CALLER = Caller("+6281211111111")
NOW = 1_795_000_000_000
FULL = PolicyRules()
HALF_UNATTESTED = replace(FULL, unattested=0.5)
HALF_TRUNKS = replace(FULL, several_trunks=0.5)
MINUTE = 60_000
BURST = FULL.trunk_burst


def strike(n: int, trunk: str = "PJSIP/a", *, attested: bool = False, every: Millis = 11 * MINUTE) -> Strike:
    """Return the nth strike, by default eleven minutes after the previous one: beyond a burst."""
    at = NOW + n * every
    return Strike(CallId(f"{n}.0"), at, Outcome.IVR_PRANK, "left_menu", at - 4_000, trunk, attested=attested)


def held_against(strikes: list[Strike], rules: PolicyRules) -> CallerRecord:
    """Return the record of a caller with these strikes."""
    record = CallerRecord(CALLER)
    for one in strikes:
        record = policy.add_strike(record, one, rules)
    return record


def seen(*table: str) -> Call:
    """Return the call of these events."""
    tracker = Tracker(in_force(DIALPLAN))
    (call,) = [call for event in events("\n".join(table)) for call in tracker.feed(event)]
    return call


# ── what counts less ─────────────────────────────────────────────────────────────────────────────


def test_half_a_misuse_where_nobody_vouches_for_the_number() -> None:
    """If unattested calls weigh half, the eleventh leads to a block; of attested calls, the sixth does."""
    assert held_against([strike(n) for n in range(10)], HALF_UNATTESTED).blocks == ()
    (block,) = held_against([strike(n) for n in range(11)], HALF_UNATTESTED).blocks
    assert "11 misuses, weighing 5.5, more than 5" in block.reason
    assert len(held_against([strike(n, attested=True) for n in range(6)], HALF_UNATTESTED).blocks) == 1


def test_one_unattested_call_after_a_block_is_not_enough_for_a_permanent_one() -> None:
    """The permanent step takes one full misuse, so two unattested calls that weigh half."""
    record = held_against([strike(n) for n in range(11)], HALF_UNATTESTED)
    (block,) = record.blocks
    later = [
        replace(strike(0), call=CallId(f"9{n}.0"), at=(block.until or 0) + n, begun=None) for n in (1, 2)
    ]
    once = policy.add_strike(record, later[0], HALF_UNATTESTED)
    assert [held.level for held in once.blocks] == [Level.TEMPORARY]
    twice = policy.add_strike(once, later[1], HALF_UNATTESTED)
    assert [held.level for held in twice.blocks] == [Level.TEMPORARY, Level.PERMANENT]


def test_unattested_calls_may_count_nothing() -> None:
    """With weight 0, an unattested call gives no strike."""
    call = seen(
        "10:00:00  Newchannel  100.1  num=081211111111",
        "10:00:01  VarSet      100.1  SIAGA_CALLER=081211111111",
        "10:00:05  Newexten    100.1  at=siaga112-ivr,s,4 app=WaitExten",
        "10:00:09  HangupRequest  100.1  at=siaga112-ivr,s,4",
        "10:00:09  Hangup      100.1  at=siaga112-ivr,s,4",
    )
    finding = classify(call, ClassifierRules())
    assert policy.strike_for(finding, FULL) is not None
    assert policy.strike_for(finding, replace(FULL, unattested=0.0)) is None


def test_half_a_misuse_each_where_one_number_came_over_several_trunks() -> None:
    """Six calls over one trunk lead to a block; over two trunks, at half weight, they do not."""
    assert len(held_against([strike(n) for n in range(6)], HALF_TRUNKS).blocks) == 1
    mixed = [strike(n, "PJSIP/b" if n == 3 else "PJSIP/a") for n in range(6)]
    assert held_against(mixed, HALF_TRUNKS).blocks == ()


def test_a_trunk_that_was_not_kept_is_not_another() -> None:
    """A strike without a trunk, from an earlier version, is no evidence of a second trunk."""
    mixed = [strike(n, "" if n < 3 else "PJSIP/a") for n in range(6)]
    assert len(held_against(mixed, HALF_TRUNKS).blocks) == 1


STRIKES = st.lists(st.tuples(st.sampled_from(["", "PJSIP/a", "PJSIP/b"]), st.booleans()), max_size=40).map(
    lambda rows: [strike(n, trunk, attested=attested) for n, (trunk, attested) in enumerate(rows)]
)
SHARES = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])


@given(STRIKES, SHARES, SHARES)
def test_less_trust_blocks_nobody_whom_trust_does_not(
    strikes: list[Strike], one: float, other: float
) -> None:
    """A caller blocked with less trust is blocked with full trust too, no later."""
    less = held_against(strikes, replace(FULL, unattested=one, several_trunks=other))
    full = held_against(strikes, FULL)
    if less.blocks:
        assert full.blocks[0].since <= less.blocks[0].since


@given(STRIKES)
def test_by_default_neither_trunk_nor_attestation_matters_beyond_a_burst(strikes: list[Strike]) -> None:
    """With the preset, trunks and attestation change no block and no verdict beyond a burst."""
    plain = [replace(one, trunk="", attested=False) for one in strikes]
    with_, without = held_against(strikes, FULL), held_against(plain, FULL)
    assert with_.blocks == without.blocks
    now = NOW + 2 * DAY
    assert verdicts.standing(with_, now, FULL) == verdicts.standing(without, now, FULL)


@given(STRIKES, SHARES)
def test_the_record_keeps_as_many_strikes_as_a_block_needs(strikes: list[Strike], share: float) -> None:
    """Pruning a record does not change the weight of its strikes, however little each weighs."""
    rules = replace(FULL, unattested=share or 0.1, several_trunks=share or 0.1)
    record = held_against(strikes, rules)
    now = NOW + DAY
    pruned = retention.prune(record, now, rules)
    counts = [policy.count(one, now, rules).weight(rules) for one in (record, pruned)]
    assert counts[0] == counts[1]


# ── several trunks within a burst ────────────────────────────────────────────────────────────────


def counted(strikes: list[Strike], rules: PolicyRules = FULL) -> list[CallId]:
    """Return the calls that count."""
    return [one.call for one in policy.count(held_against(strikes, rules), NOW + DAY, rules).strikes]


def test_of_one_numbers_calls_over_two_trunks_within_a_burst_none_counts() -> None:
    """Calls from one number over two trunks within a burst never count: any of them may be forged."""
    owner = [strike(n, "PJSIP/telkom", every=MINUTE) for n in range(6)]
    assert len(held_against(owner, FULL).blocks) == 1
    forged = replace(strike(2, "PJSIP/cheap", every=MINUTE), call=CallId("9.0"), at=NOW + 150_000)
    forged = replace(forged, begun=forged.at - 4_000)
    assert counted([*owner, forged]) == []
    assert held_against([*owner, forged], FULL).block_at(NOW + 6 * MINUTE) is None


def test_one_millisecond_parts_a_burst() -> None:
    """Calls over two trunks count from the burst's length apart, and not a millisecond closer."""
    first, second = strike(0, "PJSIP/a"), strike(1, "PJSIP/b")
    apart = replace(second, begun=first.at + BURST, at=first.at + BURST + 4_000)
    closer = replace(second, begun=first.at + BURST - 1, at=first.at + BURST + 3_999)
    assert counted([first, apart]) == [first.call, second.call]
    assert counted([first, closer]) == []
    why = policy.discounted(held_against([first, closer], FULL), NOW + DAY, FULL)
    assert why[first.call] == (Discounted.SEVERAL_TRUNKS, closer)
    assert why[second.call] == (Discounted.SEVERAL_TRUNKS, first)


def test_a_centre_whose_trunks_share_one_exchanges_calls_switches_it_off() -> None:
    """With `trust.burst = "0s"`, calls over several trunks count, however close together they are."""
    rules = Policy.model_validate({"trust": {"burst": "0s"}}).rules()
    mixed = [strike(n, f"PJSIP/{n % 2}", every=MINUTE) for n in range(6)]
    assert counted(mixed) == []
    assert len(counted(mixed, rules)) == 6
    (block,) = held_against(mixed, rules).blocks
    assert "burst over several trunks 0s" in block.reason


@given(st.permutations(range(8)))
def test_a_block_is_taken_back_when_a_call_makes_one_of_its_calls_doubtful(order: list[int]) -> None:
    """A block is taken back when a call makes one of its calls doubtful, in any order of recording."""
    owner = [strike(n, every=2 * MINUTE) for n in range(6)]
    forged = [replace(strike(5, "PJSIP/b", every=2 * MINUTE), call=CallId(f"9.{n}")) for n in range(2)]
    told = [*owner, *forged]
    record = held_against([told[n] for n in order], FULL)
    assert [block for block in record.blocks if block.lifted is None] == []
    assert record.proposed is None
    later = replace(strike(0), call=CallId("99.0"), at=NOW + 40 * MINUTE, begun=NOW + 40 * MINUTE - 4_000)
    again = policy.add_strike(record, later, FULL)
    assert again.block_at(later.at) is None, "of the owner's six only the one after it counts"


def test_the_weight_of_several_trunks_is_also_of_those_that_count_for_nothing() -> None:
    """A doubtful call still makes its number one of several trunks, so doubt never adds weight."""
    owner = [strike(n) for n in range(8)]
    forged = replace(strike(0, "PJSIP/b"), call=CallId("9.0"), at=owner[0].at + MINUTE, begun=owner[0].at + 1)
    assert (
        policy.count(held_against([*owner, forged], HALF_TRUNKS), NOW + DAY, HALF_TRUNKS).weight(HALF_TRUNKS)
        == 3
    )
    assert held_against([*owner, forged], HALF_TRUNKS).block_at(owner[-1].at) is None


CALLS = st.lists(
    st.tuples(st.integers(0, 240 * MINUTE), st.integers(1_000, 5 * MINUTE)), min_size=1, max_size=14
)


def _calls(spans: list[tuple[Millis, Millis]], first: int, trunk: str) -> list[Strike]:
    return [
        Strike(
            CallId(f"{first + n}.0"), NOW + begun + lasted, Outcome.IVR_PRANK, "left_menu", NOW + begun, trunk
        )
        for n, (begun, lasted) in enumerate(spans)
    ]


BESIDE = st.lists(
    st.tuples(st.integers(0, 13), st.integers(-BURST + 1, BURST - 1), st.integers(1_000, 5 * MINUTE)),
    max_size=14,
)


@given(CALLS, BESIDE, st.randoms(use_true_random=False), SHARES)
def test_no_block_rests_on_what_a_forger_sends_beside_the_owners_calls(
    spans: list[tuple[Millis, Millis]], beside: list[tuple[int, int, Millis]], order: Random, share: float
) -> None:
    """A forger's calls over another trunk, within a burst of the owner's, count for nothing.

    A caller who is blocked with the forged calls is also blocked without them, no later.
    """
    rules = replace(FULL, several_trunks=share)
    owner = _calls(spans, 0, "PJSIP/telkom")
    near = [owner[which % len(owner)] for which, _, _ in beside]
    forged = [
        Strike(CallId(f"{900 + n}.0"), begun + lasted, Outcome.IVR_PRANK, "left_menu", begun, "PJSIP/cheap")
        for n, (one, (_, apart, lasted)) in enumerate(zip(near, beside, strict=True))
        for begun in [max(one.began - lasted - BURST + 1, min(one.began + apart, one.at + BURST - 1))]
    ]
    in_order = sorted([*owner, *forged], key=lambda one: one.order)
    with_ = held_against(in_order, rules)
    without = held_against(sorted(owner, key=lambda one: one.order), FULL)
    names = {one.call for one in forged}
    assert not names & {call for block in with_.blocks if not block.lifted for call in block.calls}
    assert not names & {one.call for one in policy.count(with_, NOW + DAY, rules).strikes}
    first = min((block.since for block in with_.blocks if not block.lifted), default=None)
    assert first is None or (without.blocks and without.blocks[0].since <= first)
    order.shuffle(in_order)
    late = held_against(in_order, rules)
    assert not names & {call for block in late.blocks if not block.lifted for call in block.calls}
    assert not (late.proposed and names & set(late.proposed.calls))
    assert policy.count(late, NOW + DAY, rules) == policy.count(with_, NOW + DAY, rules)


@given(CALLS, st.randoms(use_true_random=False), st.integers(1, 245))
def test_what_came_before_the_window_makes_a_call_in_it_doubtful(
    spans: list[tuple[Millis, Millis]], order: Random, minutes: int
) -> None:
    """A call that is doubtful because of another does not count, even if that one is before the window."""
    rules, now = replace(FULL, window=minutes * MINUTE), NOW + 245 * MINUTE
    strikes = [replace(one, trunk=f"PJSIP/{n % 3}") for n, one in enumerate(_calls(spans, 0, ""))]
    strikes.sort(key=lambda one: one.order)
    beside = {one.call for pair in combinations(strikes, 2) if rules.doubts(*pair[::-1]) for one in pair}
    alone = [one for one in strikes if one.call not in beside and one.at > now - rules.window]
    order.shuffle(strikes)
    assert list(policy.count(held_against(strikes, rules), now, rules).strikes) == alone


@given(CALLS)
def test_what_makes_a_call_doubtful_goes_with_it(spans: list[tuple[Millis, Millis]]) -> None:
    """Pruning never makes a doubtful strike count."""
    strikes = [replace(one, trunk=f"PJSIP/{n % 3}") for n, one in enumerate(_calls(spans, 0, ""))]
    record = held_against(strikes, FULL)
    for kept in range(len(record.strikes)):
        rules = replace(FULL, keep=NOW + 245 * MINUTE - record.strikes[kept].at)
        now = NOW + 245 * MINUTE
        pruned = retention.prune(record, now, rules)
        assert set(policy.count(pruned, now, rules).strikes) <= set(policy.count(record, now, rules).strikes)


ONE_AFTER_ANOTHER = st.tuples(
    st.integers(0, 40 * MINUTE), st.integers(1_000, 9 * MINUTE), st.sampled_from(("a", "b", ""))
)


@given(st.lists(ONE_AFTER_ANOTHER, max_size=30), st.integers(1, 60), st.sampled_from(((1,), (3,), (2, 4))))
def test_a_record_without_the_past_decides_as_the_whole_one(
    calls: list[tuple[Millis, Millis, str]], minutes: int, thresholds: tuple[int, ...]
) -> None:
    """One call after another: blocks, proposals and what counts are the same after each."""
    rules = replace(FULL, thresholds=thresholds, window=minutes * MINUTE, several_trunks=0.5)
    rules = replace(rules, temporary=(30 * MINUTE,), memory=100 * MINUTE)
    whole = short = CallerRecord(CALLER)
    at = NOW
    for n, (gap, lasted, trunk) in enumerate(calls):
        begun, at = at + gap, at + gap + lasted
        one = Strike(CallId(f"{n}.0"), at, Outcome.IVR_PRANK, "left_menu", begun, trunk)
        whole, short = (policy.add_strike(record, one, rules) for record in (whole, short))
        short = policy.without_the_past(short, at, rules)
        assert whole.block_after(at) == short.block_after(at)
        assert whole.proposals == short.proposals
        if len(thresholds) == 1:
            earlier = (policy.earlier_blocks(record, at, rules) for record in (whole, short))
            assert next(earlier) == next(earlier)
        assert policy.count(whole, at, rules) == policy.count(short, at, rules)


# ── the trunk and the attestation of a call ──────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("channel", "trunk"),
    [
        ("PJSIP/telkom-0000002a", "PJSIP/telkom"),
        ("PJSIP/isat-jkt-2-00000001", "PJSIP/isat-jkt-2"),
        ("SIP/10.0.0.1-0000000f", "SIP/10.0.0.1"),
        ("IAX2/branch-4711", "IAX2/branch"),
        ("DAHDI/i1/081211111111-3", "DAHDI/i1"),
        ("DAHDI/7-1", "DAHDI"),
        ("Local/112@x-00000001;1", ""),
        ("odd", ""),
        ("", ""),
    ],
)
def test_a_channels_name_says_over_which_trunk_it_came(channel: str, trunk: str) -> None:
    """A call's trunk is its channel's name without the channel's serial and the caller's number."""
    assert trunk_of(channel) == trunk


def test_the_dialplans_word_makes_a_call_attested() -> None:
    """A call is attested only if the dialplan's last SIAGA_ATTESTED for it is `yes`."""
    for word, attested in (
        (["yes"], True),
        (["no"], False),
        (["YES"], False),
        ([], False),
        (["yes", ""], False),
    ):
        call = seen(
            "10:00:00  Newchannel  100.1  num=081211111111 chan=PJSIP/telkom-0000002a",
            *[f"10:00:01  VarSet  100.1  SIAGA_ATTESTED={said}" for said in word],
            "10:00:09  Hangup      100.1  at=siaga112-ivr,s,4",
        )
        assert (call.trunk, call.attested) == ("PJSIP/telkom", attested)


def test_a_share_is_none_or_at_least_a_tenth() -> None:
    """A weight is 0 or at least 0.1: otherwise a record would need thousands of strikes for a block."""
    rules = Policy.model_validate({"trust": {"unattested": 0, "several_trunks": 0.1}}).rules()
    assert (rules.unattested, rules.several_trunks) == (0, 0.1)
    for share in (-0.1, 0.01, 1.01):
        with pytest.raises(ValueError, match=r"must be 0, or between 0\.1 and 1"):
            Policy.model_validate({"trust": {"unattested": share}})
