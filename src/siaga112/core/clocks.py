"""Clock offset: the PBX's clock times the calls, ours times the blocks.

If they differ by more than the tolerance, nobody knows which is right. Then our clock times the PBX's events
too, as it times everything that people decide, and calls that are up meanwhile cost no strike.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from siaga112.core.ami.events import ClockOffset, Event
from siaga112.core.model import TOLERANCE, Millis


class ClockWatch:
    """Compares each event's time with its time of arrival, and corrects events by the clock offset."""

    def __init__(self, tolerance: Millis = TOLERANCE) -> None:
        self._tolerance = tolerance
        self.ahead: Millis = 0
        """How many ms the PBX's clock is ahead of ours (negative: behind); 0 within the tolerance."""

    def timed(self, events: Sequence[Event], received: Millis) -> Sequence[Event]:
        """Return the events that arrived at `received`, corrected to our clock while the PBX's is off.

        A `ClockOffset` event precedes the first event that is off, and the first that is right again.
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
            if abs(event.at - self.ahead - received) > self._tolerance:  # somebody set a clock
                ahead = event.at - received
                self.ahead = ahead if abs(ahead) > self._tolerance else 0
                yield ClockOffset(received, self.ahead)
            yield replace(event, at=event.at - self.ahead) if self.ahead else event
