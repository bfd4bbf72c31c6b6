"""`files`, `acl`: what comes with siaga112 for others."""

import hashlib
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from siaga112.cli.root import JsonOption, app, settings
from siaga112.errors import SiagaError
from siaga112.shipped import catalogue
from siaga112.terminal import tables
from siaga112.terminal.rows import Row

SetName = StrEnum("SetName", list(catalogue.SETS))  # type: ignore[misc]  # its members are the table's

_ALERTS = "prometheus"

_SHIPPED: Final = ("user siaga112 ", ">change-me", "{siaga112}")
"""What of the shipped file is another at each centre: the user, the password, the site."""


def _runbook(given: str | None) -> str:
    """Give the page that the alerts name: the one of the command line, else the configured one."""
    from siaga112.settings.schema import Settings  # noqa: PLC0415

    if given is None:
        return settings().metrics.runbook_url
    try:
        return Settings.model_validate({"metrics": {"runbook_url": given}}).metrics.runbook_url
    except ValueError as error:
        raise typer.BadParameter(
            f'"{given}" is not the address of a page, like https://wiki.example/siaga112/runbook',
            param_hint="--runbook-url",
        ) from error


@app.command()
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be written.")] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Print what ours would change there (diff -u); writes nothing.")
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

    A file that somebody has edited there is never overwritten: ours is written beside it, as NAME.new.

    Example: siaga112 files asterisk --to /etc/asterisk --diff
    """
    from siaga112.shipped.copying import plan  # noqa: PLC0415
    from siaga112.terminal.tables import listing  # noqa: PLC0415

    copies = list(plan(chosen, to, _runbook(runbook_url) if chosen in {None, _ALERTS} else ""))
    if not copies:
        raise SiagaError(f'this siaga112 has no files of the set "{chosen}"')
    if diff:
        tables.exactly("".join(one.diff() for one in copies))
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


@app.command()
def acl(
    user: Annotated[
        str | None,
        typer.Option("--user", help="The user's name.", show_default="that of [redis] url", metavar="NAME"),
    ] = None,
) -> None:
    """Print redis-acl.conf for this site: a Redis user with this site's keys alone.

    The password is that of [redis] url, as a hash; where there is none, one is made and told once.

    Example: siaga112 acl > /etc/siaga112/redis-acl.conf
    """
    from siaga112.adapters.redis.url import parse  # noqa: PLC0415

    config = settings()
    url = None if config.embedded_redis else parse(config.redis.url.get_secret_value())
    own = "siaga112" if config.site == "siaga112" else f"siaga112-{config.site}"
    name = user or (url and url.username) or own
    if not name.isprintable() or any(one in " \"'#" for one in name):
        raise SiagaError(f"{name!r} is no name of a Redis user")
    password = (url and url.password) or secrets.token_hex(16)
    digest = hashlib.sha256(password.encode()).hexdigest()
    text = catalogue.text("config/redis-acl.conf")
    here = (f"user {name} ", f"#{digest}", f"{{{config.site}}}")
    for theirs, ours in zip(_SHIPPED, here, strict=True):
        text = text.replace(theirs, ours)
    tables.exactly(text)
    if not (url and url.password):
        tables.plain(
            "siaga112: made a password, which is told only here; in [redis]: "
            f'url = "redis://{name}:{password}@127.0.0.1:6379"',
            err=True,
        )
