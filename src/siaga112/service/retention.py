"""Retention: what nobody touches must age all the same.

A record whose end is known expires by itself; one that lasts (a block for good, the allow list, an open
proposal, a call-back) is looked at from time to time, and what is too old in it goes.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from siaga112.core.model import Caller, Millis
from siaga112.core.rules import InForce
from siaga112.service.ports import CallerRecords, StoreBrokenError, StoreDownError
from siaga112.service.updating import update

EVERY_SECONDS: Final = 6 * 3_600.0
PAUSE_SECONDS: Final = 0.001
"""Between two callers: with a million on the lists, no verdict may feel it."""

_log = structlog.get_logger()


@dataclass(slots=True)
class Retention:
    """Prunes the records that do not expire by themselves."""

    records: CallerRecords
    rules: InForce
    clock: Callable[[], Millis]

    async def run(self) -> None:
        """Look through them, for ever."""
        while True:
            try:
                changed = await self.prune()
            except (StoreDownError, StoreBrokenError) as error:
                _log.warning("pruning_put_off", detail=str(error))
            else:
                _log.info("pruned", records=changed)
            await asyncio.sleep(EVERY_SECONDS)

    async def prune(self) -> int:
        """Look through them once; say how many had something too old."""
        now = self.clock()
        changed = 0
        await self.records.tidy(now)
        async for caller in self.records.lasting():
            try:
                changed += await self._prune(caller, now)
            except StoreDownError:
                raise
            except Exception as error:  # noqa: BLE001 - one record that cannot be read must not keep the others
                _log.error("not_pruned", detail=str(error))
            await asyncio.sleep(PAUSE_SECONDS)
        return changed

    async def _prune(self, caller: Caller, now: Millis) -> bool:
        """Let what is too old in a record go, as every change of it does."""
        before, after = await update(self.records, caller, lambda held: held, now, self.rules.now.policy)
        return before != after
