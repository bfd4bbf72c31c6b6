"""A snapshot of the live site. The daemon writes it every second, and `siaga112 top` shows it.

It is for display only; no decision depends on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from siaga112.core.model import SECOND, CallInProgress, Millis, OperatorNow, OperatorState, Stage

LIFE: Final[Millis] = 5 * SECOND
"""How long the store keeps a snapshot, so that one of a dead daemon disappears."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The site as its tracking daemon sees it. `at`: the time by that daemon's clock.

    `queues`: for each queue with waiting callers, how many wait and since when the first one waits.
    `operators`: None while unknown; `logged_in` lists at most a hundred by name. `surge`: why there is one,
    '' if there is none. `connected`: whether the daemon follows the PBX; if not, the rest is as last seen.
    `screens`: whether this daemon also answers the dialplan.
    """

    at: Millis
    calls: tuple[CallInProgress, ...]
    stages: Mapping[Stage, int]
    queues: Mapping[str, tuple[int, Millis]]
    operators: Mapping[OperatorState, int] | None
    surge: str
    connected: bool
    screens: bool
    logged_in: tuple[OperatorNow, ...] = ()
