"""Prints a back-test: the files, the calls, the policies side by side, and their price."""

from collections.abc import Sequence
from itertools import islice
from typing import Final, cast
from zoneinfo import ZoneInfo

from siaga112.backtest.history import History, Past
from siaga112.backtest.reading import FileReport
from siaga112.backtest.simulation import Affected, Paid, Result
from siaga112.core.caller_id import masked
from siaga112.core.model import SECOND, Caller, Level, Outcome
from siaga112.terminal import printing, rows, tables
from siaga112.terminal.rows import Row
from siaga112.words import tongue

TOP: Final = 10
"""How many callers, and how many calls of the price, are printed."""

BAR: Final = 40
"""The length of the longest bar in a chart."""


def objects(
    reports: Sequence[FileReport],
    history: History,
    results: Sequence[Result],
    zone: ZoneInfo,
    *,
    reveal: bool,
) -> list[Row]:
    """Return one object per policy; `price_calls` is an iterator, because there may be many."""
    read = [
        {
            "file": report.name,
            "source": report.source,
            "rows": report.rows,
            "bad_rows": report.bad,
            "bad": [{"line": bad.line, "why": bad.why} for bad in report.shown],
            "calls": report.calls,
            "other_calls": report.others,
            "notes": report.notes,
        }
        for report in reports
    ]
    outcomes, unproven = history.outcomes(), history.unproven()
    return [
        {
            "policy": result.policy,
            "rules": result.rules.title,
            "read": read,
            "calls": result.calls,
            "outcomes": {outcome.value: outcomes[outcome] for outcome in Outcome},
            "unknown_because": {why.value: count for why, count in unproven.most_common()},
            **_figures(result),
            "rejected_outcomes": {outcome.value: result.rejected[outcome] for outcome in Outcome},
            "price_calls": (_priced(paid, zone, reveal=reveal) for paid in result.price),
            "callers": [_affected(caller, reveal=reveal) for caller in result.most_affected(TOP)],
            "days": [_day(date, result) for date in sorted(result.days)],
        }
        for result in results
    ]


def calls(history: History, zone: ZoneInfo, outcome: Outcome | None, *, reveal: bool, json: bool) -> None:
    """Print each call with its outcome and the rows that decided it, in batches: there may be a million."""
    found = (
        _told(past, zone, reveal=reveal)
        for past in history.in_order()
        if outcome is None or past.finding.outcome is outcome
    )
    if json:
        printing.as_json_list(found)
        return
    told = ({**row, "lines": ",".join(map(str, cast("list[int]", row["lines"]))) or None} for row in found)
    if not (page := [*islice(told, _TOGETHER)]):
        printing.plain("no calls")
        return
    table = tables.Layout(page, _CALL, tongue())  # the first batch sets the widths
    table.show()
    while page := [*islice(told, _TOGETHER)]:
        table.add(page)


_CALL: Final = ("call", "started", "caller", "outcome", "reason", "lines", "file", "because")
_TOGETHER: Final = 500


def _told(past: Past, zone: ZoneInfo, *, reveal: bool) -> Row:
    finding = past.finding
    return {
        "call": finding.call.id,
        "started": rows.instant(finding.call.started, zone),
        "caller": _shown(finding.call.caller, reveal=reveal),
        "outcome": finding.outcome,
        "reason": finding.reason,
        "file": past.file,
        "lines": list(past.lines),
        "because": past.unproven,
    }


def _figures(result: Result) -> Row:
    return {
        "strikes": result.strikes,
        "blocked_temporarily": result.numbers("temporary"),
        "blocked_permanently": result.numbers("permanent"),
        "proposed": result.numbers("proposed"),
        "temporary_blocks": result.blocks[Level.TEMPORARY],
        "rejected": result.rejected.total(),
        "released_quiet": result.released,
        "reviewed": result.reviews,
        "permanent_at_the_end": result.standing,
        "blocked_but_served": result.served_otherwise,
        "operator_seconds_saved": result.saved / SECOND,
        "calls_without_talk_time": result.untimed,
        "price": len(result.price),
        "price_genuine": result.genuine,
    }


_SAID: Final = {
    "strikes": "strikes given",
    "blocked_temporarily": "numbers blocked temporarily",
    "blocked_permanently": "numbers blocked permanently",
    "proposed": "permanent blocks proposed",
    "temporary_blocks": "temporary blocks",
    "rejected": "calls rejected",
    "released_quiet": "permanent blocks lifted because the number was quiet",
    "reviewed": "permanent blocks that came up for review",
    "permanent_at_the_end": "permanent blocks in force at the end",
    "blocked_but_served": "blocked, but served",
    "operator_seconds_saved": "operators' time saved",
    "price": "PRICE: answered calls rejected",
    "price_genuine": "  of them marked genuine",
}


_OF_REVIEWS: Final = frozenset({"released_quiet", "reviewed", "permanent_at_the_end"})


def _priced(paid: Paid, zone: ZoneInfo, *, reveal: bool) -> Row:
    return {
        "call": paid.call,
        "started": rows.instant(paid.started, zone),
        "caller": _shown(paid.caller, reveal=reveal),
        "talk_seconds": None if paid.talk is None else paid.talk / SECOND,
        "mark": paid.mark,
    }


def _affected(caller: Affected, *, reveal: bool) -> Row:
    return {
        "caller": _shown(caller.caller, reveal=reveal),
        "strikes": caller.strikes,
        "temporary_blocks": caller.temporary,
        "permanent": caller.permanent,
        "proposed": caller.proposed,
        "rejected": caller.rejected,
        "price": caller.price,
    }


def _day(date: str, result: Result) -> Row:
    day = result.days[date]
    return {
        "date": date,
        "calls": day.calls,
        "rejected": day.rejected,
        "temporary": day.temporary,
        "permanent": day.permanent,
        "proposed": day.proposed,
        "price": day.price,
    }


def _shown(caller: Caller | None, *, reveal: bool) -> str | None:
    return caller if caller is None or reveal else masked(caller)


# ── for people ───────────────────────────────────────────────────────────────────────────────────


def page(
    reports: Sequence[FileReport],
    history: History,
    results: Sequence[Result],
    zone: ZoneInfo,
    *,
    reveal: bool,
    chart: bool,
) -> None:
    """Print everything as tables. `chart`: the policies are a sweep over one key; draw bars."""
    _sources(reports)
    _calls(history)
    if chart:
        _sweep(results)
        return
    _side_by_side(results, marks=history.marked())
    for result in results:
        _one(result, zone, reveal=reveal)


def _sources(reports: Sequence[FileReport]) -> None:
    for report in reports:
        others = f", {report.others:,} others" if report.others else ""
        bad = f", {report.bad:,} bad" if report.bad else ""
        printing.wrapped(
            f"{report.name}: {report.source}, {report.rows:,} rows{bad}, {report.calls:,} calls{others}"
        )
        for row in report.shown:
            printing.wrapped(f"  line {row.line}: {row.why}")
        if report.bad > len(report.shown):
            printing.wrapped(f"  and {report.bad - len(report.shown):,} more")
        for note in report.notes:
            printing.wrapped(f"  {note}")


def _calls(history: History) -> None:
    outcomes, unproven = history.outcomes(), history.unproven()
    told = ", ".join(f"{outcomes[outcome]:,} {outcome}" for outcome in Outcome if outcomes[outcome])
    printing.wrapped("", f"{outcomes.total():,} calls: {told}")
    for why, count in unproven.most_common():
        printing.wrapped(f"  {count:,} unknown: {why}")
    nobody = history.nobody()
    if nobody:
        printing.wrapped(f"  {nobody:,} from nobody who could be blocked (hidden, service, not valid)")


def _side_by_side(results: Sequence[Result], *, marks: bool) -> None:
    figures = [_figures(result) for result in results]
    table: list[Row] = []
    for key, said in _SAID.items():
        values = [figure[key] for figure in figures]
        reviews = any(figure["released_quiet"] or figure["reviewed"] for figure in figures)
        if (key == "blocked_but_served" and not any(values)) or (key == "price_genuine" and not marks):
            continue
        if key in _OF_REVIEWS and not reviews:
            continue
        shown = [_hours(value) if key == "operator_seconds_saved" else f"{value:,}" for value in values]
        table.append({"": said, **{result.policy: text for result, text in zip(results, shown, strict=True)}})
    printing.plain("")
    tables.table(table, ("", *(result.policy for result in results)), "")
    for result in results:
        if result.policy != result.rules.title:
            printing.wrapped(_titled(result))
    if not marks:
        printing.wrapped("No call in these files has an operator's mark: which were genuine is unknown.")
    untimed = max(result.untimed for result in results)
    if untimed:
        printing.wrapped(f"Of up to {untimed:,} answered calls the files do not tell how long they talked.")


def _titled(result: Result) -> str:
    """Return a policy's title, after its column name if the title does not begin with that."""
    title = result.rules.title
    return title if title.startswith(result.policy) else f"{result.policy}: {title}"


def _hours(seconds: object) -> str:
    assert isinstance(seconds, float)  # noqa: S101 - our own figures
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _one(result: Result, zone: ZoneInfo, *, reveal: bool) -> None:
    printing.wrapped("", f"{result.policy}: the numbers most affected")
    columns = ("caller", "strikes", "temporary_blocks", "permanent", "proposed", "rejected", "price")
    affected = [_affected(caller, reveal=reveal) for caller in result.most_affected(TOP)]
    tables.table(affected, columns, "nobody would have been blocked")
    if result.price:
        first = [*islice(result.price, TOP)]
        printing.wrapped("", f"{result.policy}: the price, {len(first)} of {len(result.price):,} calls")
        priced = [_priced(paid, zone, reveal=reveal) for paid in first]
        tables.table(priced, ("call", "started", "caller", "talk_seconds", "mark"), "")
    printing.wrapped("", f"{result.policy}: day by day")
    days = [_day(date, result) for date in sorted(result.days)]
    tables.table(
        days, ("date", "calls", "rejected", "temporary", "permanent", "proposed", "price"), "no days"
    )


def _sweep(results: Sequence[Result]) -> None:
    printing.plain("")
    keys = ("blocked_temporarily", "blocked_permanently", "proposed", "rejected", "price")
    table: list[Row] = [{"policy": result.policy, **_figures(result)} for result in results]
    tables.table(table, ("policy", *keys), "")
    for key, said in (("rejected", "calls rejected"), ("price", "price: answered calls rejected")):
        printing.wrapped("", f"{said}")
        values = [(result.policy, _count(_figures(result)[key])) for result in results]
        most = max((value for _, value in values), default=0) or 1
        width = max(len(name) for name, _ in values)
        for name, value in values:
            bar = "█" * round(BAR * value / most) or ("▏" if value else "")
            printing.plain(f"{name:<{width}}  {bar} {value:,}")


def _count(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101 - our own figures
    return value
