"""The page for the press, in a real Chromium."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, time, timedelta
from pathlib import Path
from random import Random

import pytest

from siaga112.core.figures import Figures, LedgerRow
from siaga112.core.handling import Answered, AnsweredCount, Handling, Passed
from siaga112.core.model import SECOND, Caller, Mark, Outcome, Reason
from siaga112.core.period import Period, of_days
from siaga112.core.shifts import Shift
from siaga112.report import lines
from siaga112.report.block_figures import BlockFigures
from siaga112.report.figures import Report
from siaga112.report.page import OPERATORS_SHOWN, page
from siaga112.report.words import Words
from siaga112.words import Language
from tests.cli.shell import Shell
from tests.lab import pdf as read
from tests.lab.chromium import Tab, tab
from tests.month import ZONE
from tests.samples import tally

FIRST = date(2019, 2, 11)
SHIFTS = tuple(Shift(f"a shift with a long name, number {n}", time(4 * n)) for n in range(6))


@pytest.fixture
async def chromium() -> AsyncIterator[Tab]:
    """Yield a page of a real Chromium."""
    async with tab() as opened:
        yield opened


def some_report(days: int, calls: int, shifts: tuple[Shift, ...] = SHIFTS) -> Report:
    """Return a report of this many days and calls, of every kind."""
    random, period = Random(days), of_days(FIRST, FIRST + timedelta(days=days - 1), ZONE)
    figures = Figures(period, shifts, 10 * SECOND)
    rows = [_row(random, period) for _ in range(calls)]
    figures.add(rows)
    before = tally(rows[: calls // 2], 10 * SECOND)
    blocks = BlockFigures()
    handling = Handling(period, shifts)
    return Report("serang", period.end, 10 * SECOND, 0.9, figures, blocks, before, blocks, handling)


def _row(random: Random, period: Period) -> LedgerRow:
    outcome = random.choice(list(Outcome))
    return LedgerRow(
        started=random.randrange(period.first, period.end),
        outcome=outcome,
        reason=Reason.LEFT_QUEUE,
        mark=random.choice([None, *Mark]) if outcome is Outcome.ANSWERED else None,
        waited=random.randrange(4_000 * SECOND),
        caller=Caller(f"+62812{random.randrange(10_000_000, 10_000_050)}"),
        strike=outcome is Outcome.IVR_PRANK,
    )


def busy(report: Report, operators: int, others: int = 40) -> Report:
    """Return the report with this many operators with long names, and agencies, kinds and districts."""
    random, period = Random(operators), report.period
    handling = Handling(period, SHIFTS)
    for n in range(operators):
        mark = random.choice([None, *Mark])
        alike = Answered(f"Petugas Siaga dengan nama panjang nomor {n}", mark)
        began = random.randrange(period.first, period.end)
        handling.add_answered({alike: [AnsweredCount(began, 90 - n % 80, 80, 7_200 * SECOND)]})
    for n in range(others):
        alike = Answered(None, Mark.GENUINE, f"a kind with a long name, {n}", f"Kecamatan yang panjang {n}")
        handling.add_answered({alike: [AnsweredCount(period.first + n, 12_345, 0, 0)]})
        handling.add_passed(
            {Passed(f"Dinas dengan nama yang panjang sekali {n}", "", 900 + n, reached=True): n}
        )
        handling.add_passed({Passed("", f"081{n}", 12_000, reached=False): 1})
    return replace(report, handling=handling)


async def check(chromium: Tab, file: Path, sheets: int = 2) -> str:
    """Open a page and print it: no error, no request, not too many sheets. Return its text."""
    await chromium.open(file.as_uri())
    assert chromium.messages == []
    assert chromium.requests == [file.as_uri()]
    told = read.about(await chromium.pdf())
    assert int(told["Pages"]) <= sheets
    assert told["Page size"].endswith("(A4)")
    return await chromium.text()


@pytest.mark.redis
@pytest.mark.parametrize(("language", "shown"), [("id", "53.794"), ("en", "53,794")])
async def test_the_centres_month_is_a_page_of_two_sheets(
    centre: Shell, chromium: Tab, tmp_path: Path, language: str, shown: str
) -> None:
    """The command's page has the month's figures and masked numbers, and prints on two A4 sheets."""
    file = tmp_path / "report.html"
    period = "--from 2019-02-11 --to 2019-03-11"
    await centre("report", *f"{period} --format html --lang {language} --output {file}".split())
    text = await check(chromium, file)
    assert shown in text
    assert "+62896*****" in text
    assert not re.search(r"\+62[0-9]{9}", text)


@pytest.mark.parametrize(
    ("language", "days", "calls"),
    [(Language.ID, 1, 0), (Language.EN, 62, 4_000), (Language.ID, 62, 4_000), (Language.ID, 366, 4_000)],
    ids=str,
)
async def test_any_period_fits_two_sheets(
    chromium: Tab, tmp_path: Path, language: Language, days: int, calls: int
) -> None:
    """A day or a leap year, empty or full, with long names, a note and the longest list, fits two sheets."""
    file, report = tmp_path / "report.html", some_report(days, calls)
    report = replace(report, begins=report.period.end)
    file.write_text(page(report, Words(language), 12, reveal=True))
    await check(chromium, file)


@pytest.mark.parametrize(
    ("language", "operators"), [(Language.ID, 3), (Language.ID, 13), (Language.EN, 120)], ids=str
)
async def test_who_answered_and_what_was_reported_is_a_third_sheet(
    chromium: Tab, tmp_path: Path, language: Language, operators: int
) -> None:
    """Any number of operators takes one more sheet: a line sums up those beyond the limit, and all add up."""
    file, words = tmp_path / "report.html", Words(language)
    report = busy(some_report(62, 4_000), operators)
    file.write_text(page(report, words, 12, reveal=True))
    text = await check(chromium, file, sheets=3)
    assert "3 / 3" in text
    for title in ("by_operator", "by_agency", "by_kind", "by_district"):
        assert words(title) in text
    assert words("other_targets", count="40") in text
    assert words("more", count=words.number(operators - 12)) in text or operators <= 13
    told = lines.operators(report.handling, words, OPERATORS_SHOWN)
    everyone = report.handling.by_operator.values()
    assert sum(one.counted.answered for one in told if not one.of_shift) == sum(
        one.answered for one in everyone
    )


async def test_where_nobody_was_seen_to_answer_there_is_no_third_sheet(chromium: Tab, tmp_path: Path) -> None:
    """Without operators there is no third sheet; a report without names has the rest of it."""
    file, words, report = tmp_path / "report.html", Words(Language.EN), some_report(2, 50)
    period = report.period
    report.handling.add_answered({Answered(None, Mark.GENUINE): [AnsweredCount(period.first, 3, 3, 900)]})
    file.write_text(page(report, words, 10, reveal=False))
    text = await check(chromium, file)
    assert "2 / 2" in text
    assert not [title for title in ("by_operator", "by_agency", "by_kind") if words(title) in text]
    nameless = busy(report, 5)
    nameless.handling.forget_operators()
    written = page(nameless, words, 10, reveal=False)
    assert words("by_agency") in written
    assert words("by_operator") not in written
    assert "Petugas" not in written


SMALL = """
[...document.querySelectorAll('body *')]
    .filter(part => [...part.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
    .filter(part => part.checkVisibility() && part.tagName !== 'title')
    .filter(part => parseFloat(getComputedStyle(part).fontSize)
        * (part.ownerSVGElement ? part.getScreenCTM().a : 1) < 10.99)
    .map(part => part.textContent).join(' | ')
"""
OVERLAPPING = """
(() => {
    const boxes = []
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) {
        const node = walker.currentNode
        if (!node.data.trim() || node.parentElement.tagName === 'title') continue
        const range = document.createRange()
        range.selectNodeContents(node)
        const cut = node.parentElement.closest('.name')?.getBoundingClientRect().right ?? Infinity
        for (const box of range.getClientRects()) {
            const right = Math.min(box.right, cut)
            if (right - box.left < 2) continue
            boxes.push({node, left: box.left, right, top: box.top + 2, bottom: box.bottom - 2})
        }
    }
    const found = []
    boxes.forEach((one, n) => boxes.slice(n + 1).forEach(other => {
        if (one.node !== other.node && one.left < other.right - 1 && other.left < one.right - 1
            && one.top < other.bottom && other.top < one.bottom)
            found.push(`${one.node.data} / ${other.node.data}`)
    }))
    return found.join(' | ')
})()
"""
BEYOND = """
[...document.querySelectorAll('td, th, p, h1, h2, li, svg')]
    .filter(part => !part.closest('.wide') && part.getBoundingClientRect().right > innerWidth + 1)
    .map(part => part.innerText).join(' | ')
"""


@pytest.mark.parametrize("language", Language, ids=str)
async def test_a_telephone_shows_all_of_it(chromium: Tab, tmp_path: Path, language: Language) -> None:
    """At 390 px nothing is beyond the edge or overlaps, and no text is smaller than 11 px.

    Wide parts scroll by themselves.
    """
    file = tmp_path / "report.html"
    file.write_text(page(busy(some_report(62, 4_000), 5), Words(language), 12, reveal=True))
    await chromium.ask(
        "Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True
    )
    await chromium.open(file.as_uri())
    for faults in (BEYOND, SMALL, OVERLAPPING):
        found = await chromium.ask("Runtime.evaluate", expression=faults)
        assert found["result"]["value"] == ""
    wide = await chromium.ask("Runtime.evaluate", expression="document.documentElement.scrollWidth")
    assert wide["result"]["value"] == 390


@pytest.mark.parametrize("language", Language, ids=str)
def test_the_page_says_why_there_are_more_pranks_than_misuses(language: Language) -> None:
    """The page explains 9 misuses of 32 prank calls: it gives reasons for the other 23, which add up."""
    period = of_days(FIRST, FIRST, ZONE)
    figures = Figures(period, (), 10 * SECOND)
    menu = LedgerRow(
        period.first, Outcome.IVR_PRANK, Reason.LEFT_MENU, None, None, Caller("+62812"), strike=True
    )
    marked = menu._replace(outcome=Outcome.ANSWERED, mark=Mark.PRANK, strike=False)
    figures.add([menu] * 8 + [marked._replace(strike=True)] + [marked] * 6)
    figures.add(
        [menu._replace(strike=False, caller=None)] * 12 + [menu._replace(strike=False, spared=True)] * 5
    )
    report = replace(some_report(1, 0), figures=figures)
    written = page(report, Words(language), 10, reveal=False)
    (told,) = re.findall(r"<li><b>(?:Misuse|Pelanggaran)</b>(.*?)</li>", written)
    assert [int(number) for number in re.findall(r"[0-9]+", told)] == [9, 32, 23, 12, 5, 6]


async def test_what_a_name_says_is_text(chromium: Tab, tmp_path: Path) -> None:
    """HTML in the name of a shift, a site or an operator is shown as text and runs nothing."""
    name = "<script>console.log(1)</script><img src=x onerror=console.log(2)>\"&'"
    report = replace(some_report(2, 50, (Shift(name, time(7)),)), site=name)
    report.handling.add_answered({Answered(name, None): [AnsweredCount(report.period.first, 1, 1, 900)]})
    file = tmp_path / "report.html"
    file.write_text(page(report, Words(Language.EN), 10, reveal=False))
    shown = await check(chromium, file, sheets=3)
    assert shown.count(name) >= 2
    assert name.upper() in shown  # above the title, in capitals
