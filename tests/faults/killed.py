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

from siaga112.adapters.outbox import SqliteOutbox
from siaga112.adapters.redis.store import RedisStore
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
    "what is held is read": (RedisStore, "held", True),
    "before the strike is stored": (RedisStore, "write", False),
    "the strike is stored": (RedisStore, "write", True),
    "before it leaves the outbox": (SqliteOutbox, "drop", False),
    "it has left the outbox": (SqliteOutbox, "drop", True),
}
"""What is done at each step, in order; and whether the end comes after it, or before."""


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

    replacement: Callable[..., Any] = called if owner in {Tracker, Pipeline} else awaited
    setattr(owner, name, replacement)


if __name__ == "__main__":
    deadly(sys.argv[1], int(sys.argv[2]))
    del sys.argv[1:3]
    main()
