"""A report: the figures and blocks of a period, and of the period before."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from siaga112.core.figures import Figures, Tally, grain
from siaga112.core.handling import Handling
from siaga112.core.model import DAY, Millis
from siaga112.core.period import Period
from siaga112.core.shifts import Shift
from siaga112.report.block_figures import BlockFigures, count_blocks
from siaga112.service.ports import Statistics

PART: Final = 28 * DAY

Progress = Callable[[float], None]
"""Called with the share of the work that is done."""


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a period. `answer_within` and `target` are the centre's service level.

    `begins`: the ledger's first call. Earlier ones were not recorded or are deleted (`[privacy] keep_calls`).
    """

    site: str
    made: Millis
    answer_within: Millis
    target: float
    figures: Figures
    blocks: BlockFigures
    before: Tally
    blocks_before: BlockFigures
    handling: Handling
    begins: Millis | None = None

    @property
    def period(self) -> Period:
        """The reported period."""
        return self.figures.period

    @property
    def compared(self) -> Period:
        """The period that it is compared with."""
        return self.period.compared(self.made)

    @property
    def lacks(self) -> date | None:
        """The day on which the ledger begins, if this or the compared period begins on an earlier one."""
        first = self.compared if self.before.total else self.period
        return first.lacks(self.begins)


@dataclass(frozen=True, slots=True)
class Reporter:
    """Build reports from the store. `shifts`, `answer_within` and `target`: the site's, as configured."""

    store: Statistics
    site: str
    shifts: Sequence[Shift]
    answer_within: Millis
    target: float

    async def report(self, period: Period, made: Millis, progress: Progress = lambda _: None) -> Report:
        """Return the report on a period, compared with the one before."""
        before = period.compared(made)
        earlier = await self.total(before, lambda share: progress(share / 2))
        figures, handling = await self._cut(period, lambda share: progress((1 + share) / 2))
        changed = await self.store.blocks_of_changed(before.first)
        return Report(
            site=self.site,
            made=made,
            answer_within=self.answer_within,
            target=self.target,
            figures=figures,
            blocks=count_blocks(changed, period),
            before=earlier,
            blocks_before=count_blocks(changed, before),
            handling=handling,
            begins=await self.store.ledger_begins(),
        )

    async def _cut(self, period: Period, progress: Progress) -> tuple[Figures, Handling]:
        figures = Figures(period, self.shifts, self.answer_within)
        handling = Handling(period, self.shifts)
        for since, until in _parts(period):
            width = grain(self.shifts, period.zone, since, until)
            figures.add_counted(await self.store.counted(since, until, width, self.answer_within))
            figures.add_misusers(await self.store.misusers(since, until))
            handling.add_answered(await self.store.answered(since, until, width))
            progress(_share(period, since))
        handling.add_passed(await self.store.passed(period.first, period.end))
        return figures, handling

    async def total(self, period: Period, progress: Progress = lambda _: None) -> Tally:
        """Count the calls of a period as a whole, without slices and without the callers who misused it."""
        figures = Figures(period, (), self.answer_within)
        for since, until in _parts(period):
            figures.add_counted(await self.store.counted(since, until, PART, self.answer_within))
            progress(_share(period, since))
        return figures.total


def _parts(period: Period) -> Iterator[tuple[Millis, Millis]]:
    """Yield the parts of a period, so that no query takes long."""
    for since in range(period.first, period.end, PART):
        yield since, min(since + PART, period.end)


def _share(period: Period, at: Millis) -> float:
    return (at - period.first) / (period.end - period.first)
