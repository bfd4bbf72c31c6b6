"""The output of `siaga112 top --json`: a frame as one object with stable names (docs/reference.md)."""

from zoneinfo import ZoneInfo

from siaga112.core.caller_id import masked
from siaga112.core.model import (
    SECOND,
    Caller,
    CallInProgress,
    Entry,
    FactKind,
    Mark,
    Millis,
    OperatorNow,
    OperatorState,
    Outcome,
)
from siaga112.core.snapshot import Snapshot
from siaga112.terminal.rows import Row, instant
from siaga112.top.watching import Day, Endpoint, Frame


def as_row(frame: Frame, *, reveal: bool) -> Row:
    """Return a frame as an object; callers are masked unless revealed."""

    def caller(who: Caller | None) -> str | None:
        return who if reveal or who is None else masked(who)

    snapshot = frame.snapshot
    return {
        "site": frame.site,
        "at": instant(frame.at, frame.zone),
        "mode": frame.mode,
        "store": {"up": frame.store_up, "problem": frame.store_problem or None},
        "pbx_connected": snapshot.connected if snapshot else None,
        "snapshot_at": instant(snapshot.at, frame.zone) if snapshot else None,
        "calls": [_going(call, caller(call.caller), snapshot, frame.zone) for call in snapshot.calls]
        if snapshot
        else None,
        "stages": dict(snapshot.stages) if snapshot else None,
        "queues": _queues(snapshot) if snapshot else None,
        "operators": {state: snapshot.operators.get(state, 0) for state in OperatorState}
        if snapshot and snapshot.operators is not None
        else None,
        "logged_in": [_operator(one, snapshot.at, frame.zone) for one in snapshot.logged_in]
        if snapshot and snapshot.operators is not None
        else None,
        "surge": snapshot.surge or None if snapshot else None,
        "today": _today(frame.day, frame.zone) if frame.day else None,
        "last": [_ended(entry, caller(entry.finding.call.caller), frame.zone) for entry in frame.ended],
        "metrics": [
            _endpoint(one, frame.zone) for one in (frame.tracking, frame.screening) if one is not None
        ],
        "verdict_p99_seconds": frame.verdicts.p99,
        "verdict_count": frame.verdicts.count,
        "verdict_span_seconds": None if frame.verdicts.span is None else _seconds(frame.verdicts.span),
        "fail_open": dict(frame.fail_open),
    }


def _going(call: CallInProgress, caller: str | None, snapshot: Snapshot, zone: ZoneInfo) -> Row:
    return {
        "call": call.call,
        "started": instant(call.started, zone),
        "caller": caller,
        "stage": call.stage,
        "since": instant(call.since, zone),
        "stage_seconds": _seconds(snapshot.at - call.since),
        "queue": call.queue or None,
        "screened": call.screened or None,
        "operator": call.operator or None,
    }


def _operator(one: OperatorNow, now: Millis, zone: ZoneInfo) -> Row:
    return {
        "operator": one.name,
        "state": one.state,
        "since": instant(one.since or None, zone),
        "state_seconds": _seconds(now - one.since) if one.since else None,
        "reason": one.reason or None,
    }


def _queues(snapshot: Snapshot) -> list[Row]:
    return [
        {"queue": queue, "waiting": count, "longest_seconds": _seconds(snapshot.at - first)}
        for queue, (count, first) in sorted(snapshot.queues.items())
    ]


def _today(day: Day, zone: ZoneInfo) -> Row:
    outcomes = {outcome.value: day.outcomes.get(outcome, 0) for outcome in Outcome}
    marks = {mark.value: day.marks.get(mark, 0) for mark in Mark}
    return {
        "since": instant(day.since, zone),
        "total": day.total,
        "outcomes": outcomes,
        "marks": marks | {"unmarked": day.marks.get(None, 0)},
    }


def _ended(entry: Entry, caller: str | None, zone: ZoneInfo) -> Row:
    finding, call = entry.finding, entry.finding.call
    screened = call.last(FactKind.SCREENED)
    return {
        "call": call.id,
        "started": instant(call.started, zone),
        "caller": caller,
        "screened": screened.detail if screened else None,
        "outcome": finding.outcome,
        "reason": finding.reason,
        "mark": finding.mark,
        "strike": entry.strike,
    }


def _endpoint(endpoint: Endpoint, zone: ZoneInfo) -> Row:
    vitals = endpoint.vitals
    return {
        "url": endpoint.url,
        "up": vitals is not None,
        "problem": endpoint.problem or None,
        "started": instant(vitals.started, zone) if vitals else None,
        "last_event": instant(vitals.last_event, zone) if vitals else None,
        "outbox_pending": vitals.outbox if vitals else None,
    }


def _seconds(span: Millis) -> float:
    return max(0, span) / SECOND
