"""A small program on Asterisk's REST interface (ARI), which a centre may use in place of queues."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

APP: Final = "lab"
PATIENCE_SECONDS: Final = 15.0
MODULES: Final = (
    *("res_ari", "res_ari_model", "res_ari_events", "res_ari_applications", "res_ari_bridges"),
    *("res_ari_channels", "res_ari_playbacks", "res_ari_recordings", "res_ari_sounds", "res_ari_endpoints"),
    *("res_ari_asterisk", "res_ari_device_states", "app_stasis"),
    *("res_websocket_client", "chan_rtp", "res_rtp_multicast"),
)
"""The modules that the program needs, and those for the media streams that it can make."""

CONFIGURATION: Final = "[general]\nenabled = yes\n[lab]\ntype = user\npassword = lab\n"

LOGIN: Final = {"Authorization": f"Basic {base64.b64encode(b'lab:lab').decode()}"}

Told = dict[str, Any]


def http(port: int) -> str:
    """Return http.conf for a server on this loopback port."""
    return f"[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = {port}\n"


class Program:
    """The connected program: the events that it received, and its requests."""

    def __init__(self, session: aiohttp.ClientSession, told: aiohttp.ClientWebSocketResponse) -> None:
        self._session = session
        self._told = told
        self._heard: list[Told] = []

    async def event(self, kind: str, wanted: Callable[[Told], bool] = lambda _: True) -> Told:
        """Return the first event of this kind, from the start on, that is wanted."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            seen = 0
            while True:
                for event in self._heard[seen:]:
                    if event["type"] == kind and wanted(event):
                        return event
                seen = len(self._heard)
                self._heard.append(await self._told.receive_json())

    async def enters(self, start: str) -> str:
        """Wait until a channel whose name begins so enters the program; return its id."""
        told = await self.event("StasisStart", lambda event: event["channel"]["name"].startswith(start))
        return str(told["channel"]["id"])

    async def ask(self, method: str, path: str, **query: str) -> Any:
        """Send a request; return the answer, None if it has no content."""
        async with self._session.request(method, f"/ari/{path}", params=query) as answer:
            text = await answer.text()
            if not answer.ok:
                msg = f"{method} {path}: {answer.status} {text}"
                raise RuntimeError(msg)
            return await answer.json() if text else None

    async def bridge(self, kind: str, *channels: str) -> str:
        """Make a bridge and put these channels into it, in this order; return its id."""
        bridge = str((await self.ask("POST", "bridges", type=kind))["id"])
        for channel in channels:
            await self.ask("POST", f"bridges/{bridge}/addChannel", channel=channel)
        return bridge

    async def rings(self, endpoint: str) -> str:
        """Call this endpoint; return the channel's id."""
        return str((await self.ask("POST", "channels", endpoint=endpoint, app=APP, timeout="30"))["id"])

    async def clear(self) -> None:
        """End all bridges and channels that are left."""
        for kind in ("channels", "bridges"):
            for one in await self.ask("GET", kind):
                try:
                    await self.ask("DELETE", f"{kind}/{one['id']}")
                except RuntimeError:
                    continue  # already gone, or about to end with its bridge


@asynccontextmanager
async def program(port: int) -> AsyncIterator[Program]:
    """Run the program: the PBX knows `Stasis(lab)` as soon as the block begins."""
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=LOGIN) as session,
        session.ws_connect("/ari/events", params={"app": APP}) as told,
    ):
        yield Program(session, told)
