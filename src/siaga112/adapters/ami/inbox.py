"""What was read from the PBX and not yet taken, in slices that each fit into one turn of the loop."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from siaga112.core.ami.events import QueueStatus
from siaga112.core.ami.framer import Framer
from siaga112.core.ami.parser import wanted
from siaga112.core.model import SECOND, Millis

SLICE: Final = 32
"""Events handled in one turn of the loop, so that a burst never keeps a verdict waiting."""

HIGH_WATER: Final = 32 << 20
"""Bytes kept for a consumer that is behind. Beyond that we stop reading, and Asterisk soon cuts us off
(`writetimeout`): so this is for a disk that hangs, not for a burst."""

LOW_WATER: Final = HIGH_WATER // 4
"""So few are left when we read again."""


class Slice(list[bytes]):
    """Messages, and when they came by our own clock."""

    def __init__(self, messages: Sequence[bytes] = (), received: Millis = 0) -> None:
        super().__init__(messages)
        self.received = received


class Inbox:
    """What was read and not yet taken, between the socket and the one consumer; bounded."""

    def __init__(self, clock: Callable[[], Millis] = lambda: 0) -> None:
        self._clock = clock
        self.framer: Final = Framer()
        self.slices: Final[deque[Slice | QueueStatus]] = deque()
        """Oldest first; no longer than SLICE each."""
        self.dropped = 0
        self.reads = 0
        self.paused = False
        self.transport: asyncio.Transport | None = None
        self._size = 0
        self._filled: Final = asyncio.Event()

    def put(self, messages: Sequence[bytes]) -> None:
        """Keep of a slice what may tell of a call; never blocks, never raises."""
        kept = [message for message in messages if wanted(message)]
        self.dropped += len(messages) - len(kept)
        if not kept:
            return
        last, received = self.slices[-1] if self.slices else None, self._clock()
        together = isinstance(last, Slice) and abs(received - last.received) < SECOND
        if isinstance(last, Slice) and together and len(last) + len(kept) <= SLICE:
            last += kept
        else:
            self.slices.append(Slice(kept, received))
        self._size += sum(map(len, kept))
        self._filled.set()

    def tell(self, seen: QueueStatus) -> None:
        """Put what we have asked for where it belongs in time."""
        self.slices.append(seen)
        self._filled.set()

    def wake(self) -> None:
        """Let the consumer look around."""
        self._filled.set()

    async def take(self) -> Slice | QueueStatus:
        """Give the next slice; waits until there is one, or until woken."""
        if not self.slices:
            self._filled.clear()
            await self._filled.wait()
            if not self.slices:
                return Slice()
        taken = self.slices.popleft()
        if isinstance(taken, Slice):
            self._size -= sum(map(len, taken))
            self.level()
        return taken

    def level(self) -> None:
        """Stop reading while too much is kept; read again when little is left."""
        held = self._size + self.framer.held
        if self.transport is None or self.paused is (held > (LOW_WATER if self.paused else HIGH_WATER)):
            return
        self.paused = not self.paused
        if not self.transport.is_closing():
            (self.transport.pause_reading if self.paused else self.transport.resume_reading)()
