"""The report for scripts: JSON, and CSV with one row per slice. docs/reference.md explains the names."""

import csv
import json
from collections.abc import Iterator
from typing import Any, TextIO

from siaga112.core.caller_id import masked
from siaga112.core.figures import ANSWERED, Category, Misuser, Tally, Uncounted, Waits
from siaga112.core.handling import Answering, Handing
from siaga112.core.model import SECOND, Level, Millis
from siaga112.core.period import Period
from siaga112.core.service_level import Ratio, Served
from siaga112.report.block_figures import BlockFigures
from siaga112.report.figures import Report
from siaga112.terminal import rows
from siaga112.terminal.rows import Row

_SLICE = ("by", "day", "shift", "hour", "caller")
_HANDLING = ("operator", "agency", "kind", "district")
"""The names of the newer slices; their columns come last, so that older columns keep their places."""
OTHER = "other"
"""The row for targets that are not an agency in the configuration."""


def figures(tally: Tally) -> Row:
    """Return the figures of some calls."""
    levels = tally.levels
    return {
        "total": tally.total,
        "answered": tally.answered,
        **{kind.value: tally.calls[kind] for kind in Category},
        "presented": levels.of_presented.whole,
        "answered_in_time": tally.service[Served.IN_TIME],
        "level_of_answered": _share(levels.of_answered),
        "level_of_presented": _share(levels.of_presented),
        "level_of_offered": _share(levels.of_offered),
        **_waits("answer_wait", tally.answered_after),
        **_waits("abandon_wait", tally.abandoned_after),
    }


def _share(ratio: Ratio) -> float | None:
    return None if ratio.share is None else round(ratio.share, 4)


def _waits(name: str, waits: Waits) -> Row:
    times = {"mean": waits.mean, "p90": waits.within(90), "p95": waits.within(95), "max": waits.longest}
    return {f"{name}_{which}_seconds": _seconds(time) for which, time in times.items()}


def _seconds(span: Millis | None) -> float | None:
    return None if span is None else span / SECOND


def block_figures(blocks: BlockFigures) -> Row:
    """Return the figures of blocks."""
    return {
        "blocks_temporary": blocks.of(Level.TEMPORARY),
        "blocks_permanent": blocks.of(Level.PERMANENT),
        "blocks_manual": blocks.by_people,
        "blocks_lifted": blocks.lifted,
        "blocks_wrong": blocks.wrong,
    }


def misuser(found: Misuser, *, reveal: bool) -> Row:
    """Return the row of a caller who misused the line."""
    caller = found.caller if reveal else masked(found.caller)
    return {"caller": caller, "misuses": found.misuses, "rejected": found.rejected}


def answering(counted: Answering) -> Row:
    """Return the figures of an operator's answered calls."""
    return {
        "answered": counted.answered,
        **{kind.value: counted.calls[kind] for kind in ANSWERED},
        "talk_seconds": _seconds(counted.talk),
        "talk_mean_seconds": _seconds(counted.mean),
    }


def handing(counted: Handing) -> Row:
    """Return the figures of hand-overs to an agency, or to all other targets."""
    return {
        "handed_over": counted.handed_over,
        "reached": counted.reached,
        "handover_p50_seconds": _seconds(counted.after.within(50)),
        "handover_p90_seconds": _seconds(counted.after.within(90)),
        "targets": len(counted.targets) or None,
    }


def _handled(report: Report) -> dict[str, list[Row]]:
    """Return the handling of calls, by the names of the lists in JSON."""
    found = report.handling
    return {
        "by_operator": [{"operator": name} | answering(one) for name, one in found.by_operator.items()],
        "by_operator_and_shift": [
            {"operator": name, "shift": shift} | answering(one)
            for (name, shift), one in found.by_operator_and_shift.items()
        ],
        "by_agency": [{"agency": name or OTHER} | handing(one) for name, one in found.by_agency.items()],
        "genuine_by_kind": [{"kind": kind, "genuine": count} for kind, count in found.by_kind],
        "genuine_by_district": [{"district": name, "genuine": count} for name, count in found.by_district],
    }


def _bounds(period: Period) -> Row:
    return {"from": rows.instant(period.first, period.zone), "to": rows.instant(period.end, period.zone)}


def as_json(report: Report, top: int, *, reveal: bool) -> str:
    """Return the report as one JSON object."""
    counted, period = report.figures, report.period
    row: dict[str, Any] = {
        "site": report.site,
        "timezone": period.zone.key,
        "made": rows.instant(report.made, period.zone),
        **_bounds(period),
        "ledger_begins": rows.instant(report.begins, period.zone),
        "answer_within_seconds": _seconds(report.answer_within),
        "target": report.target,
        "total": figures(counted.total) | block_figures(report.blocks),
        "before": _bounds(report.compared) | figures(report.before) | block_figures(report.blocks_before),
        "by_day": [{"day": f"{day}"} | figures(tally) for day, tally in counted.by_day.items()],
        "by_shift": [{"shift": shift} | figures(tally) for shift, tally in counted.by_shift.items()],
        "by_shift_of_day": [
            {"day": f"{day}", "shift": shift} | figures(tally)
            for (day, shift), tally in counted.by_duty.items()
        ],
        "by_hour": [{"hour": hour} | figures(tally) for hour, tally in counted.by_hour.items()],
        **_handled(report),
        "misuses": counted.misuses,
        "pranks_not_counted": {kind.value: counted.uncounted[kind] for kind in Uncounted},
        "misusers": counted.misusers,
        "top_misusers": [misuser(found, reveal=reveal) for found in counted.top_misusers(top)],
    }
    return json.dumps(row, indent=2, ensure_ascii=False) + "\n"


def write_csv(report: Report, file: TextIO, top: int, *, reveal: bool) -> None:
    """Write the report as rows: the total, the period before, then each slice."""
    names = [*_SLICE, *figures(Tally()), *block_figures(BlockFigures()), "misuses", "rejected"]
    handled = [*_HANDLING, *answering(Answering()), *handing(Handing())]
    names += [name for name in handled if name not in names]
    writer = csv.DictWriter(file, names)
    writer.writeheader()
    for row in _slices(report, top, reveal=reveal):
        writer.writerow({name: rows.cell(value) for name, value in row.items()})


def _slices(report: Report, top: int, *, reveal: bool) -> Iterator[Row]:
    counted = report.figures
    yield {"by": "total"} | figures(counted.total) | block_figures(report.blocks)
    yield {"by": "before"} | figures(report.before) | block_figures(report.blocks_before)
    for day, tally in counted.by_day.items():
        yield {"by": "day", "day": day} | figures(tally)
    for shift, tally in counted.by_shift.items():
        yield {"by": "shift", "shift": shift} | figures(tally)
    for (day, shift), tally in counted.by_duty.items():
        yield {"by": "shift_of_day", "day": day, "shift": shift} | figures(tally)
    for hour, tally in counted.by_hour.items():
        yield {"by": "hour", "hour": hour} | figures(tally)
    for found in counted.top_misusers(top):
        yield {"by": "caller"} | misuser(found, reveal=reveal)
    for cut, listed in _handled(report).items():
        for row in listed:
            yield {"by": cut.rpartition("by_")[2]} | row
