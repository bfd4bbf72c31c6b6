"""`siaga112 run` that kills itself at a step of recording: `python -m tests.faults.killed STEP NTH run …`.

STEP is a key of `STEPS`; the process is gone, by SIGKILL, the NTH time that it gets there after SIGUSR1.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from itertools import count
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
"""What is done at each step, in order; and whether the end comes after it, or before."""


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
"""The steps that many calls take at once: of twenty perhaps in one."""

CALL_BY_CALL: Final = frozenset({"the hang-up is read", "the call is settled"})
"""The steps that are taken for each call by itself."""


def deadly(step: str, nth: int) -> None:
    """Make that step the last, the nth time."""
    owner, name, after = STEPS[step]
    done = getattr(owner, name)
    times = count(1)
    armed = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: armed.set())

    def end() -> None:
        if armed.is_set() and next(times) == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    async def awaited(*args: Any) -> Any:
        if not after:
            end()
        result = await done(*args)
        if after:
            end()
        return result

    def called(*args: Any) -> Any:
        if not after:
            end()
        result = done(*args)
        if after:
            end()
        return result

    replacement: Callable[..., Any] = called if owner in {Tracker, Pipeline, _Work} else awaited
    setattr(owner, name, replacement)


if __name__ == "__main__":
    deadly(sys.argv[1], int(sys.argv[2]))
    del sys.argv[1:3]
    main()
