"""Log lines that a peer can cause as often as it likes: at most one a second, which says how many it was."""

import asyncio
import threading
import time
from typing import Any, Final

import structlog

SECONDS: Final = 1.0

_log = structlog.get_logger()


class Sparing:
    """One kind of line. The first is written at once; those within a second of it as one, with `count`.

    May be called from any thread; outside an event loop the last ones wait for the next line.
    """

    def __init__(self, event: str, level: str = "warning", seconds: float = SECONDS) -> None:
        self._event = event
        self._level = level
        self._seconds = seconds
        self._lock = threading.Lock()
        self._next = 0.0
        self._count = 0
        self._fields: dict[str, Any] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, **fields: Any) -> None:
        """Tell of one more."""
        with self._lock:
            self._count += 1
            self._fields = fields
            wait = self._next - time.monotonic()
            if wait > 0:
                self._later(wait)
                return
            line = self._line()
        self._tell(line)

    def _later(self, wait: float) -> None:
        if self._timer is None:
            try:
                self._timer = asyncio.get_running_loop().call_later(wait, self._told_later)
            except RuntimeError:  # no loop in this thread
                return

    def _told_later(self) -> None:
        with self._lock:
            self._timer = None
            line = self._line() if self._count else None
        if line:
            self._tell(line)

    def _line(self) -> dict[str, Any]:
        fields = self._fields | ({"count": self._count} if self._count > 1 else {})
        self._count, self._next = 0, time.monotonic() + self._seconds
        return fields

    def _tell(self, fields: dict[str, Any]) -> None:
        getattr(_log, self._level)(self._event, **fields)
