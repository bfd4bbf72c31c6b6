"""How a test tells which fault it is of, and its figures; a plugin that `tests/conftest.py` loads."""

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
"""So many times as long may what is a time take in the short form, which runs beside other tests.

A verdict's 300 ms become 1.5 s: that is still before the dialplan's own guard of 2 s lets the caller go on.
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that was measured; `limit` is what it may be at most. More is worse."""

    row: str
    what: str
    value: float
    unit: str
    limit: float | None

    def __str__(self) -> str:
        return f"{self.what} {spelled(self.value)}{' ' * bool(self.unit)}{self.unit}"


def spelled(value: float) -> str:
    """Write a value as people read it."""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.3g}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `make faults` asks for."""
    group = parser.getgroup("faults")
    group.addoption("--figures", type=Path, help="write the figures of all faults to this file")
    group.addoption("--full", action="store_true", help="faults in full strength, not as short as it goes")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a row that there is none of."""
    for item in items:
        if unknown := set(rows_of(item)) - KEYS:
            raise pytest.UsageError(f"{item.nodeid}: no such fault: {', '.join(sorted(unknown))}")


def rows_of(item: pytest.Item) -> list[str]:
    """Give the rows that a test is of."""
    return list(dict.fromkeys(key for mark in item.iter_markers("fault") for key in mark.args))


def rows(names: Iterable[str], by_day: Collection[str]) -> list[ParameterSet]:
    """Give a test's faults, each of its row; those that are not `by_day` are for nights."""
    marks = {
        name: [pytest.mark.fault(name), *([] if name in by_day else [pytest.mark.night])] for name in names
    }
    return [pytest.param(name, marks=marks[name]) for name in names]


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """Say whether to try in full strength."""
    return bool(request.config.getoption("--full"))


Measured = Callable[..., None]


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Give a function that keeps a figure of this test, prints it, and holds it to its limit.

    What is counted or takes room is held to it everywhere; what takes time only in full strength.
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
    """Write what a test that passed has shown."""
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
