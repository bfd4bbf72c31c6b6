"""Consoles for what is drawn with rich; colours only on a terminal."""

from typing import TextIO

from rich.console import Console


class _Console(Console):
    """A rich console that lets commands handle a closed pipe."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console(width: int, file: TextIO | None = None) -> Console:
    """Return a console: on a terminal as wide as it, in colour; otherwise of the given width, plain."""
    made = _Console(file=file, highlight=False)
    return made if made.is_terminal else _Console(file=file, highlight=False, width=width, no_color=True)
