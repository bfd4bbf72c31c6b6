"""From the event flow to local disk, without the flow waiting for it.

A disk takes milliseconds to sync, whether for one call or for many: what comes while one write is under
way goes with the next. What the outbox has not yet taken is nowhere else, so nobody can have acted on it.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog

from siaga112.core.model import CallId, Entry, Reached
from siaga112.service.ports import Meter, Outbox

BATCH: Final = 32
"""Written at once: what it takes to spell them out, no verdict may feel."""

FULL: Final = 1_000
"""So many wait for a disk that does not follow: whoever puts more must wait until all are written."""

_log = structlog.get_logger()


class Writer:
    """Keeps what ended, and notes what began, in the order in which it is given."""

    def __init__(self, outbox: Outbox, meter: Meter) -> None:
        self._outbox = outbox
        self._meter = meter
        self._items: list[Entry | Reached] = []
        self._begun: dict[CallId, Entry] = {}
        self._writing: asyncio.Task[None] | None = None

    def full(self) -> bool:
        """Say whether so much waits that whoever puts more must wait for `written` first."""
        return len(self._items) + len(self._begun) >= FULL

    def put(self, items: Sequence[Entry | Reached], begun: Sequence[Entry]) -> None:
        """Have it written soon. A call that ends before it was noted as begun need not be noted."""
        for one in items:
            if isinstance(one, Entry):
                self._begun.pop(one.finding.call.id, None)
        self._items += items
        self._begun |= {one.finding.call.id: one for one in begun}
        if self._writing and self._writing.done():
            self._writing.result()  # a mistake of ours ends the flow, as any other would
            self._writing = None
        if self._writing is None and (self._items or self._begun):
            self._writing = asyncio.create_task(self._write())

    async def written(self) -> None:
        """Return when all that was put has been written; what cannot be is told and counted as lost."""
        if self._writing:
            await asyncio.shield(self._writing)

    async def close(self) -> None:
        """Return when all is written, however often the task that waits for it is told to end."""
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
        except Exception as error:  # noqa: BLE001 - one that cannot be spelled must not take others with it
            if len(items) > 1:
                for one in items:
                    await self._keep([one])
                return
            self._meter.lost(1)
            _log.error("outbox_failed", lost=1, detail=str(error), exc_info=error)

    async def _note(self, begun: Sequence[Entry]) -> None:
        """Note calls in progress; what is lost by a failure is told at the call's end."""
        try:
            await self._outbox.note(begun)
        except OSError:
            return
        except Exception as error:  # noqa: BLE001 - as above
            _log.error("note_failed", calls=len(begun), detail=str(error), exc_info=error)
