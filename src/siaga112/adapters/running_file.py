"""The configuration that a running daemon uses, as digests in the state directory; the doctor reads it."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from siaga112.adapters import state_dir

_NAME: Final = "running."


class RunningFile:
    """The file of one half of the daemon, or of the whole."""

    def __init__(self, folder: Path, half: str) -> None:
        self._path: Final = folder / f"{_NAME}{half}"

    def write(self, digests: Mapping[str, str]) -> None:
        """Write the file.

        Raises:
            OSError: from the system.

        """
        state_dir.write(self._path, json.dumps({"process": os.getpid(), "digests": dict(digests)}).encode())

    def remove(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):
            self._path.unlink()


def running(folder: Path) -> dict[str, Mapping[str, str]]:
    """Return the digests of each daemon that runs here, by its half; skip files that cannot be read."""
    found: dict[str, Mapping[str, str]] = {}
    for path in sorted(folder.glob(f"{_NAME}*")):
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            told = json.loads(state_dir.read(path))
            if Path(f"/proc/{int(told['process'])}").exists():  # otherwise it was killed
                digests = {str(key): str(value) for key, value in told["digests"].items()}
                found[path.name.removeprefix(_NAME)] = digests
    return found
