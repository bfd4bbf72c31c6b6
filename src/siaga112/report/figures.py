"""A report: the figures of a period, its blocks, and the same of the period before."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from siaga112.core.figures import Figures, LedgerRow, Misuser, Tally, grain
from siaga112.core.model import DAY, Millis
from siaga112.core.period import Period
from siaga112.core.shifts import Shift
from siaga112.report.block_figures import BlockFigures, count_blocks
from siaga112.service.ports import Statistics

PART: Final = 28 * DAY

Progress = Callable[[float], None]
"""Is told which share of the work is done."""


@dataclass(frozen=True, slots=True)
class Report:
    """What there is to say of a period. `answer_within` and `target` are the centre's promise."""

    site: str
    made: Millis
    answer_within: Millis
    target: float
    figures: Figures
    blocks: BlockFigures
    before: Tally
    blocks_before: BlockFigures

    @property
    def period(self) -> Period:
        """The period."""
        return self.figures.period


@dataclass(frozen=True, slots=True)
class Reporter:
    """Counts what the store holds. `shifts`, `answer_within`, `target`: the site's, as configured."""

    store: Statistics
    site: str
    shifts: Sequence[Shift]
    answer_within: Millis
    target: float

    async def report(self, period: Period, made: Millis, progress: Progress = lambda _: None) -> Report:
        """Count a period and the one before it."""
        before, earlier = period.before(), Tally()
        async for since, (rows, _) in self._counted(before):
            for row, count in rows:
                earlier.add(row, self.answer_within, count)
            progress(_share(before, since) / 2)
        figures = await self.figures(period, lambda share: progress((1 + share) / 2))
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
        )

    async def figures(self, period: Period, progress: Progress = lambda _: None) -> Figures:
        """Count a period alone."""
        figures = Figures(period, self.shifts, self.answer_within)
        async for since, counted in self._counted(period):
            figures.add_counted(*counted)
            progress(_share(period, since))
        return figures

    async def _counted(
        self, period: Period
    ) -> AsyncIterator[tuple[Millis, tuple[Sequence[tuple[LedgerRow, int]], Sequence[Misuser]]]]:
        """Count a part of the period after the other: no question to the database takes long."""
        for since in range(period.first, period.end, PART):
            until = min(since + PART, period.end)
            yield since, await self.store.counted(since, until, grain(self.shifts), self.answer_within)


def _share(period: Period, at: Millis) -> float:
    return (at - period.first) / (period.end - period.first)
