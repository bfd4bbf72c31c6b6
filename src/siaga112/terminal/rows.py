"""What the commands print of a call, a block, a caller: rows with stable names (docs/reference.md)."""

import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from siaga112.core import durations
from siaga112.core.holdings import Holding, Kept, Kind
from siaga112.core.model import SECOND, AuditEntry, Caller, CallSummary, Entry, Fact, Handover, Level, Millis
from siaga112.core.record import Appeal, Block, CallerRecord
from siaga112.core.text import printable

Row = dict[str, object]

_FORMULA: Final = re.compile(r"(^|[;,\t|])(\s*)(?=[-=+@\uff0b\uff0d\uff1d\uff20])(?!\+[0-9*]+$)")
"""Where a spreadsheet may begin a formula: at a cell's start, or behind what it takes for a cell's end.

A number, whole or masked, is none.
"""


def cell(value: object) -> object:
    """Give a value for a CSV file: no text is a formula, a second line or an order to a terminal.

    Anybody can call with a formula for a caller ID.
    """
    if isinstance(value, bool):
        return str(value).lower()  # as JSON has it
    return _FORMULA.sub(r"\1\2'", printable(value.replace("\t", " "))) if isinstance(value, str) else value


def instant(at: Millis | None, zone: ZoneInfo) -> str | None:
    """Write an instant as ISO 8601 with its offset, in the site's zone."""
    if at is None:
        return None
    return datetime.fromtimestamp(at / SECOND, UTC).astimezone(zone).isoformat(timespec="milliseconds")


def clock(at: Millis, zone: ZoneInfo) -> str:
    """Write an instant for people, to the second, in the site's zone."""
    return (instant(at, zone) or "")[:19].replace("T", " ")


def _seconds(span: Millis | None) -> float | None:
    return None if span is None else span / SECOND


def call(entry: Entry, zone: ZoneInfo) -> Row:
    """Spell a row of the ledger."""
    return summary(entry.summary, zone)


def with_link(row: Row, recording_url: str) -> Row:
    """Give a row of the ledger with where its recording is heard, if there is such a place."""
    file = row.get("recording")
    link = recording_url.replace("{file}", quote(str(file).lstrip("/"))) if file and recording_url else None
    return {**row, "recording_url": link}


def summary(row: CallSummary, zone: ZoneInfo) -> Row:
    """Spell a row of the ledger."""
    return {
        "call": row.id,
        "started": instant(row.started, zone),
        "ended": instant(row.ended, zone),
        "caller": row.caller,
        "raw_caller": row.raw_caller,
        "outcome": row.outcome,
        "reason": row.reason,
        "queue": row.queue,
        "ivr_seconds": _seconds(row.stages.ivr),
        "wait_seconds": _seconds(row.stages.wait),
        "ring_seconds": _seconds(row.stages.ring),
        "talk_seconds": _seconds(row.stages.talk),
        "mark": row.mark,
        "operator": row.operator,
        "handed_to": row.handed_to,
        "kind": row.kind,
        "district": row.district,
        "recording": row.recording or None,
        "verdict": row.verdict,
        "strike": row.strike,
        "spared": row.spared,
    }


SUMMARY_NAMES: Final = (
    "call", "started", "ended", "caller", "raw_caller", "outcome", "reason", "queue", "ivr_seconds",
    "wait_seconds", "ring_seconds", "talk_seconds", "mark", "operator", "handed_to", "kind", "district",
    "recording", "verdict", "strike", "spared",
)  # fmt: skip
"""The names of what `summary` spells."""


def handover(one: Handover, zone: ZoneInfo) -> Row:
    """Spell to whom a caller was handed over."""
    return {
        "at": instant(one.at, zone),
        "how": one.how,
        "target": one.target,
        "agency": one.agency or None,
        "reached_seconds": _seconds(one.reached),
    }


def explained(entry: Entry, zone: ZoneInfo) -> Row:
    """Spell a row of the ledger with what was seen of the call, and what of it decided."""
    return {
        **call(entry, zone),
        "facts": [fact(seen, zone) for seen in entry.finding.call.facts],
        "deciding": [fact(seen, zone) for seen in entry.finding.deciding],
        "handovers": [handover(one, zone) for one in entry.finding.handovers],
    }


def fact(seen: Fact, zone: ZoneInfo) -> Row:
    """Spell one thing seen on a call."""
    return {"at": instant(seen.at, zone), "fact": seen.kind, "detail": seen.detail}


def block(caller: Caller, held: Block, zone: ZoneInfo) -> Row:
    """Spell a block."""
    return {
        "caller": caller,
        "level": held.level,
        "since": instant(held.since, zone),
        "until": instant(held.until, zone),
        "origin": held.origin,
        "by": held.by,
        "reason": held.reason,
        "calls": list(held.calls),
        "lifted": {"at": instant(held.lifted.at, zone), "by": held.lifted.by, "reason": held.lifted.reason}
        if held.lifted
        else None,
    }


def blocked(record: CallerRecord, held: Block, zone: ZoneInfo) -> Row:
    """Spell a block in force, and whether it gives way to the allow list."""
    return {**block(record.caller, held, zone), "allowed": record.allow is not None}


def proposal(record: CallerRecord, zone: ZoneInfo) -> Row:
    """Spell a block that waits for a supervisor."""
    held = record.proposed
    return {
        "caller": record.caller,
        "level": None if held is None else Level.PERMANENT if held.span is None else Level.TEMPORARY,
        "since": instant(held.at if held else None, zone),
        "cause": held.cause if held else None,
        "reason": held.reason if held else None,
        "calls": list(held.calls) if held else [],
    }


def appeal(record: CallerRecord, zone: ZoneInfo) -> Row:
    """Spell the objection that waits for a decision; of a caller with none, the last one."""
    held = record.appeal or (record.appeals[-1] if record.appeals else None)
    return {"caller": record.caller, **(objection(held, zone) if held else {})}


def objection(held: Appeal, zone: ZoneInfo) -> Row:
    """Spell an objection."""
    decided = held.decided
    return {
        "since": instant(held.at, zone),
        "due": instant(held.due, zone),
        "by": held.by,
        "reason": held.reason,
        "suspends": held.suspends,
        "granted": held.granted if decided else None,
        "decided": {"at": instant(decided.at, zone), "by": decided.by, "reason": decided.reason}
        if decided
        else None,
    }


def need(record: CallerRecord) -> tuple[int, Millis, str]:
    """Say how pressing a call-back is, to sort by: whom we failed, then who left, then who made a choice."""
    worst = min(record.missed, key=lambda missed: (missed.need, missed.at))
    return worst.need, worst.at, record.caller


def missed(record: CallerRecord, zone: ZoneInfo) -> Row:
    """Spell a caller who waits for a call-back: `why` is the reason of the call that is most pressing."""
    waits = [missed.wait for missed in record.missed]
    attempt = record.attempt
    return {
        "caller": record.caller,
        "since": instant(record.missed[0].at, zone),
        "last": instant(record.missed[-1].at, zone),
        "why": min(record.missed, key=lambda missed: (missed.need, missed.at)).reason or None,
        "times": len(record.missed) + record.dropped.missed,
        "longest_wait_seconds": _seconds(max(waits)),
        "taken_by": attempt.by if attempt else None,
        "taken": instant(attempt.at if attempt else None, zone),
        "tries": attempt.tries if attempt else 0,
        "note": attempt.note or None if attempt else None,
        "calls": [missed.call for missed in record.missed],
    }


def audit_entry(done: AuditEntry, zone: ZoneInfo) -> Row:
    """Spell a line of the audit trail."""
    return {
        "at": instant(done.at, zone),
        "by": done.by,
        "via": done.via,
        "action": done.action,
        "subject": done.subject,
        "detail": done.detail,
        "reason": done.reason,
    }


def hold(record: CallerRecord, zone: ZoneInfo) -> Row:
    """Spell that somebody is kept as evidence."""
    held = record.hold
    return {
        "caller": record.caller,
        "since": instant(held.at if held else None, zone),
        "by": held.by if held else None,
        "reason": held.reason if held else None,
    }


def holding(kind: Kind, held: Holding | None, kept: Kept, zone: ZoneInfo) -> Row:
    """Spell how much is held of a kind; `held` None: it could not be looked at."""
    return {
        "kind": kind,
        "count": held.count if held else None,
        "oldest": instant(held.oldest if held else None, zone),
        "until": instant(kept.until(held) if held else None, zone),
        "ends": kept.ends,
        "kept": None if kept.span is None else durations.spell(kept.span),
        "setting": kept.setting or None,
        "numbers": kept.numbers,
    }


def allowed(record: CallerRecord, zone: ZoneInfo) -> Row:
    """Spell a place on the allow list."""
    entry = record.allow
    return {
        "caller": record.caller,
        "since": instant(entry.at if entry else None, zone),
        "by": entry.by if entry else None,
        "reason": entry.reason if entry else None,
    }
