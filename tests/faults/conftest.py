"""A daemon with its own Redis and a fake manager interface, which sends the events a test gives it."""

import asyncio
import itertools
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest

from siaga112.adapters.http import FRESH_SECONDS
from siaga112.core.caller_id import canonical
from siaga112.core.model import DAY, Caller, CallId, Entry, Millis
from tests.fakes.manager import Manager, Session
from tests.faults.calls import LASTS, answered, misuse, uid
from tests.lab import ports
from tests.lab.agi_client import Answer, ask, no_processor
from tests.lab.daemon import PROGRAM, Daemon, running
from tests.lab.redis_servers import ANSWER_SECONDS, RedisServer, home
from tests.lab.stores import PublishedStore, published_store, site_store
from tests.samples import NOW
from tests.waiting import within

NUMBER: Final = "081211111111"
CALLER: Final = Caller("+6281211111111")


@dataclass
class Switchboard:
    """A fake PBX: a manager interface, and the port at which tests ask the daemon as a dialplan would."""

    manager: Manager = field(default_factory=Manager)
    agi_port: int = field(default_factory=ports.free)
    siaga_secret: str = "lab"

    @property
    def ami_port(self) -> int:
        """The port of its manager interface."""
        return self.manager.port


@dataclass
class Rig:
    """A daemon with its Redis and a fake PBX, whose calls are numbered and come one after the other."""

    redis: RedisServer
    pbx: Switchboard
    daemon: Daemon
    session: Session | None
    url: str = ""
    """The address of Redis, if it is not the server's own."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def ask(self, number: str = NUMBER, uid: str = "1795463311.0") -> Answer:
        """Ask as the dialplan does. The answer's time excludes waits for a processor."""
        before = no_processor(*self.pids)
        answer = await ask(self.pbx.agi_port, number, uid=uid)
        noise = no_processor(*self.pids) - before
        return replace(answer, seconds=max(0.0, answer.seconds - noise))

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that take part in a verdict: the daemon, its Redis, and this one."""
        return self.daemon.pid, self.redis.pid, os.getpid()

    def misuse(self, number: str = NUMBER, trunk: str = "trunk") -> str:
        """Play a call that misuses the line; return its id."""
        call, at = self._next()
        self.play(misuse(call, number, at).replace(b"PJSIP/trunk-", f"PJSIP/{trunk}-".encode()))
        return call

    def answer(self, mark: str, at: Millis | None = None, number: str = NUMBER) -> str:
        """Play a call that an operator answers and marks; return its id. `at`: when it arrives, if given."""
        call, next_at = self._next()
        self.play(answered(call, number, next_at if at is None else at, mark))
        return call

    def _next(self) -> tuple[CallId, Millis]:
        nth = next(self._numbers)
        at = NOW - DAY // 2 + nth * (LASTS + 1_000)
        return uid(nth, at), at

    def play(self, *events: bytes) -> None:
        """Send these events from the PBX."""
        assert self.session
        self.session.send(*events)

    async def up(self, calls: int) -> None:
        """Wait until the daemon has that many calls in progress."""
        async with within(20, f"{calls} calls in progress"):
            while await self.metric("calls_in_progress") != calls:
                pass  # no sleep: each check asks the daemon

    async def done(self, *command: str) -> str:
        """Run a command that must succeed; return its output."""
        output = await self.daemon.command(*command)
        assert output.code == 0, output.err
        return output.out

    async def told(self, reason: str, number: str = NUMBER) -> Answer:
        """Ask until the verdict has that reason. A change reaches verdicts within a second, not at once."""
        async with within(20, f"a verdict for the reason {reason}"):
            while (answer := await self.ask(number)).reason != reason:
                pass  # no sleep: each check asks for a verdict
        return answer

    async def why(self, number: str = NUMBER) -> dict[str, Any]:
        """Return what `siaga112 why` says of a caller."""
        (story,) = json.loads(await self.done("why", number, "--json"))
        return dict(story)

    async def metric(self, name: str, **labels: str) -> float:
        """Return the current sum of a metric's series with these labels."""
        await asyncio.sleep(FRESH_SECONDS)  # a page may be that old
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            float(line.rpartition(" ")[2])
            for line in (await self.daemon.metrics()).splitlines()
            if line.startswith((f"siaga112_{name}{{", f"siaga112_{name} "))
            and all(label in line for label in wanted)
        )

    @asynccontextmanager
    async def store(self) -> AsyncIterator[PublishedStore]:
        """Open the store that the daemon writes to."""
        redis, database = self.url or self.redis.url, self.daemon.given.get("SIAGA112_DATABASE__URL")
        if database:
            store = published_store(database, redis, "lab", 400 * DAY, ANSWER_SECONDS)
        else:
            store = site_store(self.daemon.folder / "state", "lab", redis)
        try:
            yield store
        finally:
            await store.close()

    async def ledger(self) -> list[Entry]:
        """Return the ledger's rows from a day before `NOW` to a day after it."""
        async with self.store() as store:
            return [row async for row in store.entries(NOW - DAY, NOW + DAY)]

    async def strikes(self, number: str = NUMBER) -> list[str]:
        """Return the calls that cost the caller a strike."""
        async with self.store() as store:
            caller = canonical(number)
            assert caller
            return [strike.call for strike in (await store.load(caller)).strikes]

    async def until_recorded(self, rows: int, seconds: float = 20.0) -> list[Entry]:
        """Wait until the ledger has that many rows; return them."""
        async with within(seconds, f"{rows} rows in the ledger"):
            while len(found := await self.ledger()) < rows:
                pass  # no sleep: each check asks the store
        return found


@asynccontextmanager
async def rig(
    redis: RedisServer,
    only: str = "",
    more: str = "",
    *,
    url: str = "",
    wait: bool = True,
    environ: Mapping[str, str] | None = None,
    program: tuple[str, ...] = PROGRAM,
) -> AsyncIterator[Rig]:
    """Run a daemon while the block runs. `url`: the address of Redis, if it is not the server's own."""
    pbx = Switchboard()
    await pbx.manager.start()
    environ = {"SIAGA112_AMI__CLOCK_TOLERANCE": "1d", **(environ or {})}  # for calls in the past
    config = f'[redis]\nurl = "{url or redis.url}"\n{more}'
    try:
        async with running(pbx, config, environ=environ, only=only, wait=wait, program=program) as daemon:
            session = await pbx.manager.session() if only != "screen" and wait else None
            found = Rig(redis, pbx, daemon, session, url)
            if only == "screen" and wait and "SIAGA112_DATABASE__URL" not in environ:
                async with found.store() as store:
                    await store.published()  # as the tracking half would have left Redis
            yield found
    finally:
        await pbx.manager.stop()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """Yield a Redis that a test may harm. Every write that it acknowledged survives a kill."""
    with home() as folder, RedisServer(folder, "appendonly yes", "appendfsync always") as server:
        yield server


def resident(pid: int) -> float:
    """Return the resident memory of a process, in MB."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:  # noqa: PTH123 - no path: a kernel's file
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def descriptors(pid: int) -> int:
    """Count a process's open files."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - names alone


def accepted(pid: int, port: int) -> int:
    """Count the connections to a port that the process has accepted; a waiting one has no inode yet."""
    count = 0
    for line in Path(f"/proc/{pid}/net/tcp").read_text("ascii").splitlines()[1:]:
        _, local, _, state, *_, inode = line.split()[:10]
        count += state == "01" and inode != "0" and int(local.rpartition(":")[2], 16) == port
    return count
