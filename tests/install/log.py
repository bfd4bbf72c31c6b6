"""What was done on the machine, and when."""

import time
from typing import Final

_WHOLE: Final = 40
_EACH_END: Final = 2


class Log:
    """Printed as it comes, and kept for the page."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._zero = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has been since the beginning."""
        return time.monotonic() - self._zero

    def begin(self) -> None:
        """Count from here."""
        self._zero = time.monotonic()

    def line(self, text: str) -> None:
        """Take a line as it is."""
        print(text, flush=True)
        self.lines.append(text)

    def done(self, what: str) -> None:
        """Say what is done, and when."""
        self.line(f"{self.seconds:6.1f} s  {what}")

    def said(self, text: str) -> None:
        """Take what a command printed; of what is long, the ends."""
        lines = text.rstrip().splitlines()
        if len(lines) > _WHOLE:
            lines = [*lines[:_EACH_END], "…", *lines[-_EACH_END:]]
        for line in lines:
            self.line(f"            {line}".rstrip())
