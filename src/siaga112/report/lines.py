"""The lines of a report that both the table and the page show, each with the key of its text."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Final, NamedTuple, TypeVar

from siaga112.core.figures import ANSWERED, Category, Uncounted, Waits
from siaga112.core.handling import Answering, Handing, Handling, Reports
from siaga112.core.model import Level, Millis
from siaga112.core.service_level import Ratio
from siaga112.report.figures import Report
from siaga112.report.words import NONE, Words

_Counted = TypeVar("_Counted", Answering, Handing)

MARKS: Final = frozenset(kind.value for kind in ANSWERED)
"""Lines that are part of the line above them."""
TIMES: Final = ("mean", "p90", "p95", "longest")
"""The lines for waits."""


class Count(NamedTuple):
    """A count in the period, and in the one before."""

    key: str
    now: int
    before: int


def outcomes(report: Report) -> list[Count]:
    """Return the outcomes, answered calls also by mark, and the total."""
    now, before = report.figures.total, report.before
    return [
        Count("answered", now.answered, before.answered),
        *(Count(kind.value, now.calls[kind], before.calls[kind]) for kind in Category),
        Count("total", now.total, before.total),
    ]


def levels(report: Report) -> list[tuple[str, Ratio, float | None]]:
    """Return the service level by each formula, with the target where it applies."""
    found = report.figures.total.levels
    return [
        ("of_answered", found.of_answered, report.target),
        ("of_presented", found.of_presented, report.target),
        ("of_offered", found.of_offered, None),
    ]


def times(waits: Waits) -> list[Millis | None]:
    """Return the waits in the order of `TIMES`."""
    return [waits.mean, waits.within(90), waits.within(95), waits.longest]


def lacking(day: date | None, words: Words) -> list[str]:
    """Return that the ledger begins on that day, too late for the figures; nothing if it does not."""
    return [words("lacking", day=words.date(day))] if day else []


def misuse(report: Report, words: Words) -> list[str]:
    """Return how many callers misused the line, and why there are more pranks than counted misuses."""
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
    """Return the lines for blocks."""
    now, before = report.blocks, report.blocks_before
    return [
        Count("blocks_temporary", now.of(Level.TEMPORARY), before.of(Level.TEMPORARY)),
        Count("blocks_permanent", now.of(Level.PERMANENT), before.of(Level.PERMANENT)),
        Count("blocks_manual", now.by_people, before.by_people),
        Count("blocks_lifted", now.lifted, before.lifted),
        Count("blocks_wrong", now.wrong, before.wrong),
    ]


class Answers(NamedTuple):
    """An operator's answered calls; or those of one shift, with the shift's name."""

    name: str
    counted: Answering
    of_shift: bool = False

    def cells(self, words: Words) -> list[str]:
        """Return the figures as cells."""
        one = self.counted
        marks = [words.number(one.calls[kind]) if one.calls[kind] else NONE for kind in ANSWERED]
        talked = [words.clock(one.talk if one.timed else None), words.clock(one.mean)]
        return [words.number(one.answered), *marks, *talked]


def operators(found: Handling, words: Words, most: int = 0, *, shifts: bool = True) -> list[Answers]:
    """Return the operators who answered, with their shifts; at most `most`, the others in one line."""
    cuts: dict[str | None, list[Answers]] = {}
    for (name, shift), counted in found.by_operator_and_shift.items() if shifts else ():
        cuts.setdefault(name, []).append(Answers(shift, counted, of_shift=True))
    told = []
    for name, counted in _first(found.by_operator.items(), most, Answering, words):
        told += [Answers(name or words("not_seen"), counted), *cuts.get(name, ())]
    return told


def _first(
    found: Iterable[tuple[str | None, _Counted]], most: int, make: Callable[[], _Counted], words: Words
) -> list[tuple[str | None, _Counted]]:
    """Return the first `most`, with the other named ones merged into one, and the nameless one last."""
    named: list[tuple[str | None, _Counted]] = []
    nameless: list[tuple[str | None, _Counted]] = []
    for name, one in found:
        (named if name else nameless).append((name, one))
    if most and len(named) > most:
        rest = make()
        for _, one in named[most - 1 :]:
            rest.update(one)
        named[most - 1 :] = [(words("more", count=words.number(len(named) - most + 1)), rest)]
    return named + nameless


def agencies(found: Handling, words: Words, most: int = 0) -> list[list[str]]:
    """Return the agencies that calls were handed over to, as cells; at most `most`, the others in one."""
    told = []
    for name, one in _first(found.by_agency.items(), most, Handing, words):
        others = words("other_targets", count=words.number(len(one.targets)))
        times = [words.seconds(one.after.within(percent)) for percent in (50, 90)]
        told.append([name or others, words.number(one.handed_over), words.number(one.reached), *times])
    return told


def reports(found: Reports, words: Words, most: int = 0) -> list[list[str]]:
    """Return the genuine reports by kind or district, as cells; at most `most`, the others in one."""
    named = [(name, count) for name, count in found if name]
    unsaid = [(words("not_said"), count) for name, count in found if not name]
    if most and len(named) > most:
        rest = sum(count for _, count in named[most - 1 :])
        named[most - 1 :] = [(words("more", count=words.number(len(named) - most + 1)), rest)]
    return [[name, words.number(count)] for name, count in named + unsaid]
