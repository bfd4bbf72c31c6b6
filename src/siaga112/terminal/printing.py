"""Print lines and JSON. No text that somebody else wrote can control the terminal."""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from textwrap import wrap
from typing import Final

import typer

from siaga112.core.text import printable, whole


def plain(*lines: str, err: bool = False) -> None:
    """Print lines, whoever wrote their content: none breaks into two, and none controls the terminal."""
    if lines:
        typer.echo("\n".join(map(printable, lines)), err=err)


def heading(line: str) -> None:
    """Print the head of a table, in bold on a terminal."""
    bold = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    typer.echo(typer.style(printable(line), bold=True) if bold else printable(line))


def width() -> int | None:
    """Return how wide the output may be: COLUMNS if it is set, else the terminal's width; None for a pipe."""
    given = os.environ.get("COLUMNS", "")
    if columns := whole(given):
        return columns
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def folded(line: str, margin: int) -> list[str]:
    """Break a line between words where the terminal ends; what follows begins at the margin.

    No number and no id is broken. A pipe gets the line as it is.
    """
    text, room = printable(line), width()
    if room is None or len(text) <= room:
        return [text]
    after = " " * min(margin, room // 2)
    return wrap(text, room, subsequent_indent=after, break_long_words=False, break_on_hyphens=False) or [""]


def wrapped(*lines: str) -> None:
    """Print lines as `plain` does, broken between words; what follows of a line stands four places inside."""
    for line in lines:
        plain(*folded(line, len(line) - len(line.lstrip()) + 4))


def exactly(text: str) -> None:
    """Print text for a program unchanged; on a terminal, print it as `plain` does."""
    if sys.stdout.isatty():
        plain(*text.expandtabs().splitlines())
    else:
        typer.echo(text, nl=False)


def as_json(value: object) -> None:
    """Print one JSON value."""
    typer.echo(_dumped(value))


def as_json_line(value: object) -> None:
    """Print one JSON value on one line."""
    typer.echo(_escaped(json.dumps(value, ensure_ascii=False)))


def _dumped(value: object) -> str:
    """Return JSON with control characters escaped, which means the same and cannot control a terminal."""
    flat = isinstance(value, dict) and value and _CONTAINERS.isdisjoint(map(type, value.values()))
    text = f"{{\n  {_FLAT(value)[1:-1]}\n}}" if flat else json.dumps(value, indent=2, ensure_ascii=False)
    return _escaped(text)


def _escaped(text: str) -> str:
    return _HIDDEN.sub(lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], text)


_FLAT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",\n  ", ": ")).encode
"""The same layout as `indent` gives for a flat object, in a fifth of the time."""

_CONTAINERS: Final = frozenset({dict, list, tuple})

_TOGETHER: Final = 500

_HIDDEN: Final = re.compile(r"[^\n -~]")


def as_json_pieces(value: object) -> None:
    """Print one JSON value; iterators in it are printed as lists, without holding all of their values."""
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
    """Print a JSON list while its values arrive, without holding all of them."""
    texts = (_dumped(value).replace("\n", "\n  ") for value in values)
    before = "[\n  "
    while page := list(islice(texts, _TOGETHER)):
        typer.echo(before + ",\n  ".join(page), nl=False)
        before = ",\n  "
    typer.echo("[]" if before[0] == "[" else "\n]")
