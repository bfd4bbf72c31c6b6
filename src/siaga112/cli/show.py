"""Printing: JSON for scripts, tables for people, colours only on a terminal."""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Final, TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from siaga112.cli.rows import Row
from siaga112.core.text import printable


class _Console(Console):
    """rich's console, which leaves it to the commands what a reader that has enough means."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console(width: int, file: TextIO | None = None) -> Console:
    """Make what to print on: as wide as the terminal, and in colour; else of that width, and plain."""
    made = _Console(file=file, highlight=False)
    return made if made.is_terminal else _Console(file=file, highlight=False, width=width, no_color=True)


def as_json(value: object) -> None:
    """Print one JSON value."""
    typer.echo(_dumped(value))


def _dumped(value: object) -> str:
    """Write JSON; what a terminal might obey is escaped in it, and so it still means the same."""
    return _HIDDEN.sub(
        lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1],
        json.dumps(value, indent=2, ensure_ascii=False),
    )


_HIDDEN: Final = re.compile(r"[^\n -~]")


def as_json_list(values: Iterable[object]) -> None:
    """Print a JSON list as its values come, which `as_json` would hold all at once."""
    typer.echo("[", nl=False)
    between = "\n"
    for value in values:
        text = _dumped(value).replace("\n", "\n  ")
        typer.echo(f"{between}  {text}", nl=False)
        between = ",\n"
    typer.echo("]" if between == "\n" else "\n]")


def listing(rows: Sequence[Row], columns: Sequence[str], empty: str, *, json: bool) -> None:
    """Print rows as a list of objects for scripts, or as a table."""
    if json:
        as_json(rows)
    else:
        table(rows, columns, empty)


def table(rows: Sequence[Row], columns: Sequence[str], empty: str) -> None:
    """Print rows as a table; without a terminal as wide as its content, for `grep` and `less`."""
    if not rows:
        plain(empty)
        return
    shown = Table(
        *(column.replace("_", " ") for column in columns), box=None, header_style="bold", pad_edge=False
    )
    for row in rows:
        shown.add_row(*(Text(_cell(row[column])) for column in columns))
    console(200).print(shown)


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


def plain(*lines: str, err: bool = False) -> None:
    """Print lines, whoever wrote what they quote: none becomes two, and a terminal obeys none of them."""
    for line in lines:
        typer.echo(printable(line), err=err)


def exactly(text: str) -> None:
    """Print what a program is to read as it is; to a person's terminal as `plain` does."""
    if sys.stdout.isatty():
        plain(*text.expandtabs().splitlines())
    else:
        typer.echo(text, nl=False)
