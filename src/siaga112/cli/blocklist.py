"""`blocks`, `block`, `unblock`, `confirm`, `dismiss`, `allowed`, `allow`, `disallow`."""

from typing import TYPE_CHECKING, Annotated

import typer

from siaga112.cli import rows, show
from siaga112.cli.root import (
    ByOption,
    JsonOption,
    NumberArgument,
    ReasonOption,
    app,
    at_desk,
    number,
    settings,
)
from siaga112.core import durations
from siaga112.core.model import Block, Caller

if TYPE_CHECKING:
    from siaga112.service.desk import Desk


@app.command()
def blocks(
    proposed: Annotated[
        bool, typer.Option("--proposed", help="Those that wait for a supervisor: confirm or dismiss.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List the callers that are blocked now, or whose block is proposed.

    Example: siaga112 blocks --proposed
    """
    zone = settings().zone
    if proposed:
        waiting = [rows.proposal(record, zone) for record in at_desk(lambda desk: desk.store.proposed())]
        show.listing(
            waiting,
            ("caller", "level", "since", "cause", "calls", "reason"),
            "no block is proposed",
            json=json,
        )
        return

    async def act(desk: "Desk") -> list[tuple[Caller, Block | None]]:
        now = desk.clock()
        return [(record.caller, record.block_at(now)) for record in await desk.store.blocked(now)]

    listed = [rows.block(caller, block, zone) for caller, block in at_desk(act) if block]
    columns = ("caller", "level", "since", "until", "origin", "by", "calls", "reason")
    show.listing(listed, columns, "nobody is blocked", json=json)


@app.command()
def block(
    caller: NumberArgument,
    reason: ReasonOption,
    by: ByOption,
    span: Annotated[
        str | None, typer.Option("--for", help='How long, like "24h".', metavar="DURATION")
    ] = None,
    permanent: Annotated[bool, typer.Option("--permanent", help="For good.")] = False,
) -> None:
    """Block a caller.

    Example: siaga112 block 081234567890 --for 24h --reason "threats, report 17/2026"
    """
    if (span is None) is not permanent:
        raise typer.BadParameter("say how long: either --for DURATION or --permanent")
    who = number(caller)
    try:
        length = None if span is None else durations.parse(span)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from error
    held = at_desk(lambda desk: desk.block(who, length, reason), by)
    until = rows.instant(held.until, settings().zone) or "further notice"
    typer.echo(f"{who} is blocked until {until}")


@app.command()
def unblock(
    caller: NumberArgument,
    reason: ReasonOption,
    by: ByOption,
    mistake: Annotated[
        bool, typer.Option("--mistake", help="It should never have been: `report` counts it as wrong.")
    ] = False,
) -> None:
    """Lift the block on a caller; strikes so far are forgiven.

    Example: siaga112 unblock 081234567890 --reason "phone was stolen"
    """
    who = number(caller)
    lifted = at_desk(lambda desk: desk.unblock(who, reason, mistake=mistake), by)
    typer.echo(f"{who} is no longer blocked (was: {lifted.level.value}, {lifted.reason})")


@app.command()
def confirm(caller: NumberArgument, reason: ReasonOption, by: ByOption) -> None:
    """Impose the block that is proposed for a caller.

    Example: siaga112 confirm 081234567890 --reason "agreed with the ministry, letter 12/2026"
    """
    who = number(caller)
    held = at_desk(lambda desk: desk.confirm(who, reason), by)
    until = rows.instant(held.until, settings().zone) or "further notice"
    typer.echo(f"{who} is blocked until {until}")


@app.command()
def dismiss(caller: NumberArgument, reason: ReasonOption, by: ByOption) -> None:
    """Say no to the block that is proposed for a caller; strikes so far are forgiven.

    Example: siaga112 dismiss 081234567890 --reason "a child, the school was told"
    """
    who = number(caller)
    at_desk(lambda desk: desk.dismiss(who, reason), by)
    typer.echo(f"{who} is not blocked; the misuses so far are forgiven")


@app.command()
def allowed(json: JsonOption = False) -> None:
    """List the callers who are never blocked.

    Example: siaga112 allowed --json
    """
    zone = settings().zone
    listed = [rows.allowed(record, zone) for record in at_desk(lambda desk: desk.store.allowed())]
    show.listing(listed, ("caller", "since", "by", "reason"), "the allow list is empty", json=json)


@app.command()
def allow(caller: NumberArgument, reason: ReasonOption, by: ByOption) -> None:
    """Put a caller on the allow list, which comes before everything.

    Example: siaga112 allow 0254201234 --reason "clinic"
    """
    who = number(caller)
    at_desk(lambda desk: desk.allow(who, reason), by)
    typer.echo(f"{who} is on the allow list")


@app.command()
def disallow(caller: NumberArgument, by: ByOption) -> None:
    """Take a caller off the allow list.

    Example: siaga112 disallow 0254201234
    """
    who = number(caller)
    at_desk(lambda desk: desk.disallow(who), by)
    typer.echo(f"{who} is off the allow list")
