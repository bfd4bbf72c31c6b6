"""The report for a terminal, 80 columns wide."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from siaga112.cli.reporting.words import NONE, Words
from siaga112.core.caller_id import masked
from siaga112.core.figures import ANSWERED, Category, Tally, Waits
from siaga112.core.model import Level, Millis, Origin
from siaga112.core.service_level import Ratio
from siaga112.service.reporting import Report

WIDTH = 80
_Cells = Sequence[str]
_T = TypeVar("_T")


def show(report: Report, words: Words, top: int, console: Console, *, reveal: bool) -> None:
    """Print the report."""
    counted, before = report.figures, report.period.before()
    console.print(Text(f"{words('title')} · {report.site}", style="bold"))
    console.print(f"{words('period')}: {words.span(report.period)}, {words('compared')} {words.span(before)}")
    _outcomes(report, words, console)
    _service_level(report, words, console)
    _cuts(words("by_shift"), counted.by_shift.items(), _short, words, console)
    days = counted.by_day
    if len(days) > 1:
        _cuts(words("by_day"), days.items(), words.day, words, console)
    _cuts(words("by_hour"), counted.by_hour.items(), words.hours, words, console)
    _misusers(report, words, top, console, reveal=reveal)
    _blocks(report, words, console)


def _short(name: str) -> str:
    return name if len(name) <= 10 else f"{name[:9]}…"  # noqa: PLR2004 - as wide as a day


def titled(title: str, table: Table, console: Console) -> None:
    """Print a table under its title."""
    console.print()
    console.print(Text(title, style="bold"))
    console.print(table)


def columns(*heads: str, left: int = 1) -> Table:
    """Make a table; what is counted stands to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for n, head in enumerate(heads):
        table.add_column(head, justify="left" if n < left else "right", vertical="bottom", no_wrap=n >= left)
    return table


def add(table: Table, cells: _Cells, style: str = "") -> None:
    """Add a row; what is in it is text, whatever it looks like."""
    table.add_row(*map(Text, cells), style=style)


def _outcomes(report: Report, words: Words, console: Console) -> None:
    tally, before = report.figures.total, report.before
    table = columns(words("outcome"), words("calls"), words("share"), words("before"), words("change"))

    def count_(name: str, count: int, earlier: int, style: str = "") -> None:
        share = words.percent(count / tally.total if tally.total else None)
        add(
            table,
            [name, words.number(count), share, words.number(earlier), words.change(count, earlier)],
            style,
        )

    count_(words("answered"), tally.answered, before.answered)
    for kind in Category:
        if kind in ANSWERED:
            count_(f"  {words(kind)}", tally.calls[kind], before.calls[kind], "dim")
        else:
            count_(words(kind), tally.calls[kind], before.calls[kind])
    count_(words("total"), tally.total, before.total, "bold")
    titled(words("outcome"), table, console)


def _service_level(report: Report, words: Words, console: Console) -> None:
    within = words.seconds(report.answer_within)
    levels, target = report.figures.total.levels, words.percent(report.target)
    table = columns(words("formula"), "", f"{words('target')} {target}")
    ratios: dict[str, Ratio] = {
        "of_answered": levels.of_answered,
        "of_presented": levels.of_presented,
        "of_offered": levels.of_offered,
    }
    for name, ratio in ratios.items():
        counts = f"{words.number(ratio.part)} ÷ {words.number(ratio.whole)}"
        add(table, [words(name, within=within), counts, words.percent(ratio.share)])
    titled(words("service_level"), table, console)
    heads = ("calls", "mean", "p90", "p95", "longest")
    table = columns("", *map(words, heads))
    for name, waits in _waits(report.figures.total).items():
        add(table, [words(name), words.number(waits.count), *map(words.seconds, times(waits))])
    titled(words("waits"), table, console)


def _waits(tally: Tally) -> dict[str, Waits]:
    return {"answered_after": tally.answered_after, "abandoned_after": tally.abandoned_after}


def times(waits: Waits) -> list[Millis | None]:
    """Give what is shown of waits: mean, 90 %, 95 %, longest."""
    return [waits.mean, waits.within(90), waits.within(95), waits.longest]


def _cuts(
    title: str, cuts: Iterable[tuple[_T, Tally]], name: Callable[[_T], str], words: Words, console: Console
) -> None:
    table = columns("", words.head("short_total"), *(words.head(f"short_{kind}") for kind in Category))
    for key, tally in cuts:
        counts = [tally.total, *(tally.calls[kind] for kind in Category)]
        add(table, [name(key), *(words.number(count) if count else NONE for count in counts)])
    if table.row_count:
        titled(title, table, console)


def _misusers(report: Report, words: Words, top: int, console: Console, *, reveal: bool) -> None:
    table = columns(words("number"), words("misuses"), words("turned_away"))
    for found in report.figures.top_misusers(top):
        caller = found.caller if reveal else masked(found.caller)
        add(table, [caller, words.number(found.misuses), words.number(found.turned_away)])
    titled(words("misusers"), table, console)
    console.print(words("misusers_all", count=words.number(report.figures.misusers)))


def _blocks(report: Report, words: Words, console: Console) -> None:
    table = columns("", words("calls"), words("before"))
    for name, now, before in block_rows(report):
        add(table, [words(name), words.number(now), words.number(before)])
    titled(words("blocks"), table, console)


def block_rows(report: Report) -> list[tuple[str, int, int]]:
    """Give what is shown of blocks: the text's key, the count, the count of the period before."""
    now, before = report.blocks, report.blocks_before
    return [
        ("blocks_temporary", now.of(Level.TEMPORARY), before.of(Level.TEMPORARY)),
        ("blocks_permanent", now.of(Level.PERMANENT), before.of(Level.PERMANENT)),
        ("blocks_manual", now.of(Origin.MANUAL), before.of(Origin.MANUAL)),
        ("blocks_lifted", now.lifted, before.lifted),
        ("blocks_wrong", now.wrong, before.wrong),
    ]
