"""`report`."""

import contextlib
import sys
from collections.abc import Iterator
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from siaga112.cli.root import app, at_desk, settings
from siaga112.errors import SiagaError
from siaga112.report.words import Language, Words
from siaga112.terminal import outfile, tables

if TYPE_CHECKING:
    from siaga112.core.period import Period
    from siaga112.report.figures import Report, Reporter
    from siaga112.service.supervisor import Desk
    from siaga112.settings.schema import Settings


class Format(StrEnum):
    """How the report is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    HTML = "html"


FromOption = Annotated[
    str, typer.Option("--from", help='The first day ("2019-02-11"), or a time.', metavar="WHEN")
]
ToOption = Annotated[
    str, typer.Option("--to", help="The last day, included; or a time, not included.", metavar="WHEN")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", help="Write to this file, not to the screen.", metavar="FILE")
]


@app.command()
def report(  # noqa: PLR0917 - one parameter an option
    since: FromOption = "",
    until: ToOption = "",
    format_: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    lang: Annotated[Language, typer.Option("--lang", help="In which language (table, html).")] = Language.EN,
    top: Annotated[int, typer.Option("--top", help="How many misusing numbers to list.", min=0, max=12)] = 10,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show these numbers in full.")] = False,
    output: OutputOption = None,
    check: Annotated[
        Path | None,
        typer.Option("--check", help="Check published figures (CSV) against the ledger.", metavar="FILE"),
    ] = None,
) -> None:
    """Give a period's figures: outcomes, service level, waits, misuse, blocks, and the period before.

    Without --from and --to: yesterday.

    Example: siaga112 report --from 2019-02-11 --to 2019-03-11

    Example: siaga112 report --from 2019-02-11 --to 2019-03-11 --format html --lang id --output report.html

    Example: siaga112 report --check published.csv
    """
    config = settings()
    if check:
        _check(check, config, format_, lang, output)
        return
    made = at_desk(lambda desk: _make(desk, config, period(since, until, desk.clock(), config)))
    with opened(output) as file:
        _write(made, format_, lang, top, file, reveal=reveal)


async def _make(desk: "Desk", config: "Settings", asked: "Period") -> "Report":
    from siaga112.terminal.progress import Bar  # noqa: PLC0415

    with Bar("reading the ledger") as bar:
        return await reporter(desk, config).report(asked, desk.clock(), bar)


def _write(made: "Report", format_: Format, lang: Language, top: int, file: TextIO, *, reveal: bool) -> None:
    from siaga112.report import data, page, table  # noqa: PLC0415

    words = Words(lang)
    match format_:
        case Format.TABLE:
            table.show(made, words, top, tables.console(table.WIDTH, file), reveal=reveal)
        case Format.CSV:
            data.write_csv(made, file, top, reveal=reveal)
        case Format.JSON:
            file.write(data.as_json(made, top, reveal=reveal))
        case Format.HTML:
            file.write(page.page(made, words, top, reveal=reveal))


def _check(published: Path, config: "Settings", format_: Format, lang: Language, output: Path | None) -> None:
    from siaga112.report import published as sheet  # noqa: PLC0415

    if format_ not in {Format.TABLE, Format.JSON}:
        raise typer.BadParameter("--check writes a table or json", param_hint="--format")
    claims = sheet.read(published, config.zone)

    async def act(desk: "Desk") -> list[sheet.Checked]:
        counting = reporter(desk, config)
        return [sheet.Checked(claim, (await counting.figures(claim.period)).total) for claim in claims]

    checked = at_desk(act)
    with opened(output) as file:
        if format_ is Format.JSON:
            sheet.as_json(checked, file)
        else:
            sheet.show(checked, Words(lang), file)
    wrong = sum(not one.adds_up for one in checked)
    if wrong:
        raise SiagaError(f"{published}: {wrong} of {len(checked)} rows do not add up")


def reporter(desk: "Desk", config: "Settings") -> "Reporter":
    """Make what counts, with the site's shifts and promise."""
    from siaga112.report.figures import Reporter  # noqa: PLC0415

    promise = config.service_level
    return Reporter(desk.store, config.site, config.shift_plan(), promise.answer_within, promise.target)


def period(since: str, until: str, now: int, config: "Settings") -> "Period":
    """Read the period that the user named."""
    from siaga112.core.period import read  # noqa: PLC0415

    try:
        return read(since, until, now, config.zone)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--from, --to") from error


@contextlib.contextmanager
def opened(output: Path | None) -> Iterator[TextIO]:
    """Open the file to write to, or give the screen; the file has its place once all is written."""
    if output is None:
        yield sys.stdout
        return
    try:
        with outfile.replacing(output) as raw:
            file = TextIOWrapper(raw, encoding="utf-8", newline="")
            yield file
            file.detach()
    except OSError as error:
        raise SiagaError(f"{output}: cannot be written ({error.strerror})") from error
