"""Bringing in a list: all of its numbers or none, a few at a time, so that nobody waits for it.

Calls that end meanwhile are recorded between two batches. What an import has begun it takes back if it cannot
go on. Only a process that is killed leaves a part behind; the same file, brought in again, adds the rest.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from siaga112.core import importing
from siaga112.core.changes import Change, imposed, replacement
from siaga112.core.fold import Work
from siaga112.core.importing import Import, Kind, Refusal, Wanted
from siaga112.core.mode import SITE
from siaga112.core.model import AuditEntry, Millis, Via
from siaga112.core.record import CallerRecord
from siaga112.core.regulation import PolicyRules
from siaga112.core.retention import prune
from siaga112.errors import SiagaError
from siaga112.service.ports import Store

BATCH: Final = 200
"""How many numbers are brought in by one transaction: some 60 ms, in which no other is written."""

LOOK: Final = 500
"""How many are looked up at once."""

ACTION: Final = "import"
"""What the audit trail calls it."""


class StoppedError(SiagaError):
    """Somebody stopped the import."""


@dataclass(slots=True)
class Importer:
    """Brings one list into the store."""

    store: Store
    rules: PolicyRules
    clock: Callable[[], Millis]
    brought: Import
    via: Via = Via.CLI
    stopped: Callable[[], bool] = lambda: False

    async def judge(self, page: Sequence[Wanted]) -> list[Refusal | None]:
        """Say of each number why it is left out; None if it is to be brought in. Nothing is written."""
        records = await self.store.load_each([wanted.caller for wanted in page])
        now = self.clock()
        return [
            importing.refusal(record, wanted, self.brought, now, self.rules)
            for record, wanted in zip(records, page, strict=True)
        ]

    async def apply(self, numbers: Callable[[], Iterator[Wanted]], count: int) -> int:
        """Bring all of them in; give how many. Whoever must be left out by now is.

        `numbers` gives them, each time the same. The audit trail's one line comes with the first that is
        brought in, so that none is there without it.

        Raises:
            StoppedError: if it was stopped; all is as it was.
            SiagaError: if the store fails; all is as it was, or the line says what is left.

        """
        line = self._line(f"{count} numbers {_TO[self.brought.kind]} {self._file}")
        tried = total = 0
        try:
            for page in _pages(numbers()):
                if self.stopped():
                    raise StoppedError("the import was stopped: nothing is changed")
                began = time.monotonic()
                total += await self._write(page, None if total else line)
                tried += len(page)
                await asyncio.sleep(time.monotonic() - began)  # as long for everybody else as for us
        except SiagaError as error:
            if total:
                await self._take_back(islice(numbers(), tried), total, error)
            raise
        return total

    async def _write(self, page: Sequence[Wanted], line: AuditEntry | None) -> int:
        """Bring a batch in, in one transaction; give how many were."""
        now = self.clock()

        def act(work: Work) -> int:
            brought = 0
            for wanted in page:
                held = work.held(wanted.caller)
                before = held.record or CallerRecord(wanted.caller)
                if importing.refusal(before, wanted, self.brought, now, self.rules):
                    continue
                after = prune(importing.bring(before, wanted, self.brought), now, self.rules)
                tallies = () if self.brought.kind is Kind.ALLOW else (imposed(self.brought.block(wanted)),)
                new = replacement(before, after, held.version, now, self.rules)
                work.write(Change(replacement=new, tallies=tallies))
                brought += 1
            if line and brought:
                work.write(Change(audit_entry=line))
            return brought

        return await self.store.transaction([(wanted.caller, None) for wanted in page], act)

    async def _take_back(self, tried: Iterator[Wanted], total: int, error: SiagaError) -> None:
        """Undo what was brought in, as far as the store lets us.

        Raises:
            SiagaError: saying how many stay, if it does not.

        """
        left = total
        try:
            for page in _pages(tried):
                left -= await self._undo(page)
            said = self._line(f"{total} numbers of {self._file} taken back", str(error))
            await self.store.write([Change(audit_entry=said)])
        except SiagaError as again:
            raise SiagaError(
                f"{error}; {left} of {total} numbers that were brought in stay ({again}): "
                "the same command again brings in the rest"
            ) from error

    async def _undo(self, page: Sequence[Wanted]) -> int:
        now = self.clock()

        def act(work: Work) -> int:
            undone = 0
            for wanted in page:
                held = work.held(wanted.caller)
                before = held.record or CallerRecord(wanted.caller)
                after = importing.take_back(before, wanted, self.brought, now)
                if after != before:
                    new = replacement(before, after, held.version, now, self.rules)
                    work.write(Change(replacement=new))
                    undone += 1
            return undone

        return await self.store.transaction([(wanted.caller, None) for wanted in page], act)

    @property
    def _file(self) -> str:
        return f"{self.brought.file}, SHA-256 {self.brought.digest}"

    def _line(self, detail: str, reason: str = "") -> AuditEntry:
        whose = self.brought
        return AuditEntry(self.clock(), whose.by, ACTION, SITE, detail, reason or whose.reason, self.via)


_TO: Final = {Kind.BLOCK: "blocked, from", Kind.ALLOW: "allowed, from"}


def _pages(numbers: Iterator[Wanted]) -> Iterator[list[Wanted]]:
    while page := list(islice(numbers, BATCH)):
        yield page
