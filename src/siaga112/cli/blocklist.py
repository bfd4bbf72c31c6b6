"""`blocks`, `block`, `unblock`, `allowed`, `allow`, `disallow`, `why`."""

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
def blocks(json: JsonOption = False) -> None:
    """List the callers that are blocked now."""
    zone = settings().zone

    async def act(desk: "Desk") -> list[tuple[Caller, Block | None]]:
        now = desk.clock()
        return [(record.caller, record.block_at(now)) for record in await desk.store.blocked(now)]

    listed = [rows.block(caller, block, zone) for caller, block in at_desk(act) if block]
    if json:
        show.as_json(listed)
    else:
        columns = ("caller", "level", "since", "until", "origin", "by", "calls", "reason")
        show.table(listed, columns, "nobody is blocked")


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
def unblock(caller: NumberArgument, reason: ReasonOption, by: ByOption) -> None:
    """Lift the block on a caller; strikes so far are forgiven.

    Example: siaga112 unblock 081234567890 --reason "phone was stolen"
    """
    who = number(caller)
    lifted = at_desk(lambda desk: desk.unblock(who, reason), by)
    typer.echo(f"{who} is no longer blocked (was: {lifted.level.value}, {lifted.reason})")


@app.command()
def allowed(json: JsonOption = False) -> None:
    """List the callers who are never blocked."""
    zone = settings().zone
    listed = [rows.allowed(record, zone) for record in at_desk(lambda desk: desk.store.allowed())]
    if json:
        show.as_json(listed)
    else:
        show.table(listed, ("caller", "since", "by", "reason"), "the allow list is empty")


@app.command()
def allow(caller: NumberArgument, reason: ReasonOption, by: ByOption) -> None:
    """Put a caller on the allow list, which comes before everything."""
    who = number(caller)
    at_desk(lambda desk: desk.allow(who, reason), by)
    typer.echo(f"{who} is on the allow list")


@app.command()
def disallow(caller: NumberArgument, by: ByOption) -> None:
    """Take a caller off the allow list."""
    who = number(caller)
    at_desk(lambda desk: desk.disallow(who), by)
    typer.echo(f"{who} is off the allow list")


@app.command()
def why(caller: NumberArgument, json: JsonOption = False) -> None:
    """Tell a caller's story: strikes with their calls, blocks, who lifted what, the verdict now."""
    from siaga112.cli.story import Story, as_row, tell  # noqa: PLC0415

    zone = settings().zone
    who = number(caller)

    async def act(desk: "Desk") -> Story:
        record, verdict = await desk.record(who), await desk.verdict(who)
        return Story(record, verdict, await desk.mode(), desk.rules, desk.clock())

    story = at_desk(act)
    if json:
        show.as_json([as_row(story, zone)])
        return
    for line in tell(story, zone):
        typer.echo(line)
