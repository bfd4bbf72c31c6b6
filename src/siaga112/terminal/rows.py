"""Rows with stable names (docs/reference.md): calls, blocks, callers, as commands and the API give them."""

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
from siaga112.terminal import times
from siaga112.words import Tongue

Row = dict[str, object]

_FORMULA: Final = re.compile(r"(^|[;,\t|])(\s*)(?=[-=+@\uff0b\uff0d\uff1d\uff20])(?!\+[0-9*]+$)")
"""Where a spreadsheet may start a formula: at the start of a cell, or after what it takes for a separator.

A phone number, whole or masked, is not a formula.
"""


def cell(value: object) -> object:
    """Return a value for a CSV file: text cannot be a formula, break the line or control a terminal.

    Anybody can call with a formula as the caller ID.
    """
    if isinstance(value, bool):
        return str(value).lower()  # as JSON has it
    return _FORMULA.sub(r"\1\2'", printable(value.replace("\t", " "))) if isinstance(value, str) else value


def instant(at: Millis | None, zone: ZoneInfo) -> str | None:
    """Return an instant as ISO 8601 with its offset, in the site's zone."""
    if at is None:
        return None
    return datetime.fromtimestamp(at / SECOND, UTC).astimezone(zone).isoformat(timespec="milliseconds")


def clock(at: Millis, zone: ZoneInfo, t: Tongue) -> str:
    """Return an instant as people read it, in the site's zone."""
    return times.moment(datetime.fromtimestamp(at / SECOND, zone), t)


def _seconds(span: Millis | None) -> float | None:
    return None if span is None else span / SECOND


def call(entry: Entry, zone: ZoneInfo) -> Row:
    """Return a row of the ledger."""
    return summary(entry.summary, zone)


def with_link(row: Row, recording_url: str) -> Row:
    """Add the address of the recording to a row of the ledger, if one is configured."""
    file = row.get("recording")
    link = recording_url.replace("{file}", quote(str(file).lstrip("/"))) if file and recording_url else None
    return {**row, "recording_url": link}


def summary(row: CallSummary, zone: ZoneInfo) -> Row:
    """Return a row of the ledger."""
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
"""The names in the rows of `summary`."""


def handover(one: Handover, zone: ZoneInfo) -> Row:
    """Return a hand-over."""
    return {
        "at": instant(one.at, zone),
        "how": one.how,
        "target": one.target,
        "agency": one.agency or None,
        "reached_seconds": _seconds(one.reached),
    }


def explained(entry: Entry, zone: ZoneInfo) -> Row:
    """Return a row of the ledger with the facts that were seen, and those that decided the outcome."""
    return {
        **call(entry, zone),
        "facts": [fact(seen, zone) for seen in entry.finding.call.facts],
        "deciding": [fact(seen, zone) for seen in entry.finding.deciding],
        "handovers": [handover(one, zone) for one in entry.finding.handovers],
    }


def fact(seen: Fact, zone: ZoneInfo) -> Row:
    """Return one fact seen on a call."""
    return {"at": instant(seen.at, zone), "fact": seen.kind, "detail": seen.detail}


def block(caller: Caller, held: Block, zone: ZoneInfo) -> Row:
    """Return a block."""
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
    """Return a block in force, and whether the allow list outranks it."""
    return {**block(record.caller, held, zone), "allowed": record.allow is not None}


def proposal(record: CallerRecord, zone: ZoneInfo) -> Row:
    """Return a block that waits for a supervisor."""
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
    """Return the open objection of a caller, otherwise the last one."""
    held = record.appeal or (record.appeals[-1] if record.appeals else None)
    return {"caller": record.caller, **(objection(held, zone) if held else {})}


def objection(held: Appeal, zone: ZoneInfo) -> Row:
    """Return an objection."""
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


def need(record: CallerRecord) -> tuple[int, str]:
    """Return a sort key, the most urgent call-back first: whom we failed, who left, who made a choice."""
    return record.pressing, record.caller


def missed(record: CallerRecord, zone: ZoneInfo) -> Row:
    """Return a caller who waits for a call-back; `why` is the reason of the most urgent call."""
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
    """Return a line of the audit trail."""
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
    """Return a hold."""
    held = record.hold
    return {
        "caller": record.caller,
        "since": instant(held.at if held else None, zone),
        "by": held.by if held else None,
        "reason": held.reason if held else None,
    }


def holding(kind: Kind, held: Holding | None, kept: Kept, zone: ZoneInfo) -> Row:
    """Return how much is stored of a kind; `held` is None if that could not be read."""
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
    """Return an entry of the allow list."""
    entry = record.allow
    return {
        "caller": record.caller,
        "since": instant(entry.at if entry else None, zone),
        "by": entry.by if entry else None,
        "reason": entry.reason if entry else None,
    }
