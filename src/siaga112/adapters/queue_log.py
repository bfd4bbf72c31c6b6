"""The PBX's `queue_log` file, read backwards from the end as far as needed."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from siaga112 import infile
from siaga112.core.model import SECOND, Millis, credible

BLOCK: Final = 1 << 20
MOST: Final = 32 * BLOCK
"""The most we read: its lines then take about 200 MB."""
_SECONDS: Final = re.compile(r"([0-9]{1,12})[.|]")


class QueueLogFile:
    """The lines since a point in time, without reading the years before."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def lines(self, since: Millis) -> Sequence[str]:
        """Return the lines written since then, oldest first. Raises OSError if the file cannot be read."""
        return await asyncio.to_thread(self._lines, since)

    def _lines(self, since: Millis) -> Sequence[str]:
        with infile.opened(self._path) as file:
            position = file.seek(0, 2)
            data = b""
            while position > 0 and len(data) < MOST and not _begins_before(data, since):
                step = min(BLOCK, position)
                position -= step
                file.seek(position)
                data = file.read(step) + data
        text = data.decode("utf-8", "replace").splitlines()
        return [line for line in text if (at := _epoch(line)) is None or at >= since]


def _begins_before(data: bytes, since: Millis) -> bool:
    """Return whether the first whole line of the data is older than `since`."""
    _, newline, rest = data.partition(b"\n")
    if not newline:
        return False
    at = _epoch(rest[:40].decode("utf-8", "replace"))
    return at is not None and at < since


def _epoch(line: str) -> Millis | None:
    found = _SECONDS.match(line)
    at = int(found[1]) * SECOND + SECOND - 1 if found else 0
    return at if credible(at) else None  # otherwise a damaged line would hide those before it
