"""Messages read from the PBX but not yet processed, in slices that each fit one turn of the event loop."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from siaga112.core.ami.events import QueueStatus
from siaga112.core.ami.framer import Framer
from siaga112.core.ami.parser import wanted
from siaga112.core.model import SECOND, Millis

SLICE: Final = 32
"""Events processed per turn of the event loop, so that a burst never delays a verdict."""

HIGH_WATER: Final = 32 << 20
"""Bytes buffered for a slow consumer. Above this we stop reading, and Asterisk soon disconnects us
(`writetimeout`), so this limit is for a disk that hangs, not for a burst."""

LOW_WATER: Final = HIGH_WATER // 4
"""Below this we resume reading."""


class Slice(list[bytes]):
    """Messages, and when we received them by our own clock."""

    def __init__(self, messages: Sequence[bytes] = (), received: Millis = 0) -> None:
        super().__init__(messages)
        self.received = received


class Inbox:
    """A bounded buffer between the socket and its one consumer."""

    def __init__(self, clock: Callable[[], Millis] = lambda: 0) -> None:
        self._clock = clock
        self.framer: Final = Framer()
        self.slices: Final[deque[Slice | QueueStatus]] = deque()
        """Oldest first; at most SLICE messages each."""
        self.dropped = 0
        self.reads = 0
        self.paused = False
        self.transport: asyncio.Transport | None = None
        self._size = 0
        self._filled: Final = asyncio.Event()

    def put(self, messages: Sequence[bytes]) -> None:
        """Queue the messages that may concern a call and drop the rest; never blocks, never raises."""
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
        """Queue the answer to our own queue query, in order with the events around it."""
        self.slices.append(seen)
        self._filled.set()

    def wake(self) -> None:
        """Wake the consumer."""
        self._filled.set()

    async def take(self) -> Slice | QueueStatus:
        """Return the next slice; wait for one. After `wake` the slice may be empty."""
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
        """Pause reading above HIGH_WATER; resume below LOW_WATER."""
        held = self._size + self.framer.held
        if self.transport is None or self.paused is (held > (LOW_WATER if self.paused else HIGH_WATER)):
            return
        self.paused = not self.paused
        if not self.transport.is_closing():
            (self.transport.pause_reading if self.paused else self.transport.resume_reading)()
