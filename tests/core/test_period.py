"""Periods as people write them."""

from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from siaga112.core.model import SECOND, Millis
from siaga112.core.period import of_days, read

ZONE: Final = ZoneInfo("Asia/Jakarta")
NOW: Final[Millis] = int(datetime(2019, 3, 12, 0, 30, tzinfo=ZONE).timestamp() * SECOND)
"""Half past midnight in Jakarta, while it is still the 11th in London."""


@pytest.mark.parametrize(
    ("since", "until", "first", "last"),
    [
        ("", "", "2019-03-11", "2019-03-11"),
        ("2019-02-11", "2019-03-11", "2019-02-11", "2019-03-11"),
        ("2019-02-11", "", "2019-02-11", "2019-03-12"),
        ("", "2019-02-28", "2019-02-28", "2019-02-28"),
        ("2019-02-11T00:00", "2019-02-12T00:00", "2019-02-11", "2019-02-11"),
        ("2019-02-10T17:00Z", "2019-02-28", "2019-02-11", "2019-02-28"),
        ("20190211", "20190211", "2019-02-11", "2019-02-11"),
    ],
)
def test_days_are_the_sites_own_and_both_included(since: str, until: str, first: str, last: str) -> None:
    """A period without ends is yesterday; with only a last day, that day; with only a first, up to today."""
    asked = read(since, until, NOW, ZONE)
    assert asked == of_days(date.fromisoformat(first), date.fromisoformat(last), ZONE)
    assert asked.whole_days
    assert (asked.days[0], asked.days[-1]) == (date.fromisoformat(first), date.fromisoformat(last))


def test_a_time_is_not_included_as_an_end() -> None:
    """A time as an end is exclusive, so that periods can follow each other."""
    asked = read("2019-02-11T07:00", "2019-02-11T14:00", NOW, ZONE)
    assert (asked.end - asked.first) == 7 * 3_600 * SECOND
    assert not asked.whole_days
    assert asked.before() == read("2019-02-11T00:00", "2019-02-11T07:00", NOW, ZONE)
    assert read("", "2019-02-11T14:00", NOW, ZONE).first == read("2019-02-11", "", NOW, ZONE).first


def test_a_period_that_lasts_is_compared_with_as_much_of_the_one_before() -> None:
    """While a period lasts, it is compared with the same stretch of the one before; else with all of that."""
    month = read("2019-03-01", "2019-03-31", NOW, ZONE)
    assert month.compared(NOW) == read("2019-01-29T00:00", "2019-02-09T00:30", NOW, ZONE)
    assert month.compared(month.end) == month.compared(month.first) == month.before()


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [
        ("11 Feb", "", 'not a day ("2026-02-11") nor a time ("2026-02-11T08:00"): "11 Feb"'),
        ("2019-02-30", "", "2019-02-30"),
        ("2019-03-11", "2019-02-11", "begins (2019-03-11) after it ends (2019-02-11)"),
        ("2020-01-01", "", "begins (2020-01-01) after it ends (today)"),
        ("0001-01-01", "9999-12-31", 'outside 2000 to 2099: "9999-12-31"'),
        ("0001-01-01", "2019-03-11", 'outside 2000 to 2099: "0001-01-01"'),
        ("2000-01-01", "2019-03-11", "longer than 10 years"),
    ],
)
def test_what_is_no_period_is_refused(since: str, until: str, said: str) -> None:
    """An invalid period is rejected with the reason."""
    with pytest.raises(ValueError, match=r".*") as refused:
        read(since, until, NOW, ZONE)
    assert said in str(refused.value)
