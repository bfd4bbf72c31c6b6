"""Calls, findings and strikes that more than one test needs."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from siaga112.core.figures import Figures, LedgerRow, Tally
from siaga112.core.model import (
    SECOND,
    Call,
    Caller,
    CallId,
    CallInProgress,
    Entry,
    Fact,
    FactKind,
    Level,
    Millis,
    OperatorNow,
    OperatorState,
    Origin,
    Outcome,
    Stage,
)
from siaga112.core.outcome import ClassifierRules, classify
from siaga112.core.period import Period
from siaga112.core.policy import strike_for
from siaga112.core.record import Block, Strike
from siaga112.core.regulation import PolicyRules
from siaga112.core.snapshot import Snapshot

RULES: Final = PolicyRules()
CALLER: Final = Caller("+6281211111111")
OTHER: Final = Caller("+6281222222222")

ODD_NAMES: Final = {
    "no-break space": "Ibu\u00a0Siti",
    "joined emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "tab": "Ibu\tSiti",
    "line separator": "Ibu\u2028agi_callerid: 081299999999",
    "right to left": "\u202eitiS",
    "another script": "ꦱꦶꦠꦶ",
    "quotes and commas": "O'Siti, (ibu) ${EXTEN}; 100",
}
"""Display names that a caller may send: not printable, or with characters that a dialplan interprets."""

NOW: Final[Millis] = int(time.time()) * SECOND
"""About the present: a real Redis expires keys by its own clock."""


def turn(number: int) -> Millis:
    """Return when the call of that number began, in a series of calls from one telephone."""
    return NOW - 600 * SECOND + number * 11 * SECOND


def call_id(number: int, at: Millis = NOW) -> CallId:
    """Return a uniqueid as the PBX makes it: the second in which the channel was created, and a number."""
    return CallId(f"{at // SECOND}.{number}")


def strike(number: int, at: Millis = NOW) -> Strike:
    """Return a strike that rests on the call of that number."""
    return Strike(call_id(number), at, Outcome.IVR_PRANK, "left_menu")


def block(since: Millis, until: Millis | None) -> Block:
    """Return a person's block."""
    level = Level.PERMANENT if until is None else Level.TEMPORARY
    return Block(level, since, until, Origin.MANUAL, "threats", "supervisor")


def prank(number: int, started: Millis = NOW, caller: Caller | None = CALLER) -> Call:
    """Return a call whose caller left the menu after ten seconds."""
    return _call(
        number, caller, [(0, FactKind.ARRIVED), (2, FactKind.MENU), (10, FactKind.LEFT_MENU)], started
    )


def answered(number: int, started: Millis = NOW, caller: Caller | None = CALLER) -> Call:
    """Return a call that an operator answered after five seconds in the queue."""
    seen = [(0, FactKind.ARRIVED), (2, FactKind.QUEUED), (7, FactKind.CONNECTED), (9, FactKind.PARTED)]
    return _call(number, caller, seen, started)


def _call(number: int, caller: Caller | None, seen: list[tuple[int, FactKind]], started: Millis) -> Call:
    facts = [Fact(started + seconds * SECOND, kind) for seconds, kind in seen]
    facts.append(Fact(facts[-1].at + 50, FactKind.ENDED, "16"))
    return Call(call_id(number, started), caller or "", caller, identified=True, facts=tuple(facts))


def ledger_row(entry: Entry) -> LedgerRow:
    """Return what figures need of a ledger row."""
    finding, stages = entry.finding, entry.finding.stages
    waits = finding.outcome in {Outcome.ANSWERED, Outcome.ABANDONED}
    return LedgerRow(
        finding.call.started,
        finding.outcome,
        finding.reason,
        finding.mark,
        (stages.ring if stages.wait is None else stages.wait) if waits else None,
        finding.call.caller,
        entry.strike,
        bool(entry.spared),
    )


def tally(rows: Sequence[LedgerRow], answer_within: Millis) -> Tally:
    """Count rows of any time."""
    first, after = (datetime.fromtimestamp(at, UTC) for at in (0, 2**32))
    figures = Figures(Period(first, after, ZoneInfo("UTC")), (), answer_within)
    figures.add(rows)
    return figures.total


def entry(call: Call) -> Entry:
    """Return the ledger's entry of a call, as the pipeline makes it."""
    finding = classify(call, ClassifierRules())
    return Entry(finding, strike_for(finding, RULES) is not None)


SNAPSHOT: Final = Snapshot(
    at=NOW,
    calls=(
        CallInProgress(
            call_id(7), CALLER, NOW - 50_000, Stage.QUEUE, NOW - 42_000, "siaga112", "ALLOW not_blocked"
        ),
        CallInProgress(
            call_id(8), OTHER, NOW - 135_000, Stage.TALKING, NOW - 130_000, "siaga112", "", "Siti Rahma"
        ),
        CallInProgress(call_id(9), None, NOW - 3_000, Stage.IVR, NOW - 2_000, "", "ALLOW withheld"),
    ),
    stages={Stage.QUEUE: 1, Stage.TALKING: 1, Stage.IVR: 1},
    queues={"siaga112": (1, NOW - 42_000)},
    operators={OperatorState.AVAILABLE: 1, OperatorState.BUSY: 1, OperatorState.PAUSED: 1},
    surge="a caller waited 42 s",
    connected=True,
    screens=True,
    logged_in=(
        OperatorNow("Budi Santoso", OperatorState.PAUSED, "sholat", NOW - 750_000),
        OperatorNow("Siti Rahma", OperatorState.BUSY, "", NOW - 130_000),
        OperatorNow("PJSIP/103", OperatorState.AVAILABLE),
    ),
)
"""One caller waits, one talks, and one with a hidden number is in the menu."""
