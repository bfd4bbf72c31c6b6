"""`siaga112 run` that kills processes at a given step: `python -m tests.faults.killed ORDER run …`.

At SIGUSR1 it reads and deletes the file ORDER: a key of `STEPS`, a number n, and pids. When it reaches that
step for the n-th time from then on, it kills these processes and their children with SIGKILL and continues.
Without pids it kills itself.
"""

import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from siaga112.adapters.database.records import DatabaseRecords, _Work
from siaga112.adapters.outbox import SqliteOutbox
from siaga112.adapters.redis.block_list import RedisBlockList
from siaga112.cli import main
from siaga112.core.tracking.tracker import Tracker
from siaga112.service.pipeline import Pipeline
from siaga112.service.recording import Recorder

STEPS: Final[dict[str, tuple[type, str, bool]]] = {
    "the hang-up is read": (Tracker, "_gone", False),
    "the call is settled": (Pipeline, "_entry_of", True),
    "before it is on disk": (SqliteOutbox, "append", False),
    "it is on disk": (SqliteOutbox, "append", True),
    "before it is recorded": (Recorder, "record", False),
    "what is held is read": (_Work, "held", True),
    "before the strike is stored": (_Work, "finish", False),
    "it is about to be committed": (_Work, "finish", True),
    "the strike is stored": (DatabaseRecords, "transaction", True),
    "before it is published": (RedisBlockList, "_send", False),
    "it is published": (RedisBlockList, "_send", True),
    "before it leaves the outbox": (SqliteOutbox, "drop", False),
    "it has left the outbox": (SqliteOutbox, "drop", True),
}
"""The method of each step, in order. True: processes are killed after it; False: before it."""


TOGETHER: Final = frozenset(
    {
        "before it is on disk",
        "it is on disk",
        "before it is recorded",
        "before the strike is stored",
        "it is about to be committed",
        "the strike is stored",
        "before it is published",
        "it is published",
        "before it leaves the outbox",
        "it has left the outbox",
    }
)
"""Steps that many calls take together: twenty calls may take one of these only once."""

CALL_BY_CALL: Final = frozenset({"the hang-up is read", "the call is settled"})
"""Steps that each call takes by itself."""


GONE_SECONDS: Final = 20


def order(path: Path, step: str, nth: int, *pids: int) -> None:
    """Write the order that the next SIGUSR1 makes the process read."""
    path.write_text(f"{step}\n{nth} {' '.join(map(str, pids))}", "ascii")


class _Doom:
    """The step at which to kill, and which processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._step = ""
        self._left = 0
        self._whose: list[int] = []

    def obey(self, *_: object) -> None:
        """Read and delete the order."""
        self._step, numbers = self._path.read_text("ascii").split("\n")
        self._left, *self._whose = map(int, numbers.split())
        self._path.unlink()

    def at(self, step: str) -> None:
        """Count a step that was reached; kill if the order says so."""
        if step == self._step:
            self._left -= 1
            if self._left == 0:
                _end(self._whose)


def _end(pids: list[int]) -> None:
    """Kill these processes and their children, and wait until they are gone. Without pids, kill this one."""
    if not pids:
        os.kill(os.getpid(), signal.SIGKILL)
    children = [
        int(child)
        for pid in pids
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    ]
    for pid in (*pids, *children):
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            os.kill(pid, signal.SIGKILL)
            select.select([handle], [], [], GONE_SECONDS)
            os.close(handle)


def watch(doom: _Doom, step: str) -> None:
    """Make the method of that step report to `doom`."""
    owner, name, after = STEPS[step]
    done = getattr(owner, name)

    async def awaited(*args: Any) -> Any:
        if not after:
            doom.at(step)
        result = await done(*args)
        if after:
            doom.at(step)
        return result

    def called(*args: Any) -> Any:
        if not after:
            doom.at(step)
        result = done(*args)
        if after:
            doom.at(step)
        return result

    replacement: Callable[..., Any] = called if owner in {Tracker, Pipeline, _Work} else awaited
    setattr(owner, name, replacement)


if __name__ == "__main__":
    doomed = _Doom(Path(sys.argv.pop(1)))
    signal.signal(signal.SIGUSR1, doomed.obey)
    for each in STEPS:
        watch(doomed, each)
    main()
