"""Every query of every dashboard, on a real Prometheus that scraped a real daemon after real calls."""

from pathlib import Path
from typing import Final

import pytest

from tests.grafana.asking import NAMES, load
from tests.grafana.checking import check, summary
from tests.grafana.day import played
from tests.grafana.pictures import picture, save

pytestmark = pytest.mark.pbx

SMALLEST: Final = 20_000
"""A picture with more bytes than this is not only empty frames."""


@pytest.mark.night
async def test_every_query_has_something_to_show(tmp_path: Path) -> None:
    """After a day of calls every query returns data, and every dashboard can be drawn."""
    async with played() as view:
        tried = [one for name in NAMES async for one in check(name, view)]
        for name in NAMES:
            save(await picture(load(name), view), tmp_path / f"{name}.png")
    print(summary(tried))
    assert [one for one in tried if one.faults] == []
    assert {one.dashboard for one in tried} == set(NAMES)
    assert all((tmp_path / f"{name}.png").stat().st_size > SMALLEST for name in NAMES)
