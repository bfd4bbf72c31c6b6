"""`doctor`."""

import asyncio
from typing import TYPE_CHECKING

import typer

from siaga112.cli import root
from siaga112.cli.root import JsonOption, app, settings
from siaga112.terminal import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siaga112.doctor.lines import Line

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "-": "cyan"}


@app.command()
def doctor(json: JsonOption = False) -> None:
    """Check the installation against the live PBX and Redis; each line with its remedy.

    It changes nothing. The daemon is asked for one verdict, for a caller who withholds the number.
    Ends with 0 if nothing failed, 1 if something did, 4 if the PBX or Redis is not reachable.

    Example: siaga112 doctor
    """
    from siaga112.app import require_secret  # noqa: PLC0415
    from siaga112.doctor import diagnose, exit_code  # noqa: PLC0415
    from siaga112.doctor.examination import examine  # noqa: PLC0415
    from siaga112.settings.schema import source_of  # noqa: PLC0415

    config = settings()
    require_secret(config)
    seen = asyncio.run(examine(config, source_of(root.chosen_config())))
    lines = list(diagnose(seen))
    if json:
        from siaga112.terminal.tables import as_json  # noqa: PLC0415

        as_json(
            [
                {"check": one.check, "health": one.health, "found": one.found, "remedy": one.remedy or None}
                for one in lines
            ]
        )
    else:
        _print(lines)
        tables.plain(_sum(lines))
    raise typer.Exit(exit_code(seen, lines))


def _print(lines: "Sequence[Line]") -> None:
    for line in lines:
        typer.secho(f"{line.health.value:4}", fg=_COLOURS[line.health.value], nl=False)
        tables.plain(f"  {line.check:20}  {line.found}")
        if line.remedy:
            tables.plain(f"{'':28}→ {line.remedy}")


def _sum(lines: "Sequence[Line]") -> str:
    from collections import Counter  # noqa: PLC0415

    counts = Counter(line.health.value for line in lines)
    return f"{counts['ok']} ok, {counts['warn']} warn, {counts['fail']} fail, {counts['-']} not checked"
