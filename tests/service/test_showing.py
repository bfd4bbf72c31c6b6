"""Publishing the snapshot: whatever fails, the daemon continues."""

import asyncio
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from siaga112.core.tracking.queue_state import QueueState
from siaga112.core.tracking.tracker import Tracker
from siaga112.service import snapshots
from siaga112.service.ports import StoreBrokenError
from siaga112.service.snapshots import Snapshots
from tests.core.table import DIALPLAN, events, in_force
from tests.fakes.memory import MemoryStore
from tests.samples import NOW


class Showing:
    """Snapshots of a tracker with one new call, and a store in memory."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        tracker = Tracker(in_force(DIALPLAN))
        tracker.feed(events("10:00:00  Newchannel  100.1  num=081211111111")[0])
        self.snapshots = Snapshots(
            self.store, tracker, QueueState(in_force()), lambda: True, lambda: NOW, screens=False
        )


async def test_what_goes_on_is_in_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """The snapshot is in the store, even if the store was down before."""
    monkeypatch.setattr(snapshots, "EVERY_SECONDS", 0.001)
    site = Showing()
    site.store.down = True
    running = asyncio.create_task(site.snapshots.run())
    with capture_logs() as logs:
        await asyncio.sleep(0.01)
        site.store.down = False
        async with asyncio.timeout(5):
            while not (snapshot := await site.store.snapshot()):  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0)
    assert logs == []
    assert [call.call for call in snapshot.calls] == ["100.1"]
    assert (snapshot.at, snapshot.connected, snapshot.screens) == (NOW, True, False)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


@pytest.mark.parametrize(
    ("error", "told"), [(StoreBrokenError("no right"), []), (RuntimeError("our bug"), ["snapshot_failed"])]
)
async def test_a_snapshot_that_fails_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, error: Exception, told: list[str]
) -> None:
    """A failing store or a bug costs one snapshot, and the next one is tried; only a bug is logged."""
    monkeypatch.setattr(snapshots, "EVERY_SECONDS", 0.001)
    site = Showing()
    tries: asyncio.Queue[None] = asyncio.Queue()

    async def fail(_: object) -> None:
        tries.put_nowait(None)
        raise error

    monkeypatch.setattr(site.store, "put_snapshot", fail)
    with capture_logs() as logs:
        running = asyncio.create_task(site.snapshots.run())
        async with asyncio.timeout(5):
            await tries.get()
            await tries.get()
        assert not running.done()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    assert [line["event"] for line in logs][: len(told)] == told
    assert bool(logs) is bool(told)
