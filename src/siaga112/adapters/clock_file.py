"""The latest time that our own clock has shown, in a file in the state directory."""

from pathlib import Path
from typing import Final

from siaga112.adapters import state_dir
from siaga112.core.model import Millis, credible
from siaga112.core.text import whole

NAME: Final = "clock"


class ClockFile:
    """Implements `service.own_clock.Kept` in one state directory."""

    def __init__(self, folder: Path) -> None:
        self._path: Final = folder / NAME

    def read(self) -> Millis:
        """Return the stored time; 0 if there is none or it is not credible."""
        try:
            at = whole(state_dir.read(self._path).strip()) or 0
        except FileNotFoundError:
            return 0
        return at if credible(at) else 0

    def write(self, at: Millis) -> None:
        """Store the time."""
        state_dir.write(self._path, b"%d\n" % at, durable=False)
