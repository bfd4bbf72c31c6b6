"""Appeals: opening one, suspending the block, and deciding the appeal together with the block."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.core import decisions, policy
from siaga112.core.bounds import APPEALS
from siaga112.core.model import DAY, HOUR, Caller, Level, Millis, Mode, Verdict
from siaga112.core.record import AllowEntry, Appeal, CallerRecord, Hold, Lift
from siaga112.core.regulation import PRESETS, PolicyRules
from siaga112.core.retention import forget_after, prune
from siaga112.core.standing import standing, verdict
from tests.samples import CALLER, NOW, strike

RULES = PolicyRules()


def blocked(caller: Caller = CALLER, rules: PolicyRules = RULES) -> CallerRecord:
    """Return a caller blocked by six misuses, the last one just now."""
    record = CallerRecord(caller)
    for n in range(6):
        record = policy.add_strike(record, strike(n, NOW - 6 + n), rules)
    assert record.block_at(NOW)
    return record


def objected(record: CallerRecord, at: Millis = NOW, *, suspends: bool = False) -> CallerRecord:
    """Return the record after the caller's appeal."""
    return decisions.object_(record, Appeal(at, "clerk", "not me", at + 3 * DAY, suspends))


def decided(at: Millis = NOW + HOUR) -> Lift:
    """Return a person's decision at this time."""
    return Lift(at, "supervisor", "looked into")


def says(record: CallerRecord, now: Millis = NOW + 1) -> Verdict:
    """Return the caller's verdict."""
    return verdict(standing(record, now, RULES), Mode.ENFORCE, now, RULES).verdict


def test_an_objection_alone_changes_no_verdict() -> None:
    """A block stays in force while an appeal is open, unless the centre suspends it."""
    record = objected(blocked())
    assert record.appeal
    assert says(record) is Verdict.BLOCK


def test_a_suspended_block_holds_nobody_back_and_holds_again_once_rejected() -> None:
    """An appeal that suspends the block does so until the decision; if it is rejected, the block is back."""
    record = objected(blocked(), suspends=True)
    assert says(record) is Verdict.ALLOW
    assert record.block_at(NOW + 1) is None
    assert says(decisions.reject(record, decided())) is Verdict.BLOCK


def test_what_is_imposed_after_the_objection_is_not_suspended_by_it() -> None:
    """An appeal does not suspend a block that is imposed after it."""
    record = objected(blocked(), suspends=True)
    again = replace(record.blocks[0], since=NOW + 1, until=NOW + DAY)
    assert says(decisions.impose(record, again), NOW + 2) is Verdict.BLOCK


@pytest.mark.parametrize("how", ["unblock", "allow", "dismiss", "void"])
def test_what_ends_the_block_grants_the_objection(how: str) -> None:
    """A decision in the caller's favour also grants the open appeal, so nobody has to decide twice."""
    proposed = replace(RULES, temporary=(), permanent="proposed")
    record = objected(blocked())
    match how:
        case "unblock":
            record = decisions.lift(record, decided())
        case "allow":
            record = decisions.allow(record, AllowEntry(NOW + HOUR, "supervisor", "clinic"))
        case "dismiss":
            held = CallerRecord(CALLER)
            for n in range(6):
                held = policy.add_strike(held, strike(n, NOW - 6 + n), proposed)
            record = decisions.dismiss(objected(held), decided())
        case _:
            record = decisions.take_back_strike(record, record.strikes[0].call, decided())
    assert record.appeal is None
    assert record.appeals[-1].granted


def test_confirming_rejects_the_objection() -> None:
    """Confirming the block rejects the open appeal, and changes no block."""
    record = decisions.confirm(objected(blocked()), decided())
    assert record.appeal is None
    assert not record.appeals[-1].granted
    assert record.blocks == blocked().blocks


def test_a_granted_objection_forgives_and_a_rejected_one_does_not() -> None:
    """A granted appeal forgives earlier misuse, even if the block is over; a rejected one does not."""
    over = NOW + 2 * DAY
    granted = decisions.lift(objected(blocked(), over), decided(over + 1))
    assert policy.forgiven_until(granted) == over + 1
    rejected = decisions.reject(objected(blocked(), over), decided(over + 1))
    assert policy.forgiven_until(rejected) == -1
    again = policy.add_strike(rejected, strike(9, over + 2), RULES)
    assert again.blocks[-1].level is Level.PERMANENT
    assert policy.add_strike(granted, strike(9, over + 2), RULES).blocks[-1].level is not Level.PERMANENT


def test_one_case_is_open_at_a_time() -> None:
    """A second appeal while one is open changes nothing."""
    record = objected(blocked())
    assert objected(record, NOW + 1) == record
    later = objected(decisions.reject(record, decided()), NOW + 2 * HOUR)
    assert len(later.appeals) == 2


def test_an_open_case_and_what_is_kept_as_evidence_never_age() -> None:
    """A record with an open appeal or a hold does not expire; once decided or released, it does."""
    old = NOW + 2 * RULES.keep
    record = objected(blocked())
    assert forget_after(record, RULES) is None
    assert prune(record, old, RULES).appeal
    done = decisions.reject(record, decided())
    assert forget_after(done, RULES)
    assert not prune(done, old, RULES).appeals
    held = decisions.hold(done, Hold(NOW, "privacy", "case 3/2026"))
    assert forget_after(held, RULES) is None
    assert prune(held, old, RULES).strikes == done.strikes
    assert forget_after(decisions.hold(held, None), RULES)


@given(st.lists(st.booleans(), min_size=1, max_size=APPEALS + 20))
def test_of_many_objections_few_are_kept_and_nothing_is_unforgiven(
    grants: list[bool],
) -> None:
    """A record keeps a bounded number of appeals, and what was forgiven stays forgiven."""
    record = CallerRecord(CALLER)
    for n, grant in enumerate(grants):
        at = NOW + n * HOUR
        record = objected(record, at)
        answer = decisions.lift if grant else decisions.reject
        record = prune(answer(record, decided(at + 1)), at + 1, RULES)
    assert len(record.appeals) <= APPEALS + 1
    assert len(record.appeals) + record.dropped.appeals == len(grants)
    last = max((n for n, grant in enumerate(grants) if grant), default=None)
    assert policy.forgiven_until(record) == (-1 if last is None else NOW + last * HOUR + 1)


def test_the_preset_of_the_law_asks_a_person_and_looks_again() -> None:
    """`uu-27-2022` proposes permanent blocks and reviews them; `permenkominfo-2016` has no reviews."""
    law = PRESETS["uu-27-2022"]
    assert (law.permanent, law.review, law.review_quiet) == ("proposed", 180 * DAY, 60 * DAY)
    assert (RULES.review, RULES.review_quiet, RULES.suspend_on_appeal) == (0, 0, False)
    assert RULES.appeal_within == 72 * HOUR


def test_a_strike_taken_back_ends_the_later_block_that_rested_on_the_first_one() -> None:
    """Taking back a strike lifts the block that rested on it, and the permanent block that followed it."""
    record = blocked()
    end = record.blocks[0].until or 0
    again = policy.add_strike(record, strike(9, end + HOUR), RULES)
    assert again.blocks[-1].level is Level.PERMANENT
    freed = decisions.take_back_strike(again, record.strikes[2].call, decided(end + 2 * HOUR))
    assert all(one.lifted for one in freed.blocks)
    assert says(freed, end + 3 * HOUR) is Verdict.ALLOW
