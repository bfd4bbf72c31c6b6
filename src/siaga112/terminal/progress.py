"""A bar on stderr for what takes longer than a second; on a terminal only."""

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
"""The line of the bar empty, and the cursor shown."""


def _give_back(terminal: int) -> None:
    os.write(terminal, _GIVEN_BACK)


class Bar:
    """Shows which share of the work is done, from one second on."""

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
        """Tell the share that is done, from 0 to 1, and what else there is to say of it."""
        if self._shown is None and sys.stderr.isatty():
            if time.monotonic() - self._begun < PATIENCE_SECONDS:
                return
            self._shown = self._show()
        if self._shown:
            self._shown.update(self._shown.task_ids[0], completed=share, note=note)

    def _show(self) -> "Progress":
        from rich.console import Console  # noqa: PLC0415 - only who waits before a terminal needs rich for this
        from rich.progress import Progress, TextColumn  # noqa: PLC0415 - as above

        columns = (*Progress.get_default_columns(), TextColumn("{task.fields[note]}"))
        shown = Progress(*columns, console=Console(stderr=True), transient=True)
        shown.add_task(self._what, total=1.0, note="")
        self._interrupted.__enter__()
        shown.start()
        return shown
