"""Write docs/backtest-month.md: the command's output for the made-up month.

python -m tests.backtest.page
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.backtest import month

DOCUMENT: Final = Path(__file__).parents[2] / "docs/backtest-month.md"

COMMANDS: Final = (
    ("backtest", "month.csv", "--policy", "permenkominfo-2016", "--policy", "serang-2019"),
    ("backtest", "month.csv", "--sweep", "threshold=3..10"),
)

INTRODUCTION: Final = """\
# A back-test of a generated month

A month of CEL with the proportions of the centre's first one: 53,794 calls, of which 7,695 were answered and
2,882 abandoned. **These are nobody's real calls**: who called how often was never published, and is assumed
(see `tests/backtest/month.py`). So the figures show what the output looks like and how the presets differ,
not what either would have done in Serang. `make docs` generates the month and this page.
"""


def printed(commands: Sequence[tuple[str, ...]]) -> str:
    """Return the introduction, and the output of these commands."""
    parts = [INTRODUCTION]
    with tempfile.TemporaryDirectory() as folder:
        with Path(folder, "month.csv").open("w", encoding="utf-8") as file:
            file.writelines(month.rows())
        Path(folder, "siaga112.toml").write_text(month.CONFIG, "utf-8")
        for command in commands:
            ended = subprocess.run(
                [sys.executable, "-m", "siaga112", "--config", "siaga112.toml", *command],
                cwd=folder,
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
            lines = "\n".join(line.rstrip() for line in ended.stdout.splitlines())
            parts.append(f"\n```\n$ siaga112 {' '.join(command)}\n{lines}\n```\n")
    return "".join(parts)


def document() -> str:
    """Return the page."""
    reports = sum(call.report for call in month.calls())
    return printed(COMMANDS) + (
        f"\nCEL shows none of the {reports} genuine reports of the month, because it has no marks. "
        f"{month.SHARED} of them came from numbers\nthat also misuse the line, as a family's phone may.\n"
    )


if __name__ == "__main__":
    DOCUMENT.write_text(document(), "utf-8")
