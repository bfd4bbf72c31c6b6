"""Options and arguments that several commands have."""

import getpass
import os
from pathlib import Path
from typing import Annotated, Final

import typer

from siaga112.core import durations
from siaga112.core.text import one_line

LONGEST: Final = 500
"""More than a reason needs, and what is kept of it is read with each of the caller's calls."""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def put_down(text: str) -> str:
    """Take what a person gives for the record: one line, of a length that can be read."""
    if len(text) > LONGEST:
        raise typer.BadParameter(f"longer than {LONGEST} characters")
    return one_line(text)


def span(text: str, option: str) -> int:
    """Read a duration that was given with an option, in milliseconds."""
    try:
        return durations.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


ByOption = Annotated[
    str,
    typer.Option(
        "--by",
        help="Who decides, for the record.",
        metavar="NAME",
        default_factory=_user,
        show_default="you",
        callback=put_down,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print a list of objects, for scripts.")]
NumberArgument = Annotated[
    str,
    typer.Argument(help="A number in any spelling, or a hash as `blocks` shows it.", metavar="NUMBER"),
]
ReasonOption = Annotated[
    str, typer.Option("--reason", help="Why, for the record.", metavar="TEXT", callback=put_down)
]
FromOption = Annotated[
    str, typer.Option("--from", help='The first day ("2019-02-11"), or a time.', metavar="WHEN")
]
ToOption = Annotated[
    str, typer.Option("--to", help="The last day, included; or a time, not included.", metavar="WHEN")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", help="Write to this file, not to the screen.", metavar="FILE")
]
