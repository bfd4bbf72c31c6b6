"""`blocks`, `block`, `unblock`, `confirm`, `dismiss`, `allowed`, `allow`, `disallow`."""

from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from siaga112.app.records import now
from siaga112.cli.options import (
    ByOption,
    JsonOption,
    NumberArgument,
    ReasonOption,
    SeenOption,
    YesOption,
    instants,
    span,
)
from siaga112.cli.site import ask, decide, decide_first, number, speaker
from siaga112.core import durations
from siaga112.core.model import SECOND, Level, Mode, Origin
from siaga112.core.period import instant
from siaga112.errors import Said, UsageError, saying
from siaga112.terminal import labels, printing, rows, tables
from siaga112.words import say

if TYPE_CHECKING:
    from siaga112.app.lists import Lists
    from siaga112.cli.remote import RemoteLists


_BLOCK: Final = ("reason", "origin", "since", "by", "calls")


class Sort(StrEnum):
    """The order of the list."""

    NEWEST = "newest"
    END = "end"


def blocks(  # noqa: PLR0917 - one parameter an option
    proposed: Annotated[
        bool, typer.Option("--proposed", help="List those that wait for a supervisor: confirm or dismiss.")
    ] = False,
    sort: Annotated[
        Sort, typer.Option("--sort", help="The newest block first, or the one that ends next.")
    ] = Sort.NEWEST,
    level: Annotated[Level | None, typer.Option("--level", help="Only blocks of this level.")] = None,
    origin: Annotated[
        Origin | None, typer.Option("--origin", help="Only those of the policy, a person, or a list.")
    ] = None,
    ends_before: Annotated[
        str,
        typer.Option(
            "--ends-before",
            help='Only those that end within this time ("2h"), or before then (ISO 8601).',
            metavar="WHEN",
        ),
    ] = "",
    json: JsonOption = False,
) -> None:
    """List the callers who are blocked now, or whose block is proposed.

    Example: siaga112 blocks --proposed

    Example: siaga112 blocks --sort end --origin automatic --ends-before 2h
    """
    if proposed:
        if level or origin or ends_before:
            raise UsageError(say("--proposed cannot be combined with --level, --origin or --ends-before"))
        waiting = ask(lambda lists: lists.proposals())
        of_each = ("caller", "level", "since", "cause", "reason", "calls")
        tables.listing(waiting, of_each, say("no block is proposed"), json=json, t=speaker())
        return

    async def act(lists: "Lists | RemoteLists") -> tuple[list[rows.Row], Mode]:
        return await lists.blocks(), await lists.mode()

    listed, mode = ask(act)
    none = say("no block matches") if listed else say("nobody is blocked")
    latest = _moment(ends_before, _since(listed[0])[0].tzinfo if listed else UTC) if ends_before else None
    listed = [
        row
        for row in listed
        if level in {None, row["level"]}
        and origin in {None, row["origin"]}
        and (latest is None or _end(row)[0] < latest)
    ]
    listed.sort(key=_end if sort is Sort.END else _since, reverse=sort is Sort.NEWEST)
    outranked = any(row["allowed"] for row in listed)
    columns = ("caller", "level", "until", *["allowed"] * outranked, *_BLOCK)
    tables.listing(listed, columns, none, json=json, t=speaker())
    if listed and not json:
        t = speaker()
        if outranked:
            printing.wrapped(
                t("allowed: on the allow list, which comes before the block (siaga112 disallow NUMBER)")
            )
        if mode is not Mode.ENFORCE:
            said = t("mode {mode}: calls of all of these still get through", mode=labels.word(mode, t))
            printing.wrapped(said)


def _end(row: rows.Row) -> tuple[datetime, str]:
    until = row["until"]
    return (datetime.fromisoformat(str(until)) if until else _NEVER), str(row["caller"])


def _since(row: rows.Row) -> tuple[datetime, str]:
    return datetime.fromisoformat(str(row["since"])), str(row["caller"])


_NEVER: Final = datetime.max.replace(tzinfo=UTC)


def _moment(text: str, zone: tzinfo | None) -> datetime:
    """Parse how long from now on ("2h"), or a time.

    Raises:
        UsageError: if it is neither; it says how to write it.

    """
    try:
        return datetime.fromtimestamp(now() / SECOND, zone) + timedelta(milliseconds=durations.parse(text))
    except ValueError:
        pass
    try:
        return instant(text, zone or UTC)
    except ValueError as error:
        said = say('{option}: {why}; or write a duration ("24h")')
        raise UsageError(said, option="--ends-before", why=saying(error)) from None


def block(  # noqa: PLR0917 - one parameter an option
    numbers: Annotated[
        list[str],
        typer.Argument(help="Numbers in any notation, or hashes as `blocks` prints them.", metavar="NUMBER"),
    ],
    reason: ReasonOption,
    by: ByOption,
    for_: Annotated[
        str | None, typer.Option("--for", help='For how long, like "24h".', metavar="DURATION")
    ] = None,
    permanent: Annotated[bool, typer.Option("--permanent", help="Until further notice.")] = False,
    shorten: Annotated[
        bool,
        typer.Option("--shorten", help="End a longer block at this time; without it, the later end holds."),
    ] = False,
    yes: YesOption = False,
) -> None:
    """Block one or more callers; this settles a block that is proposed.

    A block never shortens an earlier one without --shorten. A caller on the allow list cannot be blocked.
    It asks first where it may hit the wrong caller: one who recently reported something genuine, a number in
    the range of a service number, more than 20 numbers at once. With several numbers, nothing is blocked
    before the answer; after it each number succeeds or fails by itself.

    Example: siaga112 block 081234567890 --for 24h --reason "threats, report 17/2026"
    """
    if (for_ is None) is not permanent:
        raise typer.BadParameter(Said("say how long: either --for DURATION or --permanent"))
    if shorten and permanent:
        raise typer.BadParameter(
            Said("--shorten needs --for DURATION: a permanent block cannot shorten another")
        )
    who = [number(one) for one in numbers]
    length = None if for_ is None else span(for_, "--for")
    done = decide_first(
        lambda deeds, sure: deeds.block(who, length, reason, shorten=shorten, yes=sure), by, yes=yes
    )
    for one in done:
        if one.done:
            printing.wrapped(one.said)
        else:
            printing.plain(f"siaga112: {one.caller}: {one.said}", err=True)
    if not all(one.done for one in done):
        raise typer.Exit(1)


def unblock(
    caller: NumberArgument,
    reason: ReasonOption,
    by: ByOption,
    mistake: Annotated[
        bool, typer.Option("--mistake", help="The block was a mistake: `report` counts it as wrong.")
    ] = False,
    seen: SeenOption = None,
) -> None:
    """Lift all blocks on a caller, dismiss a proposed one, and forgive the strikes so far.

    Example: siaga112 unblock 081234567890 --reason "phone was stolen"
    """
    who, shown = number(caller), instants(seen, "--seen")
    decide(lambda deeds: deeds.unblock(who, reason, mistake=mistake, seen=shown), by)


def confirm(
    caller: NumberArgument,
    reason: ReasonOption,
    by: ByOption,
    yes: YesOption = False,
    seen: SeenOption = None,
) -> None:
    """Impose the block that is proposed for a caller.

    It asks first where `block` would, except about what the proposal already says.

    Example: siaga112 confirm 081234567890 --reason "agreed with the ministry, letter 12/2026"
    """
    who, shown = number(caller), instants(seen, "--seen")
    printing.wrapped(
        decide_first(lambda deeds, sure: deeds.confirm(who, reason, yes=sure, seen=shown), by, yes=yes)
    )


def dismiss(caller: NumberArgument, reason: ReasonOption, by: ByOption, seen: SeenOption = None) -> None:
    """Dismiss the block that is proposed for a caller, and forgive the strikes so far.

    This ends automatic blocks; one that a person imposed stays.

    Example: siaga112 dismiss 081234567890 --reason "a child; the school is informed"
    """
    who, shown = number(caller), instants(seen, "--seen")
    decide(lambda deeds: deeds.dismiss(who, reason, seen=shown), by)


def allowed(json: JsonOption = False) -> None:
    """List the callers who are never blocked.

    Example: siaga112 allowed --json
    """
    listed = ask(lambda lists: lists.allowed())
    columns = ("caller", "since", "reason", "by")
    tables.listing(listed, columns, say("the allow list is empty"), json=json, t=speaker())


def allow(caller: NumberArgument, reason: ReasonOption, by: ByOption) -> None:
    """Put a caller on the allow list, which outranks everything; a proposed block is dismissed.

    Blocks stay on record, but have no effect while the caller is on the list.

    Example: siaga112 allow 0254201234 --reason "clinic"
    """
    who = number(caller)
    decide(lambda deeds: deeds.allow(who, reason), by)


def disallow(caller: NumberArgument, by: ByOption) -> None:
    """Take a caller off the allow list; a block that it outranked is in force again.

    Example: siaga112 disallow 0254201234
    """
    who = number(caller)
    decide(lambda deeds: deeds.disallow(who), by)
