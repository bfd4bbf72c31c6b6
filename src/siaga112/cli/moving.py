"""`import`."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from siaga112 import interrupts
from siaga112.app.records import now
from siaga112.cli.options import ByOption, JsonOption, ReasonOption, span
from siaga112.cli.site import settings, speaker, with_supervisor
from siaga112.core.importing import Import, Kind
from siaga112.core.model import Mode
from siaga112.core.text import one_line
from siaga112.errors import UsageError
from siaga112.moving_in.listed import Format, Reading, Recognised, Term
from siaga112.moving_in.plan import Plan
from siaga112.moving_in.reading import opened
from siaga112.moving_in.show import Account, show
from siaga112.service.importing import Importer, StoppedError
from siaga112.service.supervisor import Supervisor
from siaga112.terminal import printing
from siaga112.words import say

MANY: Final = 20
"""More numbers than this need a confirmation."""

LONGEST_NAME: Final = 100


def import_(  # noqa: PLR0917 - one parameter an option
    file: Annotated[Path, typer.Argument(help="The list.", metavar="FILE")],
    as_: Annotated[Kind, typer.Option("--as", help="The list that the numbers are for.")],
    reason: ReasonOption,
    by: ByOption,
    format_: Annotated[
        Format | None, typer.Option("--format", help="The format, if the content does not show it.")
    ] = None,
    column: Annotated[
        str,
        typer.Option("--column", help="The column with the numbers: its name, or its position (1, 2, …)."),
    ] = "",
    for_: Annotated[
        str | None,
        typer.Option(
            "--for", help='For how long, if the file does not say it, like "24h".', metavar="DURATION"
        ),
    ] = None,
    permanent: Annotated[
        bool, typer.Option("--permanent", help="Until further notice, if the file does not say it.")
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Import them; without it nothing changes.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, however many there are.")] = False,
    json: JsonOption = False,
) -> None:
    """Import another system's block list or allow list; without --apply only show what would be done.

    It reads CSV, with or without a header; the output of Asterisk's `database show blacklist` (FreePBX,
    Issabel); FusionPBX's call block as CSV; crowdsec's decisions (-o json, -o raw); and the output of another
    siaga112 (blocks --json, allowed --json), with level, end and reason. It leaves out a number that is on
    the allow list or in a service number's range, that recently reported something genuine, whose objection
    is open, or that is already blocked for as long.

    Either all numbers are imported or none. Importing the same file again changes nothing.

    Example: siaga112 import blacklist.txt --as block --permanent --reason "moved in from FreePBX"
    """
    config = settings()
    at, numbers, found = now(), config.number_plan(), list[Recognised]()
    default = _default(as_, for_, at, permanent=permanent)
    reading = Reading(as_, at, config.zone, column, found.append)
    with Plan(config.service_numbers()) as plan:
        with opened(file, reading, format_) as listed:
            for line in listed.lines:
                plan.take(line, numbers, as_, default)
            digest = listed.digest
        name = one_line(file.name)[:LONGEST_NAME]
        brought = Import(as_, name, digest, at, by, reason)
        account = Account(brought, found[0] if found else _NOTHING, plan)

        def importer(desk: Supervisor) -> Importer:
            return Importer(desk.store, desk.rules, desk.clock, brought, desk.via)

        async def judge(desk: Supervisor) -> Mode:
            await plan.judge(importer(desk))
            return await desk.mode()

        async def do(desk: Supervisor) -> int:
            stopping: list[bool] = []
            bringing = importer(desk)
            bringing.stopped = lambda: bool(stopping)
            with interrupts.Heeding(lambda: stopping.append(True)):
                return await bringing.apply(plan.numbers, plan.count())

        mode = with_supervisor(judge, by)
        if apply and (count := plan.count()):
            _ask(as_, count, yes=yes)
            try:
                done = with_supervisor(do, by)
            except StoppedError as stopped:
                printing.plain(f"siaga112: {stopped}", err=True)
                raise typer.Exit(interrupts.exit_code()) from None
            account = Account(brought, account.recognised, plan, done)
        elif apply:
            account = Account(brought, account.recognised, plan, 0)
        show(account, speaker(), json=json)
        if not json and as_ is Kind.BLOCK and account.done and mode is not Mode.ENFORCE:
            t = speaker()
            printing.wrapped(t("mode {mode}: calls of all of these still get through", mode=mode.value))


_NOTHING: Final = Recognised(Format.CSV, say("the list has no numbers"))


def _default(kind: Kind, for_: str | None, at: int, *, permanent: bool) -> Term | None:
    """Return the duration for lines that have none; None if the user gave none either."""
    if for_ is not None and permanent:
        raise typer.BadParameter("say how long: either --for DURATION or --permanent")
    if kind is Kind.ALLOW and (permanent or for_ is not None):
        raise typer.BadParameter("the allow list holds until `disallow`: no --for, no --permanent")
    if permanent:
        return Term(None)
    return None if for_ is None else Term(at + span(for_, "--for"))


def _ask(kind: Kind, count: int, *, yes: bool) -> None:
    """Ask for confirmation if there are many.

    Raises:
        UsageError: if there is no terminal to ask at.

    """
    if yes or count <= MANY:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{count} numbers at once, more than {MANY}, need --yes: nothing is changed")
    done = {Kind.BLOCK: "Block", Kind.ALLOW: "Allow"}[kind]
    typer.confirm(f"{done} {count} numbers?", abort=True, err=True)
