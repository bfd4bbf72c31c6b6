"""A dashboard of panels, and how it is written."""

from collections.abc import Sequence
from json import dumps
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from config.grafana.panels import Panel
from config.grafana.queries import SOURCE

FOLDER: Final = Path(__file__).parent
WRITTEN: Final = FOLDER / "dashboards" / "siaga112"
"""Where Grafana's JSON is."""


def board(name: str, about: str, panels: Sequence[Panel], *, since: str, refresh: str) -> model.Dashboard:
    """Make a dashboard of panels that fill its 24 columns row by row."""
    built = (
        build.Dashboard(f"siaga112 {name}")
        .uid(f"siaga112-{name.lower()}")
        .description(about)
        .tags(["siaga112"])
        .timezone("browser")
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .time(since, "now")
        .refresh(refresh)
        .with_variable(build.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(
            build.QueryVariable("site")
            .label("Site")
            .datasource(SOURCE)
            .query("label_values(siaga112_build_info, site)")
            .refresh(model.VariableRefresh.ON_DASHBOARD_LOAD)
            .sort(model.VariableSort.ALPHABETICAL_ASC)
        )
        .link(
            build.DashboardLink("siaga112")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags(["siaga112"])
            .include_vars(True)
            .keep_time(False)
        )
    )
    for number, panel in enumerate(panels, 1):
        built = built.with_panel(panel.id(number))
    return built.build()


def written(dashboard: model.Dashboard) -> str:
    """Write a dashboard as Grafana reads it."""
    return dumps(dashboard, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
