"""What a daemon on this machine runs with, in the state directory while it runs: the doctor reads it."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from siaga112.adapters import state_dir

_NAME: Final = "running."


class RunningFile:
    """The file of one half, or of the whole daemon."""

    def __init__(self, folder: Path, half: str) -> None:
        self._path: Final = folder / f"{_NAME}{half}"

    def write(self, digests: Mapping[str, str]) -> None:
        """Put it there.

        Raises:
            OSError: as the system says.

        """
        state_dir.write(self._path, json.dumps({"process": os.getpid(), "digests": dict(digests)}).encode())

    def remove(self) -> None:
        """Take it away."""
        with contextlib.suppress(OSError):
            self._path.unlink()


def running(folder: Path) -> dict[str, Mapping[str, str]]:
    """Give the digests of each daemon that runs here, by its half; nothing where this user may not look."""
    found: dict[str, Mapping[str, str]] = {}
    for path in sorted(folder.glob(f"{_NAME}*")):
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            told = json.loads(state_dir.read(path))
            if Path(f"/proc/{int(told['process'])}").exists():  # else it was killed
                digests = {str(key): str(value) for key, value in told["digests"].items()}
                found[path.name.removeprefix(_NAME)] = digests
    return found
