"""The report for a terminal, 80 columns wide."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from siaga112.core.caller_id import masked
from siaga112.core.figures import ANSWERED, Category, Tally
from siaga112.core.handling import Handling
from siaga112.report import lines
from siaga112.report.figures import Report
from siaga112.report.words import NONE, Words

WIDTH = 80
_OPERATOR = 16
_NAME = 32
"""The characters shown of an operator's name, and of any other name."""
_Cells = Sequence[str]
_T = TypeVar("_T")


def show(report: Report, words: Words, top: int, console: Console, *, reveal: bool) -> None:
    """Print the report."""
    counted, before = report.figures, report.compared
    console.print(Text(f"{words('title')} · {report.site}", style="bold"))
    console.print(f"{words('period')}: {words.span(report.period)}, {words('compared')} {words.span(before)}")
    for said in lines.lacking(report.lacks, words):
        console.print(said)
    _outcomes(report, words, console)
    _service_level(report, words, console)
    _cuts(words("by_shift"), counted.by_shift.items(), _short, words, console)
    days = counted.by_day
    if len(days) > 1:
        _cuts(words("by_day"), days.items(), words.day, words, console)
    _cuts(words("by_hour"), counted.by_hour.items(), words.hours, words, console)
    _handling(report.handling, words, console)
    _misusers(report, words, top, console, reveal=reveal)
    _blocks(report, words, console)


def _short(name: str, width: int = 10) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}…"


def titled(title: str, table: Table, console: Console) -> None:
    """Print a table below its title."""
    console.print()
    console.print(Text(title, style="bold"))
    console.print(table)


def columns(*heads: str, left: int = 1) -> Table:
    """Create a table with `left` left-aligned columns and the others right-aligned."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for n, head in enumerate(heads):
        table.add_column(head, justify="left" if n < left else "right", vertical="bottom", no_wrap=n >= left)
    return table


def add(table: Table, cells: _Cells, style: str = "") -> None:
    """Add a row of plain text: no markup is interpreted."""
    table.add_row(*map(Text, cells), style=style)


def _outcomes(report: Report, words: Words, console: Console) -> None:
    total, compared = report.figures.total.total, report.before.total
    table = columns(words("outcome"), words("calls"), words("share"), words("before"), words("change"))
    for key, now, before in lines.outcomes(report):
        cells = [
            f"  {words(key)}" if key in lines.MARKS else words(key),
            words.number(now),
            words.percent(now / total if total else None),
            words.number(before) if compared else NONE,
            words.change(now, before),
        ]
        add(table, cells, "dim" if key in lines.MARKS else "bold" if key == "total" else "")
    titled(words("outcome"), table, console)


def _service_level(report: Report, words: Words, console: Console) -> None:
    within, target = words.limit(report.answer_within), words.percent(report.target)
    table = columns(words("formula"), "", f"{words('target')} {target}")
    for key, ratio, _ in lines.levels(report):
        counts = f"{words.number(ratio.part)} ÷ {words.number(ratio.whole)}"
        add(table, [words(key, within=within), counts, words.percent(ratio.share)])
    titled(words("service_level"), table, console)
    tally = report.figures.total
    table = columns("", words("calls"), *map(words, lines.TIMES))
    for key, waits in (("answered_after", tally.answered_after), ("abandoned_after", tally.abandoned_after)):
        add(table, [words(key), words.number(waits.count), *map(words.seconds, lines.times(waits))])
    titled(words("waits"), table, console)


def _cuts(
    title: str, cuts: Iterable[tuple[_T, Tally]], name: Callable[[_T], str], words: Words, console: Console
) -> None:
    table = columns("", words.head("short_total"), *(words.head(f"short_{kind}") for kind in Category))
    for key, tally in cuts:
        counts = [tally.total, *(tally.calls[kind] for kind in Category)]
        add(table, [name(key), *(words.number(count) if count else NONE for count in counts)])
    if table.row_count:
        titled(title, table, console)


def _handling(found: Handling, words: Words, console: Console) -> None:
    marks = [f"short_{kind}" for kind in ANSWERED]
    heads = "short_answered", *marks, "short_talked", "short_talked_mean"
    table = columns(words("operator"), *map(words.head, heads))
    for one in lines.operators(found, words):
        name = f"  {_short(one.name, _OPERATOR - 2)}" if one.of_shift else _short(one.name, _OPERATOR)
        add(table, [name, *one.cells(words)], "dim" if one.of_shift else "")
    if table.row_count:
        titled(f"{words('by_operator')} ({words('clock_form')})", table, console)
    heads = "agency", "handed_over", "reached", "median", "p90"
    table = columns(*map(words, heads))
    for agency, *cells in lines.agencies(found, words):
        add(table, [_short(agency, _NAME), *cells])
    if table.row_count:
        titled(f"{words('by_agency')} ({words('after_arrival')})", table, console)
    for title, what, counts in (
        ("by_kind", "kind", found.by_kind),
        ("by_district", "district", found.by_district),
    ):
        table = columns(words(what), words("reports"))
        for name, count in lines.reports(counts, words):
            add(table, [_short(name, _NAME), count])
        if table.row_count:
            titled(words(title), table, console)


def _misusers(report: Report, words: Words, top: int, console: Console, *, reveal: bool) -> None:
    table = columns(words("number"), words("misuses"), words("rejected"))
    for found in report.figures.top_misusers(top):
        caller = found.caller if reveal else masked(found.caller)
        add(table, [caller, words.number(found.misuses), words.number(found.rejected)])
    titled(words("misusers"), table, console)
    for said in lines.misuse(report, words):
        console.print(said)


def _blocks(report: Report, words: Words, console: Console) -> None:
    table = columns("", words("this_period"), words("before"))
    for key, now, before in lines.blocks(report):
        add(table, [words(key), words.number(now), words.number(before)])
    titled(words("blocks"), table, console)
