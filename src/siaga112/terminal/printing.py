"""Printing lines and JSON: nothing that somebody else wrote is obeyed by a terminal."""

import json
import re
import sys
from collections.abc import Iterable
from typing import Final

import typer

from siaga112.core.text import printable


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
