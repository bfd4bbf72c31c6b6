"""The report's words, in both languages."""

import re
import string
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from siaga112 import report as reporting
from siaga112.core.figures import Category
from siaga112.core.model import SECOND
from siaga112.core.period import Period, of_days
from siaga112.report.words import Words
from siaga112.words import Language
from tests.month import ZONE

SOURCES = Path(reporting.__file__).parent
TEXTS: dict[str, dict[str, str]] = tomllib.loads((SOURCES / "words.toml").read_text("utf-8"))
ID, EN = Words(Language.ID), Words(Language.EN)


def test_each_text_is_there_in_both_languages_with_the_same_values() -> None:
    """Every text exists in both languages, with the same placeholders."""

    def values(text: str) -> set[Any]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    assert TEXTS["id"].keys() == TEXTS["en"].keys()
    for key, text in TEXTS["id"].items():
        assert values(text) == values(TEXTS["en"][key]), key


def test_no_text_is_unused() -> None:
    """Every text is named in the code, or belongs to a category or a note."""
    code = "\n".join(
        file.read_text("utf-8") for pattern in ("*.py", "*.j2") for file in SOURCES.glob(pattern)
    )
    made = {kind.value for kind in Category} | {f"short_{kind}" for kind in Category}
    made |= {f"note_{name}" for name in re.findall(r'"(\w+)"', code)}
    named = set(re.findall(r"""["'](\w+)["']""", code))
    assert TEXTS["en"].keys() - named - made == set()


@pytest.mark.parametrize(
    ("indonesian", "english"),
    [
        ((ID.number(53_794), ID.percent(0.1431)), ("53,794", "14.3%")),
        ((EN.number(53_794), EN.percent(0.1431)), ("53.794", "14,3%")),
    ],
)
def test_numbers_are_written_as_the_language_does(
    indonesian: tuple[str, str], english: tuple[str, str]
) -> None:
    """Indonesian and English numbers differ in that point and comma are swapped."""
    swapped = str.maketrans(",.", ".,")
    assert tuple(text.translate(swapped) for text in indonesian) == english


def test_a_few_are_not_none() -> None:
    """A share that is not zero is never written as 0.0 %."""
    assert (ID.percent(14 / 53_794), EN.percent(14 / 53_794)) == ("< 0,1%", "< 0.1%")
    assert (EN.percent(0), EN.percent(None), EN.percent(0.0005)) == ("0.0%", "\N{EN DASH}", "0.1%")


def test_nearly_all_are_not_all() -> None:
    """A share that lacks something is never written as 100.0 %."""
    assert (ID.percent(53_780 / 53_794), EN.percent(53_780 / 53_794)) == ("> 99,9%", "> 99.9%")
    assert (EN.percent(1), EN.percent(0.9995), EN.percent(0.9994)) == ("100.0%", "> 99.9%", "99.9%")


@pytest.mark.parametrize(
    ("words", "span", "shown"),
    [
        (ID, None, "\N{EN DASH}"),
        (ID, 7_640, "7,6 dtk"),
        (EN, 119_900, "119.9 s"),
        (EN, 120_000, "2 min 00 s"),
        (ID, 3_725_000, "62 mnt 05 dtk"),
    ],
)
def test_times_are_written_so_that_they_can_be_read(words: Words, span: int | None, shown: str) -> None:
    """A time is in seconds and tenths, and from two minutes on in minutes and seconds."""
    assert words.seconds(span) == shown


@pytest.mark.parametrize(
    ("now", "before", "shown"),
    [(110, 100, "+10.0%"), (90, 100, "\N{MINUS SIGN}10.0%"), (100, 100, "+0.0%"), (5, 0, "\N{EN DASH}")],
)
def test_a_change_has_its_sign(now: int, before: int, shown: str) -> None:
    """A change has its sign, and a dash stands for a change from nothing."""
    assert EN.change(now, before) == shown


@pytest.mark.parametrize(
    ("period", "shown"),
    [
        (of_days(date(2019, 2, 11), date(2019, 2, 11), ZONE), "11 Februari 2019"),
        (of_days(date(2019, 2, 11), date(2019, 2, 28), ZONE), "11 \N{EN DASH} 28 Februari 2019"),
        (of_days(date(2019, 2, 11), date(2019, 3, 11), ZONE), "11 Februari \N{EN DASH} 11 Maret 2019"),
        (
            of_days(date(2018, 12, 31), date(2019, 1, 1), ZONE),
            "31 Desember 2018 \N{EN DASH} 1 Januari 2019",
        ),
        (
            Period(datetime(2019, 2, 11, 7, tzinfo=ZONE), datetime(2019, 2, 11, 14, 30, tzinfo=ZONE), ZONE),
            "11 Februari 2019 07.00 s.d. 11 Februari 2019 14.30",
        ),
    ],
)
def test_a_period_is_written_as_people_say_it(period: Period, shown: str) -> None:
    """A period is written with both its days, and with times of day only if they are not midnight."""
    assert ID.span(period) == shown


def test_a_promise_is_written_in_full() -> None:
    """A promise of whole seconds has no decimal point."""
    assert (ID.limit(10 * SECOND), EN.limit(7_500)) == ("10 detik", "7.5 s")
