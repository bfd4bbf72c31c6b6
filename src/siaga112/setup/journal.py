"""What was done, on disk before it is done: so that all can be undone, and a killed setup gone on with.

A folder that is root's alone (or whoever's setup it is): `journal.json`, and each content before and after
under its SHA-256. Not in the daemon's state directory: what stands here is written back to /etc by root.
"""

import fcntl
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from siaga112 import infile
from siaga112.errors import SiagaError
from siaga112.reasons import plainly
from siaga112.setup.looking import digest
from siaga112.setup.steps import Command, Step
from siaga112.terminal import outfile

FOLDER: Final = "/var/lib/siaga112-setup"
_FOLDER_MODE: Final = 0o700
_VERSION: Final = 1
_MOST: Final = 64 * infile.MIB


@dataclass(slots=True)
class Kept:
    """A file as it was before a step, and as the step made it: names of contents; None is no file."""

    path: str
    before: str | None
    after: str
    mode: int
    uid: int
    gid: int
    folders: list[str] = field(default_factory=list)
    """Those that were made for it, the outermost first."""


@dataclass(slots=True)
class Record:
    """A step that was begun."""

    step: str
    title: str
    run: int
    done: bool
    files: list[Kept]
    undo_first: list[Command]
    undo_then: list[Command]
    calm: list[tuple[str, str]]


class Journal:
    """The journal, locked while it is open."""

    def __init__(self, folder: Path) -> None:
        """Read it; without a folder it is empty.

        Raises:
            SiagaError: if it is not this user's alone, or not to be read.

        """
        self._folder = folder
        self._lock: int | None = None
        self.records: list[Record] = []
        self.run = 0
        self.open = False
        """Whether the last run did not come to its end."""
        self._read()

    @classmethod
    def locked(cls, folder: Path) -> Self:
        """Open it to write: make the folder, and let no second setup in.

        Raises:
            SiagaError: if another setup runs, or the folder cannot be made.

        """
        try:
            folder.mkdir(_FOLDER_MODE, parents=True, exist_ok=True)
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise SiagaError(f"{folder}: cannot be written ({plainly(error)}); run as root") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise SiagaError(f"another siaga112 setup runs ({folder}/lock)") from error
        journal = cls(folder)
        journal._lock = lock
        return journal

    def _read(self) -> None:
        try:
            found = self._folder.lstat()
            if found.st_uid != os.geteuid() or found.st_mode & 0o077:
                raise SiagaError(f"{self._folder} is not this user's alone, and so not trusted")
            said: dict[str, Any] = json.loads(infile.read(self._folder / "journal.json", _MOST))
        except FileNotFoundError:
            return
        except OSError as error:
            raise SiagaError(
                f"{self._folder}/journal.json: cannot be read ({plainly(error)}); run as root"
            ) from error
        except ValueError as error:
            raise SiagaError(f"{self._folder}/journal.json is damaged: {error}") from error
        self.run, self.open = int(said["run"]), bool(said["open"])
        self.records = [
            Record(
                one["step"],
                one["title"],
                one["run"],
                one["done"],
                [Kept(**file) for file in one["files"]],
                [tuple(command) for command in one["undo_first"]],
                [tuple(command) for command in one["undo_then"]],
                [(context, exten) for context, exten in one["calm"]],
            )
            for one in said["records"]
        ]

    @property
    def unfinished(self) -> frozenset[str]:
        """The steps that a killed setup began and did not end; amid an undo, the dialplan's."""
        cut = {"dialplan", "guard"} if self.open else set[str]()
        return frozenset(cut | {record.step for record in self.records if not record.done})

    @property
    def installed(self) -> dict[str, str]:
        """Path → digest of what was written there last."""
        return {file.path: file.after for record in self.records for file in record.files}

    def started(self) -> None:
        """Begin a run, or go on with the one that did not end."""
        if not self.open:
            self.run, self.open = self.run + 1, True
            self._write()

    def ended(self) -> None:
        """Say that the run came to its end."""
        self.open = False
        for record in self.records:
            record.done = True
        self._write()

    def begun(self, step: Step, files: list[Kept]) -> Record:
        """Note a step before it is done."""
        record = Record(
            step.name,
            step.title,
            self.run,
            done=False,
            files=files,
            undo_first=list(step.undo_first),
            undo_then=list(step.undo_then),
            calm=list(step.calm_undo or step.calm),
        )
        self.records.append(record)
        self._write()
        return record

    def done(self, record: Record) -> None:
        """Note that a step is done; one of the same name that was cut short is so with it."""
        for one in self.records:
            if one.step == record.step:
                one.done = True
        self._write()

    def undone(self, record: Record) -> None:
        """Forget a step that is undone."""
        self.records.remove(record)
        self._write()

    def keep(self, content: bytes) -> str:
        """Keep a content; give its name."""
        name = digest(content)
        if not (path := self._folder / name).exists():
            with outfile.replacing(path) as file:
                file.write(content)
        return name

    def kept(self, name: str) -> bytes:
        """Give a content that is kept.

        Raises:
            SiagaError: if it is not as it was.

        """
        try:
            content = infile.read(self._folder / name, _MOST)
        except OSError as error:
            raise SiagaError(
                f"{self._folder / name}: a kept copy cannot be read ({plainly(error)})"
            ) from error
        if digest(content) != name:
            raise SiagaError(f"{self._folder / name}: a kept copy is damaged")
        return content

    def close(self) -> None:
        """Let others in; what no record names is no longer kept."""
        if self._lock is None:
            return
        named = {
            name for record in self.records for file in record.files for name in (file.before, file.after)
        }
        for path in self._folder.iterdir():
            if path.name not in {"journal.json", "lock"} and path.name not in named:
                path.unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = None

    def _write(self) -> None:
        text = {
            "version": _VERSION,
            "run": self.run,
            "open": self.open,
            "records": [asdict(record) for record in self.records],
        }
        with outfile.replacing(self._folder / "journal.json") as file:
            file.write(json.dumps(text, indent=1).encode())


def of_run(records: Iterable[Record], run: int) -> list[Record]:
    """Give the records of one run, the last first."""
    return [record for record in reversed(list(records)) if record.run == run]
