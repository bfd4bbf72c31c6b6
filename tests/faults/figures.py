"""Pytest plugin, loaded by `tests/conftest.py`: which faults a test covers, and the figures it measures."""

import json
from collections.abc import Callable, Collection, Generator, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from _pytest.mark.structures import ParameterSet

from tests.faults.rows import KEYS

TIMES: Final = ("s", "ms")
FIGURES: Final = pytest.StashKey[list["Figure"]]()

SHORT_TIMES: Final = 5
"""The factor by which limits on times grow in the short form, which runs beside other tests.

A verdict's 300 ms become 1.5 s, still less than the 2 s after which the dialplan's guard lets the call
proceed.
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value; more is worse. `limit`: the largest value allowed."""

    row: str
    what: str
    value: float
    unit: str
    limit: float | None

    def __str__(self) -> str:
        return f"{self.what} {spelled(self.value)}{' ' * bool(self.unit)}{self.unit}"


def spelled(value: float) -> str:
    """Format a value for people: whole, or with three significant digits."""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.3g}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that `make faults` uses."""
    group = parser.getgroup("faults")
    group.addoption("--figures", type=Path, help="write the figures of all faults to this file")
    group.addoption("--full", action="store_true", help="faults in full strength, not as short as it goes")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Raise UsageError if a test names a row that does not exist."""
    for item in items:
        if unknown := set(rows_of(item)) - KEYS:
            raise pytest.UsageError(f"{item.nodeid}: no such fault: {', '.join(sorted(unknown))}")


def rows_of(item: pytest.Item) -> list[str]:
    """Return the rows that a test covers."""
    return list(dict.fromkeys(key for mark in item.iter_markers("fault") for key in mark.args))


def rows(names: Iterable[str], by_day: Collection[str]) -> list[ParameterSet]:
    """Return parameters for a test, one for each row. Those not in `by_day` run at night only."""
    marks = {
        name: [pytest.mark.fault(name), *([] if name in by_day else [pytest.mark.night])] for name in names
    }
    return [pytest.param(name, marks=marks[name]) for name in names]


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """Return whether to test in full strength."""
    return bool(request.config.getoption("--full"))


Measured = Callable[..., None]


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Return a function that records and prints a figure of this test, and checks it against its limit.

    In the short form, limits on times are `SHORT_TIMES` times as large; limits on counts and sizes stay.
    """
    figures = request.node.stash.setdefault(FIGURES, [])
    short = not request.config.getoption("--full")
    (first, *_) = rows_of(request.node)

    def keep(what: str, value: float, unit: str = "", *, at_most: float | None = None, row: str = "") -> None:
        figure = Figure(row or first, what, value, unit, at_most)
        print(f"{figure.row}: {figure}")
        figures.append(figure)
        if at_most is not None:
            held = at_most * SHORT_TIMES if short and unit in TIMES else at_most
            assert value <= held, f"{figure}: more than {spelled(held)}"

    return keep


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Append the rows and figures of a test that passed to the file of figures."""
    report: Any = yield
    path: Path | None = item.config.getoption("--figures")
    if path and call.when == "call" and report.passed and (rows := rows_of(item)):
        params = (
            item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        )
        function = getattr(item, "function", None)
        shown = {
            "rows": rows,
            "test": item.nodeid.partition("[")[0],
            "rule": (function.__doc__ or "").partition("\n")[0],
            "pbx": params.get("version"),
            "figures": [asdict(figure) for figure in item.stash.get(FIGURES, [])],
        }
        with path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(shown) + "\n")
    return report
