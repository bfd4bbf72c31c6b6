"""What goes on at this moment: the daemon writes it every second, `siaga112 top` shows it.

It is an observation for people's eyes. Nothing is decided by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from siaga112.core.model import SECOND, InProgress, Millis, OperatorState, Stage
from siaga112.core.tracking.queue_state import Lines
from siaga112.core.tracking.tracker import Tracker

LIFE: Final[Millis] = 5 * SECOND
"""How long the store keeps it: a dead daemon's must vanish instead of lying."""

MAX_CALLS: Final = 100
"""How many calls are listed, however many there are; `stages` counts all."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The site as its tracking daemon sees it at an instant of that daemon's clock.

    `queues`: where somebody waits, how many, and since when the first of them. `operators` is None while
    nothing is known of them. `surge` says why there is one; '' for none. `connected`: whether the PBX is
    followed; if not, the rest is as last seen. `screens`: whether this daemon answers the dialplan too.
    """

    at: Millis
    calls: tuple[InProgress, ...]
    stages: Mapping[Stage, int]
    queues: Mapping[str, tuple[int, Millis]]
    operators: Mapping[OperatorState, int] | None
    surge: str
    connected: bool
    screens: bool


def take(tracker: Tracker, lines: Lines, now: Millis, *, connected: bool, screens: bool) -> Snapshot:
    """Take a snapshot of what is followed."""
    waiting = tracker.waiting()
    return Snapshot(
        at=now,
        calls=tuple(tracker.in_progress(MAX_CALLS)),
        stages=dict(tracker.stages()),
        queues=waiting,
        operators=dict(lines.operators()) if lines.known else None,
        surge=lines.surge(tracker.overdue, now),
        connected=connected,
        screens=screens,
    )
