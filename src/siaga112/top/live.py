"""The loop of `siaga112 top`: draws frames, reads keys, and restores the terminal."""

import asyncio
import contextlib
import os
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

from rich.console import Console
from rich.control import Control
from rich.live import Live

from siaga112 import interrupts
from siaga112.app.records import open_desk
from siaga112.settings.schema import Settings
from siaga112.top.view import Board
from siaga112.top.watching import Frame, Watcher
from siaga112.top.wiring import open_watcher
from siaga112.words import Tongue

END_SECONDS: Final = 5.0
"""Seconds until we stop waiting for the network after the user has left."""


@contextlib.asynccontextmanager
async def _watching(config: Settings) -> AsyncIterator[Watcher]:
    store = open_desk(config)
    try:
        yield open_watcher(config, store)
    finally:
        await store.close()


async def once(config: Settings) -> Frame:
    """Return one frame."""
    async with _watching(config) as watcher:
        return await watcher.look()


async def watch(config: Settings, console: Console, pause: float, t: Tongue, *, reveal: bool) -> None:
    """Draw frames until the user leaves, which takes effect at once, even in the middle of a look."""
    loop, leaving = asyncio.get_running_loop(), asyncio.Event()
    leave = asyncio.create_task(leaving.wait())
    with (
        interrupts.Heeding(leaving.set, limit=END_SECONDS),
        _keys(leaving.set),
        interrupts.PuttingBack(
            lambda: console.control(Control.alt_screen(enable=False), Control.show_cursor(show=True))
        ),
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        loop.add_signal_handler(signal.SIGWINCH, live.refresh)
        async with _watching(config) as watcher:
            while not leaving.is_set():
                look = asyncio.create_task(watcher.look())
                await asyncio.wait({look, leave}, return_when=asyncio.FIRST_COMPLETED)
                if not look.done():
                    look.cancel()
                    break
                live.update(Board(look.result(), t, reveal), refresh=True)
                await asyncio.wait({leave}, timeout=pause)
    leave.cancel()


@contextlib.contextmanager
def _keys(leave: Callable[[], None]) -> Iterator[None]:
    """Read keys as they are pressed, and restore the terminal afterwards."""
    if not sys.stdin.isatty():
        yield
        return
    keyboard, loop = sys.stdin.fileno(), asyncio.get_running_loop()

    def hear() -> None:
        try:
            pressed = os.read(keyboard, 64)
        except OSError:
            pressed = b""
        if not pressed or b"q" in pressed.lower():  # an empty read: the terminal is gone
            leave()

    before = termios.tcgetattr(keyboard)
    suspend = signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # the shell would inherit our screen
    tty.setcbreak(keyboard)
    loop.add_reader(keyboard, hear)
    try:
        with interrupts.PuttingBack(lambda: termios.tcsetattr(keyboard, termios.TCSADRAIN, before)):
            yield
    finally:
        loop.remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTSTP, suspend)
