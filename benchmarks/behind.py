"""How far the wall lags behind a real PBX, and how soon verdicts follow a decision in the browser.

    python -m benchmarks.behind [CALLS]

A real Asterisk 22, SIP calls and a Chromium. It measures the time from the AMI event of a call's start or end
until the page shows it, and from the click on a decision to the first verdict that follows it.
"""

import asyncio
import sys
import time
from typing import Final

from benchmarks.load import quantile
from tests.console.browser import browser
from tests.lab.agi_client import ask
from tests.lab.day import hang_up_in_menu
from tests.pbx.console_room import FIRST, SECOND, room
from tests.waiting import within

CALLS: Final = 10


async def main(calls: int) -> None:
    """Measure and print."""
    shown, gone = [], []
    async with room() as at, browser(at.daemon.console_url) as tab:
        await tab.login("Ratna", at.passwords["Ratna"])
        await tab.open("/wall")
        for nth in range(calls):
            number = f"0813555{nth:05d}"
            row = f"[sse-swap=calls] .number:has-text('{number[-3:]}')"
            appears = asyncio.create_task(tab.page.wait_for_selector(row))
            call = await at.call(number)
            arrived = time.monotonic()
            await appears
            shown.append(time.monotonic() - arrived)
            disappears = asyncio.create_task(tab.page.wait_for_selector(row, state="detached"))
            ends = asyncio.create_task(call.until("Hangup"))
            await hang_up_in_menu(call)
            await ends
            ended = time.monotonic()
            await disappears
            gone.append(time.monotonic() - ended)
            await call.call.ended()
        for number in (FIRST, FIRST, SECOND, SECOND):
            await at.misuse(number)
        await tab.open("/waiting")
        await tab.page.fill(".proposal input[name=reason]", "agreed")
        clicked = time.monotonic()
        await tab.page.click(".proposal button.bad", no_wait_after=True)
        confirmed = await _until(at.pbx.agi_port, SECOND, "BLOCK") - clicked
        await tab.open("/wall")
        await tab.page.click("summary")
        await tab.page.fill("details input[name=reason]", "flood in the harbour")
        clicked = time.monotonic()
        await tab.page.click("details button[value=off]", no_wait_after=True)
        off = await _until(at.pbx.agi_port, SECOND, "ALLOW") - clicked
    for what, values in (("shows a call", shown), ("no longer shows a call", gone)):
        print(
            f"The wall {what} {1e3 * quantile(values, 0.5):.0f} ms after the PBX says so "
            f"(median of {len(values)}; {1e3 * min(values):.0f} to {1e3 * max(values):.0f})."
        )
    told = f"a proposal confirmed is a verdict in {1e3 * confirmed:.0f} ms"
    print(f"After the click {told}, `off` in {1e3 * off:.0f} ms.")


async def _until(port: int, number: str, verdict: str) -> float:
    async with within(30, f"the verdict {verdict}"):
        while (await ask(port, number)).verdict != verdict:  # ends: within its bound
            pass
        return time.monotonic()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else CALLS))
