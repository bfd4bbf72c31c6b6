"""The event flow: events → tracker → ended calls → outbox.

`Pipeline` waits for neither the store nor the disk: `writing` puts each ended call on local disk before
anything else happens to it, while the next events are processed. `recording` moves it from there to the
store. Calls in progress are noted in the outbox too: if the daemon is killed before a call's end is written,
the next start records the call as unknown.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog

from siaga112.core.ami.events import Event, Interrupted, QueueStatus, Resumed
from siaga112.core.ledger import entry_of
from siaga112.core.model import SECOND, Call, Entry, Millis, Mode, Reached
from siaga112.core.rules import InForce
from siaga112.core.tracking.outgoing import OF_OUTGOING, OutgoingCalls
from siaga112.core.tracking.queue_state import OF_QUEUES, QueueState
from siaga112.core.tracking.tracker import Tracker
from siaga112.service.ports import Meter, Outbox
from siaga112.service.writing import Writer

_log = structlog.get_logger()


class EventSource(Protocol):
    """A source of the PBX's events, in slices."""

    def slices(self) -> AsyncIterator[Sequence[Event]]:
        """Yield events for ever, reconnecting as needed."""


@dataclass(slots=True)
class Pipeline:
    """Follows the PBX and classifies each ended call."""

    tracker: Tracker
    queues: QueueState
    outgoing: OutgoingCalls
    rules: InForce
    outbox: Outbox
    meter: Meter
    mode: Callable[[], Mode | None]
    look_back: Callable[[Millis], None] = lambda _: None
    """Called with the time since when calls were not seen completely, so that they can be reconciled."""
    _writer: Writer | None = field(default=None, init=False)

    def unwritten(self) -> int:
        """Return the number of ended calls that wait until the disk accepts them."""
        return self._writer.waiting if self._writer else 0

    async def run(self, source: EventSource) -> None:
        """Follow the source for ever. On return or cancellation, first write all ended calls."""
        writer = self._writer = Writer(self.outbox, self.meter)
        try:
            async for events in source.slices():
                items: list[Entry | Reached] = []
                for event in events:
                    self._feed(event, items)
                self.meter.in_progress(dict(self.tracker.stages()))
                screened = self.tracker.screened
                self.meter.calls_screened(screened.calls, screened.unfollowed)
                begun = self.tracker.begun()
                writer.put(items, {call: partial(self._note, seen) for call, seen in begun.items()})
                resumed = any(isinstance(event, Resumed) for event in events)
                if resumed or writer.full():
                    await writer.written()
                if resumed:  # all ended calls are written, so a noted call that is not tracked ended unseen
                    await self._close_unfollowed()
        finally:
            await writer.close()

    def _feed(self, event: Event, items: list[Entry | Reached]) -> None:
        """Process one event; append what ended with it to `items`."""
        kind = type(event)
        try:
            if kind in OF_QUEUES:
                self.queues.feed(event)
            for call in self.tracker.feed(event):
                try:
                    items.append(self._entry_of(call))
                except Exception:  # noqa: BLE001 - one odd call must not cost the others
                    self.meter.lost(1)
                    _log.exception("classifying_failed", call=call.id)
            if kind in OF_OUTGOING:
                items += self.outgoing.feed(event)
        except Exception:  # noqa: BLE001 - one odd event must not end the tracking of all calls
            _log.exception("event_failed", event_type=kind.__name__)
        if kind is Interrupted:
            self.look_back(event.at)
        elif kind is QueueStatus:
            self._show_lines(event.at)

    def _show_lines(self, now: Millis) -> None:
        waiting = self.tracker.waiting()
        self.meter.operators(self.queues.operators() if self.queues.known else None)
        self.meter.surge(on=bool(self.queues.surge(self.tracker.overdue, now)))
        self.meter.waiting(
            {queue: (count, (now - first) / SECOND) for queue, (count, first) in waiting.items()}
        )

    def _entry_of(self, call: Call) -> Entry:
        entry = self._entry(call)
        if call.marked_later:
            return entry  # already counted at its end
        try:
            self._tell(entry)
        except Exception:  # noqa: BLE001 - a failing metric must not cost the call
            _log.exception("call_metrics_failed")
        return entry

    def _entry(self, call: Call) -> Entry:
        def surge() -> str:
            return self.queues.surge(self.tracker.overdue, call.ended)

        return entry_of(call, self.rules.now, self.mode(), surge)

    def _note(self, seen: Callable[[], Call]) -> Entry:
        return self._entry(seen())

    def _tell(self, entry: Entry) -> None:
        self.meter.call_ended(entry)
        call = entry.finding.call
        if not call.complete:
            self.look_back(call.started)

    async def _close_unfollowed(self) -> None:
        """Close the calls that a killed daemon had noted, now that it is known which of them go on."""
        try:
            left = await self.outbox.close_unfollowed(self.tracker.follows)
        except OSError as error:
            _log.error("outbox_failed", lost=0, detail=str(error), remedy="free space in state_dir")
            return
        for entry in left:
            try:
                self._tell(entry)
            except Exception:  # noqa: BLE001 - as in `_entry_of`
                _log.exception("call_metrics_failed")
