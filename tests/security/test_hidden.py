"""Callers who hide their number, which the exchange reports anyway: `hidden` says whether it counts."""

from typing import Final, get_args

import pytest

from tests.lab import Asterisk, Version, find, place_call
from tests.lab.daemon import running

pytestmark = pytest.mark.pbx

NUMBER: Final = "081234567890"
RULE: Final = """
[classifier]
early_drop = "0s"
[policy]
threshold = 1
surge = false
treatment = "reject"
"""


@pytest.mark.parametrize("version", get_args(Version))
@pytest.mark.parametrize("hidden", ["nobody", "judge"])
async def test_who_hides_the_number_is_judged_only_where_the_centre_says_so(
    version: Version, hidden: str
) -> None:
    """Misuses with a hidden number give strikes and a rejection with `judge`, and neither with `nobody`."""
    judged = hidden == "judge"
    async with (
        Asterisk.start(find(version)) as pbx,
        await pbx.observe() as seen,
        running(pbx, f'{RULE}[pbx]\nhidden = "{hidden}"\n') as daemon,
    ):
        for _ in range(2):
            since, ended = seen.mark(), len(daemon.lines)
            call = await place_call(pbx, number="anonymous", asserted=NUMBER, private=True)
            await seen.wait_for(
                lambda e: e.name == "Newexten" and e["Application"] == "WaitExten", since=since
            )
            await call.hang_up()
            await daemon.event("call", since=ended)
        rows = (await daemon.command("calls", "--json")).json
        assert [row["strike"] for row in rows] == [judged, judged]
        assert {row["caller"] for row in rows} == {"+6281234567890" if judged else None}
        if judged:
            await daemon.shows('blocks_active{level="temporary",site="lab"} 1.0')
        call = await place_call(pbx, number="anonymous", asserted=NUMBER, private=True)
        if judged:
            assert (await call.ended()).status == 403
        else:
            assert (await call.hang_up()).status in {200, 487}
