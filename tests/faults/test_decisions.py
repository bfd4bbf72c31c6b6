"""What people decide during a call and after it, on the running daemon, over AMI and AGI."""

import json
import re
import time
from collections.abc import Callable
from typing import Final

import pytest

from siaga112.core.model import SECOND, CallId, Millis
from tests.faults.calls import LASTS, arrives, hangs_up, uid
from tests.faults.conftest import CALLER, NUMBER, Rig, rig
from tests.faults.figures import Measured
from tests.lab.redis_servers import RedisServer

pytestmark = pytest.mark.redis

THRESHOLD: Final = 5
"""More misuses than this lead to a block (`permenkominfo-2016`)."""

FREE_SECONDS: Final = 1.0
LATER_MINUTES: Final = 5


def now() -> Millis:
    """Return the current time, as a PBX would report it."""
    return time.time_ns() // 1_000_000


# ── unblock during a call ────────────────────────────────────────────────────────────────────────


async def counted(running: Rig) -> int:
    """Return how many of the caller's misuses count now."""
    found = re.search(r"(\d+) misuses count", await running.done("why", NUMBER))
    assert found
    return int(found[1])


async def up(running: Rig, verdict: str, reason: str) -> Callable[[], CallId]:
    """Let a call with this verdict wait in the menu; return a function that ends it there."""
    at = now() - LASTS
    call = uid(112, at)
    running.play(arrives(call, NUMBER, at, verdict, reason))
    await running.up(1)

    def end() -> CallId:
        running.play(hangs_up(call, NUMBER, now()))
        return call

    return end


async def unblocked_amid(running: Rig, measured: Measured, before: int, end: Callable[[], CallId]) -> None:
    """Unblock the caller, end the call as a misuse, and check that it counts as the first misuse."""
    await running.told("blocked")
    await running.done("unblock", NUMBER, "--reason", "the phone was stolen")
    unblocked = time.perf_counter()
    await running.told("not_blocked")
    measured("free after", time.perf_counter() - unblocked, "s", at_most=FREE_SECONDS)
    assert await counted(running) == 0
    call = end()
    (*_, last) = await running.until_recorded(before + 1)
    assert (last.finding.call.id, last.strike) == (call, True)
    story = await running.why()
    measured("blocks in force", sum(block["lifted"] is None for block in story["blocks"]), at_most=0)
    assert len(story["blocks"]) == 1
    assert len(story["strikes"]) == before + 1
    assert await counted(running) == 1
    answer = await running.ask()
    assert (answer.verdict, answer.reason) == ("ALLOW", "not_blocked")
    assert "SIAGA_NOTICE" not in answer.variables


@pytest.mark.fault("policy_unblock")
@pytest.mark.night
async def test_who_is_unblocked_in_a_call_that_was_let_in_begins_anew(
    redis: RedisServer, measured: Measured
) -> None:
    """If a deprioritised caller is unblocked during a call, its misuse counts as the first: no block."""
    async with rig(redis, more='[policy]\ntreatment = "deprioritise"\n') as running:
        for _ in range(THRESHOLD + 1):
            running.misuse()
        await running.until_recorded(THRESHOLD + 1)
        answer = await running.told("blocked")
        assert (answer.verdict, answer.variables["SIAGA_TREATMENT"]) == ("BLOCK", "deprioritise")
        end = await up(running, "BLOCK", "blocked")
        await unblocked_amid(running, measured, THRESHOLD + 1, end)


@pytest.mark.fault("policy_unblock")
@pytest.mark.night
async def test_who_is_blocked_and_unblocked_amid_a_call_begins_anew(
    redis: RedisServer, measured: Measured
) -> None:
    """If a caller is blocked and unblocked during the sixth misuse, it counts as the first: no block."""
    async with rig(redis) as running:
        for _ in range(THRESHOLD):
            running.misuse()
        await running.until_recorded(THRESHOLD)
        end = await up(running, "ALLOW", "not_blocked")
        await running.done("block", NUMBER, "--for", "24h", "--reason", "threats")
        await unblocked_amid(running, measured, THRESHOLD, end)


# ── marks ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.fault("policy_genuine")
async def test_a_genuine_call_after_two_strikes_leaves_blocking_to_a_person(
    redis: RedisServer, measured: Measured
) -> None:
    """A call marked genuine costs no strike, and after it the sixth misuse is only proposed for a block."""
    async with rig(redis) as running:
        struck = [running.misuse() for _ in range(2)]
        await running.until_recorded(2)
        call = running.answer("genuine")
        rows = await running.until_recorded(3)
        (row,) = [entry for entry in rows if entry.finding.call.id == call]
        assert (row.finding.outcome, row.finding.mark, row.strike) == ("answered", "genuine", False)
        story = await running.why()
        assert [strike["call"] for strike in story["strikes"]] == struck
        assert (story["genuine"], story["verdict"], story["warn"]) == ([call], "ALLOW", False)
        measured("strikes beyond the two", len(await running.strikes()) - 2, at_most=0)

        struck += [running.misuse() for _ in range(THRESHOLD - 1)]
        await running.until_recorded(len(struck) + 1)
        assert await running.strikes() == struck
        answer = await running.ask()
        assert (answer.verdict, answer.reason) == ("ALLOW", "not_blocked")
        story = await running.why()
        measured("automatic blocks", len(story["blocks"]), at_most=0)
        assert (story["proposed"]["cause"], story["proposed"]["calls"]) == ("protected", struck)


@pytest.mark.fault("policy_corrected")
async def test_a_mark_that_is_corrected_later_takes_back_what_came_of_it(
    redis: RedisServer, measured: Measured
) -> None:
    """Correcting a prank mark over 5 minutes later takes back its strike and the block that rests on it."""
    async with rig(redis) as running:
        struck = [running.misuse() for _ in range(THRESHOLD)]
        call = running.answer("prank", now() - LASTS - LATER_MINUTES * 60 * SECOND)
        await running.until_recorded(THRESHOLD + 1)
        assert await running.strikes() == [*struck, call]
        assert (await running.told("blocked")).verdict == "BLOCK"
        assert (await running.why())["blocks"][0]["calls"] == [*struck, call]

        told = await running.done("mark", call, "genuine", "--note", "the fire was real")
        undone = f"1 block based on it is withdrawn; {CALLER} is not blocked"
        assert told == f"call {call} is marked genuine; no strike; {undone}\n"
        assert (await running.told("not_blocked")).verdict == "ALLOW"
        assert await running.strikes() == struck
        async with running.store() as store:
            ((block,), row) = (await store.load(CALLER)).blocks, await store.entry(CallId(call))
        assert row
        assert block.lifted
        assert (block.lifted.mistake, block.lifted.forgives) == (True, False)
        assert (row.finding.mark, row.strike) == ("genuine", False)
        later = (block.lifted.at - row.finding.call.ended) / SECOND / 60
        measured("corrected after", later, "min")
        assert later > LATER_MINUTES
        measured("strikes left of it", len(await running.strikes()) - len(struck), at_most=0)
        measured("blocks in force", len(json.loads(await running.done("blocks", "--json"))), at_most=0)
        assert await counted(running) == THRESHOLD
