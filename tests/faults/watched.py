"""`siaga112 run` that also measures the lag of its event loop: `python -m tests.faults.watched run`.

At SIGUSR1 it logs the largest lag since the last SIGUSR1 (`lag`): how late the loop resumed a task that was
due, in milliseconds, without the time in which the machine had no processor for this process.
"""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Final

import structlog

from siaga112.adapters.supervision import Descriptors
from siaga112.cli import main

LOOK_SECONDS: Final = 0.005

_log = structlog.get_logger()


class Lag:
    """The largest lag since it was last logged."""

    def __init__(self) -> None:
        self._schedule = os.open(Path("/proc/self/schedstat"), os.O_RDONLY)
        self.worst = self.noise = 0.0

    async def run(self) -> None:
        """Sleep a few milliseconds at a time, and measure how late each sleep ends."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.tell)
        while True:
            due, waited = time.perf_counter() + LOOK_SECONDS, self._no_processor()
            await asyncio.sleep(LOOK_SECONDS)
            noise = self._no_processor() - waited
            lag = time.perf_counter() - due
            self.worst = max(self.worst, lag - noise)
            self.noise = max(self.noise, noise)

    def tell(self) -> None:
        """Log the largest lag, and reset it."""
        _log.info("lag", milliseconds=max(0.0, self.worst * 1e3), noise=self.noise * 1e3)
        self.worst = self.noise = 0.0

    def _no_processor(self) -> float:
        """Return the seconds for which the main thread waited for a processor (proc(5), schedstat)."""
        return int(os.pread(self._schedule, 99, 0).split()[1]) / 1e9


_run = Descriptors.run


async def _run_watched(self: Descriptors) -> None:
    await asyncio.gather(_run(self), Lag().run())


Descriptors.run = _run_watched  # type: ignore[method-assign] # the test's own

if __name__ == "__main__":
    main()
