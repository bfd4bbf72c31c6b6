"""The made-up year, with numbers that lapse and are sold again, and its page."""

from pathlib import Path

import pytest

from tests.backtest import year

PAGE = Path(__file__).parents[2] / "docs" / "backtest-year.md"


def test_a_number_is_its_new_owners_only_after_it_was_silent_for_sixty_days() -> None:
    """A lapsed number makes no call for 60 days, by Permenkominfo 14/2018; then it has a new owner."""
    calls, owners = year.offenders()
    last = {made.number: made.at for made in calls}
    assert len(owners) > 1_000
    assert all(one.at - last[one.number] >= year.SILENT for one in owners if one.number in last)
    assert len({one.number for one in owners}) == len(owners)


@pytest.mark.night
def test_the_page_is_what_the_policies_do_to_the_year() -> None:
    """docs/backtest-year.md is the output of `python -m tests.backtest.year`."""
    assert PAGE.read_text("utf-8") == year.page()
