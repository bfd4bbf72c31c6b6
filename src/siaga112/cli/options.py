"""Options and arguments that several commands have."""

import os
import pwd
from pathlib import Path
from typing import Annotated, Final

import typer

from siaga112.core import durations
from siaga112.core.text import one_line
from siaga112.errors import Said, saying

LONGEST: Final = 500
"""More than a reason needs, and what is kept of it is read with each of the caller's calls."""


def _login() -> str:
    """Name who runs this: who called sudo, if somebody did."""
    if os.geteuid() == 0 and (before := os.environ.get("SUDO_USER")):
        return one_line(before)[:LONGEST]
    try:
        return pwd.getpwuid(os.getuid()).pw_name  # not what the environment says: anybody can set that
    except KeyError:
        return f"uid {os.getuid()}"


def _by(text: str) -> str:
    """Take who decides; the login that really does so is noted beside another name."""
    name, login = put_down(text), _login()
    return name if name == login else f"{name} (login {login})"


def put_down(text: str) -> str:
    """Take what a person gives for the record: one line, of a length that can be read."""
    if len(text) > LONGEST:
        raise typer.BadParameter(Said("longer than {most} characters", most=LONGEST))
    return one_line(text)


def span(text: str, option: str) -> int:
    """Read a duration that was given with an option, in milliseconds."""
    try:
        return durations.parse(text)
    except ValueError as error:
        raise typer.BadParameter(saying(error), param_hint=option) from error


ByOption = Annotated[
    str,
    typer.Option(
        "--by",
        help="Who decides, for the record; your login is noted beside it.",
        metavar="NAME",
        default_factory=_login,
        show_default="you",
        callback=_by,
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
YesOption = Annotated[
    bool, typer.Option("--yes", help="Do not ask; what there was to ask goes into the audit trail.")
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
