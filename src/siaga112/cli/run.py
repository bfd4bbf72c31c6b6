"""`run`."""

import asyncio
import resource
from functools import partial
from typing import Annotated, Literal

import typer
import uvloop

from siaga112 import logs
from siaga112.app.daemon import Daemon, Half
from siaga112.cli import invocation
from siaga112.settings.loading import load


def run(
    only: Annotated[
        Literal["track", "screen"] | None, typer.Option("--only", help="Run one half alone.")
    ] = None,
) -> None:
    """Run the daemon: follow the PBX (track) and answer the dialplan (screen).

    Example: siaga112 run --only screen
    """
    half = Half(only) if only else None
    read = partial(load, invocation.current().config)
    config = read()
    logs.configure()
    # Its memory holds callers' numbers and the secrets: no core of it lies about.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Daemon(config, half, read).run())
