"""The parts of the benchmarks work. What they measure is not tested here."""

import asyncio
import socket
import sys
import tempfile
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Connection

from benchmarks import announced, build, console, growth, large, load, mix, targets, whole, writing
from benchmarks.book import Book
from benchmarks.feeder import Feeder, GoneError
from benchmarks.servers import client, said, started
from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.versions import bring
from siaga112.core.ami.events import Malformed
from siaga112.core.ami.parser import parse, wanted
from siaga112.core.changes import Change
from siaga112.core.model import Call
from siaga112.core.rules import InForce
from siaga112.core.tracking.tracker import Tracker
from siaga112.settings.schema import Settings
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
    """A session counts only if it received a verdict."""
    port = ports.free()
    with started([build.program("agi_server"), str(port), "0", "0"], port):
        ran = load.sessions(port, 0.1)
        assert ran.samples == []
        assert ran.failed > 0


@pytest.mark.parametrize("path", [mix.FULL, mix.FILTERED])
def test_every_made_call_is_a_call_of_its_own(path: Path) -> None:
    """Each call made from a recorded one is well formed, ends, and has its own id and caller."""
    stream = mix.Mix(path).calls(CALLS)
    tracker = Tracker(InForce(Settings().rules()))
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
    """The AMI client ends once it has received as many events as the stream has."""
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
        process = stack.enter_context(client(command))
        assert said(process) == "ready"
        feeder.send(made.calls(CALLS))
        assert float(said(process)) > 0


ACTION: Final = b"Action: %b\r\nActionID: 1\r\n\r\n"
ANSWER: Final = b"Response: Success\r\nActionID: 1\r\n"
BUFFER: Final = 1 << 16
LONG: Final = 400
"""So many calls that no socket buffers can hold their stream."""


@pytest.mark.night
def test_an_answer_does_not_wait_for_the_end_of_a_stream() -> None:
    """The feeder answers a client within a few pieces of the stream, since siaga112 hangs up after 3 s."""
    stream = mix.Mix(mix.FULL).calls(LONG)
    with Feeder() as feeder, socket.socket() as line:
        line.settimeout(20)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        line.connect(("127.0.0.1", feeder.port))
        line.sendall(ACTION % b"QueueStatus")
        feeder.await_client()
        assert feeder._client
        feeder._client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)

        def feed() -> None:
            with suppress(GoneError):
                feeder.send(stream)

        threading.Thread(target=feed, daemon=True).start()
        waits, since, total, rest = list[int](), 0, 0, b""
        line.recv(1 << 12)
        line.sendall(ACTION % b"Ping")
        while total < len(stream) - (1 << 20):  # ends: the socket has a timeout
            heard = rest + line.recv(1 << 14)
            total += len(heard) - len(rest)
            rest = heard[-len(ANSWER) :]
            if ANSWER in heard:
                waits.append(total - since)
                since, rest = total, b""
                line.sendall(ACTION % b"Ping")
        assert waits
        # What the kernel buffers of it (four buffers, since it doubles each), and the pieces of two turns.
        assert max(*waits, total - since) < 4 * BUFFER + 4 * (1 << 16)


def test_a_client_that_hangs_up_is_told_of() -> None:
    """If the client hangs up, `send` raises an error that says how much was sent."""
    stream = mix.Mix(mix.FULL).calls(LONG)
    with Feeder() as feeder:
        with socket.create_connection(("127.0.0.1", feeder.port), 20) as line:
            line.sendall(ACTION % b"QueueStatus")
            feeder.await_client()
        with pytest.raises(GoneError, match="hung up after"):
            feeder.send(stream)


def test_nobody_is_fed_before_all_its_questions_are_answered() -> None:
    """A client is fed only after its last question: its first snapshot must not wait behind the stream."""
    with Feeder() as feeder, socket.create_connection(("127.0.0.1", feeder.port), 20) as line:
        line.sendall(ACTION % b"Login")
        while b"Response: Success" not in line.recv(1 << 16):  # ends: the socket has a timeout
            pass
        assert not feeder.ready.is_set()
        line.sendall(ACTION % b"QueueStatus")
        feeder.await_client()


def test_a_daemon_that_records_nothing_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A benchmark whose daemon records nothing exits with one line, and does not divide by zero."""
    monkeypatch.setattr(whole, "PATIENCE", 0.2)
    monkeypatch.setattr(whole, "_rows", lambda _: 0)
    with pytest.raises(SystemExit, match=r"^whole\.label: 0 of 3 ended calls are in the ledger after "):
        whole._ended(Book(), "label", mix.Mix(mix.FILTERED), CALLS)


def test_no_sessions_are_said_in_one_line() -> None:
    """A run in which no session got a verdict exits with one line, and does not divide by zero."""
    with pytest.raises(SystemExit, match="no session ended with a verdict in 1 s; 7 failed"):
        load.Sessions([], 1.0, 7, 0).micros(0.5)


@pytest.mark.parametrize("kind", announced.KINDS)
def test_what_events_cost_is_measured_by_leaving_them_out(kind: str) -> None:
    """`silent` and `bare` record a call without an event, and `bare` also without the lists' indexes."""
    assert kind in writing.ANNOUNCED
    with tempfile.TemporaryDirectory() as folder:
        told, indexes = asyncio.run(_told(announced.KINDS[kind], f"sqlite:///{folder}/siaga112.db"))
    assert told == (0 if kind in {"silent", "bare"} else 1)
    assert indexes == (0 if kind == "bare" else 3)


async def _told(kind: type[DatabaseRecords], url: str) -> tuple[int, int]:
    """Record a call; return how many events it wrote, and how many of the lists' indexes exist."""
    records = kind(connect(url), "bench", bring)
    if isinstance(records, announced._Bare):
        await records.strip()
    await records.write([Change(entry=growth.recorded_entry(Settings()))])
    told = await records.last_announced()

    def named(connection: Connection) -> int:
        found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'index'").scalars()
        return sum(name.endswith(tuple(f"site_{one}_started" for one in announced.LISTED)) for name in found)

    indexes = await records.ask(named)
    await records.close()
    return told, indexes


def test_a_client_that_says_nothing_is_ended() -> None:
    """A client that prints nothing in time ends the run."""
    with (
        client([sys.executable, "-c", "import time; time.sleep(600)"]) as silent,
        pytest.raises(SystemExit, match=r"ended, or said nothing for 0\.1 s"),
    ):
        said(silent, 0.1)


def test_a_ratio_is_of_one_round() -> None:
    """A ratio is the median of the rounds' ratios, not the ratio of the medians."""
    book = Book({"a": [10, 20, 90], "b": [10, 10, 30]})
    assert book.ratio("a", "b") == 2


def test_the_guard_fails_beyond_a_quarter(capsys: pytest.CaptureFixture[str]) -> None:
    """The check fails for a guarded ratio that is more than 25 % worse than recorded, and prints it."""
    book = Book({"ami.full.siaga112.cpu": [10], "ami.full.panoramisk.cpu": [20]})
    assert writing.check(book, {"ami_full": 0.45}) == 0
    assert writing.check(book, {"ami_full": 0.39}) == 1
    assert "WORSE" in capsys.readouterr().out


def test_what_was_not_measured_is_not_met() -> None:
    """In the table, a target without a figure counts neither as met nor as not met."""
    assert "met |" not in targets.table(Book())


def test_the_recorded_figures_are_those_of_the_page() -> None:
    """The README's table of targets is generated from the recorded run."""
    assert targets.table(writing.read()) in (writing.FOLDER / "README.md").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.night
def test_the_console_is_asked_for_pages_that_it_has(tmp_path: Path) -> None:
    """On records made in bulk, the console answers each address that is timed and streams events."""
    folder = tmp_path / "state"
    large.fill(folder, 30_000, 2_500)
    with console.room(folder) as at:
        asked = console.addresses(at)
        assert "/calls" in asked.values()
        for path in asked.values():
            api = path.startswith("/api")
            status, body = at.get(path, **({"Authorization": f"Bearer {at.token}"} if api else {}))
            assert status == 200, (path, body[-300:])
        with console.looking("streams", at.console.port, at.cookie, 3) as told:
            pass
        assert told["events"] >= 3
        assert not told.get("cut")
        assert load.sessions(at.daemon.port, 0.3, rate=50).failed == 0
