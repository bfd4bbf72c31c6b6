"""What is only for nights: a plugin that `tests/conftest.py` loads.

`make test` has to end while people wait for it, on any machine. Left to `make night`, and to `make faults`,
are loads and attacks that measure more than they decide, on Asterisk 16 what 22 has shown, and rehearsals
of whole pages of the manual. A test whose name was given is always run.
"""

from pathlib import Path
from typing import Final

import pytest

BOTH: Final = ("test_scenarios.py", "test_guard.py", "test_install.py")
"""What is played on Asterisk 16 too by day: each way a call can go, and what our dialplan does with it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `make night` asks for."""
    parser.addoption("--night", action="store_true", help="also what is only for nights")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is only for nights, and say so."""
    if config.getoption("--night") or config.getoption("--full") or any("::" in arg for arg in config.args):
        return
    left = [item for item in items if item.get_closest_marker("night") or _on_second_pbx(item)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


def _on_second_pbx(item: pytest.Item) -> bool:
    """Say whether it plays on Asterisk 16 what 22 is enough for by day."""
    call = getattr(item, "callspec", None)
    second = call is not None and "16" in {call.params.get(name) for name in ("version", "pbx")}
    return second and bool(item.get_closest_marker("pbx")) and Path(item.path).name not in BOTH
