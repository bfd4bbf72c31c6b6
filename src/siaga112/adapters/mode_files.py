"""The mode in the state directory: `off`, the switch that needs nobody, and `mode`, the last switch known.

Whoever makes the file `off` there, with whatever in it or nothing, stops all blocking and all strikes of the
daemons on this machine; Redis is not asked. `siaga112 mode off` writes who, when and why into it.
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
    """`service.ports.LocalModes` in one state directory, for one site."""

    def __init__(self, folder: Path, site: str) -> None:
        self._folder: Final = folder
        self._site: Final = site

    @property
    def off(self) -> Path:
        """Where the switch is that needs nobody."""
        return self._folder / OFF

    def held_off(self) -> Switch | None:
        """Give the switch that needs nobody, if it is there; what is in it may be missing or anything."""
        try:
            self.off.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        found = self._read(self.off)
        return found if found and found.mode is Mode.OFF else Switch(Mode.OFF)

    def kept(self) -> Switch | None:
        """Give the last switch that was known here, if any was; None for what cannot be read."""
        return self._read(self._folder / KEPT)

    def keep(self, switch: Switch) -> None:
        """Keep it over the next start."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write(self._folder / KEPT, switch)

    def hold_off(self, switch: Switch) -> bool:
        """Switch off; say whether there is a state directory here at all."""
        if not self._folder.is_dir():
            return False
        try:
            self._write(self.off, switch)
        except OSError:  # a full disk has room for a name still, and the name is the switch
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(self.off, flags, 0o600))
        return True

    def release(self) -> bool:
        """Take the switch away; say whether it was there."""
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
