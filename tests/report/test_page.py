"""The page for the press, in a real Chromium."""

import re
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, time, timedelta
from pathlib import Path
from random import Random

import pytest

from siaga112.core.figures import Figures, LedgerRow
from siaga112.core.model import SECOND, Caller, Mark, Outcome, Reason
from siaga112.core.period import Period, of_days
from siaga112.core.shifts import Shift
from siaga112.report.block_figures import BlockFigures
from siaga112.report.figures import Report
from siaga112.report.page import page
from siaga112.report.words import Language, Words
from tests.cli.shell import Shell
from tests.lab.chromium import Tab, tab
from tests.month import ZONE
from tests.samples import tally

FIRST = date(2019, 2, 11)
SHIFTS = tuple(Shift(f"a shift with a long name, number {n}", time(4 * n)) for n in range(6))


@pytest.fixture
async def chromium() -> AsyncIterator[Tab]:
    """Give a page of a real Chromium."""
    async with tab() as opened:
        yield opened


def some_report(days: int, calls: int, shifts: tuple[Shift, ...] = SHIFTS) -> Report:
    """Make a report of that many days and calls, of every kind."""
    random, period = Random(days), of_days(FIRST, FIRST + timedelta(days=days - 1), ZONE)
    figures = Figures(period, shifts, 10 * SECOND)
    rows = [_row(random, period) for _ in range(calls)]
    figures.add(rows)
    before = tally(rows[: calls // 2], 10 * SECOND)
    return Report("serang", period.end, 10 * SECOND, 0.9, figures, BlockFigures(), before, BlockFigures())


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


async def check(chromium: Tab, file: Path) -> str:
    """Show a page and print it: nothing wrong, nothing fetched, two sheets at most. Give its text."""
    await chromium.open(file.as_uri())
    assert chromium.messages == []
    assert chromium.requests == [file.as_uri()]
    told = _pdfinfo(await chromium.pdf())
    assert int(told["Pages"]) <= 2
    assert told["Page size"].endswith("(A4)")
    return await chromium.text()


def _pdfinfo(printed: bytes) -> dict[str, str]:
    told = subprocess.run(
        ["pdfinfo", "-"], input=printed, capture_output=True, check=True, timeout=60
    ).stdout.decode()
    return dict(re.findall(r"(\w[\w ]+):\s+(.+)", told))


@pytest.mark.redis
@pytest.mark.parametrize(("language", "shown"), [("id", "53.794"), ("en", "53,794")])
async def test_the_centres_month_is_a_page_of_two_sheets(
    centre: Shell, chromium: Tab, tmp_path: Path, language: str, shown: str
) -> None:
    """The command's own file renders, says its figures, asks nobody for anything, and prints on A4."""
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
    """A day or a leap year, nothing or a lot, six shifts with long names, the longest list of numbers."""
    file = tmp_path / "report.html"
    file.write_text(page(some_report(days, calls), Words(language), 12, reveal=True))
    await check(chromium, file)


@pytest.mark.parametrize("language", Language, ids=str)
def test_the_page_says_why_there_are_more_pranks_than_misuses(language: Language) -> None:
    """32 prank calls beside 9 misuses: the other 23 have their reasons, and add up, in both languages."""
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
    (told,) = re.findall(r"<li><b>(?:Misuse|Penyalahgunaan)</b>(.*?)</li>", written)
    assert [int(number) for number in re.findall(r"[0-9]+", told)] == [9, 32, 23, 12, 5, 6]


async def test_what_a_name_says_is_text(chromium: Tab, tmp_path: Path) -> None:
    """HTML in a shift's name, or a site's, is shown as it is written, and does nothing."""
    name = "<script>console.log(1)</script><img src=x onerror=console.log(2)>\"&'"
    report = replace(some_report(2, 50, (Shift(name, time(7)),)), site=name)
    file = tmp_path / "report.html"
    file.write_text(page(report, Words(Language.EN), 10, reveal=False))
    shown = await check(chromium, file)
    assert name in shown
    assert name.upper() in shown  # above the title, in capitals
