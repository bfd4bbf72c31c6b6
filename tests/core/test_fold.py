"""The live code, a replay and a back-test make the same records from any stream."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siaga112.backtest.history import of_live
from siaga112.backtest.simulation import Backtest
from siaga112.captures.replay import Replay
from siaga112.core import policy
from siaga112.core.ami.events import Event
from siaga112.core.changes import Imposition
from siaga112.core.fold import HourlyCaps
from siaga112.core.model import HOUR, Caller, CallId, Level, Mark, Mode, ProposalCause, Treatment
from siaga112.core.outcome import ClassifierRules
from siaga112.core.record import CallerRecord
from siaga112.core.regulation import COUNTABLE, PRESETS, PolicyRules
from siaga112.core.rules import Dialplan
from siaga112.core.tracking.outgoing import OutgoingCalls
from siaga112.core.tracking.queue_state import QueueState
from siaga112.core.tracking.tracker import Tracker
from siaga112.service.pipeline import Pipeline
from siaga112.service.recording import Recorder
from tests.core.streams import CAPTURES, read
from tests.core.table import DIALPLAN, events, in_force
from tests.fakes.memory import MemoryStore
from tests.fakes.meter import KeptMeter
from tests.fakes.outbox import MemoryOutbox

CLASSIFIER: Final = ClassifierRules()
GOES_ON: Final = dict.fromkeys(Level, Treatment.DEPRIORITISE)
"""With this treatment, the back-test rejects nobody who got through live."""

RULES: Final = (
    replace(PolicyRules(), treatment=GOES_ON),
    replace(PRESETS["serang-2019"], treatment=GOES_ON),
    PolicyRules("strict", (1,), cap=2, cap_permanent=1, protect=0, treatment=GOES_ON),
    PolicyRules("all", (2,), weights=dict.fromkeys(COUNTABLE, 1.0), burst=HOUR, treatment=GOES_ON),
)


class Told:
    """An event source that yields everything at once."""

    def __init__(self, told: Sequence[Event]) -> None:
        self._told = told

    async def slices(self) -> AsyncIterator[Sequence[Event]]:
        """Yield the events."""
        yield self._told


Records = dict[Caller, CallerRecord]


async def _live(told: Sequence[Event], dialplan: Dialplan, rules: PolicyRules) -> Records:
    store, outbox, meter = MemoryStore(), MemoryOutbox(), KeptMeter()
    pipeline = Pipeline(
        tracker=Tracker(in_force(dialplan)),
        queues=QueueState(in_force(dialplan, rules)),
        outgoing=OutgoingCalls(in_force(dialplan)),
        rules=in_force(dialplan, rules),
        outbox=outbox,
        meter=meter,
        mode=lambda: Mode.ENFORCE,
    )
    await pipeline.run(Told(told))
    recorder = Recorder(outbox, store, in_force(policy=rules), meter)
    for _, settled in await outbox.oldest(1_000_000):
        assert await recorder.record([settled]) == [None]
    return store.records


def live(told: Sequence[Event], dialplan: Dialplan, rules: PolicyRules) -> Records:
    """Return the records of the live code on a store in memory."""
    return asyncio.run(_live(told, dialplan, rules))


def replayed(told: Sequence[Event], dialplan: Dialplan, rules: PolicyRules) -> Records:
    """Return the records of a replay."""
    replay = Replay(in_force(dialplan, rules).now)
    list(replay.run(told))
    return replay.records


def backtested(told: Sequence[Event], dialplan: Dialplan, rules: PolicyRules) -> Records:
    """Return the records of a back-test, for which a replay that counts everything first reads the calls."""
    everything = replace(rules, weights=dict.fromkeys(COUNTABLE, 1.0))
    replay = Replay(in_force(dialplan, everything).now)
    last = {entry.finding.call.id: entry for entry in replay.run(told)}  # as in the ledger
    calls = [of_live(entry) for entry in last.values()]
    calls.sort(key=lambda past: (past.finding.call.started, past.finding.call.id))
    backtest = Backtest(rules.name, rules, ZoneInfo("UTC"), whole=True)
    backtest.run(calls, replay.reached)
    return backtest.records


def all_three(told: Sequence[Event], dialplan: Dialplan, rules: PolicyRules) -> Records:
    """Check that all three make the same records; return those."""
    one = live(told, dialplan, rules)
    assert replayed(told, dialplan, rules) == one
    assert backtested(told, dialplan, rules) == one
    return one


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: rules.name)
def test_of_recorded_calls_all_three_hold_the_same(rules: PolicyRules) -> None:
    """Each recorded call, by itself, gives the same records in all three."""
    held = 0
    for path in CAPTURES:
        header, stream = read(path)
        held += len(all_three(stream, header.dialplan, rules))
    assert held > len(CAPTURES) / 3


KINDS: Final[dict[str, str]] = {
    "menu": """
        {h}:{m}:01  Newexten       {uid}  app=BackGround at=siaga112-ivr,s,5
        {h}:{m}:20  HangupRequest  {uid}
        {h}:{m}:20  Hangup         {uid}
    """,
    "left": """
        {h}:{m}:06  QueueCallerJoin  {uid}  queue=siaga112 at=siaga112-queue,s,1
        {h}:{m}:12  HangupRequest    {uid}
        {h}:{m}:12  Hangup           {uid}
    """,
    **{
        mark.value: f"""
        {{h}}:{{m}}:06  QueueCallerJoin  {{uid}}  queue=siaga112 at=siaga112-queue,s,1
        {{h}}:{{m}}:08  AgentConnect     {{uid}}  leg={{uid}}9 queue=siaga112
        {{h}}:{{m}}:09  BridgeEnter      {{uid}}9  bridge=b{{uid}}
        {{h}}:{{m}}:09  BridgeEnter      {{uid}}  bridge=b{{uid}}
        {{h}}:{{m}}:10  SiagaMark        {{uid}}  mark={mark}
        {{h}}:{{m}}:30  HangupRequest    {{uid}}
        {{h}}:{{m}}:30  Hangup           {{uid}}
    """
        for mark in Mark
    },
}


def call(
    kind: str, nth: int, number: str = "081211111111", minute: int | None = None, trunk: str = "PJSIP/a"
) -> str:
    """Return the events of the nth call of a day, by default three minutes after the previous."""
    h, m = divmod(nth * 3 if minute is None else minute, 60)
    uid = f"{100 + nth}.1"
    time = {"h": f"{h:02}", "m": f"{m:02}", "uid": uid}
    return (
        f"{h:02}:{m:02}:00  Newchannel     {uid}  num={number} chan={trunk}-{nth:08}\n"
        f"{h:02}:{m:02}:00  VarSet         {uid}  SIAGA_CALLER={number}\n"
        f"{h:02}:{m:02}:00  VarSet         {uid}  SIAGA_VERDICT=ALLOW\n" + KINDS[kind].format(**time)
    )


def day(kinds: Sequence[tuple[str, str]]) -> list[Event]:
    """Return the events of these calls, one after the other."""
    return [event for nth, (kind, number) in enumerate(kinds) for event in events(call(kind, nth, number))]


def test_a_genuine_report_protects_in_all_three() -> None:
    """In all three, seven pranks after a genuine call lead to a proposal and to no block."""
    kinds = ["genuine", *["menu"] * 7]
    rules = replace(PolicyRules(), treatment=GOES_ON)
    (record,) = all_three(day([(kind, "081211111111") for kind in kinds]), DIALPLAN, rules).values()
    assert not record.blocks
    assert record.proposed
    assert record.proposed.cause is ProposalCause.PROTECTED


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from(["081211111111", "081222222222"])),
        max_size=30,
    ),
    st.sampled_from(RULES),
)
@settings(max_examples=60)
def test_of_any_day_all_three_hold_the_same(kinds: list[tuple[str, str]], rules: PolicyRules) -> None:
    """Any sequence of calls gives the same records in all three."""
    all_three(day(kinds), DIALPLAN, rules)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(KINDS)), st.integers(0, 40), st.sampled_from(["PJSIP/a", "PJSIP/b"])
        ),
        max_size=24,
    ),
    st.sampled_from(RULES),
)
@settings(max_examples=60)
def test_of_calls_beside_each_other_all_three_hold_the_same(
    told: list[tuple[str, int, str]], rules: PolicyRules
) -> None:
    """Parallel calls and calls over two trunks give the same records in all three; none blocks on doubt."""
    texts = [call(kind, nth, minute=minute, trunk=trunk) for nth, (kind, minute, trunk) in enumerate(told)]
    lines = [line.strip() for text in texts for line in text.splitlines() if line.strip()]
    in_order = "\n".join(sorted(lines, key=lambda line: line.split()[0]))
    records = all_three(events(in_order), DIALPLAN, rules)
    for record in records.values():
        counting = {one.call for one in record.strikes} - policy.doubted(record.strikes, rules).keys()
        standing = [block for block in record.blocks if not block.lifted]
        assert all(counting >= set(block.calls) for block in standing)


def test_the_caps_of_an_hour() -> None:
    """Caps limit an hour's blocks, and permanent ones further; a call counts once, and only for an hour."""
    caps = HourlyCaps()

    def asks(call: str, at: int, permanent: int = 0) -> bool:
        return caps.reserve(Imposition(CallId(call), at, 2, permanent))

    assert asks("1", 0, permanent=1)
    assert not asks("2", 1, permanent=1)
    assert asks("2", 2)
    assert asks("2", 3)
    assert not asks("3", HOUR - 1)
    assert asks("3", HOUR)
