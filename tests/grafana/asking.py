"""What Grafana asks Prometheus for a dashboard: the JSON's queries with the variables' values.

This follows Grafana 11's Prometheus data source. A panel has as many points as it is wide; they are at least
its own interval and the scrape interval apart, rounded to a readable step. A range begins and ends on a
multiple of that step by the local clock. `$__rate_interval` is one step plus one scrape, and at least four
scrapes.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import yaml
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel, VariableModel, VariableType
from grafana_foundation_sdk.models.prometheus import Dataquery

from config.grafana.board import FOLDER, WRITTEN
from tests.lab.prometheus import Found, Prometheus

UTC: Final = ZoneInfo("UTC")
NAMES: Final = ("wall", "misuse", "health")
PIXELS: Final = 66
"""Width of one of the 24 columns on a screen of 1,600 pixels."""

# Limits and steps in seconds: Grafana takes the first step whose limit is above the span of a point.
_NICE: Final = (
    *((0.0075, 0.005), (0.0125, 0.01), (0.035, 0.02), (0.075, 0.05), (0.15, 0.1), (0.35, 0.2)),
    *((0.75, 0.5), (1.5, 1), (3.5, 2), (7.5, 5), (12.5, 10), (17.5, 15), (25, 20), (45, 30), (90, 60)),
    *((210, 120), (450, 300), (750, 600), (1_050, 900), (1_500, 1_200), (2_700, 1_800), (5_400, 3_600)),
    *((9_000, 7_200), (16_200, 10_800), (32_400, 21_600), (86_400, 43_200), (604_800, 86_400)),
)
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def load(name: str) -> Dashboard:
    """Read a dashboard's JSON through the SDK's types."""
    register_default_plugins()
    return Dashboard.from_json(json.loads((WRITTEN / f"{name}.json").read_text("utf-8")))


def panels(dashboard: Dashboard) -> list[Panel]:
    """Return a dashboard's panels in the order in which one reads them."""
    found = [panel for panel in dashboard.panels or [] if isinstance(panel, Panel)]
    return sorted(found, key=lambda panel: (place(panel)[1], place(panel)[0]))


def place(panel: Panel) -> tuple[int, int, int, int]:
    """Return a panel's column, row, width and height in the grid."""
    grid = panel.grid_pos
    assert grid
    return grid.x, grid.y, grid.w, grid.h


def queries(panel: Panel) -> list[Dataquery]:
    """Return a panel's queries."""
    return [target for target in panel.targets or [] if isinstance(target, Dataquery)]


def variables(dashboard: Dashboard) -> list[VariableModel]:
    """Return a dashboard's variables."""
    assert dashboard.templating is not None
    return dashboard.templating.list_val or []


def legend(query: Dataquery, found: Found) -> str:
    """Return a series' name as Grafana does: the query's legend with the labels' values."""
    return re.sub(r"{{\s*(\w+)\s*}}", lambda match: found.labels.get(match[1], ""), query.legend_format or "")


def named(panel: Panel) -> set[str]:
    """Return the names for which a panel has settings of its own."""
    overrides = panel.field_config.overrides if panel.field_config else []
    return {str(override.matcher.options) for override in overrides}


def seconds(span: str) -> float:
    """Parse a span as Grafana writes it, like `6h` in `now-6h`."""
    return int(span[:-1]) * _UNITS[span[-1]]


@dataclass(frozen=True, slots=True)
class View:
    """A dashboard as somebody views it: a site, a time span with its zone, and the scrape interval."""

    prometheus: Prometheus
    site: str
    since: float
    until: float
    scrape: float
    zone: ZoneInfo = UTC

    def step(self, panel: Panel) -> float:
        """Return how many seconds a panel's points are apart."""
        points = panel.max_data_points or place(panel)[2] * PIXELS
        least = max(self.scrape, seconds(panel.interval) if panel.interval else 0.0)
        span = (self.until - self.since) / points
        return max(least, next((step for limit, step in _NICE if span < limit), 604_800))

    def written(self, expression: str, step: float) -> str:
        """Return an expression with the variables' values. Raises ValueError for an unknown variable."""
        values = {
            "site": self.site,
            "__interval": f"{step:g}s",
            "__rate_interval": f"{max(step + self.scrape, 4 * self.scrape):g}s",
            "__range": f"{self.until - self.since:.0f}s",
        }

        def value(match: re.Match[str]) -> str:
            if match[1] not in values:
                raise ValueError(f"no such variable: ${match[1]}")
            return values[match[1]]

        return re.sub(r"\$\{?(\w+)\}?", value, expression)

    async def ask(self, panel: Panel, query: Dataquery) -> list[Found]:
        """Return the answer to a panel's query. Raises RefusedError, ValueError."""
        step = self.step(panel)
        expression = self.written(query.expr, step)
        if query.instant:
            return await self.prometheus.at(expression, self.until)
        ahead = datetime.fromtimestamp(self.until, self.zone).utcoffset() or timedelta()
        offset = ahead.total_seconds()
        since, until = ((at + offset) // step * step - offset for at in (self.since, self.until))
        return await self.prometheus.over(expression, since, until, step)

    async def values(self, variable: VariableModel) -> list[str]:
        """Return the values of a variable: data sources as provisioned, or Prometheus' answer."""
        if variable.type_val == VariableType.DATASOURCE:
            return list(provisioned(str(variable.query)))
        asked = re.fullmatch(r"label_values\((\S+), (\w+)\)", str(variable.query))
        assert asked, f"not a query for a label's values: {variable.query}"
        return await self.prometheus.label_values(asked[2], asked[1])


def provisioned(kind: str) -> Iterator[str]:
    """Yield the names of the data sources of one type in our provisioning files."""
    for path in sorted((FOLDER / "provisioning" / "datasources").glob("*.yaml")):
        for source in yaml.safe_load(path.read_text("utf-8"))["datasources"]:
            if source["type"] == kind:
                yield source["name"]
