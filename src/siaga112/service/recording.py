"""Recording: move ended calls from the outbox to the records, exactly once in effect.

All changes of a call are written in one transaction, together with other calls. Recording a call again
changes nothing, so after a crash it is simply repeated. If a batch fails, it is split in half and tried
again. The order is kept per caller: if a record cannot be written, only that caller's later calls wait. What
can never be written is set aside (`patience`), so no item in the outbox and no record blocks the others.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from siaga112.core.caller_id import masked
from siaga112.core.changes import CallChange
from siaga112.core.fold import subject, take
from siaga112.core.model import Entry, FactKind, Millis, Reached
from siaga112.core.record import Block, Proposal
from siaga112.core.rules import InForce
from siaga112.service.patience import Patience
from siaga112.service.ports import Meter, Outbox, Recording, StoreBrokenError, StoreDownError

RETRY_SECONDS: Final = 1.0
"""The delay before the recorder tries again."""

BATCH: Final = 100
"""How many calls are read from the outbox and written at once."""

HELD_UP: Final = 100
"""After this many failures in one pass, the recorder starts again, because the store itself may be broken."""

TOLD: Final = 10
"""Calls logged in one turn of the loop: a log line takes some 12 µs."""

OutboxItem = Entry | Reached

WAITS: Final = StoreBrokenError("an earlier call of the same caller could not be written")
"""The error of an item that was not tried, to keep the order."""

_log = structlog.get_logger()


@dataclass(slots=True)
class Recorder:
    """Moves ended calls from the outbox to the records."""

    outbox: Outbox
    records: Recording
    rules: InForce
    meter: Meter
    clock: Callable[[], Millis] | None = None
    """Our own clock; None in a replay."""
    patience: Patience = field(default_factory=lambda: Patience(time.monotonic))

    async def run(self) -> None:
        """Record for ever. Try again while the database is down or rejects something."""
        while True:
            try:
                done = await self._go_through()
            except StoreDownError as error:
                _log.warning("store_down", detail=str(error), kept="in the outbox")
                done = False
            except OSError as error:
                _log.error("outbox_failed", detail=str(error), remedy="free space in state_dir")
                done = False
            except StoreBrokenError as error:  # the store as a whole, not one caller's record
                _log.error("store_broken", detail=str(error), kept="in the outbox")
                done = False
            if done:
                await self.outbox.wait(RETRY_SECONDS)
            else:
                await asyncio.sleep(RETRY_SECONDS)

    async def _go_through(self) -> bool:
        """Record all waiting items, oldest first; return whether all were written."""
        held_up: set[str] = set()
        after = failures = 0
        while failures < HELD_UP and (batch := await self.outbox.oldest(BATCH, after)):
            after = batch[-1][0]
            held_up |= {whose(item) for key, item in batch if not self.patience.due(key)}
            waiting = [(key, item) for key, item in batch if whose(item) not in held_up]
            errors = await self.record([item for _, item in waiting])
            tried = [(key, error) for (key, _), error in zip(waiting, errors, strict=True)]
            if done := [key for key, error in tried if error is None]:
                await self.outbox.drop(done)
                self.patience.written(done)
            failed = {key: error for key, error in tried if error and error is not WAITS}
            failures += len(failed)
            held_up |= {whose(item) for (_, item), error in zip(waiting, errors, strict=True) if error}
            aside = {key: str(error) for key, error in failed.items() if self.patience.failed(key, error)}
            if aside:
                await self.outbox.set_aside(aside)
        return not held_up

    async def record(self, items: Sequence[OutboxItem]) -> Sequence[Exception | None]:
        """Write items in this order; return the error of each, None for a written one.

        Raises:
            StoreDownError: if the database went down. Some items may already be written.

        """
        if not items:
            return []
        try:
            taken = await self._take(items)
        except StoreDownError:
            raise
        except Exception as error:  # noqa: BLE001 - one bad item must not cost the others
            if len(items) == 1:
                return [_refused(items[0], error)]
        else:
            for nth, one in enumerate(taken, 1):
                self._tell(one)
                if nth % TOLD == 0:
                    await asyncio.sleep(0)  # verdicts come first
            return [None] * len(taken)
        half = len(items) // 2
        errors = [*await self.record(items[:half])]
        held_up = {whose(item) for item, error in zip(items, errors, strict=False) if error}
        later = iter(await self.record([item for item in items[half:] if whose(item) not in held_up]))
        return [*errors, *(WAITS if whose(item) in held_up else next(later) for item in items[half:])]

    async def _take(self, items: Sequence[OutboxItem]) -> Sequence[CallChange]:
        rules, now = self.rules.now.policy, self.clock() if self.clock else None
        return await self.records.transaction(
            [subject(item) for item in items], lambda work: [take(work, item, rules, now) for item in items]
        )

    def _tell(self, taken: CallChange) -> None:
        if taken.entry is None:
            return
        if isinstance(taken.imposed, Proposal):
            self.meter.proposal(taken.imposed.cause)
        _tell(taken.entry, taken.imposed)


def _refused(item: OutboxItem, error: Exception) -> Exception:
    if isinstance(error, StoreBrokenError):
        _log.error("record_rejected", detail=str(error), kept="in the outbox")
    else:
        name = type(item).__name__
        _log.error("record_failed", item=name, detail=str(error), kept="in the outbox", exc_info=error)
    return error


def whose(item: OutboxItem) -> str:
    """Return the key within which the order is kept: the caller, or the call if there is no caller."""
    caller, call = subject(item)
    return caller or call or ""


def _tell(entry: Entry, imposed: Block | Proposal | None) -> None:
    finding = entry.finding
    screened = finding.call.last(FactKind.SCREENED)
    _log.info(
        "call",
        call=finding.call.id,
        caller=masked(finding.call.caller or "") or None,
        outcome=finding.outcome,
        reason=finding.reason,
        mark=finding.mark,
        screened=screened.detail if screened else None,
        strike=entry.strike,
        spared=entry.spared,
        block=imposed.level if isinstance(imposed, Block) else None,
        proposed=imposed.cause if isinstance(imposed, Proposal) else None,
    )
