"""A day of a whole country: 60,000 interleaved calls, with every tenth event lost."""

import random
from collections import Counter
from operator import attrgetter

import pytest

from siaga112.core.ami.events import Event, Interrupted, Resumed
from siaga112.core.model import CallId, Finding, Outcome
from siaga112.core.outcome import classify
from siaga112.core.policy import strike_for
from siaga112.core.regulation import PolicyRules
from siaga112.core.tracking.tracker import Tracker
from tests.core.streams import everything, renamed
from tests.core.table import RULES, in_force

CALLS = 60_000
HOUR = 3_600_000


def day(seed: int) -> list[Event]:
    """Return the events of at least `CALLS` calls, spread over an hour, in order of time."""
    _, streams = everything()
    whole = [
        stream for stream in streams.values() if not any(isinstance(e, Interrupted | Resumed) for e in stream)
    ]
    calls = sum(len(settle(stream)[0]) for stream in whole)
    chance = random.Random(seed)
    events = [
        event
        for n in range(CALLS // calls + 1)
        for k, stream in enumerate(whole)
        for event in renamed(stream, f"{n}.{k}", chance.randrange(HOUR) - stream[0].at)
    ]
    events.sort(key=attrgetter("at"))
    return events


def settle(events: list[Event]) -> tuple[list[Finding], Tracker]:
    """Return the findings of the tracker and the classifier, and the tracker."""
    dialplan, _ = everything()
    tracker = Tracker(in_force(dialplan))
    return [classify(call, RULES) for event in events for call in tracker.feed(event)], tracker


@pytest.mark.night
def test_a_day_with_every_tenth_event_lost() -> None:
    """If every tenth event is lost, no call has two outcomes, and no prank or strike is new."""
    events = day(112)
    full, tracker = settle(events)
    torn, _ = settle([event for n, event in enumerate(events) if n % 10 != 9])

    assert len(full) >= CALLS
    assert tracker.idle
    for found in (full, torn):
        assert max(Counter(finding.call.id for finding in found).values()) == 1
    assert _pranks(torn) <= _pranks(full)
    assert _struck(torn) <= _struck(full)
    assert len(_pranks(torn)) > CALLS / 100, "pranks are still recognised"


def _pranks(found: list[Finding]) -> set[CallId]:
    return {finding.call.id for finding in found if finding.outcome is Outcome.IVR_PRANK}


def _struck(found: list[Finding]) -> set[CallId]:
    return {finding.call.id for finding in found if strike_for(finding, PolicyRules())}
