"""A progress bar on stderr for work that takes longer than a second; only on a terminal."""

import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from siaga112 import interrupts

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE_SECONDS: Final = 1.0

_GIVEN_BACK: Final = b"\r\x1b[2K\x1b[?25h"
"""Clears the bar's line, and shows the cursor."""


def _give_back(terminal: int) -> None:
    os.write(terminal, _GIVEN_BACK)


class Bar:
    """Shows the share of the work that is done, after the first second."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._begun = time.monotonic()
        self._shown: Progress | None = None
        self._interrupted = interrupts.PuttingBack(lambda: _give_back(2))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._shown.stop()
            self._interrupted.__exit__(kind, error, trace)

    def __call__(self, share: float, note: str = "") -> None:
        """Update the share that is done, from 0 to 1, and a note beside it."""
        if self._shown is None and sys.stderr.isatty():
            if time.monotonic() - self._begun < PATIENCE_SECONDS:
                return
            self._shown = self._show()
        if self._shown:
            self._shown.update(self._shown.task_ids[0], completed=share, note=note)

    def _show(self) -> "Progress":
        from rich.console import Console  # noqa: PLC0415 - rich is needed only by who waits at a terminal
        from rich.progress import Progress, TextColumn  # noqa: PLC0415 - as above

        columns = (*Progress.get_default_columns(), TextColumn("{task.fields[note]}"))
        shown = Progress(*columns, console=Console(stderr=True), transient=True)
        shown.add_task(self._what, total=1.0, note="")
        self._interrupted.__enter__()
        shown.start()
        return shown
