"""Parses the text of Asterisk's configuration files into lines, each with its file and line number.

It follows Asterisk's syntax: sections, `key = value`, `key => value`, comments, `#include`, `#tryinclude`.
"""

import fnmatch
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from siaga112.core.text import digits
from siaga112.doctor.observations import Context, Contexts, Step

_SECTION: Final = re.compile(r"\[([^\]]+)\](?:\(([^)]*)\))?")
_INCLUDE: Final = re.compile(r'#(include|tryinclude)\s+[<"]?(.+?)[>"]?', re.IGNORECASE)
_BLOCK: Final = re.compile(r"(?<!\\);--(?!-)|(?<=--);")
_PRIORITY: Final = re.compile(r"\s*(\w+)((?:[+-][0-9]+)?)\s*(?:\(([^)]*)\))?\s*")
_DEPTH: Final = 20
_TEMPLATES: Final = 10


@dataclass(frozen=True, slots=True)
class Line:
    """A setting, with its file, line number (from 1) and section."""

    file: str
    number: int
    section: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Header:
    """The head of a section."""

    file: str
    number: int
    name: str
    options: str


@dataclass(frozen=True, slots=True)
class Conf:
    """A file with everything that it includes."""

    root: str
    lines: tuple[Line, ...]
    headers: tuple[Header, ...]
    included: tuple[tuple[str, str], ...]
    """Pairs of the including file and the path or pattern it includes."""
    missing: tuple[str, ...]
    """`FILE:LINE includes NAME` for each missing `#include`: Asterisk then refuses to load the whole file."""
    executes: bool = False
    """Whether it includes the output of a program (`#exec`), which is not parsed here."""

    def value(self, section: str, key: str) -> str:
        """Return the last value of a key; '' if there is none."""
        return next(
            (line.value for line in reversed(self.lines) if (line.section, line.key) == (section, key)), ""
        )

    def header(self, section: str) -> Header | None:
        """Return the first head of a section."""
        return next((one for one in self.headers if one.name == section), None)

    def inherited(self, section: str, key: str, depth: int = 0) -> str:
        """Return a key's value from a section or from its templates; '' if there is none."""
        if depth > _TEMPLATES:
            return ""
        if value := self.value(section, key):
            return value
        options = [
            one.strip()
            for header in self.headers
            if header.name == section
            for one in header.options.split(",")
        ]
        return next(
            (
                found
                for one in options
                if one not in {"", "!", "+"} and (found := self.inherited(one, key, depth + 1))
            ),
            "",
        )

    def includes(self, path: str) -> bool:
        """Return whether any file includes this path, by name or by pattern."""
        return any(_matches(wanted, path) for _, wanted in self.included)


def included(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the includes of a text: line number, `include` or `tryinclude`, and the name or pattern."""
    for number, line in _told(text):
        if match := _INCLUDE.fullmatch(line):
            yield number, match[1].lower(), match[2]


def lines_of(text: str) -> list[str]:
    """Return the lines as they are numbered, with their ends: to Asterisk only a line feed ends one."""
    return list(io.StringIO(text, newline="\n"))


def absolute(name: str, etc: str) -> str:
    """Return the absolute path of an include."""
    return name if name.startswith("/") else f"{etc}/{name}"


def read(root: str, texts: Mapping[str, str], etc: str) -> Conf:
    """Parse a file with everything that it includes. `texts`: contents by path."""
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
        """The section begun last, in whichever file."""
        self.lines: list[Line] = []
        self.headers: list[Header] = []
        self.included: list[tuple[str, str]] = []
        self.missing: list[str] = []
        self.executes = False

    def file(self, path: str, depth: int) -> None:
        """Parse one file and its includes into the lists."""
        if depth > _DEPTH:
            return
        section = self._section  # a section of an included file ends with that file
        for number, line in _told(self._texts.get(path, "")):
            if match := _SECTION.match(line):
                section = self._section = match[1].strip()
                self.headers.append(Header(path, number, section, match[2] or ""))
            elif match := _INCLUDE.fullmatch(line):
                self._include(path, number, match[1].lower(), absolute(match[2], self._etc), depth)
            elif line.startswith("#"):
                self.executes |= line.lower().startswith("#exec")
            elif "=" in line:
                key, _, value = line.partition("=")
                value = value.removeprefix(">").strip()
                self.lines.append(Line(path, number, section, key.strip(), value))

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
    """Yield the non-empty lines without comments, numbered.

    `;--` and `--;` enclose a block comment, which may contain others.
    """
    depth = 0
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = ""
        rest = raw
        while rest:  # ends: each turn shortens the rest
            if depth:
                mark = _BLOCK.search(rest)
                if mark is None:
                    break
                depth += 1 if mark[0] != ";" else -1
                rest = rest[mark.end() :]
                continue
            at = _comment(rest)
            line += rest if at is None else rest[:at]
            if at is None or not re.match(r";--(?!-)", rest[at:]):
                break
            depth, rest = 1, rest[at + 3 :]
        if line := line.strip():
            yield number, line


def _comment(text: str) -> int | None:
    match = re.search(r"(?<!\\);", text)
    return match.start() if match else None


@dataclass(frozen=True, slots=True)
class Written:
    """A priority of an extension as written: `priority` is `1`, `n` or `n+2`, without the label."""

    line: Line
    exten: str
    priority: str
    label: str
    application: str


def written(conf: Conf) -> Iterator[Written]:
    """Yield the priorities of a dialplan in the order of the files."""
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
    """Parse a dialplan as people write it; contexts that pbx_config does not make are not in it."""
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
        if number not in {step.priority for step in there}:  # of two, Asterisk uses the first
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
    """Return how much higher a priority is than the previous one: 0 for `s`, 1 for `n`, 2 for `n+2`."""
    if priority == "s":
        return 0
    return int(priority[1:]) if digits(priority[1:].lstrip("+")) else 1
