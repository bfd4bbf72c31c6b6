"""With a caller key no stored data has a caller's number, and everything still works by number."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from siaga112.adapters.outbox import SqliteOutbox
from siaga112.adapters.queue_log import QueueLogFile
from siaga112.core.agi import Request
from siaga112.core.ami.events import Event
from siaga112.core.caller_id import INDONESIA, NumberPlan, canonical, typed
from siaga112.core.model import SECOND, Caller, Level, Mode, Outcome, Verdict
from siaga112.core.rules import Dialplan
from siaga112.core.tracking.outgoing import OutgoingCalls
from siaga112.core.tracking.queue_state import QueueState
from siaga112.core.tracking.tracker import Tracker
from siaga112.service.pipeline import Pipeline
from siaga112.service.reconciling import Reconciler
from siaga112.service.recording import Recorder
from siaga112.service.screening import Screener
from siaga112.service.supervisor import Supervisor
from tests.core.table import DIALPLAN, events, in_force
from tests.fakes.meter import KeptMeter
from tests.lab.stores import PublishedStore
from tests.samples import NOW, RULES
from tests.service.test_pipeline import LEAVES_QUEUE, leaves_menu

pytestmark = pytest.mark.redis

NUMBER = "081398765432"
SUBSCRIBER = "98765432"
KEYED = NumberPlan(key=b"a key of this test alone")


@pytest.fixture
def store(site_records: PublishedStore) -> PublishedStore:
    """Return a store."""
    return site_records


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[SqliteOutbox]:
    """Open an outbox on disk."""
    opened = SqliteOutbox(tmp_path / "outbox.db")
    await opened.open()
    yield opened
    await opened.close()


class Calls:
    """An event source that plays tables of events from our caller, as if they ended about now."""

    def __init__(self, *tables: str) -> None:
        self._events = [event for table in tables for event in events(table.replace("081211111111", NUMBER))]

    async def slices(self) -> AsyncIterator[Sequence[Event]]:
        """Yield the events."""
        shift = NOW - max(event.at for event in self._events)
        yield [replace(event, at=event.at + shift) for event in self._events]


def on_disk(folder: Path) -> str:
    """Return the bytes of the outbox's files, including the write-ahead log."""
    return "".join(path.read_bytes().decode("latin-1") for path in folder.glob("outbox.db*"))


async def take_calls(plan: NumberPlan, store: PublishedStore, outbox: SqliteOutbox, folder: Path) -> str:
    """Take six pranks, an abandoned call, and one from queue_log only; return the bytes of the outbox."""
    dialplan: Dialplan = replace(DIALPLAN, numbers=plan)
    meter = KeptMeter()
    pipeline = Pipeline(
        tracker=Tracker(in_force(dialplan)),
        queues=QueueState(in_force(dialplan, RULES)),
        outgoing=OutgoingCalls(in_force(dialplan)),
        rules=in_force(dialplan, RULES),
        outbox=outbox,
        meter=meter,
        mode=lambda: Mode.OBSERVE,
    )
    await pipeline.run(Calls(*(leaves_menu(f"{n}.1", n) for n in range(6)), LEAVES_QUEUE))

    second = NOW // SECOND
    queue_log = folder / "queue_log"
    queue_log.write_text(
        f"{second}|{second}.7|siaga112|NONE|ENTERQUEUE||{NUMBER}|1\n{second}|{second}.7|siaga112|NONE|ABANDON|1|1|0\n"
    )
    settler = Reconciler(
        queue_log=QueueLogFile(queue_log),
        ledger=store,
        outbox=outbox,
        rules=in_force(replace(dialplan, queues=frozenset({"siaga112"})), RULES),
        in_progress=lambda _: False,
        clock=lambda: NOW,
    )
    await settler._reconcile_since(NOW - 60 * SECOND)

    waiting = on_disk(folder)
    recorder = Recorder(outbox, store, in_force(policy=RULES), meter)
    for key, settled in await outbox.oldest(100):
        await recorder.record([settled])
        await outbox.drop([key])
    return waiting


async def everything(store: PublishedStore) -> str:
    """Return the database's own bytes, and each key of the site with its value."""
    file = Path(str(store.records._engine.url.database))
    redis: Any = store.block_list._redis
    read = {b"hash": redis.hgetall, b"string": redis.get, b"stream": redis.xrange}
    keys = [key async for key in redis.scan_iter(f"*{store.records.site_name}*")]
    held = repr([(key, await read[await redis.type(key)](key)) for key in keys])
    return held + "".join(path.read_bytes().decode("latin-1") for path in file.parent.glob(f"{file.name}*"))


def desk_at(store: PublishedStore) -> Supervisor:
    """Return the actions of a supervisor."""
    return Supervisor(store, RULES, Mode.ENFORCE, lambda: NOW + SECOND, "ratna")


@pytest.mark.parametrize("plan", [KEYED, INDONESIA], ids=["keyed", "by number"])
async def test_no_digit_of_the_caller_is_kept_with_a_key(
    plan: NumberPlan, store: PublishedStore, outbox: SqliteOutbox, tmp_path: Path
) -> None:
    """With a key neither outbox nor store has the number; the log never has it; the calls are the same."""
    with capture_logs() as logs:
        waiting = await take_calls(plan, store, outbox, tmp_path)
        supervisor = desk_at(store)
        caller = typed(NUMBER, plan)
        assert caller
        await supervisor.unblock(caller, "by number")
        await supervisor.block(caller, None, "again")
        await supervisor.allow(caller, "a clinic")
        await supervisor.subject(caller)
    kept = [SUBSCRIBER in text for text in (waiting, await everything(store))]
    assert kept == [plan is INDONESIA] * 2
    assert SUBSCRIBER not in repr(logs)
    rows = [row async for row in store.entries(NOW - 3_600_000 * 2, NOW + 1)]
    assert [row.finding.outcome for row in rows] == [Outcome.IVR_PRANK] * 6 + [Outcome.ABANDONED] * 2
    assert {row.finding.call.caller for row in rows} == {caller}
    assert {row.finding.call.raw_caller for row in rows} == {NUMBER if plan is INDONESIA else ""}


async def test_a_hashed_caller_is_blocked_by_any_spelling_of_the_number(
    store: PublishedStore, outbox: SqliteOutbox, tmp_path: Path
) -> None:
    """A hashed caller is blocked, and found by hash or any spelling of the number, but not by another key."""
    await take_calls(KEYED, store, outbox, tmp_path)
    screener = Screener(
        store=store,
        known=lambda _: None,
        mode=lambda: Mode.ENFORCE,
        rules=in_force(replace(DIALPLAN, numbers=KEYED), RULES, deadline=5.0),
        meter=KeptMeter(),
        clock=lambda: NOW + SECOND,
        stopwatch=lambda: 0.0,
    )

    async def verdict(number: str) -> Verdict:
        return (await screener.screen(Request("screen", "1.0", number))).verdict

    (listed,) = await store.blocked(NOW)
    assert listed.caller.startswith("h:")
    assert await verdict(NUMBER) is Verdict.BLOCK
    assert await verdict("+6281398765432") is Verdict.BLOCK
    assert await verdict("081398765433") is Verdict.ALLOW
    assert await verdict(listed.caller) is Verdict.ALLOW

    supervisor = desk_at(store)
    for text in ("0813-9876-5432", "62 813 9876 5432", listed.caller):
        caller = typed(text, KEYED)
        assert caller == listed.caller
        assert (await supervisor.verdict(caller)).level is Level.TEMPORARY
    assert len((await supervisor.record(Caller(listed.caller))).strikes) == 6
    other = canonical(NUMBER, NumberPlan(key=b"another key, later"))
    assert other
    assert (await supervisor.verdict(other)).verdict is Verdict.ALLOW
