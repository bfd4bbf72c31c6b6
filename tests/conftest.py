"""What holds for every run of the tests, and what each tells at its end."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.lab.sipp import PLACED

# No test is about speed: on a busy machine an example may take as long as it takes.
settings.register_profile("siaga112", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("siaga112")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the count of real calls over, where several processes share the tests."""
    if handed := getattr(session.config, "workeroutput", None):
        handed["placed"] = dict(PLACED)


def pytest_testnodedown(node: Any) -> None:
    """Take the count over from a process that is done."""
    PLACED.update(node.workeroutput["placed"])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many real calls were placed on which PBX."""
    if PLACED:
        counts = ", ".join(f"{count} on Asterisk {version}" for version, count in sorted(PLACED.items()))
        terminalreporter.write_line(f"real SIP calls placed: {counts}")
