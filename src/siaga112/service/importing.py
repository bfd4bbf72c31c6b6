"""Importing a list: all of its numbers or none, in small batches, so that nothing else waits for it.

Ended calls are recorded between two batches. An import that fails is undone. Only a killed process leaves a
part of the numbers behind; importing the same file again adds the rest.
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
"""How many numbers one transaction imports. It takes about 60 ms and blocks all other writes."""

LOOK: Final = 500
"""How many records are loaded at once."""

ACTION: Final = "import"
"""The action in the audit trail."""


class StoppedError(SiagaError):
    """Somebody stopped the import."""


@dataclass(slots=True)
class Importer:
    """Imports one list into the store."""

    store: Store
    rules: PolicyRules
    clock: Callable[[], Millis]
    brought: Import
    via: Via = Via.CLI
    stopped: Callable[[], bool] = lambda: False

    async def judge(self, page: Sequence[Wanted]) -> list[Refusal | None]:
        """Return, for each number, why it would be left out; None if not. Writes nothing."""
        records = await self.store.load_each([wanted.caller for wanted in page])
        now = self.clock()
        return [
            importing.refusal(record, wanted, self.brought, now, self.rules)
            for record, wanted in zip(records, page, strict=True)
        ]

    async def apply(self, numbers: Callable[[], Iterator[Wanted]], count: int) -> int:
        """Import the numbers; return how many were imported. Each is judged again at that moment.

        `numbers` must yield the same numbers each time. The audit line is written with the first imported
        number, so that no number is there without it.

        Raises:
            StoppedError: if it was stopped; the import is undone.
            SiagaError: if the store fails; the import is undone, or the message says what is left.

        """
        line = self._line(f"{count} numbers {_TO[self.brought.kind]} {self._file}")
        tried = total = 0
        try:
            for page in _pages(numbers()):
                if self.stopped():
                    raise StoppedError("the import was stopped; nothing was changed")
                began = time.monotonic()
                total += await self._write(page, None if total else line)
                tried += len(page)
                await asyncio.sleep(time.monotonic() - began)  # leave half of the time to other writers
        except SiagaError as error:
            if total:
                await self._take_back(islice(numbers(), tried), total, error)
            raise
        return total

    async def _write(self, page: Sequence[Wanted], line: AuditEntry | None) -> int:
        """Import a batch in one transaction; return how many numbers were imported."""
        now = self.clock()

        def act(work: Work) -> int:
            brought = 0
            for wanted in page:
                held = work.held(wanted.caller)
                before = held.record or CallerRecord(wanted.caller)
                if importing.refusal(before, wanted, self.brought, now, self.rules):
                    continue
                after = prune(importing.bring(before, wanted, self.brought), now, self.rules)
                tallies = {} if self.brought.kind is Kind.ALLOW else {imposed(self.brought.block(wanted)): 1}
                new = replacement(before, after, held.version, now, self.rules)
                work.write(Change(replacement=new, tallies=tallies))
                brought += 1
            if line and brought:
                work.write(Change(audit_entry=line))
            return brought

        return await self.store.transaction([(wanted.caller, None) for wanted in page], act)

    async def _take_back(self, tried: Iterator[Wanted], total: int, error: SiagaError) -> None:
        """Undo the import.

        Raises:
            SiagaError: with the number of imported numbers that stay, if the store fails again.

        """
        left = total
        try:
            for page in _pages(tried):
                left -= await self._undo(page)
            said = self._line(f"{total} numbers of {self._file} taken back", str(error))
            await self.store.write([Change(audit_entry=said)])
        except SiagaError as again:
            raise SiagaError(
                f"{error}; {left} of {total} imported numbers could not be removed ({again}): "
                "run the same command again to import the rest"
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
