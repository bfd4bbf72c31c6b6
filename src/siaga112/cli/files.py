"""`files`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from siaga112 import share
from siaga112.cli.root import JsonOption, app
from siaga112.cli.rows import Row
from siaga112.errors import SiagaError

SetName = StrEnum("SetName", list(share.SETS))  # type: ignore[misc]  # its members are the table's


@app.command()
def files(
    chosen: Annotated[SetName | None, typer.Argument(metavar="SET", help="Only these.")] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            help="Copy into this folder; without SET, each set into a folder of its name.",
            metavar="DIR",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be written.")] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Print what ours would change there (diff -u); writes nothing.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List the files that come with siaga112, or copy them to where they belong.

    A file that somebody has edited there is never overwritten: ours is written beside it, as NAME.new.

    Example: siaga112 files asterisk --to /etc/asterisk --diff
    """
    from siaga112.cli.show import listing  # noqa: PLC0415
    from siaga112.copying import plan  # noqa: PLC0415

    copies = list(plan(chosen, to))
    if not copies:
        raise SiagaError(f'this siaga112 has no files of the set "{chosen}"')
    if diff:
        typer.echo("".join(one.diff() for one in copies), nl=False)
        return
    rows: list[Row] = []
    for one in copies:
        writes = one.writes() if to else None
        rows.append(
            {
                "set": one.set,
                "file": str(one.target),
                "there": one.standing,
                "writes": str(writes) if writes else None,
            }
        )
        if not dry_run and to:
            one.write()
    columns = ("set", "file", "there", "writes") if to else ("set", "file", "there")
    listing(rows, columns, "no files", json=json)
