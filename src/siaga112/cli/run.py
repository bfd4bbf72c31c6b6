"""`run`."""

import asyncio
import resource
from functools import partial
from importlib import import_module
from typing import Annotated, Literal

import typer
import uvloop

from siaga112 import lean, logs  # noqa: F401 - `lean` first
from siaga112.app.daemon import Daemon, Half
from siaga112.cli import invocation
from siaga112.settings.loading import load


def run(
    only: Annotated[
        Literal["track", "screen", "console"] | None, typer.Option("--only", help="Run one part alone.")
    ] = None,
) -> None:
    """Run the daemon: follow the PBX (track), answer the dialplan (screen), and serve the console.

    Without --only it runs all parts; the console, a separate process, once there is a user (siaga112 user
    add).

    Example: siaga112 run --only screen
    """
    read = partial(load, invocation.current().config)
    config = read()
    logs.configure()
    # Its memory has callers' numbers and secrets: write no core dump.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if only == "console":
            serving = import_module("siaga112.console.serving")  # some 40 MB that no other part needs
            runner.run(serving.serve(config, invocation.current().config, read))
        else:
            half = Half(only) if only else None
            runner.run(Daemon(config, half, read, invocation.current().config).run())
