"""`blocks`, `block`, `unblock`, `confirm`, `dismiss`, `allowed`, `allow`, `disallow`."""

from typing import TYPE_CHECKING, Annotated

import typer

from siaga112.cli.options import ByOption, JsonOption, NumberArgument, ReasonOption, YesOption, span
from siaga112.cli.site import ask, decide, decide_first, number, speaker
from siaga112.core.model import Mode
from siaga112.errors import Said
from siaga112.terminal import labels, printing, rows, tables
from siaga112.words import say

if TYPE_CHECKING:
    from siaga112.app.lists import Lists
    from siaga112.cli.remote import RemoteLists


def blocks(
    proposed: Annotated[
        bool, typer.Option("--proposed", help="Those that wait for a supervisor: confirm or dismiss.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List the callers that are blocked now, or whose block is proposed.

    Example: siaga112 blocks --proposed
    """
    if proposed:
        waiting = ask(lambda lists: lists.proposals())
        of_each = ("caller", "level", "since", "cause", "calls", "reason")
        tables.listing(waiting, of_each, say("no block is proposed"), json=json, t=speaker())
        return

    async def act(lists: "Lists | RemoteLists") -> tuple[list[rows.Row], Mode]:
        return await lists.blocks(), await lists.mode()

    listed, mode = ask(act)
    columns = ("caller", "level", "since", "until", "allowed", "origin", "by", "calls", "reason")
    tables.listing(listed, columns, say("nobody is blocked"), json=json, t=speaker())
    if listed and not json:
        t = speaker()
        if any(row["allowed"] for row in listed):
            printing.plain(
                t("allowed: on the allow list, which comes before the block (siaga112 disallow NUMBER)")
            )
        if mode is not Mode.ENFORCE:
            said = t("mode {mode}: calls of all of these still get through", mode=labels.word(mode, t))
            printing.plain(said)


def block(  # noqa: PLR0917 - one parameter an option
    numbers: Annotated[
        list[str],
        typer.Argument(help="Numbers in any spelling, or hashes as `blocks` shows them.", metavar="NUMBER"),
    ],
    reason: ReasonOption,
    by: ByOption,
    for_: Annotated[
        str | None, typer.Option("--for", help='How long, like "24h".', metavar="DURATION")
    ] = None,
    permanent: Annotated[bool, typer.Option("--permanent", help="Until further notice.")] = False,
    shorten: Annotated[
        bool, typer.Option("--shorten", help="End a longer block at this time; without it, the later holds.")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Block callers; what is proposed for one is settled by it.

    A block never shortens an earlier one without --shorten. Who is on the allow list cannot be blocked.
    It asks first before it may hit the wrong one: who lately reported something genuine, a number in the
    range of a service number, more than 20 at once. Of several none is blocked before that; then each stands
    for itself.

    Example: siaga112 block 081234567890 --for 24h --reason "threats, report 17/2026"
    """
    if (for_ is None) is not permanent:
        raise typer.BadParameter(Said("say how long: either --for DURATION or --permanent"))
    if shorten and permanent:
        raise typer.BadParameter(Said("--shorten needs --for DURATION: a permanent block shortens nothing"))
    who = [number(one) for one in numbers]
    length = None if for_ is None else span(for_, "--for")
    done = decide_first(
        lambda deeds, sure: deeds.block(who, length, reason, shorten=shorten, yes=sure), by, yes=yes
    )
    for one in done:
        printing.plain(one.said if one.done else f"siaga112: {one.caller}: {one.said}", err=not one.done)
    if not all(one.done for one in done):
        raise typer.Exit(1)


def unblock(
    caller: NumberArgument,
    reason: ReasonOption,
    by: ByOption,
    mistake: Annotated[
        bool, typer.Option("--mistake", help="It should never have been: `report` counts it as wrong.")
    ] = False,
) -> None:
    """Lift all blocks on a caller, and dismiss what is proposed; strikes so far are forgiven.

    Example: siaga112 unblock 081234567890 --reason "phone was stolen"
    """
    who = number(caller)
    decide(lambda deeds: deeds.unblock(who, reason, mistake=mistake), by)


def confirm(caller: NumberArgument, reason: ReasonOption, by: ByOption, yes: YesOption = False) -> None:
    """Impose the block that is proposed for a caller.

    It asks first as `block` does, but not for what the proposal says already.

    Example: siaga112 confirm 081234567890 --reason "agreed with the ministry, letter 12/2026"
    """
    who = number(caller)
    printing.plain(decide_first(lambda deeds, sure: deeds.confirm(who, reason, yes=sure), by, yes=yes))


def dismiss(caller: NumberArgument, reason: ReasonOption, by: ByOption) -> None:
    """Say no to the block that is proposed for a caller; strikes so far are forgiven.

    Automatic blocks end with it; one that a person imposed stays.

    Example: siaga112 dismiss 081234567890 --reason "a child, the school was told"
    """
    who = number(caller)
    decide(lambda deeds: deeds.dismiss(who, reason), by)


def allowed(json: JsonOption = False) -> None:
    """List the callers who are never blocked.

    Example: siaga112 allowed --json
    """
    listed = ask(lambda lists: lists.allowed())
    columns = ("caller", "since", "by", "reason")
    tables.listing(listed, columns, say("the allow list is empty"), json=json, t=speaker())


def allow(caller: NumberArgument, reason: ReasonOption, by: ByOption) -> None:
    """Put a caller on the allow list, which comes before everything; what is proposed is dismissed.

    Blocks stay on record and give way to the list.

    Example: siaga112 allow 0254201234 --reason "clinic"
    """
    who = number(caller)
    decide(lambda deeds: deeds.allow(who, reason), by)


def disallow(caller: NumberArgument, by: ByOption) -> None:
    """Take a caller off the allow list; a block that gave way to it holds again.

    Example: siaga112 disallow 0254201234
    """
    who = number(caller)
    decide(lambda deeds: deeds.disallow(who), by)
