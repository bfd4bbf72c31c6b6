"""What the store would not take: when each entry is tried again, and when it is set aside.

An entry that we cannot spell stays so: it goes aside after a few tries. One that the store refuses may be
taken once somebody has mended the store: it is tried for long, and goes aside only if the store has
meanwhile taken others, so that it is the entry, or its caller's record, and not the store.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from siaga112.service.ports import StoreBrokenError, UnrecordableError

OWN_TRIES: Final = 3
"""How often an entry is tried that we ourselves cannot bring into the store's form."""

REFUSED_TRIES: Final = 100
"""How often one is tried that the store refuses: some seven minutes."""

OFTEN: Final = 10
"""So many tries are a second apart; later ones wait longer."""

SLOW_SECONDS: Final = 4.0


@dataclass(slots=True)
class _Tried:
    times: int
    others: int
    due: float


@dataclass(slots=True)
class Patience:
    """Remembers failures by the entry's key. `stopwatch` in seconds."""

    stopwatch: Callable[[], float]
    _tried: dict[int, _Tried] = field(default_factory=dict)
    _written: int = 0

    def due(self, key: int) -> bool:
        """Say whether an entry is to be tried now."""
        tried = self._tried.get(key)
        return tried is None or self.stopwatch() >= tried.due

    def written(self, keys: Iterable[int]) -> None:
        """Note what the store has taken. Where it took one that it had refused, the others are due too."""
        for key in keys:
            self._written += 1
            if self._tried.pop(key, None):
                for tried in self._tried.values():
                    tried.due = 0.0

    def failed(self, key: int, error: Exception) -> bool:
        """Note a failure; say whether the entry is to be set aside."""
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
