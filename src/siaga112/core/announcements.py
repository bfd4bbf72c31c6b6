"""Announcements: the events that other programs receive, derived from changes.

Each announcement is one row, written in the transaction of its change, so none is lost and none is false.
`data` never contains a number: the caller is a field of its own, for readers who may see it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Final

from siaga112.core.changes import Change, begun, fresh
from siaga112.core.mode import Switch
from siaga112.core.model import DAY, SECOND, AuditEntry, Caller, CallId, Entry, Level, Millis, Mode
from siaga112.core.record import Block, CallerRecord
from siaga112.core.values import value

KEPT: Final[Millis] = 7 * DAY
"""How long announcements are kept for programs that were disconnected."""


class EventType(StrEnum):
    """The type of an event. Public: the CloudEvents `type` is `id.siaga112.` followed by the value."""

    CALL_STARTED = "call.started"
    CALL_QUEUED = "call.queued"
    CALL_ANSWERED = "call.answered"
    CALL_TRANSFERRED = "call.transferred"
    CALL_ENDED = "call.ended"
    CALL_MARKED = "call.marked"
    STRIKE_GIVEN = "strike.given"
    BLOCK_IMPOSED = "block.imposed"
    BLOCK_ENDED = "block.ended"
    PROPOSAL_MADE = "proposal.made"
    APPEAL_MADE = "appeal.made"
    CALLBACK_WAITING = "callback.waiting"
    CALLBACK_REACHED = "callback.reached"
    MODE_CHANGED = "mode.changed"
    SURGE_CHANGED = "surge.changed"


@value
class Announcement:
    """One event: what happened, when, to which call and caller, with details. Durations are in seconds."""

    type: EventType
    at: Millis
    call: CallId | None = None
    caller: Caller | None = None
    data: Mapping[str, object] = field(default_factory=dict)


def of_change(change: Change, before: Entry | None, ends_told: Millis = 0) -> Iterator[Announcement]:
    """Yield the announcements of a change. `before`: the call's previous ledger row, if any.

    `ends_told`: up to when ended blocks have already been announced. The end of a new block before that time
    would be missed, so it is announced here.
    """
    if change.entry:
        yield from _of_call(change.entry, before, change.audit_entry)
    if change.replacement:
        new = change.replacement
        yield from _of_caller(new.before, new.record, new.at, ends_told)


def new_blocks(change: Change) -> Sequence[Block]:
    """Return the blocks that a change imposes."""
    new = change.replacement
    return [one for one in fresh(new.before.blocks, new.record.blocks) if not one.lifted] if new else []


def _of_call(entry: Entry, before: Entry | None, line: AuditEntry | None) -> Iterator[Announcement]:
    finding, call = entry.finding, entry.finding.call
    if before is None:
        yield Announcement(EventType.CALL_ENDED, call.ended, call.id, call.caller, _ended(entry))
    known = before.finding.handovers if before else ()
    for one in finding.handovers[len(known) :]:
        data = {"how": one.how, "agency": one.agency or None, "reached_seconds": _seconds(one.reached)}
        yield Announcement(EventType.CALL_TRANSFERRED, one.at, call.id, call.caller, data)
    details = (finding.mark, finding.kind, finding.district)
    was = before.finding if before else None
    if finding.mark and (was is None or details != (was.mark, was.kind, was.district)):
        data = {
            "mark": finding.mark,
            "was": was.mark if was else None,
            "started": call.started,
            "kind": finding.kind,
            "district": finding.district,
            "operator": finding.operator,
            "by": line.by if line else finding.marked_by,
        }
        at = line.at if line else call.ended
        yield Announcement(EventType.CALL_MARKED, at, call.id, call.caller, data)


def _ended(entry: Entry) -> dict[str, object]:
    row = entry.summary
    return {
        "started": row.started,
        "outcome": row.outcome,
        "reason": row.reason,
        "queue": row.queue,
        "operator": row.operator,
        "mark": row.mark,
        "handed_to": row.handed_to,
        "wait_seconds": _seconds(row.stages.waited),
        "talk_seconds": _seconds(row.stages.talk),
        "strike": row.strike,
        "spared": row.spared,
    }


def _of_caller(
    before: CallerRecord, after: CallerRecord, at: Millis, ends_told: Millis
) -> Iterator[Announcement]:
    if after.strikes is not before.strikes:
        yield from _strikes(before, after)
    if after.blocks is not before.blocks:
        yield from _blocks(before, after, ends_told)
    for proposal in begun(before.proposals, after.proposals):
        level = Level.PERMANENT if proposal.span is None else Level.TEMPORARY
        data = {"level": level, "cause": proposal.cause, "reason": proposal.reason}
        yield Announcement(EventType.PROPOSAL_MADE, proposal.at, None, after.caller, data)
    for appeal in fresh(before.appeals, after.appeals):
        if appeal.decided is None:
            told: dict[str, object] = {"due": appeal.due, "by": appeal.by, "reason": appeal.reason}
            yield Announcement(EventType.APPEAL_MADE, appeal.at, None, after.caller, told)
    if after.missed is not before.missed:
        yield from _callbacks(before, after, at)


def _strikes(before: CallerRecord, after: CallerRecord) -> Iterator[Announcement]:
    known = {strike.call for strike in before.strikes}
    for strike in after.strikes:
        if strike.call not in known:
            data = {"outcome": strike.outcome, "reason": strike.reason}
            yield Announcement(EventType.STRIKE_GIVEN, strike.at, strike.call, after.caller, data)


def _blocks(before: CallerRecord, after: CallerRecord, ends_told: Millis) -> Iterator[Announcement]:
    held = {(block.since, block.until, block.by) for block in before.blocks if block.lifted is None}
    imposed = begun(before.blocks, after.blocks)
    for block in fresh(before.blocks, after.blocks):
        if block in imposed:
            call = block.calls[-1] if block.calls else None
            yield Announcement(EventType.BLOCK_IMPOSED, block.since, call, after.caller, _block(block))
            if block.until is not None and block.until <= ends_told:
                yield of_block_run_out(after.caller, block)
        elif block.lifted and (block.since, block.until, block.by) in held:
            data = _block(block) | {"how": "lifted", "lifted_by": block.lifted.by}
            yield Announcement(EventType.BLOCK_ENDED, block.lifted.at, None, after.caller, data)


def _callbacks(before: CallerRecord, after: CallerRecord, at: Millis) -> Iterator[Announcement]:
    waited = {missed.call for missed in before.missed}
    for missed in after.missed:
        if missed.call not in waited:
            data = {"reason": missed.reason, "waited_seconds": _seconds(missed.wait)}
            yield Announcement(EventType.CALLBACK_WAITING, missed.at, missed.call, after.caller, data)
    if before.missed and not after.missed and after.reached > before.reached:
        yield Announcement(EventType.CALLBACK_REACHED, at, None, after.caller, {"calls": len(before.missed)})


def _block(block: Block) -> dict[str, object]:
    return {
        "level": block.level,
        "until": block.until,
        "origin": block.origin,
        "by": block.by,
        "reason": block.reason,
    }


def of_block_run_out(caller: Caller, block: Block) -> Announcement:
    """Return the announcement that a temporary block has expired."""
    data = _block(block) | {"how": "run out", "lifted_by": None}
    return Announcement(EventType.BLOCK_ENDED, block.until or 0, None, caller, data)


def of_switch(switch: Switch, instead_of: Mode) -> Announcement:
    """Return the announcement that the site's mode was switched."""
    data = {"mode": switch.mode, "was": instead_of, "by": switch.by, "reason": switch.reason}
    return Announcement(EventType.MODE_CHANGED, switch.at, None, None, data)


def _seconds(span: Millis | None) -> float | None:
    return None if span is None else span / SECOND
