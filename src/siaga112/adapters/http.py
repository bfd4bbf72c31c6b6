"""The HTTP endpoint: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever watches the process.

It shares its process with the screening, so whoever talks to it may cost the callers nothing: connections
are few, short, and the first to go when descriptors get scarce. Each is for one request.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol, cast

from aiohttp import web

from siaga112.errors import SiagaError
from siaga112.sparing import Sparing

FRESH_SECONDS: Final = 0.1
"""A page is made anew at most this often: making one takes milliseconds, in which no verdict can be given."""

MAX_CONNECTIONS: Final = 128
"""With one more the oldest is dropped: who has half a request to send makes room for who asks and goes."""

PATIENCE: Final = 5.0
"""Seconds that a connection may last in all, from its beginning to the last byte of the answer."""

Ready = Callable[[], dict[str, bool]]


_QUIET: Final = logging.getLogger("siaga112.http.access")
_QUIET.disabled = True
"""No line a request: aiohttp asks its logger first."""

_dropped = Sparing("http_dropped")


class Page(Protocol):
    """What is shown at `/metrics`."""

    def page(self) -> bytes:
        """Write all metrics as Prometheus' text."""


class _Connection(web.RequestHandler):
    """aiohttp's connection, of which the endpoint knows."""

    __slots__ = ("_endpoint",)

    def __init__(self, endpoint: "HttpEndpoint", server: web.Server) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), access_log=_QUIET)
        self._endpoint = endpoint

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._endpoint.opened(self, cast("asyncio.Transport", transport))

    def connection_lost(self, exc: BaseException | None) -> None:
        self._endpoint.closed(self)
        super().connection_lost(exc)


class HttpEndpoint:
    """`/metrics`, `/healthz` (the loop turns) and `/readyz` (each part in its place).

    `scarce` says whether a descriptor of that number is one of those that are kept for callers.
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
        self._runner: web.AppRunner | None = None
        self._listening: asyncio.Server | None = None
        self._connections: dict[_Connection, tuple[asyncio.Transport, float]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._page = b""
        self._made = -FRESH_SECONDS

    async def start(self, host: str, port: int) -> int:
        """Listen; give the port.

        Raises:
            SiagaError: naming the address, if it is taken or not ours.

        """
        app = web.Application()
        app.router.add_get("/metrics", self._scrape)
        app.router.add_get("/healthz", self._healthy)
        app.router.add_get("/readyz", self._readiness)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        server = self._runner.server
        assert server is not None, "setup() makes it"  # noqa: S101 - aiohttp's own mistake otherwise
        try:
            self._listening = await asyncio.get_running_loop().create_server(
                lambda: _Connection(self, server), host, port
            )
        except OSError as error:
            raise SiagaError(
                f"metrics cannot listen on {host}:{port} ({error.strerror or error}); "
                "is another siaga112 running? else change [metrics] host or port"
            ) from error
        return int(self._listening.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._listening:
            self._listening.close()
        if self._runner:
            await self._runner.cleanup()

    def opened(self, connection: _Connection, transport: asyncio.Transport) -> None:
        """Follow a connection; drop it, or the oldest, if there are too many. One timer for all of them."""
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
        """Follow it no more."""
        self._connections.pop(connection, None)

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

    async def _scrape(self, _: web.Request) -> web.Response:
        now = asyncio.get_running_loop().time()
        if now >= self._made + FRESH_SECONDS:
            self._refresh()
            self._page, self._made = self._metrics.page(), now
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return _once(web.Response(body=self._page, headers=headers))

    async def _healthy(self, _: web.Request) -> web.Response:
        await asyncio.sleep(0)
        return _once(web.json_response({"ok": True}))

    async def _readiness(self, _: web.Request) -> web.Response:
        parts = self._ready()
        return _once(web.json_response(parts, status=200 if all(parts.values()) else 503))


def _once(response: web.Response) -> web.Response:
    response.force_close()
    return response
