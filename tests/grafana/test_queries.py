"""Every query of every dashboard, on a real Prometheus that scraped a real daemon after real calls."""

import pytest

from tests.grafana.__main__ import summary
from tests.grafana.asking import NAMES
from tests.grafana.checking import check
from tests.grafana.day import played

pytestmark = pytest.mark.pbx


async def test_every_query_has_something_to_show() -> None:
    """No panel is empty and no variable without choice after a day of calls, and nothing is an error."""
    async with played() as view:
        tried = [one for name in NAMES async for one in check(name, view)]
    print(summary(tried))
    assert [one for one in tried if one.faults] == []
    assert len(tried) > len(NAMES) * 3
