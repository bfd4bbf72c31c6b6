"""Recorded calls have the expected outcomes: one test for each capture in tests/golden."""

from pathlib import Path

import pytest

from siaga112.captures import capture
from siaga112.core.model import Mark
from tests.pbx.scenarios.every import FAMILY_OF, PLAYED, SCENARIOS
from tests.pbx.scenarios.golden import GOLDEN, captures, replayed
from tests.pbx.scenarios.table import DOCUMENT, table

HIDDEN = ("caller_without_number", "caller_anonymous", "caller_hidden")


@pytest.mark.parametrize("path", captures(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_recorded_call_comes_out_as_expected(path: Path) -> None:
    """A replayed capture gives exactly the outcomes in its header; no anomaly and no open call remains."""
    data = path.read_bytes()
    header = capture.read_header(next(capture.messages(data)))
    replay, entries = replayed(data)
    ended = [e.finding for e in entries if not e.finding.call.marked_later]
    found = [(e.call.id, e.outcome.value, e.reason.value) for e in ended]
    assert sorted(found) == sorted((e.call, e.outcome, e.reason) for e in header.expected)
    assert not replay.malformed
    assert not replay.tracker.anomalies
    assert replay.tracker.idle


def test_every_scenario_is_recorded() -> None:
    """Each scenario has a capture for each of its versions, and each capture has a scenario."""
    recorded = {(path.stem, path.parent.name) for path in captures() if path.parent.name in {"22", "16"}}
    assert recorded == {(scenario.name, version) for scenario, version in PLAYED}


def test_names_are_given_once() -> None:
    """The names of scenarios are unique, as they are file names."""
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)


@pytest.mark.parametrize("version", ["22", "16"])
def test_the_operators_key_is_the_calls_mark(version: str) -> None:
    """The operator's key becomes the call's mark."""
    (entry,) = replayed((GOLDEN / version / "answered_marked.ami").read_bytes())[1]
    assert entry.finding.mark is Mark.PRANK


@pytest.mark.parametrize("version", ["22", "16"])
@pytest.mark.parametrize("name", HIDDEN)
def test_a_hidden_caller_gets_no_strike(name: str, version: str) -> None:
    """A caller without a number gets no strike, in whatever way the number is missing."""
    (entry,) = replayed((GOLDEN / version / f"{name}.ami").read_bytes())[1]
    assert entry.finding.call.caller is None
    assert not entry.strike


@pytest.mark.parametrize("path", captures(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_stage_times_are_within_the_call(path: Path) -> None:
    """No stage of a call has a negative time or one longer than the call."""
    for entry in replayed(path.read_bytes())[1]:
        call, stages = entry.finding.call, entry.finding.stages
        for span in (stages.ivr, stages.wait, stages.ring, stages.talk):
            assert span is None or 0 <= span <= call.ended - call.started


def test_the_manuals_table_is_up_to_date() -> None:
    """docs/scenarios.md agrees with the captures; `make golden` writes it."""
    assert DOCUMENT.read_text("utf-8") == table(FAMILY_OF)
