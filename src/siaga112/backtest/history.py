"""Collects past calls from any number of files, each once, with the reason if its outcome is unproven."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from siaga112.core.model import (
    SECOND,
    Call,
    CallId,
    Entry,
    Fact,
    FactKind,
    Finding,
    Millis,
    Outcome,
    Reached,
    Reason,
    Spared,
    Stages,
)
from siaga112.core.outcome import ClassifierRules, classify
from siaga112.core.tracking.menus import ASKING


class Source(StrEnum):
    """The kind of a file."""

    CAPTURE = "capture"
    LEDGER = "ledger"
    CEL = "CEL"
    CDR = "CDR"
    QUEUE_LOG = "queue_log"


class Unproven(StrEnum):
    """Why a past call remains `unknown`; a closed set."""

    NO_BEGINNING = "its beginning is not in the file"
    NO_END = "its end is not in the file"
    OUT_OF_ORDER = "rows of it came long after its end"
    TOO_MANY_ROWS = "it has more rows than are kept"
    AS_IT_LEFT = "an operator was connected only in the moment in which the caller left"
    PBX_ENDED = "the file does not show why the PBX ended it"
    ELSEWHERE = "the caller left a part of the dialplan that is neither menu nor queue"
    MENU_NOT_SHOWN = "the file does not show whether the menu was asking when the caller left"
    TOO_CLOSE = "in whole seconds, it left too close to early_drop to tell"
    READ_OR_AGI = "the file does not show whether the menu was asking, or an AGI went on with the call"
    KEY_TAKEN = "CDR shows that the menu had taken a key"
    LED_ON = "the caller was led on by a Local channel, and the file does not show how it went on"
    SCREENED = "it ended while siaga112's own dialplan treated a blocked caller"
    WAITED = "the file does not show why it left the queue"
    CDR_IN_PARTS = "CDR shows a part of the call only"
    CDR_NOT_WHERE = "CDR does not show why the call ended where it did"
    NO_UNIQUEID = "the file has no uniqueid"
    QUEUE_NOT_HOW = "queue_log does not show how it ended"
    LIVE = "unknown when it was recorded"


SHOWN_ASKING: Final = ASKING - {"read"}
"""Applications whose rows prove that the menu was asking. `Read` is not one: an AGI can execute it, and CEL
and CDR then show it as running whatever the AGI does afterwards."""

SILENT: Final = frozenset(
    {Unproven.MENU_NOT_SHOWN, Unproven.PBX_ENDED, Unproven.ELSEWHERE, Unproven.CDR_NOT_WHERE}
)
"""Reasons that do not contradict what another file proves."""

_LIVE: Final = frozenset({Source.CAPTURE, Source.LEDGER})
"""The sources in which the live line recorded the outcome itself."""

_PRECEDENCE: Final = (
    Outcome.BLOCKED,
    Outcome.ANSWERED,
    Outcome.UNSERVED,
    Outcome.ABANDONED,
    Outcome.UNKNOWN,
    Outcome.IVR_PRANK,
)
"""Of two outcomes of one call, the earlier in this list wins: an unproven outcome beats a prank."""


@dataclass(frozen=True, slots=True)
class Past:
    """A past call with its outcome. `surge`: it got no strike because of a surge (captures and ledger only).

    `lines` of `file`: the rows that decided the outcome.
    """

    finding: Finding
    source: Source
    unproven: Unproven | None = None
    surge: bool = False
    lines: tuple[int, ...] = ()
    file: str = ""


def too_close(began: Millis, left: Fact, early_drop: Millis) -> bool:
    """Return whether times in whole seconds leave open whether the caller dropped early.

    The true span between two such times may be up to a second shorter or longer.
    """
    if left.kind in {FactKind.LEFT_QUEUE, FactKind.LEFT_RINGING} or began % SECOND or left.at % SECOND:
        return False
    span = left.at - began
    return span - SECOND < early_drop < span + SECOND


def judge(
    call: Call,
    rules: ClassifierRules,
    source: Source,
    unproven: Unproven,
    rows: Iterable[tuple[Millis, int]] = (),
    *,
    timed: bool = True,
) -> Past:
    """Classify a past call. `unproven`: why, if the rules find no outcome; `rows`: times and line numbers.

    `timed`: whether the file shows the talk time.
    """
    finding = classify(call, rules)
    unknown = finding.outcome is Outcome.UNKNOWN
    lines = deciding(finding, rows)
    return Past(slim(finding, timed=timed), source, unproven if unknown else None, lines=lines)


MOMENT: Final[Millis] = 100
"""Times this close together count as one moment; in files without fractions, only the same second does."""


def deciding(finding: Finding, rows: Iterable[tuple[Millis, int]]) -> tuple[int, ...]:
    """Return the line numbers of the rows at the moments that decided the outcome."""
    moments = {fact.at for fact in finding.deciding}
    return tuple(sorted({line for at, line in rows for moment in moments if abs(at - moment) <= MOMENT}))


def of_live(entry: Entry, lines: tuple[int, ...] = (), file: str = "") -> Past:
    """Return the past call of an entry that the live code produced from a capture."""
    unproven = Unproven.LIVE if entry.finding.outcome is Outcome.UNKNOWN else None
    return Past(slim(entry.finding), Source.CAPTURE, unproven, entry.spared is Spared.SURGE, lines, file)


NOWHERE: Final = Stages()


def slim(finding: Finding, *, timed: bool = True) -> Finding:
    """Reduce a finding to what a back-test reads: it stores a month of them."""
    call = finding.call
    torn = call.first(FactKind.ADOPTED, FactKind.GAP)
    began, gone = call.facts[0], call.last(FactKind.ENDED) or call.facts[-1]
    facts = (began, torn, gone) if torn else (began, gone)
    wait, talk = finding.stages.wait, finding.stages.talk if timed else None
    # Not `replace`: it takes three times as long, and there may be a million findings.
    return Finding(
        Call(call.id, "", call.caller, call.identified, facts, call.trunk, call.attested),
        finding.outcome,
        finding.reason,
        (),
        NOWHERE if wait is talk is None else Stages(wait=wait, talk=talk),
        finding.queue,
        finding.verdict,
        finding.mark,
    )


@dataclass(slots=True)
class History:
    """The past calls by id. A call in two files is one call.

    `led`: channel → call, for channels that wait in a queue on behalf of a call that a Local channel led
    there. In queue_log, such a channel is the call.
    """

    calls: dict[CallId, Past] = field(default_factory=dict)
    led: dict[CallId, CallId] = field(default_factory=dict)
    reached: list[Reached] = field(default_factory=list)
    """The callers that operators called back; only captures show them."""

    def add(self, past: Past) -> None:
        """Add a call, or merge another file's evidence on it."""
        call = past.finding.call.id
        held = self.calls.get(call)
        self.calls[call] = past if held is None else _believed(held, past)

    def join(self, other: "History") -> None:
        """Add the calls of another file."""
        self.led.update(other.led)
        self.reached += other.reached
        for past in other.in_order():
            self.add(past)
        for past in self._take(self.led):
            call = replace(past.finding.call, id=self.led[past.finding.call.id])
            self.add(replace(past, finding=replace(past.finding, call=call)))

    def _take(self, calls: Iterable[CallId]) -> Iterable[Past]:
        """Remove these calls; return those that were present."""
        return [self.calls.pop(call) for call in calls if call in self.calls]

    def doubt(self, calls: Iterable[CallId]) -> None:
        """Set calls to unknown because rows of them came too late."""
        for call in calls:
            held = self.calls.get(call)
            if held and held.finding.outcome is not Outcome.UNKNOWN:
                finding = replace(held.finding, outcome=Outcome.UNKNOWN, reason=Reason.EVENTS_LOST, mark=None)
                self.calls[call] = replace(held, finding=finding, unproven=Unproven.OUT_OF_ORDER)

    def in_order(self) -> Iterable[Past]:
        """Return the calls in the order of their begin."""
        return sorted(self.calls.values(), key=lambda p: (p.finding.call.started, p.finding.call.id))

    def nobody(self) -> int:
        """Count the calls without a caller who could be blocked."""
        return sum(past.finding.call.caller is None for past in self.calls.values())

    def marked(self) -> bool:
        """Return whether any call has an operator's mark."""
        return any(past.finding.mark for past in self.calls.values())

    def __len__(self) -> int:
        return len(self.calls)

    def outcomes(self) -> Counter[Outcome]:
        """Count the calls by outcome."""
        return Counter(past.finding.outcome for past in self.calls.values())

    def unproven(self) -> Counter[Unproven]:
        """Count the calls without a proven outcome, by reason."""
        return Counter(past.unproven for past in self.calls.values() if past.unproven)


def _believed(one: Past, other: Past) -> Past:
    if live := next((past for past in (one, other) if past.source in _LIVE), None):
        return live
    for silent, telling in ((one, other), (other, one)):
        if silent.unproven in SILENT:
            return _with_caller(telling, silent)
    first, second = sorted((one, other), key=lambda past: _PRECEDENCE.index(past.finding.outcome))
    return _with_caller(first, second)


def _with_caller(past: Past, other: Past) -> Past:
    """Complete a call's caller, begin, trunk and times from another file."""
    mine, theirs = past.finding, other.finding
    caller = mine.call.caller or theirs.call.caller
    began = min(mine.call.facts[0], theirs.call.facts[0], key=lambda fact: fact.at)
    call = replace(
        mine.call,
        caller=caller,
        identified=mine.call.identified or theirs.call.identified,
        facts=(began, *mine.call.facts[1:]),
        trunk=mine.call.trunk or theirs.call.trunk,
    )
    stages = mine.stages if mine.stages.talk is not None else theirs.stages
    return replace(past, finding=replace(mine, call=call, stages=stages))
