"""Review of permanent blocks: old ones are proposed to a person, and quiet numbers are released."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from siaga112.core import decisions, policy
from siaga112.core.model import DAY, Level, Millis, Mode, Origin, ProposalCause, Verdict
from siaga112.core.record import Block, CallerRecord, Lift
from siaga112.core.regulation import PolicyRules
from siaga112.core.review import Called, Watched, review
from siaga112.core.standing import standing, verdict
from tests.samples import CALLER, NOW

RULES = PolicyRules(review=180 * DAY, review_quiet=60 * DAY)
SEEN = Watched(NOW - 400 * DAY, NOW + 10_000 * DAY)


def permanent(origin: Origin = Origin.AUTOMATIC, since: Millis = NOW) -> CallerRecord:
    """Return the record of a permanently blocked caller."""
    block = Block(Level.PERMANENT, since, None, origin, "misused again", "somebody", step=2)
    return CallerRecord(CALLER, blocks=(block,))


def blocked(record: CallerRecord, now: Millis) -> bool:
    """Return whether the caller is rejected."""
    return verdict(standing(record, now, RULES), Mode.ENFORCE, now, RULES).verdict is Verdict.BLOCK


def test_a_number_that_was_quiet_for_the_span_is_released() -> None:
    """A number without a call for 60 days is released and forgiven: it may have a new owner."""
    held, due = permanent(), NOW + 60 * DAY
    assert review(held, Called(), SEEN, due - 1, RULES) == held
    freed = review(held, Called(), SEEN, due, RULES)
    assert not blocked(freed, due)
    assert freed.blocks[0].lifted
    assert freed.blocks[0].lifted.by == "siaga112"
    assert policy.forgiven_until(freed) == due


def test_a_call_begins_the_quiet_anew() -> None:
    """A call, even a rejected one, restarts the quiet time: somebody uses the number."""
    held, called = permanent(), Called(NOW + 30 * DAY, 1)
    assert review(held, called, SEEN, NOW + 90 * DAY - 1, RULES) == held
    assert not blocked(review(held, called, SEEN, NOW + 90 * DAY, RULES), NOW + 90 * DAY)


def test_nothing_is_quiet_over_a_time_that_nobody_watched() -> None:
    """A ledger that is empty, begins too late or has no recent call does not prove that a number is quiet."""
    held, due = permanent(), NOW + 60 * DAY
    for watched in (Watched(), Watched(NOW + DAY, due), Watched(NOW - DAY, due - 2 * DAY)):
        assert review(held, Called(), watched, due, RULES) == held


def test_a_permanent_block_comes_up_for_review_and_goes_on_until_somebody_decides() -> None:
    """A block that is due for review stays in force, and its proposal says what the number did since."""
    now = NOW + 180 * DAY
    asked = review(permanent(), Called(now - 3 * DAY, 17), SEEN, now, RULES)
    assert asked.proposed
    assert asked.proposed.cause is ProposalCause.REVIEW
    assert asked.proposed.reason == "in force for 180d: rejected 17 times since, last 3 days ago"
    assert blocked(asked, now)
    assert review(asked, Called(now - 3 * DAY, 17), SEEN, now + DAY, RULES) == asked


def test_what_is_confirmed_comes_up_again_one_span_later() -> None:
    """A confirmed block is due for review again one span after the confirmation."""
    now, called = NOW + 180 * DAY, Called(NOW + 179 * DAY, 2)
    kept = decisions.confirm(review(permanent(), called, SEEN, now, RULES), Lift(now, "s", "goes on"))
    assert blocked(kept, now + 1)
    later, lately = now + 180 * DAY, Called(now + 179 * DAY, 1)
    assert review(kept, lately, SEEN, later - 1, RULES) == kept
    assert review(kept, lately, SEEN, later, RULES).proposed


def test_dismissing_a_review_lifts_the_block_whoever_imposed_it() -> None:
    """Dismissing a review lifts the block, whoever imposed it."""
    now, called = NOW + 180 * DAY, Called(NOW + 179 * DAY, 2)
    for origin in Origin:
        asked = review(permanent(origin), called, SEEN, now, RULES)
        assert not blocked(decisions.dismiss(asked, Lift(now, "s", "a new owner")), now + 1)


def test_without_the_settings_nothing_is_looked_at() -> None:
    """Without the settings, as in `permenkominfo-2016`, a permanent block is never reviewed."""
    held = permanent()
    assert review(held, Called(), SEEN, NOW + 5_000 * DAY, PolicyRules()) == held


@given(
    st.integers(0, 400),
    st.none() | st.integers(0, 400),
    st.integers(0, 99),
    st.integers(0, 100),
    st.booleans(),
)
def test_a_review_never_makes_a_verdict_stricter(
    day: int, last: int | None, away: int, quiet: int, level: Level
) -> None:
    """A review never makes a verdict stricter."""
    now, rules = NOW + day * DAY, replace(RULES, review_quiet=quiet * DAY)
    record = permanent()
    if level is Level.TEMPORARY:
        block = replace(record.blocks[0], level=Level.TEMPORARY, until=NOW + 50 * DAY)
        record = replace(record, blocks=(block,))
    called = Called(None if last is None else NOW + last * DAY, away)
    after = review(record, called, SEEN, now, rules)
    assert blocked(record, now) or not blocked(after, now)
    assert len(after.blocks) == len(record.blocks)
