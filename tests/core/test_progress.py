"""Stages of the calls in progress: the incremental state equals a walk through all calls."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from siaga112.core.ami.events import Event, QueueCallerJoin
from siaga112.core.model import CallId, Stage
from siaga112.core.tracking.stages import SHOWN, Progress, Spot
from siaga112.core.tracking.tracked_call import TrackedCall
from siaga112.core.tracking.tracker import Tracker
from tests.core.streams import ONE_WAY, renamed
from tests.core.table import DIALPLAN, in_force

STREAMS = [renamed(stream, str(n), n) for n, stream in enumerate(ONE_WAY.values())]
LATER = [renamed(stream, str(n), 10_000 + n) for n, stream in enumerate(ONE_WAY.values())]
EVENTS = [event for stream in STREAMS + LATER for event in stream]


def queued(call: TrackedCall) -> QueueCallerJoin | None:
    """Return the queue in which a call waits, if any."""
    return call.queue if call.stage is Stage.QUEUE and not call.hung_up else None


def agrees(tracker: Tracker) -> set[Stage]:
    """Check that the tracker's state equals a walk through its calls; return the stages that have calls."""
    calls = list(tracker._calls.values())
    stages = Counter(call.stage for call in calls)
    assert tracker.stages() == stages
    queues: dict[str, list[int]] = {}
    for call in calls:
        if queue := queued(call):
            queues.setdefault(queue.queue, []).append(queue.at)
    assert tracker.waiting() == {queue: (len(since), min(since)) for queue, since in queues.items()}
    for before in {at for since in queues.values() for at in since}:
        late = {call.number or call.id for call in calls if (queue := queued(call)) and queue.at < before}
        assert tracker.overdue(frozenset(queues), before, 1_000) == len(late)
    first = sorted(calls, key=lambda call: (SHOWN.index(call.stage), call.since, call.id))
    assert [one.call for one in tracker.in_progress(len(calls) + 1)] == [call.id for call in first]
    assert [one.call for one in tracker.in_progress(2)] == [call.id for call in first[:2]]
    return set(stages)


@given(st.lists(st.sampled_from(EVENTS), max_size=80))
def test_whatever_happens_the_kept_order_is_that_of_a_walk(stream: list[Event]) -> None:
    """After any events in any order, the counts, queues and order of calls equal those of a walk."""
    tracker = Tracker(in_force(DIALPLAN))
    for event in stream:
        tracker.feed(event)
        agrees(tracker)


@given(st.data(), st.lists(st.sampled_from(STREAMS), min_size=2, max_size=6))
def test_calls_that_run_side_by_side(data: st.DataObject, chosen: list[list[Event]]) -> None:
    """While complete calls are interleaved, the state after each event equals a walk."""
    tracker, left = Tracker(in_force(DIALPLAN)), [list(stream) for stream in chosen]
    while left:
        stream = left[data.draw(st.integers(0, len(left) - 1))]
        tracker.feed(stream.pop(0))
        agrees(tracker)
        left = [stream for stream in left if stream]


def test_the_streams_lead_through_every_stage() -> None:
    """The streams that these laws use pass through every stage."""
    tracker = Tracker(in_force(DIALPLAN))
    assert {stage for stream in STREAMS for event in stream for stage in _fed(tracker, event)} == set(Stage)


def _fed(tracker: Tracker, event: Event) -> set[Stage]:
    tracker.feed(event)
    return agrees(tracker)


def test_nothing_stays_of_a_call_that_is_gone() -> None:
    """Nothing remains of a dropped call or an empty queue, even if the call is dropped twice."""
    progress = Progress()
    progress.put(CallId("1.1"), Spot(Stage.QUEUE, 7, "fire", 5))
    progress.put(CallId("1.1"), Spot(Stage.QUEUE, 7, "police", 6))
    assert progress.waiting() == {"police": (1, 6)}
    progress.drop(CallId("1.1"))
    progress.drop(CallId("1.1"))
    assert (progress.waiting(), progress.stages(), list(progress.in_order())) == ({}, Counter(), [])
    assert not progress._queues
