"""An appeal from the block to the decision, over command, API and console, checked with real calls."""

import json
import os
import re

import pytest

from tests import warm
from tests.console.browser import browser
from tests.pbx.console_room import FIRST, Room, room

pytestmark = pytest.mark.pbx

WHY = "the SIM was bought last week, letter of 3 March"


async def over_api(at: Room, token: str, *words: str) -> str:
    """Run a command over the API, with a token and no access to the daemon's files; return its output."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SIAGA112_")}
    environ |= {"SIAGA112_TOKEN": token, "SIAGA112_STATE_DIR": "/nonexistent", "NO_COLOR": "1"}
    code, out, err = await warm.run(("--api", at.daemon.console_url, *words), environ, 60)
    assert code == 0, err.decode()
    return out.decode()


async def token_of(at: Room) -> str:
    """Create a token for a program; return it."""
    words = ("token", "add", "front-office", "--role", "supervisor", "--numbers")
    said = (await at.daemon.command(*words)).out
    found = re.search(r"s112_[\w-]+", said)
    assert found, said
    return found[0]


async def test_a_case_from_the_block_to_the_release() -> None:
    """A blocked caller whose appeal is granted in the browser gets through, and each step is recorded.

    Until then the caller stays blocked, because this centre does not suspend blocks on appeal.
    """
    async with room() as at, browser(at.daemon.console_url) as tab:
        for _ in range(2):
            await at.misuse(FIRST)
        assert (await at.tried(FIRST)).status == 403
        said = (await at.daemon.command("appeal", FIRST, "--reason", WHY, "--by", "Loket 3")).out
        assert "is noted; an answer is owed until " in said
        assert (await at.tried(FIRST)).status == 403, "an objection alone lifts nothing"

        (row,) = json.loads(await over_api(at, await token_of(at), "appeals", "--json"))
        assert (row["caller"], row["reason"], row["granted"]) == (f"+62{FIRST[1:]}", WHY, None)

        await tab.login("Ratna", at.passwords["Ratna"])
        await tab.open("/waiting")
        assert WHY in await tab.page.inner_text("main")
        await tab.page.fill(".proposal input[name=reason]", "the operator confirms the new owner")
        await tab.page.click(".proposal button.good")
        await tab.page.wait_for_selector(".flash.good")
        assert (await at.tried(FIRST)).status == 200

        lines = (await at.daemon.command("audit", "--json")).json
        done = [(one["action"], one["via"]) for one in lines if one["action"] in {"appeal", "unblock"}]
        assert done == [("appeal", "cli"), ("unblock", "console")]
        why = (await at.daemon.command("why", FIRST)).out
        told = (
            "now: ALLOW",
            "objection, noted by Loket 3",
            "block lifted by Ratna",
            "objection granted by Ratna",
        )
        places = [why.index(one) for one in told]
        assert places == sorted(places)


async def test_where_the_centre_suspends_a_real_caller_gets_through_until_the_decision() -> None:
    """With `suspend_on_appeal`, a blocked caller gets through from the appeal until it is rejected."""
    async with room("[citizen]\nsuspend_on_appeal = true\n") as at:
        for _ in range(2):
            await at.misuse(FIRST)
        assert (await at.tried(FIRST)).status == 403
        said = (await at.daemon.command("appeal", FIRST, "--reason", WHY)).out
        assert "until then its block is suspended" in said
        assert (await at.tried(FIRST)).status == 200
        token = await token_of(at)
        said = await over_api(at, token, "appeals", "--reject", FIRST, "--reason", "the same voice")
        assert "stays blocked" in said
        assert (await at.tried(FIRST)).status == 403
