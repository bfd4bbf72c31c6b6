"""The HTTP endpoint over real sockets: three pages, one request per connection, and little patience."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from siaga112.adapters import http
from siaga112.adapters.http import LONGEST_HEAD, MAX_CONNECTIONS, HttpEndpoint
from siaga112.sparing import Sparing
from tests.waiting import within

HOST = "127.0.0.1"
PATIENCE = 10.0


@pytest.fixture(autouse=True)
def _lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test start with no line logged yet."""
    monkeypatch.setattr(http, "_dropped", Sparing("http_dropped"))
    monkeypatch.setattr(http, "_refused", Sparing("http_refused"))


@dataclass
class Shown:
    """The source of the pages, and how often the metrics were rendered."""

    parts: dict[str, bool] = field(default_factory=lambda: {"redis": True})
    made: int = 0
    scarce: bool = False
    port: int = 0

    def page(self) -> bytes:
        """Return a page."""
        self.made += 1
        return b"siaga112_mode 1\n"


@pytest.fixture
async def shown() -> AsyncIterator[Shown]:
    """Serve it."""
    shown = Shown()
    endpoint = HttpEndpoint(shown, lambda: shown.parts, lambda: None, lambda _: shown.scarce)
    shown.port = await endpoint.start(HOST, 0)
    yield shown
    await endpoint.stop()


async def told(port: int, *pieces: bytes, host: str = HOST) -> bytes:
    """Send these pieces one by one; return everything that comes until the end."""
    async with within(PATIENCE, "the end of an answer"):
        reader, writer = await asyncio.open_connection(host, port)
        writer.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        try:
            return await rest(reader)
        finally:
            writer.close()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the end; b"" at a reset, which a dropped connection with unread data causes."""
    try:
        return await reader.read()  # ends: the caller's limit
    except ConnectionResetError:
        return b""


def request(target: str, method: str = "GET") -> bytes:
    """Return a request."""
    return f"{method} {target} HTTP/1.1\r\nHost: lab\r\n\r\n".encode()


def parts(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Split an answer into status, headers and body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    pairs = (one.partition(": ") for one in headers)
    return int(line.split()[1]), {name.lower(): value for name, _, value in pairs}, body


@pytest.mark.parametrize("target", ["/metrics", "/metrics?name[]=siaga112_mode"])
async def test_the_metrics(shown: Shown, target: str) -> None:
    """The answer to Prometheus has the format of the page, and the connection ends with it."""
    status, headers, body = parts(await told(shown.port, request(target)))
    assert (status, body) == (200, b"siaga112_mode 1\n")
    assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert (headers["connection"], headers["content-length"]) == ("close", str(len(body)))


async def test_a_page_is_made_seldom(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests within `FRESH_SECONDS` get the same page."""
    monkeypatch.setattr(http, "FRESH_SECONDS", 60.0)
    for _ in range(3):
        await told(shown.port, request("/metrics"))
    assert shown.made == 1


async def test_health_and_readiness(shown: Shown) -> None:
    """`/readyz` is 503 as long as any part is not ready; `/healthz` is 200 all the same."""
    assert parts(await told(shown.port, request("/readyz")))[0] == 200
    shown.parts["ami"] = False
    status, headers, body = parts(await told(shown.port, request("/readyz")))
    assert (status, json.loads(body)) == (503, {"redis": True, "ami": False})
    assert headers["content-type"] == "application/json; charset=utf-8"
    status, _, body = parts(await told(shown.port, request("/healthz")))
    assert (status, json.loads(body)) == (200, {"ok": True})


async def test_a_request_in_pieces(shown: Shown) -> None:
    """A request that comes byte by byte is answered."""
    pieces = [bytes([letter]) for letter in request("/healthz")]
    assert parts(await told(shown.port, *pieces))[0] == 200


async def test_one_request_a_connection(shown: Shown) -> None:
    """Only the first request on a connection is answered."""
    answer = await told(shown.port, request("/healthz") * 5)
    assert answer.count(b"HTTP/1.1 200") == 1


async def test_head_is_without_the_body(shown: Shown) -> None:
    """The answer to HEAD has the length of the page, and no body."""
    status, headers, body = parts(await told(shown.port, request("/metrics", "HEAD")))
    assert (status, headers["content-length"], body) == (200, "16", b"")


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request("/"), 404),
        (request("/metrics/"), 404),
        (request("//metrics"), 404),
        (request("/metrics", "DELETE"), 405),
        (b"POST /metrics HTTP/1.1\r\nHost: lab\r\nContent-Length: 999999999\r\n\r\n", 405),
        (b"CONNECT lab:443 HTTP/1.1\r\nHost: lab\r\n\r\n", 404),
    ],
)
async def test_what_is_not_there(shown: Shown, asked: bytes, status: int) -> None:
    """An unknown path or method gets its status, and no line in the log."""
    with capture_logs() as lines:
        found, headers, _ = parts(await told(shown.port, asked))
    assert (found, lines) == (status, [])
    assert ("allow" in headers) == (status == 405)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02", 400),  # TLS
        (b"GET /metrics\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost:\x00\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET /metrics HTTP/1.1\r\nHost: lab\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: lab\r\nX: " + b"x" * LONGEST_HEAD, 431),
        (b"POST /metrics HTTP/1.1\r\nHost: lab\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ],
)
async def test_what_is_not_http(shown: Shown, sent: bytes, status: int) -> None:
    """What is not HTTP is refused with one line in the log, and the next request is answered."""
    with capture_logs() as lines:
        assert parts(await told(shown.port, sent))[0] == status
    assert [line["event"] for line in lines] == ["http_refused"]
    assert parts(await told(shown.port, request("/healthz")))[0] == 200


async def test_a_caller_goes_before_a_page(shown: Shown) -> None:
    """When file descriptors are scarce, a connection is closed without an answer, and the log says why."""
    shown.scarce = True
    with capture_logs() as lines:
        assert await told(shown.port, request("/healthz")) == b""
    assert lines[0]["detail"] == "too many files are open"


async def test_the_oldest_makes_room(shown: Shown) -> None:
    """One connection too many closes the oldest and is answered."""
    async with within(PATIENCE, "the connections and the end of the oldest"):
        held = [await asyncio.open_connection(HOST, shown.port) for _ in range(MAX_CONNECTIONS)]
        try:
            assert parts(await told(shown.port, request("/healthz")))[0] == 200
            assert await rest(held[0][0]) == b""
            assert not held[1][0].at_eof()
        finally:
            for _, writer in held:
                writer.close()


async def test_patience_ends(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a request is dropped in time, with a line that says so."""
    monkeypatch.setattr(http, "PATIENCE", 0.05)
    with capture_logs() as lines:
        assert await told(shown.port, b"GET /metrics HTTP/1.1\r\n") == b""
    assert lines[0]["detail"] == "not done within 0.05 s"


async def test_ipv6() -> None:
    """The endpoint can listen on an IPv6 address."""
    shown = Shown()
    endpoint = HttpEndpoint(shown, dict, lambda: None)
    try:
        port = await endpoint.start("::1", 0)
        assert parts(await told(port, request("/metrics"), host="::1"))[2] == b"siaga112_mode 1\n"
    finally:
        await endpoint.stop()


async def test_nobody_is_kept_at_the_end() -> None:
    """A stop waits for nobody: a client that has sent nothing yet is dropped."""
    endpoint = HttpEndpoint(Shown(), dict, lambda: None)
    port = await endpoint.start(HOST, 0)
    async with within(PATIENCE, "a connection and its end"):
        reader, writer = await asyncio.open_connection(HOST, port)
        await told(port, request("/healthz"))  # so that the first one is followed
        await endpoint.stop()
        assert await rest(reader) == b""
        writer.close()
