"""A compact table of standings: a million callers in about 40 MB.

The key is the caller's number as an integer. A standing is stored as three instants, two of which carry the
level and the allow list in their lowest bits. Callers are distributed over many shelves by their number. A
shelf has a sorted array of numbers and a parallel array of instants, so no space is wasted and an insert
moves little data. A caller who is not in the table has the standing `NOBODY`.
"""

from array import array
from bisect import bisect_left
from typing import Final

from siaga112.core.caller_id import HASH
from siaga112.core.model import Caller, Level
from siaga112.core.standing import NOBODY, Standing

_SHELVES: Final = 4_093
"""A prime, which spreads numbers with round differences. Ten million callers are about 2,443 per shelf."""

_LEVELS: Final = (None, *Level)
_FIELDS: Final = 3


class _Shelf:
    """Some of the callers, sorted by number."""

    __slots__ = ("fields", "numbers")

    def __init__(self) -> None:
        self.numbers = array("Q")
        self.fields = array("Q")


class Standings:
    """A mapping from callers to standings."""

    __slots__ = ("_hashed", "_held", "_shelves")

    def __init__(self) -> None:
        self._shelves: dict[int, _Shelf] = {}
        self._hashed: dict[int, tuple[int, ...]] = {}
        """Callers stored as hashes, which have more bits than a shelf's array holds."""
        self._held = 0

    def __repr__(self) -> str:
        return f"<Standings of {len(self)} callers>"

    def __len__(self) -> int:
        return self._held + len(self._hashed)

    def of(self, caller: Caller) -> Standing:
        """Return a caller's standing, `NOBODY` if there is none."""
        if caller.startswith(HASH):
            found = self._hashed.get(_hash(caller))
            return NOBODY if found is None else _unpack(*found)
        number = int(caller)
        shelf = self._shelves.get(number % _SHELVES)
        if shelf is None:
            return NOBODY
        place = bisect_left(shelf.numbers, number)
        if place == len(shelf.numbers) or shelf.numbers[place] != number:
            return NOBODY
        return _unpack(*shelf.fields[place * _FIELDS : (place + 1) * _FIELDS])

    def put(self, caller: Caller, standing: Standing) -> None:
        """Set a caller's standing. `NOBODY` removes the caller."""
        if caller.startswith(HASH):
            if standing == NOBODY:
                self._hashed.pop(_hash(caller), None)
            else:
                self._hashed[_hash(caller)] = _pack(standing)
            return
        number = int(caller)
        shelf = self._shelves.get(number % _SHELVES)
        if shelf is None:
            if standing == NOBODY:
                return
            shelf = self._shelves[number % _SHELVES] = _Shelf()
        place = bisect_left(shelf.numbers, number)
        there = place < len(shelf.numbers) and shelf.numbers[place] == number
        fields = slice(place * _FIELDS, (place + there) * _FIELDS)
        if standing != NOBODY:
            shelf.fields[fields] = array("Q", _pack(standing))
            if not there:
                shelf.numbers.insert(place, number)
                self._held += 1
        elif there:
            del shelf.fields[fields]
            del shelf.numbers[place]
            self._held -= 1

    def clear(self) -> None:
        """Remove all callers."""
        self._shelves.clear()
        self._hashed.clear()
        self._held = 0


def _hash(caller: Caller) -> int:
    return int(caller.removeprefix(HASH), 16)


def _pack(standing: Standing) -> tuple[int, ...]:
    level = _LEVELS.index(standing.level)
    return (standing.until or 0) << 2 | level, standing.since << 1 | standing.allowed, standing.warn_until


def _unpack(until: int, since: int, warn_until: int) -> Standing:
    return Standing(bool(since & 1), _LEVELS[until & 0b11], until >> 2 or None, warn_until, since >> 1)
