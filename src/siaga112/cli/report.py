"""`report`."""

import asyncio
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, TextIO

import typer

from siaga112.cli.options import FromOption, OutputOption, ToOption
from siaga112.cli.site import desk_store, period, settings, speaker, with_supervisor
from siaga112.core.model import Millis
from siaga112.core.period import Period
from siaga112.errors import Said, SiagaError
from siaga112.report.figures import Report, Reporter
from siaga112.report.words import Words
from siaga112.service.ports import Statistics
from siaga112.service.supervisor import Supervisor
from siaga112.settings.schema import Settings
from siaga112.terminal import outfile
from siaga112.terminal.progress import Bar
from siaga112.words import Language, say


class Format(StrEnum):
    """How the report is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    HTML = "html"


def report(  # noqa: PLR0917 - one parameter an option
    since: FromOption = "",
    until: ToOption = "",
    format_: Annotated[Format, typer.Option("--format", help="The format.")] = Format.TABLE,
    lang: Annotated[
        Language | None,
        typer.Option("--lang", help="The language (default: that of all output).", show_default=False),
    ] = None,
    top: Annotated[int, typer.Option("--top", help="How many misusing numbers to list.", min=0, max=12)] = 10,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show these numbers in full.")] = False,
    no_names: Annotated[bool, typer.Option("--no-names", help="Leave out the operators' names.")] = False,
    output: OutputOption = None,
    check: Annotated[
        Path | None,
        typer.Option("--check", help="Check published figures (CSV) against the ledger.", metavar="FILE"),
    ] = None,
) -> None:
    """Print a period's figures: outcomes, service level, waits, misuse, blocks, and the period before.

    Also what operators did: answered calls by operator and shift, hand-overs by agency, genuine reports by
    kind and district. Without --from and --to: yesterday.

    Example: siaga112 report --from 2019-02-11 --to 2019-03-11

    Example: siaga112 report --from 2019-02-11 --to 2019-03-11 --format html --lang id --output report.html

    Example: siaga112 report --from 2026-11-01 --to 2026-11-30 --no-names --format csv --output november.csv

    Example: siaga112 report --check published.csv
    """
    config = settings()
    words = Words(lang or speaker().language)
    if check:
        _check(check, config, format_, words, output)
        return
    made = with_supervisor(
        lambda supervisor: _make(supervisor, config, period(since, until, supervisor.clock()), format_)
    )
    if no_names:
        made.handling.forget_operators()
    with outfile.text(output) as file:
        _write(made, format_, words, top, file, reveal=reveal)


async def _make(supervisor: Supervisor, config: Settings, asked: Period, format_: Format) -> Report:
    async with desk_store() as beside:  # with its own thread: two parts of the period are counted at once
        with Bar("reading the ledger") as bar:
            reporter = _reporter(config, supervisor.store, beside)
            making = asyncio.create_task(reporter.report(asked, supervisor.clock(), bar))
            await asyncio.sleep(0)  # now the databases count
            _load(format_)
            return await making


# Each format imports what it needs (rich, Jinja): those take long to load, and the others do without.


def _load(format_: Format) -> None:
    name = {Format.TABLE: "table", Format.CSV: "data", Format.JSON: "data", Format.HTML: "page"}[format_]
    import_module(f"siaga112.report.{name}")


def _write(made: Report, format_: Format, words: Words, top: int, file: TextIO, *, reveal: bool) -> None:
    match format_:
        case Format.TABLE:
            from siaga112.report import table  # noqa: PLC0415 - as said above
            from siaga112.terminal import consoles  # noqa: PLC0415 - as above

            table.show(made, words, top, consoles.console(table.WIDTH, file), reveal=reveal)
        case Format.CSV:
            from siaga112.report import data  # noqa: PLC0415 - as above

            data.write_csv(made, file, top, reveal=reveal)
        case Format.JSON:
            from siaga112.report import data  # noqa: PLC0415 - as above

            file.write(data.as_json(made, top, reveal=reveal))
        case Format.HTML:
            from siaga112.report import page  # noqa: PLC0415 - as above

            file.write(page.page(made, words, top, reveal=reveal))


def _check(file: Path, config: Settings, format_: Format, words: Words, output: Path | None) -> None:
    if format_ not in {Format.TABLE, Format.JSON}:
        raise typer.BadParameter(Said("--check writes a table or json"), param_hint="--format")
    from siaga112.report import published  # noqa: PLC0415 - as above

    claims = published.read(file, config.zone)

    async def act(supervisor: Supervisor) -> tuple[list[published.Checked], Millis | None]:
        counting = _reporter(config, supervisor.store)
        checked = [(claim, await counting.total(claim.period)) for claim in claims]
        return checked, await supervisor.store.ledger_begins()

    checked, begins = with_supervisor(act)
    with outfile.text(output) as out:
        if format_ is Format.JSON:
            published.as_json(checked, begins, out)
        else:
            published.show(checked, begins, words, out)
    wrong = sum(claim.excess != 0 for claim, _ in checked)
    if wrong:
        said = say("{file}: {wrong} of {count} rows do not add up")
        raise SiagaError(said, file=file, wrong=wrong, count=len(checked))


def _reporter(config: Settings, *stores: Statistics) -> Reporter:
    """Return the reporter of the site, with its shifts and its service level."""
    promise = config.service_level
    return Reporter(stores, config.site, config.shift_plan(), promise.answer_within, promise.target)
