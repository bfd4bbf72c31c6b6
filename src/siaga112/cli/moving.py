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
"""More numbers than this at once are asked about."""

LONGEST_NAME: Final = 100


def import_(  # noqa: PLR0917 - one parameter an option
    file: Annotated[Path, typer.Argument(help="The list.", metavar="FILE")],
    as_: Annotated[Kind, typer.Option("--as", help="For which of our lists its numbers are.")],
    reason: ReasonOption,
    by: ByOption,
    format_: Annotated[
        Format | None, typer.Option("--format", help="Whose list it is, where its content does not say.")
    ] = None,
    column: Annotated[
        str,
        typer.Option("--column", help="The numbers' column in a table: its name, or which (1, 2, …)."),
    ] = "",
    for_: Annotated[
        str | None,
        typer.Option(
            "--for", help='How long, where the file does not say it, like "24h".', metavar="DURATION"
        ),
    ] = None,
    permanent: Annotated[
        bool, typer.Option("--permanent", help="Until further notice, where the file does not say it.")
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Bring them in; else nothing changes.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, however many they are.")] = False,
    json: JsonOption = False,
) -> None:
    """Bring in another system's list of who is blocked, or never is; without --apply only say what would be.

    It reads CSV, with or without a head; what Asterisk's `database show blacklist` prints (FreePBX, Issabel);
    FusionPBX's call block as CSV; crowdsec's decisions (-o json, -o raw); and what another siaga112 prints
    (blocks --json, allowed --json), of which level, end and reason are kept. A number that is on the allow
    list or in a service number's range, lately reported something genuine, objects to a block, or is blocked
    as long already, is left out.

    All of them are brought in or, if that cannot be, none. The same file again changes nothing.

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
            printing.plain(t("mode {mode}: calls of all of these still get through", mode=mode.value))


_NOTHING: Final = Recognised(Format.CSV, say("a list without numbers"))


def _default(kind: Kind, for_: str | None, at: int, *, permanent: bool) -> Term | None:
    """Say how long what a file does not say is to last; None where a person said nothing."""
    if for_ is not None and permanent:
        raise typer.BadParameter("say how long: either --for DURATION or --permanent")
    if kind is Kind.ALLOW and (permanent or for_ is not None):
        raise typer.BadParameter("the allow list holds until `disallow`: no --for, no --permanent")
    if permanent:
        return Term(None)
    return None if for_ is None else Term(at + span(for_, "--for"))


def _ask(kind: Kind, count: int, *, yes: bool) -> None:
    """Ask, if they are many.

    Raises:
        UsageError: if there is nobody to be asked.

    """
    if yes or count <= MANY:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{count} numbers at once, more than {MANY}, need --yes: nothing is changed")
    done = {Kind.BLOCK: "Block", Kind.ALLOW: "Allow"}[kind]
    typer.confirm(f"{done} {count} numbers?", abort=True, err=True)
