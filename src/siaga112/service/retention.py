"""Retention: prune records that nothing else touches.

A record with a known end expires as a whole. Before that its parts become too old, each at its own time, and
a lasting record (a permanent block, an allow-list entry, an open proposal) has no end: these are pruned.
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
"""The pause between two callers, so that pruning a million of them does not delay verdicts."""

_log = structlog.get_logger()


@dataclass(slots=True)
class Retention:
    """Prunes the records that do not expire by themselves, and what is too old in the others."""

    records: CallerRecords
    rules: InForce
    clock: Callable[[], Millis]

    async def run(self) -> None:
        """Prune every `EVERY_SECONDS`, for ever."""
        while True:
            try:
                changed = await self.prune()
            except (StoreDownError, StoreBrokenError) as error:
                _log.warning("pruning_postponed", detail=str(error))
            else:
                _log.info("pruned", records=changed)
            await asyncio.sleep(EVERY_SECONDS)

    async def prune(self) -> int:
        """Prune all records once; return how many changed."""
        now, rules = self.clock(), self.rules.now.policy
        changed = 0
        await self.records.tidy(now)
        async for caller in self.records.ageing(now - rules.keep, now - rules.keep_missed):
            try:
                changed += await self._prune(caller, now)
            except StoreDownError:
                raise
            except Exception as error:  # noqa: BLE001 - an unreadable record must not stop the others
                _log.error("not_pruned", detail=str(error))
            await asyncio.sleep(PAUSE_SECONDS)
        return changed

    async def _prune(self, caller: Caller, now: Millis) -> bool:
        """Prune one record: `update` does so with every change."""
        before, after = await update(self.records, caller, lambda held: held, now, self.rules.now.policy)
        return before != after
