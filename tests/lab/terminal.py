"""A pseudo-terminal in which a program runs as it does for a person."""

import asyncio
import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from tests.waiting import ended, killed

PATIENCE_SECONDS: Final = 20.0
CONTROLS: Final = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\r")


class Terminal:
    """A pseudo-terminal with one program in it. Made by `terminal`."""

    def __init__(self, process: asyncio.subprocess.Process, ours: int, theirs: int) -> None:
        self.process = process
        self.raw = ""
        self._ours, self._theirs = ours, theirs
        self._more = asyncio.Event()

    @property
    def attributes(self) -> list[object]:
        """The terminal's settings, which a program must leave as it found them."""
        return list(termios.tcgetattr(self._theirs))

    def read(self) -> None:
        """Read what the program has written."""
        self.raw += os.read(self._ours, 65_536).decode("utf-8", "replace")
        self._more.set()

    def mark(self) -> int:
        """Return a place in the output, for `shows`."""
        return len(self.raw)

    async def shows(self, text: str, since: int = 0, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until this text was written, whatever cursor movements are in between."""
        try:
            async with asyncio.timeout(seconds):
                while text not in CONTROLS.sub("", self.raw[since:]):
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise TimeoutError(f"{text!r} was not shown; the last: {self.raw[-3000:]!r}") from None

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, as dragging a window does; the program gets a signal."""
        resize(self._ours, columns, rows)

    async def ended(self) -> int:
        """Wait for the program's end; return its exit code."""
        return await ended(self.process, "the program in the terminal", PATIENCE_SECONDS)


def resize(terminal: int, columns: int, rows: int) -> None:
    """Set the size of a terminal."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@asynccontextmanager
async def terminal(
    *command: str, environ: Mapping[str, str], columns: int = 80, rows: int = 30
) -> AsyncIterator[Terminal]:
    """Run a command in a terminal for as long as the block lasts."""
    ours, theirs = pty.openpty()
    resize(ours, columns, rows)
    loop = asyncio.get_running_loop()
    process = await asyncio.create_subprocess_exec(
        *("setsid", "--ctty", *command),  # so that Ctrl-C reaches it, and nobody else
        env={"TERM": "xterm-256color", **environ},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    seen = Terminal(process, ours, theirs)
    loop.add_reader(ours, seen.read)
    try:
        yield seen
    finally:
        loop.remove_reader(ours)
        if process.returncode is None:
            await killed(process)
        os.close(ours)
        os.close(theirs)
