"""Retries: when a failed outbox entry is tried again, and when it is set aside.

An entry that we cannot serialise will never succeed, so it is set aside after a few tries. An entry that the
store rejects may succeed after somebody repairs the store, so it is tried for longer. It is set aside only if
the store has accepted others since, which shows that the entry or its caller's record is at fault.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from siaga112.service.ports import StoreBrokenError, UnrecordableError

OWN_TRIES: Final = 3
"""How often to try an entry that we cannot serialise for the store."""

REFUSED_TRIES: Final = 100
"""How often to try an entry that the store rejects: about seven minutes."""

OFTEN: Final = 10
"""The first tries are a second apart; after this many, the delay is `SLOW_SECONDS`."""

SLOW_SECONDS: Final = 4.0


@dataclass(slots=True)
class _Tried:
    times: int
    others: int
    due: float


@dataclass(slots=True)
class Patience:
    """Remembers failures by the entry's key. `stopwatch`: a monotonic clock in seconds."""

    stopwatch: Callable[[], float]
    _tried: dict[int, _Tried] = field(default_factory=dict)
    _written: int = 0

    def due(self, key: int) -> bool:
        """Return whether to try an entry now."""
        tried = self._tried.get(key)
        return tried is None or self.stopwatch() >= tried.due

    def written(self, keys: Iterable[int]) -> None:
        """Record successes. If the store accepts an entry that failed before, all others are due too."""
        for key in keys:
            self._written += 1
            if self._tried.pop(key, None):
                for tried in self._tried.values():
                    tried.due = 0.0

    def failed(self, key: int, error: Exception) -> bool:
        """Record a failure; return whether to set the entry aside."""
        tried = self._tried.setdefault(key, _Tried(0, self._written, 0.0))
        tried.times += 1
        tried.due = self.stopwatch() + (SLOW_SECONDS if tried.times >= OFTEN else 0.0)
        ours = isinstance(error, UnrecordableError) or not isinstance(error, StoreBrokenError)
        if tried.times < (OWN_TRIES if ours else REFUSED_TRIES):
            return False
        if not ours and self._written == tried.others:
            return False
        del self._tried[key]
        return True
