"""Announces live events to programs: calls that begin, wait and are answered, and surges.

The end of a call and its consequences are announced with its ledger row. If the database is down, live events
are dropped, because they would be out of date later.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import structlog

from siaga112.core.announcements import Announcement, EventType
from siaga112.core.model import SECOND, Millis, Stage, credible, due
from siaga112.core.tracking.queue_state import QueueState
from siaga112.core.tracking.tracker import Tracker
from siaga112.service.ports import Announcements, StoreBrokenError, StoreDownError

EVERY_SECONDS: Final = 0.25
ENDS_EVERY: Final[Millis] = 30 * SECOND
"""How often expired temporary blocks are announced."""

_log = structlog.get_logger()


@dataclass(slots=True)
class Announcer:
    """Writes announcements of live events."""

    records: Announcements
    tracker: Tracker
    queues: QueueState
    clock: Callable[[], Millis]
    _surge: str = ""
    _ends_told: Millis = 0

    async def run(self) -> None:
        """Announce for ever. An error costs only the announcements of that round."""
        while True:
            try:
                await self.announce()
            except (StoreDownError, StoreBrokenError):
                pass  # the mode watch logs it
            except Exception:  # noqa: BLE001 - no need to end and be restarted
                _log.exception("announcing_failed")
            await asyncio.sleep(EVERY_SECONDS)

    async def announce(self) -> None:
        """Write all new announcements once."""
        now = self.clock()
        told = [*self._moves(), *self._surges(now)]
        if told:
            await self.records.announce(told)
        if credible(now) and due(self._ends_told, now, ENDS_EVERY):
            self._ends_told = now
            await self.records.announce_ends(now)

    def _moves(self) -> Iterator[Announcement]:
        for move, caller, operator in self.tracker.moves():
            if move.new:
                yield Announcement(EventType.CALL_STARTED, move.at, move.call, caller)
            if move.stage is Stage.QUEUE:
                data: dict[str, object] = {"queue": move.queue or None}
                yield Announcement(EventType.CALL_QUEUED, move.at, move.call, caller, data)
            elif move.stage is Stage.TALKING:
                data = {"operator": operator or None}
                yield Announcement(EventType.CALL_ANSWERED, move.at, move.call, caller, data)

    def _surges(self, now: Millis) -> Iterator[Announcement]:
        surge = self.queues.surge(self.tracker.overdue, now)
        if bool(surge) is not bool(self._surge):
            yield Announcement(EventType.SURGE_CHANGED, now, data={"on": bool(surge), "why": surge or None})
        self._surge = surge
