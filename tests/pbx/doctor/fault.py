"""A fault of an installation, and the line that the doctor must print for it."""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from siaga112.doctor.lines import Line
from tests.lab import Version

if TYPE_CHECKING:
    from tests.pbx.doctor.bench import Bench

Settings = Mapping[str, Any]
"""Overrides of the configuration, by `section.key`."""

Arrange = Callable[["Bench"], AbstractAsyncContextManager[Settings]]
"""Breaks something for as long as its block lasts; yields the settings that go with it."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change to a file of the PBX, followed by its reload. The file must contain `old` literally."""

    file: str
    old: str
    new: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. In `found` and `remedy`, `…` stands for what varies, `{…}` for an entry of `Bench.names`."""

    what: str
    health: str
    check: str
    found: str
    remedy: str
    edits: tuple[Edit, ...] = ()
    settings: Settings = field(default_factory=dict)
    arrange: Arrange | None = None
    versions: tuple[Version, ...] = ("22",)

    def line(self, names: Mapping[str, str]) -> str:
        """Return the expected line."""
        return f"{self.health} {self.check}: {self.found.format_map(names)} → {self.remedy.format_map(names)}"

    def is_in(self, lines: list[Line], names: Mapping[str, str]) -> bool:
        """Return whether the expected line is among these."""
        pattern = re.escape(self.line(names)).replace("…", ".*")
        return any(re.fullmatch(pattern, spelled(line)) for line in lines)


def spelled(line: Line) -> str:
    """Return a line in the format of `Fault.line`."""
    return f"{line.health} {line.check}: {line.found} → {line.remedy}"
