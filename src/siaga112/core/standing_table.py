"""A compact table of standings: 34 bytes a caller, or 43 if callers are stored as hashes.

A standing is stored as three instants, two of which carry the level and the allow list in their lowest bits.
Callers are spread over many shelves. A shelf has a sorted array of numbers and a parallel array of instants,
so no space is wasted and an insert moves little data. A caller who is not in the table has the standing
`NOBODY`.
"""

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Final
from zlib import crc32

from siaga112.core.caller_id import HASH
from siaga112.core.model import Caller, Level
from siaga112.core.standing import NOBODY, Standing

SHELVES: Final = 4_096
"""Ten million callers are about 2,441 per shelf."""

_LEVELS: Final = (None, *Level)
_FIELDS: Final = 3
_WORD: Final = 64
"""Bits of an array's item; a hash has twice as many, and its lower half is one more field."""


def shelf_of(caller: Caller) -> int:
    """Return the number of a caller's shelf, which is also the number of the hash in Redis.

    A table that is filled from Redis therefore gets its shelves one after another, each as a whole. Shelves
    that all grow together would leave gaps in memory, as large as the table itself.
    """
    return crc32(caller.encode()) % SHELVES


class _Shelf:
    """Some of the callers, sorted by number, or by the upper half of their hashes."""

    __slots__ = ("fields", "hashed", "numbers", "width")

    def __init__(self, held: Mapping[int, tuple[int, ...]], *, hashed: bool) -> None:
        keys = sorted(held)
        self.hashed = hashed
        self.width = _FIELDS + hashed
        self.numbers = array("Q", [_split(key, hashed)[0] for key in keys] if hashed else keys)
        rows = (held[key] + _split(key, hashed)[1] for key in keys) if hashed else map(held.__getitem__, keys)
        self.fields = array("Q", list(chain.from_iterable(rows)))  # an iterator would leave room to grow

    def find(self, key: int) -> tuple[int, bool]:
        """Return a caller's place, and whether the caller is there."""
        number, rest = _split(key, self.hashed)
        numbers = self.numbers
        place = bisect_left(numbers, number)
        while place < len(numbers) and numbers[place] == number:
            if not rest or self.fields[place * self.width + _FIELDS] == rest[0]:
                return place, True
            place += 1
        return place, False

    def put(self, key: int, fields: tuple[int, ...]) -> int:
        """Set a caller's fields, remove the caller if there are none; return the change of the count."""
        number, rest = _split(key, self.hashed)
        place, there = self.find(key)
        self.fields[place * self.width : (place + there) * self.width] = array(
            "Q", fields + rest if fields else ()
        )
        if fields and not there:
            self.numbers.insert(place, number)
        elif there and not fields:
            del self.numbers[place]
        return bool(fields) - there


class Standings:
    """A mapping from callers to standings."""

    __slots__ = ("_hashes", "_held", "_numbers")

    def __init__(self) -> None:
        self._numbers: dict[int, _Shelf] = {}
        self._hashes: dict[int, _Shelf] = {}
        """Callers stored as hashes, which have more bits than an item of an array."""
        self._held = 0

    def __repr__(self) -> str:
        return f"<Standings of {len(self)} callers>"

    def __len__(self) -> int:
        return self._held

    def of(self, caller: Caller) -> Standing:
        """Return a caller's standing, `NOBODY` if there is none."""
        hashed, key = _key(caller)
        shelf = (self._hashes if hashed else self._numbers).get(shelf_of(caller))
        if shelf is None:
            return NOBODY
        place, there = shelf.find(key)
        first = place * shelf.width
        return _unpack(*shelf.fields[first : first + _FIELDS]) if there else NOBODY

    def put(self, caller: Caller, standing: Standing) -> None:
        """Set a caller's standing. `NOBODY` removes the caller."""
        self.put_all([(caller, standing)])

    def put_all(self, standings: Iterable[tuple[Caller, Standing]]) -> None:
        """Set many standings; the last one counts of a caller who comes twice.

        Several of one shelf cost less together.
        """
        numbers: dict[int, dict[int, tuple[int, ...]]] = defaultdict(dict)
        hashes: dict[int, dict[int, tuple[int, ...]]] = defaultdict(dict)
        for caller, standing in standings:
            hashed, key = _key(caller)
            (hashes if hashed else numbers)[shelf_of(caller)][key] = _pack(standing)
        self._place(self._numbers, numbers, hashed=False)
        self._place(self._hashes, hashes, hashed=True)

    def _place(
        self, shelves: dict[int, _Shelf], new: Mapping[int, dict[int, tuple[int, ...]]], *, hashed: bool
    ) -> None:
        for number, held in new.items():
            shelf = shelves.get(number)
            if shelf is not None:
                self._held += sum(shelf.put(key, fields) for key, fields in held.items())
                continue
            if () in held.values():
                held = {key: fields for key, fields in held.items() if fields}  # noqa: PLW2901 - seldom
            if held:
                shelves[number] = _Shelf(held, hashed=hashed)
                self._held += len(held)

    def clear(self) -> None:
        """Remove all callers."""
        self._numbers.clear()
        self._hashes.clear()
        self._held = 0


def _key(caller: Caller) -> tuple[bool, int]:
    if caller.startswith(HASH):
        return True, int(caller.removeprefix(HASH), 16)
    return False, int(caller)


def _split(key: int, hashed: bool) -> tuple[int, tuple[int, ...]]:  # noqa: FBT001 - called for each caller
    """Return what a shelf sorts by, and what else tells callers apart."""
    return (key >> _WORD, (key & (1 << _WORD) - 1,)) if hashed else (key, ())


def _pack(standing: Standing) -> tuple[int, ...]:
    """Return the fields of a standing; none for `NOBODY`."""
    level, since = _LEVELS.index(standing.level), standing.since
    until = 0 if standing.until is None else max(1, standing.until)  # 0 is a block without an end
    if not level and standing == NOBODY:
        return ()
    return until << 2 | level, since << 1 | standing.allowed, standing.warn_until


def _unpack(until: int, since: int, warn_until: int) -> Standing:
    return Standing(bool(since & 1), _LEVELS[until & 0b11], until >> 2 or None, warn_until, since >> 1)
