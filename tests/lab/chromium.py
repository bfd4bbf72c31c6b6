"""A real, headless Chromium, driven over its DevTools protocol; it can reach nothing but 127.0.0.1."""

import asyncio
import base64
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import ClientSession, ClientWebSocketResponse

from tests.waiting import killed, within

PATIENCE: Final = 30.0
FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
)


@dataclass
class Tab:
    """A page, and what it did."""

    socket: ClientWebSocketResponse
    requests: list[str] = field(default_factory=list)
    """The addresses that it requested."""
    messages: list[str] = field(default_factory=list)
    """What it wrote to the console, errors included."""
    _number: int = 0

    async def open(self, url: str) -> None:
        """Open a page; return when it has loaded completely."""
        for domain in ("Page", "Network", "Log", "Runtime"):
            await self.ask(f"{domain}.enable")
        await self.ask("Page.navigate", url=url)
        await self._until("Page.loadEventFired")

    async def pdf(self) -> bytes:
        """Print the page as PDF, in the page size that it asks for."""
        printed = await self.ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        return base64.b64decode(printed["data"])

    async def text(self) -> str:
        """Return the text that a reader sees."""
        found = await self.ask("Runtime.evaluate", expression="document.body.innerText")
        return str(found["result"]["value"])

    async def ask(self, method: str, **params: object) -> Any:
        """Call a method of DevTools; return its result."""
        self._number += 1
        await self.socket.send_json({"id": self._number, "method": method, "params": params})
        return (await self._until(self._number))["result"]

    async def _until(self, wanted: int | str) -> Any:
        async with within(PATIENCE, f"Chromium's word of {wanted}"):
            while True:
                message = await self.socket.receive_json()
                self._note(message.get("method"), message.get("params", {}))
                if wanted in {message.get("id"), message.get("method")}:
                    assert "error" not in message, message
                    return message

    def _note(self, method: str | None, params: dict[str, Any]) -> None:
        match method:
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Log.entryAdded":
                self.messages.append(params["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.messages.append(str(params))
            case _:
                pass


@asynccontextmanager
async def tab() -> AsyncIterator[Tab]:
    """Run Chromium with one page, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="s112-chromium-", ignore_cleanup_errors=True) as home:
        process = await asyncio.create_subprocess_exec(
            *("chromium", *FLAGS, f"--user-data-dir={home}", "about:blank"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            address = await _address(process)
            async with ClientSession() as session:
                async with session.get(f"http://{address}/json/list") as answer:
                    pages = [one for one in await answer.json() if one["type"] == "page"]
                async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=2**26) as socket:
                    yield Tab(socket)
        finally:
            await killed(process)


async def _address(process: asyncio.subprocess.Process) -> str:
    """Return where Chromium listens, from its own output."""
    assert process.stderr
    said = []
    async with within(PATIENCE, "the address of Chromium's DevTools"):
        while line := (await process.stderr.readline()).decode():
            said.append(line)
            if "DevTools listening on ws://" in line:
                return line.split("ws://")[1].split("/")[0]
    raise RuntimeError("".join(said))
