"""Printing tables for people; colours only on a terminal."""

from collections.abc import Sequence
from typing import Final, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from siaga112.core.text import printable
from siaga112.terminal.printing import as_json_list, plain
from siaga112.terminal.rows import Row

MANY: Final = 200
"""More rows than this are laid out by ourselves, in a hundredth of rich's time."""


class _Console(Console):
    """rich's console, which leaves it to the commands what a reader that has enough means."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console(width: int, file: TextIO | None = None) -> Console:
    """Make what to print on: as wide as the terminal, and in colour; else of that width, and plain."""
    made = _Console(file=file, highlight=False)
    return made if made.is_terminal else _Console(file=file, highlight=False, width=width, no_color=True)


def listing(rows: Sequence[Row], columns: Sequence[str], empty: str, *, json: bool) -> None:
    """Print rows as a list of objects for scripts, or as a table."""
    if json:
        as_json_list(rows)
    else:
        table(rows, columns, empty)


def table(rows: Sequence[Row], columns: Sequence[str], empty: str) -> None:
    """Print rows as a table; without a terminal as wide as its content, for `grep` and `less`."""
    if not rows:
        plain(empty)
        return
    if len(rows) > MANY:
        _long(rows, columns)
        return
    shown = Table(
        *(column.replace("_", " ") for column in columns), box=None, header_style="bold", pad_edge=False
    )
    for row in rows:
        shown.add_row(*(Text(_cell(row[column])) for column in columns))
    console(200).print(shown)


def _long(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Print rows below each other in columns as wide as what is in them, whatever the terminal's width."""
    lines = [[column.replace("_", " ") for column in columns]]
    lines += [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    for first in range(0, len(lines), MANY):
        plain(*(_padded(line, widths) for line in lines[first : first + MANY]))


def _padded(line: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        [text + " " * (width - _width(text)) for text, width in zip(line, widths, strict=True)]
    ).rstrip()


def _width(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.1f}"
        case list():
            return str(len(value))
        case _:
            return printable(str(value))
