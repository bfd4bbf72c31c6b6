"""`doctor`."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Annotated, Final

import typer

from siaga112 import logs
from siaga112.cli import invocation
from siaga112.cli.options import JsonOption, span
from siaga112.cli.site import settings
from siaga112.core.model import SECOND
from siaga112.doctor import diagnose, exit_code
from siaga112.doctor.examination import examine
from siaga112.doctor.lines import Line
from siaga112.settings.loading import load, require_secret, source_of
from siaga112.terminal import printing

_MARGIN: Final = 28
"""The column of the findings."""

_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red", "-": "cyan"}


LEAST, MOST = 10 * SECOND, 15 * 60 * SECOND
"""The shortest and longest interval: one run may take 10 s; after 15 minutes the alert would fire."""


def doctor(
    json: JsonOption = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Repeat the checks, and export the results to Prometheus.")
    ] = False,
    every: Annotated[
        str, typer.Option("--every", help="With --watch: how often.", metavar="DURATION")
    ] = "5m",
    port: Annotated[
        int,
        typer.Option("--port", help="With --watch: where /metrics is (at [metrics] host).", min=1, max=65535),
    ] = 9114,
) -> None:
    """Check the installation against the live PBX, Redis and the database; each line has its remedy.

    It changes nothing. It asks the daemon for one verdict, on a caller who withholds the number. The exit
    code is 0 if nothing failed, 1 if something did, 4 if the PBX, Redis or the database is not reachable.
    With --watch it runs until it is stopped.

    Example: siaga112 doctor
    """
    pause = span(every, "--every")
    if not LEAST <= pause <= MOST:
        raise typer.BadParameter("from 10s to 15m", param_hint="--every")
    if watch and json:
        raise typer.BadParameter("prints nothing for scripts: read /metrics", param_hint="--watch")
    config = settings()
    require_secret(config)
    if watch:
        logs.configure()
        read = partial(load, invocation.current().config)
        watching = import_module("siaga112.doctor.watch")
        asyncio.run(watching.watch(read, source_of(invocation.current().config), pause / SECOND, port))
        return
    seen = asyncio.run(examine(config, source_of(invocation.current().config)))
    checked = list(diagnose(seen))
    if json:
        printing.as_json(
            [
                {"check": one.check, "health": one.health, "found": one.found, "remedy": one.remedy or None}
                for one in checked
            ]
        )
    else:
        _print(checked)
        printing.plain(_sum(checked))
    raise typer.Exit(exit_code(seen, checked))


def _print(checked: Sequence[Line]) -> None:
    for line in checked:
        typer.secho(f"{line.health.value:4}", fg=_COLOURS[line.health.value], nl=False)
        first, *rest = printing.folded(f"{'':6}{line.check:20}  {line.found}", _MARGIN)
        printing.plain(first[4:], *rest)
        if line.remedy:
            printing.plain(*printing.folded(f"{'':{_MARGIN}}→ {line.remedy}", _MARGIN + 2))


def _sum(checked: Sequence[Line]) -> str:
    counts = Counter(line.health.value for line in checked)
    return f"{counts['ok']} ok, {counts['warn']} warn, {counts['fail']} fail, {counts['-']} not checked"
