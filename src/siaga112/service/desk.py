"""What people decide, and what they ask: the supervisor's desk. Each method is one command.

Whatever changes something leaves a line in the audit trail: who, when, what and why.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from siaga112.core import books, decisions, policy
from siaga112.core.books import Change
from siaga112.core.model import (
    Allow,
    Block,
    Caller,
    CallerRecord,
    CallId,
    Deed,
    Entry,
    Level,
    Lift,
    Mark,
    Millis,
    Mode,
    Origin,
    Outcome,
    Report,
    Screening,
)
from siaga112.core.policy import PolicyRules
from siaga112.service.ports import Store
from siaga112.service.recording import update, write

SITE = "site"
"""The subject of a deed that concerns everybody."""


OFF_NEEDS_A_REASON = (
    "mode off needs a reason, for whoever finds the line without screening: "
    'siaga112 mode off --reason "what happened"'
)


class RefusedError(Exception):
    """What was asked cannot be done; one line that says why and what can."""


@dataclass(frozen=True, slots=True)
class Held:
    """All that is held on a caller: the record, the ledger's rows, the audit trail's lines."""

    record: CallerRecord
    entries: Sequence[Entry]
    deeds: Sequence[Deed]
    switch: Deed | None = None
    """Who switched the site to the mode that is in force, if anybody did."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Acts on the store in the name of `by`, at the time that `clock` gives."""

    store: Store
    rules: PolicyRules
    configured_mode: Mode
    clock: Callable[[], Millis]
    by: str

    # ── the site ─────────────────────────────────────────────────────────────────────────────────

    async def mode(self) -> Mode:
        """Give the mode in force at the site."""
        return await self.store.mode() or self.configured_mode

    async def set_mode(self, mode: Mode, reason: str = "") -> None:
        """Switch the whole site; daemons follow within a second. Off needs a reason."""
        if mode is Mode.OFF and not reason.strip():
            raise RefusedError(OFF_NEEDS_A_REASON)
        was = await self.mode()
        await self.store.set_mode(mode)
        await self._write("mode", SITE, f"{was} → {mode}", reason)

    async def audit(self, since: Millis, until: Millis) -> Sequence[Deed]:
        """Give what people did in that time, oldest first."""
        return await self.store.deeds(since, until)

    # ── the lists ────────────────────────────────────────────────────────────────────────────────

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
        deed = self._deed("block", caller, block.level, reason)
        _, record = await self._change(
            caller,
            lambda held: decisions.impose(held, block),
            lambda _before, _after: Change(deed=deed, tallies=(books.imposed(block),)),
        )
        if record.allow:
            raise RefusedError(f"{caller} is now blocked, but stays on the allow list, which comes first")
        return block

    async def unblock(self, caller: Caller, reason: str, *, mistake: bool = False) -> Block:
        """Lift the block in force, as a mistake if it was one; strikes before this are forgiven."""
        lifting = Lift(self.clock(), self.by, reason, mistake=mistake)

        def told(before: CallerRecord, _: CallerRecord) -> Change:
            lifted = before.block_at(lifting.at)
            if lifted is None:
                raise RefusedError(f"{caller} is not blocked")
            level = f"{lifted.level}, a mistake" if mistake else lifted.level
            return Change(deed=self._deed("unblock", caller, level, reason))

        try:
            before, _ = await self._change(caller, lambda held: decisions.lift(held, lifting), told)
        except RefusedError:
            await self._strike_off(caller)
            raise
        lifted = before.block_at(lifting.at)
        assert lifted is not None, "else refused"  # noqa: S101 - our own mistake otherwise
        return lifted

    async def _strike_off(self, caller: Caller) -> None:
        """End what lists and replicas still say of a caller whose record somebody has deleted by hand."""
        record, version = await self.store.load(caller)
        if not version:
            await write(self.store, Change(books.replacement(record, version, self.clock(), self.rules)))

    async def allow(self, caller: Caller, reason: str) -> None:
        """Put a caller on the allow list."""
        entry, deed = Allow(self.clock(), self.by, reason), self._deed("allow", caller, "", reason)
        await self._change(
            caller, lambda held: decisions.allow(held, entry), lambda _before, _after: Change(deed=deed)
        )

    async def disallow(self, caller: Caller) -> None:
        """Take a caller off the allow list."""

        def told(before: CallerRecord, _: CallerRecord) -> Change:
            if before.allow is None:
                raise RefusedError(f"{caller} is not on the allow list")
            return Change(deed=self._deed("disallow", caller))

        await self._change(caller, decisions.disallow, told)

    async def confirm(self, caller: Caller, reason: str) -> Block:
        """Impose the block that was proposed."""
        decision = Lift(self.clock(), self.by, reason)

        def told(before: CallerRecord, after: CallerRecord) -> Change:
            self._require_proposal(before)
            block = after.blocks[-1]
            return Change(
                deed=self._deed("confirm", caller, block.level, reason), tallies=(books.imposed(block),)
            )

        _, after = await self._change(caller, lambda held: decisions.confirm(held, decision), told)
        return after.blocks[-1]

    async def dismiss(self, caller: Caller, reason: str) -> None:
        """Say no to the block that was proposed; misuses before this are forgiven."""
        decision = Lift(self.clock(), self.by, reason)

        def told(before: CallerRecord, _: CallerRecord) -> Change:
            self._require_proposal(before)
            return Change(deed=self._deed("dismiss", caller, "", reason))

        await self._change(caller, lambda held: decisions.dismiss(held, decision), told)

    @staticmethod
    def _require_proposal(record: CallerRecord) -> None:
        if record.proposed is None:
            raise RefusedError(f"no block is proposed for {record.caller} (see: siaga112 blocks --proposed)")

    async def called_back(self, caller: Caller, reason: str) -> int:
        """Take a caller off the call-back list; say how many calls that were."""

        def told(before: CallerRecord, _: CallerRecord) -> Change:
            if not before.missed:
                raise RefusedError(f"{caller} does not wait for a call-back")
            return Change(deed=self._deed("called back", caller, f"{len(before.missed)} calls", reason))

        before, _ = await self._change(caller, lambda held: decisions.reach(held, self.clock()), told)
        return len(before.missed)

    # ── marks ────────────────────────────────────────────────────────────────────────────────────

    async def last_answered(self, caller: Caller) -> CallId:
        """Give the last call of a caller that an operator answered."""
        for call in reversed(await self.store.calls_of(caller)):
            entry = await self.store.entry(call)
            if entry and entry.finding.outcome is Outcome.ANSWERED:
                return call
        raise RefusedError(f"no answered call of {caller} in the ledger")

    async def mark(self, call: CallId, mark: Mark, note: str = "") -> Entry:
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
        was = entry.finding.mark
        deed = self._deed("mark", call, f"{was} → {mark}" if was else mark, note)
        change = Change(entry=Entry(finding, strike=False), deed=deed, tallies=(f"marks:{mark}",))
        caller = finding.call.caller
        if caller is None:
            await write(self.store, change)
            return Entry(finding, strike=False)
        taken = Lift(self.clock(), self.by, f"call {call} was marked {mark}", forgives=False, mistake=True)

        def marked(record: CallerRecord) -> CallerRecord:
            if mark is Mark.GENUINE:
                record = decisions.add_report(record, Report(call, finding.call.ended))
            else:
                record = decisions.withdraw_report(record, call)
            if strike:
                return decisions.restore_strike(record, strike, self.rules)
            if any(held.call == call for held in record.strikes):
                record = decisions.take_back_strike(record, call, taken)
            return record

        def row(after: CallerRecord) -> Entry:
            return Entry(finding, strike=any(held.call == call for held in after.strikes))

        def told(before: CallerRecord, after: CallerRecord) -> Change:
            counted = (*change.tallies, *books.tallies(before, after, finding))
            return replace(change, entry=row(after), tallies=counted)

        _, after = await self._change(caller, marked, told)
        return row(after)

    # ── what is held ─────────────────────────────────────────────────────────────────────────────

    async def record(self, caller: Caller) -> CallerRecord:
        """Give the caller's record."""
        return (await self.store.load(caller))[0]

    async def verdict(self, caller: Caller) -> Screening:
        """Give the verdict that the caller would get now."""
        return policy.verdict(await self.store.standing(caller), await self.mode(), self.clock(), self.rules)

    async def held(self, caller: Caller) -> Held:
        """Give all that is held on a caller."""
        calls = await self.store.calls_of(caller)
        entries = [entry for call in calls if (entry := await self.store.entry(call))]
        deeds = await self.store.deeds(0, self.clock() + 1)
        mine = [deed for deed in deeds if deed.subject == caller or deed.subject in calls]
        switches = [deed for deed in deeds if deed.action == "mode" and deed.subject == SITE]
        return Held(await self.record(caller), entries, mine, switches[-1] if switches else None)

    async def subject(self, caller: Caller) -> Held:
        """Give all that is held on a caller, and note that somebody has looked."""
        held = await self.held(caller)
        await self._write("subject", caller)
        return held

    async def forget(self, caller: Caller, reason: str) -> Held:
        """Erase all that is held on a caller; give what it was.

        The ledger's rows stay without the caller, so that the figures of the past still add up; the
        audit trail keeps only that somebody was forgotten.
        """
        held = await self.held(caller)
        for entry in held.entries:
            call = replace(entry.finding.call, caller=None, raw_caller="", identified=False)
            finding = replace(entry.finding, call=call)
            await write(self.store, Change(entry=replace(entry, finding=finding)))
        await self.store.erase(caller)
        await self.store.erase_deeds(caller)
        await self._write("forget", "a caller", f"{len(held.entries)} calls", reason)
        return held

    async def _change(
        self,
        caller: Caller,
        change: Callable[[CallerRecord], CallerRecord],
        also: Callable[[CallerRecord, CallerRecord], Change],
    ) -> tuple[CallerRecord, CallerRecord]:
        return await update(self.store, caller, change, self.clock(), self.rules, also=also)

    def _deed(self, action: str, subject: str, detail: str = "", reason: str = "") -> Deed:
        return Deed(self.clock(), self.by, action, subject, detail, reason)

    async def _write(self, action: str, subject: str, detail: str = "", reason: str = "") -> None:
        await write(self.store, Change(deed=self._deed(action, subject, detail, reason)))
