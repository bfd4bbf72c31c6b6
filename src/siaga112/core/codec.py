"""Records ↔ JSON, as the store and the outbox keep them.

Raises `ValueError` on what is not such a record; never anything else.
"""

import json
from collections.abc import Callable
from dataclasses import astuple, replace
from typing import Any, Final, TypeVar

from siaga112.core.bounds import MISSED
from siaga112.core.figures import LedgerRow
from siaga112.core.mode import Switch
from siaga112.core.model import (
    END_OF_TIME,
    AuditEntry,
    Call,
    Caller,
    CallId,
    CallInProgress,
    Entry,
    Fact,
    FactKind,
    Finding,
    Level,
    Mark,
    Millis,
    Mode,
    OperatorState,
    Origin,
    Outcome,
    ProposalCause,
    Reached,
    Reason,
    Spared,
    Stage,
    Verdict,
)
from siaga112.core.outcome import stages
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
from siaga112.core.snapshot import Snapshot
from siaga112.core.standing import Standing

_T = TypeVar("_T")

# A look-up costs a fifth of calling the enum, and the ledger is read by the hundred thousand.
OUTCOMES: Final[dict[str, Outcome]] = {outcome.value: outcome for outcome in Outcome}
REASONS: Final[dict[str, Reason]] = {reason.value: reason for reason in Reason}
KINDS: Final[dict[str, FactKind]] = {kind.value: kind for kind in FactKind}


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _load(text: str | bytes, build: Callable[[Any], _T]) -> _T:
    try:  # decoded first, since json would guess at the encoding each time
        return build(json.loads(text if isinstance(text, str) else text.decode()))
    except (LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"not a stored record: {error!r}") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text of the wrong type")
    return value


def instant(value: object) -> Millis:
    """Take an instant that can be written as a date, and nothing else."""
    if type(value) is not int or not 0 <= value < END_OF_TIME:
        raise ValueError(f"not an instant: {value!r:.40}")
    return value


def _begun(value: object) -> Millis | None:
    """Take when the call of a strike began, where that was kept."""
    return None if value is None else instant(value)


def ending(value: object) -> Millis | None:
    """Take the end of a block; one that no calendar has is the last that there is."""
    if type(value) is int and value >= END_OF_TIME:
        return END_OF_TIME - 1
    return None if value is None else instant(value)


def _lift(value: Any) -> Lift | None:
    return Lift(instant(value[0]), *value[1:]) if value else None


def dump_entry(entry: Entry) -> str:
    """Write a row of the ledger."""
    finding, call = entry.finding, entry.finding.call
    return _dump(
        {
            "id": call.id,
            "raw": call.raw_caller,
            "caller": call.caller,
            "identified": call.identified,
            "facts": [[fact.at, fact.kind, fact.detail] for fact in call.facts],
            "outcome": finding.outcome,
            "reason": finding.reason,
            "deciding": [call.facts.index(fact) for fact in finding.deciding],
            "queue": finding.queue,
            "verdict": finding.verdict,
            "mark": finding.mark,
            "strike": entry.strike,
            "spared": entry.spared,
            "trunk": call.trunk,
            **({"attested": True} if call.attested else {}),
        }
    )


def dump_item(item: Entry | Reached) -> str:
    """Write what waits in the outbox."""
    if isinstance(item, Reached):
        return _dump({"reached": item.caller, "at": item.at})
    return dump_entry(item)


def load_item(text: str | bytes) -> Entry | Reached:
    """Read what waits in the outbox."""
    return _load(
        text,
        lambda row: (
            Reached(instant(row["at"]), Caller(_text(row["reached"]))) if "reached" in row else _entry(row)
        ),
    )


def dump_audit_entry(audit_entry: AuditEntry) -> str:
    """Write a line of the audit trail."""
    return _dump(
        [
            audit_entry.at,
            audit_entry.by,
            audit_entry.action,
            audit_entry.subject,
            audit_entry.detail,
            audit_entry.reason,
        ]
    )


def dump_switch(switch: Switch) -> str:
    """Write a switch of the mode; the time first, as the store compares it."""
    return _dump({"at": switch.at, "mode": switch.mode, "by": switch.by, "reason": switch.reason})


def load_switch(text: str | bytes) -> Switch:
    """Read a switch of the mode; the mode's bare name too, as it was stored before."""
    word = text if isinstance(text, str) else text.decode()
    return Switch(Mode(word)) if word in list(Mode) else _load(word, _switch)


def _switch(row: dict[str, Any]) -> Switch:
    at, by, reason = row["at"], row["by"], row["reason"]
    if type(at) is not int or not isinstance(by, str) or not isinstance(reason, str):
        raise TypeError("fields of the wrong type")
    return Switch(Mode(row["mode"]), at, by, reason)


def load_audit_entry(text: str | bytes) -> AuditEntry:
    """Read a line of the audit trail."""
    return _load(text, lambda row: AuditEntry(instant(row[0]), *map(_text, row[1:])))


def load_entry(text: str | bytes) -> Entry:
    """Read a row of the ledger."""
    return _load(text, _entry)


def load_row(text: str | bytes) -> LedgerRow:
    """Read as much of a row of the ledger as the figures need, in a third of the time."""
    return _load(text, _row)


def _row(row: dict[str, Any]) -> LedgerRow:
    outcome = OUTCOMES[row["outcome"]]
    waits = outcome is Outcome.ANSWERED or outcome is Outcome.ABANDONED
    return LedgerRow(
        instant(row["facts"][0][0]),
        outcome,
        REASONS[row["reason"]],
        Mark(row["mark"]) if row["mark"] else None,
        stages(_call(row)).waited if waits else None,
        row["caller"] or None,
        bool(row["strike"]),
        bool(row.get("spared")),
    )


def _call(row: dict[str, Any]) -> Call:
    return Call(
        id=CallId(_text(row["id"])),
        raw_caller=_text(row["raw"]),
        caller=Caller(_text(row["caller"])) if row["caller"] else None,
        identified=bool(row["identified"]),
        facts=tuple(Fact(instant(at), KINDS[kind], _text(detail)) for at, kind, detail in row["facts"]),
        trunk=_text(row.get("trunk", "")),
        attested=row.get("attested") is True,
    )


def _entry(row: dict[str, Any]) -> Entry:
    call = _call(row)
    if not call.facts:
        raise ValueError("a call of which nothing was seen")
    finding = Finding(
        call=call,
        outcome=Outcome(row["outcome"]),
        reason=Reason(row["reason"]),
        deciding=tuple(call.facts[n] for n in row["deciding"]),
        stages=stages(call),
        queue=row["queue"],
        verdict=Verdict(row["verdict"]) if row["verdict"] else None,
        mark=Mark(row["mark"]) if row["mark"] else None,
    )
    return Entry(finding, bool(row["strike"]), Spared(row["spared"]) if row.get("spared") else None)


def dump_record(record: CallerRecord) -> str:
    """Write all that is held on a caller."""
    return _dump(
        {
            "caller": record.caller,
            "strikes": [_dump_strike(strike) for strike in record.strikes],
            "blocks": [
                {
                    "level": b.level,
                    "since": b.since,
                    "until": b.until,
                    "origin": b.origin,
                    "reason": b.reason,
                    "by": b.by,
                    "calls": b.calls,
                    "lifted": _dump_lift(b.lifted),
                    "step": b.step,
                }
                for b in record.blocks
            ],
            "proposals": [
                {
                    "at": p.at,
                    "cause": p.cause,
                    "span": p.span,
                    "step": p.step,
                    "reason": p.reason,
                    "calls": p.calls,
                    "confirmed": p.confirmed,
                    "decided": _dump_lift(p.decided),
                }
                for p in record.proposals
            ],
            "reports": [[r.call, r.at] for r in record.reports],
            "missed": [[m.call, m.at, m.wait] for m in record.missed],
            "reached": record.reached,
            "allow": [record.allow.at, record.allow.by, record.allow.reason] if record.allow else None,
            "withdrawn": sorted(record.withdrawn),
            "dropped": astuple(record.dropped),
        }
    )


def _dump_strike(strike: Strike) -> list[object]:
    row: list[object] = [strike.call, strike.at, strike.outcome, strike.reason, strike.begun]
    return [*row, strike.trunk, strike.attested] if strike.trunk or strike.attested else row


def _strike(row: list[Any]) -> Strike:
    """Read a strike; earlier versions kept neither the trunk nor, before that, when the call began."""
    call, at, outcome, reason, *rest = row
    begun = _begun(rest[0]) if rest else None
    trunk, attested = rest[1:] or ("", False)
    return Strike(
        CallId(call),
        instant(at),
        Outcome(outcome),
        _text(reason),
        begun,
        _text(trunk),
        attested=attested is True,
    )


def _dump_lift(lift: Lift | None) -> list[object] | None:
    return [lift.at, lift.by, lift.reason, lift.forgives, lift.mistake] if lift else None


def load_record(text: str | bytes) -> CallerRecord:
    """Read all that is held on a caller."""
    return _load(text, _record)


def load_blocks(text: str | bytes) -> tuple[Block, ...]:
    """Read a caller's blocks alone."""
    return _load(text, _blocks)


def _blocks(row: dict[str, Any]) -> tuple[Block, ...]:
    return tuple(
        Block(
            level=Level(b["level"]),
            since=instant(b["since"]),
            until=ending(b["until"]),
            origin=Origin(b["origin"]),
            reason=b["reason"],
            by=b["by"],
            calls=tuple(CallId(call) for call in b["calls"]),
            lifted=_lift(b["lifted"]),
            step=b["step"],
        )
        for b in row["blocks"]
    )


def _record(row: dict[str, Any]) -> CallerRecord:
    # Cut before it is built: one that an earlier version has let grow holds everybody up each time.
    missed, dropped = row["missed"], DroppedCounts(*row.get("dropped", ()))
    if (over := len(missed) - MISSED) > 0:
        missed = [missed[0], *missed[1 - MISSED :]]
        dropped = replace(dropped, missed=dropped.missed + over)
    return CallerRecord(
        caller=Caller(_text(row["caller"])),
        strikes=tuple(sorted(map(_strike, row["strikes"]), key=lambda one: one.order)),
        blocks=_blocks(row),
        proposals=tuple(
            Proposal(
                at=instant(p["at"]),
                cause=ProposalCause(p["cause"]),
                span=p["span"],
                step=p["step"],
                reason=p["reason"],
                calls=tuple(CallId(call) for call in p["calls"]),
                confirmed=p["confirmed"],
                decided=_lift(p["decided"]),
            )
            for p in row["proposals"]
        ),
        reports=tuple(GenuineReport(CallId(call), instant(at)) for call, at in row["reports"]),
        missed=tuple(MissedCall(CallId(call), instant(at), wait) for call, at, wait in missed),
        reached=instant(row["reached"]),
        allow=AllowEntry(instant(row["allow"][0]), *row["allow"][1:]) if row["allow"] else None,
        withdrawn=frozenset(CallId(call) for call in row["withdrawn"]),
        dropped=dropped,
    )


def dump_standing(standing: Standing) -> str:
    """Write what a verdict needs."""
    began = [standing.since] if standing.since else []
    return _dump([standing.allowed, standing.level, standing.until, standing.warn_until, *began])


def load_standing(text: str | bytes) -> Standing:
    """Read what a verdict needs."""
    return _load(text, _standing)


def _standing(row: list[Any]) -> Standing:
    allowed, level, until, warn_until, *began = row
    if not isinstance(allowed, bool):
        raise TypeError("fields of the wrong type")
    since = instant(*began) if began else 0
    return Standing(allowed, Level(level) if level else None, ending(until), ending(warn_until) or 0, since)


def dump_snapshot(snapshot: Snapshot) -> str:
    """Write what goes on at this moment; short, since it is written every second."""
    return _dump(
        {
            "at": snapshot.at,
            "calls": [
                [c.call, c.caller, c.started, c.stage, c.since, c.queue, c.screened] for c in snapshot.calls
            ],
            "stages": snapshot.stages,
            "queues": snapshot.queues,
            "operators": snapshot.operators,
            "surge": snapshot.surge,
            "connected": snapshot.connected,
            "screens": snapshot.screens,
        }
    )


def load_snapshot(text: str | bytes) -> Snapshot:
    """Read what goes on at this moment."""
    return _load(text, _snapshot)


def _snapshot(row: dict[str, Any]) -> Snapshot:
    operators = row["operators"]
    return Snapshot(
        at=int(row["at"]),
        calls=tuple(
            CallInProgress(
                CallId(call),
                Caller(caller) if caller else None,
                int(started),
                Stage(stage),
                int(since),
                str(queue),
                str(screened),
            )
            for call, caller, started, stage, since, queue, screened in row["calls"]
        ),
        stages={Stage(stage): int(count) for stage, count in row["stages"].items()},
        queues={queue: (int(count), int(first)) for queue, (count, first) in row["queues"].items()},
        operators=None
        if operators is None
        else {OperatorState(state): int(count) for state, count in operators.items()},
        surge=str(row["surge"]),
        connected=bool(row["connected"]),
        screens=bool(row["screens"]),
    )
