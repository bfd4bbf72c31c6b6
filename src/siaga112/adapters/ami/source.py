"""The AMI adapter: an endless stream of the PBX's events that survives lost connections (`session`).

We reconnect ourselves: panoramisk notices neither a rejected login nor a silent peer.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Protocol

import structlog

from siaga112.adapters.ami.inbox import Inbox, Slice
from siaga112.adapters.ami.session import AmiAddress, AmiRefusedError, Session
from siaga112.core.ami.events import ClockOffset, Event, Interrupted, Malformed, QueueStatus, Resumed
from siaga112.core.ami.fast_parser import Reader
from siaga112.core.ami.parser import channel_seen, member_seen, waiting_seen
from siaga112.core.clocks import ClockWatch
from siaga112.core.model import SECOND, TOLERANCE, Millis
from siaga112.errors import SiagaError, UnreachableError
from siaga112.reasons import plainly
from siaga112.sparing import Sparing

CONNECT_SECONDS: Final = 5.0
PING_SECONDS: Final = 3.0
QUEUES_SECONDS: Final = 5.0
"""Interval between queue polls: cheaper than an event for each change of each operator's phone."""

BACK_OFF: Final = (2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Seconds between connection attempts; the last value repeats."""

Tape = Callable[[bytes, Event | Malformed | None], None]

_log = structlog.get_logger()
_clock_off = Sparing("ami_clock_off")


class AmiMeter(Protocol):
    """The counters that the adapter updates."""

    def ami_connected(self, *, up: bool) -> None:
        """Show whether we follow the PBX."""

    def ami_event(self, name: str, at: Millis, count: int = 1) -> None:
        """Count events by name; 'other' for those dropped before decoding."""

    def ami_malformed(self, kind: str) -> None:
        """Count a message that Asterisk would not write in this form."""

    def ami_clock_off(self, count: int) -> None:
        """Count events with a timestamp too far from our own clock."""

    def ami_gap(self, cause: str) -> None:
        """Count a stretch of missed events."""

    def ami_reconnect(self, cause: str) -> None:
        """Count a new connection attempt."""


class AmiSource:
    """An endless stream of the PBX's events, with `Interrupted` and `Resumed` around each lost connection.

    `tape`, if given, receives every message together with the event parsed from it (for `record`); our own
    events come with an empty message. With `must_begin`, a failed first attempt raises an error.
    `tolerance`: how far the PBX's clock may differ from `clock`, our own, before we time events ourselves.
    """

    def __init__(
        self,
        address: AmiAddress,
        meter: AmiMeter,
        clock: Callable[[], Millis],
        tape: Tape | None = None,
        *,
        must_begin: bool = False,
        tolerance: Millis = TOLERANCE,
    ) -> None:
        self._tape = tape
        self._watch = ClockWatch(tolerance)
        self._must_begin = must_begin
        self._reader = Reader()
        self._address = address
        self._meter = meter
        self._clock = clock
        self._session: Session | None = None
        self._counted: Millis = 0
        """When events were last counted: in a burst we count once a second, not per slice."""
        self.connected = False

    def __repr__(self) -> str:
        return f"<AmiSource {self._address.host}:{self._address.port} {'up' if self.connected else 'down'}>"

    async def slices(self) -> AsyncIterator[Sequence[Event]]:
        """Yield events in slices; connect, and reconnect for as long as it takes.

        Raises:
            SiagaError: if the first attempt fails under `must_begin`; UnreachableError if nobody answers.

        """
        attempt = 0
        if self.connected:  # the previous consumer failed, and lost what it had begun to read
            yield self._interrupted("lost")
        while True:
            inbox, self._reader = Inbox(self._clock), Reader()
            session = Session(inbox, self._address)
            if self._session:
                self._session.close()
            self._session = session
            cause = "lost"
            try:
                begun = await self._begin(session)
                attempt, self._must_begin = 0, False
                yield self._taped(begun)
                async for events in self._follow(session, inbox):
                    yield events
            except AmiRefusedError as error:
                cause = "refused"
                self._say(
                    "ami_refused",
                    str(error),
                    "copy [ami] username and secret from manager.d/siaga112.conf, and grant its rights",
                    attempt,
                )
            except (OSError, TimeoutError) as error:
                cause = "unreachable"
                self._say(
                    "ami_unreachable",
                    plainly(error) or "no answer",
                    "does [ami] tls match the PBX, and did tls_ca sign its certificate?"
                    if isinstance(error, ssl.SSLError)
                    else "is Asterisk running, and are [ami] host and port right?",
                    attempt,
                )
            finally:
                session.close()
            if self.connected:
                yield self._interrupted(cause)
            self._meter.ami_reconnect(cause)
            await asyncio.sleep(BACK_OFF[min(attempt, len(BACK_OFF) - 1)] if cause != "lost" else BACK_OFF[0])
            attempt += 1

    def _interrupted(self, cause: str) -> list[Event]:
        self.connected = False
        self._meter.ami_connected(up=False)
        self._meter.ami_gap(cause)
        _log.warning("ami_lost", calls="in progress become unknown")
        return self._taped([Interrupted(self._clock(), cause)])

    def _taped(self, events: list[Event]) -> list[Event]:
        if self._tape:
            for event in events:
                self._tape(b"", event)
        return events

    def _say(self, event: str, detail: str, remedy: str, attempt: int) -> None:
        where = f"{self._address.host}:{self._address.port}"
        if self._must_begin:
            kind = SiagaError if event == "ami_refused" else UnreachableError
            raise kind(f"the PBX at {where}: {detail}; {remedy}")
        wait = BACK_OFF[min(attempt, len(BACK_OFF) - 1)]
        _log.warning(event, where=where, detail=detail, remedy=remedy, next_attempt_seconds=wait)

    async def _begin(self, session: Session) -> list[Event]:
        """Connect, log in, and ask for the current channels and queues."""
        async with asyncio.timeout(CONNECT_SECONDS):
            await session.open()
        begun: list[Event] = [await self._channels(session)]
        if queues := await self._queues(session):
            begun.append(queues)
        self.connected = True
        self._meter.ami_connected(up=True)
        _log.info("ami_connected", where=f"{self._address.host}:{self._address.port}")
        return begun

    async def _channels(self, session: Session) -> Resumed:
        async with asyncio.timeout(CONNECT_SECONDS):
            rows = await session.rows("CoreShowChannels")
        seen = [channel_seen(dict(row.items())) for row in rows if row.event == "CoreShowChannel"]
        return Resumed(self._clock(), tuple(channel for channel in seen if channel))

    async def _queues(self, session: Session) -> QueueStatus | None:
        """Return the state of the queues; None if the PBX has none."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                rows = await session.rows("QueueStatus")
        except AmiRefusedError:
            return None
        now = self._clock()
        members = [member_seen(dict(row.items())) for row in rows if row.event == "QueueMember"]
        waiting = [waiting_seen(dict(row.items()), now) for row in rows if row.event == "QueueEntry"]
        queues = tuple(row.queue for row in rows if row.event == "QueueParams" and isinstance(row.queue, str))
        return QueueStatus(now, queues, tuple(filter(None, members)), tuple(filter(None, waiting)))

    async def _watch_queues(self, session: Session) -> None:
        while not session.lost:
            await asyncio.sleep(QUEUES_SECONDS)
            with contextlib.suppress(TimeoutError):  # `_ping` decides whether the peer is silent
                if queues := await self._queues(session):
                    session.inbox.tell(queues)

    async def _follow(self, session: Session, inbox: Inbox) -> AsyncIterator[Sequence[Event]]:
        tasks = [asyncio.create_task(work(session)) for work in (self._ping, self._watch_queues)]
        try:
            while inbox.slices or not session.lost:
                taken = await inbox.take()
                told = self._taped([taken]) if isinstance(taken, QueueStatus) else self._read(taken, inbox)
                if told:
                    yield told
                if inbox.slices:  # let verdicts run between two slices of a burst
                    await asyncio.sleep(0)
        finally:
            for task in tasks:
                task.cancel()

    def _read(self, messages: Slice, inbox: Inbox) -> Sequence[Event]:
        events: list[Event] = []
        read, tape, received = self._reader.read, self._tape, messages.received
        for message in messages:
            event = read(message, received)
            if tape:
                tape(message, event)
            if isinstance(event, Malformed):
                self._meter.ami_malformed(event.defect)
            elif event is not None:
                events.append(event)
        timed = self._watch.timed(events, received)
        if timed is not events:
            self._tell_of_clock(events, timed)
        if not inbox.slices or not 0 <= received - self._counted < SECOND:
            self._count(timed[-1].at if timed else self._clock(), inbox)
            self._counted = received
        return timed

    def _tell_of_clock(self, told: Sequence[Event], timed: Sequence[Event]) -> None:
        """Count events that the PBX timed differently from us; log when that starts and ends."""
        kept = [event for event in timed if not isinstance(event, ClockOffset)]
        self._meter.ami_clock_off(sum(one.at != other.at for one, other in zip(told, kept, strict=True)))
        for event in timed:
            if isinstance(event, ClockOffset):
                _clock_off(
                    pbx_ahead_seconds=round(event.ahead / SECOND),
                    strikes="none from calls that are up meanwhile" if event.ahead else "again",
                    remedy="see the runbook, Clocks apart",
                )

    def _count(self, at: Millis, inbox: Inbox) -> None:
        for name, count in self._reader.heard().items():
            self._meter.ami_event(name.decode(), at, count)
        if inbox.dropped:
            self._meter.ami_event("other", at, inbox.dropped)
            inbox.dropped = 0

    async def _ping(self, session: Session) -> None:
        """Close a session with a silent peer: panoramisk sends pings but checks no answer.

        A peer that sends anything at all is not silent, and neither is one we have stopped reading from.
        """
        inbox = session.inbox
        while not session.lost:
            await asyncio.sleep(PING_SECONDS)
            reads = inbox.reads
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await session.send_action({"Action": "Ping"})
            except TimeoutError:
                if inbox.paused or inbox.reads > reads:
                    continue
                _log.warning("ami_silent", seconds=PING_SECONDS)
                session.close()
                inbox.wake()
