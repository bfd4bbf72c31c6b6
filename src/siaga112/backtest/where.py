"""Finds the lines of a capture that have a call's messages."""

import re
from typing import Final

from siaga112.backtest.cel import MAX_OPEN, MAX_ROWS
from siaga112.core.model import SECOND, CallId, Millis

_CHANNEL: Final = re.compile(rb"^(?:Dest)?Uniqueid: ([^\r\n]{1,150})", re.MULTILINE)
_AT: Final = re.compile(rb"^Timestamp: ([0-9]{1,12})(?:\.([0-9]{3}))?", re.MULTILINE)


class Where:
    """Stores the times and line numbers of each channel's messages."""

    def __init__(self) -> None:
        self._lines: dict[bytes, list[tuple[Millis, int]]] = {}

    def feed(self, message: bytes, line: int) -> None:
        """Take a message and the number of its first line."""
        at = _AT.search(message)
        if at is None:
            return
        moment = int(at[1]) * SECOND + int(at[2] or 0)
        for channel in {found[1] for found in _CHANNEL.finditer(message)}:
            held = self._lines.setdefault(channel, [])
            if len(held) < MAX_ROWS:
                held.append((moment, line))
        while len(self._lines) > MAX_OPEN:
            del self._lines[next(iter(self._lines))]

    def of(self, call: CallId) -> list[tuple[Millis, int]]:
        """Return the times and line numbers of a call that is over, and forget them."""
        return self._lines.pop(call.encode(), [])
