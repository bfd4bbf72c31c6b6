"""Printing lists for people and for scripts."""

from collections.abc import Sequence
from typing import Final

from siaga112.core.text import printable
from siaga112.terminal.printing import as_json_list, plain
from siaga112.terminal.rows import Row

MANY: Final = 200
"""More rows than this are laid out by ourselves, in a hundredth of rich's time."""


def listing(rows: Sequence[Row], columns: Sequence[str], empty: str, *, json: bool) -> None:
    """Print rows as a list of objects for scripts, or as a table."""
    if json:
        as_json_list(rows)
    else:
        table(rows, columns, empty)


def table(
    rows: Sequence[Row], columns: Sequence[str], empty: str, *, heads: Sequence[str] | None = None
) -> None:
    """Print rows as a table; without a terminal as wide as its content, for `grep` and `less`.

    `heads`: what stands above the columns, if not their names.
    """
    if not rows:
        plain(empty)
        return
    heads = heads or [column.replace("_", " ") for column in columns]
    if len(rows) > MANY:
        _long(rows, columns, heads)
        return
    from siaga112.terminal import consoles  # noqa: PLC0415 - rich, which JSON and long tables do without

    consoles.table(heads, [[_cell(row[column]) for column in columns] for row in rows])


def _long(rows: Sequence[Row], columns: Sequence[str], heads: Sequence[str]) -> None:
    """Print rows below each other in columns as wide as what is in them, whatever the terminal's width."""
    lines = [list(heads)]
    lines += [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    for first in range(0, len(lines), MANY):
        plain(*(_padded(line, widths) for line in lines[first : first + MANY]))


def _padded(line: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        [text + " " * (width - _width(text)) for text, width in zip(line, widths, strict=True)]
    ).rstrip()


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - rich, as above

    return cell_len(text)


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
