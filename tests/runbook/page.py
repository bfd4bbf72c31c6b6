"""docs/runbook.md, read: which commands stand in which section."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "runbook.md"
PROGRAMS: Final = frozenset({"siaga112", "asterisk", "curl", "redis-cli", "df", "systemctl"})


def sections() -> dict[str, str]:
    """Give each section's text by its heading."""
    parts = PAGE.read_text("utf-8").split("\n## ")[1:]
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}


def commands(section: str) -> list[str]:
    """Give the command lines of a section in order: what stands as code and begins with a program."""
    spans = re.findall(r"`([^`]+)`", sections()[section])
    return [line for span in spans if (line := " ".join(span.split())).split()[0] in PROGRAMS]


def filled(command: str, **places: str) -> str:
    """Put values into a command's placeholders; `…` is whatever somebody writes there."""
    for name, value in places.items():
        command = re.sub(rf"\b{name}\b", value, command)
    return command.replace("…", '"as the runbook says"')
