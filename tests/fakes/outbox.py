"""An outbox in memory."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from siaga112.core.model import (
    CallId,
    Entry,
    Reached,
)

SOON = 5.0


class MemoryOutbox:
    """`service.ports.Outbox` in memory; raises OSError as often as `failures` says."""

    def __init__(self) -> None:
        self.failures = 0
        self.noted: dict[CallId, Entry] = {}
        self.aside: dict[int, tuple[Entry | Reached, str]] = {}
        self._rows: dict[int, Entry | Reached] = {}
        self._last = 0
        self._changed = asyncio.Condition()

    def _may_fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("disk full")

    async def note(self, begun: Sequence[Entry]) -> None:
        """Keep the notes."""
        self.noted |= {one.finding.call.id: one for one in begun}

    async def close_unfollowed(self, followed: Callable[[CallId], bool]) -> Sequence[Entry]:
        """Append the noted calls that are not followed, as noted; return them."""
        left = [one for call, one in self.noted.items() if not followed(call)]
        await self.append(left)
        return left

    async def append(self, settled: Sequence[Entry | Reached]) -> None:
        """Append items, and drop the notes of these calls."""
        self._may_fail()
        async with self._changed:
            for one in settled:
                self._last += 1
                self._rows[self._last] = one
                if isinstance(one, Entry):
                    self.noted.pop(one.finding.call.id, None)
            self._changed.notify_all()

    async def oldest(self, limit: int, after: int = 0) -> Sequence[tuple[int, Entry | Reached]]:
        """Return the oldest entries after that key."""
        self._may_fail()
        return [(key, row) for key, row in self._rows.items() if key > after][:limit]

    async def set_aside(self, reasons: Mapping[int, str]) -> None:
        """Move entries aside, with the reason."""
        self.aside |= {key: (self._rows.pop(key), reason) for key, reason in reasons.items()}

    async def drop(self, keys: Sequence[int]) -> None:
        """Remove entries."""
        self._may_fail()
        async with self._changed:
            for key in keys:
                del self._rows[key]
            self._changed.notify_all()

    async def wait(self, seconds: float) -> None:
        """Return when an entry waits, or after that time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: bool(self._rows))

    async def until_empty(self) -> None:
        """Return when no entry waits."""
        async with asyncio.timeout(SOON), self._changed:
            await self._changed.wait_for(lambda: not self._rows)

    @property
    def waiting(self) -> list[Entry]:
        """The calls that wait."""
        return [row for row in self._rows.values() if isinstance(row, Entry)]
