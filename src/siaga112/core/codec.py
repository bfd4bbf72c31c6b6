"""JSON codec for what is stored in the outbox and in Redis.

The `load_…` functions raise `ValueError` for invalid input, and never another exception.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from siaga112.core.mode import Switch
from siaga112.core.model import (
    END_OF_TIME,
    Call,
    Caller,
    CallId,
    CallInProgress,
    Entry,
    Fact,
    FactKind,
    Finding,
    HandedOver,
    Handover,
    Level,
    Mark,
    Millis,
    Mode,
    OperatorNow,
    OperatorState,
    Outcome,
    Reached,
    Reason,
    Spared,
    Stage,
    Verdict,
    Via,
)
from siaga112.core.outcome import stages
from siaga112.core.snapshot import Snapshot
from siaga112.core.standing import Standing

_T = TypeVar("_T")

# A dict look-up costs a fifth of calling the enum, and a report parses hundreds of thousands of ledger rows.
OUTCOMES: Final[dict[str, Outcome]] = {outcome.value: outcome for outcome in Outcome}
REASONS: Final[dict[str, Reason]] = {reason.value: reason for reason in Reason}
KINDS: Final[dict[str, FactKind]] = {kind.value: kind for kind in FactKind}
LEVELS: Final[dict[str | None, Level | None]] = {None: None, "": None, **{one.value: one for one in Level}}

_dump: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def _load(text: str | bytes, build: Callable[[Any], _T]) -> _T:
    try:  # decode first, because json would detect the encoding each time
        return build(json.loads(text if isinstance(text, str) else text.decode()))
    except (LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"not a stored record: {error!r}") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def instant(value: object) -> Millis:
    """Return the value if it is an instant that can be a date.

    Raises:
        ValueError: if it is not.

    """
    if type(value) is not int or not 0 <= value < END_OF_TIME:
        raise ValueError(f"not an instant: {value!r:.40}")
    return value


def ending(value: object) -> Millis | None:
    """Return the end of a block, None for a permanent one. A later end than `END_OF_TIME` is cut to it.

    Raises:
        ValueError: if it is not an instant.

    """
    if value is None:
        return None
    if type(value) is int and value >= END_OF_TIME:
        return END_OF_TIME - 1
    return instant(value)


def dump_entry(entry: Entry) -> str:
    """Serialise a ledger row."""
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
            **({"recording": call.recording} if call.recording else {}),
            **({"operator": finding.operator} if finding.operator else {}),
            **({"marked_by": finding.marked_by} if finding.marked_by else {}),
            **({"handovers": list(map(handover_values, finding.handovers))} if finding.handovers else {}),
        }
    )


def handover_values(one: Handover) -> list[object]:
    """Return a hand-over as a list of JSON values."""
    return [one.at, one.how, one.target, one.agency, one.reached]


def handover(at: object, how: str, target: object, agency: object, reached: object) -> Handover:
    """Parse a hand-over from JSON values."""
    return Handover(
        instant(at),
        HandedOver(how),
        _text(target),
        _text(agency),
        None if reached is None else instant(reached),
    )


def dump_item(item: Entry | Reached) -> str:
    """Serialise an outbox item."""
    if isinstance(item, Reached):
        return _dump({"reached": item.caller, "at": item.at})
    return dump_entry(item)


def load_item(text: str | bytes) -> Entry | Reached:
    """Parse an outbox item."""
    return _load(
        text,
        lambda row: (
            Reached(instant(row["at"]), Caller(_text(row["reached"]))) if "reached" in row else _entry(row)
        ),
    )


def dump_switch(switch: Switch) -> str:
    """Serialise a mode switch. The time comes first, because the store compares it."""
    told = {"at": switch.at, "mode": switch.mode, "by": switch.by, "reason": switch.reason}
    return _dump(told | {"via": switch.via})


def load_switch(text: str | bytes) -> Switch:
    """Parse a mode switch, also in the old format, which is only the mode's name."""
    word = text if isinstance(text, str) else text.decode()
    return Switch(Mode(word)) if word in list(Mode) else _load(word, _switch)


def _switch(row: dict[str, Any]) -> Switch:
    at, by, reason = row["at"], row["by"], row["reason"]
    if type(at) is not int or not isinstance(by, str) or not isinstance(reason, str):
        raise TypeError("fields of the wrong type")
    return Switch(Mode(row["mode"]), at, by, reason, Via(row.get("via", Via.CLI)))


def load_entry(text: str | bytes) -> Entry:
    """Parse a ledger row."""
    return _load(text, _entry)


def _call(row: dict[str, Any]) -> Call:
    return Call(
        id=CallId(_text(row["id"])),
        raw_caller=_text(row["raw"]),
        caller=Caller(_text(row["caller"])) if row["caller"] else None,
        identified=bool(row["identified"]),
        facts=tuple(Fact(instant(at), KINDS[kind], _text(detail)) for at, kind, detail in row["facts"]),
        trunk=_text(row.get("trunk", "")),
        attested=row.get("attested") is True,
        recording=_text(row.get("recording", "")),
    )


def _entry(row: dict[str, Any]) -> Entry:
    call = _call(row)
    if not call.facts:
        raise ValueError("a call without facts")
    finding = Finding(
        call=call,
        outcome=Outcome(row["outcome"]),
        reason=Reason(row["reason"]),
        deciding=tuple(call.facts[n] for n in row["deciding"]),
        stages=stages(call),
        queue=row["queue"],
        verdict=Verdict(row["verdict"]) if row["verdict"] else None,
        mark=Mark(row["mark"]) if row["mark"] else None,
        operator=_text(row["operator"]) if row.get("operator") else None,
        marked_by=_text(row["marked_by"]) if row.get("marked_by") else None,
        handovers=tuple(handover(*one) for one in row.get("handovers", ())),
    )
    return Entry(finding, bool(row["strike"]), Spared(row["spared"]) if row.get("spared") else None)


def dump_standing(standing: Standing) -> str:
    """Serialise a standing."""
    level = '"' + standing.level + '"' if standing.level else "null"
    until = "null" if standing.until is None else standing.until
    began = f",{standing.since}" if standing.since else ""
    return f"[{'true' if standing.allowed else 'false'},{level},{until},{standing.warn_until}{began}]"


def load_standing(text: str | bytes) -> Standing:
    """Parse a standing."""
    return _load(text, _standing)


_EACH_A_LIST: Final = re.compile(rb"(?:\[[^][\n]*\](?:,\n|\Z))*")


def load_standings(texts: Sequence[bytes]) -> list[Standing]:
    """Parse many standings as one text, in a third of the time.

    Raises:
        ValueError: if one of them is malformed.

    """
    whole = b",\n".join(texts)
    if not _EACH_A_LIST.fullmatch(whole):  # or two malformed ones could become one that is well-formed
        raise ValueError("not standings")
    found = _load(b"[" + whole + b"]", lambda rows: [_standing(row) for row in rows])
    if len(found) != len(texts):
        raise ValueError("not one standing each")
    return found


def _standing(row: list[Any]) -> Standing:
    allowed, level, until, warn_until, *began = row
    if not isinstance(allowed, bool):
        raise TypeError("fields of the wrong type")
    (since,) = began or (0,)
    return checked_standing(allowed, level, until, warn_until, since)


def checked_standing(allowed: bool, level: Any, until: Any, warn_until: Any, since: Any) -> Standing:  # noqa: FBT001 - called for each caller
    """Return the standing with these fields, as they were read.

    Raises:
        ValueError: if one of them is malformed; or LookupError or TypeError.

    """
    if (
        type(since) is type(warn_until) is int
        and (until is None or (type(until) is int and 0 <= until < END_OF_TIME))
        and 0 <= warn_until < END_OF_TIME
        and 0 <= since < END_OF_TIME
    ):
        return Standing(allowed, LEVELS[level], until, warn_until, since)
    return Standing(allowed, LEVELS[level], ending(until), ending(warn_until) or 0, instant(since))


def dump_snapshot(snapshot: Snapshot) -> str:
    """Serialise a snapshot, compactly, because it is written every second."""
    return _dump(
        {
            "at": snapshot.at,
            "calls": [
                [c.call, c.caller, c.started, c.stage, c.since, c.queue, c.screened]
                + ([c.operator] if c.operator else [])
                for c in snapshot.calls
            ],
            "stages": snapshot.stages,
            "queues": snapshot.queues,
            "operators": snapshot.operators,
            "surge": snapshot.surge,
            "connected": snapshot.connected,
            "screens": snapshot.screens,
            "logged_in": [[o.name, o.state, o.reason, o.since] for o in snapshot.logged_in],
        }
    )


def load_snapshot(text: str | bytes) -> Snapshot:
    """Parse a snapshot."""
    return _load(text, _snapshot)


def _snapshot(row: dict[str, Any]) -> Snapshot:
    operators = row["operators"]
    return Snapshot(
        at=instant(row["at"]),
        calls=tuple(
            CallInProgress(
                CallId(call),
                Caller(caller) if caller else None,
                instant(started),
                Stage(stage),
                instant(since),
                str(queue),
                str(screened),
                *map(_text, operator),
            )
            for call, caller, started, stage, since, queue, screened, *operator in row["calls"]
        ),
        stages={Stage(stage): int(count) for stage, count in row["stages"].items()},
        queues={queue: (int(count), instant(first)) for queue, (count, first) in row["queues"].items()},
        operators=None
        if operators is None
        else {OperatorState(state): int(count) for state, count in operators.items()},
        surge=str(row["surge"]),
        connected=bool(row["connected"]),
        screens=bool(row["screens"]),
        logged_in=tuple(
            OperatorNow(_text(name), OperatorState(state), _text(reason), instant(since))
            for name, state, reason, since in row.get("logged_in", ())
        ),
    )
