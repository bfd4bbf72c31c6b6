"""The site behind the console: its records, settings, and what a visitor may see."""

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
from siaga112.console.identity import Gate, MayNotError, Visitor
from siaga112.console.live import Live
from siaga112.core.access import Permission
from siaga112.core.announcements import EventType
from siaga112.core.caller_id import typed
from siaga112.core.model import SECOND, Call, Caller, CallId, Entry, Mark, Millis
from siaga112.core.shifts import duty
from siaga112.core.tracking.late_marks import KEPT as LATE
from siaga112.errors import SiagaError
from siaga112.service.marking import ReportDetails
from siaga112.service.ports import Announced
from siaga112.service.supervisor import Supervisor
from siaga112.settings.schema import Settings
from siaga112.words import Tongue, say, tongue


class NotFoundError(SiagaError):
    """The address names nothing that exists."""


class NotANumberError(SiagaError):
    """The text given is not a caller's number."""


@dataclass(frozen=True, slots=True)
class MarkLater:
    """A mark for a call in progress, set when the call is in the ledger."""

    visitor: Visitor
    mark: Mark
    note: str
    details: ReportDetails


@dataclass(slots=True)
class Console:
    """What all routes share. `slow`: a second connection for large queries, so that nobody waits for them.

    `printer`: one PDF at a time, since each needs 60 MB.
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
        """Return the translator for a visitor's language."""
        return tongue(visitor.lang if visitor else self.settings.console.lang)

    def desk(self, visitor: Visitor, store: DecidingStore | None = None) -> Supervisor:
        """Return the supervisor service, acting as the visitor."""
        return open_supervisor(self.settings, store or self.store, visitor.name, visitor.via)

    def deeds(self, visitor: Visitor) -> Deeds:
        """Return the decisions, made as the visitor."""
        return open_deeds(self.desk(visitor), self.settings, self.t(visitor))

    def lists(self, visitor: Visitor, store: DecidingStore | None = None) -> Lists:
        """Return the queries, asked as the visitor; `store`: the slow one for large counts."""
        return open_lists(self.desk(visitor, store), self.settings, self.t(visitor))

    def number(self, text: str) -> Caller:
        """Parse a number.

        Raises:
            NotANumberError: if it can never be a caller to block.

        """
        caller = typed(text, self.settings.number_plan())
        if caller is None:
            raise NotANumberError(NOT_A_NUMBER, number=text[:40])
        return caller

    def found(self, reference: str) -> Caller:
        """Return the caller that an address stands for.

        Raises:
            NotFoundError: if the console never issued it.

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
        """Note in the audit trail that a visitor looked at a caller's data."""
        await self.desk(visitor).looked(subject, detail)

    def late(self, visitor: Visitor) -> list[str]:
        """Return, once, the decisions that verdicts do not know yet, each with the reason."""
        t = self.t(visitor)
        told = [f"{t.told(what)} ({t.told(why)})" for what, why in self.store.late.items()]
        self.store.late.clear()
        return told

    def since_for(self, visitor: Visitor, since: Millis) -> Millis:
        """Return the start of what a visitor may see: everything, or this shift."""
        return since if visitor.may(Permission.CALLS) else max(since, self.shift_began())

    def require_at_hand(self, visitor: Visitor, call: Call) -> None:
        """Check that a visitor may see and mark a call: any, or one of this shift.

        A call just before the change of shifts is still marked after it, for as long as from the telephone.

        Raises:
            MayNotError: if the call is of an earlier shift.

        """
        if not visitor.may(Permission.CALLS) and call.ended < self.shift_began() - LATE:
            raise MayNotError(say("that call is of an earlier shift: only a supervisor sees and marks it"))

    def shift_began(self) -> Millis:
        """Return when the shift on duty began."""
        return shift_began(now(), self.settings)

    async def set_marks(self, told: Sequence[Announced]) -> None:
        """Set the marks given during calls that have ended since."""
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
    """Return when the shift on duty at an instant began; midnight if no shifts are configured."""
    local = datetime.fromtimestamp(at / SECOND, settings.zone)
    day, name = duty(local, settings.shift_plan())
    clock = next((shift.begins for shift in settings.shift_plan() if shift.name == name), time())
    return int(datetime.combine(day, clock, settings.zone).timestamp() * SECOND)
