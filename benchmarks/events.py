"""AMI: processor time from the socket to a typed event, beside panoramisk; and the lag at 10,000 events/s."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks import build, mix
from benchmarks.book import Book
from benchmarks.feeder import Feeder
from benchmarks.servers import client, said
from siaga112.core.ami.parser import WANTED

KINDS: Final = 187
"""With this many kinds added to ours, there are 200."""

LAG_RATE: Final = 10_000
LAG_EVERY: Final = 0.01
_PEER: Final = Path(__file__).parent / "peers" / "ami_panoramisk.py"


def measure(book: Book, *, quick: bool, say: Callable[[str], None]) -> None:
    """Feed each client the same stream in turn."""
    rounds, ours_calls, peer_calls = (3, 200, 60) if quick else (7, 400, 120)
    names = sorted(name.decode() for name in WANTED)
    for label, path in (("full", mix.FULL), ("filtered", mix.FILTERED)):
        say(f"{label} stream")
        made = mix.Mix(path)
        scale = 1 if label == "full" else 10
        ours, peers = made.calls(ours_calls * scale), made.calls(peer_calls * scale)
        for _ in range(rounds):
            typed = made.typed * ours_calls * scale
            for kinds in (0, KINDS):
                spent = _feed([*_ours(), str(typed), str(kinds)], ours)
                book.add(
                    f"ami.{label}.siaga112{'_200' * bool(kinds)}.cpu",
                    _micros(spent, made, ours_calls * scale),
                )
            least = [sys.executable, "-m", "benchmarks.least_ami", "{port}", str(typed)]
            book.add(f"ami.{label}.least.cpu", _micros(_feed(least, ours), made, ours_calls * scale))
            wanted = made.wanted * peer_calls * scale
            spent = _feed([build.peers(), str(_PEER), "{port}", str(wanted), *names], peers)
            book.add(f"ami.{label}.panoramisk.cpu", _micros(spent, made, peer_calls * scale))
    say(f"lag at {LAG_RATE:,} events/s")
    made = mix.Mix(mix.FULL)
    for _ in range(1 if quick else 5):
        _lag(book, made, 3.0)


def _ours() -> list[str]:
    return [sys.executable, "-m", "benchmarks.ami_siaga112", "{port}"]


def _micros(seconds: float, made: mix.Mix, calls: int) -> float:
    return seconds / (made.events * calls) * 1e6


def _feed(command: Sequence[str | Path], stream: bytes) -> float:
    """Run a client, feed it as fast as it reads, and return the processor time that it reports."""
    with Feeder() as feeder:
        filled = [str(word).format(port=feeder.port) for word in command]
        with client(filled) as process:
            if (first := said(process)) != "ready":
                raise SystemExit(f"{filled} is not ready: {first}")
            feeder.send(stream)
            return float(said(process))


def _lag(book: Book, made: mix.Mix, seconds: float) -> None:
    """Send the full stream at this rate in small pieces, each of which ends with its time of sending."""
    pieces = _cut(made.calls(int(LAG_RATE * seconds / made.events) + 1), int(LAG_RATE * LAG_EVERY))
    with Feeder() as feeder:
        command = [sys.executable, "-m", "benchmarks.lag", str(feeder.port), str(len(pieces))]
        with client(command) as process:
            said(process)
            feeder.pace(pieces, LAG_EVERY)
            p50, p99, worst, cpu = map(float, said(process).split())
    book.add_all("ami.lag", {"p50": p50, "p99": p99, "max": worst, "cpu": cpu})


def _cut(stream: bytes, events: int) -> list[bytes]:
    messages = stream.split(b"\r\n\r\n")[:-1]
    return [
        b"".join(message + b"\r\n\r\n" for message in messages[at : at + events])
        for at in range(0, len(messages), events)
    ]
