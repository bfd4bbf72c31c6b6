"""`run`, `check-config`, `mode`."""

import asyncio
from typing import Annotated, Literal

import typer

from siaga112.cli.root import ByOption, app, put_down, settings
from siaga112.core.model import Mode
from siaga112.terminal import tables


@app.command()
def run(
    only: Annotated[
        Literal["track", "screen"] | None, typer.Option("--only", help="Run one half alone.")
    ] = None,
) -> None:
    """Run the daemon: follow the PBX (track) and answer the dialplan (screen).

    Example: siaga112 run --only screen
    """
    import resource  # noqa: PLC0415

    import uvloop  # noqa: PLC0415

    from siaga112 import logs  # noqa: PLC0415
    from siaga112.app import Daemon, Half  # noqa: PLC0415

    half = Half(only) if only else None
    config = settings()
    logs.configure()
    # Its memory holds callers' numbers and the secrets: no core of it lies about.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Daemon(config, half, settings).run())


@app.command("check-config")
def check_config() -> None:
    """Load and cross-check the configuration; print it with secrets masked.

    Example: siaga112 --config siaga112.toml check-config
    """
    from siaga112.settings.explained import explain  # noqa: PLC0415

    config = settings()
    text, warnings = explain(config)
    tables.plain(*text.splitlines())
    for warning in warnings:
        tables.plain(f"warning: {warning}", err=True)


@app.command()
def mode(
    by: ByOption,
    to: Annotated[
        Mode | None, typer.Argument(help="Switch to this mode; without it, show the mode.", metavar="MODE")
    ] = None,
    reason: Annotated[
        str,
        typer.Option(
            "--reason", help="Why, for the record; off needs it.", metavar="TEXT", callback=put_down
        ),
    ] = "",
) -> None:
    """Show or switch the enforcement of the whole site, at once: the kill switch.

    \b
    off: every verdict is ALLOW and no strikes are given. It needs a reason.
    observe: strikes and blocks are kept, nobody is rejected.
    enforce: blocked callers are rejected.

    off works on this machine also while Redis is away: it makes the file `off` in the state directory,
    which can be made by hand too. observe and enforce take it away. An off in the configuration comes first.

    Example: siaga112 mode off --reason "flood in the harbour"
    """  # noqa: D301 - \\b keeps the lines as they are
    from siaga112.cli import switching  # noqa: PLC0415

    if to is None:
        tables.plain(switching.shown().value)
        return
    if to is Mode.OFF and not reason.strip():
        from siaga112.service.supervisor import OFF_NEEDS_A_REASON  # noqa: PLC0415

        tables.plain(f"siaga112: {OFF_NEEDS_A_REASON}", err=True)
        raise typer.Exit(2)
    reached = switching.off(reason, by) if to is Mode.OFF else switching.on(to, reason, by)
    tables.plain(f"mode is now {to.value}: {_MEANING[to]}{reached}")


_MEANING = {
    Mode.OFF: "every call goes through, no strikes are given",
    Mode.OBSERVE: "strikes and blocks are kept, nobody is rejected",
    Mode.ENFORCE: "blocked callers are rejected",
}
