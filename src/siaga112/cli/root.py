"""The commands' common parts: the application, the configuration, the desk."""

import asyncio
import getpass
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer
from typer.core import TyperGroup

import siaga112
from siaga112.cli import usage
from siaga112.core.text import one_line
from siaga112.errors import SiagaError, UnreachableError, UsageError
from siaga112.terminal import tables

if TYPE_CHECKING:
    from siaga112.core.model import Caller
    from siaga112.service.supervisor import Desk
    from siaga112.settings.schema import Settings

_T = TypeVar("_T")


@contextmanager
def _pipes() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit from None


class _Commands(TyperGroup):
    """The commands; a reader that has enough (`siaga112 calls | head`) is no error of theirs."""

    def make_context(self, *arguments: Any, **extra: Any) -> Any:
        with _pipes():
            return super().make_context(*arguments, **extra)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command.

        Raises:
            UsageError: naming the nearest, if there is no such command.

        """
        if not ctx.resilient_parsing and super().get_command(ctx, args[0]) is None:
            if args[0].startswith("-"):
                return super().resolve_command(ctx, args)
            raise UsageError(usage.no_command(args[0], self.list_commands(ctx)))
        usage.Typed.command = args[0]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with _pipes():
            return super().invoke(ctx)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List each command with its whole first sentence, not with as much of it as fits into a line."""
        commands = [(name, super(_Commands, self).get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str(_LONG)) for name, command in commands if command]
            )

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None and command.help and _EXAMPLE in command.help:
            # \b: as it stands, so that it can be copied.
            command.help = command.help.replace(_EXAMPLE, "\n\n\b\nExample:\n  ")
        return command


_LONG = 500
_EXAMPLE = "\n\nExample: "

app = typer.Typer(
    name="siaga112",
    cls=_Commands,
    help="Screens prank callers for an emergency line on Asterisk. When in doubt, the call goes through.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: it can be searched, and an example copied
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


LONGEST: Final = 500
"""More than a reason needs, and what is kept of it is read with each of the caller's calls."""


def put_down(text: str) -> str:
    """Take what a person gives for the record: one line, of a length that can be read."""
    if len(text) > LONGEST:
        raise typer.BadParameter(f"longer than {LONGEST} characters")
    return one_line(text)


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


@dataclass
class _Chosen:
    config: Path | None = None


_chosen = _Chosen()


def _tell_version(wanted: bool) -> None:
    if wanted:
        tables.plain(f"siaga112 {siaga112.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    config: Annotated[
        Path | None,
        typer.Option("--config", help="The configuration file (else SIAGA112_CONFIG).", metavar="PATH"),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback does it all
        bool,
        typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_tell_version),
    ] = False,
) -> None:
    _chosen.config = config


def settings() -> "Settings":
    """Load the configuration that the user named."""
    from siaga112.settings.schema import load  # noqa: PLC0415

    return load(_chosen.config)


def chosen_config() -> Path | None:
    """Give the file that the user named with --config."""
    return _chosen.config


def number(text: str) -> "Caller":
    """Read a number that the user typed.

    Raises:
        SiagaError: if it is none that could ever be blocked.

    """
    from siaga112.core.caller_id import typed  # noqa: PLC0415

    caller = typed(text, settings().number_plan())
    if caller is None:
        why = "hidden, service, too short, not valid or in never_block"
        raise SiagaError(f'"{text}" is not the number of a caller ({why})')
    return caller


def at_desk(act: "Callable[[Desk], Awaitable[_T]]", by: str = "") -> _T:
    """Run one act at the supervisor's desk, with the store open around it.

    Raises:
        UnreachableError: if Redis does not answer; with where it was sought, and what to look at.

    """
    from siaga112.adapters.redis.embedded import require_running  # noqa: PLC0415
    from siaga112.adapters.redis.url import masked  # noqa: PLC0415
    from siaga112.app import open_desk, open_store, redis_url  # noqa: PLC0415
    from siaga112.service.ports import StoreDownError  # noqa: PLC0415

    config = settings()
    if config.embedded_redis:
        require_running(config.state_dir)

    async def work() -> _T:
        store = open_store(config)
        try:
            return await act(open_desk(config, store, by))
        finally:
            for name, why in store.unreadable.items():
                tables.plain(f"siaga112: left out, for it cannot be read: {name} ({why})", err=True)
            await store.close()

    try:
        return asyncio.run(work())
    except StoreDownError as error:
        remedy = (
            "is the daemon running? systemctl status siaga112 (or: siaga112 run)"
            if config.embedded_redis
            else "is it running, and [redis] url right?"
        )
        what = str(error).removeprefix("Redis: ")
        raise UnreachableError(f"Redis at {masked(redis_url(config))}: {what}; {remedy}") from error


from siaga112.cli import (  # noqa: E402, F401 - each adds its commands to `app`
    backtest,
    blocklist,
    callers,
    captures,
    daemon,
    doctor,
    export,
    files,
    ledger,
    report,
    top,
)
