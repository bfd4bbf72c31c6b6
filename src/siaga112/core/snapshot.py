"""What goes on at this moment: the daemon writes it every second, `siaga112 top` shows it.

It is an observation for people's eyes. Nothing is decided by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from siaga112.core.model import SECOND, CallInProgress, Millis, OperatorNow, OperatorState, Stage

LIFE: Final[Millis] = 5 * SECOND
"""How long the store keeps it: a dead daemon's must vanish instead of lying."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The site as its tracking daemon sees it at an instant of that daemon's clock.

    `queues`: where somebody waits, how many, and since when the first of them. `operators` is None while
    nothing is known of them; `logged_in` lists them by name, a hundred at most. `surge` says why there is
    one; '' for none. `connected`: whether the PBX is followed; if not, the rest is as last seen.
    `screens`: whether this daemon answers the dialplan too.
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
