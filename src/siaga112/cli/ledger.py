"""`calls`, `mark`, `audit`."""

from typing import Annotated

import typer

from siaga112.cli.options import ByOption, JsonOption, put_down
from siaga112.cli.site import number, settings, start, with_supervisor
from siaga112.core.model import CallId, Entry, Mark, Outcome
from siaga112.errors import SiagaError
from siaga112.service.marking import ReportDetails
from siaga112.service.supervisor import Supervisor
from siaga112.terminal import printing, rows, tables
from siaga112.terminal.decided import Now, marked

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
    zone = settings().zone
    who = number(caller) if caller else None

    async def entries(supervisor: Supervisor) -> list[Entry]:
        store, now = supervisor.store, supervisor.clock()
        if call:
            if entry := await store.entry(CallId(call)):
                return [entry]
            raise SiagaError(f'no call "{call}" in the ledger')
        begin = start(since, now)
        found = (
            [entry for entry in await store.entries_of(who) if begin <= entry.finding.call.started <= now]
            if who
            else [entry async for entry in store.entries(begin, now + 1)]
        )
        return [entry for entry in found if outcome in {None, entry.finding.outcome}]

    async def listed(supervisor: Supervisor) -> list[rows.Row]:
        if explain or call or who:
            row = rows.explained if explain else rows.call
            return [row(entry, zone) for entry in await entries(supervisor)]
        now = supervisor.clock()
        calls = supervisor.store.summaries(start(since, now), now + 1)
        return [rows.summary(one, zone) async for one in calls if outcome in {None, one.outcome}]

    if explain and not json:
        for entry in with_supervisor(entries):
            printing.plain(*rows.explanation(entry, zone))
        return
    link = settings().pbx.recording_url
    found = with_supervisor(listed)
    tables.listing(
        [rows.with_link(row, link) for row in found] if link else found, _COLUMNS, "no calls", json=json
    )


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
    details = _details(as_, kind, district, agency)
    who = None if "." in call else number(call)

    async def act(supervisor: Supervisor) -> str:
        id_ = await supervisor.last_answered(who) if who else CallId(call)
        held = await supervisor.store.entry(id_)
        caller = held.finding.call.caller if held else None
        before = await supervisor.record(caller) if caller else None
        entry, mode = await supervisor.mark(id_, as_, note, details), await supervisor.mode()
        now = (
            Now(await supervisor.record(caller), mode, supervisor.clock(), settings().zone)
            if caller
            else None
        )
        return marked(entry, before, now, mode, supervisor.rules)

    printing.plain(with_supervisor(act, by))


def _details(as_: Mark, kind: str, district: str, agency: str) -> ReportDetails:
    """Read what is told of a report. Only what is configured is known: the city's figures go by it."""
    given = ReportDetails(kind, district, agency)
    if as_ is not Mark.GENUINE and any(given):
        raise SiagaError(f"--kind, --district and --agency are of a genuine report, not of mark {as_}")
    config = settings()
    agencies = [*dict.fromkeys(config.agencies.values())]
    lists = {"kinds": config.kinds, "districts": config.districts, "[agencies]": agencies}
    for (option, value), (key, known) in zip(given._asdict().items(), lists.items(), strict=True):
        if value and value not in known:
            there = f"there are: {', '.join(known)}" if known else "there are none"
            raise SiagaError(f'--{option} "{value}" is not among {key} in the configuration ({there})')
    return given


def audit(since: SinceOption = "30d", json: JsonOption = False) -> None:
    """List what people did: who, when, what and why.

    Example: siaga112 audit --since 30d
    """
    zone = settings().zone

    async def act(supervisor: Supervisor) -> list[rows.Row]:
        now = supervisor.clock()
        return [
            rows.audit_entry(audit_entry, zone)
            for audit_entry in await supervisor.audit(start(since, now), now + 1)
        ]

    columns = ("at", "by", "action", "subject", "detail", "reason")
    tables.listing(with_supervisor(act), columns, "nobody did anything", json=json)
