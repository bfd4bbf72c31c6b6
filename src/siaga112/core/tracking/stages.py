"""Index of the calls in progress by stage and queue. Updated on each change, so no query scans all calls.

Each stage and each queue is a list sorted by arrival time. Calls nearly always join at the end and leave
at the start, so a binary search keeps the list sorted cheaply.
"""

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Collection, Iterator
from itertools import chain
from typing import Final, NamedTuple

from siaga112.core.model import CallId, Millis, Stage
from siaga112.core.tracking.queue_state import Waiting

SHOWN: Final = (Stage.QUEUE, Stage.TALKING, Stage.IVR, Stage.SCREENING)
"""The order in which calls in progress are shown, by stage."""

LOOKED_AT: Final = 100
"""Maximum number of overdue calls per queue to group by caller. More than this is a surge in any case."""


class Spot(NamedTuple):
    """Where a call is: its stage and since when, and the queue in which the caller waits ('' for none).

    `caller` is the number as received, or '' for no number; each call without a number counts as a
    separate caller.
    """

    stage: Stage
    since: Millis
    queue: str = ""
    waits_since: Millis = 0
    caller: str = ""


class Move(NamedTuple):
    """A call has entered a stage, and a queue if it waits in one. `new`: this is its first stage."""

    call: CallId
    stage: Stage
    at: Millis
    queue: str
    new: bool


MOVES_KEPT: Final = 10_000
"""Maximum number of moves kept until they are read. Above it the oldest are dropped."""


class Progress:
    """The calls in progress by stage and queue."""

    def __init__(self) -> None:
        self._moves: deque[Move] = deque(maxlen=MOVES_KEPT)
        self._spots: dict[CallId, Spot] = {}
        self._stages: Final[dict[Stage, list[tuple[Millis, CallId]]]] = {stage: [] for stage in SHOWN}
        self._queues: Final[dict[str, list[tuple[Millis, CallId]]]] = {}

    def put(self, call: CallId, spot: Spot) -> None:
        """Record where a call is now."""
        before = self._spots.get(call)
        if before == spot:
            return
        if before is None or before.stage is not spot.stage:
            self._moves.append(Move(call, spot.stage, spot.since, spot.queue, before is None))
        self.drop(call)
        self._spots[call] = spot
        insort(self._stages[spot.stage], (spot.since, call))
        if spot.queue:
            insort(self._queues.setdefault(spot.queue, []), (spot.waits_since, call))

    def drop(self, call: CallId) -> None:
        """Forget a call. Do nothing if it is not known."""
        spot = self._spots.pop(call, None)
        if spot is None:
            return
        _remove(self._stages[spot.stage], (spot.since, call))
        if spot.queue:
            waiting = self._queues[spot.queue]
            _remove(waiting, (spot.waits_since, call))
            if not waiting:
                del self._queues[spot.queue]

    def moves(self) -> list[Move]:
        """Return the moves since this method last ran, in order."""
        moves = [*self._moves]
        self._moves.clear()
        return moves

    def stages(self) -> Counter[Stage]:
        """Return the number of calls in each stage."""
        return Counter({stage: len(calls) for stage, calls in self._stages.items() if calls})

    def waiting(self) -> Waiting:
        """Return, for each queue with waiting callers, how many wait and since when the first one waits."""
        return {queue: (len(calls), calls[0][0]) for queue, calls in self._queues.items()}

    def overdue(self, queues: Collection[str], before: Millis, most: int) -> int:
        """Return how many callers have waited in these queues since before `before`, but at most `most`.

        Calls from one number count as one caller, because one telephone makes one call at a time. If a
        queue has more than `LOOKED_AT` overdue calls, they are not grouped and the result is `most`.
        """
        found: set[str] = set()
        for queue in queues:
            calls = self._queues.get(queue, [])
            late = bisect_left(calls, (before, CallId("")))
            if late > LOOKED_AT:
                return most
            for _, call in calls[:late]:
                found.add(self._spots[call].caller or f"call {call}")
                if len(found) >= most:
                    return most
        return len(found)

    def in_order(self) -> Iterator[CallId]:
        """Yield the calls: those in a queue first, and within each stage the longest there first."""
        return (call for _, call in chain.from_iterable(self._stages.values()))


def _remove(calls: list[tuple[Millis, CallId]], one: tuple[Millis, CallId]) -> None:
    del calls[bisect_left(calls, one)]
