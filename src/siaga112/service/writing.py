"""Writing: from the event flow to the outbox on local disk, without blocking the flow.

A disk sync takes milliseconds, for one call or for many, so items that arrive during a write go into the
next one. An item that is not in the outbox yet is nowhere else, so nothing can have acted on it. While the
disk rejects writes (it is full, say), items wait in memory.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import structlog

from siaga112.core.model import CallId, Entry, Reached
from siaga112.service.ports import Meter, Outbox

BATCH: Final = 32
"""Batch size. Serialising one batch must not delay a verdict."""

FULL: Final = 1_000
"""Maximum number of waiting items. If the disk is that slow, the producer must wait for `written`; if it
rejects writes, the oldest items are lost."""

RETRY_SECONDS: Final = 1.0
"""How long to wait after the disk rejected a write."""

_REMEDY: Final = "free space in state_dir"

_log = structlog.get_logger()


class Writer:
    """Writes ended calls, and notes begun ones, in the order in which they were put."""

    def __init__(self, outbox: Outbox, meter: Meter) -> None:
        self._outbox = outbox
        self._meter = meter
        self._items: list[Entry | Reached] = []
        self._begun: dict[CallId, Callable[[], Entry]] = {}
        self._writing: asyncio.Task[None] | None = None
        self._rejected: Final = asyncio.Event()
        self._closing: Final = asyncio.Event()

    @property
    def waiting(self) -> int:
        """The number of items that are not on disk, besides those being written."""
        return len(self._items)

    def full(self) -> bool:
        """Return whether the producer must wait for `written` before it puts more."""
        return len(self._items) + len(self._begun) >= FULL

    def put(self, items: Sequence[Entry | Reached], begun: Mapping[CallId, Callable[[], Entry]]) -> None:
        """Queue items for writing. A call that ends before its start was noted is neither noted nor built."""
        self._items += items
        self._begun |= begun
        self._forget_begun(items)
        if self._rejected.is_set() and len(self._items) > FULL:
            self._lose(len(self._items) - FULL)
        if self._writing and self._writing.done():
            self._writing.result()  # a bug in the writer ends the flow, like any other bug
            self._writing = None
        if self._writing is None and (self._items or self._begun):
            self._writing = asyncio.create_task(self._write())

    async def written(self) -> None:
        """Return when everything put so far is written or counted as lost, or while the disk rejects it."""
        if self._writing and not self._rejected.is_set():
            rejected = asyncio.create_task(self._rejected.wait())
            await asyncio.wait((self._writing, rejected), return_when=asyncio.FIRST_COMPLETED)
            rejected.cancel()
            if self._writing.done():
                self._writing.result()  # as above

    async def close(self) -> None:
        """Return when everything is written, however often the waiting task is cancelled.

        What the disk rejects even now is counted as lost.
        """
        self._closing.set()
        while self._writing and not self._writing.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([self._writing])

    async def _write(self) -> None:
        while self._items or self._begun:
            items, self._items = self._items, []
            begun, self._begun = self._begun, {}
            left = await self._keep_all(items)
            if left:
                self._items[:0] = left
                self._begun = {**begun, **self._begun}
                self._forget_begun(self._items)
                if not await self._pause():
                    return
                continue
            if items and self._rejected.is_set():
                self._rejected.clear()
                _log.info("outbox_accepts")
            noted = [*begun.values()]
            for at in range(0, len(noted), BATCH):
                await self._note(noted[at : at + BATCH])

    async def _pause(self) -> bool:
        """Wait before trying again; return False if there is no time left, and count the items as lost."""
        if self._closing.is_set():
            self._begun.clear()
            self._lose(len(self._items))
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(RETRY_SECONDS):
                await self._closing.wait()
        return True

    def _forget_begun(self, ended: Sequence[Entry | Reached]) -> None:
        for one in ended:
            if isinstance(one, Entry):
                self._begun.pop(one.finding.call.id, None)

    def _lose(self, count: int) -> None:
        """Give the oldest items up."""
        del self._items[:count]
        self._meter.lost(count)
        _log.error("outbox_failed", lost=count, detail="the disk rejects writes", remedy=_REMEDY)

    async def _keep_all(self, items: Sequence[Entry | Reached]) -> list[Entry | Reached]:
        """Write items in batches; return those that the disk did not take."""
        for at in range(0, len(items), BATCH):
            if left := await self._keep(items[at : at + BATCH]):
                return [*left, *items[at + BATCH :]]
        return []

    async def _keep(self, items: Sequence[Entry | Reached]) -> Sequence[Entry | Reached]:
        """Write items; return those that the disk did not take."""
        try:
            await self._outbox.append(items)
        except OSError as error:
            if not self._rejected.is_set():
                _log.error("outbox_failed", lost=0, detail=str(error), remedy=_REMEDY)
            self._rejected.set()
            return items
        except Exception as error:  # noqa: BLE001 - one item that cannot be serialised must not cost others
            if len(items) == 1:
                self._meter.lost(1)
                _log.error("outbox_failed", lost=1, detail=str(error), exc_info=error)
                return []
            for nth, one in enumerate(items):
                if left := await self._keep([one]):
                    return [*left, *items[nth + 1 :]]
        return []

    async def _note(self, begun: Sequence[Callable[[], Entry]]) -> None:
        """Note calls in progress. A failure loses nothing: the call is written again at its end."""
        try:
            await self._outbox.note([one() for one in begun])
        except OSError:
            return
        except Exception as error:  # noqa: BLE001 - as above
            if len(begun) > 1:
                for one in begun:
                    await self._note([one])
                return
            _log.error("note_failed", detail=str(error), exc_info=error)
