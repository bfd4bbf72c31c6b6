"""Convert between calls and rows of the ledger; a malformed row raises `ValueError`."""

import json
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, case

from siaga112.adapters.database.rows import Values, dump, read
from siaga112.adapters.database.schema import CALL
from siaga112.core.codec import KINDS, OUTCOMES, REASONS, instant
from siaga112.core.figures import Alike
from siaga112.core.handling import Answered, Passed
from siaga112.core.model import (
    Call,
    Caller,
    CallId,
    CallSummary,
    Entry,
    Fact,
    Finding,
    HandedOver,
    Handover,
    Mark,
    Millis,
    Spared,
    Stages,
    Verdict,
)


def call_values(entry: Entry) -> Values:
    """Return the ledger row of a call."""
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
        "operator": finding.operator,
        "handed_to": entry.summary.handed_to if finding.handovers else None,
        "kind": finding.kind,
        "district": finding.district,
        "recording": call.recording or None,
        "strike": entry.strike,
        "spared": entry.spared and entry.spared.value,
        "ivr": finding.stages.ivr,
        "wait": finding.stages.wait,
        "ring": finding.stages.ring,
        "talk": finding.stages.talk,
        "facts": dump([_fact_values(fact, started) for fact in call.facts]),
        "deciding": dump([call.facts.index(fact) for fact in finding.deciding]),
    }


def handover_values(entry: Entry) -> list[Values]:
    """Return the rows of a call's hand-overs."""
    finding = entry.finding
    return [
        {
            "call": finding.call.id,
            "nth": nth,
            "at": one.at,
            "how": one.how.value,
            "target": one.target,
            "agency": one.agency,
            "reached": one.reached,
        }
        for nth, one in enumerate(finding.handovers)
    ]


def handover_of(row: Row[Any]) -> Handover:
    """Parse a row into a hand-over."""
    return read(
        row,
        lambda one: Handover(
            instant(one.at), HandedOver(one.how), one.target, one.agency, _span(one.reached)
        ),
    )


def _fact_values(fact: Fact, started: Millis) -> list[object]:
    told = fact.at - started, fact.kind
    return [*told, fact.detail] if fact.detail else [*told]


def _fact(started: Millis, after: int, kind: str, detail: str = "") -> Fact:
    return Fact(instant(started + after), KINDS[kind], str(detail))


def entry_of(row: Row[Any], handovers: tuple[Handover, ...] = ()) -> Entry:
    """Parse a ledger row into an entry with the call's hand-overs."""
    return read(row, lambda one: _entry(one, handovers))


def _entry(row: Any, handovers: tuple[Handover, ...]) -> Entry:
    facts = tuple(_fact(row.started, *fact) for fact in json.loads(row.facts))
    if not facts:
        raise ValueError("a call without facts")
    call = Call(
        id=CallId(row.id),
        raw_caller=row.raw_caller,
        caller=Caller(row.caller) if row.caller else None,
        identified=row.identified,
        facts=facts,
        trunk=row.trunk,
        attested=row.attested,
        recording=row.recording or "",
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
        operator=row.operator,
        handovers=handovers,
        kind=row.kind,
        district=row.district,
    )
    return Entry(finding, row.strike, Spared(row.spared) if row.spared else None)


def summary_of(row: Row[Any]) -> CallSummary:
    """Parse a ledger row with the columns `SUMMARY` into a summary, without the facts."""
    return read(row, _summary)


_MARKS: Final[dict[str | None, Mark | None]] = {None: None, "": None, **{one.value: one for one in Mark}}
_VERDICTS: Final[dict[str | None, Verdict | None]] = {
    None: None,
    "": None,
    **{one.value: one for one in Verdict},
}
_SPARED_BY: Final[dict[str | None, Spared | None]] = {
    None: None,
    "": None,
    **{one.value: one for one in Spared},
}


def _summary(row: Any) -> CallSummary:
    # Unpacking takes a third of the time that 22 names do, and lists have many rows.
    id_, started, ended, caller, raw_caller, outcome, reason, queue, *stages, mark, verdict = row[:14]
    strike, spared, operator, handed_to, kind, district, recording = row[14:]
    return CallSummary(
        id_,
        instant(started),
        instant(ended),
        caller or None,
        raw_caller,
        OUTCOMES[outcome],
        REASONS[reason],
        queue,
        Stages(*map(_span, stages)),
        _MARKS[mark],
        _VERDICTS[verdict],
        strike,
        _SPARED_BY[spared],
        operator,
        handed_to,
        kind,
        district,
        recording or "",
    )


SUMMARY: Final = (
    "id", "started", "ended", "caller", "raw_caller", "outcome", "reason", "queue", "ivr", "wait", "ring",
    "talk", "mark", "verdict", "strike", "spared", "operator", "handed_to", "kind", "district", "recording",
)  # fmt: skip
"""The columns that a summary needs."""


def _stages(row: Any) -> Stages:
    return Stages(_span(row.ivr), _span(row.wait), _span(row.ring), _span(row.talk))


def _span(value: object) -> Millis | None:
    if value is not None and (type(value) is not int or value < 0):
        raise ValueError(f"not a duration: {value!r:.40}")
    return value


_IN_TIME: Final = {0: None, 1: True, 2: False}
_STRIKE, _NUMBERED, _SPARED = 4, 8, 16
FLAGS: Final = 32
"""The number of distinct values that `flags` can take."""


def flags(in_time: ColumnElement[bool], late: ColumnElement[bool]) -> ColumnElement[int]:
    """Encode the yes/no properties of a call as one number."""
    facts = (
        (in_time, 1),
        (late, 2),
        (CALL.c.strike, _STRIKE),
        (CALL.c.caller.is_not(None), _NUMBERED),
        (CALL.c.spared.is_not(None), _SPARED),
    )
    return reduce(add, (case((fact, number), else_=0) for fact, number in facts))


def alike_of(words: Sequence[Any]) -> Alike:
    """Parse the common properties of calls counted together: flags, outcome, reason, mark."""

    def build(told: Any) -> Alike:
        flags, outcome, reason, mark = told
        return Alike(
            OUTCOMES[outcome],
            REASONS[reason],
            Mark(mark) if mark else None,
            _IN_TIME[flags % _STRIKE],
            bool(flags & _NUMBERED),
            bool(flags & _STRIKE),
            bool(flags & _SPARED),
        )

    return read(words, build)


def answered_of(words: Sequence[Any]) -> Answered:
    """Parse the common properties of answered calls counted together: operator, mark, kind, district."""

    def build(told: Any) -> Answered:
        operator, mark, kind, district = told
        return Answered(operator, Mark(mark) if mark else None, kind, district)

    return read(words, build)


def passed_of(words: Sequence[Any]) -> Passed:
    """Parse what hand-overs counted together share: agency or target, tenths of a second, reached or not."""

    def build(told: Any) -> Passed:
        agency, target, tenths, reached = told
        return Passed(agency, target, int(tenths), bool(reached))

    return read(words, build)
