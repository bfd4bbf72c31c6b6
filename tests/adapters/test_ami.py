"""The AMI adapter: no byte is misplaced, and no loss goes unreported."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any, SupportsIndex

import pytest
from structlog.testing import capture_logs

from siaga112.adapters.ami import inbox as ami_inbox
from siaga112.adapters.ami import session
from siaga112.adapters.ami import source as ami
from siaga112.adapters.ami.inbox import SLICE, Inbox, Slice
from siaga112.adapters.ami.session import AmiAddress
from siaga112.adapters.ami.source import AmiSource
from siaga112.core.ami.events import (
    Event,
    FullyBooted,
    Hangup,
    Interrupted,
    Malformed,
    Newchannel,
    QueueEntry,
    QueueMember,
    QueueStatus,
    Resumed,
)
from siaga112.core.ami.fast_parser import Reader
from siaga112.core.ami.framer import GIVEN_UP, MAX_MESSAGE, Framer
from siaga112.core.ami.parser import parse
from siaga112.core.model import SECOND, Millis, OperatorState
from tests.fakes.manager import BANNER, SOON, Manager, channel, event, gone, new
from tests.waiting import until, within

NOW = 1_795_000_000_000
PING = 0.1


# ── framing ──────────────────────────────────────────────────────────────────────────────────────

STREAM = BANNER + new("1.0", CallerIDName="Siti Nurhaliza \N{SNOWMAN} é") + event("Shutdown") + gone("1.0")
MESSAGES = STREAM.removeprefix(BANNER).split(b"\r\n\r\n")[:-1]


class CountingBuffer(bytearray):
    """A bytearray that counts the bytes that a search examines."""

    searched = 0

    def find(self, sub: Any, start: SupportsIndex | None = None, end: SupportsIndex | None = None) -> int:
        """Find, and count the bytes up to what was found."""
        begin = int(start or 0)
        found = super().find(sub, begin, end)
        self.searched += (len(self) if found < 0 else found) - begin
        return found


@pytest.mark.fault("ami_utf8")
def test_a_stream_means_the_same_wherever_it_is_cut() -> None:
    """Cut in two at any byte, even within a character, a stream gives the same messages; no rest is kept."""
    for cut in range(len(STREAM) + 1):
        framer = Framer()
        assert framer.feed(STREAM[:cut]) + framer.feed(STREAM[cut:]) == MESSAGES
        assert framer.held == 0


@pytest.mark.parametrize("most", [1, 2, 3])
def test_so_many_messages_are_given_and_no_more(most: int) -> None:
    """`feed` returns no more messages than asked for; the others follow in order, however they came."""
    for size in (1, 7, 10_000):
        framer, got = Framer(), []
        for n in range(0, len(STREAM), size):
            framer.feed(STREAM[n : n + size], 0)
        while some := framer.feed(most=most):
            assert len(some) <= most
            got += some
        assert got == MESSAGES


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 1_000])
def test_a_stream_means_the_same_in_pieces_of_any_size(size: int) -> None:
    """Cut into many pieces, down to single bytes, the messages are the same."""
    framer = Framer()
    pieces = [STREAM[n : n + size] for n in range(0, len(STREAM), size)]
    assert [message for piece in pieces for message in framer.feed(piece)] == MESSAGES


def test_a_long_stream_in_small_reads_is_looked_at_once() -> None:
    """In small reads, the framer searches each byte of a long message once, and a few more per read."""
    framer = Framer()
    buffer = framer._buffer = CountingBuffer()
    framer.feed(BANNER)
    message = b"Event: X\r\n" + b"A: " + b"x" * 900_000 + b"\r\n\r\n"
    data, size = message * 4 + new("1.0") * 2_000, 512
    count = sum(len(framer.feed(data[n : n + size])) for n in range(0, len(data), size))
    assert count == 2_004
    reads = len(data) // size + 1
    assert buffer.searched <= len(data) + 8 * (reads + count)


def test_a_banner_without_an_end_is_not_kept() -> None:
    """A peer that never ends its banner cannot fill our memory or keep us searching."""
    framer = Framer()
    buffer = framer._buffer = CountingBuffer()
    size = 4_096
    for _ in range(4 * MAX_MESSAGE // size):
        framer.feed(b"x" * size)
    assert len(buffer) <= MAX_MESSAGE + size
    assert buffer.searched <= 8 * MAX_MESSAGE


def test_a_message_without_an_end_is_given_up_as_one() -> None:
    """A message of more than a megabyte is given up as one malformed message, and memory stays bounded."""
    framer = Framer()
    framer.feed(BANNER)
    got = [message for _ in range(3 * MAX_MESSAGE // 65_536) for message in framer.feed(b"x" * 65_536)]
    assert got == [GIVEN_UP]
    assert len(framer._buffer) <= MAX_MESSAGE + 65_536
    assert framer.feed(new("1.0")) == []  # the rest of the same message
    assert framer.feed(new("2.0")) == [new("2.0").removesuffix(b"\r\n\r\n")]
    assert isinstance(parse(GIVEN_UP, 0), Malformed)


# ── the inbox ────────────────────────────────────────────────────────────────────────────────────


class Wire:
    """The part of a transport that pauses and resumes reading."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.closing = False

    def is_closing(self) -> bool:
        """Return whether the connection is closing."""
        return self.closing

    def pause_reading(self) -> None:
        """Pause."""
        self.calls.append("pause")

    def resume_reading(self) -> None:
        """Resume."""
        self.calls.append("resume")


async def test_no_more_is_read_than_the_consumer_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading pauses above the high water mark and resumes below the low one, and no message is lost."""
    size = len(new("1.0")) - 4
    monkeypatch.setattr(ami_inbox, "HIGH_WATER", 10 * size)
    monkeypatch.setattr(ami_inbox, "LOW_WATER", 2 * size)
    monkeypatch.setattr(ami_inbox, "SLICE", 1)
    monkeypatch.setattr(session, "SLICE", 1)
    inbox, wire = Inbox(), Wire()
    inbox.transport = wire  # type: ignore[assignment]  # as much of one as is used
    messages = [new(f"{n % 10}.0").removesuffix(b"\r\n\r\n") for n in range(11)]
    for message in messages:
        assert wire.calls == []
        inbox.put([message])
        inbox.level()
    assert wire.calls == ["pause"]
    taken = [await inbox.take() for _ in range(8)]
    assert wire.calls == ["pause"]
    taken += [await inbox.take() for _ in range(3)]
    assert wire.calls == ["pause", "resume"]
    assert taken == [[message] for message in messages]


async def test_a_connection_that_ends_is_not_told_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before a connection ended is still taken, and reading is not resumed."""
    monkeypatch.setattr(ami_inbox, "HIGH_WATER", 1)
    monkeypatch.setattr(ami_inbox, "LOW_WATER", 0)
    inbox, wire = Inbox(), Wire()
    inbox.transport = wire  # type: ignore[assignment]  # as much of one as is used
    inbox.put([new("1.0")])
    inbox.level()
    wire.closing = True
    assert await inbox.take() == [new("1.0")]
    assert wire.calls == ["pause"]


async def test_a_slice_is_bounded() -> None:
    """A burst is taken in slices of bounded size, and small reads are put together into one."""
    inbox = Inbox()
    some = [new(f"{number}.0") for number in range(SLICE // 2 + 1)]
    junk = [event("RTCPSent") for _ in range(5)]
    for messages in (some, junk, some[:-2], some):
        inbox.put(messages)
    assert await inbox.take() == [*some, *some[:-2]]
    assert await inbox.take() == some
    assert inbox.dropped == 5
    assert not inbox.slices


async def test_messages_carry_when_they_came_however_late_they_are_taken() -> None:
    """Each slice has the time of its receipt, so messages received an hour apart are in different slices."""
    times = iter([NOW, NOW + 500, NOW + 3_600 * SECOND])
    inbox = Inbox(lambda: next(times))
    for number in range(3):
        inbox.put([new(f"{number}.0")])
    taken = [await inbox.take() for _ in range(2)]
    assert [(len(one), one.received) for one in taken if isinstance(one, Slice)] == [
        (2, NOW),
        (1, NOW + 3_600 * SECOND),
    ]


# ── a connection ─────────────────────────────────────────────────────────────────────────────────


class Meter:
    """Keeps what the adapter counts."""

    def __init__(self) -> None:
        self.up: list[bool] = []
        self.events: Counter[str] = Counter()
        self.malformed: Counter[str] = Counter()
        self.clock_off = 0
        self.gaps: list[str] = []
        self.reconnects: list[str] = []

    def ami_connected(self, *, up: bool) -> None:
        """Keep the state."""
        self.up.append(up)

    def ami_event(self, name: str, at: Millis, count: int = 1) -> None:
        """Count."""
        assert at
        self.events[name] += count

    def ami_malformed(self, kind: str) -> None:
        """Count."""
        self.malformed[kind] += 1

    def ami_clock_off(self, count: int) -> None:
        """Count."""
        self.clock_off += count

    def ami_gap(self, cause: str) -> None:
        """Keep the cause."""
        self.gaps.append(cause)

    def ami_reconnect(self, cause: str) -> None:
        """Keep the cause."""
        self.reconnects.append(cause)


class Follower:
    """Follows a source in its own task, event by event."""

    def __init__(self, source: AmiSource) -> None:
        self.source = source
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async with aclosing(self.source.slices()) as slices:  # type: ignore[type-var] # an async generator, in a protocol
            async for events in slices:
                for one in events:
                    self._events.put_nowait(one)

    def waiting(self) -> int:
        """Take the events that have come; return how many."""
        count = self._events.qsize()
        for _ in range(count):
            self._events.get_nowait()
        return count

    async def one(self) -> Event:
        """Return the next event."""
        async with asyncio.timeout(SOON):
            return await self._events.get()

    async def next(self, count: int = 1) -> list[str]:
        """Return the next events, abbreviated."""
        async with asyncio.timeout(SOON):
            return spelled([await self._events.get() for _ in range(count)])


def spelled(events: Sequence[Event]) -> list[str]:
    """Abbreviate events."""
    return [_spell(one) for one in events]


def _spell(one: Event) -> str:
    match one:
        case Newchannel():
            return f"new {one.uid}"
        case Hangup():
            return f"gone {one.uid}"
        case Interrupted():
            return f"interrupted {one.cause}"
        case Resumed():
            return f"resumed {','.join(seen.uid for seen in one.channels)}".strip()
        case FullyBooted():
            return "booted"
        case _:
            return type(one).__name__


@pytest.fixture
def meter() -> Meter:
    """Return a meter."""
    return Meter()


@pytest.fixture
async def manager() -> AsyncIterator[Manager]:
    """Run a manager interface."""
    server = Manager()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def follow(manager: Manager, meter: Meter) -> AsyncIterator[Callable[[], Follower]]:
    """Return a function that starts to follow the manager."""
    followers: list[Follower] = []

    def begin() -> Follower:
        address = AmiAddress("127.0.0.1", manager.port, "siaga112", "s3cret")
        followers.append(Follower(AmiSource(address, meter, lambda: NOW)))
        return followers[-1]

    yield begin
    for follower in followers:
        follower.task.cancel()
        with suppress(asyncio.CancelledError):
            await follower.task


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the adapter's waits."""
    monkeypatch.setattr(ami, "PING_SECONDS", PING)
    monkeypatch.setattr(ami, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(ami, "BACK_OFF", (0.01, 0.02, 0.04))


Follow = Callable[[], Follower]


def row(uid: str, *extra: str) -> bytes:
    """Return the rest of a CoreShowChannel event."""
    headers = [f"{key}: {value}" for key, value in channel(uid, Application="Queue").items()]
    return "\r\n".join([*headers, *extra, "", ""]).encode()


async def test_following_begins_with_what_is_going_on(manager: Manager, meter: Meter, follow: Follow) -> None:
    """After the login the channels that already exist come first, then the events."""
    manager.channels = [row("7.0"), row("8.0")]
    follower = follow()
    session = await manager.session()
    session.send(new("9.0"), gone("9.0"))
    assert await follower.next(4) == ["resumed 7.0,8.0", "booted", "new 9.0", "gone 9.0"]
    assert follower.source.connected
    assert meter.up == [True]
    assert meter.events["Newchannel"] == 1


@pytest.mark.fault("secrets")
async def test_a_refused_login_is_told_clearly_and_tried_again(
    manager: Manager, meter: Meter, follow: Follow
) -> None:
    """A wrong secret is logged once per attempt, ever less often and without the secret, until corrected."""
    manager.refused["Login"] = "Authentication failed"
    with capture_logs() as logs:
        follower = follow()
        await until(lambda: manager.asked["Login"] == 4)
        del manager.refused["Login"]
        assert await follower.next() == ["resumed"]
    told = [line for line in logs if line["log_level"] in {"warning", "error"}]
    assert {line["event"] for line in told} == {"ami_refused"}
    assert {line["detail"] for line in told} == {"Authentication failed"}
    assert [line["next_attempt_seconds"] for line in told] == [0.01, 0.02, 0.04, 0.04]
    assert "secret" in told[0]["remedy"]
    assert "s3cret" not in str(logs)
    assert meter.reconnects == ["refused"] * 4
    assert meter.gaps == []


async def test_an_action_that_is_not_permitted_is_told_as_such(
    manager: Manager, meter: Meter, follow: Follow
) -> None:
    """If the account may not list channels, the log says so at once, and not that the PBX is unreachable."""
    manager.refused["CoreShowChannels"] = "Permission denied"
    with capture_logs() as logs:
        follow()
        await until(lambda: manager.asked["CoreShowChannels"] == 2)
    told = [line for line in logs if line["log_level"] == "warning" and line["event"] != "ami_lost"]
    assert {line["event"] for line in told} == {"ami_refused"}
    assert "Permission denied" in told[0]["detail"]
    assert set(meter.reconnects) == {"refused"}


async def test_nobody_listening_is_told_and_tried_again(
    manager: Manager, meter: Meter, follow: Follow
) -> None:
    """The adapter tries to connect until the PBX is up, and logs that it is unreachable."""
    await manager.stop()
    with capture_logs() as logs:
        follower = follow()
        await until(lambda: len(meter.reconnects) == 3)
        await manager.start()
        assert await follower.next() == ["resumed"]
    assert {line["event"] for line in logs if line["log_level"] == "warning"} == {"ami_unreachable"}
    assert set(meter.reconnects) == {"unreachable"}


async def test_a_peer_that_never_answers_the_login_is_left(
    manager: Manager, meter: Meter, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login without an answer is given up and tried again, without an unhandled error."""
    monkeypatch.setattr(ami, "CONNECT_SECONDS", 0.05)
    uncaught: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: uncaught.append(context))
    manager.mute = {"Login"}
    follower = follow()
    await until(lambda: len(meter.reconnects) == 2)
    manager.mute = set()
    assert await follower.next() == ["resumed"]
    assert set(meter.reconnects) == {"unreachable"}
    assert uncaught == []


async def test_a_peer_that_does_not_answer_pings_is_given_up(
    manager: Manager, meter: Meter, follow: Follow
) -> None:
    """A silent PBX is given up within two rounds of ping, as an interruption, and followed again later."""
    follower = follow()
    assert await follower.next(2) == ["resumed", "booted"]
    loop = asyncio.get_running_loop()
    manager.mute = {"Ping"}
    began = loop.time()
    assert await follower.next() == ["interrupted lost"]
    assert loop.time() - began < 2 * PING + 5.0  # not the system's own timeout, which takes minutes
    assert not follower.source.connected
    manager.mute = set()
    assert await follower.next() == ["resumed"]
    assert meter.up == [True, False, True]
    assert meter.gaps == ["lost"]


async def test_pings_that_are_answered_keep_the_session(
    manager: Manager, meter: Meter, follow: Follow
) -> None:
    """A connection without events stays open as long as pings are answered."""
    follower = follow()
    await until(lambda: manager.asked["Ping"] == 3)
    (await manager.session()).send(new("1.0"))
    assert await follower.next(3) == ["resumed", "booted", "new 1.0"]
    assert meter.reconnects == []


async def test_a_lost_connection_is_interrupted_then_resumed(
    manager: Manager, meter: Meter, follow: Follow
) -> None:
    """The events before a loss come first, then the interruption, then the channels that exist after it."""
    follower = follow()
    assert await follower.next(2) == ["resumed", "booted"]
    session = await manager.session()
    session.send(*(new(f"{n}.0") for n in range(3 * SLICE)))
    manager.channels = [row("2.0")]
    session.drop()
    assert await follower.next(3 * SLICE) == [f"new {n}.0" for n in range(3 * SLICE)]
    assert await follower.next(3) == ["interrupted lost", "resumed 2.0", "booted"]
    assert meter.gaps == ["lost"]


async def test_a_burst_leaves_others_their_turn(manager: Manager, follow: Follow) -> None:
    """However much was read at once, no turn of the event loop processes more than two slices of it."""
    follower = follow()
    assert await follower.next(2) == ["resumed", "booted"]
    count = 40 * SLICE
    (await manager.session()).send(*(new(f"{n}.0") for n in range(count)))
    heard, turns = 0, 0
    async with asyncio.timeout(SOON):
        while heard < count:
            await asyncio.sleep(0)
            heard, before = heard + follower.waiting(), heard
            assert heard - before <= 2 * SLICE
            turns += heard > before
    assert turns >= count // (2 * SLICE)


async def test_a_disk_that_hangs_stops_the_reading_and_loses_nothing(
    manager: Manager, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nobody takes slices, reading stops, the peer does not count as silent, and no event is lost."""
    monkeypatch.setattr(ami_inbox, "HIGH_WATER", 1 << 14)
    monkeypatch.setattr(ami_inbox, "LOW_WATER", 1 << 12)
    source = AmiSource(AmiAddress("127.0.0.1", manager.port, "siaga112", "s3cret"), meter, lambda: NOW)
    count = 40_000  # more than the buffers of the two sockets
    async with aclosing(source.slices()) as slices:  # type: ignore[type-var] # an async generator, in a protocol
        async with asyncio.timeout(SOON):
            assert spelled(await anext(slices)) == ["resumed"]
            assert spelled(await anext(slices)) == ["booted"]
        session = await manager.session()
        session.send(*(new(f"{n}.0") for n in range(count)))
        await asyncio.sleep(5 * PING)  # the answers to pings are not read: longer than a silent peer is given
        heard: list[str] = []
        async with asyncio.timeout(30):
            while len(heard) < count:
                heard += spelled(await anext(slices))
    assert heard == [f"new {n}.0" for n in range(count)]
    assert (meter.gaps, meter.reconnects) == ([], [])


async def test_a_restart_of_the_pbx_is_followed_again(manager: Manager, meter: Meter, follow: Follow) -> None:
    """Failed attempts after a loss count as one interruption."""
    follower = follow()
    assert await follower.next(2) == ["resumed", "booted"]
    await manager.stop()
    assert await follower.next() == ["interrupted lost"]
    await until(lambda: len(meter.reconnects) >= 3)
    await manager.start()
    assert await follower.next(2) == ["resumed", "booted"]
    assert meter.gaps == ["lost"]


async def test_events_that_no_call_needs_are_dropped_unread(
    manager: Manager, meter: Meter, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parser gets only the wanted events; each of the others is counted."""
    read: list[bytes] = []

    class Watched(Reader):
        def read(self, message: bytes, received: Millis) -> Event | Malformed | None:
            read.append(message)
            return super().read(message, received)

    monkeypatch.setattr(ami, "Reader", Watched)
    follower = follow()
    session = await manager.session()
    session.send(*(event("RTCPSent", SSRC=str(n)) for n in range(60)))
    session.send(*(event("VarSet", **channel("1.0"), Variable=f"X{n}", Value="1") for n in range(40)))
    session.send(new("1.0"))
    assert await follower.next(3) == ["resumed", "booted", "new 1.0"]
    assert [message[: message.find(b"\r\n")] for message in read] == [
        b"Event: FullyBooted",
        b"Event: Newchannel",
    ]
    assert meter.events == {"FullyBooted": 1, "Newchannel": 1, "other": 100}


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (b"Privilege: call,all\r\nEvent: Newchannel\r\n\r\n", "order"),
        (b"Event: Newchannel\r\nPrivilege: call,all\r\nUniqueid: 1.0\r\n\r\n", "incomplete"),
        (new("1.0").replace(b"Exten: 112", b"Exten: 112\r\nUniqueid: 2.0"), "duplicate"),
        (new("1.0").replace(b"Exten: 112", b"Exten: 112\r\nno header"), "not_a_header"),
        (new("1.0").replace(b"Privilege: call,all\r\n", b"Privilege: call,all\r\nTimestamp: x\r\n"), "value"),
        (new("1.0", AccountCode="x" * 2_000), "too_long"),
    ],
)
async def test_a_malformed_message_is_counted_and_nothing_else(
    manager: Manager, meter: Meter, follow: Follow, message: bytes, kind: str
) -> None:
    """A message that Asterisk would not write is counted by its defect, and the stream continues."""
    follower = follow()
    session = await manager.session()
    session.send(message, new("3.0"))
    assert await follower.next(3) == ["resumed", "booted", "new 3.0"]
    assert meter.malformed == {kind: 1}
    assert meter.reconnects == []


FORGED = [
    b"Event: Shutdown\r\nActionID: 1\r\n\r\n",
    b"Event: Hangup\r\nActionID: 1\r\nUniqueid: 1.0\r\n\r\n",
    b"Response: Success\r\nActionID: 1\r\nMessage: Channels will follow\r\n\r\n",
    b"Response: Error\r\n\r\n",
    b"Response: Follows\r\n\r\n",
    b"Response: \xff\r\nActionID: \r\n: \r\n\r\n",
    b"Event: \r\n\r\n",
    b"Event: ChannelTalking\r\nActionID: a\r\nActionID: b\r\n\r\n",
    b"Event: ChannelTalking\r\nEvent: Shutdown\r\nActionID: a\r\n\r\n",
]


@pytest.mark.parametrize("message", FORGED)
async def test_a_forged_message_neither_ends_the_session_nor_is_believed(
    manager: Manager, meter: Meter, follow: Follow, message: bytes
) -> None:
    """Text that a caller smuggled into the stream ends no session and answers none of our questions."""
    uncaught: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: uncaught.append(context))
    follower = follow()
    session = await manager.session()
    session.send(message, new("3.0"))
    heard = await follower.next(3)
    if heard[-1] == "ShuttingDown":  # an event like any other, which ends no call
        heard[-1:] = await follower.next()
    assert heard == ["resumed", "booted", "new 3.0"]
    assert meter.reconnects == []
    assert uncaught == []


@pytest.mark.parametrize(
    "forged",
    [
        ("Uniqueid: 9.9", "Application: x"),
        ("uniqueid: 9.9",),
        ("Event: CoreShowChannelsComplete",),
        ("event: CoreShowChannelsComplete",),
        ("ActionID: 1",),
        ("CommandID: 1", "CommandID: 2"),
    ],
)
async def test_a_forged_row_of_the_channel_list_is_left_out(
    manager: Manager, meter: Meter, follow: Follow, forged: tuple[str, ...]
) -> None:
    """A forged channel row is left out, and the other channels are resumed."""
    manager.channels = [row("7.0"), row("8.0", *forged), row("10.0")]
    assert await follow().next(2) == ["resumed 7.0,10.0", "booted"]
    assert set(meter.malformed) <= {"duplicate"}
    assert meter.reconnects == []


async def test_a_row_with_channel_variables_is_read(manager: Manager, follow: Follow) -> None:
    """A row with several ChanVariable headers, the only ones that may repeat, is read."""
    manager.channels = [row("7.0", "ChanVariable: A=1", "ChanVariable: B=2")]
    assert await follow().next(2) == ["resumed 7.0", "booted"]


async def test_the_reader_keeps_no_session_behind(manager: Manager, follow: Follow) -> None:
    """The connection ends when the follower stops."""
    follower = follow()
    assert await follower.next(2) == ["resumed", "booted"]
    session = await manager.session()
    follower.task.cancel()
    async with asyncio.timeout(SOON):
        await session.over.wait()


def member(interface: str, status: str, paused: str = "0") -> bytes:
    """Return a QueueMember row."""
    headers = {
        "Queue": "siaga112",
        "Name": interface,
        "Location": interface,
        "Status": status,
        "Paused": paused,
    }
    return (
        b"Event: QueueMember\r\n" + "\r\n".join([*(f"{k}: {v}" for k, v in headers.items()), "", ""]).encode()
    )


def entry(uid: str, wait: str) -> bytes:
    """Return a QueueEntry row."""
    headers = {"Queue": "siaga112", "Position": "1", "Uniqueid": uid, "CallerIDNum": "0812", "Wait": wait}
    return (
        b"Event: QueueEntry\r\n" + "\r\n".join([*(f"{k}: {v}" for k, v in headers.items()), "", ""]).encode()
    )


async def test_the_queues_are_asked_at_the_beginning_and_again(
    manager: Manager, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting callers and operators are asked for at the start and again at intervals."""
    monkeypatch.setattr(ami, "QUEUES_SECONDS", 0.02)
    manager.queues = [
        b"Event: QueueParams\r\nQueue: siaga112\r\nMax: 0\r\n\r\n",
        *(member("PJSIP/101", "1"), member("PJSIP/102", "2"), member("PJSIP/103", "1", "1")),
        *(member("PJSIP/104", "5"), b"Event: QueueMember\r\nQueue: siaga112\r\n\r\n"),
        *(entry("7.0", "12"), entry("8.0", "long"), entry("9.0", "99999999999")),
    ]
    follower = follow()
    assert await follower.next() == ["resumed"]
    first = await follower.one()
    assert first == QueueStatus(
        NOW,
        ("siaga112",),
        (
            QueueMember("siaga112", "PJSIP/101", OperatorState.AVAILABLE),
            QueueMember("siaga112", "PJSIP/102", OperatorState.BUSY),
            QueueMember("siaga112", "PJSIP/103", OperatorState.PAUSED),
            QueueMember("siaga112", "PJSIP/104", None),
        ),
        (QueueEntry("siaga112", "7.0", NOW - 12_000),),
    )
    assert await follower.next() == ["booted"]
    manager.queues = []
    async with within(SOON, "the queues as they are now"):
        while await follower.one() != QueueStatus(NOW, (), (), ()):
            pass  # an answer from before the change
