"""What a daemon on this machine runs with, in the state directory while it runs: the doctor reads it."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_NAME: Final = "running."
_LONGEST: Final = 64 * 1024


class RunningFile:
    """The file of one half, or of the whole daemon."""

    def __init__(self, state_dir: Path, half: str) -> None:
        self._path: Final = state_dir / f"{_NAME}{half}"

    def write(self, digests: Mapping[str, str]) -> None:
        """Put it there, whole, for this user alone.

        Raises:
            OSError: as the system says.

        """
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(beside, flags, 0o600), "w", encoding="utf-8") as file:
            json.dump({"process": os.getpid(), "digests": dict(digests)}, file)
        beside.replace(self._path)

    def remove(self) -> None:
        """Take it away."""
        with contextlib.suppress(OSError):
            self._path.unlink()


def running(state_dir: Path) -> dict[str, Mapping[str, str]]:
    """Give the digests of each daemon that runs here, by its half; nothing where this user may not look."""
    found: dict[str, Mapping[str, str]] = {}
    for path in sorted(state_dir.glob(f"{_NAME}*")):
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with os.fdopen(os.open(path, flags), "rb") as file:
                told = json.loads(file.read(_LONGEST))
            if Path(f"/proc/{int(told['process'])}").exists():  # else it was killed
                found[path.name.removeprefix(_NAME)] = {
                    str(key): str(value) for key, value in told["digests"].items()
                }
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            continue
    return found
