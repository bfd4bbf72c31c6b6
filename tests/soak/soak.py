"""Plays recorded calls at a steady rate to the real daemon, and samples its memory and descriptors."""

import asyncio
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Final

from tests.fakes.manager import Manager, Session
from tests.lab import ports
from tests.lab.agi_client import ask
from tests.lab.daemon import CONFIG, Daemon
from tests.soak import calls
from tests.soak.calls import Played, Recorded

REGULARS: Final = 600
"""Half of the calls come from so many callers, most of whom get blocked; each other call has a new number."""

SCRAPE_SECONDS: Final = 15.0
"""The interval of the scrapes, as by Prometheus."""

WARM_UP_SECONDS: Final = 1_800.0
"""At ten calls a second all bounded memory is in use by then: cached numbers, ended calls, SQLite's 8 MB."""

POOLED: Final = 16
"""How many Redis connections a rush may add: one for each simultaneous call. The driver keeps them."""

MIB: Final = 1 << 20

QUEUE_STATUS: Final = (
    b"Event: QueueParams\r\nQueue: siaga112\r\nMax: 0\r\n\r\n",
    *(
        b"Event: QueueMember\r\nQueue: siaga112\r\nName: %d\r\nLocation: Local/%d@operators/n\r\n"
        b"Paused: 0\r\nStatus: 1\r\n\r\n" % (number, number)
        for number in (101, 102, 103)
    ),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """The daemon's memory and descriptors, and its Redis's memory, so many seconds after the first call."""

    second: float
    memory: int
    descriptors: int
    redis: int


@dataclass(frozen=True, slots=True)
class Soaked:
    """The result of a run."""

    rate: float
    warm_up: float
    samples: tuple[Sample, ...]
    placed: Counter[str]
    """Placed calls, by the outcome with which they were recorded."""
    settled: Counter[str]
    """Settled calls, by the outcome that the daemon counted."""
    verdicts: Counter[str]
    errors: tuple[str, ...]
    """Log lines of another level than info."""

    @property
    def warm(self) -> tuple[Sample, ...]:
        """The samples after the warm-up."""
        return tuple(sample for sample in self.samples if sample.second >= self.warm_up)

    def growth(self) -> float:
        """Return the growth in MB after the warm-up: the mean of the last tenth minus that of the first."""
        first, last = _ends([sample.memory for sample in self.warm])
        return (mean(last) - mean(first)) / MIB

    def descriptors(self) -> tuple[int, int]:
        """Return the fewest open descriptors in the first and in the last tenth after the warm-up.

        The fewest, because a call that waits for its verdict holds one.
        """
        first, last = _ends([sample.descriptors for sample in self.warm])
        return min(first), min(last)

    def broken(self) -> list[str]:
        """Return the promises that did not hold."""
        before, after = self.descriptors()
        promises = {
            "each call has the outcome that it had on the PBX": self.settled == self.placed,
            "memory grows by less than 1 MB": self.growth() < 1,
            "descriptors stay as many": after <= before + POOLED,
            "nothing to complain of in the log": not self.errors,
        }
        return [promise for promise, held in promises.items() if not held]

    def told(self) -> str:
        """Return the figures as text."""
        last = self.samples[-1]
        before, after = self.descriptors()
        return (
            f"{sum(self.settled.values())} calls in {last.second:.0f} s at {self.rate:g}/s "
            f"({', '.join(f'{name} {count}' for name, count in sorted(self.settled.items()))}); "
            f"verdicts {dict(sorted(self.verdicts.items()))}; "
            f"memory {self.warm[0].memory / MIB:.1f} MB after {self.warm_up:.0f} s, then "
            f"{self.growth():+.2f} MB; "
            f"descriptors {before}, then {after}; Redis {last.redis / MIB:.1f} MB"
        )


def _ends(values: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    tenth = max(1, len(values) // 10)
    return values[:tenth], values[-tenth:]


async def soak(
    seconds: float, rate: float = 10.0, tell: Callable[[Sample], None] = lambda _: None, seed: int = 112
) -> Soaked:
    """Run the load for `seconds`; the first half, at most `WARM_UP_SECONDS`, is the warm-up."""
    manager = Manager()
    manager.queues = QUEUE_STATUS
    await manager.start()
    with _daemon(manager.port) as (daemon, agi):
        await daemon.start()
        try:
            await daemon.ready()
            load = _Load(daemon, await manager.session(), agi, random.Random(seed))
            samples = await load.run(seconds, rate, tell)
            await load.over()
            settled = await load.settled()
        finally:
            await daemon.stop()
            await manager.stop()
        errors = [line for line in daemon.lines if line.get("level") != "info"]
    return Soaked(
        rate,
        min(seconds / 2, WARM_UP_SECONDS),
        tuple(samples),
        load.placed,
        settled,
        load.verdicts,
        tuple(json.dumps(line) for line in errors),
    )


@contextmanager
def _daemon(ami: int) -> Iterator[tuple[Daemon, int]]:
    with tempfile.TemporaryDirectory(prefix="s112-soak-") as folder:
        agi, metrics = ports.free(), ports.free()
        more = (
            f'[classifier]\nearly_drop = "{calls.EARLY_DROP}"\n[policy]\nblocks_per_hour = 0\nsurge = false\n'
        )
        config = CONFIG.format(state=f"{folder}/state", ami=ami, agi=agi, metrics=metrics, more=more)
        yield Daemon(Path(folder), config, {"SIAGA112_AMI__SECRET": "lab-siaga112-made-up"}, metrics), agi


class _Load:
    def __init__(self, daemon: Daemon, session: Session, agi: int, chance: random.Random) -> None:
        self.placed: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self._daemon = daemon
        self._session = session
        self._agi = agi
        self._chance = chance
        self._recorded = {name: calls.read(name) for name in calls.MIX}
        self._rejected = calls.read(calls.REJECTED)
        self._running: set[asyncio.Task[None]] = set()
        self._redis = next(line["pid"] for line in daemon.lines if line["event"] == "redis_started")

    async def run(self, seconds: float, rate: float, tell: Callable[[Sample], None]) -> list[Sample]:
        """Place each call at its time, and return the samples taken in between."""
        samples: list[Sample] = []
        step = max(0.5, seconds / 600)
        begun = time.monotonic()
        scraped = 0.0
        for order in range(int(seconds * rate)):
            await asyncio.sleep(begun + order / rate - time.monotonic())
            call = asyncio.create_task(self._place(order))
            self._running.add(call)
            call.add_done_callback(self._running.discard)
            now = time.monotonic() - begun
            if now - scraped > SCRAPE_SECONDS:
                scraped = now
                await self._daemon.metrics()
            if not samples or now - samples[-1].second > step:
                samples.append(self._sample(now))
                tell(samples[-1])
        return samples

    async def over(self) -> None:
        """Wait until every call has ended."""
        await asyncio.gather(*self._running)

    async def settled(self) -> Counter[str]:
        """Wait until the daemon has counted every call; return its counts by outcome."""
        async with asyncio.timeout(30):
            while True:
                found = self._counted(await self._daemon.metrics())
                if found.total() >= self.placed.total():
                    return found
                await asyncio.sleep(0.1)

    async def _place(self, order: int) -> None:
        number = f"0812{self._chance.randrange(REGULARS):07d}" if order % 2 else f"0857{order:07d}"
        (name,) = self._chance.choices(list(calls.MIX), list(calls.MIX.values()))
        call = Played.begun(time.time(), order, number)
        recorded = self._recorded[name]
        uid = call.uid(0).decode()
        # The dialplan asks for the verdict right after Newchannel, before any other event.
        self._play(recorded.messages[0][1], recorded, call)
        answer = await ask(self._agi, number, uid=uid)
        self.verdicts[answer.reason or "no answer"] += 1
        if answer.verdict == "BLOCK":
            recorded = self._rejected
        self.placed[recorded.outcome] += 1
        begun = time.monotonic()
        for later, message in recorded.messages[1:]:
            await asyncio.sleep(begun + later - time.monotonic())
            self._play(message, recorded, call)

    def _play(self, message: bytes, recorded: Recorded, call: Played) -> None:
        self._session.send(recorded.played(message, time.time(), call))

    @staticmethod
    def _counted(metrics: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for line in metrics.splitlines():
            if line.startswith("siaga112_calls_total{") and (value := int(float(line.rsplit(" ", 1)[1]))):
                found[line.partition('outcome="')[2].partition('"')[0]] += value
        return found

    def _sample(self, second: float) -> Sample:
        pid = self._daemon.pid
        return Sample(
            second, _memory(pid), sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()), _memory(self._redis)
        )


def _memory(pid: int) -> int:
    """Return a process's resident memory in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS:"))
