"""docs/backtest-month.md: what the command prints of the made-up month, as it came.

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
# A back-test of a made-up month

A month of CEL with the proportions of the centre's first one: 53,794 calls, of which 7,695 were answered and
2,882 abandoned. **Nobody's real calls**: who called how often was never published, and is assumed (see
`tests/backtest/month.py`), so the figures show what the page looks like and how the two presets differ, not
what either would have done in Serang. `make docs` makes the month and this page anew.
"""


def printed(commands: Sequence[tuple[str, ...]]) -> str:
    """Write the introduction, and what these commands print."""
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
    """Write the page."""
    reports = sum(call.report for call in month.calls())
    return printed(COMMANDS) + (
        f"\nOf the {reports} reports that the month has, CEL shows none: it knows no marks. {month.SHARED} "
        "of them were made from numbers\nthat also misuse the line, as a family's phone may be.\n"
    )


if __name__ == "__main__":
    DOCUMENT.write_text(document(), "utf-8")
