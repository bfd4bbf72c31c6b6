"""The made-up month has the centre's proportions, and its page is the command's output."""

from collections import Counter

import pytest

from tests.backtest import month, page


def test_it_has_the_centres_proportions() -> None:
    """The month has the calls, answers and abandons of the press table, and 14 reports."""
    kinds = Counter(call.kind for call in month.calls())
    assert kinds.total() == 53_794
    assert kinds["answered"] == 7_695
    assert kinds["early"] + kinds["left_queue"] == 2_882
    assert sum(call.report for call in month.calls()) == 14


@pytest.mark.night
def test_the_page_is_what_the_command_prints() -> None:
    """The page in docs is today's output for both presets over the whole month."""
    assert page.DOCUMENT.read_text("utf-8").startswith(page.printed(page.COMMANDS[:1]))
