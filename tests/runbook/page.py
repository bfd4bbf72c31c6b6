"""Reads docs/runbook.md: its sections, and the commands in each."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "runbook.md"
PROGRAMS: Final = frozenset({"siaga112", "asterisk", "curl", "redis-cli", "df", "systemctl"})


def sections() -> dict[str, str]:
    """Return each section's text by its heading."""
    parts = PAGE.read_text("utf-8").split("\n## ")[1:]
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}


def commands(section: str) -> list[str]:
    """Return a section's command lines in order: the code that begins with a program's name."""
    spans = re.findall(r"`([^`]+)`", sections()[section])
    return [line for span in spans if (line := " ".join(span.split())).split()[0] in PROGRAMS]


def filled(command: str, **places: str) -> str:
    """Fill in a command's placeholders; `…`, where somebody writes a text, becomes a fixed one."""
    for name, value in places.items():
        command = re.sub(rf"\b{name}\b", value, command)
    return command.replace("…", '"as the runbook says"')
