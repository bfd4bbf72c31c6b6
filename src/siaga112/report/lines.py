"""The lines of a report that the table and the page both show, each by the key of its text."""

from typing import Final, NamedTuple

from siaga112.core.figures import ANSWERED, Category, Uncounted, Waits
from siaga112.core.model import Level, Millis, Origin
from siaga112.core.service_level import Ratio
from siaga112.report.figures import Report
from siaga112.report.words import Words

MARKS: Final = frozenset(kind.value for kind in ANSWERED)
"""Lines that are a part of the line above them."""
TIMES: Final = ("mean", "p90", "p95", "longest")
"""The lines of waits."""


class Count(NamedTuple):
    """How many in the period, and in the one before."""

    key: str
    now: int
    before: int


def outcomes(report: Report) -> list[Count]:
    """Give the outcomes, the answered calls also by their mark, and all calls."""
    now, before = report.figures.total, report.before
    return [
        Count("answered", now.answered, before.answered),
        *(Count(kind.value, now.calls[kind], before.calls[kind]) for kind in Category),
        Count("total", now.total, before.total),
    ]


def levels(report: Report) -> list[tuple[str, Ratio, float | None]]:
    """Give the service level by each formula, and the target where it is meant for it."""
    found = report.figures.total.levels
    return [
        ("of_answered", found.of_answered, report.target),
        ("of_presented", found.of_presented, report.target),
        ("of_offered", found.of_offered, None),
    ]


def times(waits: Waits) -> list[Millis | None]:
    """Give waits by the lines in `TIMES`."""
    return [waits.mean, waits.within(90), waits.within(95), waits.longest]


def misuse(report: Report, words: Words) -> list[str]:
    """Say how many callers misused the line, and why more calls are pranks than count as misuse."""
    found = report.figures
    uncounted = found.uncounted
    said = [words("misusers_all", count=words.number(found.misusers))]
    if uncounted:
        said.append(
            words(
                "uncounted",
                misuses=words.number(found.misuses),
                pranks=words.number(found.total.pranks),
                uncounted=words.number(uncounted.total()),
                **{kind.value: words.number(uncounted[kind]) for kind in Uncounted},
            )
        )
    return said


def blocks(report: Report) -> list[Count]:
    """Give what became of blocks."""
    now, before = report.blocks, report.blocks_before
    return [
        Count("blocks_temporary", now.of(Level.TEMPORARY), before.of(Level.TEMPORARY)),
        Count("blocks_permanent", now.of(Level.PERMANENT), before.of(Level.PERMANENT)),
        Count("blocks_manual", now.of(Origin.MANUAL), before.of(Origin.MANUAL)),
        Count("blocks_lifted", now.lifted, before.lifted),
        Count("blocks_wrong", now.wrong, before.wrong),
    ]
