"""Calls led on by Local channels: lost or late events never make a prank."""

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
    """Return the findings of a recorded call, with its events as recorded or changed."""
    header, stream = read(path)
    tracker = Tracker(in_force(header.dialplan))
    (call,) = [call for event in (stream if change is None else change) for call in tracker.feed(event)]
    return classify(call, header.rules)


@EACH
def test_a_lost_event_makes_no_prank_and_no_answer(path: Path) -> None:
    """With any one event lost but the last, a call is no prank, and answered only if it was."""
    whole = found(path).outcome
    _, stream = read(path)
    for lost in range(len(stream) - 1):
        try:
            outcome = found(path, [*stream[:lost], *stream[lost + 1 :]]).outcome
        except ValueError:
            continue  # without begin or end: no call, or no ended one
        assert outcome is not Outcome.IVR_PRANK
        # A queue vouches for its member until the member is seen waiting in another queue.
        vouched = path.stem == "behind_member_left" and isinstance(stream[lost], QueueCallerJoin)
        assert outcome is not Outcome.ANSWERED or whole is Outcome.ANSWERED or vouched


@pytest.mark.parametrize("version", ["22", "16"])
@pytest.mark.parametrize("name", ["behind_queue_left", "behind_queue_unanswered_left", "behind_two_left"])
def test_who_dialled_may_be_told_after_who_joined(name: str, version: str) -> None:
    """Events of different channels are unordered: the call is in the queue anyway."""
    (path,) = [path for path in RECORDED if (path.parent.name, path.stem) == (version, name)]
    _, stream = read(path)
    joined = next(event for event in stream if isinstance(event, QueueCallerJoin))
    first = next(n for n, event in enumerate(stream) if isinstance(event, DialBegin))
    rest = [event for event in stream if event is not joined]
    late = found(path, [*rest[:first], joined, *rest[first:]])
    assert (late.outcome, late.reason) == (Outcome.ABANDONED, "left_queue")
