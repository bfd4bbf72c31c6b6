"""The FastAGI server on real sockets: it answers in the right order and never keeps a call waiting."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from siaga112.adapters import fastagi
from siaga112.adapters.fastagi import FastAgiServer
from siaga112.core.agi import MAX_REQUEST, Request
from siaga112.core.model import Level, Treatment, Verdict
from siaga112.core.screening import Screening, ScreenReason
from siaga112.errors import SiagaError
from tests.lab.agi_client import OK, request
from tests.waiting import until, within

REQUEST = request("081200000001")
BLOCKED = Screening(Verdict.BLOCK, ScreenReason.BLOCKED, Treatment.REJECT, Level.TEMPORARY, 1_795_550_000_000)
ALLOWED = Screening(Verdict.ALLOW, ScreenReason.NOT_BLOCKED)
STOPPED = ['SET VARIABLE SIAGA_REASON "stopping"', 'SET VARIABLE SIAGA_VERDICT "ALLOW"']
SOON = 5.0
"""Seconds after which a test gives up."""


@dataclass
class StandIn:
    """A stand-in for the screener: keeps the requests, and answers them once `open` is set."""

    answer: Screening = ALLOWED
    asked: list[Request] = field(default_factory=list)
    refused: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def screen(self, request: Request) -> Screening:
        """Answer a request."""
        async with self.changed:
            self.asked.append(request)
            self.changed.notify_all()
        async with within(SOON, "the stand-in to be opened"):
            await self.open.wait()
        return self.answer

    def refuse(self) -> None:
        """Count a peer that does not speak AGI."""
        self.refused += 1

    async def until_asked(self, times: int) -> None:
        """Return once that many requests have come."""
        async with asyncio.timeout(SOON), self.changed:
            await self.changed.wait_for(lambda: len(self.asked) == times)


@dataclass
class Line:
    """One connection, seen from Asterisk's side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def command(self) -> str:
        """Read one command; '' at the end of the connection."""
        async with asyncio.timeout(SOON):
            return (await self.reader.readline()).decode().rstrip("\n")

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)

    async def run(self, reply: bytes = OK) -> list[str]:
        """Answer every command with the same reply until the end; return the commands."""
        commands = []
        while command := await self.command():  # ends: after SOON without a command, or at the caller's limit
            commands.append(command)
            self.send(reply)
        return commands

    async def closed(self) -> None:
        """Return once the server has closed, with a FIN or a reset."""
        async with asyncio.timeout(SOON):
            with suppress(ConnectionResetError):
                await self.reader.read()


class Exchange:
    """A server, the stand-in for its screener, and connections to it."""

    def __init__(self) -> None:
        self.screener = StandIn()
        self.server = FastAgiServer(self.screener.screen, self.screener.refuse)
        self.port = 0

    @asynccontextmanager
    async def line(self, first: bytes = b"") -> AsyncIterator[Line]:
        """Connect, and send these bytes at once."""
        async with within(SOON, "a connection"):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(first)
        try:
            yield Line(reader, writer)
        finally:
            writer.close()

    async def empty(self) -> None:
        """Return once no connection is left."""
        await until(lambda: not self.server.connections, SOON)


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    """Start a server on a free port whose screener answers at once."""
    made = Exchange()
    made.screener.open.set()
    made.port = await made.server.start("127.0.0.1", 0)
    yield made
    await made.server.stop(0.1)


async def test_a_verdict_goes_out_whole_and_ends_the_stream(exchange: Exchange) -> None:
    """The server sends all variables at once, the verdict last, and ends its side; the peer closes later."""
    exchange.screener.answer = BLOCKED
    async with exchange.line(REQUEST) as line:
        assert [await line.command() for _ in range(6)] == [
            'SET VARIABLE SIAGA_REASON "blocked"',
            'SET VARIABLE SIAGA_TREATMENT "reject"',
            'SET VARIABLE SIAGA_BLOCK_LEVEL "temporary"',
            'SET VARIABLE SIAGA_BLOCK_UNTIL "1795550000"',
            'SET VARIABLE SIAGA_VERDICT "BLOCK"',
            "",
        ]
        line.send(OK * 5)
        assert exchange.server.connections
    await exchange.empty()
    assert exchange.screener.asked == [Request("screen", "1795463311.0", "081200000001")]


async def test_one_byte_at_a_time(exchange: Exchange) -> None:
    """A request may arrive, and be answered, one byte at a time."""
    async with exchange.line() as line:
        for byte in REQUEST:
            line.send(bytes([byte]))
            await asyncio.sleep(0)
        assert await line.command() == 'SET VARIABLE SIAGA_REASON "not_blocked"'
        for byte in OK:
            line.send(bytes([byte]))
            await asyncio.sleep(0)
        assert await line.command() == 'SET VARIABLE SIAGA_VERDICT "ALLOW"'


async def test_a_hundred_at_once_are_all_answered(exchange: Exchange) -> None:
    """A hundred calls at once all get their verdict."""

    async def call() -> list[str]:
        async with exchange.line(REQUEST) as line:
            return await line.run()

    answers = await asyncio.gather(*(call() for _ in range(100)))
    assert {answer[-1] for answer in answers} == {'SET VARIABLE SIAGA_VERDICT "ALLOW"'}
    assert len(exchange.screener.asked) == 100
    await exchange.empty()


async def test_connect_and_close_leaves_nothing(exchange: Exchange) -> None:
    """Five hundred connections that send nothing leave nothing behind and count as no bad request."""
    for _ in range(500):
        async with exchange.line():
            pass
    async with exchange.line(REQUEST) as line:
        assert len(await line.run()) == 2
    await exchange.empty()
    assert exchange.screener.refused == 0


@pytest.mark.parametrize(
    "junk",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02", b"\n\n", b"agi_network: yes\n\n", b"\x00"],
    ids=["http", "tls", "blank", "no uniqueid", "nul"],
)
async def test_what_is_not_agi_is_closed_at_once_and_counted(exchange: Exchange, junk: bytes) -> None:
    """A peer that does not speak AGI is closed at once and counted."""
    async with exchange.line(junk) as line:
        await line.closed()
    assert exchange.screener.refused == 1
    assert exchange.screener.asked == []


@pytest.mark.parametrize("ending", [b"", b"\n\n"], ids=["without an end", "with an end"])
async def test_one_byte_too_much_of_a_request_is_closed(exchange: Exchange, ending: bytes) -> None:
    """A request of more than 16 KiB is refused, and counted once."""
    header = b"agi_uniqueid: "
    async with exchange.line(header + b"x" * (MAX_REQUEST + 1 - len(header)) + ending) as line:
        await line.closed()
    assert exchange.screener.refused == 1


async def test_ten_megabytes_of_headers_are_not_kept(exchange: Exchange) -> None:
    """Ten megabytes of headers are cut off at their beginning, and counted once."""
    async with exchange.line() as line:
        line.send(b"agi_x: " + b"y" * 10_000_000)
        await line.closed()
    await exchange.empty()
    assert exchange.screener.refused == 1


@pytest.mark.parametrize("said", [b"", REQUEST[:-1]], ids=["nothing", "all but the blank line"])
async def test_a_silent_peer_is_closed_within_our_patience(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    """A peer that never completes its request is closed: dying is better than stalling."""
    monkeypatch.setattr(fastagi, "PATIENCE", 0.1)
    async with exchange.line(said) as line:
        await line.closed()
    assert not exchange.server.connections


async def test_a_peer_that_never_acknowledges_is_closed_within_our_patience(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that takes the verdict and neither replies nor closes is closed too."""
    monkeypatch.setattr(fastagi, "PATIENCE", 0.1)
    async with exchange.line(REQUEST) as line:
        await line.command()
        await exchange.empty()


async def test_an_answer_that_never_comes_is_closed_within_our_patience(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call whose screening never answers is closed in time, so that the dialplan goes on."""
    monkeypatch.setattr(fastagi, "PATIENCE", 0.1)
    exchange.screener.open.clear()
    async with exchange.line(REQUEST) as line:
        await line.closed()


@pytest.mark.fault("agi_hang_up")
async def test_a_hang_up_in_the_middle_closes(exchange: Exchange) -> None:
    """When the caller hangs up after the verdict, the connection is closed."""
    async with exchange.line(REQUEST) as line:
        await line.command()
        line.send(b"HANGUP\n")
        await exchange.empty()


@pytest.mark.fault("agi_hang_up")
async def test_a_hang_up_right_after_the_request_closes(exchange: Exchange) -> None:
    """When the caller hangs up before the verdict, the connection is closed; a late verdict does no harm."""
    exchange.screener.open.clear()
    async with exchange.line(REQUEST + b"HANGUP\n") as line:
        await line.closed()
    exchange.screener.open.set()
    await exchange.empty()


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_call_whose_screening_fails_goes_on_at_once_and_no_other_notices(
    exchange: Exchange, *, at_once: bool
) -> None:
    """A call whose screening fails is closed at once without a verdict, and another one gets its own."""

    def fails(asked: Request) -> Awaitable[Screening]:
        if asked.number == "081299999999":
            raise ZeroDivisionError
        return exchange.screener.screen(asked)

    async def fails_later(asked: Request) -> Screening:
        return await fails(asked)

    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told_of: told.append(told_of["exception"]))
    await exchange.server.stop(0.1)
    exchange.server = FastAgiServer(fails if at_once else fails_later, exchange.screener.refuse)
    exchange.port = await exchange.server.start("127.0.0.1", 0)
    began = asyncio.get_running_loop().time()
    async with exchange.line(request("081299999999")) as bad, exchange.line(REQUEST) as good:
        assert await bad.command() == ""
        assert asyncio.get_running_loop().time() - began < fastagi.PATIENCE
        assert len(await good.run()) == 2
    await exchange.empty()
    await until(lambda: gc.collect() >= 0 and told != [], SOON)  # a task reports its failure when collected
    assert [type(one) for one in told] == [ZeroDivisionError]


async def test_a_peer_that_never_stops_talking_keeps_nobody_waiting(exchange: Exchange) -> None:
    """A peer that sends without end delays no other call, and its connection is closed in time."""

    def talk() -> None:
        with socket.create_connection(("127.0.0.1", exchange.port), SOON) as peer:
            peer.sendall(REQUEST)
            with suppress(ConnectionError):
                while True:  # ends: the server closes, which is a reset
                    peer.sendall(OK * 10_000)

    talking = asyncio.create_task(asyncio.to_thread(talk))  # another thread is as fast as another process
    async with within(SOON, "the end of the line"):
        while not talking.done():
            async with exchange.line(REQUEST) as other:
                assert len(await other.run()) == 2
    await talking
    await exchange.empty()


@pytest.mark.parametrize(
    "reply",
    [
        b"510 Invalid or unknown command\n",
        b"511 Command Not Permitted on a dead channel or intercept routine\n",
        b"520-Invalid command syntax.  Proper usage follows:\nUsage: x\n520 End of proper usage.\n",
        b"200 result=0\n",
    ],
    ids=["510", "511", "520", "not set"],
)
@pytest.mark.fault("agi_replies")
async def test_a_refused_command_does_not_hang(exchange: Exchange, reply: bytes) -> None:
    """Whatever Asterisk replies to a command, the connection ends long before our patience does."""
    began = asyncio.get_running_loop().time()
    async with exchange.line(REQUEST) as line:
        await line.command()
        line.send(reply)
        async with within(SOON, "the end of the conversation"):
            while await line.command():
                line.send(OK)
    await exchange.empty()
    assert asyncio.get_running_loop().time() - began < fastagi.PATIENCE / 2


async def test_a_reply_that_is_none_closes(exchange: Exchange) -> None:
    """A peer that replies nonsense is closed and counted."""
    async with exchange.line(REQUEST) as line:
        await line.command()
        line.send(b"what?\n")
        await exchange.empty()
    assert exchange.screener.refused == 1


async def test_a_reset_leaves_nothing(exchange: Exchange) -> None:
    """A connection that is reset while its verdict is looked up is forgotten."""
    exchange.screener.open.clear()
    async with exchange.line(REQUEST) as line:
        await exchange.screener.until_asked(1)
        line.writer.transport.abort()
        await exchange.empty()
    exchange.screener.open.set()


async def test_stopping_lets_all_that_wait_through(exchange: Exchange) -> None:
    """At a stop every call in progress gets ALLOW with the reason `stopping`, even one that asks late."""
    exchange.screener.open.clear()

    async def call() -> list[str]:
        async with exchange.line(REQUEST) as line:
            return await line.run()

    calls = [asyncio.create_task(call()) for _ in range(50)]
    await exchange.screener.until_asked(50)
    async with exchange.line() as late, exchange.line() as mute:
        await until(lambda: len(exchange.server.connections) == 52)
        stopping = asyncio.create_task(exchange.server.stop())
        await until(lambda: exchange.server.stopping)
        late.send(REQUEST)
        assert await late.run() == STOPPED
        await stopping
        await mute.closed()
    for answer in await asyncio.gather(*calls):
        assert answer == STOPPED
    assert not exchange.server.connections
    with pytest.raises(ConnectionRefusedError):
        await asyncio.wait_for(asyncio.open_connection("127.0.0.1", exchange.port), SOON)


async def test_stopping_does_not_wait_for_a_peer_that_says_nothing(exchange: Exchange) -> None:
    """A peer that never replies cannot hold up a stop."""
    exchange.screener.open.clear()
    async with exchange.line(REQUEST) as line:
        await exchange.screener.until_asked(1)
        await exchange.server.stop(0.1)
        assert await line.command() == 'SET VARIABLE SIAGA_REASON "stopping"'
    await exchange.empty()


async def test_a_port_that_is_taken_is_one_line(exchange: Exchange) -> None:
    """A port in use ends the start with one line that names it."""
    other = FastAgiServer(exchange.screener.screen, exchange.screener.refuse)
    with pytest.raises(
        SiagaError, match=f"cannot listen on 127.0.0.1:{exchange.port} .*address already in use"
    ):
        await other.start("127.0.0.1", exchange.port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
async def test_an_address_that_is_not_ours_is_one_line(host: str) -> None:
    """An address that this machine does not have ends the start with one line."""
    server = FastAgiServer(StandIn().screen, lambda: None)
    with pytest.raises(SiagaError, match="cannot listen on") as raised:
        await server.start(host, 0)
    assert "\n" not in str(raised.value)


async def test_a_rush_is_not_refused_by_the_listen_queue(exchange: Exchange) -> None:
    """Two hundred calls that arrive between two turns of the loop wait in the kernel; none is refused."""
    sockets = [socket.socket() for _ in range(200)]
    try:
        for one in sockets:
            one.settimeout(SOON)
            one.connect(("127.0.0.1", exchange.port))
            one.sendall(REQUEST)
        await exchange.screener.until_asked(200)
    finally:
        for one in sockets:
            one.close()
    await exchange.empty()
