"""The AMI adapter: panoramisk for connection, login and actions; our own protocol for the events.

panoramisk decodes each TCP chunk by itself, dispatches through patterns and hands coroutines to
nobody (asterisk-facts.md, "traps"). So its `protocol_factory` gets a protocol that splits the stream
in bytes, drops what no call needs by name before decoding, and puts the rest into a queue that one
consumer empties in small slices. Reconnecting is ours too: panoramisk never notices a rejected login
or a silent peer.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from panoramisk import Manager
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.message import Message

from siaga112.core.events import (
    WANTED,
    Event,
    Interrupted,
    Malformed,
    QueuesSeen,
    Resumed,
    channel_seen,
    member_seen,
    parse,
    waiting_seen,
)
from siaga112.core.model import Millis

SLICE: Final = 32
"""Events handled in one turn of the loop, so that a burst never keeps a verdict waiting."""

BACKLOG: Final = 100_000
"""Messages kept for a consumer that is behind; beyond that a gap is declared."""

CONNECT_SECONDS: Final = 5.0
PING_SECONDS: Final = 3.0
QUEUES_SECONDS: Final = 5.0
"""How often the queues are looked at: cheaper than an event for each change of each operator's phone."""

BACK_OFF: Final = (2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Seconds between attempts; the last repeats."""

MAX_MESSAGE: Final = 1 << 20
GIVEN_UP: Final = b""
"""Stands for a message longer than that: it is no header, and so malformed."""

_END: Final = b"\r\n\r\n"

_log = structlog.get_logger()


class AmiMeter(Protocol):
    """What the adapter counts."""

    def ami_connected(self, *, up: bool) -> None:
        """Show whether we are following the PBX."""

    def ami_event(self, name: str, at: Millis, count: int = 1) -> None:
        """Count events by name ('other' for what is dropped unread)."""

    def ami_malformed(self, kind: str) -> None:
        """Count a message that is not of the form Asterisk writes."""

    def ami_gap(self, cause: str) -> None:
        """Count a stretch of events that we did not see."""

    def ami_reconnect(self, cause: str) -> None:
        """Count a new attempt."""


class Framer:
    """Bytes as they come → whole messages, and nothing else; linear however small the pieces."""

    __slots__ = ("_buffer", "_given_up", "_greeted", "_searched")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._greeted = False
        self._given_up = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take a chunk; give the messages that it completes, without their blank line."""
        buffer = self._buffer
        buffer += data
        if not self._greeted:
            end = buffer.find(b"\r\n", max(0, self._searched - 1))
            if end < 0:
                if len(buffer) > MAX_MESSAGE:
                    buffer.clear()
                self._searched = len(buffer)
                return []
            del buffer[: end + 2]
            self._searched = 0
            self._greeted = True
        messages = []
        begin = 0
        while (end := buffer.find(_END, max(begin, self._searched - 3))) >= 0:
            if self._given_up:
                self._given_up = False  # what follows it is a message again, and nothing in it
            else:
                messages.append(bytes(buffer[begin:end]) if end - begin <= MAX_MESSAGE else GIVEN_UP)
            begin = self._searched = end + len(_END)
        if begin:
            del buffer[:begin]
        if len(buffer) >= MAX_MESSAGE + len(_END):
            if not self._given_up:
                messages.append(GIVEN_UP)
            self._given_up = True
            del buffer[: 1 - len(_END)]  # its end may have begun
        self._searched = len(buffer)
        return messages


class _Protocol(AMIProtocol):  # type: ignore[misc]  # panoramisk is untyped
    """panoramisk's protocol with our own reading side."""

    def __init__(self, inbox: "Inbox") -> None:
        self._inbox = inbox
        self._framer = Framer()

    def data_received(self, data: bytes) -> None:
        for message in self._framer.feed(data):
            if b"\r\nActionID: " in message and self._is_answer(message):
                continue
            if message.startswith(b"Event: ") and message.partition(b"\r\n")[0][7:] not in WANTED:
                self._inbox.dropped += 1
            else:
                self._inbox.put(message)

    def _is_answer(self, message: bytes) -> bool:
        """Give panoramisk what answers one of our own actions, and nothing that a caller may have forged."""
        if not _is_sound(message):
            self._inbox.put(message)  # to be counted as malformed
            return True
        parsed = Message.from_line(message.decode("utf-8", "replace"))
        if parsed is None or parsed.action_id not in self.responses:
            return False
        self.handle_message(parsed)
        return True


def _is_sound(message: bytes) -> bool:
    """Say whether no header repeats, in any spelling: panoramisk makes a list of it, and fails on that."""
    names = Counter(line.partition(b": ")[0].lower() for line in message.split(b"\r\n"))
    del names[b"chanvariable"]
    return max(names.values()) == 1 and not names.keys() >= {b"event", b"response"}


class Inbox:
    """Raw messages between the socket and the one consumer."""

    def __init__(self) -> None:
        self.messages: Final[deque[bytes | QueuesSeen | None]] = deque()
        """Oldest first; None stands where some did not fit."""
        self.dropped = 0
        self._filled: Final = asyncio.Event()

    def put(self, message: bytes | QueuesSeen) -> None:
        """Keep a message; never blocks, never raises (it is called by the reading side)."""
        if len(self.messages) < BACKLOG:
            self.messages.append(message)
        elif self.messages[-1] is not None:
            self.messages.append(None)
        self._filled.set()

    def wake(self) -> None:
        """Let the consumer look around."""
        self._filled.set()

    async def take(self) -> list[bytes | QueuesSeen | None]:
        """Give the next slice; waits until there is one, or until woken."""
        if not self.messages:
            self._filled.clear()
            await self._filled.wait()
        return [self.messages.popleft() for _ in range(min(SLICE, len(self.messages)))]


class Session(Manager):  # type: ignore[misc]  # panoramisk is untyped
    """One connection. Tells of its loss once; never reconnects by itself."""

    def __init__(self, inbox: Inbox, **config: Any) -> None:
        super().__init__(protocol_factory=lambda: _Protocol(inbox), ping_delay=86_400, **config)
        self.loop = asyncio.get_running_loop()
        self.inbox = inbox
        self.lost = False

    def connection_made(self, f: "asyncio.Future[Any]") -> None:
        """Take over a connection, if there is one."""
        if not f.cancelled() and f.exception() is None:
            super().connection_made(f)

    def login(self, future: "asyncio.Future[Any]") -> None:
        """Log in, if we are still there."""
        if not future.cancelled():
            super().login(future)

    def connection_lost(self, exc: object) -> None:  # noqa: ARG002 - panoramisk's signature
        """Note the loss, and tell whoever waits for messages."""
        self.lost = True
        self.inbox.wake()

    def close(self) -> None:
        """End the connection."""
        super().close()
        self.lost = True


class AmiRefusedError(Exception):
    """The login was rejected."""


@dataclass(frozen=True, slots=True)
class AmiAddress:
    """Where the manager interface is, and as whom to log in."""

    host: str
    port: int
    username: str
    secret: str


Tape = Callable[[bytes, Event | Malformed | None], None]


class AmiSource:
    """The PBX's events for ever, with `Interrupted` and `Resumed` where the thread was cut.

    `tape`, if given, is handed every message that is read, with what it was read as (`record`);
    our own events come with no message.
    """

    def __init__(
        self, address: AmiAddress, meter: AmiMeter, clock: Callable[[], Millis], tape: Tape | None = None
    ) -> None:
        self._tape = tape
        self._address = address
        self._meter = meter
        self._clock = clock
        self.connected = False

    def __repr__(self) -> str:
        return f"<AmiSource {self._address.host}:{self._address.port} {'up' if self.connected else 'down'}>"

    async def slices(self) -> AsyncIterator[Sequence[Event]]:
        """Give events in slices; connects, and connects again for as long as it takes."""
        attempt = 0
        while True:
            inbox = Inbox()
            session = Session(
                inbox,
                host=self._address.host,
                port=self._address.port,
                username=self._address.username,
                secret=self._address.secret,
            )
            cause = "lost"
            try:
                begun = await self._begin(session)
                attempt = 0
                yield self._taped(begun)
                async for events in self._follow(session, inbox):
                    yield events
            except AmiRefusedError as error:
                cause = "refused"
                self._say(
                    "ami_refused",
                    str(error),
                    "set [ami] username and secret as in manager.d/siaga112.conf, and its rights as there",
                    attempt,
                )
            except (OSError, TimeoutError) as error:
                cause = "unreachable"
                self._say(
                    "ami_unreachable",
                    str(error) or "no answer",
                    "is Asterisk up, and [ami] host and port right?",
                    attempt,
                )
            finally:
                session.close()
            if self.connected:
                self.connected = False
                self._meter.ami_connected(up=False)
                self._meter.ami_gap(cause)
                _log.warning("ami_lost", calls="in progress become unknown")
                yield self._taped([Interrupted(self._clock(), cause)])
            self._meter.ami_reconnect(cause)
            await asyncio.sleep(BACK_OFF[min(attempt, len(BACK_OFF) - 1)] if cause != "lost" else BACK_OFF[0])
            attempt += 1

    def _taped(self, events: list[Event]) -> list[Event]:
        if self._tape:
            for event in events:
                self._tape(b"", event)
        return events

    def _say(self, event: str, detail: str, remedy: str, attempt: int) -> None:
        where = f"{self._address.host}:{self._address.port}"
        wait = BACK_OFF[min(attempt, len(BACK_OFF) - 1)]
        _log.warning(event, where=where, detail=detail, remedy=remedy, next_attempt_seconds=wait)

    async def _begin(self, session: Session) -> list[Event]:
        """Connect, log in, and ask what is going on."""
        async with asyncio.timeout(CONNECT_SECONDS):
            await session.connect()
            response = await session.authenticated_future
        if not response.success:
            raise AmiRefusedError(response.message)
        begun: list[Event] = [await self._channels(session)]
        if queues := await self._queues(session):
            begun.append(queues)
        self.connected = True
        self._meter.ami_connected(up=True)
        _log.info("ami_connected", where=f"{self._address.host}:{self._address.port}")
        return begun

    async def _channels(self, session: Session) -> Resumed:
        async with asyncio.timeout(CONNECT_SECONDS):
            rows = await session.send_action({"Action": "CoreShowChannels"})
        if isinstance(rows, Message):  # one answer is a refusal; a list is what we asked for
            raise AmiRefusedError(f"CoreShowChannels: {rows.message}")
        seen = [channel_seen(dict(row.items())) for row in rows if row.event == "CoreShowChannel"]
        return Resumed(self._clock(), tuple(channel for channel in seen if channel))

    async def _queues(self, session: Session) -> QueuesSeen | None:
        """Ask how the queues are; None from a PBX that has none."""
        async with asyncio.timeout(CONNECT_SECONDS):
            rows = await session.send_action({"Action": "QueueStatus"})
        if isinstance(rows, Message):
            return None
        now = self._clock()
        members = [member_seen(dict(row.items())) for row in rows if row.event == "QueueMember"]
        waiting = [waiting_seen(dict(row.items()), now) for row in rows if row.event == "QueueEntry"]
        queues = tuple(row.queue for row in rows if row.event == "QueueParams" and isinstance(row.queue, str))
        return QueuesSeen(now, queues, tuple(filter(None, members)), tuple(filter(None, waiting)))

    async def _watch_queues(self, session: Session) -> None:
        while not session.lost:
            await asyncio.sleep(QUEUES_SECONDS)
            with contextlib.suppress(TimeoutError):  # the ping decides whether the peer is silent
                if queues := await self._queues(session):
                    session.inbox.put(queues)

    async def _follow(self, session: Session, inbox: Inbox) -> AsyncIterator[list[Event]]:
        tasks = [asyncio.create_task(work(session)) for work in (self._ping, self._watch_queues)]
        try:
            while inbox.messages or not session.lost:
                raw = await inbox.take()
                if events := self._read(raw, inbox):
                    yield events
                # Give the verdicts their turn between two slices of a burst.
                await asyncio.sleep(0)
        finally:
            for task in tasks:
                task.cancel()

    def _read(self, raw: Sequence[bytes | QueuesSeen | None], inbox: Inbox) -> list[Event]:
        received = self._clock()
        events: list[Event] = []
        if inbox.dropped:
            self._meter.ami_event("other", received, inbox.dropped)
            inbox.dropped = 0
        for message in raw:
            if message is None:
                self._meter.ami_gap("overflow")
                events += self._taped([Interrupted(received, "overflow")])
                continue
            if isinstance(message, QueuesSeen):
                events += self._taped([message])
                continue
            event = parse(message, received)
            if self._tape:
                self._tape(message, event)
            if isinstance(event, Malformed):
                self._meter.ami_malformed(event.defect)
            elif event is not None:
                events.append(event)
                self._meter.ami_event(message[7 : message.find(b"\r\n")].decode(), event.at)
        return events

    async def _ping(self, session: Session) -> None:
        """End a session whose peer is silent: panoramisk sends pings but checks no answer."""
        while not session.lost:
            await asyncio.sleep(PING_SECONDS)
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await session.send_action({"Action": "Ping"})
            except TimeoutError:
                _log.warning("ami_silent", seconds=PING_SECONDS)
                session.close()
                session.inbox.wake()
