"""Our own clock, and the latest time that it has shown.

If the clock is set back, blocks that have ended would be in force again. Nobody knows which time was right,
so for `BELIEVED_SECONDS` the later one decides whether a block has ended; after that, the clock is accepted
as it is. The latest time survives a restart.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from siaga112.core.model import SECOND, TOLERANCE, Millis

EVERY_SECONDS: Final = 30.0
BELIEVED_SECONDS: Final = 86_400.0

_log = structlog.get_logger()


class Kept(Protocol):
    """Stores an instant across restarts. Both methods raise OSError on failure."""

    def read(self) -> Millis:
        """Return the stored instant, 0 if there is none."""

    def write(self, at: Millis) -> None:
        """Replace the stored instant."""


@dataclass(slots=True)
class OwnClock:
    """Checks our own clock, `wall`, periodically. `stopwatch`: a monotonic clock in seconds."""

    wall: Callable[[], Millis]
    stopwatch: Callable[[], float]
    kept: Kept
    _latest: Millis = 0
    _back_since: float | None = None

    def latest(self) -> Millis:
        """Return the latest time that the clock has shown and that is still believed."""
        return self._latest

    async def begin(self) -> None:
        """Read the stored time. Call this before the first verdict."""
        try:
            self._latest = await asyncio.to_thread(self.kept.read)
        except OSError as error:
            _log.warning("clock_not_read", detail=str(error), remedy="is state_dir accessible?")
        self.look()

    async def run(self) -> None:
        """Check the clock every `EVERY_SECONDS`, for ever."""
        told = False
        while True:
            self.look()
            try:
                await asyncio.to_thread(self.kept.write, self._latest)
                told = False
            except OSError as error:
                if not told:
                    _log.warning("clock_not_saved", detail=str(error), remedy="is state_dir accessible?")
                told = True
            await asyncio.sleep(EVERY_SECONDS)

    def look(self) -> None:
        """Check the clock once."""
        now = self.wall()
        if now >= self._latest:
            if self._back_since is not None:
                _log.info("clock_caught_up")
            self._latest, self._back_since = now, None
            return
        behind = self._latest - now
        if behind > TOLERANCE and self._back_since is None:
            self._back_since = self.stopwatch()
            _log.warning(
                "clock_set_back",
                seconds=behind // SECOND,
                verdicts="for a day, temporary blocks that had already ended stay ended",
                remedy="see the runbook, Clocks apart",
            )
        if behind <= TOLERANCE or self.stopwatch() - (self._back_since or 0) > BELIEVED_SECONDS:
            if behind > TOLERANCE:
                _log.info("clock_accepted", seconds=behind // SECOND)
            self._latest, self._back_since = now, None
