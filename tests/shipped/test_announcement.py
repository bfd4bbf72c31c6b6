"""The announcement to a blocked caller, for ends at the edges of the hour, the day, the month and the year.

These are the prompts that should be played; tests/pbx/test_announcement.py compares the dialplan with them.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.lab.announcement import told

JAKARTA = ZoneInfo("Asia/Jakarta")
NOW = datetime(2026, 11, 29, 9, 0, tzinfo=JAKARTA)


def spoken(names: list[str]) -> str:
    """Return the prompts of a date as a person reads them."""
    return " ".join(name.removeprefix("number-").removeprefix("month-") for name in names)


@pytest.mark.parametrize(
    ("until", "indonesian", "english"),
    [
        ("2026-11-29T22:05:00", "29 11 at 22 past 05", "11 29 at 10 oh 05 pm"),
        ("2026-11-29T22:04:01", "29 11 at 22 past 05", "11 29 at 10 oh 05 pm"),
        ("2026-11-29T22:00:00", "29 11 at 22", "11 29 at 10 pm"),
        ("2026-11-29T22:00:01", "29 11 at 22 past 01", "11 29 at 10 oh 01 pm"),
        ("2026-11-29T21:59:01", "29 11 at 22", "11 29 at 10 pm"),
        ("2026-11-30T00:00:00", "30 11 at 00", "11 30 at 12 am"),
        ("2026-11-30T00:10:00", "30 11 at 00 past 10", "11 30 at 12 10 am"),
        ("2026-11-30T12:00:00", "30 11 at 12", "11 30 at 12 pm"),
        ("2026-11-30T12:59:00", "30 11 at 12 past 59", "11 30 at 12 59 pm"),
        ("2026-11-30T23:59:00", "30 11 at 23 past 59", "11 30 at 11 59 pm"),
        ("2026-11-30T23:59:01", "01 12 at 00", "12 01 at 12 am"),
        ("2026-12-01T09:09:00", "01 12 at 09 past 09", "12 01 at 09 oh 09 am"),
        ("2026-12-31T23:59:00", "31 12 at 23 past 59", "12 31 at 11 59 pm"),
        ("2026-12-31T23:59:30", "01 01 two-thousand 27 at 00", "01 01 two-thousand 27 at 12 am"),
        (
            "2028-02-29T13:01:00",
            "29 02 two-thousand 28 at 13 past 01",
            "02 29 two-thousand 28 at 01 oh 01 pm",
        ),
    ],
)
def test_the_end_of_a_block_is_told_in_each_languages_own_order(
    until: str, indonesian: str, english: str
) -> None:
    """The end of a block is announced by the minute, rounded up, and with the year only if it is another."""
    end = datetime.fromisoformat(until).replace(tzinfo=JAKARTA)
    first = ["blocked-temporary", "in-need", "until"]
    assert told("id", "temporary", end, NOW)[:3] == told("en", "temporary", end, NOW)[:3] == first
    assert spoken(told("id", "temporary", end, NOW)[3:]) == indonesian
    assert spoken(told("en", "temporary", end, NOW)[3:]) == english


def test_a_permanent_block_has_no_date() -> None:
    """The announcement of a block without a known end has no date, and where to object comes last."""
    assert told("id", "permanent", NOW, NOW) == ["blocked-permanent", "in-need"]
    assert told("en", "permanent", None, NOW, contact=True) == ["blocked-permanent", "in-need", "contact"]
    assert told("id", "temporary", None, NOW, contact=True) == ["blocked-temporary", "in-need", "contact"]
