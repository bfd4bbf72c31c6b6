"""Parallel calls from one number cost no strike: nobody knows which of them is the owner's."""

import pytest

from siaga112.core.ledger import entry_of
from siaga112.core.model import Entry, FactKind, Mark, Mode, Outcome, Spared
from siaga112.core.outcome import classify
from siaga112.core.policy import strike_for
from siaga112.core.regulation import PolicyRules
from siaga112.core.tracking.tracker import Tracker
from tests.core.table import RULES, events, in_force


def arrives(uid: str, at: str, number: str = "081211111111") -> str:
    """Return the events of a call from this number that arrives and enters the menu."""
    return f"""
{at}  Newchannel  {uid}  num={number}
{at}  VarSet      {uid}  SIAGA_CALLER={number}
{at}  VarSet      {uid}  SIAGA_VERDICT=ALLOW
{at}  Newexten    {uid}  app=BackGround at=siaga112-ivr,s,5
"""


def leaves(uid: str, at: str) -> str:
    """Return the events of a caller who leaves the menu."""
    return f"{at}  HangupRequest  {uid}  at=siaga112-ivr,s,5\n{at}  Hangup  {uid}  at=siaga112-ivr,s,5\n"


def talks(uid: str, at: str, until: str) -> str:
    """Return the events of a caller answered from the queue, who talks until then."""
    return f"""
{at}     QueueCallerJoin  {uid}  queue=siaga112 at=siaga112-queue,s,1
{at}     AgentConnect     {uid}  leg={uid}9 queue=siaga112
{at}     BridgeEnter      {uid}9  bridge=b{uid}
{at}     BridgeEnter      {uid}  bridge=b{uid}
{until}  BridgeLeave      {uid}  bridge=b{uid}
{until}  Hangup           {uid}  at=siaga112-queue,s,1
"""


def ledger(*told: str) -> dict[str, Entry]:
    """Return the ledger row of each call; the events are sorted by time."""
    rows = {}
    tracker = Tracker(in_force())
    lines = sorted(filter(str.strip, "".join(told).splitlines()), key=lambda line: line.split()[0])
    for event in events("\n".join(lines)):
        for call in tracker.feed(event):
            rows[str(call.id)] = entry_of(call, in_force().now, Mode.ENFORCE, lambda: "")
    assert tracker.idle
    return rows


def test_misuses_that_were_up_at_one_moment_cost_no_strike() -> None:
    """Neither of two parallel misuses costs a strike, and each ledger row names the other call."""
    rows = ledger(
        *(arrives("1.1", "10:00:00"), leaves("1.1", "10:00:20")),
        *(arrives("2.1", "10:00:10"), leaves("2.1", "10:00:30")),
    )
    assert {entry.finding.outcome for entry in rows.values()} == {Outcome.IVR_PRANK}
    assert {(entry.strike, entry.spared) for entry in rows.values()} == {(False, Spared.OVERLAP)}
    beside = {uid: entry.finding.call.first(FactKind.BESIDE) for uid, entry in rows.items()}
    assert {uid: fact and fact.detail for uid, fact in beside.items()} == {"1.1": "2.1", "2.1": "1.1"}


def test_a_misuse_while_the_owner_talks_with_an_operator_costs_no_strike() -> None:
    """A misuse while another call from the number talks to an operator costs no strike; one after it does."""
    rows = ledger(
        *(arrives("1.1", "10:00:00"), talks("1.1", "10:00:05", "10:05:00")),
        *(arrives("2.1", "10:01:00"), leaves("2.1", "10:01:20")),
        *(arrives("3.1", "10:02:00"), leaves("3.1", "10:02:20")),
        *(arrives("4.1", "10:05:01"), leaves("4.1", "10:05:20")),
    )
    assert [rows[uid].spared for uid in ("2.1", "3.1", "4.1")] == [Spared.OVERLAP, Spared.OVERLAP, None]
    assert rows["4.1"].strike


@pytest.mark.parametrize("number", ["+6281211111111", "6281211111111", "006281211111111"])
def test_one_number_is_one_however_it_is_spelled(number: str) -> None:
    """Two spellings of one number are parallel calls from that number."""
    rows = ledger(
        *(arrives("1.1", "10:00:00"), leaves("1.1", "10:00:20")),
        *(arrives("2.1", "10:00:10", number), leaves("2.1", "10:00:30")),
    )
    assert [entry.spared for entry in rows.values()] == [Spared.OVERLAP] * 2


def test_others_calls_and_those_one_after_the_other_are_alone() -> None:
    """A call from another number, from none, or one that begins when the other ends is not parallel."""
    rows = ledger(
        *(arrives("1.1", "10:00:00"), leaves("1.1", "10:00:20")),
        *(arrives("2.1", "10:00:10", "081222222222"), leaves("2.1", "10:00:30")),
        *(arrives("3.1", "10:00:10", "anonymous"), leaves("3.1", "10:00:30")),
        *(arrives("4.1", "10:00:10", "anonymous"), leaves("4.1", "10:00:30")),
        *(arrives("5.1", "10:00:20"), leaves("5.1", "10:00:40")),
    )
    assert all(entry.finding.call.alone for entry in rows.values())
    assert [uid for uid, entry in rows.items() if entry.strike] == ["1.1", "2.1", "5.1"]


def test_an_operators_mark_makes_no_strike_of_a_doubtful_call() -> None:
    """A prank mark on a doubtful call gives no strike: the operator cannot hear whose number it is."""
    tracker = Tracker(in_force())
    told = arrives("1.1", "10:00:00") + arrives("2.1", "10:00:01") + leaves("2.1", "10:00:05")
    told += talks("1.1", "10:00:06", "10:01:00").replace(
        "10:01:00  BridgeLeave", "10:00:30  SiagaMark  1.1  mark=prank\n10:01:00  BridgeLeave"
    )
    _, marked = [call for event in events(told) for call in tracker.feed(event)]
    finding = classify(marked, RULES)
    assert (finding.mark, marked.alone) == (Mark.PRANK, False)
    assert strike_for(finding, PolicyRules()) is None
