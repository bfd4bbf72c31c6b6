"""Hostile caller text in real SIP calls forges no event, breaks no log line, and gets nobody a strike."""

from typing import get_args
from urllib.parse import quote

import pytest

from tests.faults.figures import Measured
from tests.lab import Asterisk, Version, find, place_call
from tests.lab.daemon import Daemon, running
from tests.lab.day import CONFIG

pytestmark = pytest.mark.pbx

VICTIM = "081211112222"


def payloads(victim: str) -> list[str]:
    """Return numbers that contain header lines and whole events that would harm the victim if they worked."""
    return [
        f"081\r\nUniqueid: {victim}\r\nX: ",
        f"0\r\n\r\nEvent: UserEvent\r\nUserEvent: SiagaMark\r\nMark: prank\r\nUniqueid: {victim}\r\n\r\n",
        f"0\r\n\r\nEvent: VarSet\r\nUniqueid: {victim}\r\nVariable: SIAGA_REJECTED\r\nValue: x\r\n\r\n",
        f"0\r\n\r\nEvent: Hangup\r\nUniqueid: {victim}\r\nCause: 16\r\n\r\n",
        "08121111\n2222",
        '"081211112222"; rm',
        "\x1b[2J081211112222",
    ]


async def malformed(daemon: Daemon) -> int:
    """Return how many AMI messages the daemon has rejected as malformed."""
    lines = (await daemon.metrics()).splitlines()
    return sum(
        int(float(line.rsplit(" ", 1)[1]))
        for line in lines
        if line.startswith("siaga112_ami_malformed_total{")
    )


@pytest.mark.parametrize("version", get_args(Version))
@pytest.mark.fault("hostile")
@pytest.mark.night
async def test_forged_lines_hurt_nobody(version: Version, measured: Measured) -> None:
    """Seven hostile callers get through, change nothing in a victim's call, and cause no strike."""
    async with (
        Asterisk.start(find(version)) as pbx,
        await pbx.observe() as seen,
        running(pbx, CONFIG) as daemon,
    ):
        victim = await place_call(pbx, number=VICTIM, presses="1")
        uid = (await seen.caller_channel(VICTIM))["Uniqueid"]
        await seen.wait_for(lambda e: e.name == "BridgeEnter" and e["Uniqueid"] == uid)
        for payload in payloads(uid):
            since = seen.mark()
            call = await place_call(pbx, number=quote(payload, safe=""))
            await seen.wait_for(lambda e: e["Application"] == "WaitExten", since=since)
            await call.hang_up()
        await victim.hang_up()
        line = await daemon.settled(uid)
        assert (line["outcome"], line["mark"], line["strike"]) == ("answered", None, False)
        hostile = len(payloads(uid))
        await daemon.wait_for(lambda _: sum(held["event"] == "call" for held in daemon.lines) > hostile)
        rows = (await daemon.command("calls", "--json")).json
        assert len(rows) == 1 + hostile
        measured("hostile calls", hostile)
        measured("strikes", sum(row["strike"] for row in rows), at_most=0)
        assert {row["caller"] for row in rows} == {"+62" + VICTIM[1:], None}
        counted = await malformed(daemon)
        assert counted >= 4
        measured("counted as malformed", counted)
        broken = [line for line in daemon.lines if line["event"] in {"not json", "unexpected"}]
        measured("broken log lines", len(broken), at_most=0)
