"""What people decide about a caller: block, lift, allow, confirm, dismiss, appeal, mark, call back.

Each function takes the caller's record and the decision, and returns the new record.
"""

from dataclasses import replace
from operator import attrgetter

from siaga112.core.bounds import MISSED
from siaga112.core.model import END_OF_TIME, CallId, Level, Mark, Millis, Origin, ProposalCause
from siaga112.core.policy import AGAIN, add_strike
from siaga112.core.record import (
    AllowEntry,
    Appeal,
    Attempt,
    Block,
    CallerRecord,
    GenuineReport,
    Hold,
    Lift,
    MissedCall,
    Proposal,
    Strike,
)
from siaga112.core.regulation import PolicyRules


def impose(record: CallerRecord, block: Block) -> CallerRecord:
    """Add a person's block, unless it is already on record. It confirms a pending proposal.

    Blocks in force stay, so the later end prevails. The block takes over the proposal's evidence and its
    step of the ladder, so a corrected mark takes this block back too.
    """
    if any(same(held, block) for held in record.blocks):
        return record
    proposal = record.proposed
    if proposal is None:
        return replace(record, blocks=(*record.blocks, block))
    decision = Lift(block.since, block.by, block.reason)
    block = replace(
        block,
        reason=f"{proposal.reason}; confirmed: {block.reason}",
        calls=_together(proposal.calls, block.calls),
        step=max(proposal.step, block.step),
    )
    record = _decide(record, decision, confirmed=True)
    return replace(record, blocks=(*record.blocks, block))


def shorten(record: CallerRecord, block: Block) -> CallerRecord:
    """Replace the blocks in force that end later by a shorter block. Only a person may do this.

    Nothing is forgiven: the new block keeps the evidence and the step of the ladder of those it replaces.
    """
    longer = tuple(held for held in record.blocks if outlasts(held, block))
    if not longer:
        return record
    end = Lift(block.since, block.by, f"shortened: {block.reason}", forgives=False)
    blocks = tuple(replace(held, lifted=end) if held in longer else held for held in record.blocks)
    calls = _together(*(held.calls for held in longer))
    block = replace(block, calls=calls, step=max(held.step for held in longer))
    return impose(replace(record, blocks=blocks), block)


def outlasts(held: Block, block: Block) -> bool:
    """Return whether `held` is in force when `block` begins and ends later than it."""
    if block.until is None or held.over_at(block.since):
        return False
    return held.until is None or held.until > block.until


def same(held: Block, block: Block) -> bool:
    """Return whether two blocks are the same decision of a person, even if their evidence differs."""
    return (held.since, held.until, held.origin, held.by) == (
        block.since, block.until, block.origin, block.by,
    )  # fmt: skip


def _together(*calls: tuple[CallId, ...]) -> tuple[CallId, ...]:
    return tuple(dict.fromkeys(call for some in calls for call in some))


def lift(record: CallerRecord, lifted: Lift) -> CallerRecord:
    """Lift every block in force. Dismiss a pending proposal and grant an open appeal."""
    blocks = tuple(
        block if block.over_at(lifted.at) else replace(block, lifted=lifted) for block in record.blocks
    )
    record = _answer(replace(record, blocks=blocks), lifted, granted=True)
    return _decide(_forgive(record, lifted), lifted, confirmed=False)


def _forgive(record: CallerRecord, decision: Lift) -> CallerRecord:
    """Leave no strike later than a decision that forgives it: the PBX's clock may be ahead of ours."""
    if not decision.forgives or not record.strikes or record.strikes[-1].at <= decision.at:
        return record
    strikes = [replace(one, at=min(one.at, decision.at)) for one in record.strikes]
    return replace(record, strikes=tuple(sorted(strikes, key=attrgetter("order"))))


def allow(record: CallerRecord, entry: AllowEntry) -> CallerRecord:
    """Put the caller on the allow list. Dismiss a pending proposal and grant an open appeal.

    Blocks stay on record, but the list takes precedence. No misuse is forgiven, so the blocks apply again
    after `disallow`.
    """
    decision = Lift(entry.at, entry.by, f"put on the allow list: {entry.reason}", forgives=False)
    record = _answer(replace(record, allow=entry), decision, granted=True)
    return _decide(record, decision, confirmed=False)


def disallow(record: CallerRecord) -> CallerRecord:
    """Take the caller off the allow list."""
    return replace(record, allow=None)


# ── lists from other systems ─────────────────────────────────────────────────────────────────────


def bring_in(record: CallerRecord, block: Block) -> CallerRecord:
    """Add a block from another system's list. Pending proposals and open appeals stay as they are."""
    return replace(record, blocks=(*record.blocks, block))


def take_out(record: CallerRecord, brought: Block, taken: Lift) -> CallerRecord:
    """End a block that `bring_in` added. Nothing is forgiven."""
    blocks = tuple(
        replace(held, lifted=taken) if same(held, brought) and held.lifted is None else held
        for held in record.blocks
    )
    return replace(record, blocks=blocks)


def take_off(record: CallerRecord, entry: AllowEntry) -> CallerRecord:
    """Undo `allow`, unless there is a newer entry. Proposals and appeals that it decided are open again."""
    if record.allow is None or (record.allow.at, record.allow.by) != (entry.at, entry.by):
        return record

    def by_it(decided: Lift | None) -> bool:
        return decided is not None and (decided.at, decided.by) == (entry.at, entry.by)

    return replace(
        record,
        allow=None,
        proposals=tuple(replace(p, decided=None) if by_it(p.decided) else p for p in record.proposals),
        appeals=tuple(
            replace(a, granted=False, decided=None) if by_it(a.decided) else a for a in record.appeals
        ),
    )


# ── proposals ────────────────────────────────────────────────────────────────────────────────────


def confirm(record: CallerRecord, decision: Lift) -> CallerRecord:
    """Impose the proposed block from now on, in the name of the person who confirmed it.

    Also reject an open appeal, even if no block is proposed; a block in force then stays.
    """
    record = reject(record, decision)
    proposal = record.proposed
    if proposal is None:
        return record
    block = Block(
        level=Level.PERMANENT if proposal.span is None else Level.TEMPORARY,
        since=decision.at,
        until=None if proposal.span is None else decision.at + proposal.span,
        origin=Origin.MANUAL,
        reason=decision.reason,
        by=decision.by,
    )
    return impose(record, block)


def dismiss(record: CallerRecord, decision: Lift) -> CallerRecord:
    """Dismiss the pending proposal and lift the automatic blocks in force.

    A dismissed review lifts every block in force, whoever imposed it, because the review asked whether it
    should stay. If no block remains, an open appeal is granted.
    """
    proposal = record.proposed
    if proposal is None:
        return record
    review = proposal.cause is ProposalCause.REVIEW
    blocks = tuple(
        replace(block, lifted=decision)
        if not block.over_at(decision.at) and (review or block.origin is Origin.AUTOMATIC)
        else block
        for block in record.blocks
    )
    record = _decide(_forgive(replace(record, blocks=blocks), decision), decision, confirmed=False)
    return record if record.block_after(decision.at) else _answer(record, decision, granted=True)


def _decide(record: CallerRecord, decision: Lift, *, confirmed: bool) -> CallerRecord:
    proposals = tuple(
        replace(proposal, confirmed=confirmed, decided=decision) if proposal.decided is None else proposal
        for proposal in record.proposals
    )
    return replace(record, proposals=proposals)


# ── appeals and evidence ─────────────────────────────────────────────────────────────────────────


def object_(record: CallerRecord, appeal: Appeal) -> CallerRecord:
    """Open an appeal, unless one is already open."""
    return record if record.appeal else replace(record, appeals=(*record.appeals, appeal))


def reject(record: CallerRecord, decision: Lift) -> CallerRecord:
    """Reject an open appeal: nothing is lifted and nothing is forgiven."""
    return _answer(record, replace(decision, forgives=False), granted=False)


def _answer(record: CallerRecord, decision: Lift, *, granted: bool) -> CallerRecord:
    if record.appeal is None:
        return record
    appeals = tuple(
        replace(appeal, granted=granted, decided=decision) if appeal.decided is None else appeal
        for appeal in record.appeals
    )
    return replace(record, appeals=appeals)


def hold(record: CallerRecord, held: Hold | None) -> CallerRecord:
    """Hold the caller's record as evidence, or (None) release it."""
    return replace(record, hold=held)


# ── marks ────────────────────────────────────────────────────────────────────────────────────────


def take_back_strike(record: CallerRecord, call: CallId, taken: Lift) -> CallerRecord:
    """Undo the strike of one call; lift every block and end every proposal that rested on it.

    This includes blocks and proposals for a repeated misuse after such a block.
    """
    first = min((block.since for block in record.blocks if call in block.calls), default=END_OF_TIME)

    def rests(held: Block | Proposal, at: Millis) -> bool:
        return call in held.calls or (at > first and held.reason.startswith(AGAIN))

    blocks = tuple(
        replace(block, lifted=taken) if block.lifted is None and rests(block, block.since) else block
        for block in record.blocks
    )
    proposals = tuple(
        replace(one, decided=taken) if one.decided is None and rests(one, one.at) else one
        for one in record.proposals
    )
    ended = any(was is not now for was, now in zip(record.blocks, blocks, strict=True))
    record = replace(
        record,
        strikes=tuple(strike for strike in record.strikes if strike.call != call),
        blocks=blocks,
        proposals=proposals,
        withdrawn=record.withdrawn | {call},
    )
    return record if not ended or record.block_after(taken.at) else _answer(record, taken, granted=True)


def restore_strike(
    record: CallerRecord,
    strike: Strike,
    rules: PolicyRules,
    *,
    capped: bool = False,
    now: Millis | None = None,
) -> CallerRecord:
    """Add a strike that was taken back earlier (for a mark that was corrected twice)."""
    record = replace(record, withdrawn=record.withdrawn - {strike.call})
    return add_strike(record, strike, rules, capped=capped, now=now)


def add_report(record: CallerRecord, report: GenuineReport) -> CallerRecord:
    """Record a genuine report of the caller, once per call."""
    others = tuple(held for held in record.reports if held.call != report.call)
    return replace(record, reports=tuple(sorted((*others, report), key=lambda r: (r.at, r.call))))


def withdraw_report(record: CallerRecord, call: CallId) -> CallerRecord:
    """Remove a genuine report after its mark was corrected."""
    return replace(record, reports=tuple(report for report in record.reports if report.call != call))


# ── call-backs ───────────────────────────────────────────────────────────────────────────────────


def miss(record: CallerRecord, missed: MissedCall) -> CallerRecord:
    """Put a call on the call-back list, unless somebody has spoken to the caller since."""
    if missed.at <= record.reached or any(held.call == missed.call for held in record.missed):
        return record
    if len(record.missed) >= MISSED and missed.at <= record.missed[1].at:
        return record  # `core.bounds` would drop it at once; it may have been here before
    return replace(record, missed=tuple(sorted((*record.missed, missed), key=lambda m: (m.at, m.call))))


def served_after_all(record: CallerRecord, call: CallId) -> CallerRecord:
    """Remove a call from the call-back list if only its mark `silent` put it there."""
    kept = tuple(held for held in record.missed if held.call != call or held.reason != Mark.SILENT)
    return record if len(kept) == len(record.missed) else replace(record, missed=kept)


def reach(record: CallerRecord, at: Millis) -> CallerRecord:
    """Close the caller's call-backs up to that instant: somebody spoke to them, or need not."""
    if at <= record.reached:
        return record
    missed = tuple(missed for missed in record.missed if missed.at > at)
    return replace(record, reached=at, missed=missed, attempt=record.attempt if missed else None)


def call_back(record: CallerRecord, at: Millis) -> CallerRecord:
    """Close all of the caller's call-backs, as a person says, whatever times the PBX's clock gave them."""
    return replace(reach(record, at), missed=(), attempt=None)


def attempt(record: CallerRecord, taken: Attempt) -> CallerRecord:
    """Record who has taken a call-back, or another try. A new note replaces the old one."""
    before = record.attempt
    if before:
        taken = replace(taken, tries=before.tries + taken.tries, note=taken.note or before.note)
    return replace(record, attempt=taken)
