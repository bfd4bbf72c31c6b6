"""The parts of the benchmarks work: what they measure is not tested here, but that they measure."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from benchmarks import build, load, mix, targets, writing
from benchmarks.book import Book
from benchmarks.feeder import Feeder
from benchmarks.servers import started
from siaga112.core.calls import Tracker
from siaga112.core.events import Malformed, parse, wanted
from siaga112.core.model import Call
from siaga112.settings import Settings
from tests.lab import ports

CALLS: Final = 3


def test_sessions_are_counted_and_timed() -> None:
    """The load generator makes sessions with the C server, and none of them fails."""
    port = ports.free()
    with started([build.program("agi_server"), str(port), "0", "2"], port) as server:
        ran = load.sessions(server.port, 0.2, at_once=4)
        assert len(ran.samples) > 10
        assert (ran.failed, ran.blocked) == (0, 0)
        assert 0 < ran.micros(0.5) <= ran.micros(0.99)
        assert server.memory() > 0


def test_a_server_that_closes_without_a_verdict_fails_every_session() -> None:
    """A session counts only if it was told a verdict."""
    port = ports.free()
    with started([build.program("agi_server"), str(port), "0", "0"], port):
        ran = load.sessions(port, 0.1)
        assert ran.samples == []
        assert ran.failed > 0


@pytest.mark.parametrize("path", [mix.FULL, mix.FILTERED])
def test_every_made_call_is_a_call_of_its_own(path: Path) -> None:
    """Each call made from a recorded one is well formed, ends, and has its own id and caller."""
    stream = mix.Mix(path).calls(CALLS)
    tracker = Tracker(Settings().dialplan())
    ended: list[Call] = []
    for message in filter(wanted, stream.split(b"\r\n\r\n")[:-1]):
        event = parse(message, 0)
        assert not isinstance(event, Malformed), message
        if event is not None:
            ended += tracker.feed(event)
    assert len({call.id for call in ended}) == CALLS
    assert len({call.caller for call in ended}) == CALLS
    assert tracker.idle


def test_our_client_reads_what_the_feeder_sends() -> None:
    """The AMI client ends when as many events have come as the stream has."""
    made = mix.Mix(mix.FILTERED)
    with Feeder() as feeder, ExitStack() as stack:
        command = [
            sys.executable,
            "-m",
            "benchmarks.ami_siaga112",
            str(feeder.port),
            str(made.typed * CALLS),
            "0",
        ]
        process = stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        feeder.send(made.calls(CALLS))
        assert float(process.stdout.readline()) > 0


def test_a_ratio_is_of_one_round() -> None:
    """A ratio is the median of the rounds' ratios, not the ratio of the medians."""
    book = Book({"a": [10, 20, 90], "b": [10, 10, 30]})
    assert book.ratio("a", "b") == 2


def test_the_guard_fails_beyond_a_quarter(capsys: pytest.CaptureFixture[str]) -> None:
    """A guarded ratio that is worse than the recorded one by more than 25 % fails, and is named."""
    book = Book({"ami.full.siaga112.cpu": [10], "ami.full.panoramisk.cpu": [20]})
    assert writing.check(book, {"ami_full": 0.45}) == 0
    assert writing.check(book, {"ami_full": 0.39}) == 1
    assert "WORSE" in capsys.readouterr().out


def test_what_was_not_measured_is_not_met() -> None:
    """The table says so of a target without a figure."""
    assert "met |" not in targets.table(Book())


def test_the_recorded_figures_are_those_of_the_page() -> None:
    """README.md's table of targets is the recorded run's."""
    assert targets.table(writing.read()) in (writing.FOLDER / "README.md").read_text("utf-8")
