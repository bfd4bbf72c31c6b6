"""What every run of the tests tells at its end, and what holds for all that is printed."""

from collections.abc import Generator

import pytest

from tests.lab.sipp import PLACED
from tests.printed import leaked


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many real calls were placed on which PBX."""
    if PLACED:
        counts = ", ".join(f"{count} on Asterisk {version}" for version, count in sorted(PLACED.items()))
        terminalreporter.write_line(f"real SIP calls placed: {counts}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail each test during which a secret was printed, by it or by a process that it started."""
    report = yield
    secrets = {secret for _, text in report.sections for secret in leaked(text)}
    if secrets:
        report.outcome = "failed"
        report.longrepr = f"{report.when}: printed a secret: {sorted(secrets)}"
    return report
