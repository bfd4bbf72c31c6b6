"""`doctor`."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final

import typer

from siaga112.cli import invocation
from siaga112.cli.options import JsonOption
from siaga112.cli.site import settings
from siaga112.doctor import diagnose, exit_code
from siaga112.doctor.examination import examine
from siaga112.doctor.lines import Line
from siaga112.settings.loading import require_secret, source_of
from siaga112.terminal import printing

_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red", "-": "cyan"}


def doctor(json: JsonOption = False) -> None:
    """Check the installation against the live PBX, Redis and the database; each line with its remedy.

    It changes nothing. The daemon is asked for one verdict, for a caller who withholds the number.
    Ends with 0 if nothing failed, 1 if something did, 4 if the PBX, Redis or the
    database is not reachable.

    Example: siaga112 doctor
    """
    config = settings()
    require_secret(config)
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
        printing.plain(f"  {line.check:20}  {line.found}")
        if line.remedy:
            printing.plain(f"{'':28}→ {line.remedy}")


def _sum(checked: Sequence[Line]) -> str:
    counts = Counter(line.health.value for line in checked)
    return f"{counts['ok']} ok, {counts['warn']} warn, {counts['fail']} fail, {counts['-']} not checked"
