"""Copy the shipped files to their places without overwriting what somebody has edited."""

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
"""The suffix of our version, beside a file that has been edited."""


MOST: Final = 16 * infile.MIB
READABLE: Final = 0o644
"""The files contain no personal data, and Asterisk, Prometheus and others must read them."""


class CopyState(StrEnum):
    """How the file at the destination compares with ours."""

    ABSENT = "absent"
    SAME = "same"
    DIFFERENT = "different"
    """Edited, or from another version; never overwritten."""
    UNREADABLE = "not readable"
    """This user may not read it."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A shipped file and its destination."""

    set: str
    ours: bytes
    target: Path
    standing: CopyState
    root: Path
    """The folder that the user named, or the set's usual one; below it we follow no symbolic link."""

    def writes(self) -> Path | None:
        """Return the file that `write` would write; None if there is nothing to write."""
        match self.standing:
            case CopyState.ABSENT:
                return self.target
            case CopyState.DIFFERENT | CopyState.UNREADABLE:
                beside = self.target.with_name(self.target.name + BESIDE)
                return None if _compare(self.ours, beside) is CopyState.SAME else beside
            case CopyState.SAME:
                return None

    def diff(self) -> str:
        """Return what ours would change at the destination, as a unified diff."""
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
        """Write the file, if there is anything to write.

        Raises:
            SiagaError: names the file that cannot be written.

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
    """Yield our files, compared with their destinations.

    A single set goes directly into `to`; with all sets, each goes into a folder of `to` with its name.
    Without `to`, each file is compared with its usual place. `runbook_url` replaces the runbook's address in
    the alerts.
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
