"""Our own clock, and the latest instant that it has shown.

A clock that is set back would let blocks that have ended hold again. Which of its times was right is not
known, so for `BELIEVED_SECONDS` an end counts by the later one; after that the clock is taken as it is.
What was shown last is kept over a restart.
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
    """Where an instant is kept over a restart; what fails is an OSError."""

    def read(self) -> Millis:
        """Give what was kept last, 0 for nothing."""

    def write(self, at: Millis) -> None:
        """Keep it in its place."""


@dataclass(slots=True)
class OwnClock:
    """Looks at our own clock, `wall`, every now and then; `stopwatch` in seconds, and never set back."""

    wall: Callable[[], Millis]
    stopwatch: Callable[[], float]
    kept: Kept
    _latest: Millis = 0
    _back_since: float | None = None

    def latest(self) -> Millis:
        """Give the latest instant that it has shown, if that is believed."""
        return self._latest

    async def begin(self) -> None:
        """Read what was kept, before the first verdict."""
        try:
            self._latest = await asyncio.to_thread(self.kept.read)
        except OSError as error:
            _log.warning("clock_not_read", detail=str(error), remedy="is state_dir this user's?")
        self.look()

    async def run(self) -> None:
        """Keep looking, for ever."""
        told = False
        while True:
            self.look()
            try:
                await asyncio.to_thread(self.kept.write, self._latest)
                told = False
            except OSError as error:
                if not told:
                    _log.warning("clock_not_kept", detail=str(error), remedy="is state_dir this user's?")
                told = True
            await asyncio.sleep(EVERY_SECONDS)

    def look(self) -> None:
        """Look at it once."""
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
                verdicts="temporary blocks that had ended before that do not hold again, for a day",
                remedy="see the runbook, Clocks apart",
            )
        if behind <= TOLERANCE or self.stopwatch() - (self._back_since or 0) > BELIEVED_SECONDS:
            if behind > TOLERANCE:
                _log.info("clock_taken", seconds=behind // SECOND)
            self._latest, self._back_since = now, None
