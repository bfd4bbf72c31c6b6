"""All scenarios, by family."""

from typing import Final

from tests.lab import Version
from tests.pbx.scenarios import arrival, behind, dial, freepbx, menu, program, queue, served, talk, trunks
from tests.pbx.scenarios.scenario import Scenario

FAMILIES: Final[dict[str, tuple[Scenario, ...]]] = {
    "In the menu": menu.SCENARIOS,
    "Served by the menu": served.SCENARIOS,
    "A program of the centre's own (ARI)": program.SCENARIOS,
    "In the queue": queue.SCENARIOS,
    "After the answer": talk.SCENARIOS,
    "Dial() instead of Queue()": dial.SCENARIOS,
    "In FreePBX's form": freepbx.SCENARIOS,
    "Behind a Local channel": behind.SCENARIOS,
    "Callers, numbers and dialplans": arrival.SCENARIOS,
    "Trunks of other channel drivers": trunks.SCENARIOS,
}
SCENARIOS: Final[tuple[Scenario, ...]] = tuple(s for family in FAMILIES.values() for s in family)
FAMILY_OF: Final = {s.name: family for family, members in FAMILIES.items() for s in members}
PLAYED: Final[tuple[tuple[Scenario, Version], ...]] = tuple(
    (scenario, version) for version in ("22", "16") for scenario in SCENARIOS if version in scenario.versions
)
