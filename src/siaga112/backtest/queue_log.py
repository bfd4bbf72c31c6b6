"""queue_log lines → past calls: they show only what a queue did, so never a prank.

`core/queue_log` interprets the lines of a call, as in the reconciliation of live calls.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

from siaga112.backtest.history import Past, Source, Unproven, judge
from siaga112.core.caller_id import canonical, kept_raw
from siaga112.core.model import SECOND, Call, CallId, Fact, FactKind, Millis
from siaga112.core.outcome import ClassifierRules
from siaga112.core.queue_log import QueueRecord, evidence_of
from siaga112.core.rules import Dialplan

_OPERATORS: Final = frozenset({
    "ADDMEMBER", "REMOVEMEMBER", "AGENTLOGIN", "AGENTCALLBACKLOGIN", "AGENTLOGOFF", "AGENTCALLBACKLOGOFF",
    "PAUSE", "UNPAUSE", "PAUSEALL", "UNPAUSEALL", "PENALTY", "MEMBERPENALTY", "RINGINUSE", "ADDMEMBERS",
    "CONFIGRELOAD", "QUEUESTART",
})  # fmt: skip
"""Events of operators or of the queue itself, which belong to no call."""

_EXTENSION: Final = re.compile(r"[0-9]{2,5}")
"""The extension of one of the centre's phones: no citizen's number is this short."""

LONGEST: Final[Millis] = 6 * 3_600 * SECOND
"""A call counts as over after this long without a line."""


Settled = list[tuple[Any, ...]]
"""The lines of one of our calls that is over."""


class QueueReader:
    """Takes lines in order of time, and yields the calls that are over."""

    def __init__(self, dialplan: Dialplan, rules: ClassifierRules) -> None:
        self._dialplan = dialplan
        self._rules = rules
        self._open: dict[CallId, list[QueueRecord]] = {}
        self._members: set[str] = set()
        self._looked: Millis = 0
        self.others = 0

    def feed(self, line: QueueRecord) -> Iterable[Settled]:
        """Take one line; return the calls that are over by now, for `judge`."""
        self._members.add(line.member.rpartition("/")[2].partition("@")[0])
        if line.event in _OPERATORS:
            return ()
        self._open.setdefault(line.call, []).append(line)
        if line.at - self._looked <= LONGEST:
            return ()
        self._looked = line.at
        over = [call for call, lines in self._open.items() if lines[-1].at < line.at - LONGEST]
        return chain.from_iterable(map(self._close, over))

    def close(self) -> Iterator[Settled]:
        """Yield the calls that are left at the end of the file."""
        for call in list(self._open):
            yield from self._close(call)

    def _close(self, call: CallId) -> Sequence[Settled]:
        lines = self._open.pop(call)
        queues = self._dialplan.queues
        if self._consultation(lines) or (queues and not any(line.queue in queues for line in lines)):
            self.others += 1
            return ()
        return [[*map(tuple, lines)]]

    def judge(self, settled: Settled) -> Iterator[Past]:
        """Yield the past call."""
        lines = [*map(QueueRecord._make, settled)]
        call = lines[0].call
        evidence = evidence_of(lines)
        number = evidence.number if evidence else next((_number(line) for line in lines if _number(line)), "")
        caller = canonical(number, self._dialplan.numbers)
        facts = evidence.facts if evidence else ()
        told = Call(
            call, kept_raw(number, self._dialplan.numbers), caller, identified=caller is not None,
            facts=(
                Fact(lines[0].at, FactKind.ARRIVED),
                *sorted(facts, key=lambda fact: fact.at),
                Fact(max(line.at for line in lines), FactKind.ENDED),
            ),
        )  # fmt: skip
        rows = [(line.at, line.line) for line in lines]
        yield judge(told, self._rules, Source.QUEUE_LOG, Unproven.QUEUE_NOT_HOW, rows)

    def _consultation(self, lines: list[QueueRecord]) -> bool:
        """Return whether an operator called a queue, to transfer an earlier caller to it."""
        extensions = {_number(line) for line in lines if _EXTENSION.fullmatch(_number(line))}
        moved = any(line.event == "ATTENDEDTRANSFER" for line in lines)
        return bool(extensions) and (moved or not extensions.isdisjoint(self._members))


def _number(line: QueueRecord) -> str:
    return line.data[1] if line.event == "ENTERQUEUE" and len(line.data) > 1 else ""
