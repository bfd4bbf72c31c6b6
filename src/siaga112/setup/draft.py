"""A plan under construction: the files after the steps so far, and which of them setup may edit. Pure."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from siaga112.setup.conf import Conf, read
from siaga112.setup.facts import Facts
from siaga112.setup.questions import Answers
from siaga112.setup.steps import Step, Write

EXAMPLE: Final = "config/siaga112.toml"
"""The configuration that we ship, with everything as it is by default."""

FREEPBX_KEEPS: Final = ("_custom.conf",)
"""The name endings of files that FreePBX does not overwrite."""


Made = tuple[Step, bool]
"""A step, and whether it is needed even if it writes nothing."""


@dataclass(frozen=True, slots=True)
class Ours:
    """Our files as shipped: texts by path from the top, prompts and units by their names."""

    texts: Mapping[str, str]
    prompts: Mapping[str, bytes]
    units: Mapping[str, bytes]

    def is_example(self, content: bytes) -> bool:
        """Return whether a configuration is as a package installed it: nobody has configured anything."""
        return content == self.texts[EXAMPLE].encode()


@dataclass(slots=True)
class Draft:
    """A plan under construction: `files` and `there` are the contents after the steps so far."""

    facts: Facts
    answers: Answers
    ours: Ours
    secret: str
    service: bool
    files: dict[str, str] = field(default_factory=dict)
    there: dict[str, bytes] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def etc(self) -> str:
        """The PBX's configuration folder."""
        return self.facts.pbx.etc

    def conf(self, name: str) -> Conf:
        """Parse one of Asterisk's files as it is after the steps so far."""
        return read(f"{self.etc}/{name}", self.files, self.etc)

    def own(self, name: str) -> str:
        """Return the file for our additions to `name`; FreePBX has a separate one for custom lines."""
        if not self.facts.pbx.freepbx:
            return f"{self.etc}/{name}"
        other = {"features.conf": "features_applicationmap_custom.conf"}
        return f"{self.etc}/{other.get(name, name.replace('.conf', '_custom.conf'))}"

    def edit(self, path: str, text: str) -> Iterator[Write]:
        """Change a file that is not ours; yield nothing if the text is the same."""
        before = self.files.get(path)
        if text == before:
            return
        if self.facts.pbx.freepbx and path.startswith(f"{self.etc}/") and not path.endswith(FREEPBX_KEEPS):
            self.problems.append(
                f"{path} is FreePBX's own, which rewrites it: put the line in by hand (manual)"
            )
            return
        self.files[path] = text
        yield Write(path, text.encode("utf-8", "surrogateescape"), _bytes(before))

    def put(
        self, path: str, content: bytes, mode: int = 0o644, group: str = "", folder: int = 0o755
    ) -> Iterator[Write]:
        """Install a file; one that somebody has edited stays as it is."""
        before = self.there.get(path)
        if before == content:
            return
        untouched = before is None or self.facts.installed.get(path) == _digest(before)
        if not (untouched or (path == self.facts.places.config and self.ours.is_example(before or b""))):
            self.notes.append(f"{path} is not as this version ships it; left alone (siaga112 files --diff)")
            return
        self.there[path] = content
        if path.startswith(f"{self.etc}/"):
            self.files[path] = content.decode("utf-8", "surrogateescape")
        yield Write(path, content, before, mode, group, folder)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogateescape")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
