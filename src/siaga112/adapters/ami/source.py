"""The AMI adapter: panoramisk for connection, login and actions; our own protocol for the events.

panoramisk decodes each TCP chunk by itself, dispatches through patterns and hands coroutines to
nobody (asterisk-facts.md, "traps"). So its `protocol_factory` gets a protocol that splits the stream
in bytes, a slice in each turn of the loop, drops what no call needs before decoding, and puts the rest
into a queue that one consumer empties in slices as small. While that consumer is far behind, nothing more
is read from the socket. Reconnecting is ours too: panoramisk never notices a rejected login
or a silent peer.
"""

import asyncio
import contextlib
import hashlib
import ssl
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog
from panoramisk import Manager
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.message import Message

from siaga112.core.ami.events import (
    ClockOffset,
    Event,
    Interrupted,
    Malformed,
    QueueStatus,
    Resumed,
    channel_seen,
    member_seen,
    waiting_seen,
    wanted,
)
from siaga112.core.ami.fast_parser import Reader
from siaga112.core.clocks import ClockWatch
from siaga112.core.model import SECOND, TOLERANCE, Millis
from siaga112.errors import SiagaError, UnreachableError
from siaga112.reasons import plainly
from siaga112.sparing import Sparing

SLICE: Final = 32
"""Events handled in one turn of the loop, so that a burst never keeps a verdict waiting."""

HIGH_WATER: Final = 32 << 20
"""Bytes kept for a consumer that is behind. Beyond that we stop reading, and Asterisk soon cuts us off
(`writetimeout`): so this is for a disk that hangs, not for a burst."""

LOW_WATER: Final = HIGH_WATER // 4
"""So few are left when we read again."""

CONNECT_SECONDS: Final = 5.0
PING_SECONDS: Final = 3.0
QUEUES_SECONDS: Final = 5.0
"""How often the queues are looked at: cheaper than an event for each change of each operator's phone."""

BACK_OFF: Final = (2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Seconds between attempts; the last repeats."""

MAX_CHALLENGE: Final = 64
"""Characters of a challenge; Asterisk's is a number of ten digits at most."""

MAX_MESSAGE: Final = 1 << 20
WINDOW: Final = 1 << 14
"""Bytes in which many messages are found in one go."""

GIVEN_UP: Final = b""
"""Stands for a message longer than that: it is no header, and so malformed."""

_END: Final = b"\r\n\r\n"

_log = structlog.get_logger()
_clock_off = Sparing("ami_clock_off")


class AmiMeter(Protocol):
    """What the adapter counts."""

    def ami_connected(self, *, up: bool) -> None:
        """Show whether we are following the PBX."""

    def ami_event(self, name: str, at: Millis, count: int = 1) -> None:
        """Count events by name ('other' for what is dropped unread)."""

    def ami_malformed(self, kind: str) -> None:
        """Count a message that is not of the form Asterisk writes."""

    def ami_clock_off(self, count: int) -> None:
        """Count events whose time is too far from our own clock."""

    def ami_gap(self, cause: str) -> None:
        """Count a stretch of events that we did not see."""

    def ami_reconnect(self, cause: str) -> None:
        """Count a new attempt."""


class Framer:
    """Bytes as they come → whole messages, and nothing else; linear however small the pieces."""

    __slots__ = ("_buffer", "_chunks", "_given_up", "_greeted", "_searched", "held")

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._buffer = bytearray()
        self._searched = 0
        self._greeted = False
        self._given_up = False
        self.held = 0
        """Bytes that wait to be looked at, or for the rest of their message."""

    def feed(self, data: bytes = b"", most: int = sys.maxsize) -> list[bytes]:
        """Take a chunk; give messages that are complete, without their blank line, oldest first."""
        if data:
            self._chunks.append(data)
            self.held += len(data)
        messages: list[bytes] = []
        while len(messages) < most and (self._frame(messages, most) or self._next_chunk(messages)):
            pass
        return messages

    def _next_chunk(self, messages: list[bytes]) -> bool:
        """Look at more, if there is more; give up a message that has no end."""
        buffer = self._buffer
        if self._greeted and len(buffer) >= MAX_MESSAGE + len(_END):
            if not self._given_up:
                messages.append(GIVEN_UP)
            self._given_up = True
            self._cut(len(buffer) + 1 - len(_END))  # its end may have begun
        if not self._chunks:
            return False
        buffer += self._chunks.popleft()
        return True

    def _cut(self, size: int) -> None:
        del self._buffer[:size]
        self._searched = max(0, self._searched - size)
        self.held -= size

    def _greet(self) -> bool:
        """Pass over the banner; say whether it is over."""
        end = self._buffer.find(b"\r\n", max(0, self._searched - 1))
        self._greeted = end >= 0
        if self._greeted:
            self._cut(end + 2)
            self._searched = 0
        elif len(self._buffer) > MAX_MESSAGE:
            self._cut(len(self._buffer))
        else:
            self._searched = len(self._buffer)
        return self._greeted

    def _frame(self, messages: list[bytes], most: int) -> bool:
        """Add the messages that are whole within a window's length; say whether there was any."""
        if not self._greeted and not self._greet():
            return False
        buffer = self._buffer
        end = buffer.find(_END, max(0, self._searched - 3))
        if end < 0:
            self._searched = len(buffer)
            return False
        self._searched = 0
        if self._given_up or end > MAX_MESSAGE:
            if not self._given_up:
                messages.append(GIVEN_UP)
            self._given_up = False  # what follows it is a message again, and nothing in it
            self._cut(end + len(_END))
            return True
        window = bytes(buffer[: max(end + len(_END), min(WINDOW, MAX_MESSAGE))])
        *whole, rest = window.split(_END, most - len(messages))
        messages += whole
        self._cut(len(window) - len(rest))
        return True


class _Protocol(AMIProtocol):  # type: ignore[misc]  # panoramisk is untyped
    """panoramisk's protocol with our own reading side."""

    def __init__(self, inbox: "Inbox") -> None:
        self._inbox = inbox
        self._framing = False  # more is there than one turn's messages
        self._ended = False
        self._later: Callable[[Callable[[], None]], object]

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._inbox.transport = transport
        self._later = asyncio.get_running_loop().call_soon

    def data_received(self, data: bytes) -> None:
        self._inbox.reads += 1
        if self._framing:
            self._inbox.framer.feed(data, 0)  # behind what must wait
        else:
            self._frame(data)
        self._inbox.level()

    def connection_lost(self, exc: object) -> None:
        self._ended = True
        if not self._framing:
            super().connection_lost(exc)

    def _frame(self, data: bytes = b"") -> None:
        """Take a slice of messages; those behind it wait for the next turn, as the verdicts do."""
        messages = self._inbox.framer.feed(data, SLICE)
        self._framing = len(messages) >= SLICE
        if self.responses:
            messages = [m for m in messages if b"\r\nActionID: " not in m or not self._is_answer(m)]
        self._inbox.put(messages)
        if self._framing:
            self._later(self._frame)
        elif self._ended:  # and all that came before is told
            super().connection_lost(None)

    def _is_answer(self, message: bytes) -> bool:
        """Give panoramisk what answers one of our own actions, and nothing that a caller may have forged."""
        if not _is_sound(message):
            self._inbox.put([message])  # to be counted as malformed
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


class Slice(list[bytes]):
    """Messages, and when they came by our own clock."""

    def __init__(self, messages: Sequence[bytes] = (), received: Millis = 0) -> None:
        super().__init__(messages)
        self.received = received


class Inbox:
    """What was read and not yet taken, between the socket and the one consumer; bounded."""

    def __init__(self, clock: Callable[[], Millis] = lambda: 0) -> None:
        self._clock = clock
        self.framer: Final = Framer()
        self.slices: Final[deque[Slice | QueueStatus]] = deque()
        """Oldest first; no longer than SLICE each."""
        self.dropped = 0
        self.reads = 0
        self.paused = False
        self.transport: asyncio.Transport | None = None
        self._size = 0
        self._filled: Final = asyncio.Event()

    def put(self, messages: Sequence[bytes]) -> None:
        """Keep of a slice what may tell of a call; never blocks, never raises."""
        kept = [message for message in messages if wanted(message)]
        self.dropped += len(messages) - len(kept)
        if not kept:
            return
        last, received = self.slices[-1] if self.slices else None, self._clock()
        together = isinstance(last, Slice) and abs(received - last.received) < SECOND
        if isinstance(last, Slice) and together and len(last) + len(kept) <= SLICE:
            last += kept
        else:
            self.slices.append(Slice(kept, received))
        self._size += sum(map(len, kept))
        self._filled.set()

    def tell(self, seen: QueueStatus) -> None:
        """Put what we have asked for where it belongs in time."""
        self.slices.append(seen)
        self._filled.set()

    def wake(self) -> None:
        """Let the consumer look around."""
        self._filled.set()

    async def take(self) -> Slice | QueueStatus:
        """Give the next slice; waits until there is one, or until woken."""
        if not self.slices:
            self._filled.clear()
            await self._filled.wait()
            if not self.slices:
                return Slice()
        taken = self.slices.popleft()
        if isinstance(taken, Slice):
            self._size -= sum(map(len, taken))
            self.level()
        return taken

    def level(self) -> None:
        """Stop reading while too much is kept; read again when little is left."""
        held = self._size + self.framer.held
        if self.transport is None or self.paused is (held > (LOW_WATER if self.paused else HIGH_WATER)):
            return
        self.paused = not self.paused
        if not self.transport.is_closing():
            (self.transport.pause_reading if self.paused else self.transport.resume_reading)()


class AmiRefusedError(Exception):
    """The login was rejected."""


@dataclass(frozen=True, slots=True)
class AmiAddress:
    """Where the manager interface is, and as whom to log in; `tls` where it is spoken to encrypted."""

    host: str
    port: int
    username: str
    secret: str = field(repr=False)
    tls: ssl.SSLContext | None = None
    tls_name: str = ""
    """The name in the PBX's certificate, if it is not `host`."""


class Session(Manager):  # type: ignore[misc]  # panoramisk is untyped
    """One connection. Tells of its loss once; never reconnects by itself."""

    def __init__(self, inbox: Inbox, address: AmiAddress) -> None:
        # Without a username: panoramisk would send the secret itself, in clear.
        super().__init__(
            protocol_factory=lambda: _Protocol(inbox), ping_delay=86_400, host=address.host, port=address.port
        )
        self.loop = asyncio.get_running_loop()
        self.inbox = inbox
        self.lost = False
        self._address = address

    async def open(self) -> None:
        """Connect and log in, by answering a challenge: the secret itself is never sent.

        A peer that offers no challenge is not logged in to. It might be anybody who holds the port.

        Raises:
            AmiRefusedError: with the PBX's reason.
            OSError: if nobody answers, or the certificate does not fit.

        """
        await self.connect()
        answer = await self.send_action({"Action": "Challenge", "AuthType": "MD5"})
        challenge = answer.challenge
        if not answer.success or not isinstance(challenge, str) or not 0 < len(challenge) <= MAX_CHALLENGE:
            raise AmiRefusedError(f"no login by MD5 challenge: {answer.message or 'none was given'}")
        answered = await self.send_action(
            {
                "Action": "Login",
                "AuthType": "MD5",
                "Username": self._address.username,
                "Key": challenge_key(challenge, self._address.secret),
                "Events": "on",
            }
        )
        if not answered.success:
            raise AmiRefusedError(answered.message)

    def connect(self) -> "asyncio.Task[Any]":
        """Begin to connect."""
        address = self._address
        task = self.loop.create_task(
            self.loop.create_connection(
                self.config["protocol_factory"],
                address.host,
                address.port,
                ssl=address.tls,
                server_hostname=(address.tls_name or address.host) if address.tls else None,
            )
        )
        task.add_done_callback(self.connection_made)
        return task

    def connection_made(self, f: "asyncio.Future[Any]") -> None:
        """Take over a connection, if there is one."""
        if not f.cancelled() and f.exception() is None:
            super().connection_made(f)

    def connection_lost(self, exc: object) -> None:  # noqa: ARG002 - panoramisk's signature
        """Note the loss, and tell whoever waits for messages."""
        self.lost = True
        self.inbox.wake()

    def close(self) -> None:
        """End the connection."""
        super().close()
        self.lost = True


def challenge_key(challenge: str, secret: str) -> str:
    """Answer a challenge as manager.c checks it: the MD5, in hex, of both in this order."""
    return hashlib.md5(f"{challenge}{secret}".encode(), usedforsecurity=False).hexdigest()


Tape = Callable[[bytes, Event | Malformed | None], None]


class AmiSource:
    """The PBX's events for ever, with `Interrupted` and `Resumed` where the thread was cut.

    `tape`, if given, is handed every message that is read, with what it was read as (`record`);
    our own events come with no message. With `must_begin` a first attempt that fails is an error.
    `tolerance`: how far the PBX's clock may be from `clock`, our own, before its events are timed by ours.
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
        self.connected = False

    def __repr__(self) -> str:
        return f"<AmiSource {self._address.host}:{self._address.port} {'up' if self.connected else 'down'}>"

    async def slices(self) -> AsyncIterator[Sequence[Event]]:
        """Give events in slices; connects, and connects again for as long as it takes.

        Raises:
            SiagaError: at the first attempt, if that must not fail; UnreachableError if nobody answers.

        """
        attempt = 0
        if self.connected:  # whoever followed before has failed: what they had begun to read is lost
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
                    "set [ami] username and secret as in manager.d/siaga112.conf, and its rights as there",
                    attempt,
                )
            except (OSError, TimeoutError) as error:
                cause = "unreachable"
                self._say(
                    "ami_unreachable",
                    plainly(error) or "no answer",
                    "is [ami] tls as on the PBX, and tls_ca what signed its certificate?"
                    if isinstance(error, ssl.SSLError)
                    else "is Asterisk up, and [ami] host and port right?",
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
        """Connect, log in, and ask what is going on."""
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
            rows = await session.send_action({"Action": "CoreShowChannels"})
        if isinstance(rows, Message):  # one answer is a refusal; a list is what we asked for
            raise AmiRefusedError(f"CoreShowChannels: {rows.message}")
        seen = [channel_seen(dict(row.items())) for row in rows if row.event == "CoreShowChannel"]
        return Resumed(self._clock(), tuple(channel for channel in seen if channel))

    async def _queues(self, session: Session) -> QueueStatus | None:
        """Ask how the queues are; None from a PBX that has none."""
        async with asyncio.timeout(CONNECT_SECONDS):
            rows = await session.send_action({"Action": "QueueStatus"})
        if isinstance(rows, Message):
            return None
        now = self._clock()
        members = [member_seen(dict(row.items())) for row in rows if row.event == "QueueMember"]
        waiting = [waiting_seen(dict(row.items()), now) for row in rows if row.event == "QueueEntry"]
        queues = tuple(row.queue for row in rows if row.event == "QueueParams" and isinstance(row.queue, str))
        return QueueStatus(now, queues, tuple(filter(None, members)), tuple(filter(None, waiting)))

    async def _watch_queues(self, session: Session) -> None:
        while not session.lost:
            await asyncio.sleep(QUEUES_SECONDS)
            with contextlib.suppress(TimeoutError):  # the ping decides whether the peer is silent
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
                if inbox.slices:  # give the verdicts their turn between two slices of a burst
                    await asyncio.sleep(0)
        finally:
            for task in tasks:
                task.cancel()

    def _read(self, messages: Slice, inbox: Inbox) -> Sequence[Event]:
        events: list[Event] = []
        for message in messages:
            event = self._reader.read(message, messages.received)
            if self._tape:
                self._tape(message, event)
            if isinstance(event, Malformed):
                self._meter.ami_malformed(event.defect)
            elif event is not None:
                events.append(event)
        timed = self._watch.timed(events, messages.received)
        if timed is not events:
            self._tell_of_clock(events, timed)
        self._count(timed[-1].at if timed else self._clock(), inbox)
        return timed

    def _tell_of_clock(self, told: Sequence[Event], timed: Sequence[Event]) -> None:
        """Count what the PBX timed otherwise than we do, and say when that begins and ends."""
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
        for name, count in self._reader.heard.items():
            self._meter.ami_event(name.decode(), at, count)
        self._reader.heard.clear()
        if inbox.dropped:
            self._meter.ami_event("other", at, inbox.dropped)
            inbox.dropped = 0

    async def _ping(self, session: Session) -> None:
        """End a session whose peer is silent: panoramisk sends pings but checks no answer.

        A peer that says anything is not silent, nor is one to whom we do not listen.
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
