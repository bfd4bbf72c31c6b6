"""Two clocks: the PBX's, which times the calls, and ours, by which blocks end.

Where they are further apart than is tolerated nobody knows which is right. Then what the PBX tells is timed
by our own clock, as everything that people decide is, and no call that was up meanwhile costs a strike.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from siaga112.core.ami.events import ClockOffset, Event
from siaga112.core.model import SECOND, TOLERANCE, Millis

_UNIQUEID: Final = re.compile(r"(?:.*-)?([0-9]{1,11})\.[0-9]+")
"""As Asterisk writes it: the system's name, if it has one, the second, a number."""


def made(uniqueid: str) -> Millis | None:
    """Give the second in which the PBX made a channel, by its own clock; None if the id carries none."""
    found = _UNIQUEID.fullmatch(uniqueid)
    return int(found[1]) * SECOND if found else None


class ClockWatch:
    """Compares the time of each event with when it came, and turns what is off by as much as it is off."""

    def __init__(self, tolerance: Millis = TOLERANCE) -> None:
        self._tolerance = tolerance
        self.ahead: Millis = 0
        """How far the PBX's clock is ahead of ours, or behind if negative; 0 while that is tolerated."""

    def timed(self, events: Sequence[Event], received: Millis) -> Sequence[Event]:
        """Give the events that came at that instant of our own clock, timed by it where the PBX's is off.

        `ClockSeen` stands before the first event that is off, and before the first that is right again.
        """
        first, last = received - self._tolerance, received + self._tolerance
        if not self.ahead:
            for event in events:
                if not first <= event.at <= last:
                    break
            else:
                return events
        return [*self._timed(events, received)]

    def _timed(self, events: Sequence[Event], received: Millis) -> Iterator[Event]:
        for event in events:
            if abs(event.at - self.ahead - received) > self._tolerance:  # somebody has set a clock
                ahead = event.at - received
                self.ahead = ahead if abs(ahead) > self._tolerance else 0
                yield ClockOffset(received, self.ahead)
            yield replace(event, at=event.at - self.ahead) if self.ahead else event
