"""The kill switch works whatever Redis does: at a start, while it hangs, and after it lost the mode."""

import asyncio
import json
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, get_args

import pytest

from siaga112.adapters.mode_files import ModeFiles
from siaga112.core.model import Mode
from tests.faults.conftest import NUMBER, Rig, rig
from tests.faults.figures import Measured
from tests.lab import Asterisk, Version, find, ports
from tests.lab.agi_client import ask
from tests.lab.daemon import running
from tests.lab.day import CONFIG
from tests.lab.redis_servers import RedisServer, home, sentinels
from tests.pbx.test_supervisor import call
from tests.waiting import until, within

REASON: Final = ("--reason", "a flood")
AT_MOST_SECONDS: Final = 1.0
STARTS: Final = 50
FEW_STARTS: Final = 4
EACH_SECOND: Final = 500
"""How many callers ask per second, at most."""
AFTER: Final = 200
"""How many verdicts are asked for after a change, to see that none is BLOCK."""
PATIENT: Final = 'stale_after = "10m"\n'


class Callers:
    """Asks about a blocked caller up to 500 times a second, and counts the answers."""

    def __init__(self, port: int) -> None:
        self.told: Counter[str] = Counter()
        self._port = port

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """Ask while the block runs. Without a daemon the answer counts as `no daemon`."""
        task = asyncio.create_task(self._call())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _call(self) -> None:
        asking: set[asyncio.Task[None]] = set()
        try:
            while True:  # ends: cancelled by `calling`
                if len(asking) < EACH_SECOND:
                    one = asyncio.create_task(self._one())
                    asking.add(one)
                    one.add_done_callback(asking.discard)
                await asyncio.sleep(1 / EACH_SECOND)
        finally:
            for one in asking:
                one.cancel()

    async def _one(self) -> None:
        answer = await ask(self._port, NUMBER)
        self.told[f"{answer.verdict} {answer.reason}" if answer.reason else "no daemon"] += 1

    @property
    def rejected(self) -> int:
        """How many answers were BLOCK."""
        return sum(count for told, count in self.told.items() if told.startswith("BLOCK"))


async def block(found: Rig) -> None:
    """Block the caller, and wait until a verdict says so."""
    await found.done("block", NUMBER, "--permanent", "--reason", "threats")
    await found.told("blocked")


async def switch_off(found: Rig) -> None:
    """Switch off; wait until a verdict says so and the daemon has stored the mode for its next start."""
    await found.done("mode", "off", *REASON)
    await found.told("mode_off")
    kept = ModeFiles(found.daemon.folder / "state", "lab")
    await until(lambda: (known := kept.kept()) is not None and known.mode is Mode.OFF, 60)


async def rejected_of(found: Rig, times: int = AFTER) -> int:
    """Return how many of that many verdicts are BLOCK."""
    return [(await found.ask()).verdict for _ in range(times)].count("BLOCK")


async def freed(found: Rig) -> float:
    """Ask until the mode is off; return when that was."""
    await found.told("mode_off")
    return time.perf_counter()


@pytest.mark.redis
@pytest.mark.fault("mode_start")
async def test_a_start_rejects_nobody_while_the_mode_is_not_known(
    redis: RedisServer, measured: Measured, *, full: bool
) -> None:
    """While the mode is off, no start with `enforce` configured rejects any of 500 callers a second."""
    async with rig(redis, "screen") as found:
        await block(found)
        await switch_off(found)
        state = found.daemon.folder / "state"
        callers = Callers(found.pbx.agi_port)
        async with callers.calling():
            for nth in range(STARTS if full else FEW_STARTS):
                await found.daemon.stop()
                if nth % 2:  # as on a machine that was down at the switch: only Redis knows
                    (state / "off").unlink(missing_ok=True)
                    (state / "mode").unlink(missing_ok=True)
                since = len(found.daemon.lines)
                await found.daemon.start("--only", "screen")
                await found.daemon.ready("screen", since=since)
                await found.told("mode_off")
    assert callers.told["ALLOW mode_off"]
    measured("starts", STARTS if full else FEW_STARTS)
    measured("answers", sum(count for told, count in callers.told.items() if told != "no daemon"))
    measured("BLOCK", callers.rejected, at_most=0)


@pytest.mark.redis
@pytest.mark.fault("mode_start")
async def test_a_redis_that_comes_after_the_daemon_is_waited_for(
    redis: RedisServer, measured: Measured
) -> None:
    """If only Redis knows that the mode is off, verdicts are ALLOW (`starting`) until it can be read."""
    async with rig(redis, "screen") as found:
        await block(found)
        await switch_off(found)
        await found.daemon.stop()
        for name in ("off", "mode"):
            (found.daemon.folder / "state" / name).unlink()
        redis.stop()
        callers = Callers(found.pbx.agi_port)
        async with callers.calling():
            since = len(found.daemon.lines)
            await found.daemon.start("--only", "screen")
            await found.daemon.event("started", since=since)
            await found.told("starting")
            assert await found.metric("fail_open_total", cause="starting") > 0
            assert await found.metric("agi_verdicts_total", verdict="ALLOW", reason="starting") > 0
            assert await found.metric("fail_open_total", cause="store_down") == 0
            redis.start()
            await found.told("mode_off")
            measured("BLOCK when Redis is late", callers.rejected + await rejected_of(found), at_most=0)


@pytest.mark.redis
@pytest.mark.parametrize("how", ["command", "file", "SIGHUP"])
@pytest.mark.fault("mode_hanging")
async def test_off_is_heeded_while_redis_hangs(redis: RedisServer, measured: Measured, how: str) -> None:
    """While Redis hangs, mode off by command, by file or by SIGHUP takes effect within a second."""
    async with rig(redis, "screen", PATIENT) as found:
        await block(found)
        redis.signal(signal.SIGSTOP)
        try:
            off = found.daemon.folder / "state" / "off"
            asking = asyncio.create_task(freed(found))
            began = time.perf_counter()
            match how:
                case "command":
                    output = await found.daemon.command("mode", "off", *REASON)
                    assert output.code == 0
                    assert "siaga112: the new mode is not in Redis yet (Redis: no answer" in output.err
                    switch = json.loads(off.read_text("utf-8"))["switch"]
                    assert (switch["mode"], switch["reason"]) == ("off", "a flood")
                    began = switch["at"] / 1_000 - time.time() + time.perf_counter()  # when it was made
                case "file":
                    off.touch()
                case _:
                    config = found.daemon.config
                    config.write_text(re.sub('mode = "enforce"', 'mode = "off"', config.read_text("utf-8")))
                    found.daemon.signal(signal.SIGHUP)
            measured(f"ALLOW after {how}", await asking - began, "s", at_most=AT_MOST_SECONDS)
            measured(f"BLOCK after {how}", await rejected_of(found), at_most=0)
        finally:
            redis.signal(signal.SIGCONT)
        if how == "command":
            async with within(20, "the switch in Redis"), found.store() as store:
                while (stored := await store.block_list.switched()) is None or stored.mode is not Mode.OFF:
                    pass  # no sleep: each check asks the store
            (audit_entry,) = [
                one for one in json.loads(await found.done("audit", "--json")) if one["action"] == "mode"
            ]
            assert (audit_entry["detail"], audit_entry["reason"]) == ("enforce → off", "a flood")
            await found.done("mode", "enforce")
            await found.told("blocked")
            assert not off.exists()


@pytest.mark.redis
@pytest.mark.parametrize("how", ["FLUSHALL", "an empty replica"])
@pytest.mark.fault("mode_lost")
async def test_what_redis_lost_is_brought_back(measured: Measured, how: str) -> None:
    """If Redis loses the mode off, the daemon stores it there again and rejects nobody meanwhile."""
    with home() as folder:
        port = ports.free()
        master = RedisServer(folder / "redis", f"port {port}", "bind 127.0.0.1")
        with master:
            url = f"redis://127.0.0.1:{port}/0"
            async with rig(master, url=url) as found:
                await switch_off(found)
                await found.told("mode_off")
                off = found.daemon.folder / "state" / "off"
                off.unlink()  # as on every machine except the one that ran the command
                since = len(found.daemon.lines)
                if how == "FLUSHALL":
                    master.ask("FLUSHALL")
                else:
                    master.stop()
                    master.start()  # at the same address, and empty
                await found.daemon.event("mode_restored", since=since)
                await found.done("block", NUMBER, "--permanent", "--reason", "threats")
                measured(f"BLOCK after {how}", await rejected_of(found), at_most=0)
                async with found.store() as store:
                    stored = await store.block_list.switched()
                assert stored
                assert (stored.mode, stored.reason) == (Mode.OFF, "a flood")
                (line,) = [line for line in found.daemon.lines[since:] if line["event"] == "mode_restored"]
                assert (line["mode"], line["store_had"]) == ("off", None)
                assert not off.exists()
                await found.done("mode", "enforce")
                await found.told("blocked")


@pytest.mark.redis
@pytest.mark.fault("mode_lost")
async def test_a_failover_to_an_empty_replica_rejects_nobody(measured: Measured) -> None:
    """In a fail-over to an empty replica, mode off holds throughout and is stored in the new master."""
    with sentinels() as lab:
        old = lab.master
        async with rig(lab.servers[old], url=lab.url) as found:
            await block(found)
            await switch_off(found)
            await found.told("mode_off")
            (found.daemon.folder / "state" / "off").unlink()  # as on every machine except one
            for port, replica in lab.servers.items():
                if port != old:  # emptied alone, it is still a replica for the sentinels
                    replica.ask("CONFIG", "SET", "replica-read-only", "no")
                    replica.ask("FLUSHALL")
            since = len(found.daemon.lines)
            callers = Callers(found.pbx.agi_port)
            async with callers.calling():
                lab.servers[old].stop()
                await until(lambda: lab.failed_over(old), 90, "another master")
                await found.daemon.event("mode_restored", since=since)
                found.redis = lab.servers[lab.master]
                await found.done("block", NUMBER, "--permanent", "--reason", "threats")
                rejected = await rejected_of(found)
            measured("BLOCK in a fail-over to an empty replica", callers.rejected + rejected, at_most=0)
            async with found.store() as store:
                stored = await store.block_list.switched()
            assert stored
            assert (stored.mode, stored.reason) == (Mode.OFF, "a flood")
            await found.done("mode", "enforce")
            await found.told("blocked")


@pytest.mark.pbx
@pytest.mark.parametrize("version", get_args(Version))
@pytest.mark.fault("mode_hanging")
async def test_a_real_call_gets_through_after_off_while_redis_hangs(
    version: Version, redis: RedisServer, measured: Measured
) -> None:
    """After `mode off` while Redis hangs, the next real call of a blocked caller reaches the menu."""
    more = CONFIG + f'\n[redis]\nurl = "{redis.url}"\n{PATIENT}'
    async with (
        Asterisk.start(find(version)) as pbx,
        await pbx.observe() as seen,
        running(pbx, more) as daemon,
    ):
        await daemon.event("replica_read")  # from then on no verdict asks Redis
        assert (await daemon.command("block", NUMBER, "--permanent", "--reason", "threats")).code == 0
        async with within(20, "a block that is known"):
            while (await ask(pbx.agi_port, NUMBER)).verdict != "BLOCK":
                pass  # no sleep: each check asks for a verdict
        redis.signal(signal.SIGSTOP)
        try:
            assert (await ask(pbx.agi_port, NUMBER)).verdict == "BLOCK"
            assert (await daemon.command("mode", "off", *REASON)).code == 0
            through = await call(pbx, seen, number=NUMBER)
            await through.until("Newexten", Application="BackGround")
            await through.call.hang_up()
        finally:
            redis.signal(signal.SIGCONT)
        row = await daemon.settled(through.uid)
        assert row["screened"] == "ALLOW mode_off"
        measured("real calls rejected after off", int(row["outcome"] == "blocked"), at_most=0)
