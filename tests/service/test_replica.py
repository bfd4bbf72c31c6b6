"""The replica: it knows what the store knows, or says that it does not."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from siaga112.core.model import Caller, Level
from siaga112.core.standing import NOBODY, Standing
from siaga112.service import replica as module
from siaga112.service.ports import FeedChanges, FeedPosition, StoreBrokenError, StoreDownError
from siaga112.service.replica import Replica
from tests.adapters.changes import blocked_for_good, change
from tests.fakes.memory import MemoryStore
from tests.fakes.meter import KeptMeter
from tests.samples import CALLER, NOW, OTHER
from tests.waiting import until, within

LIMIT = 1.0


class Bench:
    """A replica of a store in memory, with a stopwatch that the test advances."""

    def __init__(self, stale_after: float = LIMIT) -> None:
        self.store = MemoryStore()
        self.meter = KeptMeter()
        self.time = 100.0
        self.replica = Replica(self.store, self.meter, lambda: self.time, stale_after)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the replica during the block."""
        following = asyncio.create_task(self.replica.run())
        try:
            yield
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following

    def knows(self, caller: Caller) -> Standing | None:
        """Return the replica's answer about a caller."""
        return self.replica.of(caller)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the replica poll in every turn of the event loop."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)


async def test_it_knows_who_was_blocked_before_it_began_and_who_is_since() -> None:
    """The replica reads all standings once, and then every change."""
    bench = Bench()
    await change(bench.store, blocked_for_good)
    assert bench.knows(CALLER) is None
    async with bench.running():
        await until(lambda: bench.knows(CALLER) == Standing(level=Level.PERMANENT, since=NOW))
        assert bench.knows(OTHER) == NOBODY
        await change(bench.store, blocked_for_good, OTHER)
        await until(lambda: bench.knows(OTHER) == Standing(level=Level.PERMANENT, since=NOW))
        assert bench.replica.callers == bench.meter.replica_callers == 2
        await bench.store.erase(OTHER, 0)
        await until(lambda: bench.meter.replica_callers == 1)
        assert bench.knows(OTHER) == NOBODY
    assert bench.meter.replica_gaps == 1


async def test_what_was_confirmed_too_long_ago_is_not_believed() -> None:
    """While the store is down, the replica answers for `stale_after` and no longer."""
    bench = Bench()
    await change(bench.store, blocked_for_good)
    async with bench.running():
        await until(lambda: bench.knows(CALLER) == Standing(level=Level.PERMANENT, since=NOW))
        bench.store.down = True
        bench.time += LIMIT
        assert bench.knows(CALLER) == Standing(level=Level.PERMANENT, since=NOW)
        bench.time += 0.001
        with pytest.raises(StoreDownError):
            bench.knows(CALLER)
        bench.store.down = False
        await until(lambda: not stale(bench))
        assert bench.knows(CALLER) == Standing(level=Level.PERMANENT, since=NOW)


def stale(bench: Bench) -> bool:
    """Return whether the replica does not answer."""
    try:
        bench.knows(CALLER)
    except StoreDownError:
        return True
    return False


async def test_it_counts_from_when_it_asked_not_from_when_it_was_answered() -> None:
    """An answer of the store is as old as the request for it."""
    bench = Bench()
    async with bench.running():
        await until(lambda: bench.knows(CALLER) == NOBODY)
        changes = bench.store.changes

        async def slow(place: FeedPosition) -> FeedChanges | None:
            bench.time += LIMIT + 0.001
            return await changes(place)

        bench.store.changes = slow  # type: ignore[method-assign] # to delay the answer
        await until(lambda: stale(bench))
        await asyncio.sleep(0)
        assert stale(bench)


async def test_a_gap_in_the_feed_is_read_anew_and_what_was_known_holds_no_longer_than_ever() -> None:
    """After a gap in the feed, known standings hold for `stale_after`; then verdicts ask the store."""
    bench = Bench()
    await change(bench.store, blocked_for_good)
    async with bench.running():
        await until(lambda: bench.knows(CALLER) == Standing(level=Level.PERMANENT, since=NOW))
        reading, go_on = asyncio.Event(), asyncio.Event()
        standings = bench.store.standings

        async def held_up() -> AsyncIterator[Sequence[tuple[Caller, Standing]]]:
            reading.set()
            await go_on.wait()  # ends: the last lines of the test
            async for page in standings():
                yield page

        bench.store.standings = held_up  # type: ignore[method-assign] # to hold up the reading
        await bench.store.erase(CALLER, 0)  # which clears the feed
        await change(bench.store, blocked_for_good, OTHER)
        async with within(5, "the reading to begin"):
            await reading.wait()
        bench.time += LIMIT
        assert (bench.knows(CALLER), bench.knows(OTHER)) == (
            Standing(level=Level.PERMANENT, since=NOW),
            NOBODY,
        )
        bench.time += 0.001
        assert (bench.knows(CALLER), bench.knows(OTHER)) == (None, None)
        go_on.set()
        await until(lambda: bench.knows(OTHER) == Standing(level=Level.PERMANENT, since=NOW))
        assert bench.knows(CALLER) == NOBODY
        assert bench.meter.replica_gaps == 1


async def test_a_list_that_is_not_whole_is_not_read() -> None:
    """While the store rebuilds its list, old standings hold for `stale_after`, and the list is not read."""
    bench = Bench()
    await change(bench.store, blocked_for_good)
    async with bench.running():
        await until(lambda: bench.knows(CALLER) == Standing(level=Level.PERMANENT, since=NOW))
        last_change, looks = bench.store.last_change, 0

        async def not_whole() -> FeedPosition | None:
            nonlocal looks
            looks += 1
            return None

        bench.store.last_change = not_whole  # type: ignore[assignment,method-assign] # an incomplete list
        bench.store.cut_feed()
        await until(lambda: looks > 3)
        assert bench.knows(CALLER) == Standing(level=Level.PERMANENT, since=NOW)
        bench.time += LIMIT + 0.001
        assert bench.knows(CALLER) is None
        bench.store.last_change = last_change  # type: ignore[method-assign] # the list is complete again
        await until(lambda: bench.knows(CALLER) == Standing(level=Level.PERMANENT, since=NOW))


async def test_what_changes_while_all_is_read_is_not_missed() -> None:
    """The replica does not miss a caller who is unblocked after their page was read."""
    bench = Bench()
    await change(bench.store, blocked_for_good)
    standings = bench.store.standings

    async def overtaken() -> AsyncIterator[Sequence[tuple[Caller, Standing]]]:
        async for page in standings():
            await change(bench.store, lambda record: record.__class__(record.caller))
            yield page

    bench.store.standings = overtaken  # type: ignore[method-assign] # to change a caller during the reading
    async with bench.running():
        await until(lambda: bench.knows(CALLER) is not None)
        assert bench.knows(CALLER) == NOBODY


@pytest.mark.parametrize("error", [StoreBrokenError("NOPERM"), RuntimeError("our own mistake")])
async def test_whatever_goes_wrong_verdicts_ask_and_it_is_told_once(error: Exception) -> None:
    """No error ends the replica or leaves an old standing in force; it is logged once."""
    bench = Bench()
    await change(bench.store, blocked_for_good)
    changes, failures = bench.store.changes, 0

    async def failing(place: FeedPosition) -> FeedChanges | None:
        nonlocal failures
        del place
        failures += 1
        raise error

    with capture_logs() as logs:
        async with bench.running():
            await until(lambda: bench.knows(CALLER) == Standing(level=Level.PERMANENT, since=NOW))
            bench.store.changes = failing  # type: ignore[method-assign] # a fault of the store
            await until(lambda: failures > 3)
            bench.time += LIMIT + 0.001
            assert bench.knows(CALLER) is None
            bench.store.changes = changes  # type: ignore[method-assign] # the store works again
            await until(lambda: bench.knows(CALLER) == Standing(level=Level.PERMANENT, since=NOW))
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["replica_failed"]


async def test_without_it_every_verdict_asks() -> None:
    """`stale_after = "0s"` turns the replica off: it never answers, so every verdict asks the store."""
    bench = Bench(stale_after=0.0)
    bench.store.down = True
    async with bench.running():
        await asyncio.sleep(0)
        assert bench.knows(CALLER) is None


STEP = st.tuples(st.sampled_from(["block", "free", "erase", "cut", "look"]), st.sampled_from([CALLER, OTHER]))


@given(st.lists(STEP, max_size=30))
@settings(max_examples=200)
def test_after_a_look_the_replica_is_the_store(steps: list[tuple[str, Caller]]) -> None:
    """Whatever happens between two polls, the replica then has the store's standing of every caller."""

    async def play() -> None:
        bench = Bench()
        for step, caller in steps:
            match step:
                case "block":
                    await change(bench.store, blocked_for_good, caller)
                case "free":
                    await change(bench.store, lambda record: record.__class__(record.caller), caller)
                case "erase":
                    await bench.store.erase(caller, 0)
                case "cut":
                    bench.store.cut_feed()
                case _:
                    async with within(20, "the replica to have read all"):
                        while await bench.replica._look():
                            pass
                    for one in (CALLER, OTHER):
                        assert bench.knows(one) == await bench.store.standing(one)

    asyncio.run(play())
