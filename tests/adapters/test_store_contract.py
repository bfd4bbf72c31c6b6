"""The store's contract, held by every implementation and by each way in which Redis is run."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from siaga112.adapters.redis import embedded as redis_embedded
from siaga112.adapters.redis.connect import connect
from siaga112.adapters.redis.server import EmbeddedRedis
from siaga112.adapters.redis.store import RedisStore
from siaga112.core import decisions
from siaga112.core.caller_id import INDONESIA, spelling
from siaga112.core.changes import Change, Imposition, Stored, replacement
from siaga112.core.codec import dump_entry, load_row
from siaga112.core.mode import Switch
from siaga112.core.model import DAY, AuditEntry, CallId, Level, Mark, Mode, ProposalCause, Reached
from siaga112.core.record import AllowEntry, CallerRecord, Lift, MissedCall, Proposal
from siaga112.core.standing import NOBODY, Standing, standing
from siaga112.core.standing_table import Standings
from siaga112.service.ports import FeedChanges, FeedPosition, Store, Written
from siaga112.service.recording import Recorder
from siaga112.service.supervisor import Supervisor
from tests.adapters.changes import begun, blocked_for_good, change, every_answer, listed, struck, whole
from tests.adapters.conftest import KEEP
from tests.core.table import in_force
from tests.fakes.memory import MemoryStore
from tests.fakes.meter import KeptMeter
from tests.fakes.outbox import MemoryOutbox
from tests.lab.redis_servers import Cluster, RedisServer, Sentinels, Tls, cluster, home, sentinels, tls
from tests.lab.stores import published_store
from tests.samples import CALLER, NOW, OTHER, RULES, SNAPSHOT, answered, block, entry, prank, strike, turn

TOPOLOGIES = [
    pytest.param(name, marks=pytest.mark.redis) for name in ("embedded", "tls", "sentinel", "cluster")
]
DAEMONS = 100

PATIENCE = 120.0
"""Seconds: the contract says what comes of a command, not how fast; TLS of a hundred takes a while."""


@pytest.fixture(scope="module", name="tls")
def tls_running() -> Iterator[Tls]:
    """Run one for all tests here."""
    with tls() as running:
        yield running


@pytest.fixture(scope="module", name="sentinel")
def sentinel_running() -> Iterator[Sentinels]:
    """Run one for all tests here."""
    with sentinels() as running:
        yield running


@pytest.fixture(scope="module", name="cluster")
def cluster_running() -> Iterator[Cluster]:
    """Run one for all tests here."""
    with cluster() as running:
        yield running


@asynccontextmanager
async def address(topology: str, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """Give the address of a running Redis of that kind."""
    if topology != "embedded":
        yield request.getfixturevalue(topology).url
        return
    with home() as state_dir:
        embedded = EmbeddedRedis(state_dir)
        try:
            await embedded.start()
            yield redis_embedded.url(state_dir)
        finally:
            await embedded.stop()


@pytest.fixture(params=["memory", pytest.param("database", marks=pytest.mark.redis), *TOPOLOGIES])
async def store(request: pytest.FixtureRequest, site: str, tmp_path: Path) -> AsyncIterator[Store]:
    """Give each implementation of the port in turn, and Redis in each way."""
    if request.param == "memory":
        yield MemoryStore()
        return
    if request.param == "database":
        url = f"sqlite:///{tmp_path}/siaga112.db"
        server: RedisServer = request.getfixturevalue("redis_server")
        both = published_store(url, server.url, site, KEEP, PATIENCE)
        await both.published()
        yield both
        await both.close()
        return
    async with address(request.param, request) as url:
        found = RedisStore(connect(url, PATIENCE), site, KEEP)
        yield found
        await found.close()


@pytest.fixture(
    params=[
        TOPOLOGIES[0],
        *(pytest.param(*one.values, marks=[*one.marks, pytest.mark.night]) for one in TOPOLOGIES[1:]),
    ]
)
async def daemons(request: pytest.FixtureRequest, site: str) -> AsyncIterator[list[Recorder]]:
    """Give a hundred recorders as of so many daemons: each with its own client, all with one meter."""
    meter = KeptMeter()
    async with address(request.param, request) as url:
        stores = [RedisStore(connect(url, PATIENCE), site, KEEP) for _ in range(DAEMONS)]
        yield [Recorder(MemoryOutbox(), one, in_force(policy=RULES), meter) for one in stores]
        await asyncio.gather(*(one.close() for one in stores))


async def test_a_stranger_has_no_standing_and_an_empty_record(store: Store) -> None:
    """On a caller who never did anything, nothing is held."""
    assert await store.standing(CALLER) == NOBODY
    assert await store.load(CALLER) == (CallerRecord(CALLER), 0)


async def test_a_record_comes_back_as_it_was_saved(store: Store) -> None:
    """All that a record can carry survives the store, and the verdict's part is ready beside it."""
    record = struck(*(strike(n, NOW - 100 + n) for n in range(6)))(CallerRecord(CALLER))
    record = decisions.lift(record, Lift(NOW - 50, "supervisor", 'said "sorry"\n'))
    record = decisions.impose(record, block(NOW - 40, NOW + DAY))
    record = decisions.allow(record, AllowEntry(NOW - 10, "supervisor", "rumah sakit"))
    record = decisions.take_back_strike(
        record, strike(1).call, Lift(NOW, "operator", "genuine", forgives=False)
    )
    assert await store.write([begun(record)]) == [Written.DONE]
    assert await store.load(CALLER) == (record, 1)
    assert await store.standing(CALLER) == standing(record, NOW, RULES)


@pytest.mark.parametrize("version", [0, 2])
async def test_a_stale_version_is_refused(store: Store, version: int) -> None:
    """Who read before somebody else wrote may not overwrite it."""
    first = blocked_for_good(CallerRecord(CALLER))
    assert await store.write([begun(first)]) == [Written.DONE]
    late = replace(whole(), replacement=replacement(first, CallerRecord(CALLER), version, NOW, RULES))
    assert await store.write([late]) == [Written.MOVED]
    assert await store.load(CALLER) == (first, 1)
    assert [row async for row in store.entries(NOW - KEEP, NOW + 1)] == []
    assert (list(await store.audit_entries(0, NOW + 1)), dict(await store.tallies())) == ([], {})


async def test_the_same_strike_a_hundred_times_at_once_is_one(store: Store) -> None:
    """A call costs its caller one strike, however many daemons tell of it at once."""
    await asyncio.gather(*(change(store, struck(strike(1))) for _ in range(100)))
    record, version = await store.load(CALLER)
    assert record.strikes == (strike(1),)
    assert version == 1


async def test_a_hundred_strikes_at_once_all_count_and_block_once(store: Store) -> None:
    """No strike is lost when many come at once, and together they lead to one temporary block."""
    strikes = [strike(n, NOW - 100 + n) for n in range(100)]
    await asyncio.gather(*(change(store, struck(one)) for one in strikes))
    record, _ = await store.load(CALLER)
    assert record.strikes == tuple(strikes)
    (imposed,) = record.blocks
    assert imposed.level is Level.TEMPORARY
    assert await listed(store) == ([CALLER], [])


async def test_the_lists_follow_the_records(store: Store) -> None:
    """Who is blocked or allowed is listed; who is so no longer is not."""
    await change(store, blocked_for_good)
    await change(
        store, lambda record: decisions.allow(record, AllowEntry(NOW, "supervisor", "clinic")), OTHER
    )
    assert await listed(store) == ([CALLER], [OTHER])
    await change(store, lambda record: decisions.lift(record, Lift(NOW, "supervisor", "stolen")))
    await change(store, decisions.disallow, OTHER)
    assert await listed(store) == ([], [])


async def test_all_of_a_change_is_written_at_once(store: Store) -> None:
    """Record, lists, row, audit line and counts are there together; the same line again counts nothing."""
    assert await store.write([whole()]) == [Written.DONE]
    record, version = await store.load(CALLER)
    assert await listed(store) == ([CALLER], [])
    assert [row.finding.call async for row in store.entries(NOW - KEEP, NOW + 1)] == [prank(1)]
    assert [audit_entry.action for audit_entry in await store.audit_entries(0, NOW + 1)] == ["block"]
    assert await store.tallies() == {"strikes:ivr_prank": 1}
    assert await store.held([(CALLER, prank(1).id), (None, prank(2).id)]) == [
        Stored(record, version, entry(prank(1))),
        Stored(None, 0, None),
    ]
    assert await store.write([replace(whole(), replacement=None)]) == [Written.DONE]
    assert await store.tallies() == {"strikes:ivr_prank": 1}


async def test_an_expired_block_is_listed_no_more(store: Store) -> None:
    """A block ends by itself, to the millisecond."""
    await change(store, lambda record: decisions.impose(record, block(NOW, NOW + 5_000)))
    assert [record.caller for record in await store.blocked(NOW + 4_999)] == [CALLER]
    assert (await store.block_counts(NOW + 4_999))[Level.TEMPORARY] == 1
    assert (await store.block_counts(NOW + 5_000))[Level.TEMPORARY] == 0
    assert await store.blocked(NOW + 5_000) == []


async def test_the_ledger_spans_midnight(store: Store) -> None:
    """Days are only a layout: a period across midnight UTC is complete, in order, its end exclusive."""
    midnight = NOW - NOW % DAY
    rows = [
        entry(prank(n, at))
        for n, at in enumerate([midnight - 1_000, midnight - 1, midnight, midnight + 1_000])
    ]
    for row in reversed(rows):
        await store.write([Change(entry=row)])
    assert [row async for row in store.entries(midnight - 1_000, midnight + 1_000)] == rows[:3]
    assert [row async for row in store.entries(midnight, midnight + 1_001)] == rows[2:]


async def test_the_figures_rows_are_the_ledgers(store: Store) -> None:
    """The same calls of the same time, over midnight too, in whatever order."""
    midnight = NOW // DAY * DAY
    calls = [prank(1, midnight - 1), answered(2, midnight), prank(3, midnight + 1), prank(4, midnight + 2)]
    for call in calls:
        await store.write([Change(entry=entry(call))])
    rows = [row async for some in store.rows(midnight - 1, midnight + 2) for row in some]
    assert sorted(rows) == [load_row(dump_entry(entry(call))) for call in calls[:3]]
    assert [row async for some in store.rows(midnight - DAY, midnight - 1) for row in some] == []


async def test_who_was_blocked_is_known_when_the_block_is_over(store: Store) -> None:
    """Since when it began, or was lifted; until the caller is forgotten."""
    await change(store, lambda record: decisions.impose(record, block(NOW - 50, NOW - 40)))
    await change(store, struck(strike(1)), OTHER)
    assert list(await store.blocks_of_changed(NOW - 50)) == [(block(NOW - 50, NOW - 40),)]
    assert list(await store.blocks_of_changed(NOW - 49)) == []
    held = await change(store, lambda record: decisions.impose(record, block(NOW - 30, None)))
    assert list(await store.blocks_of_changed(NOW - 30)) == [held.blocks]
    held = await change(store, lambda record: decisions.lift(record, Lift(NOW - 10, "supervisor", "wrong")))
    assert list(await store.blocks_of_changed(NOW - 10)) == [held.blocks]
    await store.erase(CALLER, 0)
    assert list(await store.blocks_of_changed(0)) == []


async def test_the_same_call_again_replaces_its_row(store: Store) -> None:
    """Writing a call twice leaves one row, the later one."""
    first = entry(answered(1))
    marked = replace(first, finding=replace(first.finding, mark=Mark.GENUINE))
    for row in (first, first, marked):
        await store.write([Change(entry=row)])
    assert [row async for row in store.entries(NOW, NOW + 1)] == [marked]
    assert await store.entry(first.finding.call.id) == marked


@pytest.mark.parametrize("call", ["", "junk", "1795000000", "asterisk-1795000000.7", "9" * 40 + ".1"])
async def test_a_call_that_is_not_in_the_ledger(store: Store, call: str) -> None:
    """Whatever is asked for, a call that is not there is None."""
    assert await store.entry(CallId(call)) is None


async def test_the_mode_is_unset_until_somebody_sets_it(store: Store) -> None:
    """Without a decision the configured mode holds; with one, that."""
    assert await store.switched() is None
    enforced = Switch(Mode.ENFORCE, NOW, "ratna", "would-block figures read")
    assert await store.switch(enforced)
    assert await store.switched() == enforced


async def test_a_later_switch_is_never_replaced_by_an_earlier_one(store: Store) -> None:
    """Who brings a lost switch back does not undo what somebody decided meanwhile."""
    off = Switch(Mode.OFF, NOW, "ratna", "flood")
    assert await store.switch(off)
    assert not await store.switch(Switch(Mode.ENFORCE, NOW - 1, "budi"))
    assert await store.switched() == off
    assert await store.switch(Switch(Mode.OBSERVE, NOW, "budi"))
    assert await store.switch(Switch(Mode.ENFORCE, NOW + 1, "budi"))
    assert await store.switched() == Switch(Mode.ENFORCE, NOW + 1, "budi")


async def test_proposals_and_call_backs_are_listed_while_they_wait(store: Store) -> None:
    """What waits for a person is listed, counted, and gone when a person has decided."""
    proposal = Proposal(NOW, ProposalCause.POLICY, None, 2, "over ten", (prank(1).id,))
    missed = MissedCall(prank(2).id, NOW - 5_000, 3_000)
    await change(store, lambda record: replace(record, proposals=(proposal,), missed=(missed,)))
    assert [record.proposed for record in await store.proposed()] == [proposal]
    assert await store.proposed_count() == 1
    assert [record.missed for record in await store.missed()] == [(missed,)]
    assert await store.missed_count() == (1, NOW - 5_000)
    dismissal = Lift(NOW, "ratna", "a clinic")
    await change(store, lambda record: decisions.dismiss(decisions.reach(record, NOW), dismissal))
    assert (list(await store.proposed()), list(await store.missed())) == ([], [])
    assert (await store.proposed_count(), await store.missed_count()) == (0, (0, None))


async def test_the_hours_blocks_are_given_out_once_each(store: Store) -> None:
    """A hundred at once get no more than the cap; the same call again takes none; an hour frees them."""
    calls = [CallId(f"{NOW // 1000}.{number}") for number in range(100)]
    imposing = [Change(imposes=Imposition(call, NOW, 5)) for call in calls]
    given = [answer for (answer,) in await asyncio.gather(*(store.write([one]) for one in imposing))]
    assert (given.count(Written.DONE), given.count(Written.CAPPED)) == (5, 95)
    assert await store.write(imposing) == given
    later = Change(imposes=Imposition(CallId("1.1"), NOW + 3_600_001, 5))
    assert await store.write([later]) == [Written.DONE]


async def test_permanent_blocks_have_a_cap_of_their_own(store: Store) -> None:
    """Two permanent ones within an hour, whatever is left of the others; what is capped takes of neither."""
    calls = [CallId(f"{NOW // 1000}.{number}") for number in range(7)]
    lasting = [Change(imposes=Imposition(call, NOW, 5, 2)) for call in calls[:4]]
    assert await store.write(lasting) == [Written.DONE] * 2 + [Written.CAPPED] * 2
    assert await store.write(lasting) == [Written.DONE] * 2 + [Written.CAPPED] * 2
    others = [Change(imposes=Imposition(call, NOW, 5)) for call in calls[3:]]
    assert await store.write(others) == [Written.DONE] * 3 + [Written.CAPPED]
    assert await store.write([Change(imposes=Imposition(calls[2], NOW, 0, 2))]) == [Written.CAPPED]
    assert await store.write([Change(imposes=Imposition(calls[2], NOW, 0))]) == [Written.DONE], "no limit"
    later = Change(imposes=Imposition(calls[2], NOW + 3_600_001, 5, 2))
    assert await store.write([later]) == [Written.DONE]


async def place_of(store: Store) -> FeedPosition:
    """Give where the feed is."""
    place = await store.last_change()
    assert place
    return place


async def read(store: Store) -> Standings:
    """Give all standings as a replica reads them."""
    standings = Standings()
    async for page in store.standings():
        for caller, held in page:
            standings.put(caller, held)
    return standings


async def test_all_standings_can_be_read_and_followed(store: Store) -> None:
    """Blocked, warned and allowed callers are read whole; each later change is told, in order."""
    await change(store, blocked_for_good)
    await change(store, lambda record: decisions.allow(record, AllowEntry(NOW, "supervisor", "clinic")))
    await change(store, struck(*(strike(n) for n in range(RULES.warn_from))), OTHER)
    place = await place_of(store)
    standings = await read(store)
    for caller in (CALLER, OTHER):
        assert standings.of(caller) == await store.standing(caller)
    assert standings.of(CALLER) == Standing(allowed=True, level=Level.PERMANENT, since=NOW)
    assert standings.of(OTHER).warn_until > NOW
    assert len(standings) == 2
    await change(store, decisions.disallow)
    await change(store, lambda record: decisions.miss(record, MissedCall(prank(2).id, NOW, 1)))
    await change(store, lambda record: decisions.lift(record, Lift(NOW, "supervisor", "stolen")))
    news = await store.changes(place)
    assert news is not None
    assert news.changes == [(CALLER, Standing(level=Level.PERMANENT, since=NOW)), (CALLER, NOBODY)]
    assert await store.changes(news.place) == FeedChanges(news.place, [])
    assert len(await read(store)) == 1


async def test_a_feed_that_lost_our_place_says_so(store: Store) -> None:
    """Where our last change is not to be found, some may be missed; an erased caller is in no feed."""
    empty = await place_of(store)
    assert await store.changes(empty) == FeedChanges(empty, [])
    await change(store, blocked_for_good)
    news = await store.changes(empty)
    assert news is not None
    assert await store.changes(FeedPosition(news.place.id, "another's")) is None
    await store.erase(CALLER, 0)
    assert await store.changes(news.place) is None
    assert len(await read(store)) == 0


async def test_who_is_turned_away_twice_is_known(store: Store) -> None:
    """The first time is new, the second is not; another caller's is his own."""
    assert [await store.turned_away(CALLER, 60_000) for _ in range(3)] == [False, True, True]
    assert not await store.turned_away(OTHER, 60_000)


async def test_a_callers_calls_are_known_in_order(store: Store) -> None:
    """A caller's rows can be found without reading the ledger."""
    rows = [entry(prank(number, NOW + number * 1_000)) for number in (3, 1, 2)]
    for row in (*rows, entry(prank(9, NOW, OTHER)), entry(prank(8, NOW, None))):
        await store.write([Change(entry=row)])
    assert list(await store.calls_of(CALLER)) == [
        row.finding.call.id for row in sorted(rows, key=lambda row: row.finding.call.started)
    ]


async def test_the_audit_trail_is_in_order_and_each_line_once(store: Store) -> None:
    """Lines come back oldest first, within their time; the same line twice is one; a subject's can go."""
    lines = [AuditEntry(NOW + n, "ratna", "block", CALLER, "permanent", f"reason {n}") for n in range(3)]
    for line in (*reversed(lines), lines[0], AuditEntry(NOW, "ratna", "mode", "site")):
        await store.write([Change(audit_entry=line)])
    assert [
        audit_entry
        for audit_entry in await store.audit_entries(NOW, NOW + 2)
        if audit_entry.subject == CALLER
    ] == lines[:2]
    assert list(await store.audit_of(CALLER)) == lines
    assert await store.last_of("mode") == AuditEntry(NOW, "ratna", "mode", "site")
    assert await store.last_of("allow") is None
    await store.erase(CALLER, 0)
    assert [audit_entry.action for audit_entry in await store.audit_entries(0, NOW + 10)] == ["mode"]


async def test_a_snapshot_comes_back_until_the_next(store: Store) -> None:
    """Before the first there is none; of two the last one holds, with all that it can carry."""
    assert await store.snapshot() is None
    for one in (SNAPSHOT, replace(SNAPSHOT, at=NOW + 1_000, calls=(), operators=None, connected=False)):
        await store.put_snapshot(one)
        assert await store.snapshot() == one


async def test_the_ledgers_calls_are_known_without_their_rows(store: Store) -> None:
    """All calls of a time are named, also across midnight UTC; of other days none."""
    midnight = NOW - NOW % DAY
    starts = [midnight - 1_000, midnight - 1, midnight, midnight + 1_000]
    rows = [entry(prank(n, at)) for n, at in enumerate(starts)]
    for row in (*rows, entry(prank(9, midnight - DAY - 1_000))):
        await store.write([Change(entry=row)])
    named = await store.ledger_calls(midnight - 1_000, midnight + 2_000)
    assert sorted(named) == sorted(row.finding.call.id for row in rows)


async def test_tallies_add_up_over_all_processes(store: Store) -> None:
    """What many count at once is the sum."""
    marks = ["prank"] * 50 + ["genuine"]
    await asyncio.gather(*(store.write([Change(tallies=(f"marks:{mark}",))]) for mark in marks))
    assert await store.tallies() == {"marks:prank": 50, "marks:genuine": 1}


async def test_an_erased_caller_is_nowhere(store: Store) -> None:
    """Record, lists and calls are gone; the ledger's rows are the supervisor's to change."""
    await change(store, blocked_for_good)
    await change(store, lambda record: decisions.allow(record, AllowEntry(NOW, "supervisor", "clinic")))
    await store.write([Change(entry=entry(prank(1)))])
    await store.turned_away(CALLER, 60_000)
    await store.erase(CALLER, NOW + 1)
    assert await store.load(CALLER) == (CallerRecord(CALLER, forgotten=NOW + 1), 3)
    assert await listed(store) == ([], [])
    assert list(await store.calls_of(CALLER)) == []
    assert not await store.turned_away(CALLER, 60_000)


async def test_a_withheld_number_is_found_in_every_spelling(store: Store) -> None:
    """Rows of nobody are found by the number as it came; those of known callers, and of others, are not."""
    for nth, raw in enumerate(("081211111111", "+6281211111111", "0062 812-1111-1111", "081222222222")):
        call = replace(prank(nth, NOW, None), raw_caller=raw)
        await store.write([Change(entry=entry(call))])
    await store.write([Change(entry=entry(prank(9)))])
    found = await store.nobodys(spelling(CALLER, INDONESIA), NOW)
    assert {one.finding.call.id for one in found} == {prank(nth).id for nth in range(3)}


async def test_what_was_erased_does_not_come_back(store: Store) -> None:
    """Neither a record that was read before, nor a row of before; what begins afterwards is kept again."""
    blocked = await change(store, blocked_for_good)
    await store.erase(CALLER, NOW + 10)
    late = Change(replacement(blocked, blocked, 1, NOW, RULES))
    assert await store.write([late, Change(entry=entry(prank(1)))]) == [Written.MOVED] * 2
    await change(store, lambda record: decisions.allow(record, AllowEntry(NOW + 20, "supervisor", "clinic")))
    assert await store.write([late]) == [Written.MOVED]
    assert (await store.load(CALLER))[0].allow, "whoever was allowed since then stays so"
    assert await store.write([Change(entry=entry(prank(2, NOW + 11)))]) == [Written.DONE]
    assert [row.finding.call.id async for row in store.entries(NOW - DAY, NOW + DAY)] == [
        prank(2, NOW + 11).id
    ]
    await store.write([Change(entry=entry(prank(3, NOW, OTHER)))])
    assert len(await store.calls_of(OTHER)) == 1, "another caller's are kept"


async def test_who_is_forgotten_while_calls_are_recorded_is_in_no_row(store: Store) -> None:
    """Two hundred calls of before come while the supervisor erases: each has a row, none has the number."""
    recorder = Recorder(MemoryOutbox(), store, in_force(policy=RULES), KeptMeter())
    supervisor = Supervisor(store, RULES, Mode.ENFORCE, lambda: NOW + 1_000, "ratna")

    async def record() -> None:
        for n in range(200):
            assert await recorder.record([entry(prank(n, NOW + n))]) == [None]

    await asyncio.gather(record(), supervisor.forget(CALLER, "asked by letter", spelling(CALLER, INDONESIA)))
    rows = [row async for row in store.entries(NOW - DAY, NOW + DAY)]
    assert len(rows) == 200
    assert CALLER not in repr(rows)
    record_, _ = await store.load(CALLER)
    assert record_ == CallerRecord(CALLER, forgotten=NOW + 1_000)
    assert await recorder.record([entry(prank(0, NOW))]) == [None]
    assert await recorder.record([Reached(NOW + 5, CALLER)]) == [None]
    assert CALLER not in repr([row async for row in store.entries(NOW - DAY, NOW + DAY)])
    assert await recorder.record([entry(prank(300, NOW + 1_001))]) == [None]
    assert len(await store.calls_of(CALLER)) == 1, "what begins afterwards is a new matter"


async def test_five_hundred_verdicts_at_once(store: Store) -> None:
    """A rush of callers is not answered "store down" for want of connections."""
    await change(store, blocked_for_good)
    answers = await asyncio.gather(*(store.standing(CALLER) for _ in range(500)))
    assert {held.level for held in answers} == {Level.PERMANENT}


async def test_a_store_in_order_answers_every_question(store: Store) -> None:
    """Nothing that we ask is beyond the rights, the nodes or the version of what is there."""
    assert not [answer for answer in await every_answer(store) if isinstance(answer, Exception)]


async def test_a_hundred_daemons_with_one_call_are_one_strike(daemons: list[Recorder]) -> None:
    """However many daemons follow the same PBX, a call costs its caller one strike and has one row."""
    row = entry(prank(1))
    await asyncio.gather(*(daemon.record([row]) for daemon in daemons))
    store, meter = daemons[0].store, daemons[0].meter
    record, version = await store.load(CALLER)
    assert [one.call for one in record.strikes] == [row.finding.call.id]
    assert version == 1
    assert [one async for one in store.entries(NOW, NOW + 1)] == [row]
    assert isinstance(meter, KeptMeter)
    assert len(meter.misuses) == 1


async def test_six_calls_of_a_hundred_daemons_are_one_block(daemons: list[Recorder]) -> None:
    """The sixth misuse blocks once, though each of the six was told a hundred times at once."""
    rows = [entry(prank(number, turn(number))) for number in range(6)]
    await asyncio.gather(*(daemon.record([row]) for daemon in daemons for row in rows))
    store, meter = daemons[0].store, daemons[0].meter
    record, version = await store.load(CALLER)
    assert sorted(one.call for one in record.strikes) == sorted(row.finding.call.id for row in rows)
    assert version == len(rows)
    assert [one.level for one in record.blocks] == [Level.TEMPORARY]
    assert await listed(store) == ([CALLER], [])
    assert isinstance(meter, KeptMeter)
    assert await store.tallies() == {"strikes:ivr_prank": 6, "blocks:temporary:automatic": 1}
    assert len(meter.misuses) == len(rows)
