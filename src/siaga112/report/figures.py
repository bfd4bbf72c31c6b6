"""A report: the figures and blocks of a period, and of the period before."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import cycle
from typing import Any, Final, NamedTuple, TypeVar

from siaga112.core.figures import Counted, Figures, Misuser, Tally, grain
from siaga112.core.handling import AnsweredCounts, Handling
from siaga112.core.model import DAY, Millis
from siaga112.core.period import Period
from siaga112.core.shifts import Shift
from siaga112.report.block_figures import BlockFigures, count_blocks
from siaga112.service.ports import Statistics

_T = TypeVar("_T")

PART: Final = 28 * DAY
PART_OF_CALLERS: Final = 4 * PART
"""Most callers call in many parts: the fewer the parts, the fewer rows to add up."""

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
    """Build reports. `shifts`, `answer_within` and `target`: the site's, as configured.

    `stores` all read the same records, each with a thread of its own: as many parts of a period are counted
    at once.
    """

    stores: Sequence[Statistics]
    site: str
    shifts: Sequence[Shift]
    answer_within: Millis
    target: float

    async def report(self, period: Period, made: Millis, progress: Progress = lambda _: None) -> Report:
        """Return the report on a period, compared with the one before."""
        before = period.compared(made)
        (figures, handling), changed, begins = await asyncio.gather(
            self._cut(period, progress),
            self.stores[0].blocks_of_changed(before.first),
            self.stores[0].ledger_begins(),
        )
        # Not beside the others: a question that waits behind many would take a slow database for a dead one.
        earlier = await self.total(before)
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
            begins=begins,
        )

    async def _cut(self, period: Period, progress: Progress) -> tuple[Figures, Handling]:
        figures = Figures(period, self.shifts, self.answer_within)
        handling = Handling(period, self.shifts)

        async def count(store: Statistics, since: Millis, until: Millis) -> _Part:
            width = grain(self.shifts, period.zone, since, until)
            return _Part(
                since,
                await store.counted(since, until, width, self.answer_within),
                await store.answered(since, until, width),
            )

        async for part in self._counted(count, period):
            figures.add_counted(part.counted)
            handling.add_answered(part.answered)
            progress((part.since - period.first) / (period.end - period.first))

        async def misusers(store: Statistics, since: Millis, until: Millis) -> Sequence[Misuser]:
            return await store.misusers(since, until)

        async for found in self._counted(misusers, period, PART_OF_CALLERS):
            figures.add_misusers(found)
        handling.add_passed(await self.stores[0].passed(period.first, period.end))
        return figures, handling

    async def total(self, period: Period) -> Tally:
        """Count the calls of a period as a whole, without slices and without the callers who misused it."""
        figures = Figures(period, (), self.answer_within)

        async def count(store: Statistics, since: Millis, until: Millis) -> Counted:
            return await store.counted(since, until, PART, self.answer_within)

        async for counted in self._counted(count, period):
            figures.add_counted(counted)
        return figures.total

    async def _counted(
        self, count: "_Count[_T]", period: Period, longest: Millis = PART
    ) -> AsyncIterator[_T]:
        """Yield the counts of each part of the period, in order.

        While the caller adds up one, the databases count the next ones.
        """
        out: deque[asyncio.Task[_T]] = deque()
        try:
            for bounds, store in zip(self._parts(period, longest), cycle(self.stores), strict=False):
                out.append(asyncio.create_task(count(store, *bounds)))
                await asyncio.sleep(0)  # it is asked now, also if the one before has its answer already
                if len(out) > len(self.stores):
                    yield await out[0]
                    out.popleft()
            while out:
                yield await out[0]
                out.popleft()
        finally:
            for waiting in out:
                waiting.cancel()

    def _parts(self, period: Period, longest: Millis) -> Iterator[tuple[Millis, Millis]]:
        """Yield the parts of a period: at least one a store, and none so long that a query takes long."""
        days = -(-(period.end - period.first) // DAY)
        width = min(longest, -(-days // len(self.stores)) * DAY)
        for since in range(period.first, period.end, width):
            yield since, min(since + width, period.end)


_Count = Callable[[Statistics, Millis, Millis], Coroutine[Any, Any, _T]]


class _Part(NamedTuple):
    """The counts of the calls that started in one part of a period, which begins at `since`."""

    since: Millis
    counted: Counted
    answered: AnsweredCounts
