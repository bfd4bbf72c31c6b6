"""The house style of the dashboards: what a panel of each kind looks like, in which colours and words.

Two things Grafana cannot do by itself are done in PromQL here: `against` colours a figure by a promise
that is itself a metric (Grafana's thresholds are fixed figures), and `bars` counts over Grafana's own
step, so that no event is in two bars.
"""

from collections.abc import Mapping, Sequence
from json import dumps
from pathlib import Path
from typing import Final, Literal, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, heatmap, stat, table, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode

FOLDER: Final = Path(__file__).parent
SOURCE: Final = model.DataSourceRef(type_val="prometheus", uid="${datasource}")

Look = tuple[str, str]
"""How a series is shown: its name and its colour."""

OUTCOMES: Final[Mapping[str, Look]] = {
    "answered": ("Answered", "green"),
    "abandoned": ("Abandoned", "orange"),
    "unserved": ("Unserved", "red"),
    "ivr_prank": ("IVR-prank", "purple"),
    "blocked": ("Blocked", "blue"),
    "unknown": ("Unknown", "#8e8e8e"),
}
LEVELS: Final[Mapping[str, Look]] = {
    "temporary": ("Temporary", "light-blue"),
    "permanent": ("Permanent", "dark-blue"),
}
STAGES: Final[Mapping[str, Look]] = {
    "screening": ("Screening", "#8e8e8e"),
    "ivr": ("In the menu", "purple"),
    "queue": ("Waiting", "orange"),
    "talking": ("Talking", "green"),
}
PROMISE: Final[Mapping[str, Look]] = {
    "kept": ("on target", "semi-dark-green"),
    "missed": ("below target", "semi-dark-red"),
}
TARGET: Final = 'max by (site) (siaga112_service_level_target_ratio{site="$site"})'
WITHIN: Final = 'max by (site) (siaga112_service_level_answer_within_seconds{site="$site"})'

Panel = stat.Panel | bargauge.Panel | timeseries.Panel | table.Panel | heatmap.Panel
P = TypeVar("P", stat.Panel, bargauge.Panel, timeseries.Panel, table.Panel, heatmap.Panel)
Steps = Sequence[tuple[float, str]]


def against(value: str, promise: str, kept: Literal[">=", "<="] = ">=") -> str:
    """Give the value as one series whose label `promise` says whether it is kept or missed."""
    missed = {">=": "<", "<=": ">"}[kept]
    return (
        f'label_replace({value} {kept} on (site) {promise}, "promise", "kept", "", "")'
        f' or label_replace({value} {missed} on (site) {promise}, "promise", "missed", "", "")'
    )


# ── queries ──────────────────────────────────────────────────────────────────────────────────────


def now(expression: str, legend: str = "__auto") -> Dataquery:
    """Ask for the present value."""
    return Dataquery().expr(expression).instant().legend_format(legend)


def over_time(expression: str, legend: str = "__auto") -> Dataquery:
    """Ask for the values over the dashboard's time."""
    return Dataquery().expr(expression).range().legend_format(legend)


def cells(expression: str) -> Dataquery:
    """Ask for the present values as rows of a table."""
    return now(expression).format(PromQueryFormat.TABLE)


# ── panels ───────────────────────────────────────────────────────────────────────────────────────


def numbers(
    title: str,
    about: str,
    size: tuple[int, int],
    *queries: Dataquery,
    unit: str = "none",
    decimals: int | None = 0,
    shown: Mapping[str, Look] | None = None,
    steps: Steps = ((0, "text"),),
    none: str = "none yet",
    filled: bool = False,
    named: bool = False,
) -> stat.Panel:
    """Make large figures; `named` shows each with its series' name, `filled` colours the whole panel."""
    panel = (
        stat.Panel()
        .unit(unit)
        .no_value(none)
        .thresholds(_steps(steps))
        .color_mode(looks.BigValueColorMode.BACKGROUND if filled else looks.BigValueColorMode.VALUE)
        .graph_mode(looks.BigValueGraphMode.NONE)
        .text_mode(looks.BigValueTextMode.VALUE_AND_NAME if named else looks.BigValueTextMode.VALUE)
        .justify_mode(looks.BigValueJustifyMode.CENTER)
        .orientation(looks.VizOrientation.VERTICAL)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    if decimals is not None:
        panel = panel.decimals(decimals)
    return _shown(_framed(panel, title, about, size, queries), shown)


def lights(
    title: str, about: str, size: tuple[int, int], query: Dataquery, states: Mapping[str, Look]
) -> stat.Panel:
    """Make a lamp: each value by its word and colour."""
    panel = numbers(title, about, size, query, filled=True)
    options = {
        value: model.ValueMappingResult(text=word, color=color) for value, (word, color) in states.items()
    }
    return panel.mappings([model.ValueMap(options=options)])


def ranks(
    title: str,
    about: str,
    size: tuple[int, int],
    *queries: Dataquery,
    shown: Mapping[str, Look],
    unit: str = "none",
    decimals: int = 0,
    most: float | None = None,
) -> bargauge.Panel:
    """Make lying bars, one a series, with their figures."""
    panel = (
        bargauge.Panel()
        .unit(unit)
        .decimals(decimals)
        .min(0)
        .no_value("none yet")
        .thresholds(_steps(((0, "text"),)))
        .orientation(looks.VizOrientation.HORIZONTAL)
        .display_mode(looks.BarGaugeDisplayMode.BASIC)
        .value_mode(looks.BarGaugeValueMode.TEXT)
        .name_placement(looks.BarGaugeNamePlacement.LEFT)
        .show_unfilled(True)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    if most is not None:
        panel = panel.max(most)
    return _shown(_framed(panel, title, about, size, queries), shown)


def lines(
    title: str,
    about: str,
    size: tuple[int, int],
    *queries: Dataquery,
    unit: str = "none",
    shown: Mapping[str, Look] | None = None,
    dashed: Sequence[str] = (),
    least: float | None = None,
    most: float | None = None,
    stepped: bool = False,
) -> timeseries.Panel:
    """Make lines over time, from 0, or from `least` if none is below; `dashed` are promises, not measured."""
    panel = (
        _chart(unit)
        .line_width(2)
        .fill_opacity(8 if len(queries) == 1 else 0)
        .show_points(looks.VisibilityMode.NEVER)
        .line_interpolation(looks.LineInterpolation.STEP_AFTER if stepped else looks.LineInterpolation.LINEAR)
    )
    panel = panel.min(0) if least is None else panel.axis_soft_min(least)
    if most is not None:
        panel = panel.max(most)
    panel = _shown(_framed(panel, title, about, size, queries), shown)
    for name in dashed:
        style = {"fill": "dash", "dash": [8, 8]}
        panel = panel.override_by_name(
            name,
            [
                model.DynamicConfigValue("custom.lineStyle", style),
                model.DynamicConfigValue("custom.fillOpacity", 0),
            ],
        )
    return panel


def bars(
    title: str,
    about: str,
    size: tuple[int, int],
    *counts: tuple[str, str],
    shown: Mapping[str, Look] | None = None,
    unit: str = "short",
) -> timeseries.Panel:
    """Make stacked bars of how often things happened; `counts`: PromQL with the window `$__interval`, legend.

    30 points make bars of an hour of a day, and of a day of a month; a minute holds four scrapes.
    """
    panel = (
        _chart(unit)
        .min(0)
        .decimals(0)
        .draw_style(looks.GraphDrawStyle.BARS)
        .bar_alignment(looks.BarAlignment.BEFORE)
        .bar_width_factor(0.9)
        .line_width(0)
        .fill_opacity(85)
        .stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL).group("A"))
        .interval("1m")
        .max_data_points(30)
    )
    queries = [over_time(expression, legend) for expression, legend in counts]
    return _shown(_framed(panel, title, about, size, queries), shown)


def heat(title: str, about: str, size: tuple[int, int], buckets: str, unit: str) -> heatmap.Panel:
    """Make a heat map of a histogram: when, how long, how often."""
    panel = (
        heatmap.Panel()
        .calculate(False)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(HeatmapColorMode.SCHEME)
            .scheme("Oranges")
            .exponent(0.5)
            .steps(64)
        )
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .rows_frame(heatmap.RowsHeatmapOptions().layout(looks.HeatmapCellLayout.AUTO))
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .cell_gap(1)
        .cell_values(heatmap.CellValues().unit("short").decimals(0))
        .show_legend()
        .interval("1m")
        .max_data_points(60)
    )
    query = over_time(buckets, "{{le}}").format(PromQueryFormat.HEATMAP)
    return _framed(panel, title, about, size, [query])


def rows(
    title: str,
    about: str,
    size: tuple[int, int],
    key: str,
    columns: Mapping[str, tuple[Dataquery, str]],
) -> table.Panel:
    """Make a table: a row for each value of the label `key`, a column (name, query, unit) for each query."""
    panel = (
        table.Panel().no_value("-").align(looks.FieldTextAlignment.AUTO).cell_height(looks.TableCellHeight.MD)
    )
    panel = _framed(panel, title, about, size, [query for query, _ in columns.values()])
    letters = [chr(ord("A") + number) for number in range(len(columns))]
    values = {f"Value #{letter}": name for letter, name in zip(letters, columns, strict=True)}
    panel = panel.with_transformation(model.DataTransformerConfig("merge", options={}))
    panel = panel.with_transformation(
        model.DataTransformerConfig(
            "organize",
            options={
                "excludeByName": {"Time": True},
                "indexByName": {key: 0, **{value: number for number, value in enumerate(values, 1)}},
                "renameByName": {key: key.capitalize(), **values},
            },
        )
    )
    for name, (_, unit) in columns.items():
        looked = [
            model.DynamicConfigValue("unit", unit),
            model.DynamicConfigValue("decimals", 1 if unit in {"percentunit", "s"} else 0),
        ]
        panel = panel.override_by_name(name, looked)
    return panel


def _chart(unit: str) -> timeseries.Panel:
    return (
        timeseries.Panel()
        .unit(unit)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(looks.LegendDisplayMode.LIST)
            .placement(looks.LegendPlacement.BOTTOM)
        )
        .tooltip(
            common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING)
        )
    )


def _framed(panel: P, title: str, about: str, size: tuple[int, int], queries: Sequence[Dataquery]) -> P:
    panel = panel.title(title).description(about).datasource(SOURCE).span(size[0]).height(size[1])
    for number, query in enumerate(queries):
        query = query.ref_id(chr(ord("A") + number)).datasource(SOURCE)  # noqa: PLW2901 - built up
        panel = panel.with_target(query.editor_mode(QueryEditorMode.CODE))
    return panel


def _shown(panel: P, shown: Mapping[str, Look] | None) -> P:
    for name, (word, color) in (shown or {}).items():
        fixed = {"mode": "fixed", "fixedColor": color}
        panel = panel.override_by_name(
            name,
            [model.DynamicConfigValue("displayName", word), model.DynamicConfigValue("color", fixed)],
        )
    return panel


def _steps(steps: Steps) -> build.ThresholdsConfig:
    first, *others = steps
    thresholds = [
        model.Threshold(value=None, color=first[1]),
        *(model.Threshold(value=value, color=color) for value, color in others),
    ]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(thresholds)


# ── dashboards ───────────────────────────────────────────────────────────────────────────────────


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
