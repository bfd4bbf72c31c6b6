"""The compact table of standings behaves like a dict."""

from hypothesis import given
from hypothesis import strategies as st

from siaga112.core.model import FIRST_INSTANT, Caller, Level, Mode, Verdict
from siaga112.core.regulation import PolicyRules
from siaga112.core.standing import NOBODY, Standing, verdict
from siaga112.core.standing_table import Standings

INSTANT = st.integers(1, 2**48 - 1)
SOME = st.just(0) | INSTANT
CALLERS = st.one_of(
    st.from_regex(r"\+[1-9][0-9]{4,14}", fullmatch=True),
    st.from_regex(r"h:[0-9a-f]{32}", fullmatch=True),
).map(Caller)
STANDINGS = st.one_of(
    st.builds(Standing, allowed=st.booleans(), warn_until=SOME),
    st.builds(Standing, st.booleans(), st.just(Level.TEMPORARY), INSTANT, SOME, SOME),
    st.builds(Standing, st.booleans(), st.just(Level.PERMANENT), st.none(), SOME, SOME),
)


@given(st.lists(st.tuples(CALLERS, STANDINGS)))
def test_what_is_put_last_is_what_is_given(puts: list[tuple[Caller, Standing]]) -> None:
    """A caller has the standing that was put last, and a caller who was never put has none."""
    standings, expected = Standings(), {}
    for caller, standing in puts:
        standings.put(caller, standing)
        expected[caller] = standing
    assert {caller: standings.of(caller) for caller in expected} == expected
    assert len(standings) == sum(standing != NOBODY for standing in expected.values())
    assert standings.of(Caller("+1000")) == NOBODY


@given(st.lists(st.lists(st.tuples(CALLERS, STANDINGS))))
def test_many_at_once_are_as_one_by_one(pages: list[list[tuple[Caller, Standing]]]) -> None:
    """Putting pages of standings equals putting them one by one: a caller's last one holds."""
    standings = Standings()
    expected: dict[Caller, Standing] = {}
    for page in pages:
        standings.put_all(page)
        expected |= dict(page)
    assert {caller: standings.of(caller) for caller in expected} == expected
    assert len(standings) == sum(standing != NOBODY for standing in expected.values())


def test_hashes_with_the_same_beginning_are_different_callers() -> None:
    """Hashes with the same first half are different callers, told apart by the second half."""
    standings, expected = Standings(), {}
    for nth in range(20_000):
        caller = Caller(f"h:{nth % 2:016x}{nth:016x}")
        expected[caller] = Standing(level=Level.PERMANENT, since=nth + 1)
    standings.put_all(list(expected.items())[::2])
    standings.put_all(list(expected.items())[1::2])
    assert {caller: standings.of(caller) for caller in expected} == expected
    for caller in expected:
        standings.put(caller, NOBODY)
    assert len(standings) == 0
    assert standings.of(Caller(f"h:{1:032x}")) == NOBODY


def test_a_block_that_ended_at_the_epoch_is_not_one_without_an_end() -> None:
    """A hand can write such a standing into Redis or the database; it rejects nobody."""
    standings = Standings()
    standings.put(Caller("+6281234567890"), Standing(level=Level.TEMPORARY, until=0))
    held = standings.of(Caller("+6281234567890"))
    assert verdict(held, Mode.ENFORCE, FIRST_INSTANT, PolicyRules()).verdict is Verdict.ALLOW


def test_what_is_cleared_is_nobodys() -> None:
    """After `clear`, nobody has a standing."""
    standings = Standings()
    standings.put(Caller("+6281234567890"), Standing(level=Level.PERMANENT))
    standings.clear()
    assert len(standings) == 0
    assert standings.of(Caller("+6281234567890")) == NOBODY
