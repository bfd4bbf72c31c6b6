"""The event flow: events → tracker → classifier → outbox, and from the outbox → store.

`Pipeline` never waits for the store: an ended call is on local disk before anything else happens to
it. `Recorder` brings it from there to the store as often as it takes, which is once (every write is
idempotent by call id).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from siaga112.core.caller_id import masked
from siaga112.core.calls import Tracker
from siaga112.core.events import Event, Interrupted
from siaga112.core.model import Block, Call, Caller, CallerRecord, Entry, FactKind, Millis, Mode
from siaga112.core.outcome import ClassifierRules, classify
from siaga112.core.policy import PolicyRules, add_strike, forget_after, standing, strike_for
from siaga112.service.ports import EventSource, Meter, Outbox, Store, StoreDownError

RETRY_SECONDS: Final = 1.0
"""How often the recorder tries a store that does not answer."""

BATCH: Final = 100

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Follows the PBX and settles each call."""

    tracker: Tracker
    classifier: ClassifierRules
    policy: PolicyRules
    outbox: Outbox
    meter: Meter
    mode: Callable[[], Mode]
    look_back: Callable[[Millis], None] = lambda _: None
    """Told since when calls were not seen whole, so that they may be settled from elsewhere."""

    async def run(self, source: EventSource) -> None:
        """Follow the source for ever."""
        async for events in source.slices():
            entries = [self._settle(call) for event in events for call in self._feed(event)]
            for event in events:
                if isinstance(event, Interrupted):
                    self.look_back(event.at)
            self.meter.in_progress(dict(self.tracker.stages()))
            if entries:
                await self._keep(entries)

    def _feed(self, event: Event) -> tuple[Call, ...]:
        try:
            return self.tracker.feed(event)
        except Exception:  # noqa: BLE001 - one odd event must not end the following of all calls
            _log.exception("event_failed", event_type=type(event).__name__)
            return ()

    def _settle(self, call: Call) -> Entry:
        finding = classify(call, self.classifier)
        strike = self.mode() is not Mode.OFF and strike_for(finding, self.policy) is not None
        entry = Entry(finding, strike)
        self.meter.call_ended(entry)
        if not call.complete:
            self.look_back(call.started)
        return entry

    async def _keep(self, entries: list[Entry]) -> None:
        try:
            await self.outbox.append(entries)
        except OSError as error:
            _log.error(
                "outbox_failed", lost=len(entries), detail=str(error), remedy="free space in state_dir"
            )


@dataclass(frozen=True, slots=True)
class Recorder:
    """Brings settled calls from the outbox to the store."""

    outbox: Outbox
    store: Store
    policy: PolicyRules
    meter: Meter

    async def run(self) -> None:
        """Work for ever, in order, trying again while the store is away."""
        while True:
            try:
                await self._empty()
            except OSError as error:
                _log.error("outbox_failed", detail=str(error), remedy="free space in state_dir")
                await asyncio.sleep(RETRY_SECONDS)
            else:
                await self.outbox.wait(RETRY_SECONDS)

    async def _empty(self) -> None:
        while batch := await self.outbox.oldest(BATCH):
            for key, entry in batch:
                await self._until_recorded(entry)
                await self.outbox.drop([key])

    async def _until_recorded(self, entry: Entry) -> None:
        while True:
            try:
                await self.record(entry)
            except StoreDownError as error:
                self.meter.store_up(up=False)
                _log.warning("store_down", detail=str(error), kept="in the outbox")
            except Exception as error:  # noqa: BLE001 - nothing that ended well may be lost
                _log.exception("record_failed", call=entry.finding.call.id, detail=str(error))
            else:
                self.meter.store_up(up=True)
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def record(self, entry: Entry) -> None:
        """Write one settled call: the strike and its block first, the ledger row last."""
        finding = entry.finding
        caller = finding.call.caller
        imposed = None
        if entry.strike and caller and (strike := strike_for(finding, self.policy)):
            before, after = await update(
                self.store,
                caller,
                lambda record: add_strike(record, strike, self.policy),
                strike.at,
                self.policy,
            )
            entry = replace(entry, strike=strike in after.strikes)
            if after != before:
                imposed = _new_block(before, after)
                self.meter.struck(entry, imposed)
        held = await self.store.entry(finding.call.id)
        if held is None or held.finding.mark in {None, finding.mark}:
            await self.store.put_entry(entry)  # else we come again after a crash, and a person came between
        _tell(entry, imposed)


def _new_block(before: CallerRecord, after: CallerRecord) -> Block | None:
    return after.blocks[-1] if len(after.blocks) > len(before.blocks) else None


def _tell(entry: Entry, imposed: Block | None) -> None:
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
        block=imposed.level if imposed else None,
    )


async def update(
    store: Store,
    caller: Caller,
    change: Callable[[CallerRecord], CallerRecord],
    now: Millis,
    rules: PolicyRules,
) -> tuple[CallerRecord, CallerRecord]:
    """Change a caller's record, whoever else is changing it too; give it before and after.

    Optimistic: read, decide in pure code, replace if nobody came between, else again. The lists are
    brought into line even if nothing changed, so that a crash between the two writes heals; and again
    if somebody came between, so that the last to write them knows the last record.
    """
    while True:
        before, version = await store.load(caller)
        after = change(before)
        if after == before:
            break
        if await store.save(after, standing(after, now, rules), version, forget_after(after, rules)):
            version += 1
            break
    listed = after
    while True:
        await store.index(listed, standing(listed, now, rules))
        listed, current = await store.load(caller)
        if current == version:
            return before, after
        version = current
