"""Records and calls ↔ rows of the tables.

What is read may have been written by anybody: a row that is none of ours is a `ValueError`, never anything
else.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass
from operator import attrgetter
from typing import Any, Final, TypeVar

from sqlalchemy import Row, Table

from siaga112.adapters.database.schema import (
    BLOCK,
    GENUINE_REPORT,
    MISSED_CALL,
    PROPOSAL,
    STRIKE,
    WITHDRAWN,
)
from siaga112.core.codec import KINDS, OUTCOMES, REASONS, ending, instant
from siaga112.core.figures import ANYBODY, LedgerRow, waited_as
from siaga112.core.model import (
    AuditEntry,
    Call,
    Caller,
    CallId,
    CallSummary,
    Entry,
    Fact,
    Finding,
    Level,
    Mark,
    Millis,
    Origin,
    ProposalCause,
    Spared,
    Stages,
    Verdict,
)
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
from siaga112.core.standing import Standing

Values = dict[str, Any]

_T = TypeVar("_T")


def read(row: Row[Any] | Mapping[str, Any], build: Callable[[Any], _T]) -> _T:
    """Build something of a row.

    Raises:
        ValueError: if it is none of ours.

    """
    try:
        return build(row)
    except (LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"not a row of ours: {error!r}") from error


_dump: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


# ── the ledger ───────────────────────────────────────────────────────────────────────────────────


def call_values(entry: Entry) -> Values:
    """Spell a row of the ledger."""
    finding, call = entry.finding, entry.finding.call
    started = call.started
    return {
        "id": call.id,
        "started": started,
        "ended": call.ended,
        "caller": call.caller,
        "raw_caller": call.raw_caller,
        "identified": call.identified,
        "trunk": call.trunk,
        "attested": call.attested,
        "outcome": finding.outcome.value,
        "reason": finding.reason.value,
        "queue": finding.queue,
        "verdict": finding.verdict and finding.verdict.value,
        "mark": finding.mark and finding.mark.value,
        "strike": entry.strike,
        "spared": entry.spared and entry.spared.value,
        "ivr": finding.stages.ivr,
        "wait": finding.stages.wait,
        "ring": finding.stages.ring,
        "talk": finding.stages.talk,
        "facts": _dump([_fact_values(fact, started) for fact in call.facts]),
        "deciding": _dump([call.facts.index(fact) for fact in finding.deciding]),
    }


def _fact_values(fact: Fact, started: Millis) -> list[object]:
    told = fact.at - started, fact.kind
    return [*told, fact.detail] if fact.detail else [*told]


def _fact(started: Millis, after: int, kind: str, detail: str = "") -> Fact:
    return Fact(instant(started + after), KINDS[kind], str(detail))


def entry_of(row: Row[Any]) -> Entry:
    """Read a row of the ledger."""
    return read(row, _entry)


def _entry(row: Any) -> Entry:
    facts = tuple(_fact(row.started, *fact) for fact in json.loads(row.facts))
    if not facts:
        raise ValueError("a call of which nothing was seen")
    call = Call(
        id=CallId(row.id),
        raw_caller=row.raw_caller,
        caller=Caller(row.caller) if row.caller else None,
        identified=row.identified,
        facts=facts,
        trunk=row.trunk,
        attested=row.attested,
    )
    finding = Finding(
        call=call,
        outcome=OUTCOMES[row.outcome],
        reason=REASONS[row.reason],
        deciding=tuple(facts[n] for n in json.loads(row.deciding)),
        stages=_stages(row),
        queue=row.queue,
        verdict=Verdict(row.verdict) if row.verdict else None,
        mark=Mark(row.mark) if row.mark else None,
    )
    return Entry(finding, row.strike, Spared(row.spared) if row.spared else None)


def summary_of(row: Row[Any]) -> CallSummary:
    """Read a row of the ledger without what was seen of the call."""
    return read(row, _summary)


def _summary(row: Any) -> CallSummary:
    return CallSummary(
        CallId(row.id),
        instant(row.started),
        instant(row.ended),
        Caller(row.caller) if row.caller else None,
        row.raw_caller,
        OUTCOMES[row.outcome],
        REASONS[row.reason],
        row.queue,
        _stages(row),
        Mark(row.mark) if row.mark else None,
        Verdict(row.verdict) if row.verdict else None,
        row.strike,
        Spared(row.spared) if row.spared else None,
    )


SUMMARY: Final = (
    "id", "started", "ended", "caller", "raw_caller", "outcome", "reason", "queue", "ivr", "wait", "ring",
    "talk", "mark", "verdict", "strike", "spared",
)  # fmt: skip
"""The columns of which it is made."""


def _stages(row: Any) -> Stages:
    return Stages(_span(row.ivr), _span(row.wait), _span(row.ring), _span(row.talk))


def _span(value: object) -> Millis | None:
    if value is not None and (type(value) is not int or value < 0):
        raise ValueError(f"not a span: {value!r:.40}")
    return value


def counted_row(since: Millis, answer_within: Millis, row: Row[Any]) -> LedgerRow:
    """Read what calls that were counted together have in common; none started before `since`."""

    def build(one: Any) -> LedgerRow:
        waited = None
        if one.tenths is not None:
            waited = waited_as(int(one.tenths), answer_within, in_time=bool(one.in_time))
        return LedgerRow(
            max(instant(one.bucket), since),
            OUTCOMES[one.outcome],
            REASONS[one.reason],
            Mark(one.mark) if one.mark else None,
            waited,
            ANYBODY if one.numbered else None,
            bool(one.strike),
            bool(one.was_spared),
        )

    return read(row, build)


# ── a caller's record ────────────────────────────────────────────────────────────────────────────


def caller_values(record: CallerRecord, version: int, held: Standing, expires: Millis | None) -> Values:
    """Spell the row of a caller, with the standing that follows from the record."""
    allow, dropped = record.allow, record.dropped
    return {
        "caller": record.caller,
        "version": version,
        "reached": record.reached,
        "allow_at": allow and allow.at,
        "allow_by": allow and allow.by,
        "allow_reason": allow and allow.reason,
        "dropped": None if dropped == DroppedCounts() else _dump(astuple(dropped)),
        "expires": expires,
        "level": held.level and held.level.value,
        "since": held.since,
        "until": held.until,
        "warn_until": held.warn_until,
    }


def standing_of(row: Row[Any]) -> Standing:
    """Read the standing in the row of a caller."""
    return read(row, _standing)


def _standing(row: Any) -> Standing:
    level = Level(row.level) if row.level else None
    until = ending(row.until)
    return Standing(row.allow_at is not None, level, until, ending(row.warn_until) or 0, instant(row.since))


@dataclass(frozen=True, slots=True)
class Part:
    """A table that holds a part of callers' records, `key` telling a caller's rows apart.

    `of` gives what a record has of it, `items` the same by that key; `spell` the other columns.
    """

    table: Table
    key: str
    of: Callable[[CallerRecord], Any]
    items: Callable[[Any], Mapping[Any, Any]]
    spell: Callable[[Any], Values]

    def changes(self, before: CallerRecord, after: CallerRecord) -> tuple[list[Any], list[Values]]:
        """Give the keys of the rows that go, and the rows that are new or other than they were."""
        if self.of(before) is self.of(after):
            return [], []
        was, now = self.items(self.of(before)), self.items(self.of(after))
        new = [
            {"caller": after.caller, self.key: key, **self.spell(one)}
            for key, one in now.items()
            if was.get(key) is not one and was.get(key) != one
        ]
        return [key for key in was if key not in now], new


def _lift_values(prefix: str, lift: Lift | None) -> Values:
    return {
        f"{prefix}_at": lift and lift.at,
        f"{prefix}_by": lift and lift.by,
        f"{prefix}_reason": lift and lift.reason,
        f"{prefix}_forgives": None if lift is None else lift.forgives,
        f"{prefix}_mistake": None if lift is None else lift.mistake,
    }


def _strike_values(one: Strike) -> Values:
    return {
        "at": one.at,
        "outcome": one.outcome.value,
        "reason": one.reason,
        "begun": one.begun,
        "trunk": one.trunk,
        "attested": one.attested,
    }


def _block_values(one: Block) -> Values:
    return {
        "level": one.level.value,
        "since": one.since,
        "until": one.until,
        "origin": one.origin.value,
        "reason": one.reason,
        "by": one.by,
        "calls": _dump(one.calls),
        "step": one.step,
        **_lift_values("lifted", one.lifted),
    }


def _proposal_values(one: Proposal) -> Values:
    return {
        "at": one.at,
        "cause": one.cause.value,
        "span": one.span,
        "step": one.step,
        "reason": one.reason,
        "calls": _dump(one.calls),
        "confirmed": one.confirmed,
        **_lift_values("decided", one.decided),
    }


def _by_call(held: Iterable[Any]) -> Mapping[Any, Any]:
    return {one.call: one for one in held}


def _by_place(held: Iterable[Any]) -> Mapping[Any, Any]:
    return dict(enumerate(held))


PARTS: Final = (
    Part(STRIKE, "call", attrgetter("strikes"), _by_call, _strike_values),
    Part(BLOCK, "nth", attrgetter("blocks"), _by_place, _block_values),
    Part(PROPOSAL, "nth", attrgetter("proposals"), _by_place, _proposal_values),
    Part(GENUINE_REPORT, "call", attrgetter("reports"), _by_call, lambda one: {"at": one.at}),
    Part(MISSED_CALL, "call", attrgetter("missed"), _by_call, lambda one: {"at": one.at, "wait": one.wait}),
    Part(WITHDRAWN, "call", attrgetter("withdrawn"), lambda held: dict.fromkeys(held, ""), lambda _: {}),
)


def record_of(row: Row[Any], parts: Mapping[str, Iterable[Row[Any]]]) -> CallerRecord:
    """Read a caller's record: the row of the caller, and the rows of each table of `PARTS` by its name."""

    def build(caller: Any) -> CallerRecord:
        allow = None
        if caller.allow_at is not None:
            allow = AllowEntry(instant(caller.allow_at), caller.allow_by, caller.allow_reason)
        return CallerRecord(
            caller=Caller(caller.caller),
            strikes=tuple(sorted(map(_strike, parts[STRIKE.name]), key=lambda one: one.order)),
            blocks=tuple(map(_block, sorted(parts[BLOCK.name], key=_nth))),
            proposals=tuple(map(_proposal, sorted(parts[PROPOSAL.name], key=_nth))),
            reports=tuple(sorted(map(_report, parts[GENUINE_REPORT.name]), key=_when)),
            missed=tuple(sorted(map(_missed, parts[MISSED_CALL.name]), key=_when)),
            reached=instant(caller.reached),
            allow=allow,
            withdrawn=frozenset(CallId(one.call) for one in parts[WITHDRAWN.name]),
            dropped=DroppedCounts(*json.loads(caller.dropped)) if caller.dropped else DroppedCounts(),
        )

    return read(row, build)


def _when(one: GenuineReport | MissedCall) -> tuple[Millis, CallId]:
    return one.at, one.call


def _report(row: Any) -> GenuineReport:
    return GenuineReport(CallId(row.call), instant(row.at))


def _missed(row: Any) -> MissedCall:
    return MissedCall(CallId(row.call), instant(row.at), row.wait)


def _nth(row: Any) -> int:
    return int(row.nth)


def _strike(row: Any) -> Strike:
    begun = None if row.begun is None else instant(row.begun)
    return Strike(
        CallId(row.call), instant(row.at), OUTCOMES[row.outcome], row.reason, begun, row.trunk, row.attested
    )


def block_of(row: Row[Any]) -> Block:
    """Read a block."""
    return read(row, _block)


def _block(row: Any) -> Block:
    return Block(
        level=Level(row.level),
        since=instant(row.since),
        until=ending(row.until),
        origin=Origin(row.origin),
        reason=row.reason,
        by=row.by,
        calls=tuple(map(CallId, json.loads(row.calls))),
        lifted=_lift(
            row.lifted_at, row.lifted_by, row.lifted_reason, row.lifted_forgives, row.lifted_mistake
        ),
        step=row.step,
    )


def _proposal(row: Any) -> Proposal:
    return Proposal(
        at=instant(row.at),
        cause=ProposalCause(row.cause),
        span=row.span,
        step=row.step,
        reason=row.reason,
        calls=tuple(map(CallId, json.loads(row.calls))),
        confirmed=row.confirmed,
        decided=_lift(
            row.decided_at, row.decided_by, row.decided_reason, row.decided_forgives, row.decided_mistake
        ),
    )


def _lift(at: Any, by: Any, reason: Any, forgives: Any, mistake: Any) -> Lift | None:
    return None if at is None else Lift(instant(at), by, reason, forgives, mistake)


# ── the audit trail ──────────────────────────────────────────────────────────────────────────────


def digest(audit_entry: AuditEntry) -> str:
    """Give what tells a line of the audit trail from all others."""
    return hashlib.sha256(repr(audit_entry).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def audit_values(audit_entry: AuditEntry) -> Values:
    """Spell a line of the audit trail."""
    return {
        "digest": digest(audit_entry),
        "at": audit_entry.at,
        "by": audit_entry.by,
        "action": audit_entry.action,
        "subject": audit_entry.subject,
        "detail": audit_entry.detail,
        "reason": audit_entry.reason,
    }


def audit_entry_of(row: Row[Any]) -> AuditEntry:
    """Read a line of the audit trail."""
    return read(
        row, lambda one: AuditEntry(instant(one.at), one.by, one.action, one.subject, one.detail, one.reason)
    )
