"""Announcing: calls in progress as they move, and the end of each block exactly once."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from siaga112.adapters.database.connect import connect
from siaga112.adapters.database.records import DatabaseRecords
from siaga112.adapters.database.schema import METADATA
from siaga112.core import decisions
from siaga112.core.announcements import Announcement, EventType
from siaga112.core.changes import Change, replacement
from siaga112.core.fold import Work
from siaga112.core.model import (
    DAY,
    FIRST_INSTANT,
    HOUR,
    LAST_INSTANT,
    SECOND,
    Caller,
    CallId,
    Millis,
)
from siaga112.core.record import Block
from siaga112.core.tracking.queue_state import QueueState
from siaga112.core.tracking.tracker import Tracker
from siaga112.service import announcing
from siaga112.service.announcing import ENDS_EVERY, Announcer
from siaga112.service.ports import Announced, StoreBrokenError, StoreDownError
from tests.core.table import DIALPLAN, _millis, events, in_force
from tests.samples import CALLER, NOW, OTHER, RULES, block
from tests.waiting import until

ARRIVES = "10:00:00  Newchannel  100.1  num=081211111111"
QUEUE = "10:00:20  QueueCallerJoin  100.1  queue=siaga112 at=siaga112-queue,s,1"
TALKS = """
10:00:25  DialBegin    100.1  leg=100.2
10:01:00  BridgeEnter  100.1  bridge=b1
10:01:00  BridgeEnter  100.2  bridge=b1
"""
ENDS = "10:02:00  Hangup  100.1"


class Told:
    """Records that keep the announcements, and fail with `raises` while that is set."""

    def __init__(self) -> None:
        self.told: list[Announcement] = []
        self.looked: list[Millis] = []
        self.raises: Exception | None = None
        self.tries = 0

    async def announce(self, told: Sequence[Announcement]) -> None:
        """Keep the announcements."""
        self.tries += 1
        if self.raises:
            raise self.raises
        self.told += told

    async def announce_ends(self, now: Millis) -> None:
        """Keep the time at which ended blocks were searched for."""
        if self.raises:
            raise self.raises
        self.looked.append(now)

    async def last_announced(self) -> int:
        """Return the number of the last announcement."""
        return len(self.told)

    async def announcements(self, after: int, limit: int = 1_000) -> Sequence[Announced]:
        """Return the announcements after that number."""
        return [Announced(n + 1, one) for n, one in enumerate(self.told)][after : after + limit]


class Line:
    """An announcer with a tracker to feed and a clock to set."""

    def __init__(self, records: Told | DatabaseRecords) -> None:
        self.rules = in_force(replace(DIALPLAN, queues=frozenset({"siaga112"})))
        self.tracker = Tracker(self.rules)
        self.now = _millis("10:00:00")
        self.announcer = Announcer(records, self.tracker, QueueState(self.rules), lambda: self.now)

    async def plays(self, table: str) -> None:
        """Feed these events to the tracker, and announce."""
        for event in events(table):
            self.tracker.feed(event)
        await self.announcer.announce()

    async def at(self, now: Millis) -> None:
        """Announce at this instant."""
        self.now = now
        await self.announcer.announce()


async def test_a_call_is_told_of_as_it_moves() -> None:
    """A call's start, queue and answer are each announced once, with the PBX's time."""
    records = Told()
    line = Line(records)
    for table in (ARRIVES, QUEUE, TALKS, ENDS):
        await line.plays(table)
        await line.announcer.announce()
    assert [(one.type, one.at) for one in records.told] == [
        (EventType.CALL_STARTED, _millis("10:00:00")),
        (EventType.CALL_QUEUED, _millis("10:00:20")),
        (EventType.CALL_ANSWERED, _millis("10:01:00")),
    ]
    assert {(one.call, one.caller) for one in records.told} == {(CallId("100.1"), CALLER)}
    assert records.told[1].data == {"queue": "siaga112"}


async def test_what_went_on_between_two_looks_is_all_told_in_order() -> None:
    """A call that starts and is answered between two rounds is announced as both, in that order."""
    records = Told()
    await Line(records).plays(f"{ARRIVES}\n{QUEUE}\n{TALKS}")
    kinds = [one.type for one in records.told]
    assert kinds[0] is EventType.CALL_STARTED
    assert kinds == sorted(kinds, key=list(EventType).index)
    assert EventType.CALL_ANSWERED in kinds


async def test_what_could_not_be_written_is_not_told_later() -> None:
    """An announcement that could not be written is dropped as no longer current; later ones are written."""
    records = Told()
    line = Line(records)
    records.raises = StoreDownError("away")
    with pytest.raises(StoreDownError):
        await line.plays(ARRIVES)
    records.raises = None
    await line.plays(QUEUE)
    assert [one.type for one in records.told] == [EventType.CALL_QUEUED]


@pytest.mark.parametrize("error", [StoreDownError("away"), StoreBrokenError("odd"), RuntimeError("ours")])
async def test_no_trouble_ends_the_announcer(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """No error of the records ends the announcer, and it continues once they work again."""
    monkeypatch.setattr(announcing, "EVERY_SECONDS", 0.0)
    records = Told()
    line = Line(records)
    records.raises = error
    running = asyncio.create_task(line.announcer.run())
    for event in events(ARRIVES):
        line.tracker.feed(event)
    await until(lambda: records.tries > 0, 20, "a try to announce")
    records.raises = None
    for event in events(QUEUE):
        line.tracker.feed(event)
    await until(lambda: EventType.CALL_QUEUED in {one.type for one in records.told}, 20, "an announcement")
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_ends_are_looked_for_now_and_then() -> None:
    """Ended blocks are searched for at the start and then at intervals, not in each round."""
    records = Told()
    line = Line(records)
    for after in (0, 1, ENDS_EVERY - 1, ENDS_EVERY, ENDS_EVERY + 1, 2 * ENDS_EVERY):
        await line.at(NOW + after)
    assert records.looked == [NOW, NOW + ENDS_EVERY, NOW + 2 * ENDS_EVERY]


async def test_a_clock_that_was_set_back_does_not_keep_ends_from_being_looked_for() -> None:
    """A clock that is set back a year does not delay the search, and an impossible time starts none."""
    records = Told()
    line = Line(records)
    for now in (NOW, NOW + 365 * DAY, NOW + 1, NOW + 2, LAST_INSTANT, FIRST_INSTANT - 1):
        await line.at(now)
    assert records.looked == [NOW, NOW + 365 * DAY, NOW + 1]


# ── with real records ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def url(tmp_path: Path) -> str:
    """Return the address of a new, empty database."""
    address = f"sqlite:///{tmp_path}/siaga112.db"
    engine = connect(address)
    METADATA.create_all(engine)
    engine.dispose()
    return address


@pytest.fixture
async def records(url: str) -> AsyncIterator[DatabaseRecords]:
    """Yield the records in that database."""
    found = DatabaseRecords(connect(url), "lab")
    yield found
    await found.close()


async def impose(records: DatabaseRecords, caller: Caller, held: Block, at: Millis = NOW) -> None:
    """Impose a block at this instant, in a transaction."""

    def act(work: Work) -> None:
        before = work.held(caller)
        assert before.record
        after = decisions.impose(before.record, held)
        work.write(Change(replacement(before.record, after, before.version, at, RULES)))

    await records.transaction([(caller, None)], act)


async def ends(records: DatabaseRecords) -> list[tuple[Caller | None, Millis]]:
    """Return the announced ends of blocks, each with its caller and time."""
    return [
        (one.told.caller, one.told.at)
        for one in await records.announcements(0)
        if one.told.type is EventType.BLOCK_ENDED
    ]


async def test_the_end_of_a_temporary_block_is_told_once(records: DatabaseRecords) -> None:
    """The end of a temporary block is announced once, with its own time, however long the announcer runs."""
    line = Line(records)
    await line.at(NOW)
    await impose(records, CALLER, block(NOW, NOW + 45 * SECOND))
    for seconds in range(0, 300, 7):
        await line.at(NOW + seconds * SECOND)
    assert await ends(records) == [(CALLER, NOW + 45 * SECOND)]


async def test_no_end_is_lost_or_told_twice_over_a_restart(records: DatabaseRecords) -> None:
    """Ends during, between and after runs of the daemon are each announced once."""
    first = Line(records)
    await first.at(NOW)
    for nth, caller in enumerate((CALLER, OTHER, Caller("+6281233333333"))):
        await impose(records, caller, block(NOW, NOW + (20 + 100 * nth) * SECOND))
    await first.at(NOW + 60 * SECOND)
    second = Line(records)
    for seconds in (180, 185, 210, 240, 270):
        await second.at(NOW + seconds * SECOND)
    await Line(records).at(NOW + 271 * SECOND)
    assert [at for _, at in await ends(records)] == [NOW + seconds * SECOND for seconds in (20, 120, 220)]


async def test_an_end_that_came_while_the_database_was_away_is_told_when_it_is_back(
    records: DatabaseRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An end that passes while the database is down is announced once it is back."""

    async def away(*_: object) -> None:
        raise StoreDownError("away")

    line = Line(records)
    await line.at(NOW)
    await impose(records, CALLER, block(NOW, NOW + 45 * SECOND))
    with monkeypatch.context() as fault:
        fault.setattr(records, "act", away)
        with pytest.raises(StoreDownError):
            await line.at(NOW + 60 * SECOND)
    await line.at(NOW + 60 * SECOND + ENDS_EVERY)
    assert await ends(records) == [(CALLER, NOW + 45 * SECOND)]


async def test_no_end_is_lost_or_told_twice_whatever_is_written_late(records: DatabaseRecords) -> None:
    """A block's end is announced once, however late the block is written, and however near to a search."""
    line, at = Line(records), NOW
    until_: dict[Caller, Millis] = {}
    await line.at(at)
    for nth, (pause, ends_in) in enumerate(itertools.product((1, 29, 30, 31, 75), (-45, -1, 0, 1, 44))):
        at += pause * SECOND
        caller = Caller(f"+62812444{nth:05}")
        until_[caller] = at + ends_in * SECOND
        if nth % 2:
            await line.at(at)
        await impose(records, caller, block(at - HOUR, until_[caller]), at)
    await line.at(at + HOUR)
    assert sorted(await ends(records)) == sorted(until_.items())
