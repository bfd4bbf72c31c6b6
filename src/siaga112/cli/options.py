"""Options and arguments that several commands share."""

import os
import pwd
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Annotated, Final

import typer

from siaga112.core import durations
from siaga112.core.model import SECOND, Millis
from siaga112.core.period import instant
from siaga112.core.text import one_line
from siaga112.errors import Said, saying

LONGEST: Final = 500
"""The longest text for the record, in characters: it is read again with each call of the caller."""


def _login() -> str:
    """Return the login that runs the command; under sudo, the one that called it."""
    if os.geteuid() == 0 and (before := os.environ.get("SUDO_USER")):
        return one_line(before)[:LONGEST]
    try:
        return pwd.getpwuid(os.getuid()).pw_name  # not from the environment, which anybody can set
    except KeyError:
        return f"uid {os.getuid()}"


def _by(text: str) -> str:
    """Read who decides; if that is another name than the login, add the login."""
    name, login = put_down(text), _login()
    return name if name == login else f"{name} (login {login})"


def put_down(text: str) -> str:
    """Read a text for the record: one line of at most `LONGEST` characters."""
    if len(text) > LONGEST:
        raise typer.BadParameter(Said("longer than {most} characters", most=LONGEST))
    return one_line(text)


def _why(text: str) -> str:
    """Read the reason of a decision, which the console and the API demand too."""
    reason = put_down(text)
    if not reason:
        raise typer.BadParameter(Said("say why, for the record"))
    return reason


def span(text: str, option: str) -> int:
    """Read the duration given with an option; return milliseconds."""
    try:
        return durations.parse(text)
    except ValueError as error:
        raise typer.BadParameter(saying(error), param_hint=option) from error


def instants(times: Sequence[str] | None, option: str) -> list[Millis]:
    """Read the times given with an option, as --json prints them."""
    try:
        return [round(instant(one, UTC).timestamp() * SECOND) for one in times or ()]
    except ValueError as error:
        raise typer.BadParameter(saying(error), param_hint=option) from error


ByOption = Annotated[
    str,
    typer.Option(
        "--by",
        help="Who decides, for the record; your login is noted beside the name.",
        metavar="NAME",
        default_factory=_login,
        show_default="you",
        callback=_by,
    ),
]
SeenOption = Annotated[
    list[str] | None,
    typer.Option(
        "--seen",
        help="The `since` (--json) of what you saw; if there is another by now, nothing is done. Repeatable.",
        metavar="WHEN",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print a list of objects, for scripts.")]
NumberArgument = Annotated[
    str,
    typer.Argument(help="A number in any notation, or a hash as `blocks` prints it.", metavar="NUMBER"),
]
ReasonOption = Annotated[
    str, typer.Option("--reason", help="Why, for the record.", metavar="TEXT", callback=_why)
]
TextOption = Annotated[
    str, typer.Option("--reason", help="Why, for the record.", metavar="TEXT", callback=put_down)
]
"""A reason that may be left out, or that the command itself demands."""
YesOption = Annotated[
    bool, typer.Option("--yes", help="Do not ask; the question that was skipped goes into the audit trail.")
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
