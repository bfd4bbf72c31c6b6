"""Tests that only run at night: a plugin that `tests/conftest.py` loads.

People wait for `make test`, so it must end soon on any machine. `make night` and `make faults` run the rest:
loads and attacks that measure more than they decide, calls on Asterisk 16 that passed on 22, the third and
further faults of each of the doctor's checks, and rehearsals of whole pages of the manual. A test that is
named on the command line always runs.
"""

from pathlib import Path
from typing import Final

import pytest

BOTH: Final = ("test_scenarios.py", "test_guard.py", "test_install.py")
"""Files that run on Asterisk 16 by day too: each way a call can go, and what our dialplan does with it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of `make night`."""
    parser.addoption("--night", action="store_true", help="also what is only for nights")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that only run at night."""
    if config.getoption("--night") or config.getoption("--full") or any("::" in arg for arg in config.args):
        return
    left = [item for item in items if item.get_closest_marker("night") or _on_second_pbx(item)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


def _on_second_pbx(item: pytest.Item) -> bool:
    """Return whether a test runs on Asterisk 16, while by day Asterisk 22 is enough for it."""
    call = getattr(item, "callspec", None)
    second = call is not None and "16" in {call.params.get(name) for name in ("version", "pbx")}
    return second and bool(item.get_closest_marker("pbx")) and Path(item.path).name not in BOTH
