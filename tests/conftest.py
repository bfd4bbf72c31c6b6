"""Settings and hooks for every test run: secrets that were printed, and the count of real calls."""

import os
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.lab.sipp import PLACED
from tests.printed import leaked

# No test measures speed: on a busy machine an example may take any time.
settings.register_profile("siaga112", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("siaga112")

# xdist sets COLUMNS for its workers, and a command that prints into a pipe takes its width from it.
os.environ.pop("COLUMNS", None)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Pass the count of real calls to the main process, if several processes share the tests."""
    if handed := getattr(session.config, "workeroutput", None):
        handed["placed"] = dict(PLACED)


def pytest_testnodedown(node: Any) -> None:
    """Add the count of a process that has finished."""
    PLACED.update(node.workeroutput["placed"])


pytest_plugins = ("tests.faults.figures", "tests.limits", "tests.nights", "tests.order")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many real calls were placed on which PBX."""
    if PLACED:
        counts = ", ".join(f"{count} on Asterisk {version}" for version, count in sorted(PLACED.items()))
        terminalreporter.write_line(f"real SIP calls placed: {counts}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test if it, or a process that it started, printed a secret."""
    report = yield
    secrets = {secret for _, text in report.sections for secret in leaked(text)}
    if secrets:
        report.outcome = "failed"
        report.longrepr = f"{report.when}: printed a secret: {sorted(secrets)}"
    return report
