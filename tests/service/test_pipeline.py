"""From the PBX's events to the ledger and strikes: nothing is lost, and nothing is counted twice."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from siaga112.core import decisions, policy
from siaga112.core.ami.events import Event, QueueMember, QueueStatus, Resumed
from siaga112.core.changes import Change
from siaga112.core.mode import Switch
from siaga112.core.model import (
    Entry,
    Fact,
    FactKind,
    Level,
    Mark,
    Millis,
    Mode,
    OperatorState,
    Outcome,
    Stage,
)
from siaga112.core.record import AllowEntry, CallerRecord
from siaga112.core.tracking.outgoing import OutgoingCalls
from siaga112.core.tracking.queue_state import QueueState
from siaga112.core.tracking.tracker import Tracker
from siaga112.service import reconciling, recording
from siaga112.service.mode import ModeWatch
from siaga112.service.pipeline import Pipeline
from siaga112.service.ports import StoreBrokenError
from siaga112.service.reconciling import Reconciler
from siaga112.service.recording import Recorder
from siaga112.service.updating import update
from tests.core.table import DIALPLAN, events, in_force
from tests.fakes.memory import MemoryModes, MemoryStore
from tests.fakes.meter import KeptMeter
from tests.fakes.outbox import MemoryOutbox
from tests.samples import CALLER, NOW, OTHER, RULES, answered, entry, prank, turn
from tests.waiting import until

SOON = 5.0


class Script:
    """An event source that yields a table of events in slices, and ends."""

    def __init__(self, *tables: str) -> None:
        self._tables = tables

    async def slices(self) -> AsyncIterator[Sequence[Event]]:
        """Yield the events; other tasks run between slices."""
        for table in self._tables:
            yield events(table)
            await asyncio.sleep(0)


class Nothing:
    """A PBX without calls."""

    async def slices(self) -> AsyncIterator[Sequence[Event]]:
        """Yield two empty lists of channels, as after two reconnections."""
        yield [Resumed(NOW, ())]
        yield [Resumed(NOW, ())]


class Queues:
    """A PBX that reports its queues, one answer after the other."""

    def __init__(self, *seen: QueueStatus) -> None:
        self._seen = seen

    async def slices(self) -> AsyncIterator[Sequence[Event]]:
        """Yield each answer in a slice of its own."""
        for one in self._seen:
            yield [one]


class Site:
    """Both halves of the event flow around a store in memory."""

    def __init__(self, mode: Mode = Mode.OBSERVE) -> None:
        self.store = MemoryStore()
        self.outbox = MemoryOutbox()
        self.meter = KeptMeter()
        self.pipeline = Pipeline(
            tracker=Tracker(in_force(DIALPLAN)),
            queues=QueueState(in_force(DIALPLAN, RULES)),
            outgoing=OutgoingCalls(in_force(DIALPLAN)),
            rules=in_force(DIALPLAN, RULES),
            outbox=self.outbox,
            meter=self.meter,
            mode=lambda: mode,
        )
        self.recorder = Recorder(self.outbox, self.store, in_force(policy=RULES), self.meter)

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """Run the recorder during the block, and then until the outbox is empty."""
        task = asyncio.create_task(self.recorder.run())
        try:
            yield
            await self.outbox.until_empty()
            assert not task.done()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def ledger(self) -> list[Entry]:
        """Return the whole ledger."""
        return [row async for row in self.store.entries(0, NOW * 2)]

    async def record(self) -> CallerRecord:
        """Return the caller's record."""
        return await self.store.load(CALLER)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the recorder try again soon."""
    monkeypatch.setattr(recording, "RETRY_SECONDS", 0.01)


def leaves_menu(uid: str, minute: int = 0) -> str:
    """Return the events of a call whose caller hangs up in the menu."""
    return f"""
        10:{minute:02}:00  Newchannel     {uid}  num=081211111111
        10:{minute:02}:00  VarSet         {uid}  SIAGA_CALLER=081211111111
        10:{minute:02}:00  VarSet         {uid}  SIAGA_REASON=not_blocked
        10:{minute:02}:00  VarSet         {uid}  SIAGA_VERDICT=ALLOW
        10:{minute:02}:01  Newexten       {uid}  app=BackGround at=siaga112-ivr,s,5
        10:{minute:02}:20  HangupRequest  {uid}
        10:{minute:02}:20  Hangup         {uid}
    """


LEAVES_QUEUE = """
    11:00:00  Newchannel       900.1  num=081211111111
    11:00:00  VarSet           900.1  SIAGA_CALLER=081211111111
    11:00:06  QueueCallerJoin  900.1  queue=siaga112 at=siaga112-queue,s,1
    11:00:12  HangupRequest    900.1
    11:00:12  Hangup           900.1
"""


async def test_a_call_that_ends_reaches_the_ledger() -> None:
    """An ended call is counted once and written once, with its outcome and whether it cost a strike."""
    site = Site()
    async with site.recording():
        await site.pipeline.run(Script(leaves_menu("100.1"), LEAVES_QUEUE))
    found = [(row.finding.call.id, row.finding.outcome, row.strike) for row in await site.ledger()]
    assert found == [("100.1", Outcome.IVR_PRANK, True), ("900.1", Outcome.ABANDONED, False)]
    assert site.meter.calls == await site.ledger()
    assert [one.call for one in (await site.record()).strikes] == ["100.1"]


async def test_calls_in_progress_are_shown() -> None:
    """The stages of calls in progress are published after each slice of events."""
    site = Site()
    arrives, *rest = leaves_menu("100.1").strip().splitlines()
    await site.pipeline.run(Script(arrives, "\n".join([arrives, *rest])))
    assert site.meter.stages == [{Stage.SCREENING: 1}, {}]


async def test_one_misuse_too_many_blocks() -> None:
    """The sixth strike leads to a block, which is counted and listed at once."""
    site = Site()
    async with site.recording():
        await site.pipeline.run(Script(*(leaves_menu(f"{n}.1", n) for n in range(6))))
    (imposed,) = (await site.record()).blocks
    assert imposed.level is Level.TEMPORARY
    assert await site.store.tallies() == {"strikes:ivr_prank": 6, "blocks:temporary:automatic": 1}
    assert imposed.level is Level.TEMPORARY
    assert (await site.store.standing(CALLER)).level is Level.TEMPORARY
    assert [record.caller for record in await site.store.blocked(imposed.since)] == [CALLER]


async def test_while_the_store_is_down_nothing_is_lost_and_nothing_doubled() -> None:
    """Calls that end while the store is down are recorded when it is back, once each and in order."""
    site = Site()
    site.store.down = True
    async with site.recording():
        await site.pipeline.run(Script(*(leaves_menu(f"{n}.1", n) for n in range(6))))
        await until(lambda: site.store.refused >= 3)
        assert len(site.outbox.waiting) == 6
        site.store.down = False
    assert site.store.writes == 6
    assert [row.finding.call.id for row in await site.ledger()] == [f"{n}.1" for n in range(6)]
    assert len((await site.record()).strikes) == 6
    assert (await site.store.tallies())["strikes:ivr_prank"] == 6


async def test_a_store_that_dies_before_it_has_answered_is_told_again() -> None:
    """A write that the store did not acknowledge is repeated, and leaves one strike and one row."""
    site = Site()
    one = entry(prank(1))
    transaction = site.store.transaction

    async def dying(subjects: Any, act: Any) -> Any:
        await transaction(subjects, act)
        site.store.down = True
        await site.store.ping()

    site.store.transaction = dying  # type: ignore[method-assign] # a fault of the store
    await site.outbox.append([one])
    async with site.recording():
        await until(lambda: site.store.refused > 0)
        assert await site.outbox.oldest(9)
        site.store.transaction = transaction  # type: ignore[method-assign] # a fault of the store
        site.store.down = False
    assert (await site.record()).strikes == (policy.strike_for(one.finding, RULES),)
    assert await site.ledger() == [one]


async def test_the_same_entry_twice_is_once() -> None:
    """Recording a call twice leaves one row and one strike, and counts one misuse."""
    site = Site()
    for _ in range(2):
        await site.recorder.record([entry(prank(1))])
    assert len(await site.ledger()) == 1
    assert len((await site.record()).strikes) == 1
    assert await site.store.tallies() == {"strikes:ivr_prank": 1}


async def test_a_second_recording_keeps_what_a_person_has_marked_meanwhile() -> None:
    """Recording an entry again, as after a crash, does not undo a mark that a person set in between."""
    site = Site()
    one = entry(answered(1))
    await site.recorder.record([one])
    marked = replace(one, finding=replace(one.finding, mark=Mark.GENUINE))
    await site.store.write([Change(entry=marked)])
    await site.recorder.record([one])
    assert await site.ledger() == [marked]


@pytest.mark.fault("redis_type")
async def test_one_callers_broken_record_holds_up_nobody_else() -> None:
    """A caller's calls wait behind one that cannot be written, and other callers' calls do not."""
    site = Site()
    rows = [entry(prank(n, turn(n), caller)) for n, caller in enumerate((CALLER, OTHER) * 3)]

    site.store.broken = {CALLER}
    await site.outbox.append(rows)
    async with site.recording():
        await until(lambda: len(site.outbox.waiting) == 3)
        assert site.outbox.waiting == rows[::2]
        site.store.broken = set()
    assert [one.call for one in (await site.record()).strikes] == [row.finding.call.id for row in rows[::2]]


async def test_who_saw_a_call_in_part_does_not_overwrite_who_saw_it_whole() -> None:
    """With two daemons on a PBX, a row of the one that saw the call in part replaces no complete row."""
    site, whole = Site(), entry(prank(1))
    facts = (Fact(NOW, FactKind.ADOPTED), Fact(NOW + 10_000, FactKind.ENDED))
    part = entry(replace(whole.finding.call, facts=facts))
    assert part.finding.outcome is Outcome.UNKNOWN
    for row in (part, whole, part):
        await site.recorder.record([row])
    assert await site.ledger() == [whole]
    assert len((await site.record()).strikes) == 1


@pytest.mark.fault("kill")
async def test_a_call_that_was_up_when_we_were_killed_is_settled_by_the_next() -> None:
    """A call that was noted at its start and is gone after a restart becomes `unknown`, once."""
    killed, site = Site(), Site()
    whole = leaves_menu("100.1").strip().splitlines()
    await killed.pipeline.run(Script("\n".join(whole[:-1]), leaves_menu("200.1", 1)))
    assert set(killed.outbox.noted) == {"100.1"}
    assert [row.finding.call.id for row in killed.outbox.waiting] == ["200.1"]
    site.pipeline.outbox = site.recorder.outbox = site.outbox = killed.outbox
    async with site.recording():
        await site.pipeline.run(Nothing())
    assert [(row.finding.call.id, row.finding.outcome, row.strike) for row in await site.ledger()] == [
        ("100.1", Outcome.UNKNOWN, False),
        ("200.1", Outcome.IVR_PRANK, False),  # no strike: both calls were up at the same time
    ]
    assert [row.finding.call.id for row in site.meter.calls] == ["100.1"]


async def test_off_gives_no_strikes() -> None:
    """In mode `off`, a call is still in the ledger, but costs no strike."""
    site = Site(Mode.OFF)
    async with site.recording():
        await site.pipeline.run(Script(leaves_menu("100.1")))
    assert [(row.finding.outcome, row.strike) for row in await site.ledger()] == [(Outcome.IVR_PRANK, False)]
    assert await site.record() == CallerRecord(CALLER)


async def test_who_is_on_the_allow_list_gets_no_strike() -> None:
    """A call of an allow-listed caller is in the ledger, but costs no strike."""
    site = Site()
    await update(
        site.store, CALLER, lambda held: decisions.allow(held, AllowEntry(NOW, "x", "y")), NOW, RULES
    )
    await site.recorder.record([entry(prank(1))])
    assert [row.strike for row in await site.ledger()] == [False]
    assert (await site.record()).strikes == ()
    assert await site.store.tallies() == {}


async def test_an_anonymous_call_is_kept_without_a_caller() -> None:
    """A call with a hidden number is in the ledger without a caller and without a strike."""
    site = Site()
    await site.recorder.record([entry(prank(1, caller=None))])
    assert [(row.finding.call.caller, row.strike) for row in await site.ledger()] == [(None, False)]


async def test_no_number_is_logged_in_full() -> None:
    """The log contains a caller's number only in its masked form."""
    with capture_logs() as logs:
        await Site().recorder.record([entry(prank(1))])
    (line,) = [line for line in logs if line["event"] == "call"]
    assert line["caller"] == "+62812*****111"
    assert CALLER not in str(logs)


async def test_a_disk_that_refuses_does_not_end_the_following() -> None:
    """A call that the disk rejects is written later, and the next calls are tracked."""
    site = Site()
    site.outbox.failures = 1
    with capture_logs() as logs:
        await site.pipeline.run(Script(leaves_menu("100.1"), leaves_menu("200.1", 1)))
    assert [row.finding.call.id for row in site.outbox.waiting] == ["100.1", "200.1"]
    assert [(line["event"], line["lost"]) for line in logs if line["log_level"] == "error"] == [
        ("outbox_failed", 0)
    ]


@pytest.mark.parametrize("failures", [1, 2, 3])
async def test_a_disk_that_refuses_does_not_end_the_recorder(failures: int) -> None:
    """If the outbox cannot be read or emptied, the recorder tries again and records every call once."""
    site = Site()
    await site.outbox.append([entry(prank(1, turn(1))), entry(prank(2, turn(2)))])
    site.outbox.failures = failures
    with capture_logs() as logs:
        async with site.recording():
            pass
    assert len(await site.ledger()) == 2
    assert len((await site.record()).strikes) == 2
    assert "outbox_failed" in {line["event"] for line in logs}


async def test_an_odd_event_does_not_end_the_following(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that raises in the tracker is lost and logged, and the next calls are tracked."""
    site = Site()
    feed = site.pipeline.tracker.feed
    odd = iter([True])

    def failing(event: Event) -> object:
        if next(odd, False):
            raise KeyError("ours")
        return feed(event)

    monkeypatch.setattr(site.pipeline.tracker, "feed", failing)
    with capture_logs() as logs:
        await site.pipeline.run(Script(leaves_menu("100.1"), leaves_menu("200.1", 1)))
    assert [row.finding.call.id for row in site.outbox.waiting if row.strike] == ["200.1"]
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["event_failed"]


# ── the mode, and the supervisor ─────────────────────────────────────────────────────────────────


async def test_the_mode_follows_the_store_and_holds_while_it_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A switch of the mode takes effect by itself; while the store fails, the last known mode stays."""
    store, meter = MemoryStore(), KeptMeter()
    watch = ModeWatch({"redis": store}, Mode.OBSERVE, meter, MemoryModes())
    monkeypatch.setattr("siaga112.service.mode.POLL_SECONDS", 0.001)
    watching = asyncio.create_task(watch.run())

    await until(lambda: watch.up["redis"])
    assert watch.current() is Mode.OBSERVE
    await store.switch(Switch(Mode.OFF), Mode.OBSERVE)
    await until(lambda: watch.current() is Mode.OFF)
    store.down = True
    await until(lambda: not watch.up["redis"])
    assert watch.current() is Mode.OFF
    store.down = False

    async def broken() -> Switch | None:
        raise StoreBrokenError("no mode")

    sound, store.switched = store.switched, broken  # type: ignore[method-assign] # that fails
    await until(lambda: meter.up.count(False) > 3)
    assert watch.current() is Mode.OFF
    store.switched = sound  # type: ignore[method-assign] # again
    await store.switch(Switch(Mode.ENFORCE, NOW), Mode.OFF)
    await until(lambda: watch.current() is Mode.ENFORCE)
    shown = [mode for mode, before in zip(meter.modes, [None, *meter.modes], strict=False) if mode != before]
    assert shown == [Mode.OBSERVE, Mode.OFF, Mode.ENFORCE]
    watching.cancel()


class Lines:
    """A queue_log with these lines."""

    def __init__(self, *lines: str) -> None:
        self._lines = lines

    async def lines(self, since: Millis) -> Sequence[str]:
        """Return them all."""
        del since
        return self._lines


def settling(site: Site, *lines: str) -> Reconciler:
    """Return the reconciler of a site whose queue_log has these lines."""
    dialplan = replace(DIALPLAN, queues=frozenset({"siaga112"}))
    rules = in_force(dialplan, RULES)
    return Reconciler(Lines(*lines), site.store, site.outbox, rules, lambda _: False, lambda: NOW)


async def test_queue_log_adds_nothing_to_a_call_that_waits_in_the_outbox() -> None:
    """A call that was seen stays as it was seen: the ledger did not have it yet when queue_log was read."""
    site, whole = Site(), entry(answered(1))
    await site.outbox.append([whole])
    call, second = whole.finding.call.id, NOW // 1_000
    reconciler = settling(
        site,
        f"{second + 2}|{call}|siaga112|NONE|ENTERQUEUE||{CALLER}|1",
        f"{second + 7}|{call}|siaga112|NONE|EXITWITHTIMEOUT|1|1|5",
    )
    await reconciler._reconcile_since(0)
    async with site.recording():
        pass
    assert await site.ledger() == [whole]
    assert (await site.record()).missed == ()


async def test_a_call_from_queue_log_waits_for_a_disk_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that only queue_log shows is added as soon as the outbox takes it."""
    monkeypatch.setattr(reconciling, "DELAY_SECONDS", 0.0)
    site, second = Site(), NOW // 1_000
    site.outbox.failures = 1
    reconciler = settling(
        site,
        f"{second}|{second}.7|siaga112|NONE|ENTERQUEUE||{CALLER}|1",
        f"{second}|{second}.7|siaga112|NONE|ABANDON|1|1|0",
    )
    reconciler.look_back(0)
    running = asyncio.create_task(reconciler.run())
    try:
        await until(lambda: bool(site.outbox.waiting))
    finally:
        running.cancel()
    (added,) = site.outbox.waiting
    assert added.finding.outcome is Outcome.ABANDONED


async def test_without_a_queue_of_ours_operators_are_unknown_and_not_absent() -> None:
    """While the PBX has none of the configured queues, the meter gets no number of operators, not zero."""
    site, ours = Site(), QueueMember("siaga112", "PJSIP/101", OperatorState.BUSY)
    site.pipeline.queues = QueueState(in_force(replace(DIALPLAN, queues=frozenset({"siaga112"})), RULES))
    theirs = QueueMember("sales", "PJSIP/900", OperatorState.AVAILABLE)
    await site.pipeline.run(
        Queues(
            QueueStatus(NOW, ("sales",), (theirs,), ()),
            QueueStatus(NOW, ("sales", "siaga112"), (theirs, ours), ()),
            QueueStatus(NOW, ("sales", "siaga112"), (theirs,), ()),
            QueueStatus(NOW, ("sales",), (theirs,), ()),
        )
    )
    assert site.meter.operator_counts == [None, {OperatorState.BUSY: 1}, {}, None]
