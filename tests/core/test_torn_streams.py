"""Streams that are cut at any event, doubled or shuffled: one outcome per call, and no new prank."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siaga112.core.ami.events import DialplanPosition, Event, Hangup, Interrupted, Newexten, Resumed
from siaga112.core.model import Finding, Outcome
from siaga112.core.outcome import classify
from siaga112.core.policy import strike_for
from siaga112.core.regulation import PolicyRules
from siaga112.core.tracking.tracker import Tracker
from tests.core.streams import BY_DEED, everything
from tests.core.table import RULES, in_force

DIALPLAN, STREAMS = everything()
EACH = pytest.mark.parametrize("stream", STREAMS.values(), ids=list(STREAMS))


def settle(stream: list[Event]) -> list[Finding]:
    """Return the findings of the tracker and the classifier."""
    tracker = Tracker(in_force(DIALPLAN))
    return [classify(call, RULES) for event in stream for call in tracker.feed(event)]


def pranks(found: list[Finding]) -> set[str]:
    """Return the calls that are pranks."""
    return {finding.call.id for finding in found if finding.outcome is Outcome.IVR_PRANK}


def outcomes(found: list[Finding]) -> list[tuple[str, str, str]]:
    """Return the short form of each finding, in order."""
    return [(finding.call.id, finding.outcome, finding.reason) for finding in found]


@EACH
@pytest.mark.fault("ami_torn")
def test_cut_anywhere(stream: list[Event]) -> None:
    """If the connection is lost at any event, a call ends at most once, and gets no strike if it was up."""
    whole = settle(stream)
    for cut in range(len(stream)):
        at = stream[cut].at
        found = settle([*stream[:cut], Interrupted(at, "lost"), Resumed(at, ())])
        ended = Counter(finding.call.id for finding in found if not finding.call.marked_later)
        assert max(ended.values(), default=0) <= 1
        assert pranks(found) <= pranks(whole)
        before = settle(stream[:cut])
        after = [finding for finding in found if finding.call.id not in {f.call.id for f in before}]
        assert not any(strike_for(finding, PolicyRules()) for finding in after)


@EACH
@pytest.mark.fault("ami_torn")
def test_everything_twice(stream: list[Event]) -> None:
    """Delivering each event twice changes no outcome, and gives no second one."""
    ours = (Interrupted, Resumed)  # events of our own, which no PBX can deliver twice
    twice = [event for event in stream for _ in range(1 if isinstance(event, ours) else 2)]
    assert outcomes(settle(twice)) == outcomes(settle(stream))


@pytest.mark.parametrize(
    "stream",
    [stream for name, stream in STREAMS.items() if name not in BY_DEED],
    ids=[name for name in STREAMS if name not in BY_DEED],
)
@settings(max_examples=10)  # for each of hundreds of recordings
@given(data=st.data())
@pytest.mark.fault("ami_torn")
def test_any_order(stream: list[Event], data: st.DataObject) -> None:
    """Shuffling the events makes no other call a prank."""
    shuffled = data.draw(st.permutations(stream))
    assert pranks(settle(shuffled)) <= pranks(settle(stream))


@pytest.mark.fault("ami_flood")
def test_100000_events_that_nobody_knows_leave_nothing_behind() -> None:
    """Events of channels whose start was not seen are ignored, and do not fill the memory."""
    tracker = Tracker(in_force(DIALPLAN))
    place = DialplanPosition("siaga112-ivr", "s", "1")
    for n in range(100_000):
        tracker.feed(Newexten(n, f"{n}.1", place, "BackGround"))
        tracker.feed(Hangup(n, f"{n}.1", place, "16"))
    assert tracker.idle
    assert len(tracker._arrivals._done) <= 4_096
