"""How far a number is believed: what counts less when nobody vouches for it, or several trunks bring it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.core import policy, retention
from siaga112.core import standing as verdicts
from siaga112.core.model import DAY, Call, Caller, CallId, Level, Outcome
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


def strike(n: int, trunk: str = "PJSIP/a", *, attested: bool = False) -> Strike:
    """Make the n-th strike, a minute after the one before."""
    at = NOW + n * 60_000
    return Strike(CallId(f"{n}.0"), at, Outcome.IVR_PRANK, "left_menu", at - 4_000, trunk, attested=attested)


def held_against(strikes: list[Strike], rules: PolicyRules) -> CallerRecord:
    """Give the record of a caller against whom these were held."""
    record = CallerRecord(CALLER)
    for one in strikes:
        record = policy.add_strike(record, one, rules)
    return record


def seen(*table: str) -> Call:
    """Give the call that these events tell of."""
    tracker = Tracker(in_force(DIALPLAN))
    (call,) = [call for event in events("\n".join(table)) for call in tracker.feed(event)]
    return call


# ── what counts less ─────────────────────────────────────────────────────────────────────────────


def test_half_a_misuse_where_nobody_vouches_for_the_number() -> None:
    """Ten such calls are five misuses, not more; the eleventh blocks. Of attested ones, the sixth."""
    assert held_against([strike(n) for n in range(10)], HALF_UNATTESTED).blocks == ()
    (block,) = held_against([strike(n) for n in range(11)], HALF_UNATTESTED).blocks
    assert "11 misuses, weighing 5.5, more than 5" in block.reason
    assert len(held_against([strike(n, attested=True) for n in range(6)], HALF_UNATTESTED).blocks) == 1


def test_one_unattested_call_after_a_block_is_not_enough_for_a_permanent_one() -> None:
    """The step of the ladder takes one misuse in full, so two of half."""
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
    """With 0 such a call is no strike at all."""
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
    """Which of them are its owner's is not known: six over two trunks block nobody, over one they do."""
    assert len(held_against([strike(n) for n in range(6)], HALF_TRUNKS).blocks) == 1
    mixed = [strike(n, "PJSIP/b" if n == 3 else "PJSIP/a") for n in range(6)]
    assert held_against(mixed, HALF_TRUNKS).blocks == ()


def test_a_trunk_that_was_not_kept_is_not_another() -> None:
    """Missing evidence is no evidence of a second trunk: what an earlier version wrote counts as before."""
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
    """Whoever is blocked where numbers are believed less is blocked, no later, where they are believed."""
    less = held_against(strikes, replace(FULL, unattested=one, several_trunks=other))
    full = held_against(strikes, FULL)
    if less.blocks:
        assert full.blocks[0].since <= less.blocks[0].since


@given(STRIKES)
def test_by_default_neither_trunk_nor_attestation_matters(strikes: list[Strike]) -> None:
    """The regulation knows neither: with the preset they change no block and no verdict."""
    plain = [replace(one, trunk="", attested=False) for one in strikes]
    with_, without = held_against(strikes, FULL), held_against(plain, FULL)
    assert with_.blocks == without.blocks
    now = NOW + 2 * DAY
    assert verdicts.standing(with_, now, FULL) == verdicts.standing(without, now, FULL)


@given(STRIKES, SHARES)
def test_the_record_keeps_as_many_strikes_as_a_block_needs(strikes: list[Strike], share: float) -> None:
    """However little each weighs, what is pruned away makes no count less."""
    rules = replace(FULL, unattested=share or 0.1, several_trunks=share or 0.1)
    record = held_against(strikes, rules)
    now = NOW + DAY
    pruned = retention.prune(record, now, rules)
    counts = [policy.total(policy.counted_strikes(one, now, rules), rules) for one in (record, pruned)]
    assert counts[0] == counts[1]


# ── what is known of a call ──────────────────────────────────────────────────────────────────────


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
    """The driver and the trunk, without what numbers channels, and without the caller's number."""
    assert trunk_of(channel) == trunk


def test_the_dialplans_word_makes_a_call_attested() -> None:
    """`yes`, on the call itself, and no other word; without any it is not."""
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
    """Else a record would have to hold thousands of strikes before it comes to a block."""
    rules = Policy.model_validate({"trust": {"unattested": 0, "several_trunks": 0.1}}).rules()
    assert (rules.unattested, rules.several_trunks) == (0, 0.1)
    for share in (-0.1, 0.01, 1.01):
        with pytest.raises(ValueError, match=r"either 0, or from 0\.1 to 1"):
            Policy.model_validate({"trust": {"unattested": share}})
