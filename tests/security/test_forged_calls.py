"""Calls with somebody else's number, as a trunk delivers them that lets customers write any number."""

import asyncio
from typing import get_args

import pytest

from tests.faults.figures import Measured
from tests.lab import Asterisk, Version, find, place_call
from tests.lab.daemon import running
from tests.waiting import until

pytestmark = pytest.mark.pbx

NO_EARLY_DROP = '[classifier]\nearly_drop = "0s"\n'
VICTIM = "081211112222"
FORGED = 6
"""As many as block, if they come one after the other (`permenkominfo-2016`)."""


@pytest.mark.parametrize("version", get_args(Version))
@pytest.mark.fault("forged_at_once")
async def test_six_forged_calls_at_once_are_one_misuse(version: Version, measured: Measured) -> None:
    """Six real calls with one number are in the menu at once and left there: one strike, and no block."""
    async with (
        Asterisk.start(find(version)) as pbx,
        await pbx.observe() as seen,
        running(pbx, NO_EARLY_DROP) as daemon,
    ):
        placed = await asyncio.gather(*(place_call(pbx, number=VICTIM) for _ in range(FORGED)))
        await until(
            lambda: len({e["Uniqueid"] for e in seen.events if e["Application"] == "WaitExten"}) == FORGED, 30
        )
        await asyncio.gather(*(call.hang_up() for call in placed))
        await daemon.wait_for(lambda _: sum(line["event"] == "call" for line in daemon.lines) == FORGED)
        rows = (await daemon.command("calls", "--json")).json
        measured("calls at once", len(rows))
        measured("strikes", sum(row["strike"] for row in rows), at_most=1)
        assert {row["outcome"] for row in rows} == {"ivr_prank"}
        assert sorted(str(row["spared"]) for row in rows) == ["None"] + ["overlap"] * (FORGED - 1)
        measured("blocks", len((await daemon.command("blocks", "--json")).json), at_most=0)
        (told,) = (await daemon.command("why", VICTIM, "--json")).json
        assert told["verdict"] == "ALLOW"
