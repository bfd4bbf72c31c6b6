"""Printing lines and JSON: nothing that somebody else wrote is obeyed by a terminal."""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import typer

from siaga112.core.text import printable


def plain(*lines: str, err: bool = False) -> None:
    """Print lines, whoever wrote what they quote: none becomes two, and a terminal obeys none of them."""
    if lines:
        typer.echo("\n".join(map(printable, lines)), err=err)


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
    flat = isinstance(value, dict) and value and _CONTAINERS.isdisjoint(map(type, value.values()))
    text = f"{{\n  {_FLAT(value)[1:-1]}\n}}" if flat else json.dumps(value, indent=2, ensure_ascii=False)
    return _HIDDEN.sub(lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], text)


_FLAT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",\n  ", ": ")).encode
"""As `indent` would lay out what holds nothing that holds more, in a fifth of its time."""

_CONTAINERS: Final = frozenset({dict, list, tuple})

_TOGETHER: Final = 500

_HIDDEN: Final = re.compile(r"[^\n -~]")


def as_json_pieces(value: object) -> None:
    """Print one JSON value; an iterator in it is a list whose values `as_json` would hold all at once."""
    pieces = _pieces(value, "\n")
    while page := list(islice(pieces, _TOGETHER)):
        typer.echo("".join(page), nl=False)
    typer.echo("")


def _pieces(value: object, margin: str) -> Iterator[str]:
    within = margin + "  "
    if isinstance(value, Iterator | list):
        before = "[" + within
        for held in value:
            yield before
            yield from _pieces(held, within)
            before = "," + within
        yield "[]" if before[0] == "[" else margin + "]"
    elif isinstance(value, dict) and any(isinstance(held, Iterator | list) for held in value.values()):
        before = "{" + within
        for key, held in value.items():
            yield f"{before}{_dumped(key)}: "
            yield from _pieces(held, within)
            before = "," + within
        yield margin + "}"
    else:
        yield _dumped(value).replace("\n", margin)


def as_json_list(values: Iterable[object]) -> None:
    """Print a JSON list as its values come, which `as_json` would hold all at once."""
    texts = (_dumped(value).replace("\n", "\n  ") for value in values)
    before = "[\n  "
    while page := list(islice(texts, _TOGETHER)):
        typer.echo(before + ",\n  ".join(page), nl=False)
        before = ",\n  "
    typer.echo("[]" if before[0] == "[" else "\n]")
