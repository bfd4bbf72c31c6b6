"""`calls`, `mark`, `audit`."""

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from siaga112.app.deeds import Deeds, details
from siaga112.app.lists import lists
from siaga112.cli import invocation
from siaga112.cli.options import ByOption, JsonOption, ReasonOption, put_down
from siaga112.cli.site import ask, decide, number, settings, speaker, with_supervisor
from siaga112.core.announcements import EventType
from siaga112.core.model import Caller, CallId, Mark, Outcome
from siaga112.errors import UsageError
from siaga112.service.marking import ReportDetails
from siaga112.terminal import printing, rows, tables
from siaga112.terminal.explanation import explanation
from siaga112.terminal.rows import Row
from siaga112.words import say

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from siaga112.app.lists import Lists
    from siaga112.app.store import SiteStore
    from siaga112.cli.remote import RemoteDeeds, RemoteLists
    from siaga112.service.supervisor import Supervisor

_COLUMNS: Final = (
    "call", "started", "caller", "outcome", "reason", "strike", "mark", "wait_seconds", "talk_seconds",
    "ivr_seconds", "operator",
)  # fmt: skip

_LIKE: Final[Row] = {
    "call": "1795966930.123456",
    "started": "2026-11-29T16:22:10.000+07:00",
    "caller": "+6281234567890",
    "outcome": "abandoned",
    "reason": "queue_unavailable",
    "strike": False,
    "mark": "information",
    "wait_seconds": 100.0,
    "talk_seconds": 1000.0,
    "ivr_seconds": 100.0,
    "operator": None,
}
"""A typical call, which gives the columns their width before any call is listed."""

_PAUSE_SECONDS: Final = 0.5

SinceOption = Annotated[
    str, typer.Option("--since", help='How far back ("24h"), or from when (ISO 8601).', metavar="WHEN")
]


def calls(  # noqa: PLR0917 - one parameter an option
    since: Annotated[
        str,
        typer.Option(
            "--since",
            help='How far back ("24h"), or from when (ISO 8601); with --last: all of the past.',
            metavar="WHEN",
            show_default="24h",
        ),
    ] = "",
    until: Annotated[
        str,
        typer.Option("--until", help='Up to how long ago ("1h"), or to when; not included.', metavar="WHEN"),
    ] = "",
    limit: Annotated[
        int | None, typer.Option("--limit", help="At most so many, the oldest.", min=1, metavar="N")
    ] = None,
    last: Annotated[
        int | None, typer.Option("--last", help="At most so many, the newest.", min=1, metavar="N")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Then print each call as it is recorded, until Ctrl-C.")
    ] = False,
    outcome: Annotated[
        Outcome | None, typer.Option("--outcome", help="Only calls with this outcome.")
    ] = None,
    caller: Annotated[
        str | None, typer.Option("--number", help="Only this caller's.", metavar="NUMBER")
    ] = None,
    call: Annotated[str | None, typer.Option("--call", help="Only this call.", metavar="ID")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Print what was seen of each call.")] = False,
    json: JsonOption = False,
) -> None:
    """List the ledger: each call with its one outcome, oldest first.

    With --follow, --json prints one object a line.

    Example: siaga112 calls --since 24h --outcome ivr_prank

    Example: siaga112 calls --last 5 --follow
    """
    _go_together(until, limit, last, call, follow=follow, explain=explain)
    who = None if caller is None else number(caller)

    async def listed(site: "Lists | RemoteLists") -> list[Row]:
        begin = since or ("" if last else "24h")
        found = await site.calls(
            begin, until, outcome=outcome, caller=who, call=call or "", last=last, explain=explain
        )
        return found[:limit]

    if follow:
        with_supervisor(lambda desk: _follow(desk, listed, outcome, who, json=json))
        return
    found = ask(listed)
    if explain and not json:
        for row in found:
            printing.wrapped(*explanation(row, speaker()))
        return
    tables.listing(found, _COLUMNS, say("no calls"), json=json, t=speaker())


async def _follow(
    desk: "Supervisor",
    listed: "Callable[[Lists], Awaitable[list[Row]]]",
    outcome: Outcome | None,
    caller: Caller | None,
    *,
    json: bool,
) -> None:
    """Print the calls listed, then each call as it is recorded, until Ctrl-C or a closed pipe."""
    store, zone, t = cast("SiteStore", desk.store), settings().zone, speaker()
    place = await store.records.last_announced()
    found = await listed(lists(desk, settings(), t))
    known = {row["call"] for row in found}
    table = tables.Layout(found, _COLUMNS, t, like=[_LIKE])
    if json:
        _as_lines(found)
    else:
        table.show()
    while True:
        for one in await store.records.announcements(place):
            place, call = one.id, one.told.call
            if one.told.type is not EventType.CALL_ENDED or call in known or call is None:
                continue
            entry = await store.entry(call)
            if entry is None or outcome not in {None, entry.finding.outcome}:
                continue
            if caller in {None, entry.finding.call.caller}:
                new = rows.with_link(rows.call(entry, zone), settings().pbx.recording_url)
                if json:
                    _as_lines([new])
                else:
                    table.add([new])
        sys.stdout.flush()
        await asyncio.sleep(_PAUSE_SECONDS)


def _as_lines(found: Sequence[Row]) -> None:
    for row in found:
        printing.as_json_line(row)


def _go_together(
    until: str, limit: int | None, last: int | None, call: str | None, *, follow: bool, explain: bool
) -> None:
    """Check the options that exclude each other.

    Raises:
        UsageError: naming them.

    """
    if limit and last:
        raise UsageError(say("--limit names the oldest, --last the newest: only one of them"))
    if follow and (until or limit or call or explain):
        raise UsageError(say("--follow cannot be combined with --until, --limit, --call or --explain"))
    if follow and invocation.current().api:
        raise UsageError(say("--follow works on the machine of siaga112 itself, not through --api"))


def mark(  # noqa: PLR0917 - one parameter an option
    call: Annotated[
        str, typer.Argument(help="The call's id; or a number: its last answered call.", metavar="CALL")
    ],
    as_: Annotated[Mark, typer.Argument(help="What the call was.", metavar="MARK")],
    by: ByOption,
    note: Annotated[
        str, typer.Option("--note", help="Why, for the record.", metavar="TEXT", callback=put_down)
    ] = "",
    kind: Annotated[
        str, typer.Option("--kind", help="The kind of a genuine report, as configured.", metavar="KIND")
    ] = "",
    district: Annotated[
        str,
        typer.Option(
            "--district", help="The district of a genuine report, as configured.", metavar="DISTRICT"
        ),
    ] = "",
    agency: Annotated[
        str,
        typer.Option(
            "--agency", help="The agency that you informed by radio or telephone.", metavar="AGENCY"
        ),
    ] = "",
) -> None:
    """Set the operator's mark of a call afterwards; a correction withdraws the strike and its blocks.

    Example: siaga112 mark 081234567890 genuine --kind fire --agency Damkar --note "the fire was real"
    """
    given = ReportDetails(kind, district, agency)

    async def act(desk: "Deeds | RemoteDeeds") -> str:
        if not isinstance(desk, Deeds):
            return await desk.mark(CallId(call), as_, note, given)
        details(settings(), as_, kind, district, agency)
        id_ = CallId(call) if "." in call else await desk.supervisor.last_answered(number(call))
        return await desk.mark(id_, as_, note, given)

    decide(act, by)


def void(
    call: Annotated[str, typer.Argument(help="The call's id.", metavar="CALL")],
    reason: ReasonOption,
    by: ByOption,
) -> None:
    """Withdraw one strike, with the block that rests on it; a late duplicate does not bring it back.

    Example: siaga112 void 1795966930.17 --reason "the number was forged, letter 9/2026"
    """
    decide(lambda deeds: deeds.void(CallId(call), reason), by)


def audit(since: SinceOption = "30d", json: JsonOption = False) -> None:
    """List what people did: who, when, what and why.

    Example: siaga112 audit --since 30d
    """
    columns = ("at", "by", "action", "subject", "detail", "reason", "via")
    found = ask(lambda lists: lists.audit(since))
    tables.listing(found, columns, say("the audit trail has no such entry"), json=json, t=speaker())
