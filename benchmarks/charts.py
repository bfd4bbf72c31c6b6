"""The charts of the page."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.book import Book

_OURS: Final = "#c2410c"
_LIMIT: Final = "#374151"
_PEER: Final = "#9ca3af"

_BARS: Final = (
    ("c", "C + Redis", _LIMIT),
    ("c_two", "C + Redis, two commands", _LIMIT),
    ("siaga112", "siaga112", _OURS),
    ("siaga112_full", "siaga112, 1,000,000 blocked", _OURS),
    ("streams", "asyncio streams", _PEER),
    ("panoramisk", "panoramisk", _PEER),
    ("pystrix", "pystrix", _PEER),
)


def sizes(book: Book, prefix: str) -> list[int]:
    """Return the sizes that were measured."""
    return sorted({int(name.split(".")[2]) for name in book.values if name.startswith(f"growth.{prefix}.")})


def draw(book: Book, folder: Path) -> None:
    """Draw both charts."""
    import matplotlib as mpl  # noqa: PLC0415 - slow, and only a full run draws

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), sharey=True)
    _bars(left, book, "64.rate", "sessions a second, 64 at once (more is better)", 1.0)
    _bars(right, book, "64.p99", "p99 of a session in ms, 64 at once (less is better)", 1e-3)
    left.invert_yaxis()
    figure.tight_layout()
    figure.savefig(folder / "verdicts.png", dpi=110)
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.0))
    _line(axes[0], book, "blocked", ("p50", "p99"), x="blocked numbers", y="verdict, µs")
    _line(axes[1], book, "calls", ("event_us",), x="calls in progress", y="CPU an event, µs")
    _line(axes[2], book, "ledger", ("record_us",), x="rows of the ledger", y="to record a call, µs")
    for prefix, kept, text, colour in (
        ("blocked", "redis_mb", "blocked numbers: memory of Redis", _OURS),
        ("ledger", "disk_mb", "rows of the ledger: disk", _PEER),
    ):
        measured = sizes(book, prefix)
        values = [book.median(f"growth.{prefix}.{size}.{kept}") for size in measured]
        axes[3].loglog(measured, values, marker="o", color=colour, label=text)
    axes[3].set_ylabel("MB")
    axes[3].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(folder / "growth.png", dpi=110)


def _bars(axis: Any, book: Book, figure: str, title: str, scale: float) -> None:
    held = [
        (text, colour, values)
        for name, text, colour in _BARS
        if (values := book.values.get(f"fastagi.{name}.{figure}"))
    ]
    middles = [statistics.median(values) * scale for _, _, values in held]
    spread = [
        [middle - min(values) * scale for middle, (_, _, values) in zip(middles, held, strict=True)],
        [max(values) * scale - middle for middle, (_, _, values) in zip(middles, held, strict=True)],
    ]
    axis.barh([text for text, _, _ in held], middles, xerr=spread, color=[colour for _, colour, _ in held])
    axis.set_title(title, fontsize=9, loc="left")


def _line(axis: Any, book: Book, prefix: str, figures: Sequence[str], *, x: str, y: str) -> None:
    measured = sizes(book, prefix)
    for figure in figures:
        values = [book.median(f"growth.{prefix}.{size}.{figure}") for size in measured]
        axis.plot(measured, values, marker="o", color=_OURS if figure != "p99" else _PEER, label=figure)
    axis.set(xscale="log", xlabel=x, ylabel=y)
    axis.set_ylim(bottom=0)
    axis.margins(y=0.1)
    if len(figures) > 1:
        axis.legend(frameon=False)
