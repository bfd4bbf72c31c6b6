"""With what a report is compared."""

from datetime import date

from siaga112.core.changes import Change
from siaga112.core.model import HOUR, SECOND
from siaga112.core.period import of_days
from siaga112.report.figures import Reporter
from tests.fakes.memory import MemoryStore
from tests.month import ZONE
from tests.samples import entry, prank


async def test_a_day_that_lasts_is_compared_with_the_same_hours_of_the_day_before() -> None:
    """At two in the morning the day is compared with the first two hours of yesterday, not with all of it."""
    today, store = of_days(date(2019, 3, 12), date(2019, 3, 12), ZONE), MemoryStore()
    begun = [today.first + HOUR, today.first - 23 * HOUR, today.first - 12 * HOUR, today.first - HOUR]
    await store.write([Change(entry=entry(prank(n, at))) for n, at in enumerate(begun)])
    reporter = Reporter((store,), "serang", (), 10 * SECOND, 0.9)
    made = await reporter.report(today, today.first + 2 * HOUR)
    assert (made.figures.total.total, made.before.total) == (1, 1)
    made = await reporter.report(today, today.end)
    assert (made.figures.total.total, made.before.total) == (1, 3)
