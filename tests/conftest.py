"""What every run of the tests tells at its end."""

import pytest

from tests.lab.sipp import PLACED

pytest_plugins = ("tests.faults.figures",)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many real calls were placed on which PBX."""
    if PLACED:
        counts = ", ".join(f"{count} on Asterisk {version}" for version, count in sorted(PLACED.items()))
        terminalreporter.write_line(f"real SIP calls placed: {counts}")
