"""A bar on stderr for what takes longer than a second; on a terminal only."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

PATIENCE_SECONDS = 1.0


class Bar:
    """Shows which share of the work is done, from one second on."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._begun = time.monotonic()
        self._shown: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._shown.stop()

    def __call__(self, share: float) -> None:
        """Tell the share that is done, from 0 to 1."""
        if self._shown is None:
            console = Console(stderr=True)
            if not console.is_terminal or time.monotonic() - self._begun < PATIENCE_SECONDS:
                return
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TimeRemainingColumn(),
            )
            self._shown = Progress(*columns, console=console, transient=True)
            self._shown.add_task(self._what, total=1.0)
            self._shown.start()
        self._shown.update(self._shown.task_ids[0], completed=share)
