"""Charts for the page: the place of each bar, line and label, in units of 1/720 of the A4 text width."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from siaga112.report.words import Words

WIDTH: Final = 720.0
_LEFT: Final = 44.0
"""Where the bars start, right of the axis labels."""
_TOP: Final = 8.0
_BELOW: Final = 30.0
"""Room for two lines of text below the bars."""
_RIGHT: Final = 712.0
"""Where the bars end: the last label is wider than its bar."""
_LINES: Final = 5
"""The most lines above the base line."""
_GAUGE: Final = 240.0
_ROOM: Final = 26.0
"""The width of a label below a bar."""


class Rect(NamedTuple):
    """A part of a bar, with its tooltip."""

    class_: str
    x: float
    y: float
    width: float
    height: float
    title: str = ""


class Line(NamedTuple):
    """A grid line, or a target."""

    class_: str
    x1: float
    x2: float
    y1: float
    y2: float


class Label(NamedTuple):
    """A text beside an axis."""

    class_: str
    x: float
    y: float
    text: str


@dataclass(slots=True)
class Chart:
    """A drawing and its name."""

    name: str
    width: float
    height: float
    rects: list[Rect] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    texts: list[Label] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Column:
    """A bar: its label, and its parts from the bottom up, as (class, name, count)."""

    label: str
    parts: Sequence[tuple[str, str, int]]

    @property
    def total(self) -> int:
        """The height of the whole bar, in calls."""
        return sum(count for *_, count in self.parts)


def stacked(columns: Sequence[Column], height: float, words: Words, name: str) -> Chart:
    """Draw stacked bars over a common axis; each part shows its count as a tooltip."""
    chart = Chart(name, WIDTH, height)
    highest = max((column.total for column in columns), default=0)
    step = _step(highest)
    lines = max(1, -(-highest // step))
    bottom = height - _BELOW
    scale = (bottom - _TOP) / (step * lines)
    pitch = (_RIGHT - _LEFT) / max(1, len(columns))
    every = -(-_ROOM // pitch)
    for n in range(lines + 1):
        y = bottom - n * step * scale
        chart.lines.append(Line("base" if n == 0 else "grid", _LEFT, WIDTH, y, y))
        chart.texts.append(Label("end", _LEFT - 6, y + 3, words.number(n * step)))
    for n, column in enumerate(columns):
        x, y = _LEFT + n * pitch, bottom
        for class_, part, count in column.parts:
            if count:
                y -= count * scale
                title = f"{column.label.replace('|', ' ')} · {part}: {words.number(count)}"
                chart.rects.append(Rect(class_, x + pitch * 0.13, y, pitch * 0.74, count * scale, title))
        if n % every == 0:
            for line, text in enumerate(column.label.split("|")):
                chart.texts.append(Label("mid", x + pitch / 2, bottom + 12 + 11 * line, text))
    return chart


def _step(highest: int) -> int:
    """Return the distance of the grid lines: 1, 2, 2.5 or 5 times a power of ten, as a whole number."""
    needed = max(1, -(-highest // _LINES))
    power: int = 10 ** (len(str(needed)) - 1)
    return next(s for s in (power, 2 * power, 5 * power // 2, 5 * power, 10 * power) if s >= needed)


def level(share: float | None, target: float | None, name: str) -> Chart:
    """Draw a share as a bar from 0 to 100 %, with the target as a line across it."""
    chart = Chart(name, _GAUGE, 20, [Rect("track", 0, 4, _GAUGE, 12)])
    if share is not None:
        class_ = "plain" if target is None else "met" if share >= target else "missed"
        chart.rects.append(Rect(class_, 0, 4, _GAUGE * share, 12))
    if target is not None:
        chart.lines.append(Line("target", _GAUGE * target, _GAUGE * target, 0, 20))
    return chart
