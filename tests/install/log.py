"""What was done on the machine, and when."""

import os
import time
from typing import Final

_WHOLE: Final = 16
_EACH_END: Final = 2
_DOCTOR: Final = ("ok    ", "warn  ", "fail  ", "-     ")


def _processor() -> float:
    """Return the processor time of all child processes that have ended, in seconds."""
    times = os.times()
    return times.children_user + times.children_system


class Log:
    """The log of one machine: printed at once, and kept for the page."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.figures: dict[str, float] = {}
        """When each event happened, in seconds from the beginning; and other counts."""
        self._zero = time.monotonic()
        self._worked = 0.0
        self._begun = False

    @property
    def seconds(self) -> float:
        """The seconds since the beginning."""
        return time.monotonic() - self._zero

    def begin(self) -> None:
        """Start the clock, unless it runs."""
        if not self._begun:
            self._begun, self._zero, self._worked = True, time.monotonic(), _processor()

    def figure(self, name: str) -> None:
        """Record when this event happened, and the processor time used until then."""
        self.figures[name] = self.seconds
        self.figures[f"{name} processor"] = _processor() - self._worked

    def line(self, text: str) -> None:
        """Print and keep a line."""
        print(text, flush=True)
        self.lines.append(text)

    def done(self, what: str) -> None:
        """Log what is done, and when."""
        self.line(f"{self.seconds:6.1f} s  {what}")

    def said(self, text: str) -> None:
        """Log what a command printed; of a long text, the first lines and the doctor's, or the last ones."""
        lines = text.rstrip().splitlines()
        if len(lines) > _WHOLE:
            doctor = next((n for n, line in enumerate(lines) if line.startswith(_DOCTOR)), len(lines))
            lines = [*lines[:_EACH_END], "…", *lines[min(doctor, len(lines) - _EACH_END) :]]
        for line in lines:
            self.line(f"            {line}".rstrip())
