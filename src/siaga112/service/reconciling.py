"""Reconciliation: complete, from queue_log, the calls that AMI showed only in part or not at all.

It changes only calls with the outcome `unknown`, and adds calls that the ledger does not have. These never
cost a strike. Repeating it changes nothing.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from siaga112.core.caller_id import canonical, kept_raw
from siaga112.core.model import (
    QUEUE_LOG,
    SECOND,
    TOLERANCE,
    Call,
    CallId,
    Entry,
    Fact,
    FactKind,
    Finding,
    Millis,
    Outcome,
)
from siaga112.core.outcome import stages
from siaga112.core.queue_log import BadLine, QueueEvidence, QueueRecord, evidence_of, parse
from siaga112.core.rules import InForce
from siaga112.service.ports import Ledger, Outbox, QueueLog, StoreBrokenError, StoreDownError

LOOK_BACK: Final[Millis] = 7 * 86_400 * SECOND
"""How far back the daemon looks at its start, in case it was stopped for that long."""

DELAY_SECONDS: Final = 2.0
"""The delay before queue_log is read, so that the PBX can write the last line of a call that just ended."""

_log = structlog.get_logger()


@dataclass(slots=True)
class Reconciler:
    """Reads queue_log after calls that were not seen completely."""

    queue_log: QueueLog
    ledger: Ledger
    outbox: Outbox
    rules: InForce
    in_progress: Callable[[CallId], bool]
    clock: Callable[[], Millis]
    _since: Millis | None = None
    _asked: asyncio.Event = field(default_factory=asyncio.Event)

    def look_back(self, since: Millis) -> None:
        """Request reconciliation of the calls that began since then. Return at once."""
        self._since = since if self._since is None else min(self._since, since)
        self._asked.set()

    async def run(self) -> None:
        """Reconcile on request, for ever."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            await asyncio.sleep(DELAY_SECONDS)
            since, self._since = self._since, None
            if since is None:
                continue
            try:
                await self._reconcile_since(since)
            except OSError as error:
                _log.warning("queue_log_unreadable", detail=str(error), remedy="see [pbx] queue_log")
            except (StoreDownError, StoreBrokenError):
                self.look_back(since)
            except Exception as error:  # noqa: BLE001 - the content of the file must not end reconciliation
                _log.error("reconciling_failed", detail=str(error), exc_info=error)

    async def _reconcile_since(self, since: Millis) -> None:
        calls, bad = _by_call(parse(await self.queue_log.lines(since)))
        if bad:
            _log.warning("queue_log_invalid_lines", lines=len(bad))
        entries: list[Entry] = []
        failed: list[Exception] = []
        latest = self.clock() + TOLERANCE
        if ahead := [call for call, lines in calls.items() if max(line.at for line in lines) > latest]:
            _log.warning("queue_log_ahead", calls=len(ahead), remedy="see the runbook, Clocks apart")
            calls = {call: lines for call, lines in calls.items() if call not in ahead}
        for lines in calls.values():
            try:
                if lines[0].queue in self.rules.now.dialplan.queues and (evidence := evidence_of(lines)):
                    entry = await self._entry(evidence)
                    entries += [entry] if entry else []
            except StoreDownError:
                raise
            except Exception as error:  # noqa: BLE001 - one odd call must not cost the others
                failed.append(error)
        if failed:
            await self.ledger.ping()  # raises if the ledger does not answer, so that we try again
            _log.error("not_reconciled", calls=len(failed), detail=str(failed[0]))
        if entries:
            await self._add(entries, since)

    async def _add(self, entries: Sequence[Entry], since: Millis) -> None:
        try:
            await self.outbox.append(entries)
        except OSError as error:
            _log.error("outbox_failed", lost=0, detail=str(error), remedy="free space in state_dir")
            self.look_back(since)
        else:
            _log.info("reconciled", calls=len(entries))

    async def _entry(self, evidence: QueueEvidence) -> Entry | None:
        if self.in_progress(evidence.call):
            return None
        held = await self.ledger.entry(evidence.call)
        if held is None:
            return Entry(self._unseen(evidence), strike=False)
        if held.finding.outcome is not Outcome.UNKNOWN or not held.finding.call.timed:
            return None  # we timed this call by our own clock, and queue_log has the PBX's
        call = held.finding.call
        facts = tuple(sorted((*call.facts, *evidence.facts), key=lambda fact: fact.at))
        return Entry(_finding(held.finding.call, facts, evidence), strike=False)

    def _unseen(self, evidence: QueueEvidence) -> Finding:
        first, last = evidence.facts[0], evidence.facts[-1]
        facts = (
            Fact(first.at, FactKind.ADOPTED, QUEUE_LOG),
            *evidence.facts,
            Fact(last.at, FactKind.ENDED, QUEUE_LOG),
        )
        caller = canonical(evidence.number, self.rules.now.dialplan.numbers)
        raw = kept_raw(evidence.number, self.rules.now.dialplan.numbers)
        call = Call(evidence.call, raw, caller, identified=False, facts=facts)
        return _finding(call, facts, evidence)


def _finding(call: Call, facts: tuple[Fact, ...], evidence: QueueEvidence) -> Finding:
    call = replace(call, facts=facts)
    return Finding(
        call=call,
        outcome=evidence.outcome,
        reason=evidence.reason,
        deciding=evidence.deciding,
        stages=stages(call),
        queue=evidence.queue,
    )


def _by_call(
    lines: Iterable[QueueRecord | BadLine],
) -> tuple[dict[CallId, list[QueueRecord]], Sequence[BadLine]]:
    calls: dict[CallId, list[QueueRecord]] = {}
    bad = []
    for line in lines:
        if isinstance(line, BadLine):
            bad.append(line)
        else:
            calls.setdefault(line.call, []).append(line)
    return calls, bad
