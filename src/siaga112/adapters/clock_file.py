"""The latest instant that our own clock has shown, in the state directory."""

import os
from pathlib import Path
from typing import Final

from siaga112.core.model import Millis, credible
from siaga112.core.text import whole

NAME: Final = "clock"
_LONGEST: Final = 64


class ClockFile:
    """`service.own_clock.Kept` in one state directory."""

    def __init__(self, state_dir: Path) -> None:
        self._path: Final = state_dir / NAME

    def read(self) -> Millis:
        """Give what was kept last; 0 for nothing, and for what is no instant."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(self._path, flags), "rb") as file:
                text = file.read(_LONGEST).strip()
        except FileNotFoundError:
            return 0
        at = whole(text) or 0
        return at if credible(at) else 0

    def write(self, at: Millis) -> None:
        """Keep it: written beside and renamed, so that whoever reads has the old one or the new one."""
        beside = self._path.with_name(f".{NAME}.{os.getpid()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
            file.write(b"%d\n" % at)
        beside.replace(self._path)
