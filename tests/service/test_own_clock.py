"""Our own clock: if it is set back, the time that it showed before counts for a day."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from siaga112.adapters.clock_file import ClockFile
from siaga112.core.model import DAY, SECOND, TOLERANCE, Millis
from siaga112.service.own_clock import BELIEVED_SECONDS, OwnClock
from tests.samples import NOW


class Turned:
    """A clock that the test sets, with its stored time in a folder."""

    def __init__(self, folder: Path) -> None:
        self.now, self.seconds = NOW, 100.0
        self.kept = ClockFile(folder)
        self.clock = OwnClock(lambda: self.now, lambda: self.seconds, self.kept)

    def shows(self, at: Millis, after: float = 1.0) -> Millis:
        """Let some seconds pass and set the clock; return the latest time that is believed."""
        self.now = at
        self.seconds += after
        self.clock.look()
        return self.clock.latest()


async def test_what_was_shown_before_a_step_is_believed_for_a_day(tmp_path: Path) -> None:
    """After a step of a week back, the time shown before counts for a day, and then the clock's own time."""
    turned = Turned(tmp_path)
    assert turned.shows(NOW) == NOW
    with capture_logs() as logs:
        assert turned.shows(NOW - 7 * DAY) == NOW
        assert turned.shows(NOW - 7 * DAY + 1, BELIEVED_SECONDS - 1) == NOW
        taken = NOW - 6 * DAY
        assert turned.shows(taken, 2.0) == taken
        assert turned.shows(taken + SECOND) == taken + SECOND
    assert [line["event"] for line in logs] == ["clock_set_back", "clock_accepted"]


async def test_a_clock_that_was_ahead_and_is_put_right_is_believed_after_a_day(tmp_path: Path) -> None:
    """If the clock was ten years ahead for a moment, that time counts for a day, and then the clock's own."""
    turned = Turned(tmp_path)
    assert turned.shows(NOW + 3_653 * DAY) == NOW + 3_653 * DAY
    assert turned.shows(NOW) == NOW + 3_653 * DAY
    assert turned.shows(NOW + DAY + 2 * SECOND, BELIEVED_SECONDS + 1) == NOW + DAY + 2 * SECOND


async def test_a_small_step_is_the_clock(tmp_path: Path) -> None:
    """A step back within the tolerance is believed at once and is not logged."""
    turned = Turned(tmp_path)
    with capture_logs() as logs:
        assert turned.shows(NOW) == NOW
        assert turned.shows(NOW - TOLERANCE) == NOW - TOLERANCE
    assert logs == []


async def test_what_was_shown_is_kept_over_a_restart(tmp_path: Path) -> None:
    """The time that the clock showed before a restart counts after it."""
    Turned(tmp_path).kept.write(NOW)
    turned = Turned(tmp_path)
    turned.now = NOW - 7 * DAY
    with capture_logs() as logs:
        await turned.clock.begin()
    assert turned.clock.latest() == NOW
    assert [line["event"] for line in logs] == ["clock_set_back"]


@pytest.mark.parametrize("text", [b"", b"junk", b"-5", b"1", b"9" * 30, b"\xff\0", "²".encode()])
async def test_what_is_no_instant_is_nothing(tmp_path: Path, text: bytes) -> None:
    """A stored time that is no valid instant is ignored."""
    (tmp_path / "clock").write_bytes(text)
    turned = Turned(tmp_path)
    await turned.clock.begin()
    assert turned.clock.latest() == NOW


async def test_a_state_directory_that_cannot_be_read_ends_nothing(tmp_path: Path) -> None:
    """A stored time that cannot be read is logged, and the clock's own time counts."""
    (tmp_path / "clock").mkdir()
    turned = Turned(tmp_path)
    with capture_logs() as logs:
        await turned.clock.begin()
    assert [line["event"] for line in logs] == ["clock_not_read"]
    assert turned.clock.latest() == NOW
