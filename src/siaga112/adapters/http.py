"""The HTTP endpoint: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever watches the process."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from aiohttp import web

from siaga112.errors import SiagaError

FRESH_SECONDS: Final = 0.1
"""A page is made anew at most this often: making one takes milliseconds, in which no verdict can be given."""

Ready = Callable[[], dict[str, bool]]


class Page(Protocol):
    """What is shown at `/metrics`."""

    def page(self) -> bytes:
        """Write all metrics as Prometheus' text."""


class HttpEndpoint:
    """`/metrics`, `/healthz` (the loop turns) and `/readyz` (each part in its place)."""

    def __init__(self, metrics: Page, ready: Ready, refresh: Callable[[], None]) -> None:
        self._metrics = metrics
        self._ready = ready
        self._refresh = refresh
        self._runner: web.AppRunner | None = None
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
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            raise SiagaError(
                f"metrics cannot listen on {host}:{port} ({error.strerror or error}); "
                "is another siaga112 running? else change [metrics] host or port"
            ) from error
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()

    async def _scrape(self, _: web.Request) -> web.Response:
        now = asyncio.get_running_loop().time()
        if now >= self._made + FRESH_SECONDS:
            self._refresh()
            self._page, self._made = self._metrics.page(), now
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=self._page, headers=headers)

    async def _healthy(self, _: web.Request) -> web.Response:
        await asyncio.sleep(0)
        return web.json_response({"ok": True})

    async def _readiness(self, _: web.Request) -> web.Response:
        parts = self._ready()
        return web.json_response(parts, status=200 if all(parts.values()) else 503)
