"""How far a long reading is: on a terminal, from one second on, on stderr."""

import sys
import time
from types import TracebackType
from typing import Final, Self

PATIENCE_SECONDS: Final = 1.0
EVERY_SECONDS: Final = 0.2


class Progress:
    """Rows, rate and share of what there is to read. `total` in bytes; 0 if not known."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._rows = 0
        self._bytes = 0
        self._began = time.monotonic()
        self._told = self._began + PATIENCE_SECONDS - EVERY_SECONDS
        self._shown = False
        self._wanted = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def advance(self, rows: int, size: int) -> None:
        """Count what was read."""
        self._rows += rows
        self._bytes += size
        now = time.monotonic()
        if self._wanted and now - self._told >= EVERY_SECONDS:
            self._told, self._shown = now, True
            share = min(100, 100 * self._bytes // self._total) if self._total else 0
            rate = self._rows / (now - self._began)
            sys.stderr.write(f"\r{share:3d} %  {self._rows:,} rows  {rate:,.0f} rows/s ")
            sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            sys.stderr.write("\r\033[K")
