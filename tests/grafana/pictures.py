"""`make dashboards-images`: draw each dashboard, as it looks after the made-up month, into docs/images."""

import asyncio
import io
import logging
import sys
import tempfile
from pathlib import Path
from typing import Final

import structlog
from grafana_foundation_sdk.models.dashboard import Dashboard
from matplotlib.figure import Figure
from PIL import Image

from tests.grafana.asking import NAMES, View, load, panels, place, queries, seconds
from tests.grafana.canvas import BOLD, DPI, Box, Canvas, wide
from tests.grafana.drawing import draw
from tests.grafana.history import remembering
from tests.grafana.month import ENDS, FINE_TICK, SITE, ZONE
from tests.grafana.shown import Shown
from tests.grafana.style import BORDER, FAINT, PAGE, PANEL, TEXT
from tests.lab.prometheus import Prometheus

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
WIDTH: Final = 1_600
ROW: Final = 30
GAP: Final = 8
HEADER: Final = 52


async def run() -> None:
    """Generate the month, and draw all dashboards at the busiest minute of its last hour."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="siaga112-history-") as folder:
        async with remembering(Path(folder)) as prometheus:
            await draw_all(prometheus)


async def draw_all(prometheus: Prometheus) -> None:
    """Draw all dashboards with the data of a Prometheus."""
    moment = await _busiest(prometheus)
    for name in NAMES:
        dashboard = load(name)
        assert dashboard.time
        span = seconds(dashboard.time.from_val.removeprefix("now-"))
        view = View(prometheus, SITE, moment - span, moment, FINE_TICK.total_seconds(), ZONE)
        path = IMAGES / f"{name}.png"
        save(await picture(dashboard, view), path)
        print(f"{path.relative_to(IMAGES.parents[1])}: {path.stat().st_size // 1_024} KiB")


async def _busiest(prometheus: Prometheus) -> float:
    """Return the minute of the last hour with the most calls, counting those that wait threefold."""
    query = 'sum(siaga112_calls_in_progress) + 2 * sum(siaga112_calls_in_progress{stage="queue"})'
    end = ENDS.timestamp()
    found = await prometheus.over(query, end - 3_600, end, FINE_TICK.total_seconds())
    return max(found[0].samples, key=lambda sample: sample[1])[0]


async def picture(dashboard: Dashboard, view: View) -> Figure:
    """Draw a dashboard's panels in its grid."""
    shown = panels(dashboard)
    rows = max(place(panel)[1] + place(panel)[3] for panel in shown)
    height = HEADER + rows * (ROW + GAP) + GAP
    drawn = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor=PAGE)
    canvas = Canvas(drawn, WIDTH, height)
    _head(canvas, dashboard, view)
    column = (WIDTH - GAP) / 24
    for panel in shown:
        found = [await view.ask(panel, query) for query in queries(panel)]
        x, y, w, h = place(panel)
        box = Box(GAP + x * column, HEADER + y * (ROW + GAP), w * column - GAP, h * (ROW + GAP) - GAP)
        draw(canvas, box, Shown(panel, found, view.since, view.until, view.step(panel), view.zone))
    return drawn


def _head(canvas: Canvas, dashboard: Dashboard, view: View) -> None:
    axes = canvas.blank(Box(0, 0, WIDTH, HEADER))
    axes.text(16, HEADER / 2, str(dashboard.title), color=TEXT, fontsize=14, va="center", **BOLD)
    left = 230.0
    for label, value in (("Data source", "Prometheus"), ("Site", view.site)):
        axes.text(left, HEADER / 2, label, color=FAINT, fontsize=10, va="center")
        left += 18 + wide(label, 10)
        chip = dict(facecolor=PANEL, edgecolor=BORDER, boxstyle="round,pad=0.4")  # noqa: C408 - keywords
        axes.text(left, HEADER / 2, value, color=TEXT, fontsize=10, va="center", bbox=chip)
        left += 36 + wide(value, 10)
    assert dashboard.time
    span = f"last {dashboard.time.from_val.removeprefix('now-')}, read anew every {dashboard.refresh}"
    axes.text(WIDTH - 16, HEADER / 2, f"{span}   ·   a rendering, not Grafana", color=FAINT, fontsize=10,
              ha="right", va="center")  # fmt: skip


def save(drawn: Figure, path: Path) -> None:
    """Write a picture as a small PNG: 256 colours are enough, and a third of the bytes."""
    raw = io.BytesIO()
    drawn.savefig(raw, format="png", dpi=DPI, facecolor=PAGE)
    image = Image.open(raw).convert("RGB")
    few = image.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
