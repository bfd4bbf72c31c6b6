"""Draw a panel of each kind that the dashboards use, from Prometheus' answers.

This is a rendering, not Grafana: grid, colours, units, names, thresholds and mappings come from the JSON.
"""

from collections.abc import Mapping
from typing import Any

from matplotlib.patches import FancyBboxPatch, Rectangle

from tests.grafana.canvas import BOLD, Box, Canvas, wide
from tests.grafana.charts import chart, heat
from tests.grafana.shown import Shown
from tests.grafana.style import BORDER, GRID, LINK, PANEL, TEXT, TRACK, figure


def draw(canvas: Canvas, box: Box, shown: Shown) -> None:
    """Draw a panel: its frame, its title, and what it shows."""
    filled = shown.kind == "stat" and shown.options.color_mode == "background"
    _frame(canvas, box, shown, filled=filled)
    inner = box.inset(8, 36, 8, 8)
    match shown.kind:
        case "stat":
            _numbers(canvas, inner, shown, filled=filled)
        case "bargauge":
            _ranks(canvas, inner, shown)
        case "timeseries":
            chart(canvas, inner, shown)
        case "heatmap":
            heat(canvas, inner, shown)
        case "table":
            _table(canvas, inner, shown)
        case kind:
            raise ValueError(f"no drawing for a panel of kind {kind}")


def _frame(canvas: Canvas, box: Box, shown: Shown, *, filled: bool) -> None:
    frame = canvas.blank(box)
    tone = shown.tint(shown.series()[0]) if filled else PANEL
    frame.add_patch(
        FancyBboxPatch(
            (1, 1),
            box.width - 2,
            box.height - 2,
            boxstyle="round,pad=0,rounding_size=4",
            facecolor=tone,
            edgecolor=tone if filled else BORDER,
        )
    )
    title = str(shown.panel.title)
    frame.text(10, 19, title, color="white" if filled else TEXT, fontsize=10.5, va="center", **BOLD)


def _numbers(canvas: Canvas, box: Box, shown: Shown, *, filled: bool) -> None:
    """Write each series' last value as large as fits, with its name above it."""
    axes = canvas.blank(box)
    series = shown.series()
    named = shown.options.text_mode == "value_and_name"
    width = box.width / len(series)
    texts = [shown.written(one) for one in series]
    widest = max(wide(text, 10, bold=True) for text in texts) / 10
    size = min(0.8 * width / widest, (0.30 if named else 0.40) * box.height)
    note = min(max(9.5, size * 0.4), *(9.5 * 0.9 * width / wide(one.name, 9.5) for one in series), 18)
    for number, (one, text) in enumerate(zip(series, texts, strict=True)):
        middle = (number + 0.5) * width
        height = box.height * (0.60 if named else 0.46)
        tint = "white" if filled else shown.tint(one)
        axes.text(middle, height, text, color=tint, fontsize=size, ha="center", va="center", **BOLD)
        if named:
            above = height - size * 0.95 - note
            faint = "white" if filled else TEXT
            axes.text(middle, above, one.name, color=faint, fontsize=note, ha="center", va="center")


def _ranks(canvas: Canvas, box: Box, shown: Shown) -> None:
    axes = canvas.blank(box)
    series = shown.series()
    texts = [shown.written(one) for one in series]
    most = shown.defaults.max_val or max(one.last for one in series) or 1
    left = 14 + max(wide(one.name, 10) for one in series)
    width = box.width - left - 18 - max(wide(text, 13, bold=True) for text in texts)
    height = box.height / len(series)
    thick = min(height * 0.62, 34)
    for number, (one, text) in enumerate(zip(series, texts, strict=True)):
        middle = (number + 0.5) * height
        axes.text(left - 10, middle, one.name, color=TEXT, fontsize=10, ha="right", va="center")
        axes.add_patch(Rectangle((left, middle - thick / 2), width, thick, color=TRACK))
        full = width * min(one.last / most, 1)
        axes.add_patch(Rectangle((left, middle - thick / 2), full, thick, color=one.color, alpha=0.85))
        axes.text(box.width - 4, middle, text, color=one.color, fontsize=13, ha="right", va="center", **BOLD)


def _table(canvas: Canvas, box: Box, shown: Shown) -> None:
    key, names = _columns(shown)
    cells: dict[str, dict[str, float]] = {}
    for name, found in zip(names, shown.found, strict=True):
        for one in found:
            cells.setdefault(one.labels[key.lower()], {})[name] = one.samples[-1][1]
    axes = canvas.blank(box)
    width, height = box.width / (len(names) + 1), min(38.0, box.height / (len(cells) + 1))
    for number, name in enumerate([key, *names]):
        axes.text(number * width + 10, height / 2, name, color=LINK, fontsize=10, va="center", **BOLD)
    for row, (label, values) in enumerate(sorted(cells.items()), 1):
        middle = (row + 0.5) * height
        axes.plot([0, box.width], [row * height, row * height], color=GRID, linewidth=0.8)
        axes.text(10, middle, label, color=TEXT, fontsize=11, va="center")
        for number, name in enumerate(names, 1):
            look = shown.looks[name]
            value = values.get(name)
            text = "-" if value is None else figure(value, look["unit"], look["decimals"])
            axes.text(number * width + 10, middle, text, color=TEXT, fontsize=11, va="center")


def _columns(shown: Shown) -> tuple[str, list[str]]:
    """Return the names of a table's first column and of those of its queries, after its transformations."""
    raw: Any = shown.panel.transformations
    options: Mapping[str, Any] = raw[-1]["options"]
    renamed: Mapping[str, str] = options["renameByName"]
    key, *others = sorted(renamed, key=lambda name: options["indexByName"][name])
    return renamed[key], [renamed[name] for name in others]
