"""What is shown in which words and colours, the same on each dashboard."""

from collections.abc import Mapping
from typing import Final

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
MODES: Final[Mapping[str, Look]] = {
    "0": ("OFF", "semi-dark-red"),
    "1": ("observe", "semi-dark-orange"),
    "2": ("enforce", "semi-dark-green"),
    "3": ("switching", "#8e8e8e"),
}
