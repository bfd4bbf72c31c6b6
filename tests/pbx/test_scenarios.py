"""Every way a call can go, on both PBXs: each scenario is played and has its expected outcomes.

The first test plays all selected scenarios, several at a time; each test then checks its own.
"""

import asyncio
from pathlib import Path
from typing import Final

import pytest

from tests.lab import Version
from tests.pbx.scenarios.every import PLAYED
from tests.pbx.scenarios.golden import replayed
from tests.pbx.scenarios.play import Recorded, play_all, write
from tests.pbx.scenarios.scenario import Scenario

pytestmark = pytest.mark.pbx
Played = dict[tuple[str, Version], Recorded | Exception]

CASES: Final = [
    pytest.param(scenario, version, id=f"{version}-{scenario.name}") for scenario, version in PLAYED
]


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest) -> Played:
    """Play all scenarios whose tests were selected; return their results."""
    wanted = {item.callspec.id for item in request.session.items if hasattr(item, "callspec")}
    chosen = [(s, version) for s, version in PLAYED if f"{version}-{s.name}" in wanted]

    async def play() -> Played:
        return {(s.name, version): result async for s, version, result in play_all(chosen)}

    return asyncio.run(play())


@pytest.mark.parametrize(("scenario", "version"), CASES)
def test_scenario(scenario: Scenario, version: Version, played: Played, tmp_path: Path) -> None:
    """The story plays to its end, and each call in its capture has exactly the expected outcome."""
    result = played[scenario.name, version]
    if isinstance(result, Exception):
        raise result
    path = write(result, tmp_path)
    assert result.ok, f"{result.found}, expected {result.expected}; the capture: {path}"
    replay, _ = replayed(result.data)
    assert not replay.malformed
    assert not replay.tracker.anomalies
    assert replay.tracker.idle
