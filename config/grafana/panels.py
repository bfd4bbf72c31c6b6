"""What a panel of each kind looks like, whatever it shows."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from grafana_foundation_sdk.builders import bargauge, common, heatmap, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode

from config.grafana.looks import MODES, Look
from config.grafana.queries import MODE, SOURCE, now, over_time

Panel = stat.Panel | bargauge.Panel | timeseries.Panel | table.Panel | heatmap.Panel
P = TypeVar("P", stat.Panel, bargauge.Panel, timeseries.Panel, table.Panel, heatmap.Panel)
Steps = Sequence[tuple[float, str]]


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


def mode(width: int, height: int) -> stat.Panel:
    """Make the lamp that says in which mode the site is: whether verdicts do anything."""
    about = (
        "enforce: blocked callers are rejected. observe: nobody is, strikes and blocks are kept. "
        "OFF: nobody is, and no strikes are given; siaga112 audit tells who switched it, and why."
    )
    return lights("Mode", about, (width, height), now(MODE), MODES)


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


def _steps(steps: Steps) -> ThresholdsConfig:
    first, *others = steps
    thresholds = [
        model.Threshold(value=None, color=first[1]),
        *(model.Threshold(value=value, color=color) for value, color in others),
    ]
    return ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(thresholds)
