"""The report as one HTML page: all in one file, printable on A4, fit to be handed on."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Final

import siaga112
from siaga112.core.caller_id import masked
from siaga112.core.figures import Category, Tally
from siaga112.core.model import SECOND
from siaga112.report import lines
from siaga112.report.charts import Column, level, stacked
from siaga112.report.figures import Report
from siaga112.report.html import Html, join, tag
from siaga112.report.words import NONE, Words

DAYS_SHOWN: Final = 62
"""A longer period is drawn by month."""
SHIFTS_SHOWN: Final = 6
_STACK: Final = ("answered", "abandoned", "unserved", "ivr_prank", "blocked", "unknown")
"""What a bar is made of, from the bottom up."""
_NOTES: Final = (
    "once", "answered", "abandoned", "unserved", "ivr_prank", "prank", "unknown", "level", "misuse", "wrong",
)  # fmt: skip
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""For the reader's browser: nothing is ever fetched."""


def page(report: Report, words: Words, top: int, *, reveal: bool) -> str:
    """Write the page."""
    title = f"{words('title')} · {report.site} · {words.span(report.period)}"
    head = join(
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        tag("title", title),
        tag("style", Html(Path(__file__).with_suffix(".css").read_text(encoding="utf-8"))),
    )
    first = tag(
        "section",
        _header(report, words),
        _tiles(report, words),
        _outcomes(report, words),
        _charts(report, words),
    )
    second = tag(
        "section",
        tag("p", tag("span", title), tag("span", "2 / 2"), class_="running"),
        _service_level(report, words),
        tag(
            "div",
            tag("div", _waits(report, words), _misusers(report, words, top, reveal=reveal)),
            tag("div", _shifts(report, words), _blocks(report, words)),
            class_="pair",
        ),
        _notes(report, words),
        _footer(report, words),
    )
    body = tag("body", tag("main", first, second))
    return Html("<!DOCTYPE html>\n") + tag("html", tag("head", head), body, lang=words.language) + "\n"


# ── the first page ───────────────────────────────────────────────────────────────────────────────


def _header(report: Report, words: Words) -> Html:
    return tag(
        "header",
        tag("div", tag("p", report.site, class_="site"), tag("h1", words("title"))),
        tag("p", words.span(report.period), class_="span"),
    )


def _tiles(report: Report, words: Words) -> Html:
    tally, within = report.figures.total, words.limit(report.answer_within)
    of_answered = tally.levels.of_answered
    share = words.percent(tally.pranks / tally.total if tally.total else None)
    genuine = tally.calls[Category.GENUINE]
    tiles = (
        (words("total"), words.number(tally.total), _compared(report, words)),
        (words("answered"), words.number(tally.answered), f"{words.number(genuine)} {words('genuine')}"),
        (words("misuse"), words.number(tally.pranks), f"{share} {words('of_calls')}"),
        (words("within_short", within=within), words.percent(of_answered.share), words("of_those")),
        (words("blocks"), words.number(sum(report.blocks.imposed.values())), words("blocks_note")),
    )
    return tag(
        "div",
        *(
            tag("div", tag("p", name), tag("p", figure, class_="figure"), tag("p", note), class_="tile")
            for name, figure, note in tiles
        ),
        class_="tiles",
    )


def _compared(report: Report, words: Words) -> str:
    change = words.change(report.figures.total.total, report.before.total)
    return words("no_before") if change == NONE else f"{change} {words('than_before')}"


def _outcomes(report: Report, words: Words) -> Html:
    total, compared = report.figures.total.total, report.before.total
    rows = []
    for key, now, before in lines.outcomes(report):
        share = now / total if total else None
        class_ = "marked" if key in lines.MARKS else key
        bar = tag("span", class_=f"bar {class_}", style=f"width:{100 * (share or 0):.2f}%")
        earlier = [words.number(before), words.change(now, before)] if compared else []
        rows.append(
            tag(
                "tr",
                tag("td", words(key)),
                tag("td", words.number(now), class_="n"),
                tag("td", words.percent(share), class_="n"),
                tag("td", bar, class_="bars"),
                *(tag("td", cell, class_="n") for cell in earlier),
                class_=class_,
            )
        )
    heads = [words("outcome"), words("calls"), words("share"), ""]
    title: str = words("outcome")
    if compared:
        heads += [words("before"), words("change")]
        with_what = f"{words('compared')} {words.span(report.period.before())}"
        title = join(title, tag("small", with_what))
    return _block(title, _table(heads, rows))


def _charts(report: Report, words: Words) -> Html:
    legend = tag(
        "p",
        *(tag("span", tag("i", class_=kind), words(kind)) for kind in _STACK),
        class_="legend",
    )
    by_month = len(report.period.days) > DAYS_SHOWN
    days = _months(report, words) if by_month else _days(report, words)
    hours = [Column(f"{hour:02}", _parts(tally, words)) for hour, tally in report.figures.by_hour.items()]
    name = words("by_month" if by_month else "by_day")
    shown = [] if len(days) == 1 else [_block(name, stacked(days, 222, words, name))]
    shown.append(_block(words("by_hour"), stacked(hours, 176, words, words("by_hour"))))
    return join(legend, *shown)


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


# ── the second page ──────────────────────────────────────────────────────────────────────────────


def _service_level(report: Report, words: Words) -> Html:
    within = words.limit(report.answer_within)
    rows = []
    for key, ratio, target in lines.levels(report):
        formula = words(key, within=within)
        counts = f"{words.number(ratio.part)} ÷ {words.number(ratio.whole)}"
        rows.append(
            tag(
                "div",
                tag("p", tag("span", formula), tag("span", counts, class_="n")),
                tag("div", level(ratio.share, target, formula), class_="gauge"),
                tag("p", words.percent(ratio.share), class_="figure"),
                class_="formula",
            )
        )
    heading = join(words("service_level"), tag("small", f"{words('target')} {words.percent(report.target)}"))
    return _block(heading, *rows)


def _waits(report: Report, words: Words) -> Html:
    tally = report.figures.total
    columns = [lines.times(tally.answered_after), lines.times(tally.abandoned_after)]
    rows = [
        _row(words(name), *(words.seconds(column[n]) for column in columns))
        for n, name in enumerate(lines.TIMES)
    ]
    return _block(words("waits"), _table(["", words("answered_after"), words("abandoned_after")], rows))


def _shifts(report: Report, words: Words) -> Html:
    rows = [
        _row(
            shift,
            words.number(tally.total),
            words.number(tally.answered),
            words.percent(tally.levels.of_answered.share),
        )
        for shift, tally in list(report.figures.by_shift.items())[:SHIFTS_SHOWN]
    ]
    within = words("within", within=words.limit(report.answer_within))
    heads = [words("shift"), words("calls"), words("answered"), within]
    return _block(words("by_shift"), _table(heads, rows or [_row(words("nobody"), NONE, NONE, NONE)]))


def _misusers(report: Report, words: Words, top: int, *, reveal: bool) -> Html:
    rows = [
        _row(
            found.caller if reveal else masked(found.caller),
            words.number(found.misuses),
            words.number(found.turned_away),
        )
        for found in report.figures.top_misusers(top)
    ]
    heads = [words("number"), words("misuses"), words("turned_away")]
    note, *_ = lines.misuse(report, words)
    note += "" if reveal else f"; {words('masked')}"
    table = _table(heads, rows or [_row(words("nobody"), NONE, NONE)])
    return _block(words("misusers"), table, tag("p", note, class_="small"))


def _blocks(report: Report, words: Words) -> Html:
    rows = [
        _row(words(key), words.number(now), words.number(before)) for key, now, before in lines.blocks(report)
    ]
    return _block(words("blocks"), _table(["", words("this_period"), words("before")], rows))


def _notes(report: Report, words: Words) -> Html:
    texts = {name: words(f"note_{name}") for name in _NOTES}
    _, *why = lines.misuse(report, words)
    texts["misuse"] = " ".join([texts["misuse"], *why])
    return _block(words("notes"), tag("ul", *(_note(text) for text in texts.values())))


def _note(text: str) -> Html:
    term, colon, rest = text.partition(": ")
    return tag("li", tag("b", term), colon, rest) if colon else tag("li", text)


def _footer(report: Report, words: Words) -> Html:
    made = datetime.fromtimestamp(report.made / SECOND, report.period.zone)
    zone = f"{made:%Z}"
    text = f"{words('made')} {words.moment(made)} {zone} · siaga112 {siaga112.__version__}"
    return tag("footer", tag("p", text))


# ── parts ────────────────────────────────────────────────────────────────────────────────────────


def _block(title: str, *inside: str) -> Html:
    return tag("article", tag("h2", title), *inside)


def _table(heads: Sequence[str], rows: Iterable[Html]) -> Html:
    first, *others = heads
    head = tag("tr", tag("th", first), *(tag("th", one, class_="n") for one in others))
    return tag("table", tag("thead", head), tag("tbody", *rows))


def _row(first: str, *others: str) -> Html:
    return tag("tr", tag("td", first, class_="name"), *(tag("td", cell, class_="n") for cell in others))
