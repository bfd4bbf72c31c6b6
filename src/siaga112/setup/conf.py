"""Asterisk's configuration files as lines, each with its place: reading only, of texts.

As Asterisk reads them: sections, `key = value` and `key => value`, comments, `#include`, `#tryinclude`.
"""

import fnmatch
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from siaga112.core.text import digits
from siaga112.doctor.observations import Context, Contexts, Step

_SECTION: Final = re.compile(r"\[([^\]]+)\]\s*(?:\(([^)]*)\))?")
_INCLUDE: Final = re.compile(r'#\s*(include|tryinclude)\s+[<"]?([^>"\s]+)[>"]?')
_PRIORITY: Final = re.compile(r"\s*(\w+)((?:[+-][0-9]+)?)\s*(?:\(([^)]*)\))?\s*")
_DEPTH: Final = 20


@dataclass(frozen=True, slots=True)
class Line:
    """A setting: in which file and section, at which line (from 1)."""

    file: str
    number: int
    section: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Header:
    """A section's beginning."""

    file: str
    number: int
    name: str
    options: str


@dataclass(frozen=True, slots=True)
class Conf:
    """A file with all that it includes."""

    root: str
    lines: tuple[Line, ...]
    headers: tuple[Header, ...]
    included: tuple[tuple[str, str], ...]
    """Who includes what, as it is written there."""
    missing: tuple[str, ...]
    """`FILE:LINE includes NAME` of what `#include` names and is not there: Asterisk reads nothing then."""
    executes: bool = False
    """Whether it includes what a program prints (`#exec`), which is not seen here."""

    def value(self, section: str, key: str) -> str:
        """Give the last value that a key has; '' for none."""
        return next(
            (line.value for line in reversed(self.lines) if (line.section, line.key) == (section, key)), ""
        )

    def header(self, section: str) -> Header | None:
        """Give where a section begins first."""
        return next((one for one in self.headers if one.name == section), None)

    def includes(self, path: str) -> bool:
        """Say whether a file of that name, or a pattern that matches it, is included from anywhere."""
        return any(_matches(wanted, path) for _, wanted in self.included)


def included(text: str) -> Iterator[tuple[int, str, str]]:
    """Give what a text includes: at which line, whether it must be there, and its name or pattern."""
    for number, line in _told(text):
        if match := _INCLUDE.match(line):
            yield number, match[1], match[2]


def absolute(name: str, etc: str) -> str:
    """Give the path that an include's name means."""
    return name if name.startswith("/") else f"{etc}/{name}"


def read(root: str, texts: Mapping[str, str], etc: str) -> Conf:
    """Read a file, by its path, with all that it includes, of texts by their paths."""
    reading = _Reading(texts, etc)
    reading.file(root, 0)
    return Conf(
        root,
        tuple(reading.lines),
        tuple(reading.headers),
        tuple(reading.included),
        tuple(reading.missing),
        reading.executes,
    )


class _Reading:
    def __init__(self, texts: Mapping[str, str], etc: str) -> None:
        self._texts = texts
        self._etc = etc
        self._section = ""
        self.lines: list[Line] = []
        self.headers: list[Header] = []
        self.included: list[tuple[str, str]] = []
        self.missing: list[str] = []
        self.executes = False

    def file(self, path: str, depth: int) -> None:
        """Read one file into what there is."""
        if depth > _DEPTH:
            return
        for number, line in _told(self._texts.get(path, "")):
            if match := _SECTION.match(line):
                self._section = match[1].strip()
                self.headers.append(Header(path, number, self._section, match[2] or ""))
            elif match := _INCLUDE.match(line):
                self._include(path, number, match[1], absolute(match[2], self._etc), depth)
            elif line.startswith("#"):
                self.executes |= line.startswith("#exec")
            elif "=" in line:
                key, _, value = line.partition("=")
                value = value.removeprefix(">").strip()
                self.lines.append(Line(path, number, self._section, key.strip(), value))

    def _include(self, path: str, number: int, how: str, wanted: str, depth: int) -> None:
        self.included.append((path, wanted))
        found = sorted(name for name in self._texts if _matches(wanted, name))
        if not found and how == "include" and not set("*?[") & set(wanted):
            self.missing.append(f"{path}:{number} includes {wanted}")
        for name in found:
            self.file(name, depth + 1)


def _matches(wanted: str, path: str) -> bool:
    return wanted == path or (wanted.count("/") == path.count("/") and fnmatch.fnmatchcase(path, wanted))


def _told(text: str) -> Iterator[tuple[int, str]]:
    """Give the lines without comments, and their numbers; `;--` and `--;` enclose a comment of many lines."""
    inside = False
    for number, raw in enumerate(text.split("\n"), 1):
        line = ""
        rest = raw
        while rest:  # ends: each turn takes something of the rest away
            if inside:
                _, closed, rest = rest.partition("--;")
                inside = not closed
                continue
            at = _comment(rest)
            line += rest if at is None else rest[:at]
            if at is None or not re.match(r";--(?!-)", rest[at:]):
                break
            inside, rest = True, rest[at + 3 :]
        if line := line.strip():
            yield number, line


def _comment(text: str) -> int | None:
    match = re.search(r"(?<!\\);", text)
    return match.start() if match else None


@dataclass(frozen=True, slots=True)
class Written:
    """A priority of an extension as it is written: `priority` is `1`, `n`, `n+2`, without its label."""

    line: Line
    exten: str
    priority: str
    label: str
    application: str


def written(conf: Conf) -> Iterator[Written]:
    """Give each priority of a dialplan in the order of the files."""
    exten = ""
    for line in conf.lines:
        rest = line.value
        if (key := line.key.lower()) == "exten":
            exten, _, rest = rest.partition(",")
            exten = exten.strip()
        elif key != "same":
            continue
        said, _, application = rest.partition(",")
        if match := _PRIORITY.fullmatch(said):
            yield Written(line, exten, match[1] + match[2], (match[3] or "").strip(), application.strip())


def contexts(conf: Conf) -> Contexts:
    """Read a dialplan of the forms that people write; what no pbx_config makes is not in it."""
    steps: dict[str, dict[str, list[Step]]] = {
        header.name: {} for header in conf.headers if header.name not in {"general", "globals"}
    }
    last: dict[tuple[str, str], int] = {}
    for one in written(conf):
        if one.line.section not in steps or one.priority == "hint":
            continue
        place = one.line.section, one.exten
        number = int(one.priority) if digits(one.priority) else last.get(place, 0) + _ahead(one.priority)
        last[place] = number
        application, _, data = one.application.partition("(")
        data = data.removesuffix(")").replace(r"\;", ";")
        there = steps[one.line.section].setdefault(one.exten, [])
        if number not in {step.priority for step in there}:  # of two the first is in force
            there.append(Step(number, one.label, application.strip(), data))
    includes: dict[str, list[str]] = {}
    for line in conf.lines:
        if line.key.lower() == "include" and line.section in steps:
            includes.setdefault(line.section, []).append(line.value.partition(",")[0].strip())
    return {
        name: Context(
            {
                exten: tuple(sorted(those, key=lambda one: one.priority))
                for exten, those in extensions.items()
            },
            tuple(includes.get(name, ())),
        )
        for name, extensions in steps.items()
    }


def _ahead(priority: str) -> int:
    """Say how far a priority is behind the one before it."""
    if priority == "s":
        return 0
    return int(priority[1:]) if digits(priority[1:].lstrip("+")) else 1
