"""`calls`, `mark`, `audit`."""

from typing import TYPE_CHECKING, Annotated

import typer

from siaga112.app.deeds import Deeds, details
from siaga112.cli.options import ByOption, JsonOption, ReasonOption, put_down
from siaga112.cli.site import ask, decide, number, settings, speaker
from siaga112.core.model import CallId, Mark, Outcome
from siaga112.service.marking import ReportDetails
from siaga112.terminal import printing, tables
from siaga112.terminal.explanation import explanation
from siaga112.words import say

if TYPE_CHECKING:
    from siaga112.cli.remote import RemoteDeeds

_COLUMNS = (
    "call", "started", "caller", "outcome", "reason",
    "ivr_seconds", "wait_seconds", "talk_seconds", "operator", "mark", "strike",
)  # fmt: skip


SinceOption = Annotated[
    str, typer.Option("--since", help='How far back ("24h"), or from when (ISO 8601).', metavar="WHEN")
]


def calls(  # noqa: PLR0917 - one parameter an option
    since: SinceOption = "24h",
    outcome: Annotated[Outcome | None, typer.Option("--outcome", help="Only calls that ended so.")] = None,
    caller: Annotated[
        str | None, typer.Option("--number", help="Only this caller's.", metavar="NUMBER")
    ] = None,
    call: Annotated[str | None, typer.Option("--call", help="Only this call.", metavar="ID")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show what was seen of each call.")] = False,
    json: JsonOption = False,
) -> None:
    """List the ledger: each call with its one outcome.

    Example: siaga112 calls --since 24h --outcome ivr_prank
    """
    who = number(caller) if caller else None
    found = ask(
        lambda lists: lists.calls(since, outcome=outcome, caller=who, call=call or "", explain=explain)
    )
    if explain and not json:
        for row in found:
            printing.plain(*explanation(row, speaker()))
        return
    tables.listing(found, _COLUMNS, say("no calls"), json=json, t=speaker())


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
        str, typer.Option("--kind", help="Of a genuine report: one of the configured kinds.", metavar="KIND")
    ] = "",
    district: Annotated[
        str, typer.Option("--district", help="Likewise: one of the districts.", metavar="DISTRICT")
    ] = "",
    agency: Annotated[
        str, typer.Option("--agency", help="Whom you told by radio or telephone.", metavar="AGENCY")
    ] = "",
) -> None:
    """Set the operator's mark afterwards. A correction takes the strike and its blocks back.

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
    """Take one strike back, with the block that rested on it; a late duplicate does not bring it back.

    Example: siaga112 void 1795966930.17 --reason "the number was forged, letter 9/2026"
    """
    decide(lambda deeds: deeds.void(CallId(call), reason), by)


def audit(since: SinceOption = "30d", json: JsonOption = False) -> None:
    """List what people did: who, when, what and why.

    Example: siaga112 audit --since 30d
    """
    columns = ("at", "by", "via", "action", "subject", "detail", "reason")
    found = ask(lambda lists: lists.audit(since))
    tables.listing(found, columns, say("nobody did anything"), json=json, t=speaker())
