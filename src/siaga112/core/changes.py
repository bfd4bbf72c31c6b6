"""Changes: what an ended call or a person's decision writes to the store, all of it or nothing.

A caller's record, the ledger row, the audit line and the counts of one event stay consistent even if a
process dies in between. Pure: the stored state comes in, the `Change` to write goes out.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from operator import attrgetter
from typing import Final, NamedTuple, TypeVar

from siaga112.core.decisions import (
    add_report,
    miss,
    reach,
    served_after_all,
    take_back_strike,
    withdraw_report,
)
from siaga112.core.model import (
    END_OF_TIME,
    SECOND,
    TOLERANCE,
    AuditEntry,
    CallId,
    Entry,
    FactKind,
    Finding,
    HandedOver,
    Level,
    Mark,
    Millis,
    Outcome,
    Reached,
    Via,
)
from siaga112.core.policy import add_strike, spared_by, strike_for
from siaga112.core.record import (
    Appeal,
    Block,
    CallerRecord,
    GenuineReport,
    Lift,
    MissedCall,
    Proposal,
    Strike,
)
from siaga112.core.regulation import PolicyRules
from siaga112.core.retention import forget_after, prune
from siaga112.core.standing import Standing, standing
from siaga112.core.values import value

_Held = TypeVar("_Held", Strike, GenuineReport)
_CALL: Final = attrgetter("call")

MISUSE_SECONDS: Final = "misuse_seconds"
"""The name of the counter for the seconds that operators spent with calls that earned a strike."""

OPERATOR: Final = "operator"
"""The name in the audit trail for an operator whom the PBX did not name."""


@value
class Replacement:
    """A new record of a caller in place of `before`. `version`: that of the stored record, 0 for none."""

    before: CallerRecord
    record: CallerRecord
    version: int
    at: Millis
    rules: PolicyRules

    @property
    def held(self) -> Standing:
        """The standing of the new record."""
        return standing(self.record, self.at, self.rules)

    @property
    def expires(self) -> Millis | None:
        """When the whole record must be deleted; None for never."""
        return forget_after(self.record, self.rules)


class Imposition(NamedTuple):
    """A request to impose an automatic block within the hourly caps. Each call needs only one reservation.

    `cap`: the limit for all blocks; `cap_permanent`: for permanent ones, if this is one. 0 is no limit.
    """

    call: CallId
    at: Millis
    cap: int
    cap_permanent: int = 0


@value
class Change:
    """What is written together or not at all. The store adds `tallies` only if the audit line is new.

    `past`: the change comes from an earlier store, so it is not announced now.
    """

    replacement: Replacement | None = None
    entry: Entry | None = None
    audit_entry: AuditEntry | None = None
    tallies: Mapping[str, int] = field(default_factory=dict)
    imposes: Imposition | None = None
    past: bool = False


class Stored(NamedTuple):
    """The stored record of a caller with its version, and the ledger row of a call."""

    record: CallerRecord | None
    version: int
    entry: Entry | None


@value
class CallChange:
    """The change for an ended call, and what to announce about it."""

    change: Change
    entry: Entry | None = None
    imposed: Block | Proposal | None = None
    misused: bool = False


def replacement(
    before: CallerRecord, after: CallerRecord, version: int, now: Millis, rules: PolicyRules
) -> Replacement:
    """Return the replacement of a record by a new one."""
    return Replacement(before, after, version, now, rules)


def change_of_call(
    item: Entry | Reached,
    held: Stored,
    rules: PolicyRules,
    *,
    capped: bool = False,
    now: Millis | None = None,
) -> CallChange:
    """Return what an ended call changes. Repeating the same call changes nothing.

    `capped`: the hour's automatic blocks are used up. `now`: the time of our own clock, if there is one. A
    call that is more than `TOLERANCE` ahead of it is treated as exactly that far ahead, so a future time
    never makes other data look old enough to delete.
    """
    before = held.record
    latest = END_OF_TIME if now is None else now + TOLERANCE
    if isinstance(item, Reached):
        item = replace(item, at=min(item.at, latest))
        assert before is not None, "Reached always has a caller"  # noqa: S101 - a bug otherwise
        if item.at <= before.forgotten:
            return CallChange(Change())
        after = prune(reach(before, item.at), item.at, rules)
        return CallChange(Change(_replaced(before, after, held.version, now or item.at, rules)))
    if before is not None and item.finding.call.started <= before.forgotten:
        item, before = replace(without_caller(item), strike=False), None
    finding, at = item.finding, min(item.finding.call.ended, latest)
    later = finding.call.marked_later or finding.call.from_queue_log
    if later and held.entry and not _gives_way(held.entry.finding, finding):
        return CallChange(Change())  # a person has set another mark, or AMI showed the call, in the meantime
    new = _OfCaller(item)
    if before is not None:
        new = _caller(item, before, held.version, rules, capped=capped, at=at, now=now)
    row, audit_entry, counted = held.entry, None, new.tallies
    if finding.mark and (row is None or row.finding.mark is not finding.mark):
        pressed = finding.call.last(FactKind.MARKED)
        audit_entry = AuditEntry(
            min(pressed.at, latest) if pressed else at,
            finding.marked_by or OPERATOR,
            "mark",
            finding.call.id,
            finding.mark,
            "dialled after the call" if finding.call.marked_later else "key during the call",
            Via.PHONE,
        )
        counted = {**counted, f"marks:{finding.mark}": 1}
    written = None
    if row is None or _gives_way(row.finding, finding):
        written = new.entry if row is None else _with_told(new.entry, row.finding)
    change = Change(new.replacement, written, audit_entry, counted, new.imposes)
    return CallChange(change, new.entry, new.imposed, new.misused)


def without_caller(entry: Entry) -> Entry:
    """Return a ledger row without its caller, so that the figures still add up after an erasure."""
    call = replace(entry.finding.call, caller=None, raw_caller="", identified=False, recording="")
    return replace(entry, finding=replace(entry.finding, call=call))


A_CALLER: Final = "a caller"
"""The text in the audit trail for a caller who was erased."""


def without_number(text: str, spelled: re.Pattern[str]) -> str:
    """Replace each match of `spelled` in a text by `A_CALLER`."""
    return spelled.sub(A_CALLER, text)


def of_nobody(entry: Entry, spelled: re.Pattern[str]) -> bool:
    """Return whether a row has no caller but a raw number that matches `spelled`.

    Such a row is a call whose caller was withheld because of something else in the request.
    """
    call = entry.finding.call
    return call.caller is None and bool(spelled.search(call.raw_caller))


class _OfCaller(NamedTuple):
    """What a call changes for its caller, and the resulting ledger row."""

    entry: Entry
    replacement: Replacement | None = None
    tallies: Mapping[str, int] = {}
    imposes: Imposition | None = None
    imposed: Block | Proposal | None = None
    misused: bool = False


def _caller(
    entry: Entry,
    before: CallerRecord,
    version: int,
    rules: PolicyRules,
    *,
    capped: bool,
    at: Millis,
    now: Millis | None,
) -> _OfCaller:
    """Apply a call that ended at `at` to the caller's record."""
    finding = entry.finding
    strike = strike_for(finding, rules) if entry.strike else None
    after = _unmark(before, finding, at) if finding.call.marked_later else before
    after = add_strike(after, strike, rules, capped=capped, now=now) if strike else after
    after = prune(_remember(after, finding, at), at, rules)
    blocks = begun(before.blocks, after.blocks)
    block = blocks[-1] if blocks else None
    proposal = next(iter(begun(before.proposals, after.proposals)[::-1]), None)
    if strike and strike.call not in map(_CALL, reversed(after.strikes)):  # mostly the last one
        entry = replace(entry, strike=False, spared=spared_by(before))
    return _OfCaller(
        entry,
        _replaced(before, after, version, now or at, rules),
        _tallies(before, after, finding, blocks),
        _imposes(block, strike, rules) if block and strike else None,
        block or proposal,
        _new_strike(before, after, finding.call.id),
    )


def _unmark(record: CallerRecord, finding: Finding, at: Millis) -> CallerRecord:
    """Undo the effects of an earlier mark of the same call that the new mark contradicts."""
    call = finding.call.id
    record = served_after_all(record, call)
    if finding.mark is not Mark.GENUINE:
        record = withdraw_report(record, call)
    if finding.mark is Mark.PRANK or not any(held.call == call for held in record.strikes):
        return record
    reason = f"call {call} was marked {finding.mark}"
    taken = Lift(at, finding.marked_by or OPERATOR, reason, forgives=False, mistake=True)
    record = take_back_strike(record, call, taken)
    return replace(record, withdrawn=record.withdrawn - {call})  # a third mark may cost the strike again


def _imposes(block: Block, strike: Strike, rules: PolicyRules) -> Imposition | None:
    lasting = rules.cap_permanent if block.level is Level.PERMANENT else 0
    return Imposition(strike.call, strike.at, rules.cap, lasting) if rules.cap or lasting else None


def _replaced(
    before: CallerRecord, after: CallerRecord, version: int, at: Millis, rules: PolicyRules
) -> Replacement | None:
    return None if after is before or after == before else replacement(before, after, version, at, rules)


def tallies(before: CallerRecord, after: CallerRecord, finding: Finding) -> Mapping[str, int]:
    """Return the names of the counters that a call or its mark increments, each with by how much."""
    return _tallies(before, after, finding, begun(before.blocks, after.blocks))


def _tallies(
    before: CallerRecord, after: CallerRecord, finding: Finding, blocks: list[Block]
) -> Mapping[str, int]:
    counted = Counter(map(imposed, blocks))
    if _new_strike(before, after, finding.call.id):
        counted[f"strikes:{finding.outcome}"] += 1
        if seconds := round((finding.stages.talk or 0) / SECOND):
            counted[MISUSE_SECONDS] = seconds
    new_report = _is_new(before.reports, after.reports, finding.call.id)
    if new_report and _blocked_before(after, finding.call.started):
        counted["blocked_then_genuine"] += 1
    return counted


def _new_strike(before: CallerRecord, after: CallerRecord, call: CallId) -> bool:
    return _is_new(before.strikes, after.strikes, call)


def _is_new(before: tuple[_Held, ...], after: tuple[_Held, ...], call: CallId) -> bool:
    if after is before or call not in map(_CALL, reversed(after)):  # a new one is mostly the last
        return False
    return call not in map(_CALL, before)


def imposed(block: Block) -> str:
    """Return the name of the counter for a new block."""
    return f"blocks:{block.level}:{block.origin}"


def _gives_way(held: Finding, new: Finding) -> bool:
    """Return whether a new finding replaces the stored one of the same call.

    A finding of `unknown` does not replace a better one: another daemon may have seen the whole call. Nor
    does one from queue_log alone: the call may have waited in the outbox when queue_log was read. A finding
    does not replace a mark that somebody set at a desk: then this is a repeat after a crash. A mark from the
    operator's phone is replaced by a later mark from a phone.
    """
    less = new.outcome is Outcome.UNKNOWN or new.call.from_queue_log
    if less and held.outcome is not Outcome.UNKNOWN:
        return False
    marked = held.call.mark
    by_phone = marked is not None and marked[0] is held.mark and new.call.marked_later
    return held.mark in {None, new.mark} or by_phone


def _with_told(entry: Entry, held: Finding) -> Entry:
    """Keep the kind, district and informed agencies that a person entered, if the mark is still genuine."""
    finding = entry.finding
    told = tuple(one for one in held.handovers if one.how is HandedOver.TOLD)
    if finding.mark is not Mark.GENUINE or not (told or held.kind or held.district):
        return entry
    handovers = (*finding.handovers, *told)
    finding = replace(finding, kind=held.kind, district=held.district, handovers=handovers)
    return replace(entry, finding=finding)


def _remember(record: CallerRecord, finding: Finding, at: Millis) -> CallerRecord:
    """Record what is not a misuse: a call-back that is due, a conversation, a genuine report.

    A silent call is not a conversation: the caller may be unable to speak.
    """
    call = finding.call
    match finding.outcome:
        case Outcome.ABANDONED | Outcome.UNSERVED:
            record = miss(record, _missed(finding, finding.reason, at))
        case Outcome.ANSWERED if finding.mark is Mark.SILENT:
            record = miss(record, silent(finding, at))
        case Outcome.ANSWERED:
            record = reach(record, at)
        case _:
            pass
    return add_report(record, GenuineReport(call.id, at)) if finding.mark is Mark.GENUINE else record


def silent(finding: Finding, at: Millis) -> MissedCall:
    """Return the call-back for an answered call in which nobody spoke. Its time is that of the mark."""
    return _missed(finding, Mark.SILENT, max(at, finding.call.facts[-1].at))


def _missed(finding: Finding, reason: str, at: Millis) -> MissedCall:
    call, waited = finding.call, finding.stages.wait
    span = max(0, call.ended - call.started)  # somebody may have set the clock during the call
    return MissedCall(call.id, at, span if waited is None else waited, reason)


def _blocked_before(record: CallerRecord, at: Millis) -> bool:
    """Return whether the ladder had blocked the caller before that instant."""
    return any(block.step and block.since < at for block in record.blocks)


_Imposed = TypeVar("_Imposed", Block, Proposal)
_Made = TypeVar("_Made", Block, Proposal, Appeal)


def begun(before: tuple[_Imposed, ...], after: tuple[_Imposed, ...]) -> list[_Imposed]:
    """Return the new blocks or proposals that are not lifted or decided.

    One that merely ended, or that names fewer calls than before (`core.bounds`), is not new.
    """
    if after is before:
        return []
    same = set(map(id, before))
    new = [held for held in after if id(held) not in same and not _over(held)]
    if not new:
        return []
    which = _WHICH[type(new[0])]
    known = set(map(which, before))
    return [held for held in new if which(held) not in known]


_WHICH: Final[Mapping[type, Callable[[object], object]]] = {
    Block: attrgetter("since", "until", "origin", "by", "step"),
    Proposal: attrgetter("at", "cause", "span", "step"),
}
"""The identity of a block or a proposal: the fields that never change."""


def _over(held: Block | Proposal) -> bool:
    return (held.lifted if isinstance(held, Block) else held.decided) is not None


def fresh(before: tuple[_Made, ...], after: tuple[_Made, ...]) -> list[_Made]:
    """Return the new or changed blocks, proposals or appeals. Identity is compared first, for speed."""
    if after is before:
        return []
    same = set(map(id, before))
    return [held for held in after if id(held) not in same and held not in before]
