"""The standings of all callers on whom one is held, in little memory: a million in about 75 MB.

A caller and a standing are a number each, so that they share Python's smallest objects: the caller's
digits, and the fields side by side. A caller who is not here is nobody.
"""

from typing import Final

from siaga112.core.caller_id import HASH
from siaga112.core.model import Caller, Level
from siaga112.core.standing import NOBODY, Standing

_BITS: Final = 48
"""Of an instant in milliseconds: until the year 10889."""

_INSTANT: Final = (1 << _BITS) - 1
_ALLOWED: Final = 1
_LEVELS: Final = (None, *Level)
_LEVEL: Final = 0b110
_UNTIL: Final = 3
_SINCE: Final = _UNTIL + _BITS
_WARN: Final = _SINCE + _BITS


class Standings:
    """A mapping from callers to standings."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[int, int] = {}

    def __repr__(self) -> str:
        return f"<Standings of {len(self)} callers>"

    def __len__(self) -> int:
        return len(self._held)

    def of(self, caller: Caller) -> Standing:
        """Give a caller's standing."""
        packed = self._held.get(_number(caller))
        return NOBODY if packed is None else _unpack(packed)

    def put(self, caller: Caller, standing: Standing) -> None:
        """Replace a caller's standing."""
        if standing == NOBODY:
            self._held.pop(_number(caller), None)
        else:
            self._held[_number(caller)] = _pack(standing)

    def clear(self) -> None:
        """Forget all."""
        self._held.clear()


def _number(caller: Caller) -> int:
    """Give the digits of an E.164 number, or a hash (`caller_id`) as a negative number."""
    return -int(caller.removeprefix(HASH), 16) if caller.startswith(HASH) else int(caller)


def _pack(standing: Standing) -> int:
    until = 0 if standing.until is None else standing.until
    level = _LEVELS.index(standing.level)
    instants = until << _UNTIL | standing.since << _SINCE | standing.warn_until << _WARN
    return standing.allowed | level << 1 | instants


def _unpack(packed: int) -> Standing:
    level, until = _LEVELS[(packed & _LEVEL) >> 1], packed >> _UNTIL & _INSTANT
    since = packed >> _SINCE & _INSTANT
    return Standing(bool(packed & _ALLOWED), level, until or None, packed >> _WARN, since)
