"""The event flow: events → tracker → ended calls → outbox.

`Pipeline` waits neither for the store nor for the disk: an ended call is on local disk before anything
else happens to it, while the next events are read (`writing`). `recording` brings it from there to the
store. A call in progress is noted there too: should we be killed before its end is kept, the next start
records it as unknown.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from siaga112.core.ami.events import Event, Interrupted, QueueStatus, Resumed
from siaga112.core.ledger import entry_of
from siaga112.core.model import SECOND, Call, Entry, Millis, Mode, Reached
from siaga112.core.rules import InForce
from siaga112.core.tracking.outgoing import OutgoingCalls
from siaga112.core.tracking.queue_state import QueueState
from siaga112.core.tracking.tracker import Tracker
from siaga112.service.ports import Meter, Outbox
from siaga112.service.writing import Writer

_log = structlog.get_logger()


class EventSource(Protocol):
    """The PBX's events, in slices."""

    def slices(self) -> AsyncIterator[Sequence[Event]]:
        """Give events for ever, reconnecting as needed."""


@dataclass(slots=True)
class Pipeline:
    """Follows the PBX and gives each call that ends its one outcome."""

    tracker: Tracker
    queues: QueueState
    outgoing: OutgoingCalls
    rules: InForce
    outbox: Outbox
    meter: Meter
    mode: Callable[[], Mode | None]
    look_back: Callable[[Millis], None] = lambda _: None
    """Told since when calls were not seen whole, so that they may be looked up elsewhere."""

    async def run(self, source: EventSource) -> None:
        """Follow the source for ever; what ended is written before this ends, also by cancellation."""
        writer = Writer(self.outbox, self.meter)
        try:
            async for events in source.slices():
                items = [one for event in events for one in self._feed(event)]
                self.meter.in_progress(dict(self.tracker.stages()))
                screened = self.tracker.screened
                self.meter.calls_screened(screened.calls, screened.unfollowed)
                writer.put(items, [self._entry(call) for call in self.tracker.begun()])
                resumed = any(isinstance(event, Resumed) for event in events)
                if resumed or writer.full():
                    await writer.written()
                if resumed:  # all that ended is kept: what is noted and not followed ended unseen
                    await self._close_unfollowed()
        finally:
            await writer.close()

    def _feed(self, event: Event) -> Iterator[Entry | Reached]:
        try:
            self.queues.feed(event)
            for call in self.tracker.feed(event):
                try:
                    yield self._entry_of(call)
                except Exception:  # noqa: BLE001 - nor must one odd call cost the others
                    self.meter.lost(1)
                    _log.exception("classifying_failed", call=call.id)
            yield from self.outgoing.feed(event)
        except Exception:  # noqa: BLE001 - one odd event must not end the following of all calls
            _log.exception("event_failed", event_type=type(event).__name__)
        if isinstance(event, Interrupted):
            self.look_back(event.at)
        elif isinstance(event, QueueStatus):
            self._show_lines(event.at)

    def _show_lines(self, now: Millis) -> None:
        waiting = self.tracker.waiting()
        self.meter.operators(self.queues.operators())
        self.meter.surge(on=bool(self.queues.surge(self.tracker.overdue, now)))
        self.meter.waiting(
            {queue: (count, (now - first) / SECOND) for queue, (count, first) in waiting.items()}
        )

    def _entry_of(self, call: Call) -> Entry:
        entry = self._entry(call)
        if call.marked_later:
            return entry  # it was told when it ended
        try:
            self._tell(entry)
        except Exception:  # noqa: BLE001 - a figure that fails must not cost the call
            _log.exception("telling_failed")
        return entry

    def _entry(self, call: Call) -> Entry:
        def surge() -> str:
            return self.queues.surge(self.tracker.overdue, call.ended)

        return entry_of(call, self.rules.now, self.mode(), surge)

    def _tell(self, entry: Entry) -> None:
        self.meter.call_ended(entry)
        call = entry.finding.call
        if not call.complete:
            self.look_back(call.started)

    async def _close_unfollowed(self) -> None:
        """Settle the calls of a daemon that was killed, now that we know which of them go on."""
        try:
            left = await self.outbox.close_unfollowed(self.tracker.follows)
        except OSError as error:
            _log.error("outbox_failed", lost=0, detail=str(error), remedy="free space in state_dir")
            return
        for entry in left:
            try:
                self._tell(entry)
            except Exception:  # noqa: BLE001 - as at each call's end
                _log.exception("telling_failed")
