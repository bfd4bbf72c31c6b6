"""Records each step on disk before it is executed, so that it can be undone or, after a kill, resumed.

The folder belongs to root alone (or to the user who runs setup). It has `journal.json`, and each content
before and after a step under its SHA-256. It is not in the daemon's state directory, because root writes
these contents back to /etc.
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
    """A file before and after a step, as names of stored contents; None is no file.

    Mode and owner are those before it; an undo leaves them as they are by then.
    """

    path: str
    before: str | None
    after: str
    mode: int
    uid: int
    gid: int
    folders: list[str] = field(default_factory=list)
    """The folders created for it, outermost first."""


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
    """The journal; `locked` opens it for writing."""

    def __init__(self, folder: Path) -> None:
        """Read the journal; it is empty if the folder does not exist.

        Raises:
            SiagaError: if others may access the folder, or the journal is unreadable.

        """
        self._folder = folder
        self._lock: int | None = None
        self.records: list[Record] = []
        self.run = 0
        self.open = False
        """Whether the last run did not finish."""
        self._read()

    @classmethod
    def locked(cls, folder: Path) -> Self:
        """Open the journal for writing: create the folder, and lock it against a second setup.

        Raises:
            SiagaError: if another setup is running, or the folder cannot be created.

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
        """The steps that a killed setup did not finish; during a run, also those of the dialplan."""
        cut = {"dialplan", "guard"} if self.open else set[str]()
        return frozenset(cut | {record.step for record in self.records if not record.done})

    @property
    def installed(self) -> dict[str, str]:
        """Path, without links → digest of the content written last."""
        return {file.path: file.after for record in self.records for file in record.files}

    def started(self) -> None:
        """Begin a run, or resume an unfinished one."""
        if not self.open:
            self.run, self.open = self.run + 1, True
            self._write()

    def ended(self) -> None:
        """Record the end of the run."""
        self.open = False
        for record in self.records:
            record.done = True
        self._write()

    def begun(self, step: Step, files: list[Kept]) -> Record:
        """Record a step before it is executed."""
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
        """Mark a step as done, with any interrupted step of the same name."""
        for one in self.records:
            if one.step == record.step:
                one.done = True
        self._write()

    def undone(self, record: Record) -> None:
        """Remove an undone step."""
        self.records.remove(record)
        self._write()

    def keep(self, content: bytes) -> str:
        """Store a content; return its name."""
        name = digest(content)
        if not (path := self._folder / name).exists():
            with outfile.replacing(path) as file:
                file.write(content)
        return name

    def kept(self, name: str) -> bytes:
        """Return a stored content.

        Raises:
            SiagaError: if it is unreadable or damaged.

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
        """Release the lock, and delete contents that no record names."""
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
    """Return the records of one run, last first."""
    return [record for record in reversed(list(records)) if record.run == run]
