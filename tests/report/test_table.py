"""The report for a terminal and for scripts, with calls of every kind."""

import csv
import io
import json
from dataclasses import replace

import pytest

from siaga112.core.figures import Category, Tally
from siaga112.core.model import DAY, HOUR
from siaga112.report import data, table
from siaga112.report.figures import Report
from siaga112.report.page import page
from siaga112.report.words import Words
from siaga112.terminal import consoles, rows
from siaga112.words import Language
from tests.month import ZONE
from tests.report.test_page import FIRST, busy, some_report

ENDS = ("by_operator", "misusers")
"""The titles between which the table shows how calls were handled."""


def shown(report: Report, language: Language) -> list[str]:
    """Return the lines of the table."""
    out = io.StringIO()
    table.show(report, Words(language), 10, consoles.console(table.WIDTH, out), reveal=False)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("language", Language, ids=str)
def test_a_year_of_every_kind_fits_eighty_columns_with_each_line_whole(language: Language) -> None:
    """A year with large counts fits 80 columns: only long names are cut, no day and no figure."""
    words, lines = Words(language), shown(some_report(366, 40_000), language)
    assert max(map(len, lines)) <= table.WIDTH
    of_day = lines[lines.index(words("by_day")) :]
    assert any(line.startswith(words.day(FIRST)) for line in of_day)
    of_shift = lines[lines.index(words("by_shift")) + 1 : lines.index(words("by_day")) - 1]
    assert len([line for line in of_shift if line.startswith("a shift w…")]) == 6
    assert not [line for line in of_shift if line.endswith("…")]


@pytest.mark.parametrize("language", Language, ids=str)
def test_each_mark_has_a_row_and_a_column_of_its_own(language: Language) -> None:
    """Every category has a row and a column of its own, the silent calls too."""
    report, words = some_report(3, 400), Words(language)
    lines = shown(report, language)
    total = report.figures.total
    assert total.calls[Category.SILENT]
    for kind in Category:
        (row,) = [line for line in lines if line.strip().startswith(words(kind))]
        assert row.replace(words(kind), "").split()[0] == words.number(total.calls[kind]), kind
    head = " ".join(lines[lines.index(words("by_day")) : lines.index(words("by_hour"))])
    assert all(part in head for kind in Category for part in words.head(f"short_{kind}").split("\n"))


def test_scripts_are_told_each_mark_by_its_own_name() -> None:
    """JSON and CSV have the same count of each mark, and these add up to the answered calls."""
    report = some_report(3, 400)
    total = json.loads(data.as_json(report, 0, reveal=False))["total"]
    out = io.StringIO()
    data.write_csv(report, out, 0, reveal=False)
    first = next(csv.DictReader(io.StringIO(out.getvalue())))
    marks = ("genuine", "information", "silent", "prank", "unmarked")
    assert sum(total[mark] for mark in marks) == total["answered"]
    assert {mark: int(first[mark]) for mark in marks} == {mark: total[mark] for mark in marks}
    assert total["silent"] == report.figures.total.calls[Category.SILENT] > 0


@pytest.mark.parametrize("language", Language, ids=str)
@pytest.mark.parametrize(
    ("days", "compared", "day"),
    [(0, True, None), (1, True, "9"), (3, True, "11"), (4, True, "12"), (3, False, None), (4, False, "12")],
)
def test_a_ledger_that_begins_too_late_for_the_figures_says_so(
    language: Language,
    days: int,
    compared: bool,  # noqa: FBT001 - pytest names it
    day: str | None,
) -> None:
    """Figures of a time that the ledger lacks in part, or a comparison with one, come with its first day.

    What `[privacy] keep_calls` has deleted, or came before siaga112, would otherwise look like a quiet time.
    """
    words, report = Words(language), some_report(3, 400)
    begins = report.period.before().first + days * DAY + HOUR
    report = replace(report, begins=begins, before=report.before if compared else Tally())
    said = [] if day is None else [words("lacking", day=words.date(FIRST.replace(day=int(day))))]
    head = words("lacking", day="")[:12]
    assert [line for line in shown(report, language) if line.startswith(head)] == said
    assert all(text in page(report, words, 0, reveal=False) for text in said)
    told = json.loads(data.as_json(report, 0, reveal=False))
    assert told["ledger_begins"] == rows.instant(begins, ZONE)


def test_without_calls_the_ledger_begins_nowhere() -> None:
    """An empty ledger has no first day."""
    report = some_report(3, 0)
    assert report.lacks is None
    assert json.loads(data.as_json(report, 0, reveal=False))["ledger_begins"] is None


@pytest.mark.parametrize("language", Language, ids=str)
def test_who_answered_and_what_was_reported_fits_eighty_columns(language: Language) -> None:
    """Operators, agencies, kinds and districts with long names take one line each, within 80 columns."""
    words, report = Words(language), busy(some_report(31, 400), 30)
    lines = shown(report, language)
    assert max(map(len, lines)) <= table.WIDTH
    begin, end = (next(n for n, line in enumerate(lines) if line.startswith(words(key))) for key in ENDS)
    part = lines[begin:end]
    assert (
        len([line for line in part if line.startswith("Petugas Siaga d…") and line.endswith("0:01:30")]) == 30
    )
    assert len([line for line in part if line.startswith("  a shift with")]) == 31
    assert len([line for line in part if line.startswith("Dinas dengan nama")]) == 40
    assert sum(words("not_said") in line for line in part) == 2
    assert any(line.startswith(words("other_targets", count="40")) for line in part)
    report.handling.forget_operators()
    assert "Petugas Siaga" not in "\n".join(shown(report, language))


@pytest.mark.parametrize("language", Language, ids=str)
def test_there_is_no_title_over_nothing(language: Language) -> None:
    """Without operators, hand-overs, kinds and districts, the table has no titles for them."""
    words, lines = Words(language), shown(some_report(3, 400), language)
    titles = [words(key) for key in ("by_operator", "by_agency", "by_kind", "by_district")]
    assert not [line for line in lines if line.startswith(tuple(titles))]


def test_scripts_are_told_how_calls_were_handled() -> None:
    """JSON has a list for each cut, and CSV the same as rows; an unknown name is null or `other`."""
    report = busy(some_report(31, 400), 2, 3)
    told = json.loads(data.as_json(report, 0, reveal=False))
    assert [row["operator"] for row in told["by_operator"]][-1] is None
    assert set(told["by_operator"][0]) == {
        "operator", "answered", "genuine", "information", "silent", "prank", "unmarked", "talk_seconds",
        "talk_mean_seconds",
    }  # fmt: skip
    assert [row["agency"] for row in told["by_agency"]][-1] == "other"
    assert told["by_agency"][-1] == {
        "agency": "other",
        "handed_over": 3,
        "reached": 0,
        "handover_p50_seconds": 1200.0,
        "handover_p90_seconds": 1200.0,
        "targets": 3,
    }
    assert told["by_agency"][0]["targets"] is None
    out = io.StringIO()
    data.write_csv(report, out, 0, reveal=False)
    written = list(csv.DictReader(io.StringIO(out.getvalue())))
    for by, cut in (
        ("operator", "by_operator"),
        ("operator_and_shift", "by_operator_and_shift"),
        ("agency", "by_agency"),
        ("kind", "genuine_by_kind"),
        ("district", "genuine_by_district"),
    ):
        rows = [row for row in written if row["by"] == by]
        assert rows
        assert [{name: row[name] for name in one} for row, one in zip(rows, told[cut], strict=True)] == [
            {name: "" if value is None else str(value) for name, value in one.items()} for one in told[cut]
        ]
