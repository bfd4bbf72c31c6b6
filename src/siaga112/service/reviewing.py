"""Reviews: apply `core.review` to each permanent block from time to time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from siaga112.core.changes import Change
from siaga112.core.model import AuditEntry, Caller, Level, Millis, Via
from siaga112.core.policy import AUTOMATIC
from siaga112.core.record import CallerRecord
from siaga112.core.review import Called, Watched, decided_last, review
from siaga112.core.rules import InForce
from siaga112.service.ports import Recording, StoreBrokenError, StoreDownError
from siaga112.service.updating import update

EVERY_SECONDS: Final = 6 * 3_600.0

_log = structlog.get_logger()


class Reviewed(Recording, Protocol):
    """The records, and what the ledger shows about calls."""

    async def load(self, caller: Caller) -> CallerRecord:
        """Return a caller's record."""

    def permanent(self) -> AsyncIterator[Caller]:
        """Yield the permanently blocked callers, without loading all of them into memory."""

    async def watched(self) -> Watched:
        """Return the times of the first and the last call in the ledger."""

    async def called(self, caller: Caller, since: Millis) -> Called:
        """Return when a caller last called since then, and how often the caller was rejected."""


@dataclass(slots=True)
class Reviewer:
    """Reviews permanent blocks."""

    records: Reviewed
    rules: InForce
    clock: Callable[[], Millis]

    async def run(self) -> None:
        """Review all permanent blocks every `EVERY_SECONDS`, for ever."""
        while True:
            try:
                changed = await self.review()
            except (StoreDownError, StoreBrokenError) as error:
                _log.warning("review_postponed", detail=str(error))
            else:
                _log.info("reviewed", records=changed)
            await asyncio.sleep(EVERY_SECONDS)

    async def review(self) -> int:
        """Review all permanent blocks once; return how many records changed."""
        policy = self.rules.now.policy
        if not (policy.review or policy.review_quiet):
            return 0
        changed, watched = 0, await self.records.watched()
        async for caller in self.records.permanent():
            try:
                changed += await self._review(caller, watched)
            except StoreDownError:
                raise
            except Exception as error:  # noqa: BLE001 - an unreadable record must not stop the others
                _log.error("not_reviewed", detail=str(error))
        return changed

    async def _review(self, caller: Caller, watched: Watched) -> bool:
        now, policy = self.clock(), self.rules.now.policy
        began = decided_last(await self.records.load(caller), now)
        if began is None:
            return False
        called = await self.records.called(caller, began)

        def looked(record: CallerRecord) -> CallerRecord:
            # If somebody has decided in the meantime, the counts belong to another block.
            return (
                review(record, called, watched, now, policy) if decided_last(record, now) == began else record
            )

        before, after = await update(self.records, caller, looked, now, policy, also=self._told)
        return before != after

    def _told(self, before: CallerRecord, after: CallerRecord) -> Change:
        """Return the audit line for a released block. A proposal needs none."""
        lifted = [one.lifted for one in after.blocks if one.lifted and one.lifted.by == AUTOMATIC]
        new = [one for one in lifted if one not in [block.lifted for block in before.blocks]]
        if not new:
            return Change()
        line = AuditEntry(
            new[0].at, AUTOMATIC, "unblock", after.caller, str(Level.PERMANENT), new[0].reason, Via.DAEMON
        )
        return Change(audit_entry=line)
