"""`top`: the site at a terminal, live."""

import asyncio
import io
import sys
from typing import Annotated, Final

import typer
from rich.console import Console

from siaga112.cli.options import span
from siaga112.cli.site import settings, speaker
from siaga112.core.model import SECOND
from siaga112.errors import Said
from siaga112.terminal import printing
from siaga112.top import live
from siaga112.top.rows import as_row
from siaga112.top.view import Board

LEAST_MILLIS: Final = 200
UNREACHABLE: Final = 4


def top(
    interval: Annotated[
        str, typer.Option("--interval", help="How often to refresh.", metavar="DURATION")
    ] = "1s",
    once: Annotated[bool, typer.Option("--once", help="Print the current state, and exit.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the same as one JSON object.")] = False,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show callers' numbers in full.")] = False,
) -> None:
    """Show the line live: calls in progress, queue, operators, today, last verdicts, health; q quits.

    It only reads: the database, Redis, and the daemon's /metrics. It says what is unreachable, and recovers
    when it is back.

    Example: siaga112 top --interval 2s
    """
    pause = span(interval, "--interval")
    if pause < LEAST_MILLIS:
        least = Said("at least {millis}ms", millis=LEAST_MILLIS)
        raise typer.BadParameter(least, param_hint="--interval")
    config, console = settings(), Console(highlight=False)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot draw lines still shows the words
    if once or json or not console.is_terminal or console.is_dumb_terminal:
        frame = asyncio.run(live.once(config))
        if json:
            printing.as_json(as_row(frame, reveal=reveal))
        else:
            _print(Board(frame, speaker(), reveal, paper=True), console)
        if not frame.store_up:
            raise typer.Exit(UNREACHABLE)
    else:
        asyncio.run(live.watch(config, console, pause / SECOND, speaker(), reveal=reveal))


def _print(board: Board, console: Console) -> None:
    with console.capture() as printed:
        console.print(board)
    for line in printed.get().splitlines():
        typer.echo(line.rstrip())
