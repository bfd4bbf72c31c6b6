"""What was done on the machine, and when."""

import os
import time
from typing import Final

_WHOLE: Final = 16
_EACH_END: Final = 2
_DOCTOR: Final = ("ok    ", "warn  ", "fail  ", "-     ")


def _processor() -> float:
    """Give the seconds of a processor that all took that we started, and that has ended."""
    times = os.times()
    return times.children_user + times.children_system


class Log:
    """Printed as it comes, and kept for the page."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.figures: dict[str, float] = {}
        """Seconds from the beginning, by what came then; and what else was counted."""
        self._zero = time.monotonic()
        self._worked = 0.0
        self._begun = False

    @property
    def seconds(self) -> float:
        """How long it has been since the beginning."""
        return time.monotonic() - self._zero

    def begin(self) -> None:
        """Count from here, if it has not begun."""
        if not self._begun:
            self._begun, self._zero, self._worked = True, time.monotonic(), _processor()

    def figure(self, name: str) -> None:
        """Keep when that came, and the seconds of a processor that what was done until then took."""
        self.figures[name] = self.seconds
        self.figures[f"{name} processor"] = _processor() - self._worked

    def line(self, text: str) -> None:
        """Take a line as it is."""
        print(text, flush=True)
        self.lines.append(text)

    def done(self, what: str) -> None:
        """Say what is done, and when."""
        self.line(f"{self.seconds:6.1f} s  {what}")

    def said(self, text: str) -> None:
        """Take what a command printed; of what is long, the ends and the doctor's word."""
        lines = text.rstrip().splitlines()
        if len(lines) > _WHOLE:
            doctor = next((n for n, line in enumerate(lines) if line.startswith(_DOCTOR)), len(lines))
            lines = [*lines[:_EACH_END], "…", *lines[min(doctor, len(lines) - _EACH_END) :]]
        for line in lines:
            self.line(f"            {line}".rstrip())
