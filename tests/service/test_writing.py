"""Writing to disk without delaying the event flow: in order, in bounded batches, and completely."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import pytest
from structlog.testing import capture_logs

from siaga112.core.ami.events import CoreShowChannel, DialplanPosition, Event, Resumed
from siaga112.core.model import CallId, Entry, Reached
from siaga112.service import writing
from siaga112.service.writing import BATCH, Writer
from tests.core.table import events
from tests.fakes.meter import KeptMeter
from tests.fakes.outbox import MemoryOutbox
from tests.samples import CALLER, NOW, entry, prank
from tests.service.test_pipeline import Site, leaves_menu
from tests.waiting import until, within

ENTRIES = [entry(prank(n)) for n in range(2 * BATCH + 1)]


class Disk(MemoryOutbox):
    """An outbox that writes entries only when the test lets it, and keeps the requests in order."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, list[CallId | str]]] = []
        self.turn = asyncio.Event()

    async def append(self, settled: Sequence[Entry | Reached]) -> None:
        """Write the entries when the test lets it."""
        self.asked.append(("append", [_name(one) for one in settled]))
        async with within(20, "the disk's turn"):
            await self.turn.wait()
        await super().append(settled)

    async def note(self, begun: Sequence[Entry]) -> None:
        """Write notes at once: they need no sync."""
        self.asked.append(("note", [_name(one) for one in begun]))
        await super().note(begun)


def _name(one: Entry | Reached) -> CallId | str:
    return one.finding.call.id if isinstance(one, Entry) else one.caller


def names(*entries: Entry) -> list[CallId | str]:
    """Return the calls' ids of some entries."""
    return [_name(one) for one in entries]


def begun(*entries: Entry) -> dict[CallId, Callable[[], Entry]]:
    """Return the notes of some calls, as the writer takes them."""
    return {one.finding.call.id: partial(_same, one) for one in entries}


def _same(one: Entry) -> Entry:
    return one


@pytest.fixture
def disk() -> Disk:
    """Return a disk that does not write yet."""
    return Disk()


@pytest.fixture
def writer(disk: Disk) -> Writer:
    """Return a writer to the disk."""
    return Writer(disk, KeptMeter())


async def test_what_comes_while_one_write_is_under_way_goes_with_the_next(disk: Disk, writer: Writer) -> None:
    """Calls that end during a write are written together after it, in order."""
    writer.put(ENTRIES[:1], {})
    await until(lambda: len(disk.asked) == 1)
    reached = Reached(NOW, CALLER)
    writer.put(ENTRIES[1:3], {})
    writer.put([reached], {})
    disk.turn.set()
    await writer.written()
    assert disk.asked == [("append", names(ENTRIES[0])), ("append", [*names(*ENTRIES[1:3]), CALLER])]
    assert disk.waiting == ENTRIES[:3]


async def test_many_are_written_in_batches(disk: Disk, writer: Writer) -> None:
    """A backlog is written in batches of a bounded size."""
    disk.turn.set()
    writer.put(ENTRIES, {})
    await writer.written()
    assert [len(calls) for _, calls in disk.asked] == [BATCH, BATCH, 1]
    assert disk.waiting == ENTRIES


async def test_no_call_is_noted_after_its_end(disk: Disk, writer: Writer) -> None:
    """A call's note is written before its end or not at all: a later one would make a call `unknown`."""
    first, short, long, late = ENTRIES[:4]
    writer.put([first], begun(short, long))
    await until(lambda: len(disk.asked) == 1)
    writer.put([short], begun(late))  # its note is being written
    writer.put([late], {})  # its note is not written yet
    disk.turn.set()
    await writer.written()
    assert disk.asked == [
        ("append", names(first)),
        ("note", names(short, long)),
        ("append", names(short, late)),
    ]
    assert set(disk.noted) == {long.finding.call.id}


async def test_a_disk_that_does_not_follow_is_waited_for(
    disk: Disk, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer is full beyond its limit of waiting entries, until they are written."""
    monkeypatch.setattr(writing, "FULL", 3)
    writer.put(ENTRIES[:2], {})
    assert not writer.full()
    writer.put([], begun(*ENTRIES[2:3]))
    assert writer.full()
    disk.turn.set()
    await writer.written()
    assert not writer.full()


async def test_what_the_disk_rejects_waits_until_it_accepts(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk rejects writes, calls wait and nobody waits for them; then they are written in order."""
    monkeypatch.setattr(writing, "RETRY_SECONDS", 0.01)
    meter = KeptMeter()
    writer = Writer(disk, meter)
    disk.turn.set()
    disk.failures = 3
    with capture_logs() as logs:
        writer.put(ENTRIES[:-1], begun(ENTRIES[-1]))
        await writer.written()
        assert writer.waiting == len(ENTRIES) - 1
        writer.put(ENTRIES[-1:], {})
        await until(lambda: disk.waiting == ENTRIES)
    assert (meter.lost_count, writer.waiting, disk.noted) == (0, 0, {})
    assert [line["event"] for line in logs] == ["outbox_failed", "outbox_accepts"]


async def test_of_more_than_can_wait_the_oldest_are_lost(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit of waiting calls, the oldest are counted as lost and logged."""
    monkeypatch.setattr(writing, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(writing, "FULL", 2)
    meter = KeptMeter()
    writer = Writer(disk, meter)
    disk.turn.set()
    disk.failures = 10**6
    with capture_logs() as logs:
        for one in ENTRIES[:5]:
            writer.put([one], {})
            await writer.written()
        disk.failures = 0
        await until(lambda: writer.waiting == 0)
        await writer.close()
    assert disk.waiting == ENTRIES[3:5]
    assert meter.lost_count == sum(line.get("lost", 0) for line in logs) == 3


async def test_what_the_disk_rejects_at_the_end_is_counted_as_lost(disk: Disk) -> None:
    """Closing the writer tries once more at once; what the disk rejects even then is counted as lost."""
    meter = KeptMeter()
    writer = Writer(disk, meter)
    disk.turn.set()
    disk.failures = 10**6
    writer.put(ENTRIES[:2], {})
    await writer.written()
    async with within(20, "the writer to end"):
        await writer.close()
    assert (meter.lost_count, disk.waiting) == (2, [])


async def test_the_end_waits_for_the_disk_however_often_it_is_told(disk: Disk, writer: Writer) -> None:
    """Closing the writer waits until everything is written, however often it is cancelled."""
    writer.put(ENTRIES[:1], {})
    closing = asyncio.create_task(writer.close())
    await until(lambda: len(disk.asked) == 1)
    writer.put(ENTRIES[1:2], {})
    for _ in range(3):
        closing.cancel()
        await asyncio.sleep(0)
    assert not closing.done()
    disk.turn.set()
    await closing
    assert disk.waiting == ENTRIES[:2]


async def test_an_entry_that_cannot_be_spelled_costs_no_other(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry that cannot be serialised is counted as lost and logged, and all others are written."""
    append, odd, meter = MemoryOutbox.append, ENTRIES[1], KeptMeter()
    writer = Writer(disk, meter)

    async def wrong(settled: Sequence[Entry | Reached]) -> None:
        if odd in settled:
            raise KeyError("ours")
        await append(disk, settled)

    monkeypatch.setattr(disk, "append", wrong)
    with capture_logs() as logs:
        writer.put(ENTRIES[:3], {})
        await writer.written()
    assert [row for _, row in await disk.oldest(9)] == [ENTRIES[0], ENTRIES[2]]
    assert (meter.lost_count, [line["lost"] for line in logs]) == (1, [1])


# ── in the event flow ────────────────────────────────────────────────────────────────────────────


class Slices:
    """An event source that yields the given slices, and counts those taken."""

    def __init__(self, *slices: Sequence[Event]) -> None:
        self._slices = slices
        self.taken = 0

    async def slices(self) -> AsyncIterator[Sequence[Event]]:
        """Yield the slices, and count each once the next one is wanted."""
        for slice_ in self._slices:
            yield slice_
            self.taken += 1
            await asyncio.sleep(0)


async def following(disk: Disk, source: Slices) -> tuple[Site, "asyncio.Task[None]"]:
    """Start the event flow of a site with this source and disk; return the site and the task."""
    site = Site()
    site.pipeline.outbox = site.outbox = disk
    return site, asyncio.create_task(site.pipeline.run(source))


async def test_the_flow_goes_on_while_the_disk_writes(disk: Disk) -> None:
    """While the disk writes, further events are read, and all calls are written in order."""
    source = Slices(*(events(leaves_menu(f"{n}.1", n)) for n in range(5)))
    _, running = await following(disk, source)
    await until(lambda: source.taken == 5)
    assert disk.waiting == []
    assert not running.done()
    disk.turn.set()
    await running
    assert [row.finding.call.id for row in disk.waiting] == [f"{n}.1" for n in range(5)]


async def test_the_flow_waits_for_a_disk_that_does_not_follow(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit of waiting entries, no further event is read until the disk has written."""
    monkeypatch.setattr(writing, "FULL", 2)
    source = Slices(*(events(leaves_menu(f"{n}.1", n)) for n in range(9)))
    _, running = await following(disk, source)
    await until(lambda: len(disk.asked) == 1)
    for _ in range(100):
        await asyncio.sleep(0)
    assert source.taken == 2  # one call is being written, and two are waiting
    disk.turn.set()
    await running
    assert len(disk.waiting) == 9


async def test_a_call_that_ended_before_we_resume_is_settled_once(disk: Disk) -> None:
    """A call whose end is on its way to the disk does not get a second outcome from its note."""
    whole = events(leaves_menu("100.1"))
    up = CoreShowChannel(
        "200.1", "200.1", "PJSIP/trunk-1", DialplanPosition("siaga112-ivr", "s", "5"), "", ""
    )
    source = Slices(whole[:-1], whole[-1:], [Resumed(NOW, (up,))])
    _, running = await following(disk, source)
    await until(lambda: source.taken == 2)
    assert set(disk.noted) == {"100.1"}
    disk.turn.set()
    await running
    assert [row.finding.call.id for row in disk.waiting] == ["100.1"]
    assert set(disk.noted) == {"200.1"}


async def test_a_call_that_cannot_be_noted_costs_no_other_its_note(disk: Disk, writer: Writer) -> None:
    """A call that cannot be noted is logged, and costs no other call its note."""

    def bad() -> Entry:
        raise ValueError("a call that nobody foresaw")

    first, last = ENTRIES[0], ENTRIES[1]
    writer.put([], {**begun(first), CallId("bad"): bad, **begun(last)})
    with capture_logs() as logs:
        await writer.written()
    assert disk.asked == [("note", names(first)), ("note", names(last))]
    assert [line["event"] for line in logs] == ["note_failed"]
