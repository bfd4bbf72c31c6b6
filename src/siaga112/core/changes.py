"""What an ended call, or a person's decision, changes in what is stored: together or not at all.

A caller's record, the ledger's row, the audit trail's line and the counts of one event agree, whatever
dies in between. Pure: what is held comes in, the `Change` to write goes out.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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

_Held = TypeVar("_Held", Strike, GenuineReport)
_CALL: Final = attrgetter("call")

OPERATOR: Final = "operator"
"""Who pressed a key during the call, for the audit trail, where the PBX did not say which one."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """A caller's record in place of the one before, of that version (0: none), and what follows."""

    before: CallerRecord
    record: CallerRecord
    version: int
    at: Millis
    rules: PolicyRules

    @property
    def held(self) -> Standing:
        """What verdicts need of the record."""
        return standing(self.record, self.at, self.rules)

    @property
    def expires(self) -> Millis | None:
        """From when on nothing of the record may be kept; None for never."""
        return forget_after(self.record, self.rules)


class Imposition(NamedTuple):
    """An automatic block that the caps of an hour must have room for; the same call needs none again.

    `cap`: of all blocks; `cap_permanent`: of the permanent ones, if it is one. 0 for no limit.
    """

    call: CallId
    at: Millis
    cap: int
    cap_permanent: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """What is written together or not at all; counted only if the line of the audit trail is new.

    `past`: it was written elsewhere before, so that nobody is told of it now.
    """

    replacement: Replacement | None = None
    entry: Entry | None = None
    audit_entry: AuditEntry | None = None
    tallies: tuple[str, ...] = ()
    imposes: Imposition | None = None
    past: bool = False


class Stored(NamedTuple):
    """What is held on a caller, with its version, and the ledger's row of a call."""

    record: CallerRecord | None
    version: int
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class CallChange:
    """How an ended call is written, and what of it is to be told."""

    change: Change
    entry: Entry | None = None
    imposed: Block | Proposal | None = None
    misused: bool = False


def replacement(
    before: CallerRecord, after: CallerRecord, version: int, now: Millis, rules: PolicyRules
) -> Replacement:
    """Give a record as it is to be stored."""
    return Replacement(before, after, version, now, rules)


def change_of_call(
    item: Entry | Reached,
    held: Stored,
    rules: PolicyRules,
    *,
    capped: bool = False,
    now: Millis | None = None,
) -> CallChange:
    """Say what an ended call changes. The same call again changes nothing more.

    `capped`: the hour's automatic blocks are used up. `now`: our own clock, where there is one. What lies
    further ahead of it than clocks may differ is taken for as late as may be: by a time that is not yet
    nothing is thrown away for its age.
    """
    before = held.record
    latest = END_OF_TIME if now is None else now + TOLERANCE
    if isinstance(item, Reached):
        item = replace(item, at=min(item.at, latest))
        assert before is not None, "an operator reached somebody"  # noqa: S101 - our own mistake otherwise
        if item.at <= before.forgotten:
            return CallChange(Change())
        after = prune(reach(before, item.at), item.at, rules)
        return CallChange(Change(_replaced(before, after, held.version, now or item.at, rules)))
    if before is not None and item.finding.call.started <= before.forgotten:
        item, before = replace(without_caller(item), strike=False), None
    finding, at = item.finding, min(item.finding.call.ended, latest)
    if finding.call.marked_later and held.entry and not _gives_way(held.entry.finding, finding):
        return CallChange(Change())  # a person has marked it otherwise meanwhile
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
        counted = (*counted, f"marks:{finding.mark}")
    written = None
    if row is None or _gives_way(row.finding, finding):
        written = new.entry if row is None else _with_told(new.entry, row.finding)
    change = Change(new.replacement, written, audit_entry, counted, new.imposes)
    return CallChange(change, new.entry, new.imposed, new.misused)


def without_caller(entry: Entry) -> Entry:
    """Give a row of the ledger with nothing of its caller, for figures that still add up."""
    call = replace(entry.finding.call, caller=None, raw_caller="", identified=False, recording="")
    return replace(entry, finding=replace(entry.finding, call=call))


A_CALLER: Final = "a caller"
"""What stands in the audit trail for somebody who was erased."""


def without_number(text: str, spelled: re.Pattern[str]) -> str:
    """Give what somebody wrote without a number, so spelled."""
    return spelled.sub(A_CALLER, text)


def of_nobody(entry: Entry, spelled: re.Pattern[str]) -> bool:
    """Say whether a row has no caller, but a number as it came that is spelled so.

    Such is a call whose number the dialplan withheld because of something else in the request.
    """
    call = entry.finding.call
    return call.caller is None and bool(spelled.search(call.raw_caller))


class _OfCaller(NamedTuple):
    """What a call means for its caller, and its row of the ledger with that."""

    entry: Entry
    replacement: Replacement | None = None
    tallies: tuple[str, ...] = ()
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
    """Change the caller's record by what the call, which ended `at`, means for it."""
    finding = entry.finding
    strike = strike_for(finding, rules) if entry.strike else None
    after = _unmark(before, finding, at) if finding.call.marked_later else before
    after = add_strike(after, strike, rules, capped=capped, now=now) if strike else after
    after = prune(_remember(after, finding, at), at, rules)
    blocks = begun(before.blocks, after.blocks)
    block = blocks[-1] if blocks else None
    proposal = next(iter(begun(before.proposals, after.proposals)[::-1]), None)
    if strike and strike.call not in map(_CALL, reversed(after.strikes)):  # the last one, mostly
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
    """Take back what an earlier mark of the same call brought, where the operator has given another since."""
    call = finding.call.id
    record = served_after_all(record, call)
    if finding.mark is not Mark.GENUINE:
        record = withdraw_report(record, call)
    if finding.mark is Mark.PRANK or not any(held.call == call for held in record.strikes):
        return record
    reason = f"call {call} was marked {finding.mark}"
    taken = Lift(at, finding.marked_by or OPERATOR, reason, forgives=False, mistake=True)
    record = take_back_strike(record, call, taken)
    return replace(record, withdrawn=record.withdrawn - {call})  # a third mark may bring it again


def _imposes(block: Block, strike: Strike, rules: PolicyRules) -> Imposition | None:
    lasting = rules.cap_permanent if block.level is Level.PERMANENT else 0
    return Imposition(strike.call, strike.at, rules.cap, lasting) if rules.cap or lasting else None


def _replaced(
    before: CallerRecord, after: CallerRecord, version: int, at: Millis, rules: PolicyRules
) -> Replacement | None:
    return None if after is before or after == before else replacement(before, after, version, at, rules)


def tallies(before: CallerRecord, after: CallerRecord, finding: Finding) -> tuple[str, ...]:
    """Name what is counted of a change that a call, or its mark, brought."""
    return _tallies(before, after, finding, begun(before.blocks, after.blocks))


def _tallies(
    before: CallerRecord, after: CallerRecord, finding: Finding, blocks: list[Block]
) -> tuple[str, ...]:
    counted = []
    if _new_strike(before, after, finding.call.id):
        counted.append(f"strikes:{finding.outcome}")
    counted += map(imposed, blocks)
    new_report = _is_new(before.reports, after.reports, finding.call.id)
    if new_report and _blocked_before(after, finding.call.started):
        counted.append("blocked_then_genuine")
    return tuple(counted)


def _new_strike(before: CallerRecord, after: CallerRecord, call: CallId) -> bool:
    return _is_new(before.strikes, after.strikes, call)


def _is_new(before: tuple[_Held, ...], after: tuple[_Held, ...], call: CallId) -> bool:
    if after is before or call not in map(_CALL, reversed(after)):  # what is new is the last one, mostly
        return False
    return call not in map(_CALL, before)


def imposed(block: Block) -> str:
    """Name what is counted of a new block."""
    return f"blocks:{block.level}:{block.origin}"


def _gives_way(held: Finding, new: Finding) -> bool:
    """Say whether a row of the ledger gives way to another of the same call.

    Not to one that knows less: another daemon may have seen all of the call, this one a part of it. And
    not where somebody has marked it since at a desk: then we only come again after a crash. A mark from the
    operator's phone gives way to a later one from there.
    """
    if new.outcome is Outcome.UNKNOWN and held.outcome is not Outcome.UNKNOWN:
        return False
    marked = held.call.mark
    by_phone = marked is not None and marked[0] is held.mark and new.call.marked_later
    return held.mark in {None, new.mark} or by_phone


def _with_told(entry: Entry, held: Finding) -> Entry:
    """Keep what somebody told of a report at a desk, which no event tells; not of what is no report."""
    finding = entry.finding
    told = tuple(one for one in held.handovers if one.how is HandedOver.TOLD)
    if finding.mark is not Mark.GENUINE or not (told or held.kind or held.district):
        return entry
    handovers = (*finding.handovers, *told)
    finding = replace(finding, kind=held.kind, district=held.district, handovers=handovers)
    return replace(entry, finding=finding)


def _remember(record: CallerRecord, finding: Finding, at: Millis) -> CallerRecord:
    """Keep what is no misuse: who waits for a call-back, who was spoken with, who reported in earnest.

    Who was silent was not spoken with: it may be somebody who cannot speak (domain, rule 5).
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
    """Give the call-back that an answered call waits for in which nobody spoke; it is of the mark's time."""
    return _missed(finding, Mark.SILENT, max(at, finding.call.facts[-1].at))


def _missed(finding: Finding, reason: str, at: Millis) -> MissedCall:
    call, waited = finding.call, finding.stages.wait
    span = max(0, call.ended - call.started)  # somebody may have set a clock meanwhile
    return MissedCall(call.id, at, span if waited is None else waited, reason)


def _blocked_before(record: CallerRecord, at: Millis) -> bool:
    """Say whether the ladder had blocked the caller before that instant."""
    return any(block.step and block.since < at for block in record.blocks)


_Imposed = TypeVar("_Imposed", Block, Proposal)
_Made = TypeVar("_Made", Block, Proposal, Appeal)


def begun(before: tuple[_Imposed, ...], after: tuple[_Imposed, ...]) -> list[_Imposed]:
    """Give the blocks that were imposed, or the proposals that were made, and stand.

    None that only ended, or names fewer calls than before (`core.bounds`).
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
"""Which block it is, or which proposal: what of it never changes."""


def _over(held: Block | Proposal) -> bool:
    return (held.lifted if isinstance(held, Block) else held.decided) is not None


def fresh(before: tuple[_Made, ...], after: tuple[_Made, ...]) -> list[_Made]:
    """Give what is new or other among blocks, proposals or objections: told first by being the same."""
    if after is before:
        return []
    same = set(map(id, before))
    return [held for held in after if id(held) not in same and held not in before]
