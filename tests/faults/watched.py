"""`siaga112 run` that also watches its own event loop, as `python -m tests.faults.watched run`.

At SIGUSR1 it logs for how long at most, since the last time, the loop kept somebody waiting who was due
(`lag`): milliseconds by the wall clock, less those in which the machine had no processor for us.
"""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Final

import structlog

from siaga112.adapters.supervision import LoopWatch
from siaga112.cli import main

LOOK_SECONDS: Final = 0.005

_log = structlog.get_logger()


class Lag:
    """The worst since the last time that it was told."""

    def __init__(self) -> None:
        self._schedule = os.open(Path("/proc/self/schedstat"), os.O_RDONLY)
        self.worst = self.noise = 0.0

    async def run(self) -> None:
        """Be due every few milliseconds."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.tell)
        while True:
            due, waited = time.perf_counter() + LOOK_SECONDS, self._no_processor()
            await asyncio.sleep(LOOK_SECONDS)
            noise = self._no_processor() - waited
            lag = time.perf_counter() - due
            self.worst = max(self.worst, lag - noise)
            self.noise = max(self.noise, noise)

    def tell(self) -> None:
        """Log it, and begin anew."""
        _log.info("lag", milliseconds=max(0.0, self.worst * 1e3), noise=self.noise * 1e3)
        self.worst = self.noise = 0.0

    def _no_processor(self) -> float:
        """Give the seconds that the main thread was ready to run and could not (proc(5), schedstat)."""
        return int(os.pread(self._schedule, 99, 0).split()[1]) / 1e9


_run = LoopWatch.run


async def _run_watched(self: LoopWatch) -> None:
    await asyncio.gather(_run(self), Lag().run())


LoopWatch.run = _run_watched  # type: ignore[method-assign] # the test's own

if __name__ == "__main__":
    main()
