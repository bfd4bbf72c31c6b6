"""From the outbox to the store: every settled call once, however often it takes.

Each write is idempotent by call id, so a crash between two of them is healed by doing it again. Order
holds per caller: one whose record cannot be written waits, and only that caller's later calls with it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import structlog

from siaga112.core.caller_id import masked
from siaga112.core.decisions import add_report, miss, reach
from siaga112.core.model import (
    Block,
    Caller,
    CallerRecord,
    Deed,
    Entry,
    FactKind,
    Finding,
    Mark,
    Millis,
    Missed,
    Outcome,
    Proposal,
    Reached,
    Report,
    Spared,
)
from siaga112.core.policy import PolicyRules, add_strike, forget_after, prune, standing, strike_for
from siaga112.service.ports import Meter, Outbox, Store, StoreBrokenError, StoreDownError

RETRY_SECONDS: Final = 1.0
"""How often the recorder tries a store that does not answer."""

BATCH: Final = 100

HELD_UP: Final = 100
"""With so many callers whose records cannot be written, it is the store, not the records: we begin again."""

OPERATOR: Final = "operator"
"""Who pressed a key during the call, for the audit trail: the PBX does not say which one."""

_log = structlog.get_logger()


@dataclass(slots=True)
class Recorder:
    """Brings what was settled from the outbox to the store."""

    outbox: Outbox
    store: Store
    policy: PolicyRules
    meter: Meter

    async def run(self) -> None:
        """Work for ever, trying again while the store is away or will not take something."""
        while True:
            try:
                done = await self._go_through()
            except OSError as error:
                _log.error("outbox_failed", detail=str(error), remedy="free space in state_dir")
                done = False
            if done:
                await self.outbox.wait(RETRY_SECONDS)
            else:
                await asyncio.sleep(RETRY_SECONDS)

    async def _go_through(self) -> bool:
        """Record what waits, oldest first; say whether all of it could be."""
        held_up: set[str] = set()
        after = 0
        while len(held_up) < HELD_UP and (batch := await self.outbox.oldest(BATCH, after)):
            for key, settled in batch:
                after, whose = key, _whose(settled)
                if whose in held_up:
                    continue
                try:
                    await self.record(settled)
                except StoreDownError as error:
                    self.meter.store_up(up=False)
                    _log.warning("store_down", detail=str(error), kept="in the outbox")
                    return False
                except StoreBrokenError as error:
                    held_up.add(whose)
                    _log.error("record_refused", detail=str(error), kept="in the outbox")
                except Exception as error:  # noqa: BLE001 - nothing that ended well may be lost
                    held_up.add(whose)
                    _log.exception("record_failed", settled=repr(type(settled).__name__), detail=str(error))
                else:
                    self.meter.store_up(up=True)
                    await self.outbox.drop([key])
        return not held_up

    async def record(self, settled: Entry | Reached) -> None:
        """Write one settled call: the caller's record first, the ledger row last."""
        if isinstance(settled, Reached):
            at = settled.at
            await update(self.store, settled.caller, lambda record: reach(record, at), at, self.policy)
            return
        entry, finding = settled, settled.finding
        imposed: Block | Proposal | None = None
        if finding.call.caller:
            entry, imposed = await self._hold(entry, finding.call.caller)
        held = await self.store.entry(finding.call.id)
        if finding.mark and (held is None or held.finding.mark is None):
            await self._marked(finding, finding.mark)
        if held is None or _replaces(finding, held.finding):
            await self.store.put_entry(entry)
        _tell(entry, imposed)

    async def _hold(self, entry: Entry, caller: Caller) -> tuple[Entry, Block | Proposal | None]:
        """Change the caller's record by what the call means for it."""
        finding, at = entry.finding, entry.finding.call.ended
        strike = strike_for(finding, self.policy) if entry.strike else None

        def change(record: CallerRecord, *, capped: bool) -> CallerRecord:
            if strike:
                record = add_strike(record, strike, self.policy, capped=capped)
            return _remember(record, finding)

        capped = False
        if strike and self.policy.cap:
            before, _ = await self.store.load(caller)
            if _new(before.blocks, change(before, capped=False).blocks):
                capped = not await self.store.reserve_block(strike.call, strike.at, self.policy.cap)
        before, after = await update(
            self.store, caller, lambda record: change(record, capped=capped), at, self.policy
        )
        if strike and strike not in after.strikes:
            entry = replace(entry, strike=False, spared=Spared.ALLOW_LISTED if after.allow else None)
        return entry, await self._count(entry, before, after)

    async def _count(
        self, entry: Entry, before: CallerRecord, after: CallerRecord
    ) -> Block | Proposal | None:
        block = _new(before.blocks, after.blocks)
        proposal = _new(before.proposals, after.proposals)
        if len(after.strikes) > len(before.strikes):
            await self.store.tally(f"strikes:{entry.finding.outcome}")
            self.meter.misused(entry)
        if block:
            await self.store.tally(f"blocks:{block.level}:{block.origin}")
        if proposal:
            self.meter.proposal(proposal.cause)
        if len(after.reports) > len(before.reports) and blocked_before(after, entry.finding.call.started):
            await self.store.tally("blocked_then_genuine")
        return block or proposal

    async def _marked(self, finding: Finding, mark: Mark) -> None:
        pressed = finding.call.last(FactKind.MARKED)
        deed = Deed(
            pressed.at if pressed else finding.call.ended,
            OPERATOR,
            "mark",
            finding.call.id,
            mark,
            "key during the call",
        )
        if await self.store.write_deed(deed):
            await self.store.tally(f"marks:{mark}")


def _whose(settled: Entry | Reached) -> str:
    """Say within what the order holds: the caller, or where there is none the call itself."""
    if isinstance(settled, Reached):
        return settled.caller
    return settled.finding.call.caller or settled.finding.call.id


def _replaces(new: Finding, held: Finding) -> bool:
    """Say whether a row of the ledger gives way to another of the same call.

    Not to one that knows less: another daemon may have seen all of the call, this one a part of it. And
    not where a person has marked it since: then we only come again after a crash.
    """
    if new.outcome is Outcome.UNKNOWN and held.outcome is not Outcome.UNKNOWN:
        return False
    return held.mark in {None, new.mark}


def _remember(record: CallerRecord, finding: Finding) -> CallerRecord:
    """Keep what is no misuse: who waits for a call-back, who was spoken with, who reported in earnest."""
    call = finding.call
    match finding.outcome:
        case Outcome.ABANDONED:
            wait = call.ended - call.started if finding.stages.wait is None else finding.stages.wait
            record = miss(record, Missed(call.id, call.ended, wait))
        case Outcome.ANSWERED:
            record = reach(record, call.ended)
        case _:
            pass
    return add_report(record, Report(call.id, call.ended)) if finding.mark is Mark.GENUINE else record


def blocked_before(record: CallerRecord, at: Millis) -> bool:
    """Say whether the ladder had blocked the caller before that instant."""
    return any(block.step and block.since < at for block in record.blocks)


_Held = TypeVar("_Held", Block, Proposal)


def _new(before: tuple[_Held, ...], after: tuple[_Held, ...]) -> _Held | None:
    return next((held for held in reversed(after) if held not in before), None)


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
    if somebody came between, so that the last to write them knows the last record. What is older than
    may be kept goes on the way.
    """
    while True:
        before, version = await store.load(caller)
        after = prune(change(before), now, rules)
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
