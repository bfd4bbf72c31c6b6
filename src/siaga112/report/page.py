"""The report as one HTML page: a single file, printable on A4, ready to be passed on."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import siaga112
from siaga112.core.caller_id import masked
from siaga112.core.figures import ANSWERED, Category, Tally
from siaga112.core.model import SECOND
from siaga112.report import lines
from siaga112.report.charts import Chart, Column, level, stacked
from siaga112.report.figures import Report
from siaga112.report.words import NONE, Words

DAYS_SHOWN: Final = 62
"""The longest period drawn by day; a longer one is drawn by month."""
SHIFTS_SHOWN: Final = 6
OPERATORS_SHOWN: Final = 13
AGENCIES_SHOWN: Final = 7
REPORTS_SHOWN: Final = 9
LINES_SHOWN: Final = 32
"""The lines of all three lists that fit on a sheet, with the nameless ones; shifts only if they fit too."""
SHIFT_LINE: Final = 0.75
"""The height of a shift's line, relative to an operator's."""
_STACK: Final = ("answered", "abandoned", "unserved", "ivr_prank", "blocked", "unknown")
"""The parts of a bar, from the bottom up."""
_NOTES: Final = (
    "once", "answered", "abandoned", "unserved", "ivr_prank", "prank", "silent", "unknown", "level", "misuse",
    "wrong",
)  # fmt: skip
_FOLDER: Final = Path(__file__).parent

_templates: Final = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_templates.filters["size"] = "{:.6g}".format
_PAGE: Final = _templates.get_template("page.html.j2")


class _Outcome(NamedTuple):
    key: str
    class_: str
    now: int
    before: int
    share: float | None


class _Formula(NamedTuple):
    text: str
    counts: str
    gauge: Chart
    share: str


def page(report: Report, words: Words, top: int, *, reveal: bool) -> str:
    """Return the page."""
    span = words.span(report.period)
    made = datetime.fromtimestamp(report.made / SECOND, report.period.zone)
    note, *_ = lines.misuse(report, words)
    return _PAGE.render(
        words=words,
        report=report,
        version=siaga112.__version__,
        style=(_FOLDER / "page.css").read_text(encoding="utf-8"),
        title=f"{words('title')} · {report.site} · {span}",
        span=span,
        span_before=words.span(report.compared),
        compared=report.before.total,
        lacking=lines.lacking(report.lacks, words),
        within=words.limit(report.answer_within),
        made=f"{words.moment(made)} {made:%Z}",
        stack=_STACK,
        marks=[kind.value for kind in ANSWERED],
        tiles=_tiles(report, words),
        outcomes=list(_outcomes(report)),
        charts=list(_charts(report, words)),
        formulas=list(_formulas(report, words)),
        waits=_waits(report, words),
        shifts=_shifts(report, words),
        misusers=_misusers(report, words, top, reveal=reveal),
        misusers_note=note if reveal else f"{note}; {words('masked')}",
        blocks=[
            (words(key), words.number(now), words.number(before)) for key, now, before in lines.blocks(report)
        ],
        handling=_handling(report, words),
        notes=[text.partition(": ")[::2] for text in _notes(report, words)],
    )


def _tiles(report: Report, words: Words) -> list[tuple[str, str, str]]:
    tally, within = report.figures.total, words.limit(report.answer_within)
    change = words.change(tally.total, report.before.total)
    share = words.percent(tally.pranks / tally.total if tally.total else None)
    genuine = words.number(tally.calls[Category.GENUINE])
    return [
        (
            words("total"),
            words.number(tally.total),
            words("no_before") if change == NONE else f"{change} {words('than_before')}",
        ),
        (words("answered"), words.number(tally.answered), f"{genuine} {words('genuine')}"),
        (words("misuse"), words.number(tally.pranks), f"{share} {words('of_calls')}"),
        (
            words("within_short", within=within),
            words.percent(tally.levels.of_answered.share),
            words("of_those"),
        ),
        (words("blocks"), words.number(sum(report.blocks.imposed.values())), words("blocks_note")),
    ]


def _outcomes(report: Report) -> Iterator[_Outcome]:
    total = report.figures.total.total
    for key, now, before in lines.outcomes(report):
        yield _Outcome(
            key, "marked" if key in lines.MARKS else key, now, before, now / total if total else None
        )


def _charts(report: Report, words: Words) -> Iterator[Chart]:
    by_month = len(report.period.days) > DAYS_SHOWN
    days = _months(report, words) if by_month else _days(report, words)
    if len(days) > 1:
        yield stacked(days, 222, words, words("by_month" if by_month else "by_day"))
    hours = [Column(f"{hour:02}", _parts(tally, words)) for hour, tally in report.figures.by_hour.items()]
    yield stacked(hours, 176, words, words("by_hour"))


def _parts(tally: Tally, words: Words) -> list[tuple[str, str, int]]:
    return [
        (kind, words(kind), tally.answered if kind == "answered" else tally.calls[Category(kind)])
        for kind in _STACK
    ]


def _days(report: Report, words: Words) -> list[Column]:
    return [
        Column(words.day(day).replace(" ", "|", 1), _parts(tally, words))
        for day, tally in report.figures.by_day.items()
    ]


def _months(report: Report, words: Words) -> list[Column]:
    months: dict[date, Tally] = {}
    for day, tally in report.figures.by_day.items():
        months.setdefault(day.replace(day=1), Tally()).update(tally)
    return [
        Column(f"{words.month(month)[:3]}|{month.year}", _parts(tally, words))
        for month, tally in months.items()
    ]


def _formulas(report: Report, words: Words) -> Iterator[_Formula]:
    for key, ratio, target in lines.levels(report):
        text = words(key, within=words.limit(report.answer_within))
        counts = f"{words.number(ratio.part)} ÷ {words.number(ratio.whole)}"
        yield _Formula(text, counts, level(ratio.share, target, text), words.percent(ratio.share))


def _waits(report: Report, words: Words) -> list[tuple[str, ...]]:
    tally = report.figures.total
    columns = [lines.times(tally.answered_after), lines.times(tally.abandoned_after)]
    return [
        (words(name), *(words.seconds(column[n]) for column in columns)) for n, name in enumerate(lines.TIMES)
    ]


def _shifts(report: Report, words: Words) -> list[tuple[str, ...]]:
    return [
        (
            shift,
            words.number(tally.total),
            words.number(tally.answered),
            words.percent(tally.levels.of_answered.share),
        )
        for shift, tally in list(report.figures.by_shift.items())[:SHIFTS_SHOWN]
    ] or [(words("nobody"), NONE, NONE, NONE)]


class _Handling(NamedTuple):
    """The third sheet, as cells; empty where there is nothing to show."""

    operators: list[tuple[str, list[str]]]
    """Each line with its class."""
    agencies: list[list[str]]
    kinds: list[list[str]]
    districts: list[list[str]]


def _handling(report: Report, words: Words) -> _Handling:
    found = report.handling
    agencies = lines.agencies(found, words, AGENCIES_SHOWN)
    kinds, districts = (lines.reports(of, words, REPORTS_SHOWN) for of in (found.by_kind, found.by_district))
    room = LINES_SHOWN - len(agencies) - max(len(kinds), len(districts))
    fit = len(found.by_operator) + SHIFT_LINE * len(found.by_operator_and_shift) <= room
    operators = [
        ("marked" if one.of_shift else "", [one.name, *one.cells(words)])
        for one in lines.operators(found, words, OPERATORS_SHOWN, shifts=fit)
    ]
    return _Handling(operators, agencies, kinds, districts)


def _misusers(report: Report, words: Words, top: int, *, reveal: bool) -> list[tuple[Any, ...]]:
    return [
        (
            found.caller if reveal else masked(found.caller),
            words.number(found.misuses),
            words.number(found.rejected),
        )
        for found in report.figures.top_misusers(top)
    ] or [(words("nobody"), NONE, NONE)]


def _notes(report: Report, words: Words) -> Iterator[str]:
    for name in _NOTES:
        text = words(f"note_{name}")
        yield " ".join([text, *lines.misuse(report, words)[1:]]) if name == "misuse" else text
