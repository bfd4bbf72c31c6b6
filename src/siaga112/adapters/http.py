"""The HTTP endpoint: `/metrics` for Prometheus, `/healthz` and `/readyz` for process supervision.

The endpoint shares a process with the screening, so its clients must not delay callers. Therefore connections
are few and short, serve one request each, and are the first to be closed when file descriptors run short. h11
parses and writes HTTP (docs/decisions/h11.md); this file has the sockets and the three pages.
"""

import asyncio
import json
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol, cast

import h11

from siaga112.errors import SiagaError
from siaga112.listening import listen
from siaga112.sparing import Sparing

FRESH_SECONDS: Final = 0.1
"""The least age of a page before we render it again: rendering takes milliseconds and delays verdicts."""

MAX_CONNECTIONS: Final = 128
"""One more connection closes the oldest, so that clients with half a request make room for others."""

PATIENCE: Final = 5.0
"""The longest life of a connection in seconds, from its start to the last byte of the answer."""

LONGEST_HEAD: Final = 16_384
"""The longest request line and headers in bytes; a longer request gets a 431."""

Ready = Callable[[], dict[str, bool]]

_dropped = Sparing("http_dropped")
_refused = Sparing("http_refused")


class Page(Protocol):
    """The source of `/metrics`."""

    def page(self) -> bytes:
        """Return all metrics in Prometheus' text format."""


class _Answer(NamedTuple):
    status: int
    kind: str
    body: bytes


def _plain(status: int) -> _Answer:
    return _Answer(status, "text/plain; charset=utf-8", f"{status}: {HTTPStatus(status).phrase}".encode())


def _json(parts: dict[str, bool], status: int = HTTPStatus.OK) -> _Answer:
    return _Answer(status, "application/json; charset=utf-8", json.dumps(parts).encode())


class _Connection(asyncio.Protocol):
    """One request. We answer as soon as its head is complete, and read nothing after that."""

    def __init__(self, endpoint: "HttpEndpoint") -> None:
        self._endpoint = endpoint
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one only by its methods
        self._endpoint.opened(self, self._transport)

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._http.receive_data(data)
        try:
            request = self._http.next_event()
        except h11.RemoteProtocolError as error:
            _refused(detail=str(error))
            self._reply(_plain(error.error_status_hint))
            return
        if isinstance(request, h11.Request):
            self._reply(self._endpoint.answer(request), whole=request.method != b"HEAD")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._endpoint.closed(self)

    def _reply(self, answer: _Answer, *, whole: bool = True) -> None:
        head = h11.Response(
            status_code=answer.status,
            reason=HTTPStatus(answer.status).phrase,
            headers=[
                ("Content-Type", answer.kind),
                ("Content-Length", str(len(answer.body))),
                *([("Allow", "GET, HEAD")] if answer.status == HTTPStatus.METHOD_NOT_ALLOWED else []),
                ("Date", formatdate(usegmt=True)),
                ("Connection", "close"),
            ],
        )
        events = (head, *([h11.Data(answer.body)] if whole else []), h11.EndOfMessage())
        assert self._transport is not None, "only a received request is answered"  # noqa: S101 - for mypy
        self._transport.write(b"".join(self._http.send(event) or b"" for event in events))
        self._transport.close()


class HttpEndpoint:
    """`/metrics`, `/healthz` (the event loop runs) and `/readyz` (the state of each part).

    `scarce` says whether a file descriptor with that number is reserved for callers.
    """

    def __init__(
        self,
        metrics: Page,
        ready: Ready,
        refresh: Callable[[], None],
        scarce: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self._metrics = metrics
        self._ready = ready
        self._refresh = refresh
        self._scarce = scarce
        self._listening: list[asyncio.Server] = []
        self._connections: dict[_Connection, tuple[asyncio.Transport, float]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._page = b""
        self._made = -FRESH_SECONDS
        self._pages: Final[dict[bytes, Callable[[], _Answer]]] = {
            b"/metrics": self._scrape,
            b"/healthz": lambda: _json({"ok": True}),
            b"/readyz": self._readiness,
        }

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port.

        Raises:
            SiagaError: names the address, if it is taken or not on this machine.

        """
        loop = asyncio.get_running_loop()
        try:
            for socket in await listen(host, port):
                self._listening.append(await loop.create_server(lambda: _Connection(self), sock=socket))
        except OSError as error:
            raise SiagaError(
                f"metrics cannot listen on {host}:{port} ({error.strerror or error}); "
                "is another siaga112 running? Otherwise change [metrics] host or port"
            ) from error
        return int(self._listening[0].sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening, and drop the connections without an answer."""
        for server in self._listening:
            server.close()
        if self._timer:
            self._timer.cancel()
        for connection in list(self._connections):
            self._drop(connection)

    def opened(self, connection: _Connection, transport: asyncio.Transport) -> None:
        """Track a connection; drop it, or the oldest, if there are too many. One timer serves all of them."""
        if self._scarce(transport.get_extra_info("socket").fileno()):
            _dropped(detail="too many files are open", open=len(self._connections))
            transport.abort()
            return
        if len(self._connections) >= MAX_CONNECTIONS:
            _dropped(detail="too many connections", open=len(self._connections))
            self._drop(next(iter(self._connections)))
        loop = asyncio.get_running_loop()
        self._connections[connection] = (transport, loop.time())
        if self._timer is None:
            self._timer = loop.call_later(PATIENCE, self._drop_the_old)

    def closed(self, connection: _Connection) -> None:
        """Stop tracking a connection."""
        self._connections.pop(connection, None)

    def answer(self, request: h11.Request) -> _Answer:
        """Return the answer to a request."""
        page = self._pages.get(request.target.partition(b"?")[0])
        if page is None:
            return _plain(HTTPStatus.NOT_FOUND)
        if request.method not in {b"GET", b"HEAD"}:
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED)
        return page()

    def _drop(self, connection: _Connection) -> None:
        transport, _ = self._connections.pop(connection)
        transport.abort()

    def _drop_the_old(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        for connection, (_, began) in list(self._connections.items()):
            left = began + PATIENCE - loop.time()
            if left > 0:
                self._timer = loop.call_later(left, self._drop_the_old)
                break
            _dropped(detail=f"not done within {PATIENCE:g} s", open=len(self._connections))
            self._drop(connection)

    def _scrape(self) -> _Answer:
        now = asyncio.get_running_loop().time()
        if now >= self._made + FRESH_SECONDS:
            self._refresh()
            self._page, self._made = self._metrics.page(), now
        return _Answer(HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8", self._page)

    def _readiness(self) -> _Answer:
        parts = self._ready()
        return _json(parts, HTTPStatus.OK if all(parts.values()) else HTTPStatus.SERVICE_UNAVAILABLE)
