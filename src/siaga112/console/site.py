"""The site as the console has it: its records, what is configured, and what one visitor may see of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from pathlib import Path

from siaga112.app.deeds import Deeds
from siaga112.app.deeds import deeds as open_deeds
from siaga112.app.desk import open_supervisor
from siaga112.app.lists import NOT_A_NUMBER, Lists
from siaga112.app.lists import lists as open_lists
from siaga112.app.records import now
from siaga112.app.store import DecidingStore
from siaga112.console.hiding import Hiding
from siaga112.console.hooks import Hooks
from siaga112.console.identity import Gate, Visitor
from siaga112.console.live import Live
from siaga112.core.access import Permission
from siaga112.core.announcements import EventType
from siaga112.core.caller_id import typed
from siaga112.core.model import SECOND, Caller, CallId, Entry, Mark, Millis
from siaga112.core.shifts import duty
from siaga112.errors import SiagaError
from siaga112.service.marking import ReportDetails
from siaga112.service.ports import Announced
from siaga112.service.supervisor import Supervisor
from siaga112.settings.schema import Settings
from siaga112.words import Tongue, say, tongue


class NotFoundError(SiagaError):
    """There is nothing of that name here."""


class NotANumberError(SiagaError):
    """What was given is no number of a caller."""


@dataclass(frozen=True, slots=True)
class MarkLater:
    """A mark for a call that still goes on: it is set when the call is in the ledger."""

    visitor: Visitor
    mark: Mark
    note: str
    details: ReportDetails


@dataclass(slots=True)
class Console:
    """What all routes have in common. `slow`: for what reads much, so that nobody waits for it.

    `printer`: one PDF at a time, since each takes 60 MB while it is made.
    """

    settings: Settings
    config: Path | None
    store: DecidingStore
    slow: DecidingStore
    gate: Gate
    live: Live
    hiding: Hiding
    hooks: Hooks
    printer: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    marks: dict[CallId, MarkLater] = field(default_factory=dict)
    flashes: dict[str, tuple[str, str]] = field(default_factory=dict)

    def t(self, visitor: Visitor | None) -> Tongue:
        """Give who speaks a visitor's language."""
        return tongue(visitor.lang if visitor else self.settings.console.lang)

    def desk(self, visitor: Visitor, store: DecidingStore | None = None) -> Supervisor:
        """Give the supervisor's desk, at which the visitor acts."""
        return open_supervisor(self.settings, store or self.store, visitor.name, visitor.via)

    def deeds(self, visitor: Visitor) -> Deeds:
        """Give what a visitor decides."""
        return open_deeds(self.desk(visitor), self.settings, self.t(visitor))

    def lists(self, visitor: Visitor, store: DecidingStore | None = None) -> Lists:
        """Give what a visitor asks; `store`: the slow one, for what counts much."""
        return open_lists(self.desk(visitor, store), self.settings, self.t(visitor))

    def number(self, text: str) -> Caller:
        """Read a number.

        Raises:
            NotANumberError: if it is none that could ever be blocked.

        """
        caller = typed(text, self.settings.number_plan())
        if caller is None:
            raise NotANumberError(NOT_A_NUMBER, number=text[:40])
        return caller

    def found(self, reference: str) -> Caller:
        """Find whom an address of ours stands for.

        Raises:
            NotFoundError: if we never gave it.

        """
        caller = self.hiding.find(reference)
        if caller is None:
            raise NotFoundError(say("there is no such caller; look for the number"))
        return caller

    async def call(self, call: str) -> Entry:
        """Find a call.

        Raises:
            NotFoundError: if the ledger does not have it.

        """
        entry = await self.store.entry(CallId(call))
        if entry is None:
            raise NotFoundError(say('no call "{call}" in the ledger'), call=call[:60])
        return entry

    async def looked(self, visitor: Visitor, subject: str, detail: str) -> None:
        """Note in the audit trail that a visitor looked at what is a caller's own."""
        await self.desk(visitor).looked(subject, detail)

    def late(self, visitor: Visitor) -> list[str]:
        """Say what was done and is not known to verdicts yet, each with why; once."""
        t = self.t(visitor)
        told = [f"{t.told(what)} ({t.told(why)})" for what, why in self.store.late.items()]
        self.store.late.clear()
        return told

    def since_for(self, visitor: Visitor, since: Millis) -> Millis:
        """Say since when a visitor may see calls: who has not all of them sees those of this shift."""
        return since if visitor.may(Permission.CALLS) else max(since, self.shift_began())

    def shift_began(self) -> Millis:
        """Say when the shift on duty began."""
        return shift_began(now(), self.settings)

    async def set_marks(self, told: Sequence[Announced]) -> None:
        """Set the marks that were given while calls went on, of those that are over."""
        for one in told:
            if one.told.type is EventType.CALL_ENDED and one.told.call in self.marks:
                later = self.marks.pop(one.told.call)
                said = await self._set(one.told.call, later)
                self.flashes[later.visitor.session] = said

    async def _set(self, call: CallId, later: MarkLater) -> tuple[str, str]:
        try:
            return "good", await self.deeds(later.visitor).mark(call, later.mark, later.note, later.details)
        except SiagaError as error:
            return "bad", error.told(self.t(later.visitor))


def shift_began(at: Millis, settings: Settings) -> Millis:
    """Say when the shift began that is on duty at an instant; where there are no shifts, at midnight."""
    local = datetime.fromtimestamp(at / SECOND, settings.zone)
    day, name = duty(local, settings.shift_plan())
    clock = next((shift.begins for shift in settings.shift_plan() if shift.name == name), time())
    return int(datetime.combine(day, clock, settings.zone).timestamp() * SECOND)
