"""docs/reliability.md and the list of faults agree."""

from pathlib import Path

import pytest

from tests.faults.__main__ import _lacking, _line
from tests.faults.figures import Figure, spelled
from tests.faults.rows import KEYS, ROWS, Row

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def test_every_row_is_on_the_page() -> None:
    """The page shows each fault with its promise; `make faults` writes the page."""
    page = PAGE.read_text("utf-8")
    for rows in ROWS.values():
        for row in rows.values():
            assert f"| {row.fault} |" in page
            assert f"| {row.promised} |" in page
    assert len(KEYS) == sum(len(rows) for rows in ROWS.values())


def test_a_row_tried_on_one_pbx_of_two_is_missing() -> None:
    """A row that needs a PBX is missing until it was tried on both versions."""
    row = Row("a fault", "nothing", pbx=True)
    shown = [{"rows": ["x"], "pbx": "22", "rule": "Held.", "test": "tests/x.py", "figures": []}]
    assert _lacking(row, shown)
    assert not _lacking(row, [*shown, {**shown[0], "pbx": "16"}])
    assert not _lacking(Row("a fault", "nothing"), shown)


def test_the_worst_of_all_tries_is_shown() -> None:
    """Of two figures of the same kind, the page shows the larger."""
    figures = [
        {"row": "x", "what": "waited", "value": value, "unit": "ms", "limit": 50} for value in (3, 7.25)
    ]
    shown = [
        {"rows": ["x"], "pbx": None, "rule": "Held.", "test": "tests/x.py::t", "figures": [one]}
        for one in figures
    ]
    line = _line("x", Row("a fault", "< 50 ms"), shown)
    assert line == "| a fault | Held. ([test](../tests/x.py)) | < 50 ms | waited 7.25 ms |"


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (0.0123, "0.0123"), (1_234.5, "1,234"), (3, "3")])
def test_figures_are_spelled_as_people_read_them(value: float, text: str) -> None:
    """A figure has three significant digits, or is a whole number."""
    assert spelled(value) == text
    assert str(Figure("x", "lost", value, "", None)) == f"lost {text}"
