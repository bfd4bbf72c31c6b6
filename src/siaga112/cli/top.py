"""`top`: the site at a terminal, live."""

import asyncio
import contextlib
import io
import os
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer

from siaga112 import interrupts
from siaga112.cli.root import app, settings
from siaga112.core import durations
from siaga112.core.model import SECOND

if TYPE_CHECKING:
    from rich.console import Console

    from siaga112.settings.schema import Settings
    from siaga112.top.watching import Frame, Watcher

LEAST_MILLIS: Final = 200
UNREACHABLE: Final = 4
END_SECONDS: Final = 5.0
"""Whoever leaves has left; what the network still does must not keep anybody waiting."""


@app.command()
def top(
    interval: Annotated[
        str, typer.Option("--interval", help="How often to look.", metavar="DURATION")
    ] = "1s",
    once: Annotated[bool, typer.Option("--once", help="Print what there is now, and end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The same as --once, as one object.")] = False,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show callers' numbers in full.")] = False,
) -> None:
    """Show the line live: calls in progress, queue, operators, today, last verdicts, health; q leaves.

    It only reads: Redis, and the daemon's /metrics. What is away is said, and shown again when it is back.

    Example: siaga112 top --interval 2s
    """
    from rich.console import Console  # noqa: PLC0415

    try:
        pause = durations.parse(interval)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--interval") from error
    if pause < LEAST_MILLIS:
        raise typer.BadParameter(f"at least {LEAST_MILLIS}ms", param_hint="--interval")
    config, console = settings(), Console(highlight=False)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot draw lines still has the words
    if once or json or not console.is_terminal or console.is_dumb_terminal:
        frame = asyncio.run(_once(config))
        _print(frame, console, json=json, reveal=reveal)
        if not frame.store_up:
            raise typer.Exit(UNREACHABLE)
    else:
        asyncio.run(_live(config, console, pause / SECOND, reveal=reveal))


@contextlib.asynccontextmanager
async def _watching(config: "Settings") -> AsyncIterator["Watcher"]:
    from siaga112.app import open_store  # noqa: PLC0415
    from siaga112.top.wiring import open_watcher  # noqa: PLC0415

    store = open_store(config)
    try:
        yield open_watcher(config, store)
    finally:
        await store.close()


async def _once(config: "Settings") -> "Frame":
    async with _watching(config) as watcher:
        return await watcher.look()


def _print(frame: "Frame", console: "Console", *, json: bool, reveal: bool) -> None:
    from siaga112.terminal import tables  # noqa: PLC0415
    from siaga112.top.rows import as_row  # noqa: PLC0415
    from siaga112.top.view import Board  # noqa: PLC0415

    if json:
        tables.as_json(as_row(frame, reveal=reveal))
    else:
        with console.capture() as printed:
            console.print(Board(frame, reveal, paper=True))
        for line in printed.get().splitlines():
            typer.echo(line.rstrip())


async def _live(config: "Settings", console: "Console", pause: float, *, reveal: bool) -> None:
    """Look and draw until told to leave; leaves at once, also amid a look."""
    from rich.control import Control  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    from siaga112.top.view import Board  # noqa: PLC0415

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
                live.update(Board(look.result(), reveal), refresh=True)
                await asyncio.wait({leave}, timeout=pause)
    leave.cancel()


@contextlib.contextmanager
def _keys(leave: Callable[[], None]) -> Iterator[None]:
    """Hear keys as they are pressed, and give the terminal back as it was."""
    if not sys.stdin.isatty():
        yield
        return
    keyboard, loop = sys.stdin.fileno(), asyncio.get_running_loop()

    def hear() -> None:
        try:
            pressed = os.read(keyboard, 64)
        except OSError:
            pressed = b""
        if not pressed or b"q" in pressed.lower():  # nothing: the terminal is gone
            leave()

    before = termios.tcgetattr(keyboard)
    suspend = signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # a shell would be left with our screen
    tty.setcbreak(keyboard)
    loop.add_reader(keyboard, hear)
    try:
        with interrupts.PuttingBack(lambda: termios.tcsetattr(keyboard, termios.TCSADRAIN, before)):
            yield
    finally:
        loop.remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTSTP, suspend)
