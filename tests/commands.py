"""Print docs/commands.md: the help and the output of every command (`python -m tests.commands`)."""

import logging
import tempfile
from pathlib import Path
from typing import Final

import structlog
from typer.testing import CliRunner

from siaga112.cli.commands import COMMANDS
from siaga112.cli.program import app
from tests.cli.filled import COLUMNS, GENUINE, MISUSER, SHORT, Site

GOLDEN: Final = "tests/golden"
HEAD: Final = f"""\
# Commands

The output of `siaga112 COMMAND --help`, and what each command prints at a made-up site, in a terminal of
{COLUMNS} columns; `make docs` generates this page. Output for scripts, and all other names:
[reference.md](reference.md).

"""

PRINTS: Final = {
    "mode": ("mode",),
    "blocks": ("blocks", "blocks --sort end --level temporary", "blocks --proposed"),
    "allowed": ("allowed",),
    "import": (f"import {GOLDEN}/lists/freepbx.txt --as block --permanent --reason moved",),
    "appeals": ("appeals",),
    "calls": ("calls --last 5", f"calls --number {GENUINE} --explain"),
    "why": (f"why {MISUSER}",),
    "callbacks": ("callbacks",),
    "audit": ("audit --since 12h",),
    "holds": ("holds",),
    "privacy": ("privacy",),
    "report": ("report --from 2026-11-28",),
    "replay": (f"replay {GOLDEN}/22/answered_goes_on.ami --explain",),
    "user": ("user list",),
    "token": ("token list",),
    "webhooks": ("webhooks",),
    "files": ("files systemd",),
}
"""The command lines that the page shows with their output, by command."""


def said(*arguments: str) -> str:
    """Return the help of the program, or of a command."""
    ended = CliRunner().invoke(app, [*arguments, "--help"], prog_name="siaga112", terminal_width=COLUMNS)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def names() -> list[str]:
    """Return the names of the commands, in the order in which the program lists them."""
    return list(COMMANDS)


def page() -> str:
    """Return the page."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    parts = [f"```\n{said().strip()}\n```\n"]
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), SHORT)
        for name in names():
            printed = [f"$ siaga112 {asked}\n{site(asked).rstrip()}\n" for asked in PRINTS.get(name, ())]
            shown = "".join(f"\n```\n{one}```\n" for one in printed)
            parts.append(f"## `siaga112 {name}`\n\n```\n{said(name).strip()}\n```\n{shown}")
    return HEAD + "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
