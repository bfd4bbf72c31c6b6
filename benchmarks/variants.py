"""Variants of the screening half: the same server with one part replaced.

    python -m benchmarks variants                    # interleaved rounds of all of them
    python -m benchmarks.variants NAME PORT REDIS    # serve one

as_is      the product's server and screener, with all standings in memory
look_up    each verdict asks Redis with redis-py, as with stale_after = "0s"
one_trip   each asks over one connection that all sessions share, answers in order
one_line   as it is, but one SET VARIABLE instead of two
bare       a Protocol that does not read the request: the least that Python costs
"""

import asyncio
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Final, cast

import hiredis
import uvloop

from benchmarks import load
from benchmarks.book import Book
from benchmarks.servers import Running, command, redis, started
from siaga112 import logs
from siaga112.adapters import fastagi
from siaga112.adapters.fastagi import FastAgiServer
from siaga112.adapters.redis.block_list import RedisBlockList, key
from siaga112.adapters.redis.connect import connect
from siaga112.app.metrics import open_metrics
from siaga112.app.records import now
from siaga112.core.agi import commands
from siaga112.core.codec import load_standing
from siaga112.core.model import Caller, Millis, Mode
from siaga112.core.rules import InForce
from siaga112.core.screening import Screening
from siaga112.core.standing import NOBODY, Standing
from siaga112.service.ports import StandingReader
from siaga112.service.screening import Screener
from siaga112.settings.schema import Settings
from tests.lab import ports

NAMES: Final = ("as_is", "look_up", "one_trip", "one_line", "bare")
ROUNDS: Final = 5


class _Nobody:
    """A store without data on anybody."""

    async def standing(self, caller: Caller) -> Standing:  # noqa: ARG002 - as the store
        """Return the standing of a caller with no record."""
        return NOBODY

    async def rejected_again(self, caller: Caller, within: Millis) -> bool:  # noqa: ARG002 - as the store
        """Return False."""
        return False


class _OneTrip(_Nobody, asyncio.Protocol):
    """HGET over one connection; answers come in the order of the questions."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._waiting: deque[asyncio.Future[bytes | None]] = deque()
        self._transport: asyncio.Transport | None = None
        self._unsent: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Pass the answers on."""
        self._reader.feed(data)
        while (answer := self._reader.gets()) is not False:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(answer)

    async def standing(self, caller: Caller) -> Standing:
        """Ask, in one write with all others that ask in this turn of the loop."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bytes | None] = loop.create_future()
        self._waiting.append(waiting)
        if not self._unsent:
            loop.call_soon(self._flush)
        self._unsent.append(command("HGET", key("bench", caller), caller))
        text = await waiting
        return load_standing(text) if text else NOBODY

    def _flush(self) -> None:
        assert self._transport is not None
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()


class _Bare(asyncio.Protocol):
    """The least that a server in Python costs."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._buffer = b""
        self._told = False

    def data_received(self, data: bytes) -> None:
        """Answer a whole request; close after its acknowledgement."""
        if self._told:
            self._transport.close()
            return
        self._buffer += data
        if self._buffer.endswith(b"\n\n"):
            self._told = True
            self._transport.write(b'SET VARIABLE SIAGA_VERDICT "ALLOW"\n')


async def serve(name: str, port: int, redis_port: int) -> None:
    """Serve one variant until killed."""
    loop = asyncio.get_running_loop()
    if name == "bare":
        await (await loop.create_server(_Bare, "127.0.0.1", port, backlog=1_024)).serve_forever()
    settings = Settings()
    rules = InForce(replace(settings.rules(), deadline=1.5))
    metrics = open_metrics(settings, rules)
    store: StandingReader = _Nobody()
    if name == "look_up":
        store = RedisBlockList(connect(f"redis://127.0.0.1:{redis_port}/0"), "bench")
    elif name == "one_trip":
        store = (await loop.create_connection(_OneTrip, "127.0.0.1", redis_port))[1]
    elif name == "one_line":
        all_of_them: Callable[[Screening], tuple[bytes, ...]] = commands
        fastagi.commands = lambda screening: all_of_them(screening)[-1:]  # type: ignore[attr-defined,assignment] # for this variant
    screener = Screener(
        store=store,
        known=lambda _: None if name in {"look_up", "one_trip"} else NOBODY,
        mode=lambda: Mode.ENFORCE,
        rules=rules,
        meter=metrics,
        clock=now,
        stopwatch=time.perf_counter,
    )
    await FastAgiServer(screener.answer, metrics.agi_refused).start("127.0.0.1", port)
    await asyncio.Event().wait()  # ends: whoever started this ends it


def measure(book: Book, *, quick: bool, say: Callable[[str], None]) -> None:
    """Give each variant its turn in every round."""
    with ExitStack() as stack:
        store = stack.enter_context(redis())
        servers: dict[str, Running] = {}
        for name in NAMES:
            port = ports.free()
            run = [sys.executable, "-m", "benchmarks.variants", name, str(port), str(store.port)]
            servers[name] = stack.enter_context(started(run, port))
            load.sessions(port, 0.3, at_once=64)
        for turn in range(2 if quick else ROUNDS):
            say(f"round {turn + 1}")
            for at_once in (1, 64):
                for name, server in servers.items():
                    before = server.cpu()
                    ran = load.sessions(server.port, 1.0, at_once=at_once)
                    prefix = f"variants.{name}.{at_once}"
                    book.add(f"{prefix}.rate", ran.rate)
                    book.add(f"{prefix}.p50", ran.micros(0.5))
                    book.add(f"{prefix}.p99", ran.micros(0.99))
                    book.add(f"{prefix}.cpu", (server.cpu() - before) / len(ran.samples) * 1e6)


if __name__ == "__main__":
    logs.configure()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
