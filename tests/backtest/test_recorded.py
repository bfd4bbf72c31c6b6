"""The same real calls in all four forms: a file proves what the live code saw, or nothing."""

from collections import Counter
from typing import Final

import pytest

from siaga112.backtest.history import History, Unproven
from siaga112.core.model import Outcome
from tests.backtest.recorded import FORMS, VERSIONS, lines, live, site_of, told

PICKED_UP: Final = "an operator had picked up, but was not connected yet when the caller left"
OR_LED_ON: Final = f"{PICKED_UP}; or the queue's member only led on into another queue"
REDIRECTED: Final = "a person took the caller out of the queue, and to somebody else"
KNOWN_ERRORS: Final = {
    ("cdr.csv", "abandoned", "answered"): (3, PICKED_UP),
    ("queue_log", "abandoned", "answered"): (2, OR_LED_ON),
    ("queue_log", "answered", "abandoned"): (1, REDIRECTED),
}
"""Where Asterisk's own record is wrong, by form and outcomes: how often, and why."""

PROVEN: Final = {
    "cel.csv": {Outcome.IVR_PRANK: 16, Outcome.ABANDONED: 27, Outcome.ANSWERED: 30, Outcome.UNSERVED: 8},
    "cdr.csv": {Outcome.IVR_PRANK: 13, Outcome.ANSWERED: 57},
    "queue_log": {Outcome.ABANDONED: 21, Outcome.ANSWERED: 46, Outcome.UNSERVED: 10},
}
"""How many calls each form must prove at least, so that the comparison means something."""

FORM: Final = pytest.mark.parametrize("form", FORMS)
VERSION: Final = pytest.mark.parametrize("version", VERSIONS)
SAMPLE_EVENTS: Final = ("APP_START", "CHAN_", "ANSWER", "HANGUP", "BRIDGE_")
ADVISED_EVENTS: Final = (*SAMPLE_EVENTS, "APP_END")
SAMPLE_APPS: Final = ('"BackGround"', '"WaitExten"', '"Read"', '"Queue"')


def outcomes(history: History) -> dict[str, Outcome]:
    """Return the outcome of each call."""
    return {str(call): past.finding.outcome for call, past in history.calls.items()}


def as_the_sample(version: str) -> list[str]:
    """Return a CEL file reduced to what the sample cel.conf enables (apps=dial,park)."""
    return [
        line
        for line in lines(version, "cel.csv")
        if line[1:].startswith(SAMPLE_EVENTS)
        and not (line[1:].startswith("APP_") and any(app in line for app in SAMPLE_APPS))
    ]


@VERSION
@FORM
def test_agrees_with_the_live_line_or_says_unknown(version: str, form: str) -> None:
    """Each call's outcome is the one that AMI showed, or `unknown` with a reason."""
    seen = outcomes(live(version))
    # In queue_log the waiting Local channel is the call; CDR shows whose it is.
    led = told(lines(version, "cdr.csv"), site_of(version))[0].led
    history, report = told(lines(version, form), site_of(version))
    differ: Counter[tuple[str, str, str]] = Counter()
    for call, past in history.calls.items():
        outcome = past.finding.outcome
        if outcome is Outcome.UNKNOWN:
            assert past.unproven is not None
        elif outcome is not (shown := seen.get(led.get(call, call))):
            differ[form, str(shown), outcome.value] += 1
    assert dict(differ) == {key: count for key, (count, _) in KNOWN_ERRORS.items() if key[0] == form}
    assert report.bad == 0
    counts = history.outcomes()
    assert all(counts[outcome] >= count for outcome, count in PROVEN[form].items()), counts


@VERSION
def test_cel_as_the_sample_has_it_proves_no_prank(version: str) -> None:
    """Without the menu's applications in cel.conf, CEL proves no prank and says why; the rest agrees."""
    seen = outcomes(live(version))
    history, _ = told(as_the_sample(version), site_of(version))
    for call, outcome in outcomes(history).items():
        assert outcome in {Outcome.UNKNOWN, seen[call]}, call
    assert history.outcomes()[Outcome.IVR_PRANK] == 0
    assert history.unproven()[Unproven.MENU_NOT_SHOWN] >= 15
    assert history.outcomes()[Outcome.ANSWERED] >= 22


@VERSION
def test_cel_as_the_manual_advises_proves_as_much_as_all_of_it(version: str) -> None:
    """The events that docs/backtest.md asks for suffice: each call has the same outcome."""
    whole = lines(version, "cel.csv")
    advised = [line for line in whole if line[1:].startswith(ADVISED_EVENTS)]
    assert len(advised) < len(whole)
    known = site_of(version)
    assert outcomes(told(advised, known)[0]) == outcomes(told(whole, known)[0])


@VERSION
def test_together_they_prove_more(version: str) -> None:
    """CEL by the sample cel.conf, CDR and queue_log of the same calls each prove what the others cannot."""
    seen = outcomes(live(version))
    known = site_of(version)
    together = History()
    for rows in (as_the_sample(version), lines(version, "cdr.csv"), lines(version, "queue_log")):
        together.join(told(rows, known)[0])
    assert len(together.calls) == len(seen)
    pranks = {call for call, outcome in outcomes(together).items() if outcome is Outcome.IVR_PRANK}
    assert len(pranks) >= 14
    assert all(seen[call] is Outcome.IVR_PRANK for call in pranks)
    assert together.outcomes()[Outcome.ANSWERED] >= 57


@VERSION
def test_no_file_makes_a_prank_that_the_line_did_not_see(version: str) -> None:
    """A prank in CEL (by the manual's or the sample's cel.conf), CDR or queue_log is one in AMI."""
    seen = outcomes(live(version))
    known = site_of(version)
    for rows in (*(lines(version, form) for form in FORMS), as_the_sample(version)):
        history, _ = told(rows, known)
        assert not [
            call
            for call, outcome in outcomes(history).items()
            if outcome is Outcome.IVR_PRANK and seen[call] is not Outcome.IVR_PRANK
        ]


@VERSION
def test_a_call_that_waited_behind_a_local_channel_is_one_call(version: str) -> None:
    """With CEL or CDR, queue_log adds no call, in whatever order they are read."""
    seen = outcomes(live(version))
    for forms in (("queue_log", "cel.csv"), ("cdr.csv", "queue_log")):
        together = History()
        for form in forms:
            together.join(told(lines(version, form), site_of(version))[0])
        assert set(outcomes(together)) <= set(seen)  # CDR lacks calls that the PBX never answered
