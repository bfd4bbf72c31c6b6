"""Laws of tracking and classification, checked with all event streams of the tests."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.core.ami.events import Event, Interrupted, Newchannel, Resumed, SiagaMark
from siaga112.core.model import CallId, Finding, Outcome
from siaga112.core.policy import strike_for
from siaga112.core.regulation import PolicyRules
from siaga112.core.tracking.tracker import Tracker
from tests.core.streams import BY_DEED, CAPTURES, ONE_WAY, read
from tests.core.table import DIALPLAN, events, in_force, settle, spelled
from tests.core.test_calls import CALLS

STREAMS = [events(table) for table, _ in CALLS.values()]
RULES = PolicyRules()


def renamed(stream: list[Event], n: int) -> list[Event]:
    """Return the same call with uniqueids of its own."""
    names = ("uid", "leg", "bridge")
    changes: list[dict[str, Any]] = [
        {name: f"{n}-{getattr(event, name)}" for name in names if hasattr(event, name)} for event in stream
    ]
    return [replace(event, **change) for event, change in zip(stream, changes, strict=True)]


def by_call(found: list[Finding]) -> dict[CallId, str]:
    """Return the short form of each call's finding."""
    return {finding.call.id: spelled(finding) for finding in found}


@given(st.data(), st.lists(st.sampled_from(STREAMS), min_size=2, max_size=5))
def test_unrelated_calls_interleaved_change_nothing(data: st.DataObject, chosen: list[list[Event]]) -> None:
    """A call has the same outcome alone as among others, however their events are interleaved."""
    calls = [renamed(stream, n) for n, stream in enumerate(chosen) if not _has_interruption(stream)]
    alone = {call: text for stream in calls for call, text in by_call(settle(stream)).items()}
    left = [list(stream) for stream in calls]
    mixed: list[Event] = []
    while any(left):
        pick = data.draw(st.integers(0, len(left) - 1))
        if left[pick]:
            mixed.append(left[pick].pop(0))
        else:
            left.pop(pick)
    assert by_call(settle(mixed)) == alone


def _has_interruption(stream: list[Event]) -> bool:
    return not all(hasattr(event, "uid") for event in stream)


BY_PLACE = {name: stream for name, stream in ONE_WAY.items() if name not in BY_DEED}


@pytest.mark.parametrize("stream", ONE_WAY.values(), ids=list(ONE_WAY))
@given(data=st.data())
def test_losing_events_in_a_gap_never_makes_a_prank_or_a_strike(
    stream: list[Event], data: st.DataObject
) -> None:
    """A call that was up during a declared gap never becomes a prank and never gives a strike."""
    kept = [event for event in stream if data.draw(st.booleans())]
    cut = data.draw(st.integers(0, max(0, len(kept) - 1)))
    at = stream[0].at
    torn = settle([*kept[:cut], Interrupted(at, "lost"), Resumed(at, ()), *kept[cut:]])
    began = any(isinstance(event, Newchannel) for event in kept[cut:])
    if not began:
        assert not any(finding.outcome is Outcome.IVR_PRANK for finding in torn)
        assert not any(strike_for(finding, RULES) for finding in torn)


ALONE = {"back_in_menu", "menu_left_with_key_down", "menu_left_at_once_after_our_silence"}
"""Scenarios in which a single event speaks for the caller, so the law does not hold without it.

For the first, see ONE_WAY. A key that is still down has only its start, and our slow answer only its end.
"""


@pytest.mark.parametrize(
    "path", [path for path in CAPTURES if not any(name in path.stem for name in ALONE)], ids=str
)
def test_losing_any_one_event_of_a_real_call_never_makes_a_prank_or_a_strike(path: Path) -> None:
    """Losing any one event of a recorded call, except a mark, makes no call a prank and gives no strike."""
    header, stream = read(path)
    found = settle(stream, header.dialplan)
    pranks = {finding.call.id for finding in found if finding.outcome is Outcome.IVR_PRANK}
    struck = {finding.call.id for finding in found if strike_for(finding, RULES)}
    for n in [n for n, event in enumerate(stream) if not isinstance(event, SiagaMark)]:
        for finding in settle([*stream[:n], *stream[n + 1 :]], header.dialplan):
            assert finding.outcome is not Outcome.IVR_PRANK or finding.call.id in pranks, stream[n]
            assert strike_for(finding, RULES) is None or finding.call.id in struck, stream[n]


@pytest.mark.parametrize("stream", BY_PLACE.values(), ids=list(BY_PLACE))
@given(data=st.data())
def test_losing_events_never_makes_a_prank_or_a_strike(stream: list[Event], data: st.DataObject) -> None:
    """Losing any number of events may hide a prank or a strike, but never makes one."""
    kept = [event for event in stream if data.draw(st.booleans())]
    whole, torn = settle(stream), settle(kept)
    assert len(torn) <= len(whole)
    for finding in torn:
        if finding.outcome is Outcome.IVR_PRANK:
            assert whole[0].outcome is Outcome.IVR_PRANK
        if strike_for(finding, RULES):
            assert strike_for(whole[0], RULES)


@given(st.lists(st.sampled_from([event for stream in STREAMS for event in stream]), max_size=60))
def test_any_order_of_any_events_raises_nothing(stream: list[Event]) -> None:
    """Duplicate, missing and unordered events raise nothing, and give at most one outcome per call seen."""
    arrivals = sum(isinstance(event, Newchannel) for event in stream)
    adopted = sum(
        getattr(event, "name", "") == "SIAGA_CALLER" or not hasattr(event, "uid") for event in stream
    )
    assert len(settle(stream)) <= arrivals + adopted


@given(st.lists(st.sampled_from(STREAMS), max_size=5))
def test_the_tracker_is_empty_after_every_legs_end(chosen: list[list[Event]]) -> None:
    """When all legs have ended, the tracker keeps nothing of any call."""
    tracker = Tracker(in_force(DIALPLAN))
    for n, stream in enumerate(chosen):
        for event in renamed(stream, n) if not _has_interruption(stream) else stream:
            tracker.feed(event)
        for event in events("23:00:00 Hangup 100.2\n23:00:00 BridgeLeave 100.2 bridge=b1"):
            tracker.feed(event if _has_interruption(stream) else renamed([event], n)[0])
    assert tracker.idle
