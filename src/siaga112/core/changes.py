"""What an ended call, or a person's decision, changes in what is stored: together or not at all.

A caller's record, the ledger's row, the audit trail's line and the counts of one event agree, whatever
dies in between. Pure: what is held comes in, the `Change` to write goes out.
"""

import re
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final, NamedTuple, TypeVar

from siaga112.core.decisions import add_report, miss, reach
from siaga112.core.model import (
    END_OF_TIME,
    TOLERANCE,
    AuditEntry,
    CallId,
    Entry,
    FactKind,
    Finding,
    Level,
    Mark,
    Millis,
    Outcome,
    Reached,
)
from siaga112.core.policy import add_strike, spared_by, strike_for
from siaga112.core.record import Block, CallerRecord, GenuineReport, MissedCall, Proposal, Strike
from siaga112.core.regulation import PolicyRules
from siaga112.core.retention import forget_after, prune
from siaga112.core.standing import Standing, standing

_Held = TypeVar("_Held", Strike, GenuineReport)
_CALL: Final = attrgetter("call")

OPERATOR: Final = "operator"
"""Who pressed a key during the call, for the audit trail: the PBX does not say which one."""


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
    """What is written together or not at all; counted only if the line of the audit trail is new."""

    replacement: Replacement | None = None
    entry: Entry | None = None
    audit_entry: AuditEntry | None = None
    tallies: tuple[str, ...] = ()
    imposes: Imposition | None = None


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
    new = _OfCaller(item)
    if before is not None:
        new = _caller(item, before, held.version, rules, capped=capped, at=at, now=now)
    row, audit_entry, counted = held.entry, None, new.tallies
    if finding.mark and (row is None or row.finding.mark is None):
        pressed = finding.call.last(FactKind.MARKED)
        audit_entry = AuditEntry(
            min(pressed.at, latest) if pressed else at,
            OPERATOR,
            "mark",
            finding.call.id,
            finding.mark,
            "key during the call",
        )
        counted = (*counted, f"marks:{finding.mark}")
    written = new.entry if row is None or _gives_way(row.finding, finding) else None
    change = Change(new.replacement, written, audit_entry, counted, new.imposes)
    return CallChange(change, new.entry, new.imposed, new.misused)


def without_caller(entry: Entry) -> Entry:
    """Give a row of the ledger with nothing of its caller, for figures that still add up."""
    call = replace(entry.finding.call, caller=None, raw_caller="", identified=False)
    return replace(entry, finding=replace(entry.finding, call=call))


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
    after = add_strike(before, strike, rules, capped=capped, now=now) if strike else before
    after = prune(_remember(after, finding, at), at, rules)
    block, proposal = _new(before.blocks, after.blocks), _new(before.proposals, after.proposals)
    if strike and strike.call not in map(_CALL, after.strikes):
        entry = replace(entry, strike=False, spared=spared_by(before, strike))
    return _OfCaller(
        entry,
        _replaced(before, after, version, now or at, rules),
        tallies(before, after, finding),
        _imposes(block, strike, rules) if block and strike else None,
        block or proposal,
        _new_strike(before, after, finding.call.id),
    )


def _imposes(block: Block, strike: Strike, rules: PolicyRules) -> Imposition | None:
    lasting = rules.cap_permanent if block.level is Level.PERMANENT else 0
    return Imposition(strike.call, strike.at, rules.cap, lasting) if rules.cap or lasting else None


def _replaced(
    before: CallerRecord, after: CallerRecord, version: int, at: Millis, rules: PolicyRules
) -> Replacement | None:
    return None if after == before else replacement(before, after, version, at, rules)


def tallies(before: CallerRecord, after: CallerRecord, finding: Finding) -> tuple[str, ...]:
    """Name what is counted of a change that a call, or its mark, brought."""
    counted = []
    if _new_strike(before, after, finding.call.id):
        counted.append(f"strikes:{finding.outcome}")
    counted += [imposed(block) for block in fresh(before.blocks, after.blocks) if not block.lifted]
    new_report = _is_new(before.reports, after.reports, finding.call.id)
    if new_report and _blocked_before(after, finding.call.started):
        counted.append("blocked_then_genuine")
    return tuple(counted)


def _new_strike(before: CallerRecord, after: CallerRecord, call: CallId) -> bool:
    return _is_new(before.strikes, after.strikes, call)


def _is_new(before: tuple[_Held, ...], after: tuple[_Held, ...], call: CallId) -> bool:
    return after is not before and call in map(_CALL, after) and call not in map(_CALL, before)


def imposed(block: Block) -> str:
    """Name what is counted of a new block."""
    return f"blocks:{block.level}:{block.origin}"


def _gives_way(held: Finding, new: Finding) -> bool:
    """Say whether a row of the ledger gives way to another of the same call.

    Not to one that knows less: another daemon may have seen all of the call, this one a part of it. And
    not where a person has marked it since: then we only come again after a crash.
    """
    if new.outcome is Outcome.UNKNOWN and held.outcome is not Outcome.UNKNOWN:
        return False
    return held.mark in {None, new.mark}


def _remember(record: CallerRecord, finding: Finding, at: Millis) -> CallerRecord:
    """Keep what is no misuse: who waits for a call-back, who was spoken with, who reported in earnest."""
    call = finding.call
    match finding.outcome:
        case Outcome.ABANDONED:
            span = max(0, call.ended - call.started)  # somebody may have set a clock meanwhile
            wait = span if finding.stages.wait is None else finding.stages.wait
            record = miss(record, MissedCall(call.id, at, wait))
        case Outcome.ANSWERED:
            record = reach(record, at)
        case _:
            pass
    return add_report(record, GenuineReport(call.id, at)) if finding.mark is Mark.GENUINE else record


def _blocked_before(record: CallerRecord, at: Millis) -> bool:
    """Say whether the ladder had blocked the caller before that instant."""
    return any(block.step and block.since < at for block in record.blocks)


_Imposed = TypeVar("_Imposed", Block, Proposal)


def fresh(before: tuple[_Imposed, ...], after: tuple[_Imposed, ...]) -> list[_Imposed]:
    """Give what is new among blocks or proposals: told first by being the same, since few are."""
    if after is before:
        return []
    same = set(map(id, before))
    return [held for held in after if id(held) not in same and held not in before]


def _new(before: tuple[_Imposed, ...], after: tuple[_Imposed, ...]) -> _Imposed | None:
    return next(reversed(fresh(before, after)), None)
