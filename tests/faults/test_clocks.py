"""Clocks that are wrong or are corrected: the PBX's, and ours, which `faketime` changes."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

import pytest

from siaga112.core.caller_id import canonical
from siaga112.core.changes import Change, replacement
from siaga112.core.model import DAY, SECOND, Millis, Spared
from siaga112.core.record import CallerRecord
from siaga112.service import own_clock
from tests.faults.calls import LASTS, arrives, hangs_up, misuse, uid
from tests.faults.conftest import NUMBER, Rig, rig
from tests.faults.figures import Measured
from tests.lab import Asterisk, Version, find
from tests.lab.daemon import Daemon
from tests.lab.daemon import running as running_beside
from tests.lab.redis_servers import RedisServer
from tests.pbx.test_supervisor import call
from tests.samples import NOW, RULES, block
from tests.waiting import within

pytestmark = pytest.mark.redis

YEARS: Final[Millis] = 3_653 * DAY
HOUR: Final[Millis] = 3_600 * SECOND
SIX: Final = 6
"""Misuses of one caller; the last would lead to a block."""
STRICT: Final = {"SIAGA112_AMI__CLOCK_TOLERANCE": "10m"}


@dataclass(slots=True)
class Turned:
    """The clock that the daemon and its commands see. Monotonic time stays right."""

    file: Path

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment that makes programs use this clock.

        Without the last variable, libfaketime falsifies the times of `pthread_cond_timedwait` with glibc
        2.36, so that a thread waits seconds for Python's lock: on a loaded machine 4 of 32 such daemons
        froze, and none of 32 with it.
        """
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        return {
            **STRICT,
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }

    def by(self, span: Millis) -> None:
        """Set the clock off the right time by `span`."""
        self.file.write_text(f"{span // SECOND:+d}\n", "ascii")


@pytest.fixture
def turned(tmp_path: Path) -> Turned:
    """Return a clock that shows the right time."""
    clock = Turned(tmp_path / "offset")
    clock.by(0)
    return clock


def six_calls(off: Millis) -> list[tuple[str, bytes]]:
    """Return six misuses of one number, one after the other, as a PBX whose clock is off reports them."""
    times = [NOW - (SIX - nth) * (LASTS + SECOND) + off for nth in range(SIX)]
    return [(uid(nth, at), misuse(uid(nth, at), NUMBER, at)) for nth, at in enumerate(times)]


async def counted(running: Rig) -> float:
    """Return how many events the daemon counted because their time was off."""
    return await running.metric("ami_clock_off_total")


@pytest.mark.fault("clock_pbx")
@pytest.mark.parametrize(
    ("name", "off"), [("10 years ahead", YEARS), ("10 years behind", -YEARS), ("an hour ahead", HOUR)]
)
async def test_a_pbx_whose_clock_is_wrong_strikes_nobody(
    name: str, off: Millis, redis: RedisServer, measured: Measured
) -> None:
    """While the PBX's clock is wrong, six misuses give no strike and no block, and are found by their id."""
    async with rig(redis, environ=STRICT) as running:
        calls = six_calls(off)
        running.play(*(told for _, told in calls))
        rows = await running.until_recorded(SIX)
        assert {row.spared for row in rows} == {Spared.CLOCK}
        assert {row.finding.call.id for row in rows} == {call for call, _ in calls}
        told = sum(told.count(b"Event: ") for _, told in calls)
        measured(f"events not counted, {name}", told - await counted(running), at_most=0)
        line = await running.daemon.event("ami_clock_off")
        assert abs(line["pbx_ahead_seconds"] * SECOND - off) < HOUR
        measured(f"strikes, {name}", len(await running.strikes()), at_most=0)
        story = await running.why()
        measured(f"blocks, {name}", len(story["blocks"]), at_most=0)
        measured(f"calls not in the day's ledger, {name}", SIX - len(rows), at_most=0)
        async with running.store() as store:
            found = [await store.entry(row.finding.call.id) for row in rows]
        measured(f"calls not found by id, {name}", found.count(None), at_most=0)
        await running.done("forget", NUMBER, "--yes", "--reason", "asked for it")
        left = [row for row in await running.ledger() if row.finding.call.caller]
        measured(f"rows with the number after forget, {name}", len(left), at_most=0)


@pytest.mark.fault("clock_pbx")
async def test_an_instant_of_1970_is_malformed_and_counted(redis: RedisServer, measured: Measured) -> None:
    """Events with a time in 1970 are counted as malformed and give no strike."""
    async with rig(redis, environ=STRICT) as running:
        told = b"".join(told for _, told in six_calls(-NOW + DAY))
        running.play(told)
        async with within(20, "all events counted"):
            while await running.metric("ami_malformed_total", kind="value") < told.count(b"Event: "):
                pass  # no sleep: each check asks the daemon
        seen = await running.metric("ami_malformed_total", kind="value")
        measured("events not counted, in 1970", told.count(b"Event: ") - seen, at_most=0)
        measured("strikes, in 1970", len(await running.strikes()), at_most=0)


@pytest.mark.pbx
@pytest.mark.parametrize("version", get_args(Version))
@pytest.mark.fault("clock_pbx")
async def test_a_real_pbx_years_away_from_us_strikes_nobody(
    version: Version, redis: RedisServer, measured: Measured, turned: Turned
) -> None:
    """A real caller who leaves the menu gets a strike only if our clock and the PBX's agree."""
    async with (
        Asterisk.start(find(version)) as pbx,
        await pbx.observe() as seen,
        running_beside(
            pbx, f'{NO_EARLY_DROP}[redis]\nurl = "{redis.url}"\n', environ=turned.environ
        ) as daemon,
    ):
        spared = []
        for off in (0, -YEARS, YEARS, 0):
            turned.by(off)
            through = await call(pbx, seen, number=NUMBER)
            await through.until("Newexten", Application="BackGround")
            await through.call.hang_up()
            row = await daemon.settled(through.uid)
            assert row["outcome"] == "ivr_prank"
            spared.append((row["strike"], row["spared"]))
        assert spared == [(True, None), (False, "clock"), (False, "clock"), (True, None)]
        off_strikes = sum(strike for strike, _ in spared[1:3])
        measured("real calls struck while clocks are years apart", off_strikes, at_most=0)
        assert await shown(daemon) > 0


async def shown(daemon: Daemon) -> float:
    """Return how many events this daemon counted because their time was off."""
    (line,) = [one for one in (await daemon.metrics()).splitlines() if one.startswith(OFF_EVENTS)]
    return float(line.rpartition(" ")[2])


NO_EARLY_DROP: Final = '[classifier]\nearly_drop = "1ms"\n'
OFF_EVENTS: Final = "siaga112_ami_clock_off_total{"

STEPS: Final = ((0, HOUR), (HOUR, HOUR), (HOUR, 0), (0, 0))
"""How far the clock is off when a call begins, and when it ends."""


@pytest.mark.fault("clock_step")
@pytest.mark.parametrize("whose", ["ours", "the PBX's"])
async def test_a_step_during_a_call_costs_no_strike(
    whose: str, redis: RedisServer, measured: Measured, turned: Turned
) -> None:
    """A call at whose start or end a clock is an hour off gives no strike; the next call does."""
    ours = whose == "ours"
    async with rig(redis, environ=turned.environ) as running:
        calls = []
        for nth, (before, after) in enumerate(STEPS):
            began = NOW + nth * (LASTS + SECOND)
            calls.append(uid(nth, began))
            turned.by(before if ours else 0)
            running.play(arrives(calls[-1], NUMBER, began if ours else began + before))
            await running.up(1)
            turned.by(after if ours else 0)
            ended = began + LASTS
            running.play(hangs_up(calls[-1], NUMBER, ended if ours else ended + after))
            await running.daemon.settled(calls[-1])
        found = {row.finding.call.id: row for row in await ledger(running)}
        assert found.keys() == {*calls}
        assert [found[call].finding.call.timed for call in calls] == [False, False, False, True]
        assert await running.strikes() == calls[-1:]
        measured(
            f"strikes of stepped calls, {whose}", sum(found[call].strike for call in calls[:-1]), at_most=0
        )


async def ledger(running: Rig) -> list:  # type: ignore[type-arg] # rows as they were printed
    """Return the ledger's rows within eight days of `NOW`."""
    async with running.store() as store:
        return [row async for row in store.entries(NOW - 8 * DAY, NOW + 8 * DAY)]


@asynccontextmanager
async def ended_block(redis: RedisServer, turned: Turned) -> AsyncIterator[Rig]:
    """Run a daemon that knows a 30-day block, ended an hour ago, and has answered ALLOW since."""
    caller = canonical(NUMBER)
    assert caller
    held = block(NOW - 30 * DAY, NOW - HOUR)
    record = CallerRecord(caller, blocks=(held,))
    async with rig(redis, "screen", environ=turned.environ) as running:
        async with running.store() as store:
            await store.write([Change(replacement(CallerRecord(record.caller), record, 0, NOW - DAY, RULES))])
        assert (await running.told("not_blocked")).verdict == "ALLOW"
        yield running


@pytest.mark.fault("clock_behind")
@pytest.mark.parametrize("when", ["while it runs", "at a start"])
async def test_a_block_that_ended_does_not_hold_again(
    when: str, redis: RedisServer, measured: Measured, turned: Turned
) -> None:
    """If our clock goes back by a week, a block that had ended rejects nobody, even after a restart."""
    async with ended_block(redis, turned) as running:
        async with within(own_clock.EVERY_SECONDS, "what the clock showed on disk"):
            while not (running.daemon.folder / "state" / "clock").exists():
                await running.ask()
        if when == "at a start":
            await running.daemon.stop()
        turned.by(-7 * DAY)
        if when == "at a start":
            since = len(running.daemon.lines)
            await running.daemon.start("--only", "screen")
            await running.daemon.ready("screen", since=since)
            await running.daemon.event("clock_set_back", since=since)
        answers = [(await running.ask()).verdict for _ in range(100)]
        measured(f"BLOCK after the step, {when}", answers.count("BLOCK"), at_most=0)
        await running.done("block", NUMBER, "--permanent", "--reason", "threats")
        await running.told("blocked")


@pytest.mark.fault("clock_behind")
async def test_the_pbxs_clock_tells_that_a_block_has_ended(
    redis: RedisServer, measured: Measured, turned: Turned
) -> None:
    """If our clock starts a week behind and its file is lost, the call's id shows that a block has ended."""
    async with ended_block(redis, turned) as running:
        await running.daemon.stop()
        (running.daemon.folder / "state" / "clock").unlink()
        turned.by(-7 * DAY)
        since = len(running.daemon.lines)
        await running.daemon.start("--only", "screen")
        await running.daemon.ready("screen", since=since)
        answers = [(await running.ask(uid=uid(nth, NOW))).verdict for nth in range(100)]
        measured("BLOCK where only the PBX's clock is right", answers.count("BLOCK"), at_most=0)


@pytest.mark.fault("clock_ahead")
async def test_a_block_from_the_future_is_not_in_force(
    redis: RedisServer, measured: Measured, turned: Turned
) -> None:
    """A block made while our clock was ten years ahead is neither in force nor listed once it is right."""
    async with rig(redis, "screen", environ=turned.environ) as running:
        turned.by(YEARS)
        await running.done("block", NUMBER, "--for", "1d", "--reason", "threats")
        await running.told("blocked")
        turned.by(0)
        answers = [(await running.ask()).verdict for _ in range(100)]
        measured("BLOCK once it is right", answers.count("BLOCK"), at_most=0)
        measured("listed as in force", len(json.loads(await running.done("blocks", "--json"))), at_most=0)
        assert "now: ALLOW" in await running.done("why", NUMBER)
        await running.done("block", NUMBER, "--for", "1d", "--reason", "threats")
        await running.told("blocked")
        (listed,) = json.loads(await running.done("blocks", "--json"))
        assert listed["until"] < "2030"
        await running.done("unblock", NUMBER, "--reason", "a mistake")
        await running.told("not_blocked")
