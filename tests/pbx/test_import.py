"""A FreePBX's blacklist, as Asterisk's console prints it, can be imported, and rejects real callers."""

from typing import get_args

import pytest

from tests.lab import Asterisk, Version, find, place_call
from tests.lab.daemon import running
from tests.lab.day import GLOBALS
from tests.waiting import within

pytestmark = pytest.mark.pbx

PATIENCE_SECONDS = 20.0
BLACKLIST = {
    "081234567890": "1",
    "081234567891": '"prank, tiap malam"',
    "0254 201-234": "1",
    "dest": "app-blackhole,hangup,1",
    "blocked": "1",
}
"""As FreePBX's module stores it (blacklist/NUMBER: 1 or a note), together with its settings."""


@pytest.fixture(params=get_args(Version))
def version(request: pytest.FixtureRequest) -> Version:
    """Return each version of Asterisk in turn."""
    found: Version = request.param
    return found


async def test_whom_the_old_pbx_rejected_the_new_centre_rejects(version: Version) -> None:
    """After `siaga112 import` of `database show blacklist`, its numbers are rejected and others are not."""
    async with (
        Asterisk.start(find(version), globals_=GLOBALS) as pbx,
        running(pbx, '[policy]\ntreatment = "reject"\n') as daemon,
    ):
        for number, value in BLACKLIST.items():
            said = value.replace('"', '\\"')
            await pbx.console(f'database put blacklist "{number}" "{said}"')
        await pbx.console('database put AMPUSER/101 cidname "081211111111"')
        shown = await pbx.console("database show blacklist")
        assert "prank, tiap malam" in shown
        listed = daemon.folder / "blacklist.txt"
        listed.write_text(shown, "utf-8")

        command = ("import", str(listed), "--as", "block", "--permanent", "--reason", "moved in", "--json")
        told = (await daemon.command(*command)).json
        assert (told["format"], told["numbers"], told["applied"]) == ("asterisk", 3, False)
        assert told["left_out_by"] == {"not_a_number": 2}
        passed = await place_call(pbx, number="081234567891", presses="")
        await passed.hang_up()

        done = (await daemon.command(*command, "--apply")).json
        assert (done["brought_in"], done["left_out"]) == (3, 2)
        async with within(PATIENCE_SECONDS, "the end of the rejected calls"):
            for number in ("081234567890", "+6281234567891", "0254201234"):
                ended = await (await place_call(pbx, number=number, presses="")).ended()
                assert ended.status == 403, number
            other = await place_call(pbx, number="081211111111", presses="")
            await other.answered()
            assert (await other.hang_up()).status == 200
        story = (await daemon.command("why", "081234567891")).out
        assert "imported by" in story
        assert f"prank, tiap malam (blacklist.txt [{done['sha256'][:12]}]: moved in)" in story
