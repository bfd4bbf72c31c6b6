"""A real Chromium for tests of the console. It can reach no network."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from playwright.async_api import Page, async_playwright, expect

from tests.lab.chromium import FLAGS

PATIENCE_MILLIS: Final = 30_000
WIDTHS: Final = {"telephone": (360, 780), "desk": (1280, 900), "wall": (1920, 1080)}


@dataclass
class Tab:
    """A page, with the addresses that it requested and the messages on its console."""

    page: Page
    url: str
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    weights: dict[str, int] = field(default_factory=dict)
    """Size of each answer's body, in bytes."""

    async def open(self, path: str) -> None:
        """Open a page of the console."""
        await self.page.goto(self.url + path, wait_until="domcontentloaded")

    async def login(self, name: str, password: str) -> None:
        """Log in with the keyboard alone."""
        await self.open("/login")
        # Not `wait_for_function`: without JavaScript a busy Chromium may never draw the frame it waits for.
        await expect(self.page.locator("[name=name]")).to_be_focused(timeout=PATIENCE_MILLIS)
        await self.page.keyboard.type(name)
        await self.page.keyboard.press("Tab")
        await self.page.keyboard.type(password)
        await self.page.keyboard.press("Enter")
        await self.page.wait_for_url(lambda url: not url.endswith("/login"))


@asynccontextmanager
async def browser(
    url: str, *, size: tuple[int, int] = WIDTHS["desk"], dark: bool = False, script: bool = True
) -> AsyncIterator[Tab]:
    """Run a Chromium with one page until the block ends."""
    flags = [flag for flag in FLAGS if not flag.startswith(("--headless", "--remote-debugging"))]
    async with async_playwright() as driver:
        chromium = await driver.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        try:
            context = await chromium.new_context(
                viewport={"width": size[0], "height": size[1]},
                color_scheme="dark" if dark else "light",
                java_script_enabled=script,
                locale="id-ID",
            )
            context.set_default_timeout(PATIENCE_MILLIS)
            tab = Tab(await context.new_page(), url)
            tab.page.on("request", lambda request: tab.requests.append(request.url))
            tab.page.on("console", lambda message: tab.messages.append(message.text))
            tab.page.on("pageerror", lambda error: tab.messages.append(str(error)))
            yield tab
        finally:
            await chromium.close()
