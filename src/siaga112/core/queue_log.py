"""Asterisk's `queue_log`: parse it, and derive how a call ended.

A line is `epoch|call id|queue|member|event|data1|…` (app_queue.c, logger.c `ast_queue_log`). Asterisk writes
it whether siaga112 is connected or not, so it can complete a call that AMI showed only in part. It has no
calls that never reached a queue, so it never turns a call into a prank.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from siaga112.core.model import SECOND, CallId, Fact, FactKind, Millis, Outcome, Reason, credible
from siaga112.core.unserved import QUEUE_LOG, REASONS


class QueueRecord(NamedTuple):
    """One line of queue_log; a tuple, since the back-test reads millions of them."""

    at: Millis
    call: CallId
    queue: str
    event: str
    data: tuple[str, ...]
    line: int = 0
    member: str = ""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that does not have the form of queue_log."""

    number: int


CALL_FIELDS: Final = 5
_TIME: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]*))?")

_BANNER: Final = re.compile(r"\[[^|]*\] Asterisk [^|]*$")
"""The line that Asterisk writes at the start of a new file (logger.c)."""


def parse(lines: Iterable[str]) -> Iterator[QueueRecord | BadLine]:
    """Parse lines. Lines that do not belong to a call (a start, a member's login) are skipped."""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or _BANNER.match(text):
            continue
        fields = text.split("|")
        at = _millis(fields[0])
        if len(fields) < CALL_FIELDS or at is None or "\0" in text:
            yield BadLine(number)
        elif of_a_call(fields[1]):
            at_queue, member, event = fields[2:5]
            yield QueueRecord(at, CallId(fields[1]), at_queue, event, tuple(fields[5:]), number, member)


def of_a_call(call: str) -> bool:
    """Return whether this field is a call id. Lines about a start or a member's login have none."""
    return call not in {"", "NONE", "MANAGER", "REALTIME"} and call[:1].isalnum()


def is_banner(text: str) -> bool:
    """Return whether a line is the one that Asterisk writes at the start of a new file."""
    return bool(_BANNER.match(text))


def _millis(text: str) -> Millis | None:
    written = _TIME.fullmatch(text)
    if written is None:
        return None
    at = int(written[1]) * SECOND + int((written[2] or "")[:3].ljust(3, "0"))
    return at if credible(at) else None


@dataclass(frozen=True, slots=True)
class QueueEvidence:
    """What queue_log proves about one call."""

    call: CallId
    queue: str
    number: str
    outcome: Outcome
    reason: Reason
    facts: tuple[Fact, ...]
    deciding: tuple[Fact, ...]


def evidence_of(records: Iterable[QueueRecord]) -> QueueEvidence | None:
    """Return what the lines of one call prove; None if they do not show how it ended.

    The precedence is that of `outcome.classify`: answered, then unserved, then abandoned. `ABANDON` counts
    as the caller's own hang-up only without a `SYSCOMPAT` (a failure on our side). The waiting times in the
    lines are not read, because they are sometimes empty.
    """
    lines = list(records)
    if not lines:
        return None
    facts = [fact for line in lines for fact in _facts(line)]
    ours = any(line.event == "SYSCOMPAT" for line in lines)
    connected = next((fact for fact in facts if fact.kind is FactKind.CONNECTED), None)
    gave_up = next((fact for fact in facts if fact.kind is FactKind.GAVE_UP), None)
    left = next((fact for fact in facts if fact.kind is FactKind.LEFT_QUEUE), None)
    if connected:
        outcome, reason, deciding = Outcome.ANSWERED, Reason.OPERATOR, connected
    elif gave_up:
        outcome, reason, deciding = Outcome.UNSERVED, REASONS[gave_up.detail], gave_up
    elif left and not ours:
        outcome, reason, deciding = Outcome.ABANDONED, Reason.LEFT_QUEUE, left
    else:
        return None
    entered = next((line for line in lines if line.event == "ENTERQUEUE"), None)
    number = entered.data[1] if entered and len(entered.data) > 1 else ""
    queue = (entered or lines[0]).queue
    return QueueEvidence(lines[0].call, queue, number, outcome, reason, tuple(facts), (deciding,))


def _facts(line: QueueRecord) -> Iterator[Fact]:
    match line.event:
        case "ENTERQUEUE":
            yield Fact(line.at, FactKind.QUEUED, line.queue)
        case "CONNECT":
            yield Fact(line.at, FactKind.CONNECTED)
        case "ABANDON":
            yield Fact(line.at, FactKind.LEFT_QUEUE, line.queue)
        case "COMPLETECALLER" | "COMPLETEAGENT" | "BLINDTRANSFER" | "ATTENDEDTRANSFER" | "TRANSFER":
            yield Fact(line.at, FactKind.PARTED)
        case event if event in QUEUE_LOG:
            yield Fact(line.at, FactKind.GAVE_UP, QUEUE_LOG[event])
        case _:
            return
