"""A picture in pixels, with matplotlib underneath."""

from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

FONT: Final = "DejaVu Sans"
DPI: Final = 100
BOLD: Final[dict[str, Any]] = {"fontweight": "bold"}


def wide(text: str, size: float, *, bold: bool = False) -> float:
    """Return how many pixels wide a text of this size in points is."""
    if not text.strip():
        return 0.0
    font = FontProperties(family=FONT, weight="bold" if bold else "normal", size=size)
    return float(TextPath((0, 0), text, prop=font).get_extents().width) * DPI / 72


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the picture, in pixels from its upper left corner."""

    left: float
    top: float
    width: float
    height: float

    def inset(self, left: float, top: float, right: float, bottom: float) -> "Box":
        """Return the part inside these margins."""
        return Box(self.left + left, self.top + top, self.width - left - right, self.height - top - bottom)

    def foot(self, height: float) -> "Box":
        """Return its lowest part."""
        return Box(self.left, self.top + self.height - height, self.width, height)


@dataclass(frozen=True, slots=True)
class Canvas:
    """The picture: `figure` is `width` by `height` pixels."""

    figure: Figure
    width: float
    height: float

    def axes(self, box: Box) -> Axes:
        """Make axes that fill a box."""
        left, bottom = box.left / self.width, 1 - (box.top + box.height) / self.height
        return self.figure.add_axes((left, bottom, box.width / self.width, box.height / self.height))

    def blank(self, box: Box) -> Axes:
        """Make axes to write on, in pixels from the box's upper left corner."""
        axes = self.axes(box)
        axes.set_xlim(0, box.width)
        axes.set_ylim(box.height, 0)
        axes.axis("off")
        return axes
