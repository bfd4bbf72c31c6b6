"""Printing tables with rich; colours only on a terminal."""

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text


class _Console(Console):
    """rich's console, which leaves it to the commands what a reader that has enough means."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console(width: int, file: TextIO | None = None) -> Console:
    """Make what to print on: as wide as the terminal, and in colour; else of that width, and plain."""
    made = _Console(file=file, highlight=False)
    return made if made.is_terminal else _Console(file=file, highlight=False, width=width, no_color=True)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as wide as the terminal; without one as wide as its content."""
    shown = Table(*heads, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        shown.add_row(*map(Text, row))
    console(200).print(shown)
