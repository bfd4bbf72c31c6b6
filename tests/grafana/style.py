"""Grafana's dark look: its colours by name, and figures written with their units."""

import math
from typing import Final

PAGE: Final = "#111217"
PANEL: Final = "#181b1f"
BORDER: Final = "#26292f"
GRID: Final = "#2b2e35"
TRACK: Final = "#22252b"
LINK: Final = "#6e9fff"
TEXT: Final = "#ccccdc"
FAINT: Final = "#8e909b"

COLORS: Final = {
    "text": TEXT,
    "green": "#73bf69",
    "light-green": "#96d98d",
    "semi-dark-green": "#56a64b",
    "dark-green": "#37872d",
    "yellow": "#fade2a",
    "orange": "#ff9830",
    "red": "#f2495c",
    "semi-dark-red": "#e02f44",
    "dark-red": "#c4162a",
    "blue": "#5794f2",
    "light-blue": "#8ab8ff",
    "dark-blue": "#1f60c4",
    "purple": "#b877d9",
}
PALETTE: Final = (
    *("#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#1f78c1", "#ba43a9", "#705da0"),
    *("#508642", "#cca300", "#447ebc", "#c15c17", "#890f02", "#0a437c", "#6d1f62", "#584477"),
)
"""For series without a colour of their own, in order."""

_SECONDS: Final = (
    (1e-3, 1e-6, "µs"),
    (1, 1e-3, "ms"),
    (60, 1, "s"),
    (3_600, 60, "min"),
    (86_400, 3_600, "hours"),
    (604_800, 86_400, "days"),
    (math.inf, 604_800, "weeks"),
)
_SHORT: Final = ((1e3, 1, ""), (1e6, 1e3, " K"), (math.inf, 1e6, " Mil"))


def color(name: str) -> str:
    """Return the colour that Grafana knows by this name, or the name itself."""
    return COLORS.get(name, name)


def figure(value: float, unit: str | None, decimals: float | None = None) -> str:
    """Return a value with its unit; without `decimals`, with as many as it needs."""
    match unit:
        case "percentunit":
            return f"{_fixed(value * 100, decimals)}%"
        case "s":
            _, size, name = next(one for one in _SECONDS if abs(value) < one[0])
            return "0 s" if value == 0 else f"{_fixed(value / size, decimals)} {name}"
        case "short":
            _, size, name = next(one for one in _SHORT if abs(value) < one[0])
            return f"{_fixed(value / size, decimals if size == 1 else None)}{name}"
        case "eps":
            return f"{_fixed(value, decimals)} evt/s"
        case _:
            return _fixed(value, decimals)


def scale(value: float, unit: str) -> float:
    """Return the size of the unit in which a value is written: 60 for minutes."""
    return next(one[1] for one in _SECONDS if abs(value) < one[0]) if unit == "s" else 1.0


def _fixed(value: float, decimals: float | None) -> str:
    if decimals is not None:
        return f"{value:.{int(decimals)}f}"
    return f"{value:.3g}" if abs(value) < 1_000 else f"{value:.0f}"
