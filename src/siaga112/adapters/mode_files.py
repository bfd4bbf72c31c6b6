"""The mode in the state directory: `off`, a kill switch that needs no other part, and `mode`, the last one.

A file named `off`, empty or with any content, stops all blocking and all strikes by the daemons on this
machine, without asking Redis. `siaga112 mode off` writes into it who switched, when and why.
"""

import json
import os
from pathlib import Path
from typing import Any, Final

from siaga112.adapters import state_dir
from siaga112.core.codec import dump_switch, load_switch
from siaga112.core.mode import Switch
from siaga112.core.model import Mode

OFF: Final = "off"
KEPT: Final = "mode"


class ModeFiles:
    """Implements `service.ports.LocalModes` in one state directory, for one site."""

    def __init__(self, folder: Path, site: str) -> None:
        self._folder: Final = folder
        self._site: Final = site

    @property
    def off(self) -> Path:
        """The path of the `off` file."""
        return self._folder / OFF

    def held_off(self) -> Switch | None:
        """Return the switch in the `off` file, a plain OFF if it cannot be parsed; None without a file."""
        try:
            self.off.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        found = self._read(self.off)
        return found if found and found.mode is Mode.OFF else Switch(Mode.OFF)

    def kept(self) -> Switch | None:
        """Return the last switch known here; None if there is none or it cannot be read."""
        return self._read(self._folder / KEPT)

    def keep(self, switch: Switch) -> None:
        """Store the switch for the next start."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write(self._folder / KEPT, switch)

    def hold_off(self, switch: Switch) -> bool:
        """Write the `off` file; return False if there is no state directory here."""
        if not self._folder.is_dir():
            return False
        try:
            self._write(self.off, switch)
        except OSError:  # a full disk still has room for an empty file, and its name is enough
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(self.off, flags, 0o600))
        return True

    def release(self) -> bool:
        """Remove the `off` file; return whether it existed."""
        try:
            self.off.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def _read(self, path: Path) -> Switch | None:
        try:
            row: Any = json.loads(state_dir.read(path))
            return load_switch(json.dumps(row["switch"])) if row["site"] == self._site else None
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None

    def _write(self, path: Path, switch: Switch) -> None:
        text = json.dumps({"site": self._site, "switch": json.loads(dump_switch(switch))}, ensure_ascii=False)
        state_dir.write(path, f"{text}\n".encode("utf-8", "replace"))
