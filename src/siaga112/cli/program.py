"""The program itself: find the command, load its module, and list all commands."""

import gc
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

import siaga112
from siaga112.cli import invocation, usage
from siaga112.cli.commands import COMMANDS, GROUPS
from siaga112.errors import UsageError
from siaga112.words import Language

_EXAMPLE: Final = "\n\nExample: "


@contextmanager
def _pipes() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit from None


class _Commands(TyperGroup):
    """The commands of the table; a closed pipe (`siaga112 calls | head`) is not an error."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - as above
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = _loaded(cmd_name)
        return self.commands[cmd_name]

    def make_context(self, *arguments: Any, **extra: Any) -> Any:
        invocation.begin()
        with _pipes():
            return super().make_context(*arguments, **extra)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command.

        Raises:
            UsageError: if there is no such command; it names the nearest.

        """
        if not ctx.resilient_parsing and args[0] not in COMMANDS:
            if args[0].startswith("-"):
                return super().resolve_command(ctx, args)
            raise UsageError(usage.no_command(args[0], self.list_commands(ctx)))
        invocation.current().command = args[0]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with _pipes():
            return super().invoke(ctx)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        """List each command with its whole first sentence, however long it is."""
        widest = max(map(len, COMMANDS))
        for heading, group in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{one.name:{widest}}", one.summary) for one in group])


def _loaded(name: str) -> Any:
    command = COMMANDS[name]
    function = getattr(importlib.import_module(f"siaga112.cli.{command.module}"), command.function)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    alone.command(name)(function)
    made = typer.main.get_command(alone)
    if made.help:  # \b: keep the example on its own line, so that it can be copied
        made.help = made.help.replace(_EXAMPLE, "\n\n\b\nExample:\n  ")
    gc.freeze()  # what is loaded stays: the collector need not look at it
    gc.enable()
    return made


app = typer.Typer(
    name="siaga112",
    cls=_Commands,
    help="Screens prank callers for an emergency line on Asterisk. When in doubt, the call goes through.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: searchable, and its examples can be copied
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"siaga112 {siaga112.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    config: Annotated[
        Path | None,
        typer.Option("--config", help="The configuration file (default: SIAGA112_CONFIG).", metavar="PATH"),
    ] = None,
    api: Annotated[
        str,
        typer.Option(
            "--api",
            help="Use the API of the console at this address, with the token in SIAGA112_TOKEN.",
            metavar="URL",
        ),
    ] = "",
    lang: Annotated[
        Language | None,
        typer.Option(
            "--lang", help="The language of the output (default: [console] lang).", show_default=False
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_tell_version),
    ] = False,
) -> None:
    now = invocation.current()
    now.config, now.api, now.lang = config, api or os.environ.get("SIAGA112_API", ""), lang
