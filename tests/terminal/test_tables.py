"""Tables and times: which columns a narrow terminal shows, and what is never cut."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.terminal import tables, times
from siaga112.terminal.columns import Size, fitted
from siaga112.terminal.rows import Row
from siaga112.words import Language, tongue

EN, ID = tongue(Language.EN), tongue(Language.ID)
WIB = timezone(timedelta(hours=7))
sizes = st.builds(
    lambda rank, least, more: Size(rank, least + more, least),
    st.integers(0, 9),
    st.integers(1, 30),
    st.integers(0, 60),
)


@pytest.fixture(autouse=True)
def this_year() -> Iterator[None]:
    """Set the date to November 2026."""
    with patch("siaga112.terminal.times.today", lambda: datetime(2026, 11, 28, 10, tzinfo=WIB)):
        yield


# ── which columns ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("room", "widths"),
    [
        (60, [10, 30, 16]),
        (50, [10, 24, 12]),
        (40, [10, 14, 12]),
        (38, [10, 12, 12]),
        (37, [10, 25, 0]),
        (24, [10, 12, 0]),
        (23, [10, 0, 0]),
        (5, [10, 0, 0]),
    ],
)
def test_texts_are_cut_before_a_column_is_left_out(room: int, widths: list[int]) -> None:
    """Texts are cut before the least important column is left out; one column always stays, uncut."""
    given_ = [Size(0, 10, 10), Size(1, 30, 12), Size(2, 16, 12)]
    assert fitted(given_, room, 2) == widths


@given(st.lists(sizes, min_size=1, max_size=12), st.integers(1, 200))
def test_columns_fit_whatever_they_are(given_: list[Size], room: int) -> None:
    """A shown column has at least its minimum and at most its content; two or more together always fit."""
    widths = fitted(given_, room, 2)
    shown = [(size, width) for size, width in zip(given_, widths, strict=True) if width]
    assert all(size.least <= width <= size.width for size, width in shown)
    assert len(shown) == 1 or sum(width for _, width in shown) + 2 * (len(shown) - 1) <= room
    left_out = [size.rank for size, width in zip(given_, widths, strict=True) if not width]
    assert not left_out or min(left_out) >= max(size.rank for size, _ in shown)


# ── times ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("at", "english", "indonesian"),
    [
        ("2026-11-27T22:56:01.500+07:00", "27 Nov 22:56", "27 Nov 22.56"),
        ("2026-08-01T00:00:00.000+07:00", "1 Aug 00:00", "1 Agu 00.00"),
        ("2025-12-31T23:59:59.999+07:00", "31 Dec 2025 23:59", "31 Des 2025 23.59"),
        ("2027-01-01T00:00:00.000+07:00", "1 Jan 2027 00:00", "1 Jan 2027 00.00"),
    ],
)
def test_the_year_is_said_where_it_is_not_this_one(at: str, english: str, indonesian: str) -> None:
    """A time is shown with the year only if it is not this year, in the zone that it carries."""
    assert times.moment(datetime.fromisoformat(at), EN) == english
    assert times.moment(datetime.fromisoformat(at), ID) == indonesian


@pytest.mark.parametrize(
    ("minutes", "said"),
    [((420, 420), "UTC+7"), ((0,), "UTC"), ((60, 120, 60), "UTC+1/+2"), ((-210,), "UTC-3:30"), ((), "UTC")],
)
def test_the_zone_is_an_offset(minutes: tuple[int, ...], said: str) -> None:
    """The zone of some times is their offset from UTC, or all their offsets if they differ."""
    zones = [timezone(timedelta(minutes=one)) for one in minutes]
    assert times.zone(datetime(2026, 7, 1, tzinfo=zone) for zone in zones) == said


# ── tables ───────────────────────────────────────────────────────────────────────────────────────

ROWS: Final[list[Row]] = [
    {
        "caller": "+6281211111111",
        "since": "2026-11-27T22:56:01.500+07:00",
        "until": None,
        "times": 12,
        "reason": "threats " * 9,
        "by": "ꦱꦶꦠꦶ " * 9,
    },
    {
        "caller": "+6281222222222",
        "since": "2025-01-02T03:04:05.600+07:00",
        "until": "2026-12-01T00:00:00.000+07:00",
        "times": 3,
        "reason": "-",
        "by": "Ratna",
    },
]
NAMES = (
    "caller",
    "since",
    "until",
    "times",
    "reason",
    "by",
)


def printed(capsys: pytest.CaptureFixture[str], width: str, *names: str) -> list[str]:
    """Print the rows in a terminal of this width, or ("") into a pipe; return the lines."""
    with patch.dict(os.environ, {"COLUMNS": width}):
        tables.table(ROWS, names or NAMES, "nothing", EN)
    return capsys.readouterr().out.splitlines()


def test_a_pipe_gets_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe, a table is as wide as its content, with aligned times and counts, and the zone said once."""
    head, first, second = printed(capsys, "", "caller", "since", "until", "times", "reason")
    assert head == "caller               since UTC+7        until  times  reason"
    assert first == f"+6281211111111      27 Nov 22:56            -     12  {'threats ' * 9}".rstrip()
    assert second == "+6281222222222  2 Jan 2025 03:04  1 Dec 00:00      3  -"


@pytest.mark.parametrize("width", [*range(15, 130, 3)])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(
    capsys: pytest.CaptureFixture[str], width: int
) -> None:
    """No line is wider than the terminal, no number is cut, and the columns left out are named."""
    head, *lines = printed(capsys, str(width))
    from rich.cells import cell_len  # noqa: PLC0415 - what the terminal counts by

    assert max(map(cell_len, [head, lines[0], lines[1]])) <= width
    assert lines[0].startswith("+6281211111111")
    shown = [name for name in NAMES if name in head]
    assert shown == list(NAMES[: len(shown)])
    said = " ".join(" ".join(lines[2:]).split())
    left_out = ", ".join(NAMES[len(shown) :])
    assert said == (f"not shown in {width} columns: {left_out}" if left_out else "")


def test_what_follows_stands_in_the_same_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows that follow later stand in the same columns, as the layout makes room for rows like them."""
    with patch.dict(os.environ, {"COLUMNS": "80"}):
        layout = tables.Layout([], ("caller", "times", "reason"), EN, like=ROWS)
        layout.show()
        layout.add(ROWS)
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.index("reason") == first.index("threats") == second.index(" -") + 1
    assert first.endswith("…")
    assert len(first) == 80


def test_an_instant_in_a_text_stays_a_text(capsys: pytest.CaptureFixture[str]) -> None:
    """A text that looks like a time is printed as it was written."""
    tables.table([{"reason": "2026-11-27T22:56:01.500+07:00"}], ("reason",), "nothing", EN)
    assert capsys.readouterr().out.splitlines()[1] == "2026-11-27T22:56:01.500+07:00"


def test_utc_is_utc() -> None:
    """UTC is shown without an offset."""
    assert times.zone([datetime(2026, 1, 1, tzinfo=UTC)]) == "UTC"
