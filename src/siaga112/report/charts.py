"""Charts as SVG, drawn for the width of an A4 page; sizes are in units of which 720 fill it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from siaga112.report.html import Html, join, tag
from siaga112.report.words import Words

WIDTH: Final = 720.0
_LEFT: Final = 44.0
"""Where the bars begin, beside the axis's figures."""
_TOP: Final = 8.0
_BELOW: Final = 30.0
"""Room for two lines below the bars."""
_RIGHT: Final = 712.0
"""Where they end: the last label is wider than its bar."""
_LINES: Final = 5
"""How many lines of the axis there are at most."""
_GAUGE: Final = 240.0
_ROOM: Final = 26.0
"""How wide a label below a bar is."""


@dataclass(frozen=True, slots=True)
class Column:
    """A bar: what is written below it, and its parts from the bottom up, as (class, name, count)."""

    label: str
    parts: Sequence[tuple[str, str, int]]

    @property
    def total(self) -> int:
        """The height of the whole bar."""
        return sum(count for *_, count in self.parts)


def stacked(columns: Sequence[Column], height: float, words: Words, name: str) -> Html:
    """Draw stacked bars over a common axis; each part says its figure when pointed at."""
    highest = max((column.total for column in columns), default=0)
    step = _step(highest)
    lines = max(1, -(-highest // step))
    bottom = height - _BELOW
    scale = (bottom - _TOP) / (step * lines)
    pitch = (_RIGHT - _LEFT) / max(1, len(columns))
    every = -(-_ROOM // pitch)
    drawn = [_axis(step, lines, scale, bottom, words)]
    for n, column in enumerate(columns):
        x, y = _LEFT + n * pitch, bottom
        for class_, part, count in column.parts:
            if count:
                y -= count * scale
                title = tag("title", f"{column.label.replace('|', ' ')} · {part}: {words.number(count)}")
                size = {"x": x + pitch * 0.13, "y": y, "width": pitch * 0.74, "height": count * scale}
                drawn.append(tag("rect", title, class_=class_, **size))
        if n % every == 0:
            for line, text in enumerate(column.label.split("|")):
                drawn.append(tag("text", text, class_="mid", x=x + pitch / 2, y=bottom + 12 + 11 * line))
    return _svg(drawn, WIDTH, height, name)


def _axis(step: int, count: int, scale: float, bottom: float, words: Words) -> Html:
    lines = []
    for n in range(count + 1):
        y = bottom - n * step * scale
        lines.append(tag("line", class_="base" if n == 0 else "grid", x1=_LEFT, x2=WIDTH, y1=y, y2=y))
        lines.append(tag("text", words.number(n * step), class_="end", x=_LEFT - 6, y=y + 3))
    return join(*lines)


def _step(highest: int) -> int:
    """Give the distance of the axis's lines: 1, 2, 2.5 or 5 times a power of ten, as a whole number."""
    needed = max(1, -(-highest // _LINES))
    power: int = 10 ** (len(str(needed)) - 1)
    return next(s for s in (power, 2 * power, 5 * power // 2, 5 * power, 10 * power) if s >= needed)


def level(share: float | None, target: float | None, name: str) -> Html:
    """Draw a share as a bar from 0 to 100 %, and the target as a line across it."""
    drawn = [tag("rect", class_="track", x=0, y=4, width=_GAUGE, height=12)]
    if share is not None:
        class_ = "plain" if target is None else "met" if share >= target else "missed"
        drawn.append(tag("rect", class_=class_, x=0, y=4, width=_GAUGE * share, height=12))
    if target is not None:
        drawn.append(tag("line", class_="target", x1=_GAUGE * target, x2=_GAUGE * target, y1=0, y2=20))
    return _svg(drawn, _GAUGE, 20, name)


def _svg(drawn: Sequence[Html], width: float, height: float, name: str) -> Html:
    return tag("svg", *drawn, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=name)
