"""Writing: from the event flow to the outbox on local disk, without blocking the flow.

A disk sync takes milliseconds, for one call or for many, so items that arrive during a write go into the
next one. An item that is not in the outbox yet is nowhere else, so nothing can have acted on it.
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
"""Maximum number of waiting items. If the disk is that slow, the producer must wait for `written`."""

_log = structlog.get_logger()


class Writer:
    """Writes ended calls, and notes begun ones, in the order in which they were put."""

    def __init__(self, outbox: Outbox, meter: Meter) -> None:
        self._outbox = outbox
        self._meter = meter
        self._items: list[Entry | Reached] = []
        self._begun: dict[CallId, Callable[[], Entry]] = {}
        self._writing: asyncio.Task[None] | None = None

    def full(self) -> bool:
        """Return whether the producer must wait for `written` before it puts more."""
        return len(self._items) + len(self._begun) >= FULL

    def put(self, items: Sequence[Entry | Reached], begun: Mapping[CallId, Callable[[], Entry]]) -> None:
        """Queue items for writing. A call that ends before its start was noted is neither noted nor built."""
        for one in items:
            if isinstance(one, Entry):
                self._begun.pop(one.finding.call.id, None)
        self._items += items
        self._begun |= begun
        if self._writing and self._writing.done():
            self._writing.result()  # a bug in the writer ends the flow, like any other bug
            self._writing = None
        if self._writing is None and (self._items or self._begun):
            self._writing = asyncio.create_task(self._write())

    async def written(self) -> None:
        """Return when everything put so far is written, or logged and counted as lost."""
        if self._writing:
            await asyncio.shield(self._writing)

    async def close(self) -> None:
        """Return when everything is written, however often the waiting task is cancelled."""
        while self._writing and not self._writing.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([self._writing])

    async def _write(self) -> None:
        while self._items or self._begun:
            items, self._items = self._items, []
            begun, self._begun = self._begun, {}
            for at in range(0, len(items), BATCH):
                await self._keep(items[at : at + BATCH])
            noted = [*begun.values()]
            for at in range(0, len(noted), BATCH):
                await self._note(noted[at : at + BATCH])

    async def _keep(self, items: Sequence[Entry | Reached]) -> None:
        try:
            await self._outbox.append(items)
        except OSError as error:
            self._meter.lost(len(items))
            _log.error("outbox_failed", lost=len(items), detail=str(error), remedy="free space in state_dir")
        except Exception as error:  # noqa: BLE001 - one item that cannot be serialised must not cost others
            if len(items) > 1:
                for one in items:
                    await self._keep([one])
                return
            self._meter.lost(1)
            _log.error("outbox_failed", lost=1, detail=str(error), exc_info=error)

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
