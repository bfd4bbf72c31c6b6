"""Convert between callers' records and their rows; a malformed row raises `ValueError`."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Row, Table

from siaga112.adapters.database.rows import Values, dump, read
from siaga112.adapters.database.schema import (
    APPEAL,
    BLOCK,
    CALLER,
    GENUINE_REPORT,
    MISSED_CALL,
    PROPOSAL,
    STRIKE,
    WITHDRAWN,
)
from siaga112.core.codec import OUTCOMES, checked_standing, ending, instant
from siaga112.core.model import Caller, CallId, Level, Millis, Origin, ProposalCause
from siaga112.core.record import (
    AllowEntry,
    Appeal,
    Attempt,
    Block,
    CallerRecord,
    DroppedCounts,
    GenuineReport,
    Hold,
    Lift,
    MissedCall,
    Proposal,
    Strike,
)
from siaga112.core.standing import Standing


def caller_values(record: CallerRecord, version: int, held: Standing, expires: Millis | None) -> Values:
    """Return the row of a caller, with the standing that follows from the record."""
    allow, hold, dropped = record.allow, record.hold, record.dropped
    return {
        "caller": record.caller,
        "version": version,
        "reached": record.reached,
        "allow_at": allow and allow.at,
        "allow_by": allow and allow.by,
        "allow_reason": allow and allow.reason,
        "hold_at": hold and hold.at,
        "hold_by": hold and hold.by,
        "hold_reason": hold and hold.reason,
        "dropped": None if dropped == DroppedCounts() else dump(astuple(dropped)),
        "attempt_by": record.attempt and record.attempt.by,
        "attempt_at": record.attempt and record.attempt.at,
        "attempt_tries": record.attempt and record.attempt.tries,
        "attempt_note": record.attempt and record.attempt.note,
        "expires": expires,
        "level": held.level and held.level.value,
        "since": held.since,
        "until": held.until,
        "warn_until": held.warn_until,
    }


STANDING: Final = tuple(
    CALLER.c[name] for name in ("caller", "version", "allow_at", "level", "since", "until", "warn_until")
)
"""The columns to read for a list of all standings, in this order."""

_of: Final = attrgetter(*(column.name for column in STANDING))


def standing_of(row: Row[Any]) -> Standing:
    """Parse the standing from the row of a caller."""
    return read(row, _standing)


def standings_of(rows: Sequence[Row[Any]]) -> list[Standing]:
    """Parse the standings from rows with the columns `STANDING`, in a third of the time."""

    def build(page: Sequence[Any]) -> list[Standing]:
        return [
            checked_standing(allow_at is not None, level, until, warn_until, since)
            for _, _, allow_at, level, since, until, warn_until in page
        ]

    return read(rows, build)


def _standing(row: Any) -> Standing:
    _, _, allow_at, level, since, until, warn_until = row if len(row) == len(STANDING) else _of(row)
    return checked_standing(allow_at is not None, level, until, warn_until, since)


@dataclass(frozen=True, slots=True)
class Part:
    """A table with one part of callers' records; `key` distinguishes the rows of one caller.

    `of` returns that part of a record, `items` maps it by the key, and `spell` returns the other columns.
    """

    table: Table
    key: str
    of: Callable[[CallerRecord], Any]
    items: Callable[[Any], Mapping[Any, Any]]
    spell: Callable[[Any], Values]

    def changes(self, before: CallerRecord, after: CallerRecord) -> tuple[list[Any], list[Values]]:
        """Return the keys of the rows to delete, and the rows to insert or update."""
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
        "calls": dump(one.calls),
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
        "calls": dump(one.calls),
        "confirmed": one.confirmed,
        **_lift_values("decided", one.decided),
    }


def _appeal_values(one: Appeal) -> Values:
    return {
        "at": one.at,
        "by": one.by,
        "reason": one.reason,
        "due": one.due,
        "suspends": one.suspends,
        "granted": one.granted,
        **_lift_values("decided", one.decided),
    }


def _missed_values(one: MissedCall) -> Values:
    return {"at": one.at, "wait": one.wait, "reason": one.reason}


def _by_call(held: Iterable[Any]) -> Mapping[Any, Any]:
    return {one.call: one for one in held}


def _by_place(held: Iterable[Any]) -> Mapping[Any, Any]:
    return dict(enumerate(held))


PARTS: Final = (
    Part(STRIKE, "call", attrgetter("strikes"), _by_call, _strike_values),
    Part(BLOCK, "nth", attrgetter("blocks"), _by_place, _block_values),
    Part(PROPOSAL, "nth", attrgetter("proposals"), _by_place, _proposal_values),
    Part(APPEAL, "nth", attrgetter("appeals"), _by_place, _appeal_values),
    Part(GENUINE_REPORT, "call", attrgetter("reports"), _by_call, lambda one: {"at": one.at}),
    Part(MISSED_CALL, "call", attrgetter("missed"), _by_call, _missed_values),
    Part(WITHDRAWN, "call", attrgetter("withdrawn"), lambda held: dict.fromkeys(held, ""), lambda _: {}),
)


def record_of(row: Row[Any], parts: Mapping[str, Iterable[Row[Any]]]) -> CallerRecord:
    """Build a caller's record from the caller's row and the rows of each table in `PARTS`, by table name."""

    def build(caller: Any) -> CallerRecord:
        allow, hold = None, None
        if caller.allow_at is not None:
            allow = AllowEntry(instant(caller.allow_at), caller.allow_by, caller.allow_reason)
        if caller.hold_at is not None:
            hold = Hold(instant(caller.hold_at), caller.hold_by, caller.hold_reason)
        return CallerRecord(
            caller=Caller(caller.caller),
            strikes=tuple(sorted(map(_strike, parts[STRIKE.name]), key=lambda one: one.order)),
            blocks=tuple(map(_block, sorted(parts[BLOCK.name], key=_nth))),
            proposals=tuple(map(_proposal, sorted(parts[PROPOSAL.name], key=_nth))),
            appeals=tuple(map(_appeal, sorted(parts[APPEAL.name], key=_nth))),
            reports=tuple(sorted(map(_report, parts[GENUINE_REPORT.name]), key=_when)),
            missed=tuple(sorted(map(_missed, parts[MISSED_CALL.name]), key=_when)),
            reached=instant(caller.reached),
            attempt=None
            if caller.attempt_at is None
            else Attempt(
                caller.attempt_by, instant(caller.attempt_at), caller.attempt_tries, caller.attempt_note
            ),
            allow=allow,
            hold=hold,
            withdrawn=frozenset(CallId(one.call) for one in parts[WITHDRAWN.name]),
            dropped=DroppedCounts(*json.loads(caller.dropped)) if caller.dropped else DroppedCounts(),
        )

    return read(row, build)


def _when(one: GenuineReport | MissedCall) -> tuple[Millis, CallId]:
    return one.at, one.call


def _report(row: Any) -> GenuineReport:
    return GenuineReport(CallId(row.call), instant(row.at))


def _missed(row: Any) -> MissedCall:
    return MissedCall(CallId(row.call), instant(row.at), row.wait, row.reason)


def _nth(row: Any) -> int:
    return int(row.nth)


def _strike(row: Any) -> Strike:
    begun = None if row.begun is None else instant(row.begun)
    return Strike(
        CallId(row.call), instant(row.at), OUTCOMES[row.outcome], row.reason, begun, row.trunk, row.attested
    )


def block_of(row: Row[Any]) -> Block:
    """Parse a row into a block."""
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


def _appeal(row: Any) -> Appeal:
    return Appeal(
        at=instant(row.at),
        by=row.by,
        reason=row.reason,
        due=instant(row.due),
        suspends=row.suspends,
        granted=row.granted,
        decided=_lift(
            row.decided_at, row.decided_by, row.decided_reason, row.decided_forgives, row.decided_mistake
        ),
    )


def _lift(at: Any, by: Any, reason: Any, forgives: Any, mistake: Any) -> Lift | None:
    return None if at is None else Lift(instant(at), by, reason, forgives, mistake)
