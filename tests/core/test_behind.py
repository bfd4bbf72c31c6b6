"""Calls that Local channels lead on: a lost or late event never makes them pranks."""

from pathlib import Path
from typing import Final

import pytest

from siaga112.core.ami.events import DialBegin, Event, QueueCallerJoin
from siaga112.core.model import Finding, Outcome
from siaga112.core.outcome import classify
from siaga112.core.tracking.tracker import Tracker
from tests.core.streams import CAPTURES, read
from tests.core.table import in_force

RECORDED: Final = [
    path for path in CAPTURES if path.stem.startswith(("behind_", "followme_", "local_", "dial_local"))
]
EACH = pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}-{path.stem}")


def found(path: Path, change: list[Event] | None = None) -> Finding:
    """Return the finding of a recorded call, with its events as recorded or as changed."""
    header, stream = read(path)
    tracker = Tracker(in_force(header.dialplan))
    (call,) = [call for event in (stream if change is None else change) for call in tracker.feed(event)]
    return classify(call, header.rules)


@EACH
def test_a_lost_event_makes_no_prank_and_no_answer(path: Path) -> None:
    """If one event is lost, the call is no prank, and answered only if it was or a queue vouches for it."""
    whole = found(path).outcome
    _, stream = read(path)
    for lost in range(len(stream) - 1):
        try:
            outcome = found(path, [*stream[:lost], *stream[lost + 1 :]]).outcome
        except ValueError:
            continue  # without its start or end, there is no call, or none that ended
        assert outcome is not Outcome.IVR_PRANK
        # A queue vouches for its member until the member is seen waiting in another queue.
        vouched = path.stem == "behind_member_left" and isinstance(stream[lost], QueueCallerJoin)
        assert outcome is not Outcome.ANSWERED or whole is Outcome.ANSWERED or vouched


@pytest.mark.parametrize("version", ["22", "16"])
@pytest.mark.parametrize("name", ["behind_queue_left", "behind_queue_unanswered_left", "behind_two_left"])
def test_who_dialled_may_be_told_after_who_joined(name: str, version: str) -> None:
    """A call is in the queue even if the PBX reports the join before the dial that leads to it."""
    (path,) = [path for path in RECORDED if (path.parent.name, path.stem) == (version, name)]
    _, stream = read(path)
    joined = next(event for event in stream if isinstance(event, QueueCallerJoin))
    first = next(n for n, event in enumerate(stream) if isinstance(event, DialBegin))
    rest = [event for event in stream if event is not joined]
    late = found(path, [*rest[:first], joined, *rest[first:]])
    assert (late.outcome, late.reason) == (Outcome.ABANDONED, "left_queue")
