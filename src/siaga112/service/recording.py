"""From the outbox to the store: every ended call once, however often it takes.

What a call changes is written together or not at all (`core.changes`), and the same call again changes
nothing more: a crash between the store and the outbox is healed by doing it again. Many callers are
written in one trip. Order holds per caller: one whose record cannot be written waits, and only that
caller's later calls with it. What can never be written is set aside (`patience`): nothing that stands in
the outbox or in the store ends the recording of everything else.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import structlog

from siaga112.core.caller_id import masked
from siaga112.core.changes import CallChange, Stored, change_of_call
from siaga112.core.model import Caller, CallId, Entry, FactKind, Millis, Reached
from siaga112.core.record import Block, Proposal
from siaga112.core.rules import InForce
from siaga112.service.patience import Patience
from siaga112.service.ports import (
    Meter,
    Outbox,
    Store,
    StoreBrokenError,
    StoreDownError,
    Written,
)

RETRY_SECONDS: Final = 1.0
"""How often the recorder tries a store that does not answer."""

BATCH: Final = 100
"""How many calls are read from the outbox at once."""

TOGETHER: Final = 16
"""How many are written in one trip: some 4 ms of work, in which no verdict of this process is given."""

HELD_UP: Final = 100
"""After so many callers whose records cannot be written, in one go, we begin again: it may be the store."""

OutboxItem = Entry | Reached

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")

_log = structlog.get_logger()


@dataclass(slots=True)
class Recorder:
    """Brings what ended from the outbox to the store."""

    outbox: Outbox
    store: Store
    rules: InForce
    meter: Meter
    clock: Callable[[], Millis] | None = None
    """Our own, where there is one: a replay has none."""
    patience: Patience = field(default_factory=lambda: Patience(time.monotonic))

    async def run(self) -> None:
        """Work for ever, trying again while the store is away or will not take something."""
        while True:
            try:
                done = await self._go_through()
            except StoreDownError as error:
                self.meter.store_up(up=False)
                _log.warning("store_down", detail=str(error), kept="in the outbox")
                done = False
            except OSError as error:
                _log.error("outbox_failed", detail=str(error), remedy="free space in state_dir")
                done = False
            except StoreBrokenError as error:  # all of it, so that it is nobody's record
                _log.error("store_broken", detail=str(error), kept="in the outbox")
                done = False
            if done:
                await self.outbox.wait(RETRY_SECONDS)
            else:
                await asyncio.sleep(RETRY_SECONDS)

    async def _go_through(self) -> bool:
        """Record what waits, oldest first; say whether all of it could be."""
        held_up: set[str] = set()
        after = failures = 0
        while failures < HELD_UP and (batch := await self.outbox.oldest(BATCH, after)):
            after = batch[-1][0]
            held_up |= {whose(item) for key, item in batch if not self.patience.due(key)}
            waiting = [(key, item) for key, item in batch if whose(item) not in held_up]
            while waiting:
                now, waiting = _one_each(waiting)
                errors = await self.record([item for _, item in now])
                tried = {key: error for (key, _), error in zip(now, errors, strict=True)}
                if done := [key for key, error in tried.items() if not error]:
                    self.meter.store_up(up=True)
                    await self.outbox.drop(done)
                    self.patience.written(done)
                failed = {key: error for key, error in tried.items() if error}
                failures += len(failed)
                held_up |= {whose(item) for key, item in now if key in failed}
                aside = {key: str(error) for key, error in failed.items() if self.patience.failed(key, error)}
                if aside:
                    await self.outbox.set_aside(aside)
                waiting = [(key, item) for key, item in waiting if whose(item) not in held_up]
        return not held_up

    async def record(self, items: Sequence[OutboxItem]) -> Sequence[Exception | None]:
        """Write what ended, of one caller one at most; give for each why it could not be, or None.

        Raises:
            StoreDownError: if the store went meanwhile; what was written is written.

        """
        errors: list[Exception | None] = [None] * len(items)
        capped: set[int] = set()
        left = list(range(len(items)))
        while left:
            planned: dict[int, CallChange] = {}
            found = await _each(self.store.held, [_subject(items[n]) for n in left])
            for n, held in zip(left, found, strict=True):
                try:
                    planned[n] = self._plan(items[n], held, capped=n in capped)
                except Exception as error:  # noqa: BLE001 - nothing that ended well may be lost
                    errors[n] = _refused(items[n], error)
            answers = await _each(self.store.write, [plan.change for plan in planned.values()])
            left = []
            for (n, plan), answer in zip(planned.items(), answers, strict=True):
                match answer:
                    case Written.DONE:
                        self._tell(plan)
                    case Written.MOVED:
                        left.append(n)
                    case Written.CAPPED:
                        capped.add(n)
                        left.append(n)
                    case _:
                        errors[n] = _refused(items[n], answer)
        return errors

    def _plan(self, item: OutboxItem, held: Stored | Exception, *, capped: bool) -> CallChange:
        if isinstance(held, Exception):
            raise held
        now = self.clock() if self.clock else None
        return change_of_call(item, held, self.rules.now.policy, capped=capped, now=now)

    def _tell(self, plan: CallChange) -> None:
        if plan.entry is None:
            return
        if plan.misused:
            self.meter.misused(plan.entry)
        if isinstance(plan.imposed, Proposal):
            self.meter.proposal(plan.imposed.cause)
        _tell(plan.entry, plan.imposed)


async def _each(
    do: Callable[[Sequence[_Asked]], Awaitable[Sequence[_Answer | StoreBrokenError]]],
    asked: Sequence[_Asked],
) -> Sequence[_Answer | Exception]:
    """Do all at once; if that fails, one by one, so that each fails alone."""
    try:
        return await do(asked)
    except StoreDownError:
        raise
    except Exception as error:  # noqa: BLE001 - as `_refused`: nothing that ended well may be lost
        if len(asked) == 1:
            return [error]
        return [answer for one in asked for answer in await _each(do, [one])]


def _refused(item: OutboxItem, error: Exception) -> Exception:
    if isinstance(error, StoreBrokenError):
        _log.error("record_refused", detail=str(error), kept="in the outbox")
    else:
        name = type(item).__name__
        _log.error("record_failed", item=name, detail=str(error), kept="in the outbox", exc_info=error)
    return error


def _subject(item: OutboxItem) -> tuple[Caller | None, CallId | None]:
    if isinstance(item, Reached):
        return item.caller, None
    call = item.finding.call
    return call.caller, call.id


def whose(item: OutboxItem) -> str:
    """Say within what the order holds: the caller, or where there is none the call itself."""
    caller, call = _subject(item)
    return caller or call or ""


_Keyed = tuple[int, OutboxItem]


def _one_each(waiting: Iterable[_Keyed]) -> tuple[list[_Keyed], list[_Keyed]]:
    """Part what waits into the first of each caller, as many as go together, and the rest."""
    seen: set[str] = set()
    first: list[_Keyed] = []
    rest: list[_Keyed] = []
    for one in waiting:
        (rest if whose(one[1]) in seen or len(first) == TOGETHER else first).append(one)
        seen.add(whose(one[1]))
    return first, rest


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
