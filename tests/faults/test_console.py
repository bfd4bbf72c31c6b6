"""The console is killed or frozen: callers do not notice, and people continue where they were."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import pytest

from tests.console.test_child import alive, gone
from tests.faults.conftest import Rig, rig
from tests.faults.figures import Measured
from tests.faults.test_operation import CALM_SECONDS, calm, not_felt, verdicts_go_on
from tests.lab.agi_client import probing
from tests.lab.redis_servers import RedisServer
from tests.waiting import within

pytestmark = [pytest.mark.redis, pytest.mark.slow]

CALLS: Final = 20
ASKED_SECONDS: Final = 0.05
"""How often somebody who waits for the console tries again."""


@asynccontextmanager
async def at_a_page(line: Rig) -> AsyncIterator[tuple[aiohttp.ClientSession, int]]:
    """Log a supervisor in and open the live wall; yield the browser and the console's pid."""
    daemon = line.daemon
    password = await daemon.add_user("Ratna", "supervisor")
    pid = await alive(daemon)
    async with aiohttp.ClientSession(
        daemon.console_url, cookie_jar=aiohttp.CookieJar(unsafe=True)
    ) as browser:
        async with browser.post("/login", data={"name": "Ratna", "password": password}) as answer:
            assert answer.url.path == "/waiting"
        async with browser.get("/live") as wall:
            async with within(30, "the live wall"):
                assert await wall.content.readline()
            yield browser, pid


async def seen_again(browser: aiohttp.ClientSession) -> str:
    """Retry until the console serves a page to the logged-in browser; return its text."""
    async with within(60, "the console's pages, for who was logged in"):
        while True:
            try:
                async with browser.get("/waiting", allow_redirects=False) as answer:
                    assert answer.status == 200, "no longer logged in"
                    return await answer.text()
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(ASKED_SECONDS)


@pytest.mark.fault("console_killed")
async def test_a_killed_console_is_felt_by_no_caller(redis: RedisServer, measured: Measured) -> None:
    """A killed console is back within 15 s, its users still logged in; meanwhile no verdict is slower."""
    async with rig(redis) as line, at_a_page(line) as (browser, pid):
        without = await calm(line)
        loop, since = asyncio.get_running_loop(), len(line.daemon.lines)
        async with probing(line.pbx.agi_port, *line.pids[:2]) as during:
            began = loop.time()
            os.kill(pid, signal.SIGKILL)
            assert "Ratna" in await seen_again(browser)
            took = loop.time() - began
        ended = await line.daemon.event("child_ended", since=since)
        assert (ended["child"], ended["code"]) == ("console", -signal.SIGKILL)
        measured("back after", took, "s", at_most=15)
        not_felt(measured, without, during)
        await verdicts_go_on(line, measured)
        assert gone(pid)


@pytest.mark.fault("console_frozen")
async def test_a_frozen_console_is_felt_by_no_caller(redis: RedisServer, measured: Measured) -> None:
    """While the console is frozen, each call is recorded, no verdict is slower, and the daemon can end it."""
    async with rig(redis) as line, at_a_page(line) as (_, pid):
        without = await calm(line)
        os.kill(pid, signal.SIGSTOP)
        try:
            async with probing(line.pbx.agi_port, *line.pids[:2]) as during:
                calls = [line.misuse(f"0812333{nth:05}") for nth in range(CALLS)]
                for call in calls:
                    await line.daemon.settled(call)
                await asyncio.sleep(CALM_SECONDS)
            measured("calls that ended", CALLS)
            measured("not recorded", CALLS - len(await line.ledger()), at_most=0)
            not_felt(measured, without, during)
            await verdicts_go_on(line, measured)
            began = asyncio.get_running_loop().time()
            assert await line.daemon.stop() == 0
            measured("the daemon ends after", asyncio.get_running_loop().time() - began, "s", at_most=5)
            assert gone(pid)
        finally:
            if not gone(pid):
                os.kill(pid, signal.SIGKILL)
