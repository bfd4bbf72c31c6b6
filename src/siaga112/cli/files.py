"""`files`, `acl`: the files that siaga112 ships for other programs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from siaga112.adapters.redis.url import parse
from siaga112.cli.options import JsonOption
from siaga112.cli.site import settings
from siaga112.errors import SiagaError
from siaga112.settings.schema import Metrics
from siaga112.shipped import acl as redis_acl
from siaga112.shipped import catalogue
from siaga112.shipped.copying import plan
from siaga112.terminal import printing, tables
from siaga112.terminal.rows import Row

SetName = StrEnum("SetName", list(catalogue.SETS))  # type: ignore[misc]  # its members are the table's

_ALERTS = "prometheus"


def _runbook(given: str | None) -> str:
    """Return the runbook's address for the alerts: from the command line, otherwise the configured one."""
    if given is None:
        return settings().metrics.runbook_url
    try:
        return Metrics(runbook_url=given).runbook_url
    except ValueError as error:
        raise typer.BadParameter(
            f'"{given}" is not the address of a page, like https://wiki.example/siaga112/runbook',
            param_hint="--runbook-url",
        ) from error


def files(  # noqa: PLR0917 - one parameter an option
    chosen: Annotated[SetName | None, typer.Argument(metavar="SET", help="Only these.")] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            help="Copy into this folder; without SET, each set into a folder of its name.",
            metavar="DIR",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be written.")] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Print what would change there (diff -u); write nothing.")
    ] = False,
    runbook_url: Annotated[
        str | None,
        typer.Option(
            "--runbook-url",
            help="Where your copy of docs/runbook.md is, for the alerts.",
            show_default="[metrics] runbook_url",
            metavar="URL",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the files that come with siaga112, or copy them to where they belong.

    A file that somebody has edited is never overwritten: the new one is written beside it, as NAME.new.

    Example: siaga112 files asterisk --to /etc/asterisk --diff
    """
    copies = list(plan(chosen, to, _runbook(runbook_url) if chosen in {None, _ALERTS} else ""))
    if not copies:
        raise SiagaError(f'this siaga112 has no files of the set "{chosen}"')
    if diff:
        printing.exactly("".join(one.diff() for one in copies))
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
    columns = ("file", "there", "writes", "set") if to else ("file", "there", "set")
    tables.listing(rows, columns, "no files", json=json)


def acl(
    user: Annotated[
        str | None,
        typer.Option("--user", help="The user's name.", show_default="that of [redis] url", metavar="NAME"),
    ] = None,
) -> None:
    """Print redis-acl.conf for this site: a Redis user that can access this site's keys alone.

    The password is that of [redis] url, as a hash; if there is none, one is made and printed once.

    Example: siaga112 acl > /etc/siaga112/redis-acl.conf
    """
    config = settings()
    url = None if config.embedded_redis else parse(config.redis.url.get_secret_value())
    made = redis_acl.of_site(
        config.site, user or (url.username if url else None), url.password if url else None
    )
    printing.exactly(made.text)
    if made.password:
        printing.plain(
            "siaga112: made a password, which is printed only here; in [redis]: "
            f'url = "redis://{made.user}:{made.password}@127.0.0.1:6379"',
            err=True,
        )
