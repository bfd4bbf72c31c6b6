"""Where the calls in progress are, kept up with each change: nothing that is asked for walks through all.

Each stage and each queue is a list in the order in which the calls came there. They nearly always come
at its end and go at its beginning, so that to keep it sorted is a search by halves.
"""

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Collection, Iterator
from itertools import chain
from typing import Final, NamedTuple

from siaga112.core.model import CallId, Millis, Stage
from siaga112.core.tracking.queue_state import Waiting

SHOWN: Final = (Stage.QUEUE, Stage.TALKING, Stage.IVR, Stage.SCREENING)
"""In which order calls in progress are shown."""

LOOKED_AT: Final = 100
"""How many calls that wait too long are looked at; so many are a surge, whoever they are."""


class Spot(NamedTuple):
    """Where a call is: its stage since when; the queue in which its caller waits, '' for none; and who it is.

    `caller` is the number as it came, '' where there is none: each such call is a caller's of its own.
    """

    stage: Stage
    since: Millis
    queue: str = ""
    waits_since: Millis = 0
    caller: str = ""


class Move(NamedTuple):
    """A call has come to a stage, in that queue if it waits in one. `new`: it was nowhere before."""

    call: CallId
    stage: Stage
    at: Millis
    queue: str
    new: bool


MOVES_KEPT: Final = 10_000
"""More moves than this that nobody has asked for are forgotten, the oldest first."""


class Progress:
    """The calls in progress by where they are."""

    def __init__(self) -> None:
        self._moves: deque[Move] = deque(maxlen=MOVES_KEPT)
        self._spots: dict[CallId, Spot] = {}
        self._stages: Final[dict[Stage, list[tuple[Millis, CallId]]]] = {stage: [] for stage in SHOWN}
        self._queues: Final[dict[str, list[tuple[Millis, CallId]]]] = {}

    def put(self, call: CallId, spot: Spot) -> None:
        """Note where a call is now."""
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
        """Forget a call; nothing if it is not known."""
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
        """Give the moves since this was last asked, in order."""
        moves = [*self._moves]
        self._moves.clear()
        return moves

    def stages(self) -> Counter[Stage]:
        """Count the calls by where they are."""
        return Counter({stage: len(calls) for stage, calls in self._stages.items() if calls})

    def waiting(self) -> Waiting:
        """Give for each queue in which somebody waits how many do, and since when the first of them."""
        return {queue: (len(calls), calls[0][0]) for queue, calls in self._queues.items()}

    def overdue(self, queues: Collection[str], before: Millis, most: int) -> int:
        """Count the callers who wait in these queues since before that instant, up to `most` of them.

        Calls of one number are one caller, as one telephone makes one call at a time. Of a queue no more
        than `LOOKED_AT` calls are told apart; with more than that each counts.
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
        """Give the calls, who waits first, in each stage who is there longest."""
        return (call for _, call in chain.from_iterable(self._stages.values()))


def _remove(calls: list[tuple[Millis, CallId]], one: tuple[Millis, CallId]) -> None:
    del calls[bisect_left(calls, one)]
