"""The check of the dashboards' queries finds what is wrong with them."""

import time
from pathlib import Path
from typing import Literal

import pytest
from grafana_foundation_sdk.models.dashboard import Panel

from config.grafana.queries import against
from tests.grafana.asking import NAMES, View, load, named, panels, queries
from tests.grafana.checking import check, faults
from tests.grafana.day import SCRAPE, SITE
from tests.lab.prometheus import serving


async def test_a_prometheus_that_has_seen_nothing_leaves_every_panel_empty(tmp_path: Path) -> None:
    """With an empty Prometheus every panel but Alerts is at fault, and so is the list of sites.

    The number of alerts is 0 then, and data sources do not come from Prometheus.
    """
    async with serving(tmp_path, "") as prometheus:
        view = View(prometheus, SITE, time.time() - 60, time.time(), SCRAPE)
        tried = [one for name in NAMES async for one in check(name, view)]
    assert {one.title for one in tried if not one.faults} == {"Alerts", "$datasource"}
    empty = [one for one in tried if one.faults and one.title != "$site"]
    assert all(len(one.faults) == one.queries for one in empty)


async def test_what_prometheus_refuses_is_a_fault(tmp_path: Path) -> None:
    """A query that is not PromQL, an unknown variable and a series without a look are faults."""
    async with serving(tmp_path, "") as prometheus:
        view = View(prometheus, SITE, time.time() - 60, time.time(), SCRAPE)
        assert await faults(view, changed("sum(")) == (
            'invalid parameter "query": 1:5: parse error: unclosed left parenthesis in sum(',
        )
        assert await faults(view, changed("vector($strange)")) == (
            "no such variable: $strange in vector($strange)",
        )
        assert await faults(view, changed("vector(1)")) == ("no look for the series '' of vector(1)",)
        assert await faults(view, changed('label_replace(vector(1), "stage", "ivr", "", "")')) == ()


def changed(expression: str) -> Panel:
    """Return the wall's first panel that has a look for each series, with another query."""
    panel = next(filter(named, panels(load("wall"))))
    queries(panel)[0].expr = expression
    return panel


@pytest.mark.parametrize(
    ("value", "kept", "state"),
    [("0.91", ">=", "kept"), ("0.9", ">=", "kept"), ("0.89", ">=", "missed"), ("0.9", "<=", "kept"),
     ("0.91", "<=", "missed")],
)  # fmt: skip
async def test_a_promise_is_kept_or_missed(
    tmp_path: Path, value: str, kept: Literal[">=", "<="], state: str
) -> None:
    """A figure is one series, labelled by whether its promise is kept; at the limit it is."""
    async with serving(tmp_path, "") as prometheus:
        found = await prometheus.at(against(f"vector({value})", "vector(0.9)", kept), time.time())
    assert [(one.labels["promise"], one.samples[0][1]) for one in found] == [(state, float(value))]
