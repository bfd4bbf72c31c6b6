"""kill -9 at every step between a hang-up and the stored strike: no call is lost or counted twice.

The victim is the daemon, Redis or PostgreSQL. At the end, the callers who must be blocked are, everywhere.
"""

import asyncio
import signal
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

import pytest

from siaga112.core.caller_id import canonical
from siaga112.core.model import Caller, CallId, Entry, Millis, Outcome
from siaga112.core.standing import Standing
from tests.fakes.manager import Session
from tests.faults.calls import arrives, leaves, uid
from tests.faults.conftest import Rig, rig
from tests.faults.figures import Measured
from tests.faults.killed import CALL_BY_CALL, STEPS, TOGETHER, order
from tests.lab.agi_client import ask
from tests.lab.daemon import PROGRAM, Daemon, running
from tests.lab.postgres import Postgres, postgres, with_tables
from tests.lab.redis_servers import RedisServer
from tests.samples import NOW
from tests.waiting import until, within

pytestmark = pytest.mark.redis

AT_ONCE: Final = 20
"""Calls that are up at the same time and end together, each with its own caller."""

ROUNDS: Final = 3
"""How often each caller misuses the line. The last time leads to a block."""

RULES: Final = "[policy]\nwarn_from = 1\nthreshold = 2\nblocks_per_hour = 0\n"
BY_HAND: Final = "081299999999"
"""A caller who is blocked permanently, by a person, before the first call."""

LIFTED_BEFORE: Final = "081288888888"
"""A caller who is blocked permanently and unblocked before the first call."""

BOUND: Final = 60


def noted(found: Rig) -> set[str]:
    """Return the calls that are noted on disk as in progress."""
    with closing(sqlite3.connect(f"file:{found.daemon.folder}/state/outbox.db?mode=ro", uri=True)) as outbox:
        return {call for (call,) in outbox.execute("SELECT call FROM in_progress")}


def number(nth: int) -> str:
    """Return the number of the nth call's caller."""
    group, place = divmod(nth, AT_ONCE)
    return f"0812{group // ROUNDS * AT_ONCE + place:08}"


def known(raw: str) -> Caller:
    """Return the caller with this number."""
    caller = canonical(raw)
    assert caller
    return caller


async def session(found: Rig, *program: str) -> Session:
    """Start the daemon; return its AMI connection once it follows the PBX."""
    since = len(found.daemon.lines)
    found.daemon.program = program
    await found.daemon.start("--only", "track")
    await found.daemon.ready("track", since=since)
    return await found.pbx.manager.session()


async def up(found: Rig, following: Session, first: int) -> list[tuple[CallId, str, Millis]]:
    """Let calls arrive, and wait until the daemon has noted them on disk."""
    calls = []
    for nth in range(first, first + AT_ONCE):
        at = NOW - 3_600_000 + nth * 1_000
        calls.append((uid(nth, at), number(nth), at))
    following.send(*(arrives(*call) for call in calls))
    await until(lambda: noted(found) >= {call for call, _, _ in calls}, 20)
    return calls


# ── who is killed ────────────────────────────────────────────────────────────────────────────────


@dataclass
class Scene:
    """A tracking half, a screening half beside it, and how the victim is killed and started again."""

    found: Rig
    screening: Daemon
    following: Session
    doomed: tuple[str, ...]
    """The program that can kill at each of its steps."""
    ended: Callable[[], Awaitable[None]]
    """Waits for the victim's end."""
    again: Callable[[int], Awaitable[None]]
    """Starts the victim again after that round."""
    pids: Callable[[], Sequence[int]] = tuple
    """Returns the victim's processes; none if the program kills itself."""
    decide: bool = True
    """Whether people can decide while the victim is down."""
    placed: list[tuple[CallId, str]] = field(default_factory=list)
    lifted: set[Caller] = field(default_factory=lambda: {known(LIFTED_BEFORE)})

    async def round(self, nth: int, step: str, times: int) -> None:
        """Let twenty calls end, and have the victim killed meanwhile."""
        path = self.found.daemon.folder / "order"
        calls = await up(self.found, self.following, nth * AT_ONCE)
        self.placed += [(call, raw) for call, raw, _ in calls]
        order(path, step, times, *self.pids())
        self.found.daemon.signal(signal.SIGUSR1)
        await until(lambda: not path.exists(), 20, "the daemon to have read its order")
        self.following.send(*(leaves(*call) for call in calls))
        async with within(BOUND, f"the end at: {step}"):
            await self.ended()
        if self.decide:
            await self.lift(raw for _, raw, _ in calls)
        await self.again(nth)

    async def lift(self, numbers: Iterable[str]) -> None:
        """Unblock one of these callers whose block is stored but perhaps not published yet."""
        async with self.found.store() as store:
            records = {raw: await store.records.load(known(raw)) for raw in numbers}
        blocked = [raw for raw, one in records.items() if any(block.lifted is None for block in one.blocks)]
        for raw in blocked[:1]:
            await self.found.done("unblock", raw, "--reason", "the phone was stolen")
            self.lifted.add(known(raw))

    async def settled(self) -> None:
        """Wait until all calls are recorded and all standings are published."""
        await until(lambda: not noted(self.found), 20)
        async with within(BOUND, "an empty outbox and nothing to publish"):
            while await self.found.metric("outbox_pending"):
                pass  # no sleep: each check asks the daemon
            async with self.found.store() as store:
                while await store.records.unpublished():
                    pass  # nor here: each check asks the database

    async def rejected(self) -> set[Caller]:
        """Ask the screening half about all callers; return those whom it rejects."""
        numbers = {raw for _, raw in self.placed} | {BY_HAND, LIFTED_BEFORE}
        return {known(raw) for raw in numbers if (await self.asked(raw)) == "blocked"}

    async def asked(self, raw: str) -> str:
        """Ask the screening half about a caller; return the reason of the verdict."""
        return (await ask(self.found.pbx.agi_port, raw)).reason


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Postgres | None]:
    """Yield a PostgreSQL if the test needs one, else None."""
    if request.node.get_closest_marker("postgresql"):
        with postgres() as one:
            with_tables(one.url)
            yield one
    else:
        yield None


@asynccontextmanager
async def scene(victim: str, redis: RedisServer, server: Postgres | None) -> AsyncIterator[Scene]:
    """Start both halves, with two callers blocked by a person, of whom one is unblocked again."""
    environ = {"SIAGA112_DATABASE__URL": server.url} if server else {}
    half = f'[redis]\nurl = "{redis.url}"\n{RULES}'
    async with (
        rig(redis, "track", RULES, wait=False, environ=environ) as found,
        running(found.pbx, half, only="screen", wait=False) as screening,
    ):
        await found.daemon.stop()
        await session(found, *PROGRAM)
        await found.done("block", BY_HAND, "--permanent", "--reason", "threats")
        await found.done("block", LIFTED_BEFORE, "--permanent", "--reason", "threats")
        await found.done("unblock", LIFTED_BEFORE, "--reason", "another's phone")
        await screening.ready("screen")
        await found.daemon.stop()
        doomed = ("-m", "tests.faults.killed", str(found.daemon.folder / "order"))
        here = Scene(found, screening, await session(found, *doomed), doomed, _never, _not_again)
        _choose(here, victim, redis, server)
        yield here


async def _never() -> None:
    raise AssertionError("nobody is to be killed")


async def _not_again(_: int) -> None:
    raise AssertionError("nobody was killed")


def _choose(here: Scene, victim: str, redis: RedisServer, server: Postgres | None) -> None:
    """Define who is killed, and how the victim is started again."""

    async def daemon_ended() -> None:
        assert await here.found.daemon.ended() == -signal.SIGKILL

    async def daemon_again(_: int) -> None:
        here.following = await session(here.found, *here.doomed)

    async def redis_ended() -> None:
        await asyncio.to_thread(redis.ended)

    async def redis_again(nth: int) -> None:
        """Start Redis as it was, empty, or with what it had before it was empty."""
        empty = ("--appendonly", "no") if nth % 3 == 1 else ()
        await asyncio.to_thread(redis.start, *empty)

    async def server_ended() -> None:
        assert server
        await asyncio.to_thread(server.ended)

    async def server_again(_: int) -> None:
        assert server
        await asyncio.to_thread(server.start)

    if victim == "daemon":
        here.ended, here.again = daemon_ended, daemon_again
    elif victim == "redis":
        here.pids, here.ended, here.again = lambda: (redis.pid,), redis_ended, redis_again
    else:
        assert server
        here.pids, here.ended, here.again = lambda: (server.pid,), server_ended, server_again
        here.decide = False


# ── the test ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class End:
    """What is stored at the end."""

    rows: list[Entry]
    strikes: list[CallId]
    tallied: int
    wanted: dict[Caller, Standing]
    """Each caller's standing, from the records."""
    listed: dict[Caller, Standing]
    """Each caller's standing, from Redis."""


async def at_the_end(found: Rig) -> End:
    """Read everything that is stored."""
    rows = await found.ledger()
    async with found.store() as store:
        callers = {entry.finding.call.caller for entry in rows}
        records = [await store.load(caller) for caller in callers if caller]
        return End(
            rows,
            [strike.call for record in records for strike in record.strikes],
            (await store.tallies())["strikes:ivr_prank"],
            {one.caller: one.standing async for page in store.records.standings() for one in page},
            {caller: one async for page in store.block_list.standings() for caller, one in page},
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    "victim",
    [
        pytest.param("daemon", marks=pytest.mark.fault("kill")),
        pytest.param("redis", marks=pytest.mark.fault("kill_redis")),
        pytest.param("postgresql", marks=[pytest.mark.fault("kill_database"), pytest.mark.postgresql]),
    ],
)
async def test_killed_at_any_step_no_call_is_lost_and_none_counts_twice(
    victim: str, redis: RedisServer, server: Postgres | None, measured: Measured, *, full: bool
) -> None:
    """Whatever is killed at any step, no call is lost or counts twice, and verdicts match the records."""
    rounds = 1_000 // AT_ONCE if full else len(STEPS)
    steps = cycle((step, nth) for nth in (1, 9, 17) for step in STEPS)
    async with scene(victim, redis, server) as here:
        for nth in range(rounds):
            step, times = next(steps)
            if step not in CALL_BY_CALL:  # twenty calls may take such a step only once, or twice
                times = 1 if step in TOGETHER else min(times, 2)
            await here.round(nth, step, times)
            group = [raw for _, raw in here.placed[-AT_ONCE:]]
            if nth % ROUNDS == ROUNDS - 1 and here.lifted.isdisjoint(map(known, group)):
                await here.settled()
                await here.lift(group)
        await here.settled()
        end = await at_the_end(here.found)
        pranks = {e.finding.call.id for e in end.rows if e.finding.outcome is Outcome.IVR_PRANK}
        misused = Counter(known(raw) for call, raw in here.placed if call in pranks)
        due = {caller for caller, times in misused.items() if times == ROUNDS} | {known(BY_HAND)}
        due -= here.lifted
        blocked = {caller for caller, one in end.wanted.items() if one.level}
        async with within(20, "the screening half to reject who is blocked, and nobody else"):
            while (rejected := await here.rejected()) != blocked:
                pass  # no sleep: each check asks for many verdicts
        assert await here.screening.stop() == 0
        assert await here.found.daemon.stop() == 0
    placed, found = [call for call, _ in here.placed], Counter(entry.finding.call.id for entry in end.rows)
    assert {entry.finding.outcome for entry in end.rows} <= {Outcome.IVR_PRANK, Outcome.UNKNOWN}
    assert sorted(end.strikes) == sorted(pranks)
    assert end.listed == end.wanted, "what verdicts go by is what the records say"
    measured("standings published", len(end.listed))
    measured("calls", len(placed))
    measured("kills", rounds)
    measured("lost", len(set(placed) - set(found)), at_most=0)
    measured("twice", max(found.values()) - 1, at_most=0)
    measured("blocks due", len(due))
    measured("missing", len(due - rejected), at_most=0)
    measured("lifted by hand", len(here.lifted))
    measured("risen", len(rejected - due), at_most=0)
    survives = None if victim == "daemon" else 0  # a killed daemon loses what only it has seen
    measured("settled as unknown", len(found) - len(pranks), at_most=survives)
    measured("strikes not counted in the metric", len(end.strikes) - end.tallied, at_most=survives)
