"""What people decide, and what they ask: the supervisor's desk. Each method is one command."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from siaga112.core import policy
from siaga112.core.model import (
    Allow,
    Block,
    Caller,
    CallerRecord,
    CallId,
    Entry,
    Level,
    Lift,
    Mark,
    Millis,
    Mode,
    Origin,
    Outcome,
    Screening,
)
from siaga112.core.policy import PolicyRules
from siaga112.service.pipeline import update
from siaga112.service.ports import Store


class RefusedError(Exception):
    """What was asked cannot be done; one line that says why and what can."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Acts on the store in the name of `by`, at the time that `clock` gives."""

    store: Store
    rules: PolicyRules
    configured_mode: Mode
    clock: Callable[[], Millis]
    by: str

    async def mode(self) -> Mode:
        """Give the mode in force at the site."""
        return await self.store.mode() or self.configured_mode

    async def set_mode(self, mode: Mode) -> None:
        """Switch the whole site; daemons follow within a second."""
        await self.store.set_mode(mode)

    async def block(self, caller: Caller, span: Millis | None, reason: str) -> Block:
        """Block a caller for a span, or for good (None)."""
        now = self.clock()
        block = Block(
            level=Level.PERMANENT if span is None else Level.TEMPORARY,
            since=now,
            until=None if span is None else now + span,
            origin=Origin.MANUAL,
            reason=reason,
            by=self.by,
        )
        _, record = await self._change(caller, lambda held: policy.impose(held, block))
        if record.allow:
            raise RefusedError(f"{caller} is now blocked, but stays on the allow list, which comes first")
        return block

    async def unblock(self, caller: Caller, reason: str) -> Block:
        """Lift the block in force; strikes before this are forgiven."""
        now = self.clock()
        before, _ = await self._change(caller, lambda held: policy.lift(held, Lift(now, self.by, reason)))
        lifted = before.block_at(now)
        if lifted is None:
            raise RefusedError(f"{caller} is not blocked")
        return lifted

    async def allow(self, caller: Caller, reason: str) -> None:
        """Put a caller on the allow list."""
        entry = Allow(self.clock(), self.by, reason)
        await self._change(caller, lambda held: policy.allow(held, entry))

    async def disallow(self, caller: Caller) -> None:
        """Take a caller off the allow list."""
        before, _ = await self._change(caller, policy.disallow)
        if before.allow is None:
            raise RefusedError(f"{caller} is not on the allow list")

    async def mark(self, call: CallId, mark: Mark) -> Entry:
        """Set the operator's mark afterwards; a correction takes the strike and its blocks back."""
        entry = await self.store.entry(call)
        if entry is None:
            raise RefusedError(f'no call "{call}" in the ledger (list them with: siaga112 calls)')
        if entry.finding.outcome is not Outcome.ANSWERED:
            raise RefusedError(
                f"call {call} was {entry.finding.outcome}; only an answered call can be marked"
            )
        finding = replace(entry.finding, mark=mark)
        strike = policy.strike_for(finding, self.rules) if await self.mode() is not Mode.OFF else None
        caller = finding.call.caller
        struck = False
        if caller and strike:
            _, after = await self._change(
                caller, lambda held: policy.restore_strike(held, strike, self.rules)
            )
            struck = strike in after.strikes
        elif caller and entry.strike:
            taken_back = Lift(self.clock(), self.by, f"call {call} was marked {mark}", forgives=False)
            await self._change(caller, lambda held: policy.take_back_strike(held, call, taken_back))
        marked = Entry(finding, struck)
        await self.store.put_entry(marked)
        return marked

    async def record(self, caller: Caller) -> CallerRecord:
        """Give all that is held on a caller."""
        return (await self.store.load(caller))[0]

    async def verdict(self, caller: Caller) -> Screening:
        """Give the verdict that the caller would get now."""
        return policy.verdict(await self.store.standing(caller), await self.mode(), self.clock(), self.rules)

    async def _change(
        self, caller: Caller, change: Callable[[CallerRecord], CallerRecord]
    ) -> tuple[CallerRecord, CallerRecord]:
        return await update(self.store, caller, change, self.clock(), self.rules)
