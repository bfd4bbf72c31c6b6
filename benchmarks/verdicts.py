"""FastAGI sessions: siaga112 beside the peers and the limit, at 1, 16 and 64 at once."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks import build, load, people, replica
from benchmarks.book import Book
from benchmarks.servers import Running, redis, siaga112, started
from tests.lab import ports

AT_ONCE: Final = (1, 16, 64)
PEERS: Final = ("streams", "panoramisk", "pystrix")
MILLION: Final = 1_000_000
CALLERS: Final = 50_000
"""Different callers in turn: about as many as the centre had calls in its first month."""

_PEERS_FOLDER: Final = Path(__file__).parent / "peers"


def measure(book: Book, *, quick: bool, say: Callable[[str], None]) -> None:
    """Start all servers, and give each its turn in every round."""
    rounds, seconds, held = (3, 0.5, 100_000) if quick else (5, 1.0, MILLION)
    with ExitStack() as stack:
        empty, full = stack.enter_context(redis()), stack.enter_context(redis())
        say(f"a block list of {held:,}")
        empty.load(people.blocked(0))  # a complete list of nobody, not a Redis that lost its list
        full.load(people.blocked(held))
        servers: dict[str, Running] = {"siaga112": stack.enter_context(siaga112(empty.url, only="screen"))}
        servers["siaga112_full"] = daemon = stack.enter_context(siaga112(full.url, only="screen"))
        asking = siaga112(empty.url, only="screen", more='stale_after = "0s"\n')
        servers["siaga112_asking"] = stack.enter_context(asking)
        for name, arguments in {"c": (empty.port, 1), "c_two": (empty.port, 2), "nothing": (0, 1)}.items():
            port = ports.free()
            program: list[str | Path] = [build.program("agi_server"), *map(str, (port, *arguments))]
            servers[name] = stack.enter_context(started(program, port))
        port = ports.free()
        least: list[str | Path] = [sys.executable, "-m", "benchmarks.variants", "bare", str(port), "0"]
        servers["least"] = stack.enter_context(started(least, port))
        for name in PEERS:
            port = ports.free()
            script: list[str | Path] = [
                build.peers(),
                _PEERS_FOLDER / f"fastagi_{name}.py",
                str(port),
                str(empty.port),
            ]
            servers[name] = stack.enter_context(started(script, port))
        for server in servers.values():  # warm up connections to Redis, code and the cache of numbers
            load.sessions(server.port, 3.0, at_once=64, numbers=CALLERS)
        replica.until(lambda: replica.callers(daemon) == held)
        order = list(servers)
        for turn in range(rounds):
            say(f"round {turn + 1} of {rounds}")
            for at_once in AT_ONCE:
                for name in order[turn % len(order) :] + order[: turn % len(order)]:
                    _one(book, f"fastagi.{name}.{at_once}", servers[name], seconds, at_once)
            for at_once in (1, 64):
                blocked = f"fastagi.siaga112_blocked.{at_once}"
                _one(book, blocked, servers["siaga112_full"], seconds, at_once, first=load.BLOCKED)


def _one(
    book: Book, name: str, server: Running, seconds: float, at_once: int, *, first: int = load.NOT_BLOCKED
) -> None:
    before = server.cpu()
    ran = load.sessions(server.port, seconds, at_once=at_once, first=first, numbers=CALLERS)
    book.add_all(
        name,
        {
            "rate": ran.rate,
            "p50": ran.micros(0.50),
            "p99": ran.micros(0.99),
            "cpu": (server.cpu() - before) / max(1, len(ran.samples)) * 1e6,
            "failed": ran.failed,
            "blocked": ran.blocked / max(1, len(ran.samples)),
        },
    )
