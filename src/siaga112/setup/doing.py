"""Executes a plan: records, does and checks each step; if one fails, undoes the whole run.

Files are replaced atomically. If setup is killed at any line, the PBX still has valid files and calls go on;
the next setup finds the unfinished steps in the journal.
"""

import asyncio
import grp
import os
import socket
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from siaga112 import infile
from siaga112.adapters.ami.session import AmiAddress
from siaga112.doctor.looking import ami
from siaga112.doctor.observations import Context, Contexts, PbxSeen
from siaga112.doctor.walk import GUARD, route
from siaga112.errors import SiagaError, UnreachableError
from siaga112.reasons import plainly
from siaga112.setup import told, ways
from siaga112.setup.edits import difference, readable, taken_back
from siaga112.setup.facts import Facts
from siaga112.setup.journal import Journal, Kept, Record, of_run
from siaga112.setup.looking import PATIENCE_SECONDS, Console
from siaga112.setup.planning import USER
from siaga112.setup.steps import (
    Check,
    Command,
    Dialplan,
    Listens,
    Login,
    Plan,
    Queues,
    Says,
    Step,
    Write,
)
from siaga112.terminal import outfile

CHECK_SECONDS: Final = 20.0
"""How long a check may take to succeed: a daemon has to start."""

CALM_SECONDS: Final = 15.0
"""How long a change waits for its extensions to be free of calls; then it goes ahead."""

EMPTY_SECONDS: Final = 60.0
"""How long an undo waits for the last call to leave our contexts; then it stops."""

_PAUSE: Final = 0.2
_MOST: Final = 64 * infile.MIB
_MISSING: Final = (FileNotFoundError, NotADirectoryError)
_RELOADED: Final = {"dialplan reload": "Dialplan reloaded"}
"""The output that proves the success of a command."""

Tell = Callable[[str], None]


class FailedError(Exception):
    """A step failed; the message says why."""


def point(_: str) -> None:
    """Mark a moment between two changes. Does nothing: the tests kill the process here."""


@dataclass(frozen=True, slots=True)
class Doer:
    """Executes and undoes steps."""

    console: Console
    journal: Journal
    tell: Tell

    def apply(self, plan: Plan, facts: Facts) -> None:
        """Execute all steps of a plan.

        Raises:
            SiagaError: if a step fails; the whole run is undone first.

        """
        self.journal.started()
        point("started")
        for step in plan.steps:
            try:
                self._do(step, facts)
            except (FailedError, SiagaError) as error:
                self.tell(f"{step.title}: {error}")
                left = self._take_back(of_run(self.journal.records, self.journal.run))
                self.journal.ended()
                raise SiagaError(
                    f"{step.title}: {error}; "
                    + ("; ".join(left) if left else "everything is as it was before")
                ) from error
        self.journal.ended()
        point("ended")

    def _do(self, step: Step, facts: Facts) -> None:
        files = [self._noted(write) for write in step.writes]
        if step.writes or step.commands:
            self._calm(step.calm, CALM_SECONDS)
        record = self.journal.begun(step, files)
        point(f"{step.name} noted")
        for write in step.writes:
            _written(write)
            point(f"{step.name} wrote {write.path}")
        for command in step.commands:
            self._run(command, step.seconds)
            point(f"{step.name} ran {' '.join(command)}")
        for check in step.checks:
            self._check(check, facts)
        self.journal.done(record)
        point(f"{step.name} done")

    def _noted(self, write: Write) -> Kept:
        path = Path(os.path.realpath(write.path))
        before = self.journal.keep(write.before) if write.before is not None else None
        after = self.journal.keep(write.after)
        folders = [str(one) for one in reversed(path.parents) if not one.exists()]
        try:
            if _content(path) != write.before:
                raise FailedError(f"{path} has changed while this was planned")
            found = path.stat()
            return Kept(
                str(path), before, after, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, folders
            )
        except _MISSING:
            return Kept(str(path), None, after, write.mode, -1, -1, folders)
        except OSError as error:
            raise FailedError(f"{path}: {plainly(error)}") from error

    def _run(self, command: Command, seconds: float = PATIENCE_SECONDS) -> None:
        code, said = self.console.run(command, seconds)
        wanted = _RELOADED.get(command[-1], "")
        if code or wanted not in said or "Unable to connect" in said:
            last = (said.strip() or "no word").splitlines()[-1]
            raise FailedError(f"{' '.join(command)}: {last}")

    def _check(self, check: Check, facts: Facts) -> None:
        ends = time.monotonic() + CHECK_SECONDS
        while wrong := self._wrong(check, facts):  # ends: at the deadline
            if time.monotonic() > ends or isinstance(check, Dialplan):
                raise FailedError(wrong)
            time.sleep(_PAUSE)

    def _wrong(self, check: Check, facts: Facts) -> str:
        """Return why a check fails; '' if it succeeds."""
        match check:
            case Says(command, text):
                _, said = self.console.run(command)
                return "" if text in said else f"{' '.join(command)} does not say {text}"
            case Dialplan():
                contexts, _ = told.dialplan(self.console.ask("dialplan show"))
                return unlike(facts.live.contexts, contexts, check)
            case Queues():
                now = told.queues(self.console.ask("queue show"))
                lost = [name for name in facts.live.queues if name not in now]
                return f"queue {lost[0]} is gone" if lost else ""
            case Login(host, port, secret):
                seen = asyncio.run(ami.examine(AmiAddress(host, port, USER, secret), ami.Sought((), (), ())))
                return "" if isinstance(seen, PbxSeen) else f"the PBX does not let {USER} in: {seen.why}"
            case Listens(host, port):
                with suppress(OSError), socket.create_connection((host, port), timeout=1):
                    return ""
                return f"nobody listens at {host}:{port}"

    def _calm(self, places: Sequence[tuple[str, str]], seconds: float) -> bool:
        """Wait until no call is in these extensions; return whether that happened in time."""
        ends = time.monotonic() + seconds
        while places and self._engaged(places):  # ends: at the deadline
            if time.monotonic() > ends:
                return False
            time.sleep(_PAUSE)
        return True

    def _engaged(self, places: Sequence[tuple[str, str]]) -> bool:
        try:
            there = told.engaged(self.console.ask("core show channels concise"))
        except UnreachableError:  # a PBX that is down has no calls
            return False
        return any(
            context == name and wanted in {"*", exten} for name, exten in there for context, wanted in places
        )

    def undo(self) -> list[str]:
        """Undo all runs; return what could not be undone, and why.

        Raises:
            SiagaError: if our lines were edited since; nothing is changed then.

        """
        if stuck := [f"{one.path}: {one.why}" for one in self.changes() if one.why]:
            raise SiagaError("; ".join(stuck))
        self.journal.started()
        left = self._take_back(list(reversed(self.journal.records)))
        self.journal.ended()
        return left

    def changes(self) -> "list[Change]":
        """Return what an undo makes of each file, with the edits made since."""
        now: dict[str, Change] = {}
        for record in reversed(self.journal.records):
            for file in record.files:
                one = now.get(file.path)
                found = one.then if one else _content_or_none(Path(file.path))
                first = one.now if one else found
                then, edited, why = self._before(file, found)
                edited = edited or (one.edited if one else "")
                now[file.path] = Change(file.path, first, then, edited, why or (one.why if one else ""))
        return list(now.values())

    def _before(self, file: Kept, found: bytes | None) -> tuple[bytes | None, str, str]:
        """Return a file as it was before a step, with later edits; the edits; why that is impossible."""
        after = self.journal.kept(file.after)
        before = self.journal.kept(file.before) if file.before else None
        if found in {after, before}:
            return before, "", ""
        ours = readable(after)
        if ours is None:
            return found, f"{file.path} was changed since", ""
        edits = difference(file.path, ours, readable(found))
        if before is None or found is None:
            return found, edits, ""  # somebody edited or deleted a file that setup wrote
        texts = (content.decode("utf-8", "surrogateescape") for content in (before, after, found))
        merged = taken_back(*texts)
        if merged is None:
            return (
                found,
                edits,
                "was edited since where our lines are: take them out by hand, then undo again",
            )
        return merged.encode("utf-8", "surrogateescape"), edits, ""

    def _take_back(self, records: Iterable[Record]) -> list[str]:
        left: list[str] = []
        for record in records:
            self.tell(f"undo: {record.title}")
            if not self._calm(record.calm, EMPTY_SECONDS if record.step == "dialplan" else CALM_SECONDS) and (
                record.step == "dialplan"
            ):
                left.append(
                    "calls are still in our part of the dialplan: in a moment, siaga112 setup --undo again"
                )
                return left
            left += [said for command in record.undo_first if (said := self._tried(command))]
            failed = []
            for file in reversed(record.files):
                try:
                    left += self._put_back(file)
                except OSError as error:
                    failed.append(f"{file.path}: {plainly(error)}")
                point(f"undo {record.step} {file.path}")
            left += failed
            left += [said for command in record.undo_then if (said := self._tried(command))]
            if not failed:  # else the next undo needs the record, and the contents that it names
                self.journal.undone(record)
            point(f"undo {record.step}")
        return left

    def _tried(self, command: Command) -> str:
        try:
            self._run(command)
        except FailedError as error:
            return str(error)
        return ""

    def _put_back(self, file: Kept) -> list[str]:
        path = Path(file.path)
        found = _content_or_none(path)
        then, edits, why = self._before(file, found)
        if why:
            return [f"{path} {why}"]
        if edits and then == found:
            return [f"{path} was edited since, and is left as it is"] if found is not None else []
        if then is None:
            path.unlink(missing_ok=True)
        elif then != found:
            now = path.stat()  # somebody may have set its mode since
            with outfile.replacing(path, stat.S_IMODE(now.st_mode)) as part:
                os.fchown(part.fileno(), now.st_uid, now.st_gid)
                part.write(then)
        for folder in reversed(file.folders):
            with suppress(OSError):  # others put files there
                Path(folder).rmdir()
        return []


@dataclass(frozen=True, slots=True)
class Change:
    """What an undo makes of a file; None: no file."""

    path: str
    now: bytes | None
    then: bytes | None
    edited: str
    """The edits made since, as a diff; '' if there are none."""
    why: str = ""
    """Why the file cannot be undone; '' if it can."""


def _content(path: Path) -> bytes | None:
    return infile.read(path, _MOST)


def _content_or_none(path: Path) -> bytes | None:
    try:
        return _content(path)
    except _MISSING:
        return None
    except OSError as error:
        raise SiagaError(f"{path}: cannot be read ({plainly(error)}); run as root") from error


def _written(write: Write) -> None:
    """Replace a file atomically; an existing one keeps its mode and owner."""
    path = Path(os.path.realpath(write.path))
    try:
        for folder in reversed(path.parents):
            if not folder.exists():
                folder.mkdir()
                folder.chmod(write.folder if folder == path.parent else 0o755)  # regardless of the umask
        found = path.stat() if path.exists() else None
        with outfile.replacing(path, stat.S_IMODE(found.st_mode) if found else write.mode) as file:
            if found:
                os.fchown(file.fileno(), found.st_uid, found.st_gid)
            elif write.group:
                os.fchown(file.fileno(), -1, _gid(write.group))
            file.write(write.after)
    except OSError as error:
        raise FailedError(f"{path}: {plainly(error)}") from error


def _gid(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return -1


def unlike(before: Contexts, after: Contexts, wanted: Dialplan) -> str:
    """Return the first unwanted or missing change of the dialplan after a reload; '' if there is none."""
    lacking = [f"the reload has brought no [{name}]" for name in wanted.loaded if name not in after]
    lacking += [
        f"[{context}] {exten} does not ask after the reload"
        for context, exten in wanted.asking
        if not ways.guarded(after, context, exten)
    ]
    lacking += [
        f"a call to {number} in [{trunk}] does not come to the question"
        for trunk, number in wanted.calls
        if not route(after, trunk, number).guarded
    ]
    if lacking:
        return lacking[0]
    theirs = ((name, context) for name, context in before.items() if not name.startswith(ways.OURS))
    return next((said for name, context in theirs if (said := _changed(name, context, after))), "")


def _changed(name: str, context: Context, after: Contexts) -> str:
    if name not in after:
        return f"the reload took away [{name}]"
    for exten, steps in context.extensions.items():
        now = after[name].extensions.get(exten, ())
        if now and GUARD in now[0].data and not (steps and GUARD in steps[0].data):
            now = now[1:]  # it asks now: a killed setup may have written the line
        if [(step.application, step.data) for step in now] != [
            (step.application, step.data) for step in steps
        ]:
            return f"the reload changed [{name}] {exten}: the files had changes that were not in force"
    gone = [one for one in context.includes if one not in after[name].includes]
    return f"the reload took the include of {gone[0]} from [{name}]" if gone else ""
