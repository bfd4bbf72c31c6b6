"""The decisions and queries of supervisors. Each method is one command.

Every change writes an audit line: who, when, what and why.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Final

from siaga112.core import changes, decisions, durations, policy
from siaga112.core import standing as verdicts
from siaga112.core.changes import Change
from siaga112.core.mode import Switch, in_force, later
from siaga112.core.model import (
    SECOND,
    AuditEntry,
    Caller,
    CallId,
    Entry,
    Level,
    Mark,
    Millis,
    Mode,
    Origin,
    Outcome,
    Via,
)
from siaga112.core.record import AllowEntry, Appeal, Attempt, Block, CallerRecord, Hold, Lift, Proposal
from siaga112.core.regulation import PolicyRules
from siaga112.core.screening import Screening
from siaga112.errors import SiagaError
from siaga112.service import asking, marking
from siaga112.service.ports import Store
from siaga112.service.updating import update
from siaga112.words import say, tongue

OFF_NEEDS_A_REASON = say(
    "mode off needs a reason, for whoever finds the line without screening: "
    'siaga112 mode off --reason "what happened"'
)

OFF_IS_CONFIGURED = say(
    'the configuration says mode = "off", which comes before every switch: '
    "set another mode there and reload the daemon (SIGHUP) first"
)


class RefusedError(SiagaError):
    """A request that cannot be carried out. The message says in one line why, and what to do instead."""


class AskFirstError(RefusedError):
    """A decision that may hit the wrong number: the person must confirm it first, given these cautions."""

    def __init__(self, cautions: Sequence[asking.Caution]) -> None:
        self.cautions: Final = tuple(cautions)
        super().__init__(asking.together(cautions, tongue()))

    def told(self, translate: Callable[..., str]) -> str:
        """Return the cautions in another language, in one line."""
        return asking.together(self.cautions, translate)


class DecidedError(RefusedError):
    """Somebody else has decided it in the meantime."""


GRANTED: Final = "the objection is granted"
REJECTED: Final = "the objection is rejected"

LATELY: Final[Millis] = 3_600 * SECOND
"""For how long a refusal names the person who has already decided."""


@dataclass(frozen=True, slots=True)
class CallerFile:
    """All data about a caller: the record, the ledger rows and the audit lines."""

    record: CallerRecord
    entries: Sequence[Entry]
    audit_entries: Sequence[AuditEntry]
    switch: AuditEntry | None = None
    """The last switch of the site's mode, if there was one."""


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Acts on the store in the name of `by`, at the time of `clock`."""

    store: Store
    rules: PolicyRules
    configured_mode: Mode
    clock: Callable[[], Millis]
    by: str
    via: Via = Via.CLI
    held_off: Callable[[], bool] = lambda: False
    """Returns whether this machine's state directory has the file `off`."""
    zone: tzinfo = UTC
    """The site's time zone, for the times in error messages."""
    services: Callable[[], asking.Services] = dict
    """Returns the numbers in a service number's range."""

    # ── the site ─────────────────────────────────────────────────────────────────────────────────

    async def mode(self) -> Mode:
        """Return the mode in force at the site."""
        stored = await self.store.switched()
        return in_force(self.configured_mode, stored, held_off=self.held_off())

    async def set_mode(self, mode: Mode, reason: str = "", at: Millis = 0) -> None:
        """Switch the whole site. Daemons follow within a second. Off needs a reason.

        `at`: the earliest time for the switch, so that it is later than one that the store may have lost.
        """
        if mode is Mode.OFF and not reason.strip():
            raise RefusedError(OFF_NEEDS_A_REASON)
        if mode is not Mode.OFF and self.configured_mode is Mode.OFF:
            raise RefusedError(OFF_IS_CONFIGURED)
        at = at or self.clock()
        while True:
            stored = await self.store.switched()
            if stored == Switch(mode, at, self.by, reason, self.via):
                return  # a daemon on this machine has already written it to the store
            switch = Switch(mode, later(at, stored), self.by, reason, self.via)
            if await self.store.switch(switch, in_force(self.configured_mode, stored)):
                return

    async def audit(self, since: Millis, until: Millis) -> Sequence[AuditEntry]:
        """Return the audit lines of that time, oldest first."""
        return await self.store.audit_entries(since, until)

    # ── the lists ────────────────────────────────────────────────────────────────────────────────

    async def ask_first(self, callers: Sequence[Caller]) -> None:
        """Check for cautions about blocking these callers by hand, before any of them is blocked.

        Raises:
            AskFirstError: if there are any.

        """
        found, now, services = asking.many(len(callers)), self.clock(), self.services()
        for caller in callers:
            found += asking.cautions(await self.record(caller), now, self.rules, services)
        if found:
            raise AskFirstError(found)

    async def block(
        self,
        caller: Caller,
        span: Millis | None,
        reason: str,
        *,
        shorten: bool = False,
        yes: bool = False,
        among: int = 1,
    ) -> Block:
        """Block a caller for a span, or permanently (None); return the added block.

        This confirms a pending proposal. Of two blocks, the later end applies, unless `shorten` is set.
        `among`: how many callers are being blocked together. `yes`: the person has confirmed the cautions,
        which the audit line then names.

        Raises:
            AskFirstError: without `yes`, if there are cautions.
            RefusedError: if the caller is on the allow list, or there is nothing to shorten.

        """
        if span is not None and not 0 < span <= durations.LONGEST:
            raise RefusedError(say("a block lasts 100 years at most (or is permanent)"))
        now = self.clock()
        block = Block(
            level=Level.PERMANENT if span is None else Level.TEMPORARY,
            since=now,
            until=None if span is None else now + span,
            origin=Origin.MANUAL,
            reason=reason,
            by=self.by,
        )

        def told(before: CallerRecord, after: CallerRecord) -> Change:
            self._require_not_allowed(before)
            against = [*asking.cautions(before, now, self.rules, self.services()), *asking.many(among)]
            although = _although(against, yes=yes)
            new, held = after.blocks[-1] if after.blocks else None, before.block_at(now)
            if new is None or not decisions.same(new, block):  # only `shorten` may add nothing
                ends = say(
                    "the block on {who} ends no later than that: nothing to shorten (leave out --shorten)"
                )
                none = say("there is no block on {who} to shorten (leave out --shorten)")
                raise RefusedError(ends if held else none, who=caller)
            details = [str(block.level)]
            details += ["shortened"] if shorten else []
            details += ["a longer one stays in force"] if _outlasted(after, new) else []
            details += ["what was proposed is settled"] if self._proposal_decided(after, now) else []
            details += although
            audit_entry = self._audit_entry("block", caller, ", ".join(details), reason)
            return Change(audit_entry=audit_entry, tallies={changes.imposed(new): 1})

        change = decisions.shorten if shorten else decisions.impose
        _, after = await self._change(caller, lambda held: change(held, block), told)
        return after.blocks[-1]

    async def unblock(
        self, caller: Caller, reason: str, *, mistake: bool = False, seen: Collection[Millis] = ()
    ) -> Block | None:
        """Lift all blocks in force, as a mistake if they were one, and dismiss a pending proposal.

        Earlier strikes are forgiven, and an open appeal is granted. Return the lifted block; None if there
        was only a proposal or an appeal. `seen`: when each began that the person saw, the block in force,
        the proposal and the appeal; if empty, whatever there is.

        Raises:
            RefusedError: if there is none of these, or one that was not seen.

        """
        lifting = Lift(self.clock(), self.by, reason, mistake=mistake)

        def told(before: CallerRecord, after: CallerRecord) -> Change:
            _require_seen(before, seen, before.block_at(lifting.at), before.proposed, before.appeal)
            lifted, dismissed = _lifted(after, lifting), self._proposal_decided(after, lifting.at)
            granted = self._appeal_decided(after, lifting.at)
            if lifted is None and not dismissed and not granted:
                raise RefusedError(say("{who} is not blocked"), who=caller)
            details = [str(lifted.level)] if lifted else []
            details += ["a mistake"] if lifted and mistake else []
            details += ["what was proposed is dismissed"] if dismissed else []
            details += [GRANTED] if granted else []
            return Change(audit_entry=self._audit_entry("unblock", caller, ", ".join(details), reason))

        _, after = await self._change(caller, lambda held: decisions.lift(held, lifting), told)
        return _lifted(after, lifting)

    def _proposal_decided(self, record: CallerRecord, at: Millis) -> bool:
        """Return whether this person decided a proposal at that time, judged by the new record."""
        return any(
            held.decided and (held.decided.at, held.decided.by) == (at, self.by) for held in record.proposals
        )

    def _appeal_decided(self, record: CallerRecord, at: Millis) -> bool:
        """Return whether this person decided an appeal at that time."""
        return any(
            held.decided and (held.decided.at, held.decided.by) == (at, self.by) for held in record.appeals
        )

    async def allow(self, caller: Caller, reason: str) -> AllowEntry | None:
        """Put a caller on the allow list; return the entry that this one replaces, if any."""
        entry = AllowEntry(self.clock(), self.by, reason)

        def told(_: CallerRecord, after: CallerRecord) -> Change:
            details = ["what was proposed is dismissed"] if self._proposal_decided(after, entry.at) else []
            details += [GRANTED] if self._appeal_decided(after, entry.at) else []
            return Change(audit_entry=self._audit_entry("allow", caller, ", ".join(details), reason))

        before, _ = await self._change(caller, lambda held: decisions.allow(held, entry), told)
        return before.allow

    async def disallow(self, caller: Caller) -> None:
        """Take a caller off the allow list."""

        def told(before: CallerRecord, _: CallerRecord) -> Change:
            if before.allow is None:
                raise RefusedError(say("{who} is not on the allow list"), who=caller)
            return Change(audit_entry=self._audit_entry("disallow", caller))

        await self._change(caller, decisions.disallow, told)

    async def confirm(
        self, caller: Caller, reason: str, *, yes: bool = False, seen: Collection[Millis] = ()
    ) -> Block:
        """Impose the proposed block, or confirm the block in force that an appeal is about; return the block.

        Both reject an open appeal. `seen`: when the proposal and the appeal were made that the person saw; if
        empty, whatever there is.

        Raises:
            AskFirstError: without `yes`, if there are cautions that the proposal does not state.
            RefusedError: if there is neither, one that was not seen, or the caller is on the allow list.

        """
        decision = Lift(self.clock(), self.by, reason)

        def told(before: CallerRecord, after: CallerRecord) -> Change:
            _require_seen(before, seen, before.proposed, before.appeal)
            rejected = self._appeal_decided(after, decision.at)
            stands = after.block_at(decision.at) if rejected and before.proposed is None else None
            if stands is None:
                self._require_proposal(before, decision)
            self._require_not_allowed(before)
            against = asking.of_proposal(before, decision.at, self.rules, self.services())
            block = stands or after.blocks[-1]
            details = [str(block.level), *([REJECTED] if rejected else []), *_although(against, yes=yes)]
            return Change(
                audit_entry=self._audit_entry("confirm", caller, ", ".join(details), reason),
                tallies={} if stands else {changes.imposed(block): 1},
            )

        before, after = await self._change(caller, lambda held: decisions.confirm(held, decision), told)
        stands = after.block_at(decision.at) if before.proposed is None else None
        return stands or after.blocks[-1]

    async def dismiss(self, caller: Caller, reason: str, *, seen: Collection[Millis] = ()) -> None:
        """Dismiss the proposed block. Earlier misuses are forgiven. `seen`: as for `confirm`."""
        decision = Lift(self.clock(), self.by, reason)

        def told(before: CallerRecord, after: CallerRecord) -> Change:
            _require_seen(before, seen, before.proposed, before.appeal)
            self._require_proposal(before, decision)
            detail = GRANTED if self._appeal_decided(after, decision.at) else ""
            return Change(audit_entry=self._audit_entry("dismiss", caller, detail, reason))

        await self._change(caller, lambda held: decisions.dismiss(held, decision), told)

    @staticmethod
    def _require_proposal(record: CallerRecord, decision: Lift) -> None:
        if record.proposed is None and all(held.decided != decision for held in record.proposals):
            last = record.proposals[-1] if record.proposals else None
            if last and last.decided and decision.at - last.decided.at < LATELY:
                confirmed = say("no block is proposed for {who} any more: {by} has confirmed it")
                dismissed = say("no block is proposed for {who} any more: {by} has dismissed it")
                said = confirmed if last.confirmed else dismissed
                raise DecidedError(said, by=last.decided.by, who=record.caller)
            none = say("no block is proposed for {who} (see: siaga112 blocks --proposed)")
            raise RefusedError(none, who=record.caller)

    @staticmethod
    def _require_not_allowed(record: CallerRecord) -> None:
        if record.allow:
            said = say(
                "{who} is on the allow list, which comes before every block; first: siaga112 disallow {who}"
            )
            raise RefusedError(said, who=record.caller)

    # ── appeals ──────────────────────────────────────────────────────────────────────────────────

    async def appeal(self, caller: Caller, reason: str) -> Appeal:
        """Open an appeal of a caller against a block or a strike (UU 27/2022); return it."""
        now = self.clock()
        due = now + self.rules.appeal_within
        made = Appeal(now, self.by, reason, due, suspends=self.rules.suspend_on_appeal)

        def told(before: CallerRecord, _: CallerRecord) -> Change:
            held = [block for block in before.blocks if block.lifted is None]
            if before.appeal and before.appeal != made:
                said = say("an objection of {who} is already open (see: siaga112 appeals)")
                raise RefusedError(said, who=caller)
            if not (held or before.proposed or before.strikes):
                raise RefusedError(say("{who} has no strike or block to object to"), who=caller)
            detail = "the block is suspended" if made.suspends and before.block_at(now) else ""
            return Change(audit_entry=self._audit_entry("appeal", caller, detail, reason))

        await self._change(caller, lambda held: decisions.object_(held, made), told)
        return made

    async def reject(self, caller: Caller, reason: str, *, seen: Collection[Millis] = ()) -> CallerRecord:
        """Reject a caller's open appeal; return the new record. `seen`: as for `confirm`."""
        decision = Lift(self.clock(), self.by, reason)

        def told(before: CallerRecord, after: CallerRecord) -> Change:
            _require_seen(before, seen, before.appeal)
            if not self._appeal_decided(after, decision.at):
                last = before.appeals[-1].decided if before.appeals else None
                if last and decision.at - last.at < LATELY:
                    said = say("{by} has already decided the objection of {who}")
                    raise DecidedError(said, who=caller, by=last.by)
                none = say("no objection of {who} waits for a decision (see: siaga112 appeals)")
                raise RefusedError(none, who=caller)
            return Change(audit_entry=self._audit_entry("reject", caller, "the objection", reason))

        _, after = await self._change(caller, lambda held: decisions.reject(held, decision), told)
        return after

    # ── evidence ─────────────────────────────────────────────────────────────────────────────────

    async def hold(self, caller: Caller, reason: str) -> Hold:
        """Hold a caller's record as evidence for an open case: neither its age nor `forget` deletes it."""
        made = Hold(self.clock(), self.by, reason)

        def told(before: CallerRecord, _: CallerRecord) -> Change:
            if before.hold and before.hold != made:
                said = say("{who} is already kept as evidence, by {by} since {since}: {reason}")
                raise RefusedError(said, who=caller, **self._hold_told(before.hold))
            return Change(audit_entry=self._audit_entry("hold", caller, reason=reason))

        await self._change(caller, lambda held: decisions.hold(held, made), told)
        return made

    async def release(self, caller: Caller, reason: str) -> Hold:
        """Release a record that was held as evidence; return the hold that ended.

        Data that is too old is deleted at the next retention run, not at once, so that a person who released
        the wrong number can hold it again.
        """

        def told(before: CallerRecord, _: CallerRecord) -> Change:
            if before.hold is None:
                said = say("{who} is not kept as evidence (see: siaga112 holds)")
                raise RefusedError(said, who=caller)
            return Change(audit_entry=self._audit_entry("release", caller, before.hold.reason, reason))

        before, _ = await self._change(caller, lambda held: decisions.hold(held, None), told, ages=False)
        assert before.hold, "`told` has checked it"  # noqa: S101 - a bug otherwise
        return before.hold

    def _hold_told(self, held: Hold) -> dict[str, str]:
        since = datetime.fromtimestamp(held.at / SECOND, self.zone)
        return {"by": held.by, "since": f"{since:%Y-%m-%d %H:%M}", "reason": held.reason}

    def _require_free(self, record: CallerRecord) -> None:
        """Raise RefusedError if the caller's record is held as evidence or has an open appeal."""
        if record.hold:
            said = say(
                "{who} is kept as evidence by {by} since {since} ({reason}); when that case is closed: "
                "siaga112 hold {who} --release --reason …"
            )
            raise RefusedError(said, who=record.caller, **self._hold_told(record.hold))
        if record.appeal:
            said = say(
                "an objection of {who} waits for a decision; decide it first: siaga112 unblock {who}, "
                "or appeals --reject {who}"
            )
            raise RefusedError(said, who=record.caller)

    # ── call-backs ───────────────────────────────────────────────────────────────────────────────

    async def attempt(self, caller: Caller, *, tried: bool, note: str = "") -> CallerRecord:
        """Record that this person takes a call-back, or has tried it without success."""
        taken = Attempt(self.by, self.clock(), int(tried), note)

        def told(before: CallerRecord, after: CallerRecord) -> Change:
            _require_waiting(before, caller)
            tries = after.attempt.tries if after.attempt else 0
            detail = f"try {tries}" if tried else ""
            action = "tried to call back" if tried else "calls back"
            return Change(audit_entry=self._audit_entry(action, caller, detail, note))

        _, after = await self._change(caller, lambda held: decisions.attempt(held, taken), told)
        return after

    async def called_back(self, caller: Caller, reason: str) -> int:
        """Take a caller off the call-back list; return how many calls were on it."""

        def told(before: CallerRecord, _: CallerRecord) -> Change:
            _require_waiting(before, caller)
            return Change(
                audit_entry=self._audit_entry("called back", caller, f"{_times(before)} calls", reason)
            )

        before, _ = await self._change(caller, lambda held: decisions.call_back(held, self.clock()), told)
        return _times(before)

    # ── marks ────────────────────────────────────────────────────────────────────────────────────

    async def last_answered(self, caller: Caller) -> CallId:
        """Return the last call of a caller that an operator answered."""
        for entry in reversed(await self.store.entries_of(caller)):
            if entry.finding.outcome is Outcome.ANSWERED:
                return entry.finding.call.id
        raise RefusedError(say("no answered call of {who} in the ledger"), who=caller)

    async def mark(
        self, call: CallId, mark: Mark, note: str = "", details: marking.ReportDetails = marking.NOTHING
    ) -> Entry:
        """Set the operator's mark after the call. A correction takes back the strike and its blocks.

        `details`: those of a genuine report; they replace the call's earlier ones.
        """
        entry = await self.store.entry(call)
        if entry is None:
            raise RefusedError(
                say('no call "{call}" in the ledger (list them with: siaga112 calls)'), call=call
            )
        if entry.finding.outcome is not Outcome.ANSWERED:
            said = say("call {call} was {outcome}; only an answered call can be marked")
            raise RefusedError(said, call=call, outcome=entry.finding.outcome.value)
        finding = marking.detailed(entry.finding, mark, details, self.clock())
        strike = policy.strike_for(finding, self.rules) if await self.mode() is not Mode.OFF else None
        said = marking.said(entry.finding.mark, mark, details)
        change = Change(
            entry=Entry(finding, strike=False),
            audit_entry=self._audit_entry("mark", call, said, note),
            tallies={f"marks:{mark}": 1} if mark is not entry.finding.mark else {},
        )
        caller = finding.call.caller
        if caller is None:
            await self.store.write([change])
            return Entry(finding, strike=False)
        taken = Lift(self.clock(), self.by, f"call {call} was marked {mark}", forgives=False, mistake=True)

        def marked(record: CallerRecord) -> CallerRecord:
            _require_remembered(record, entry)
            return marking.remarked(record, finding, strike, taken, self.rules)

        def row(after: CallerRecord) -> Entry:
            return Entry(finding, strike=any(held.call == call for held in after.strikes))

        def told(before: CallerRecord, after: CallerRecord) -> Change:
            counted = {**change.tallies, **changes.tallies(before, after, finding)}
            return replace(change, entry=row(after), tallies=counted)

        _, after = await self._change(caller, marked, told)
        return row(after)

    async def void(self, call: CallId, reason: str) -> tuple[CallerRecord, CallerRecord]:
        """Take back one strike and the blocks that rested on it; return the record before and after.

        A late duplicate of the call does not restore the strike.
        """
        entry = await self.store.entry(call)
        if entry is None or entry.finding.call.caller is None:
            said = say('no call "{call}" of a known caller in the ledger (see: siaga112 calls)')
            raise RefusedError(said, call=call)
        taken = Lift(self.clock(), self.by, reason, forgives=False, mistake=True)

        def told(before: CallerRecord, _: CallerRecord) -> Change:
            if all(strike.call != call for strike in before.strikes):
                said = say("call {call} cost no strike, or its strike was already taken back")
                raise RefusedError(said, call=call)
            line = self._audit_entry("void", call, f"{entry.finding.outcome}", reason)
            return Change(entry=replace(entry, strike=False), audit_entry=line)

        def withdrawn(record: CallerRecord) -> CallerRecord:
            return decisions.take_back_strike(record, call, taken)

        return await self._change(entry.finding.call.caller, withdrawn, told)

    # ── stored data ──────────────────────────────────────────────────────────────────────────────

    async def record(self, caller: Caller) -> CallerRecord:
        """Return the caller's record."""
        return await self.store.load(caller)

    async def verdict(self, caller: Caller) -> Screening:
        """Return the verdict that the caller would get now, computed from the record."""
        now = self.clock()
        standing = verdicts.standing(await self.record(caller), now, self.rules)
        return verdicts.verdict(standing, await self.mode(), now, self.rules)

    async def held(self, caller: Caller) -> CallerFile:
        """Return all data about a caller."""
        return CallerFile(
            await self.record(caller),
            await self.store.entries_of(caller),
            await self.store.audit_of(caller),
            await self.store.last_of("mode"),
        )

    async def subject(self, caller: Caller) -> CallerFile:
        """Return all data about a caller, and record the access in the audit trail."""
        held = await self.held(caller)
        await self._write("subject", caller)
        return held

    async def looked(self, subject: str, what: str) -> None:
        """Record an access to data in the audit trail (UU 27/2022 requires this for viewing too)."""
        await self._write("look", subject, what)

    async def forget(self, caller: Caller, reason: str, spelled: re.Pattern[str]) -> CallerFile:
        """Erase a caller, and matching raw numbers in calls without a caller; return the erased data.

        `spelled`: matches the number in any spelling. Ledger rows stay without the caller, so that past
        figures still add up. Audit lines stay without the number: who decided what, when and why.
        """
        held = await self.held(caller)
        await self.store.erase(caller, self.clock(), self._require_free)
        for entry in await self.store.nobodys(spelled, self.clock()):
            await self.store.write([Change(entry=changes.without_caller(entry))])
        await self.store.take_out(spelled)
        why = changes.without_number(reason, spelled)
        await self._write("forget", changes.A_CALLER, f"{len(held.entries)} calls", why)
        return held

    async def _change(
        self,
        caller: Caller,
        change: Callable[[CallerRecord], CallerRecord],
        also: Callable[[CallerRecord, CallerRecord], Change],
        *,
        ages: bool = True,
    ) -> tuple[CallerRecord, CallerRecord]:
        return await update(self.store, caller, change, self.clock(), self.rules, also=also, ages=ages)

    def _audit_entry(self, action: str, subject: str, detail: str = "", reason: str = "") -> AuditEntry:
        return AuditEntry(self.clock(), self.by, action, subject, detail, reason, self.via)

    async def _write(self, action: str, subject: str, detail: str = "", reason: str = "") -> None:
        await self.store.write([Change(audit_entry=self._audit_entry(action, subject, detail, reason))])


def _although(against: Sequence[asking.Caution], *, yes: bool) -> list[str]:
    """Return the cautions that a decision was made in spite of, for the audit line.

    Raises:
        AskFirstError: if there are any and the person has not confirmed them.

    """
    if against and not yes:
        raise AskFirstError(against)
    return [one.although for one in against]


def _require_seen(
    record: CallerRecord, seen: Collection[Millis], *decided: Block | Proposal | Appeal | None
) -> None:
    """Raise DecidedError if the person has seen something, but not all of what this decides."""
    began = {one.since if isinstance(one, Block) else one.at for one in decided if one}
    if seen and not began.issubset(seen):
        said = say("{who} has another proposal, objection or block than you saw: look again, then decide")
        raise DecidedError(said, who=record.caller)


def _require_waiting(record: CallerRecord, caller: Caller) -> None:
    if not record.missed:
        raise RefusedError(say("{who} is not waiting for a call-back"), who=caller)


def _require_remembered(record: CallerRecord, entry: Entry) -> None:
    if entry.finding.call.started <= record.forgotten:
        call = entry.finding.call.id
        said = say("the caller of call {call} was erased in the meantime; mark it again")
        raise RefusedError(said, call=call)


def _times(record: CallerRecord) -> int:
    return len(record.missed) + record.dropped.missed


def _outlasted(record: CallerRecord, block: Block) -> bool:
    return any(decisions.outlasts(held, block) for held in record.blocks)


def _lifted(record: CallerRecord, lifting: Lift) -> Block | None:
    """Return the block that a lift ended; if several, the one that would have ended last."""
    lifted = [block for block in record.blocks if block.lifted == lifting]
    return max(lifted, key=lambda block: (block.until is None, block.until or 0), default=None)
