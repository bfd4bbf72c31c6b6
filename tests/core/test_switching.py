"""Switching the mode: which one is in force, and which of two switches prevails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.core.codec import dump_switch, load_switch
from siaga112.core.mode import MILDEST_FIRST, Switch, in_force, later, prevailing
from siaga112.core.model import Mode
from tests.samples import NOW

SWITCHES = st.builds(Switch, st.sampled_from(Mode), st.integers(0, 9), st.just("ratna"), st.text())


@pytest.mark.parametrize("configured", Mode)
@pytest.mark.parametrize("switched", [None, *Mode])
@pytest.mark.parametrize("held", [False, True])
def test_off_wins_whoever_says_it(configured: Mode, switched: Mode | None, *, held: bool) -> None:
    """`off` from configuration, switch or file wins; otherwise a switch overrides the configuration."""
    found = in_force(configured, Switch(switched) if switched else None, held_off=held)
    if held or Mode.OFF in {configured, switched}:
        assert found is Mode.OFF
    else:
        assert found is (switched or configured)


@given(st.none() | SWITCHES, st.none() | SWITCHES)
def test_a_switch_is_never_lost_and_a_doubt_is_never_harsher(
    kept: Switch | None, stored: Switch | None
) -> None:
    """Of two switches, the store's prevails if it is newer, else the milder one; a single one is kept."""
    found = prevailing(kept, stored)
    if kept is None or stored is None:
        assert found == (kept or stored)
    elif stored.at > kept.at:
        assert found == stored
    else:
        assert found
        assert found in {kept, stored}
        assert MILDEST_FIRST.index(found.mode) == min(MILDEST_FIRST.index(one.mode) for one in (kept, stored))


@given(SWITCHES, SWITCHES)
def test_a_switch_that_saw_the_others_prevails(one: Switch, other: Switch) -> None:
    """A switch prevails over all that its author knew of, whatever the clocks show."""
    mine = Switch(Mode.ENFORCE, later(3, one, None, other), "ratna")
    for kept in (one, other):
        assert prevailing(kept, mine) == mine


@given(SWITCHES)
def test_a_switch_is_read_as_it_was_written(switch: Switch) -> None:
    """A switch is read as it was written, whatever its reason says."""
    assert load_switch(dump_switch(switch)) == switch


def test_a_mode_as_it_was_stored_before_is_older_than_every_switch() -> None:
    """A bare mode, as older versions stored it, counts as older than every switch."""
    assert load_switch(b"enforce") == Switch(Mode.ENFORCE)
    assert prevailing(Switch(Mode.OFF, NOW), Switch(Mode.ENFORCE)) == Switch(Mode.OFF, NOW)
