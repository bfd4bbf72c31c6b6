"""`backtest`."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from siaga112.app.lists import start
from siaga112.backtest import beside, candidates, show
from siaga112.backtest import files as past_files
from siaga112.backtest import ledger as past_ledger
from siaga112.backtest.columns import Clock
from siaga112.backtest.reading import FileReport, Site
from siaga112.backtest.store import PastStore
from siaga112.cli.options import JsonOption, span
from siaga112.cli.site import settings, with_supervisor
from siaga112.core.model import Outcome
from siaga112.core.regulation import COUNTABLE
from siaga112.errors import SiagaError, UsageError
from siaga112.service.supervisor import Supervisor
from siaga112.settings.schema import Settings
from siaga112.terminal import printing
from siaga112.terminal.progress import Bar

_SINCE: Final = "30d"


def backtest(  # noqa: PLR0917 - one parameter an option
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="queue_log, CEL or CDR as CSV, or captures; any number.", metavar="FILE…"),
    ] = None,
    ledger: Annotated[bool, typer.Option("--ledger", help="Include the site's own ledger.")] = False,
    since: Annotated[
        str,
        typer.Option(
            "--since",
            help='With --ledger: how far back ("90d"; default 30d), or from when (ISO 8601).',
            metavar="WHEN",
        ),
    ] = "",
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy", help="A preset, instead of the configured policy; may be repeated.", metavar="NAME"
        ),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--compare", help="The policies of two configuration files.", metavar="A B"),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            "--sweep", help='Try one key with many values: "threshold=3..10".', metavar="KEY=VALUES"
        ),
    ] = None,
    handling: Annotated[
        str,
        typer.Option(
            "--handling", help="What a call costs an operator beyond the talk time.", metavar="DURATION"
        ),
    ] = "0s",
    calls: Annotated[
        bool,
        typer.Option("--calls", help="List each call, with the lines of its file that decided the outcome."),
    ] = False,
    outcome: Annotated[
        Outcome | None, typer.Option("--outcome", help="With --calls: only calls with this outcome.")
    ] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show numbers in full.")] = False,
    json: JsonOption = False,
) -> None:
    """Show what a policy would have done to past calls.

    Example: siaga112 backtest cel.csv queue_log --policy permenkominfo-2016 --policy serang-2019

    Example: siaga112 backtest --ledger --since 90d --sweep threshold=3..10
    """
    config = settings()
    tried = candidates.chosen(config, policy or [], compare, sweep)
    extra = span(handling, "--handling")
    if outcome and not calls:
        raise typer.BadParameter("goes with --calls", param_hint="--outcome")
    if not files and not ledger:
        raise UsageError("name files of past calls, or --ledger for the site's own")
    if since and not ledger:
        raise UsageError("--since goes with --ledger: files are read whole")
    reports, history = _read(files or [], config)
    if ledger:
        reports.append(_read_ledger(history, since or _SINCE))
    if not len(history):
        raise SiagaError(
            "no call of this line in these files; are [pbx] trunk_contexts, ivr_contexts and queues right?"
            if files
            else "no call in the ledger since then (--since)"
        )
    if calls:
        show.calls(history, config.zone, outcome, reveal=reveal, json=json)
        return
    results = beside.run(tried, history, config.zone, extra)
    if json:
        printing.as_json_pieces(show.objects(reports, history, results, config.zone, reveal=reveal))
    else:
        show.page(reports, history, results, config.zone, reveal=reveal, chart=sweep is not None)


def _read(files: Sequence[Path], config: Settings) -> tuple[list[FileReport], PastStore]:
    # Surges are always determined; a policy without a surge rule ignores them.
    policy = replace(config.policy_rules(), surge=config.service_level.answer_within)
    site = Site(config.dialplan(), config.classifier_rules(), policy)
    clock = Clock(config.zone)
    countable = frozenset(str(name) for name in COUNTABLE)
    reports, history = [], PastStore()
    size = sum(file.stat().st_size for file in files if file.is_file())
    with Bar("reading") as bar:
        advance = _pace(bar, size)
        for file in files:
            # Read each file by itself: doubts about one say nothing about another.
            alone = history if len(files) == 1 else PastStore()
            report, _ = past_files.read(file, site, clock, countable, advance, history=alone)
            reports.append(report)
            if alone is not history:
                history.join(alone)
    return reports, history


def _read_ledger(history: PastStore, since: str) -> FileReport:
    async def act(supervisor: Supervisor) -> FileReport:
        now = supervisor.clock()
        return await past_ledger.read(supervisor.store, start(since, now, settings().zone), now + 1, history)

    return with_supervisor(act)


def _pace(bar: Bar, size: int) -> Callable[[int, int], None]:
    """Return a callback that counts the rows and bytes read, out of `size` bytes, and shows the speed."""
    began, rows, done = time.monotonic(), 0, 0

    def advance(more: int, read: int) -> None:
        nonlocal rows, done
        rows, done = rows + more, done + read
        rate = rows / max(time.monotonic() - began, 1e-3)
        bar(min(1.0, done / max(size, 1)), f"{rows:,} rows, {rate:,.0f} rows/s")

    return advance
