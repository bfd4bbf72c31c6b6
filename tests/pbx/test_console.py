"""The console beside a real PBX: a decision in a real browser takes effect on real calls."""

import re

import pytest

from tests.console.browser import Tab, browser
from tests.lab.day import talk
from tests.pbx.console_room import FIRST, SECOND, THIRD, room

pytestmark = pytest.mark.pbx


async def shown(tab: Tab, selector: str) -> None:
    """Wait until the page shows this element."""
    await tab.page.wait_for_selector(selector)


async def test_what_a_supervisor_decides_in_the_browser_meets_the_next_caller() -> None:
    """A confirmed proposal rejects the caller's next call, and mode off lets the one after it through.

    The wall shows a real call while it is up. `python -m benchmarks.console` measures how soon.
    """
    async with room() as at, browser(at.daemon.console_url) as tab:
        for number in (FIRST, FIRST, SECOND, SECOND):
            await at.misuse(number)
        assert (await at.tried(FIRST)).status == 403
        assert (await at.tried(SECOND)).status == 200, "only proposed"
        await tab.login("Ratna", at.passwords["Ratna"])
        await tab.open("/waiting")
        await tab.page.fill(".proposal input[name=reason]", "agreed")
        await tab.page.click(".proposal button.bad")
        await shown(tab, ".flash.good")
        assert (await at.tried(SECOND)).status == 403
        await tab.open("/wall")
        await tab.page.click("summary")
        await tab.page.fill("details input[name=reason]", "flood in the harbour")
        await tab.page.click("details button[value=off]")
        await shown(tab, ".mode.off")
        call = await at.call(SECOND)
        await call.until("Newexten", Application="WaitExten")
        await call.call.hang_up()
        assert (await call.call.ended()).status == 200
        assert call.variable("SIAGA_REASON") == "mode_off"

        call = await at.call(THIRD)
        await shown(tab, f"[sse-swap=calls] .number:has-text('{THIRD[-3:]}')")
        await call.call.hang_up()
        await at.daemon.settled(call.uid)


async def test_an_operator_marks_in_the_browser_the_call_just_answered() -> None:
    """A button in the browser marks the answered call, and the audit trail names the operator."""
    async with room() as at, browser(at.daemon.console_url) as tab:
        await at.seen.set_global("OPERATOR", "answer")
        await tab.login("Budi", at.passwords["Budi"])
        await tab.open("/shift")
        call = await at.call(THIRD, "1")
        await talk(call)
        await call.call.ended()
        line = await at.daemon.settled(call.uid)
        assert line["outcome"] == "answered"
        (row,) = (await at.daemon.command("calls", "--call", call.uid, "--json")).json
        if row["operator"] == "Budi":
            await shown(tab, f"form[action='/calls/{call.uid}/mark']")
        else:  # the lab's operators are Local channels: the desk finds the call by its id
            await tab.open(f"/calls/{call.uid}")
        await tab.page.click("button.mark.information")
        await shown(tab, ".flash.good")
        (row,) = (await at.daemon.command("calls", "--call", call.uid, "--json")).json
        assert row["mark"] == "information"
        (line,) = [
            one for one in (await at.daemon.command("audit", "--json")).json if one["action"] == "mark"
        ]
        assert (line["by"], line["via"], line["subject"]) == ("Budi", "console", call.uid)
        assert re.fullmatch("information", line["detail"])
