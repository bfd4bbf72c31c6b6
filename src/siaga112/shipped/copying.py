"""Bringing our files to their places, and leaving alone what somebody has edited there."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from siaga112 import infile
from siaga112.errors import SiagaError
from siaga112.settings.schema import RUNBOOK_URL
from siaga112.shipped import catalogue
from siaga112.terminal import outfile

BESIDE: Final = ".new"
"""Ours is written under this ending beside a file that is not ours any more."""


MOST: Final = 16 * infile.MIB
READABLE: Final = 0o644
"""Nothing in these files is of a caller, and those who read them are Asterisk, Prometheus and others."""


class CopyState(StrEnum):
    """How a file at its place compares with ours."""

    ABSENT = "absent"
    SAME = "same"
    DIFFERENT = "different"
    """Edited, or of another version: never overwritten."""
    UNREADABLE = "not readable"
    """Not for this user to see."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One of our files, and where it goes."""

    set: str
    ours: bytes
    target: Path
    standing: CopyState
    root: Path
    """The folder that the user named, or the set's usual one: below it we follow no link."""

    def writes(self) -> Path | None:
        """Give the file that copying would write; None if there is nothing to write."""
        match self.standing:
            case CopyState.ABSENT:
                return self.target
            case CopyState.DIFFERENT | CopyState.UNREADABLE:
                beside = self.target.with_name(self.target.name + BESIDE)
                return None if _compare(self.ours, beside) is CopyState.SAME else beside
            case CopyState.SAME:
                return None

    def diff(self) -> str:
        """Give what ours would change at its place, as `diff -u` writes it."""
        if self.standing is not CopyState.DIFFERENT:
            return ""
        try:
            theirs, ours = (
                content.decode("utf-8").splitlines(keepends=True)
                for content in (infile.read(self.target, MOST), self.ours)
            )
        except UnicodeDecodeError:
            return f"Binary files {self.target} and our {self.target.name} differ\n"
        return "".join(difflib.unified_diff(theirs, ours, str(self.target), f"{self.target} (siaga112)"))

    def write(self) -> None:
        """Write it, if there is anything to write.

        Raises:
            SiagaError: naming the file, if it cannot be written.

        """
        if (target := self.writes()) is None:
            return
        try:
            with outfile.replacing(target, READABLE, self.root) as file:
                file.write(self.ours)
        except outfile.LinkError as error:
            raise SiagaError(f"{error.filename}: {error.strerror}") from error
        except OSError as error:
            raise SiagaError(f"{target}: cannot be written ({error.strerror}); run as root?") from error


def plan(chosen: str | None, to: Path | None, runbook_url: str) -> Iterator[Copy]:
    """Compare our files with their places.

    One set goes right into `to`; all go each into a folder of `to` with the set's name. Without `to`
    each is compared with its usual place. The alerts say that the runbook is at `runbook_url`.
    """
    for name in [chosen] if chosen else catalogue.SETS:
        place = Path(catalogue.SETS[name].place) if to is None else to if chosen else to / name
        for relative, source in catalogue.files(name):
            target = place / relative
            ours = source.read_bytes()
            if name == "prometheus":
                ours = ours.replace(f"{RUNBOOK_URL}#".encode(), f"{runbook_url}#".encode())
            yield Copy(name, ours, target, _compare(ours, target), to or place)


def _compare(ours: bytes, target: Path) -> CopyState:
    try:
        return CopyState.SAME if infile.read(target, MOST) == ours else CopyState.DIFFERENT
    except FileNotFoundError:
        return CopyState.ABSENT
    except OSError:
        return CopyState.UNREADABLE
