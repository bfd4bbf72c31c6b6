"""Draw panels over time: lines, stacked bars, heat maps."""

import math
from collections.abc import Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.dates import AutoDateLocator, DateFormatter
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from tests.grafana.canvas import Box, Canvas, wide
from tests.grafana.shown import Series, Shown
from tests.grafana.style import FAINT, GRID, PANEL, TEXT, figure, scale
from tests.lab.prometheus import Found

DAY: Final = 86_400
SMALL: Final = 9.0
BELOW: Final = 26
"""Height in pixels of the times below a chart."""

ORANGES: Final = LinearSegmentedColormap.from_list(
    "oranges", ["#3a1403", "#8c2d04", "#d94801", "#f16913", "#fd8d3c", "#fdae6b", "#fee6ce"]
)


def chart(canvas: Canvas, box: Box, shown: Shown) -> None:
    """Draw lines or stacked bars, with their legend."""
    series = shown.series()
    custom = shown.defaults.custom
    foot = _legend(canvas, box, series)
    drawn = custom.draw_style == "bars"
    floor, top = _limits(shown, _stacked(series) if drawn else [v for one in series for _, v in one.samples])
    ticks = _ticks(floor, top, shown.defaults.unit)
    names = [figure(tick, shown.defaults.unit) for tick in ticks]
    margin = max(wide(name, SMALL) for name in names) + 12
    axes = _timed(canvas, box.inset(margin, 2, 8, BELOW + foot), shown)
    axes.set_yticks(ticks, names)
    axes.set_ylim(floor, top)
    if drawn:
        _bars(axes, shown.step, series)
    else:
        for one in series:
            _line(axes, one, custom.fill_opacity / 100, stepped=custom.line_interpolation == "stepAfter")


def heat(canvas: Canvas, box: Box, shown: Shown) -> None:
    """Draw a histogram's buckets over time."""
    buckets = sorted(shown.found[0], key=lambda one: float(one.labels["le"]))
    times = sorted({at for one in buckets for at, _ in one.samples})
    unit = shown.options.y_axis.unit
    names = [figure(float(one.labels["le"]), unit) for one in buckets[:-1]]
    margin = max(wide(name, SMALL) for name in names) + 12
    axes = _timed(canvas, box.inset(margin, 2, 8, BELOW + 22), shown)
    counts = _counts(buckets, times)
    most = max(count for row in counts for count in row if not math.isnan(count))
    edges = [(times[0] - shown.step) / DAY, *(at / DAY for at in times)]
    rows = list(range(len(buckets) + 1))
    look: Any = {"cmap": ORANGES, "norm": PowerNorm(0.5, 0, most), "edgecolors": PANEL, "linewidth": 1}
    axes.pcolormesh(edges, rows, counts, **look)
    axes.set_yticks(rows[1:-1], names)
    note = canvas.blank(box.foot(20))
    for step in range(64):
        note.add_patch(Rectangle((margin + 3 * step, 6), 3, 9, color=ORANGES(step / 63)))
    told = f"1 to {most:.0f} verdicts in {shown.step / 60:g} min"
    note.text(margin + 202, 10, told, color=FAINT, fontsize=SMALL, va="center")


def _counts(buckets: Sequence[Found], times: Sequence[float]) -> list[list[float]]:
    """Return how many are in each bucket and not in the one below; NaN for none."""
    counts, below = [], dict.fromkeys(times, 0.0)
    for one in buckets:
        values = dict(one.samples)
        row = [values.get(at, 0.0) - below[at] for at in times]
        counts.append([count if count > 0 else math.nan for count in row])
        below = {at: values.get(at, 0.0) for at in times}
    return counts


# ── axes ─────────────────────────────────────────────────────────────────────────────────────────


def _timed(canvas: Canvas, box: Box, shown: Shown) -> Axes:
    axes = canvas.axes(box)
    axes.set_facecolor(PANEL)
    axes.set_xlim(shown.since / DAY, shown.until / DAY)
    most = max(3, int(box.width / 90))
    locator = AutoDateLocator(minticks=3, maxticks=most, tz=shown.zone)  # type: ignore[no-untyped-call] # matplotlib's
    axes.xaxis.set_major_locator(locator)
    days = shown.until - shown.since > 3 * DAY
    written = "%d %b" if days else "%H:%M"
    axes.xaxis.set_major_formatter(DateFormatter(written, tz=shown.zone))  # type: ignore[no-untyped-call] # matplotlib's
    axes.tick_params(colors=FAINT, labelsize=SMALL, length=0)
    axes.grid(visible=True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def _limits(shown: Shown, values: Sequence[float]) -> tuple[float, float]:
    real = [value for value in values if not math.isnan(value)]
    soft = shown.defaults.custom.axis_soft_min
    floor = min([soft, *real]) if soft is not None else 0.0
    top = shown.defaults.max_val or max([*real, 0.0]) * 1.05 or 1.0
    return floor, top


def _ticks(floor: float, top: float, unit: str) -> list[float]:
    size = scale(top, unit)
    whole = unit in {"none", "short"}
    ticks = MaxNLocator(5, integer=whole, steps=[1, 2, 2.5, 5, 10]).tick_values(floor / size, top / size)
    return [tick * size for tick in ticks if floor <= tick * size <= top * 1.001]


# ── marks ────────────────────────────────────────────────────────────────────────────────────────


def _line(axes: Axes, series: Series, fill: float, *, stepped: bool) -> None:
    times = [at / DAY for at, _ in series.samples]
    values = [value for _, value in series.samples]
    dashes: Any = (0, (5, 4)) if series.dashed else "solid"
    steps: Any = "steps-post" if stepped else "default"
    axes.plot(times, values, color=series.color, linewidth=1.6, linestyle=dashes, drawstyle=steps)
    if fill and not series.dashed:
        step: Any = "post" if stepped else None
        axes.fill_between(times, values, color=series.color, alpha=fill, linewidth=0, step=step)


def _stacked(series: Sequence[Series]) -> list[float]:
    heights: dict[float, float] = {}
    for one in series:
        for at, value in one.samples:
            heights[at] = heights.get(at, 0.0) + (0.0 if math.isnan(value) else value)
    return list(heights.values())


def _bars(axes: Axes, step: float, series: Sequence[Series]) -> None:
    floor: dict[float, float] = {}
    for one in series:
        samples = [(at, 0.0 if math.isnan(value) else value) for at, value in one.samples]
        axes.bar(
            [(at - step) / DAY for at, _ in samples],
            [value for _, value in samples],
            width=step / DAY * 0.9,
            bottom=[floor.get(at, 0.0) for at, _ in samples],
            color=one.color,
            alpha=0.85,
            align="edge",
        )
        for at, value in samples:
            floor[at] = floor.get(at, 0.0) + value


def _legend(canvas: Canvas, box: Box, series: Sequence[Series]) -> float:
    """Write the legend at the foot of a box; return its height."""
    placed, left, row = [], 8.0, 0
    for one in series:
        width = 36 + wide(one.name, SMALL)
        if left + width > box.width and left > 8:
            left, row = 8.0, row + 1
        placed.append((left, row, one))
        left += width
    height = 20.0 * (row + 1)
    axes = canvas.blank(box.foot(height))
    for left, row, one in placed:
        middle = 20 * row + 10
        axes.add_patch(Rectangle((left, middle - 2), 14, 4, color=one.color))
        axes.text(left + 20, middle, one.name, color=TEXT, fontsize=SMALL, va="center")
    return height
