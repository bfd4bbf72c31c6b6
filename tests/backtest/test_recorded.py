"""The same real calls in all four forms: what a file proves is what the live line saw, or nothing."""

from collections import Counter
from typing import Final

import pytest

from siaga112.core.model import Outcome
from siaga112.core.past.history import History, Unproven
from tests.backtest.recorded import FORMS, VERSIONS, lines, live, site_of, told

PICKED_UP: Final = "an operator had picked up, but was not connected yet when the caller left"
REDIRECTED: Final = "a person took the caller out of the queue, and to somebody else"
KNOWN_ERRORS: Final = {
    ("cdr.csv", "abandoned", "answered"): (4, PICKED_UP),
    ("queue_log", "abandoned", "answered"): (1, PICKED_UP),
    ("queue_log", "answered", "abandoned"): (1, REDIRECTED),
}
"""Where Asterisk's own record differs from what happened, by form and outcomes: how often, and why."""

PROVEN: Final = {
    "cel.csv": {Outcome.IVR_PRANK: 17, Outcome.ABANDONED: 21, Outcome.ANSWERED: 22, Outcome.UNSERVED: 6},
    "cdr.csv": {Outcome.IVR_PRANK: 14, Outcome.ABANDONED: 1, Outcome.ANSWERED: 51},
    "queue_log": {Outcome.ABANDONED: 17, Outcome.ANSWERED: 40, Outcome.UNSERVED: 9},
}
"""How many calls each form proves, at least: else agreement would be cheap."""

FORM: Final = pytest.mark.parametrize("form", FORMS)
VERSION: Final = pytest.mark.parametrize("version", VERSIONS)
SAMPLE_EVENTS: Final = ("APP_START", "CHAN_", "ANSWER", "HANGUP", "BRIDGE_")
ADVISED_EVENTS: Final = (*SAMPLE_EVENTS, "APP_END")
SAMPLE_APPS: Final = ('"BackGround"', '"WaitExten"', '"Read"', '"Queue"')


def outcomes(history: History) -> dict[str, Outcome]:
    """Give each call's outcome."""
    return {str(call): past.finding.outcome for call, past in history.calls.items()}


def as_the_sample(version: str) -> list[str]:
    """Leave out of a CEL file what the sample cel.conf does not ask for (apps=dial,park)."""
    return [
        line
        for line in lines(version, "cel.csv")
        if line[1:].startswith(SAMPLE_EVENTS)
        and not (line[1:].startswith("APP_") and any(app in line for app in SAMPLE_APPS))
    ]


@VERSION
@FORM
def test_agrees_with_the_live_line_or_says_unknown(version: str, form: str) -> None:
    """Each call's outcome is the one that AMI showed, or `unknown` with its reason."""
    seen = outcomes(live(version))
    history, report = told(lines(version, form), site_of(version))
    differ: Counter[tuple[str, str, str]] = Counter()
    for call, past in history.calls.items():
        outcome = past.finding.outcome
        if outcome is Outcome.UNKNOWN:
            assert past.unproven is not None
        elif outcome is not seen.get(call):
            differ[form, str(seen.get(call)), outcome.value] += 1
    assert dict(differ) == {key: count for key, (count, _) in KNOWN_ERRORS.items() if key[0] == form}
    assert report.bad == 0
    counts = history.outcomes()
    assert all(counts[outcome] >= count for outcome, count in PROVEN[form].items()), counts


@VERSION
def test_cel_as_the_sample_has_it_proves_no_prank(version: str) -> None:
    """Without the menu's applications in cel.conf CEL shows no prank, and says why; the rest still agrees."""
    seen = outcomes(live(version))
    history, _ = told(as_the_sample(version), site_of(version))
    for call, outcome in outcomes(history).items():
        assert outcome in {Outcome.UNKNOWN, seen[call]}, call
    assert history.outcomes()[Outcome.IVR_PRANK] == 0
    assert history.unproven()[Unproven.MENU_NOT_SHOWN] >= 15
    assert history.outcomes()[Outcome.ANSWERED] >= 22


@VERSION
def test_cel_as_the_manual_advises_proves_as_much_as_all_of_it(version: str) -> None:
    """The events that docs/backtest.md asks for are enough: each call's outcome is the same."""
    whole = lines(version, "cel.csv")
    advised = [line for line in whole if line[1:].startswith(ADVISED_EVENTS)]
    assert len(advised) < len(whole)
    known = site_of(version)
    assert outcomes(told(advised, known)[0]) == outcomes(told(whole, known)[0])


@VERSION
def test_together_they_prove_more(version: str) -> None:
    """CEL as the sample has it, CDR and queue_log of the same calls: each proves what the others cannot."""
    seen = outcomes(live(version))
    known = site_of(version)
    together = History()
    for rows in (as_the_sample(version), lines(version, "cdr.csv"), lines(version, "queue_log")):
        for past in told(rows, known)[0].calls.values():
            together.add(past)
    assert len(together.calls) == len(seen)
    pranks = {call for call, outcome in outcomes(together).items() if outcome is Outcome.IVR_PRANK}
    assert len(pranks) >= 14
    assert all(seen[call] is Outcome.IVR_PRANK for call in pranks)
    assert together.outcomes()[Outcome.ANSWERED] >= 49
