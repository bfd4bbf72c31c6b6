"""How a report asks the database."""

import asyncio
import gc
from datetime import date
from typing import Any

import pytest

from siaga112.core.figures import Counted
from siaga112.core.model import SECOND, Millis
from siaga112.core.period import of_days
from siaga112.report.figures import PART, Reporter
from siaga112.service.ports import StoreDownError
from tests.fakes.memory import MemoryStore
from tests.month import ZONE

_FOUR_PARTS = of_days(date(2019, 1, 1), date(2019, 4, 20), ZONE)


class _Asked(MemoryStore):
    """A store that notes which part of the period it is asked for, and then fails at one of them."""

    def __init__(self, fails: int = 0) -> None:
        super().__init__()
        self.noted: list[str] = []
        self._fails = fails

    async def counted(self, since: Millis, until: Millis, grain: Millis, answer_within: Millis) -> Counted:
        part = (since - _FOUR_PARTS.first) // PART + 1
        if part > 0 and grain != PART:
            self.noted.append(f"asked {part}")
            if part == self._fails:
                raise StoreDownError("gone")
        return await super().counted(since, until, grain, answer_within)


async def test_the_database_counts_a_part_while_the_one_before_is_added_up() -> None:
    """The next part is asked for before the last one is used, and never more than one."""
    store = _Asked()

    def progress(_: float) -> None:
        store.noted.append("used")

    reporter = Reporter((store,), "serang", (), 10 * SECOND, 0.9)
    await reporter.report(_FOUR_PARTS, _FOUR_PARTS.end, progress)
    assert store.noted == ["asked 1", "asked 2", "used", "asked 3", "used", "asked 4", "used", "used"]


async def test_a_report_that_cannot_be_counted_asks_no_further() -> None:
    """If the database fails at a part, the report fails, and asks at most the part that is next."""
    store = _Asked(fails=2)
    with pytest.raises(StoreDownError):
        await Reporter((store,), "serang", (), 10 * SECOND, 0.9).report(_FOUR_PARTS, _FOUR_PARTS.end)
    assert store.noted == ["asked 1", "asked 2", "asked 3"]


async def test_stores_beside_each_other_count_in_turns() -> None:
    """With a second store, each counts every other part; a short period is divided between both."""
    stores = _Asked(), _Asked()
    reporter = Reporter(stores, "serang", (), 10 * SECOND, 0.9)
    await reporter.report(_FOUR_PARTS, _FOUR_PARTS.end)
    assert [store.noted for store in stores] == [["asked 1", "asked 3"], ["asked 2", "asked 4"]]
    stores[0].noted.clear()
    stores[1].noted.clear()
    await reporter.report(of_days(date(2019, 1, 1), date(2019, 1, 2), ZONE), _FOUR_PARTS.end)
    assert [store.noted for store in stores] == [["asked 1"], ["asked 1"]]


def test_a_report_on_a_database_that_is_gone_fails_once() -> None:
    """If every store fails, the report raises one error, and asyncio prints none of the others."""
    noise: list[dict[str, Any]] = []

    async def report() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
        reporter = Reporter((_Gone(), _Gone()), "serang", (), 10 * SECOND, 0.9)
        await reporter.report(_FOUR_PARTS, _FOUR_PARTS.end)

    with pytest.raises(StoreDownError):
        asyncio.run(report())
    gc.collect()
    assert noise == []


class _Gone(MemoryStore):
    """A store whose database is gone."""

    async def counted(self, *_: object) -> Counted:
        raise StoreDownError("gone")
