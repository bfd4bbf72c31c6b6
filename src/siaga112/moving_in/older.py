"""Parses the JSON of siaga112 before 0.1.0, and merges it into today's records. Pure.

The rows of the ledger and the mode have today's format (`core.codec`); this module has the rest.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final, TypeVar

from siaga112.core.changes import OPERATOR
from siaga112.core.codec import OUTCOMES, ending, instant
from siaga112.core.model import AuditEntry, Caller, CallId, Level, Millis, Origin, ProposalCause, Via
from siaga112.core.record import (
    AllowEntry,
    Block,
    CallerRecord,
    DroppedCounts,
    GenuineReport,
    Lift,
    MissedCall,
    Proposal,
    Strike,
)

_T = TypeVar("_T")
_Decided = TypeVar("_Decided", Block, Proposal)

EVER: Final[Millis] = -1
"""Earlier than any instant."""


def load_record(text: bytes, caller: str) -> CallerRecord:
    """Parse a caller's record.

    Raises:
        ValueError: if it is not a record, or is another caller's.

    """
    record = _load(text, _record)
    if record.caller != caller:
        raise ValueError("is of another caller")
    return record


def load_line(text: bytes) -> AuditEntry:
    """Parse a line of the audit trail.

    Raises:
        ValueError: if it is not one.

    """
    return _load(text, _line)


def _load(text: bytes, build: Callable[[Any], _T]) -> _T:
    try:
        return build(json.loads(text.decode()))
    except (LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"not a stored record: {error!r}") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text of the wrong type")
    return value


def _number(value: object) -> int:
    if type(value) is not int:
        raise TypeError("a number of the wrong type")
    return value


def _line(row: list[Any]) -> AuditEntry:
    at, by, action, subject, detail, reason = row
    via = Via.PHONE if (action, by) == ("mark", OPERATOR) else Via.CLI
    return AuditEntry(
        instant(at), _text(by), _text(action), _text(subject), _text(detail), _text(reason), via
    )


def _record(row: dict[str, Any]) -> CallerRecord:
    allow = row["allow"]
    return CallerRecord(
        caller=Caller(_text(row["caller"])),
        strikes=tuple(sorted(map(_strike, row["strikes"]), key=lambda one: one.order)),
        blocks=tuple(map(_block, row["blocks"])),
        proposals=tuple(map(_proposal, row["proposals"])),
        reports=tuple(GenuineReport(_call(call), instant(at)) for call, at in row["reports"]),
        missed=tuple(MissedCall(_call(call), instant(at), _number(wait)) for call, at, wait in row["missed"]),
        reached=instant(row["reached"]),
        allow=AllowEntry(instant(allow[0]), *map(_text, allow[1:])) if allow else None,
        withdrawn=frozenset(map(_call, row["withdrawn"])),
        dropped=DroppedCounts(*map(_number, row.get("dropped", ()))),
    )


def _call(value: object) -> CallId:
    return CallId(_text(value))


def _strike(row: list[Any]) -> Strike:
    """Parse a strike; old versions lack the trunk, and the oldest also the begin of the call."""
    call, at, outcome, reason, *rest = row
    begun = instant(rest[0]) if rest and rest[0] is not None else None
    trunk, attested = rest[1:] or ("", False)
    return Strike(
        _call(call),
        instant(at),
        OUTCOMES[outcome],
        _text(reason),
        begun,
        _text(trunk),
        attested=attested is True,
    )


def _block(row: dict[str, Any]) -> Block:
    return Block(
        level=Level(row["level"]),
        since=instant(row["since"]),
        until=ending(row["until"]),
        origin=Origin(row["origin"]),
        reason=_text(row["reason"]),
        by=_text(row["by"]),
        calls=tuple(map(_call, row["calls"])),
        lifted=_lift(row["lifted"]),
        step=_number(row["step"]),
    )


def _proposal(row: dict[str, Any]) -> Proposal:
    span = row["span"]
    return Proposal(
        at=instant(row["at"]),
        cause=ProposalCause(row["cause"]),
        span=None if span is None else _number(span),
        step=_number(row["step"]),
        reason=_text(row["reason"]),
        calls=tuple(map(_call, row["calls"])),
        confirmed=row["confirmed"] is True,
        decided=_lift(row["decided"]),
    )


def _lift(row: Any) -> Lift | None:
    if not row:
        return None
    at, by, reason, *flags = row
    return Lift(instant(at), _text(by), _text(reason), *(flag is True for flag in flags))


# ── joining ──────────────────────────────────────────────────────────────────────────────────────


def since(record: CallerRecord, at: Millis) -> CallerRecord | None:
    """Return the part of a record that is later than `at`; None if there is none."""

    def decided(some: Iterable[_Decided], began: Callable[[_Decided], Millis]) -> tuple[_Decided, ...]:
        return tuple(one for one in some if max(began(one), _ended(one)) > at)

    later = replace(
        record,
        strikes=tuple(one for one in record.strikes if one.at > at),
        blocks=decided(record.blocks, lambda one: one.since),
        proposals=decided(record.proposals, lambda one: one.at),
        reports=tuple(one for one in record.reports if one.at > at),
        missed=tuple(one for one in record.missed if one.at > at),
        reached=record.reached if record.reached > at else 0,
        allow=record.allow if record.allow and record.allow.at > at else None,
    )
    nothing = CallerRecord(record.caller, withdrawn=record.withdrawn, dropped=record.dropped)
    return None if later == nothing else later


def _ended(one: Block | Proposal) -> Millis:
    end = one.lifted if isinstance(one, Block) else one.decided
    return end.at if end else EVER


def joined(held: CallerRecord, older: CallerRecord, disallowed: Millis = EVER) -> CallerRecord:
    """Merge today's record with the older one; a block or proposal that a person ended in either stays ended.

    `disallowed`: when the caller was last removed from the allow list.
    """
    withdrawn = held.withdrawn | older.withdrawn
    strikes = {one.call: one for one in (*older.strikes, *held.strikes) if one.call not in withdrawn}
    reached = max(held.reached, older.reached)
    missed = {one.call: one for one in (*older.missed, *held.missed) if one.at > reached}
    brought = older.allow if older.allow and older.allow.at > disallowed else None
    return replace(
        held,
        strikes=tuple(sorted(strikes.values(), key=lambda one: one.order)),
        blocks=_both(older.blocks, held.blocks, lambda one: (one.since, one.until, one.origin, one.by)),
        proposals=_both(older.proposals, held.proposals, lambda one: (one.at, one.cause)),
        reports=_by_time({one.call: one for one in (*older.reports, *held.reports)}),
        missed=_by_time(missed),
        reached=reached,
        allow=held.allow or brought,
        withdrawn=withdrawn,
        dropped=older.dropped if held.dropped == DroppedCounts() else held.dropped,
    )


_Noted = TypeVar("_Noted", GenuineReport, MissedCall)


def _by_time(some: dict[CallId, _Noted]) -> tuple[_Noted, ...]:
    return tuple(sorted(some.values(), key=lambda one: (one.at, one.call)))


def _both(
    older: Iterable[_Decided], held: Iterable[_Decided], key: Callable[[_Decided], tuple[Any, ...]]
) -> tuple[_Decided, ...]:
    """Merge both, sorted by begin; of an item in both, prefer the ended one."""
    found = {key(one): one for one in older}
    for one in held:
        other = found.get(key(one))
        found[key(one)] = other if other and _ended(other) > EVER and _ended(one) == EVER else one
    return tuple(sorted(found.values(), key=lambda one: key(one)[0]))
