"""Who answered a call, who took it over, and who marked it."""

import re
from dataclasses import replace
from typing import Final

import pytest

from siaga112.core.ami.events import AgentConnect, Event
from siaga112.core.ledger import entry_of
from siaga112.core.model import Entry, FactKind, HandedOver, Handover, Mark, Mode
from siaga112.core.names import Names
from siaga112.core.tracking.tracker import Tracker
from tests.core.table import events, in_force
from tests.core.test_calls import QUEUE, TALKS
from tests.pbx.scenarios.golden import GOLDEN, replayed

NAMES = Names({"PJSIP/101": "Siti", "Budi (2)": "Budi", "103": "Ratna"}, {"113": "Damkar"})
ENDS = "10:02:00 HangupRequest 100.1\n10:02:00 BridgeLeave 100.1 bridge=b1\n10:02:00 Hangup 100.1\n"
PHONE = "10:00:10 BridgeEnter 100.2 bridge=b1 chan=PJSIP/101-0000000a\n"
CALLER = "10:00:10.1 BridgeEnter 100.1 bridge=b1 chan=PJSIP/trunk-1\n"


def entries(table: str) -> list[Entry]:
    """Return the ledger entries of a table's calls, with operators' names."""
    rules = in_force(names=NAMES).now
    tracker = Tracker(in_force(names=NAMES))
    return [
        entry_of(call, rules, Mode.ENFORCE, lambda: "")
        for event in events(table)
        for call in tracker.feed(event)
    ]


def entry(table: str) -> Entry:
    """Return the only ledger entry of a table."""
    (one,) = entries(table)
    return one


@pytest.mark.parametrize(
    ("interface", "member", "person"),
    [
        ("PJSIP/101", "PJSIP/101", "Siti"),
        ("PJSIP/102", "Budi (2)", "Budi"),
        ("Local/103@from-queue/n", "", "Ratna"),
        ("PJSIP/104", "Agung", "Agung"),
        ("PJSIP/105", "PJSIP/105", "PJSIP/105"),
    ],
)
def test_the_queues_member_is_named(interface: str, member: str, person: str) -> None:
    """An operator is named as configured, else as the queue names the member, else by the interface."""
    agent = f"10:00:09 AgentConnect 100.1 leg=100.2 queue=siaga112 if={interface} member={member}\n"
    table = (QUEUE + agent + PHONE + CALLER + ENDS).replace("Budi (2)", "Budi_(2)")
    found = [replace_member(event) for event in events(table)]
    tracker = Tracker(in_force(names=NAMES))
    (call,) = [call for event in found for call in tracker.feed(event)]
    assert entry_of(call, in_force(names=NAMES).now, None, lambda: "").finding.operator == person


def replace_member(event: Event) -> Event:
    """Return the event with spaces in the member's name, which a table cannot contain."""
    if isinstance(event, AgentConnect):
        return replace(event, member=event.member.replace("_", " "))
    return event


def test_without_a_queue_the_phone_in_the_bridge_is_the_operator() -> None:
    """Without a queue, the phone in the bridge is the operator, as with Dial()."""
    table = QUEUE.replace("QueueCallerJoin  100.1  queue=siaga112 at", "Newexten 100.1 app=Dial at")
    assert entry(table + PHONE + CALLER + ENDS).finding.operator == "Siti"


def test_the_queue_may_say_it_after_the_bridge() -> None:
    """A queue's member is the operator even if the queue reports it after the bridge."""
    late = "10:00:10.2 AgentConnect 100.1 leg=100.2 queue=siaga112 if=PJSIP/102 member=Agung\n"
    assert entry(QUEUE + PHONE + CALLER + late + ENDS).finding.operator == "Agung"


def test_who_took_the_call_later_is_not_who_answered() -> None:
    """A phone that takes the caller over is the target of a hand-over, with the time until it answered."""
    found = entry(
        TALKS
        + "10:00:30 BlindTransfer 100.1 to=113\n"
        + "10:00:30 BridgeLeave 100.2 bridge=b1\n10:00:30 BridgeLeave 100.1 bridge=b1\n"
        + "10:00:45 BridgeEnter 100.9 bridge=b2 chan=PJSIP/damkar-0000000b\n"
        + "10:00:45 BridgeEnter 100.1 bridge=b2\n"
        + ENDS.replace("b1", "b2")
    ).finding
    start = found.call.first(FactKind.HANDED_OVER)
    assert start is not None
    assert found.handovers == (Handover(start.at, HandedOver.BLIND, "113", "Damkar", 15_000),)
    assert [fact.detail for fact in found.call.facts if fact.kind is FactKind.CONNECTED] == [
        "",
        "PJSIP/damkar",
    ]


def test_nobody_may_answer_a_hand_over() -> None:
    """A hand-over that nobody answers is not reached, and the next one may be."""
    found = entry(
        TALKS
        + "10:00:30 BlindTransfer 100.1 to=118\n"
        + "10:00:30 BridgeLeave 100.2 bridge=b1\n10:00:30 BridgeLeave 100.1 bridge=b1\n"
        + "10:00:50 BlindTransfer 100.1 to=113\n"
        + "10:00:55 BridgeEnter 100.9 bridge=b2\n10:00:55 BridgeEnter 100.1 bridge=b2\n"
        + ENDS.replace("b1", "b2")
    ).finding
    assert [(one.target, one.agency, one.reached) for one in found.handovers] == [
        ("118", "", None),
        ("113", "Damkar", 5_000),
    ]


def test_who_answers_after_the_way_back_into_the_queue_is_not_the_agency() -> None:
    """A hand-over to a busy agency that leads back into the queue is not reached, whoever answers there."""
    found = entry(
        TALKS
        + "10:00:30 BlindTransfer 100.1 to=113\n"
        + "10:00:30 BridgeLeave 100.2 bridge=b1\n10:00:30 BridgeLeave 100.1 bridge=b1\n"
        + "10:00:31 DialBegin 100.1 leg=100.8 at=agencies,113,1\n10:00:35 VarSet 100.1 DIALSTATUS=BUSY\n"
        + "10:00:36 QueueCallerJoin 100.1 queue=siaga112 at=agencies,113,2\n"
        + "10:00:45 BridgeEnter 100.9 bridge=b2\n10:00:45 BridgeEnter 100.1 bridge=b2\n"
        + ENDS.replace("b1", "b2")
    ).finding
    assert [(one.target, one.reached) for one in found.handovers] == [("113", None)]


def test_an_attended_hand_over_is_reached_at_once_unless_it_still_rings() -> None:
    """An attended hand-over is reached at once; one whose target still rings counts as blind."""
    attended = entry(TALKS + "10:00:30 AttendedTransfer 100.1 to=113\n" + ENDS).finding.handovers
    assert [(one.how, one.reached) for one in attended] == [(HandedOver.ATTENDED, 0)]
    ringing = entry(TALKS + "10:00:30 AttendedTransfer 100.1 to=113 ringing=1\n" + ENDS).finding.handovers
    assert [(one.how, one.reached) for one in ringing] == [(HandedOver.BLIND, None)]


TURNED: Final = {
    b"OrigTransferer": b"SecondTransferer",
    b"OrigBridge": b"SecondBridge",
    b"Transferee": b"TransferTarget",
}
TURNED_BACK: Final = {there: here for here, there in TURNED.items()}
SIDE: Final = re.compile(rb"^(?:%s)" % b"|".join([*TURNED, *TURNED_BACK]), re.MULTILINE)


@pytest.mark.parametrize("version", ["22", "16"])
def test_a_phone_may_transfer_whom_it_asked_to_the_caller(version: str) -> None:
    """An attended hand-over is the same whichever of its two calls the operator's phone transfers."""
    recorded = (GOLDEN / version / "transfer_attended.ami").read_bytes()
    turned = SIDE.sub(lambda side: (TURNED | TURNED_BACK)[side[0]], recorded)
    assert turned != recorded
    _, (plain,) = replayed(recorded)
    _, (other,) = replayed(turned)
    assert other.finding.handovers == plain.finding.handovers != ()


def test_whom_a_phone_asked_may_be_transferred_to_a_local_channel() -> None:
    """Behind a Local channel, an attended hand-over is the same whichever call is transferred."""
    behind = (
        QUEUE
        + "10:00:09 BridgeEnter 100.3 bridge=b2 chan=Local/101@q-01;2\n"
        + "10:00:09 BridgeEnter 100.4 bridge=b2 chan=PJSIP/101-0a\n"
        + "10:00:10 BridgeEnter 100.2 bridge=b1 chan=Local/101@q-01;1\n"
        + CALLER
        + "10:00:30 BridgeEnter 100.5 bridge=b2 chan=PJSIP/damkar-0b\n"
    )
    for transfer in ("100.3 to=113 other=100.5 asked=101", "100.5 to=101 other=100.3 asked=113"):
        found = entry(f"{behind}10:00:30 AttendedTransfer {transfer}\n{ENDS}").finding.handovers
        assert [(one.target, one.agency, one.reached) for one in found] == [("113", "Damkar", 0)]


def test_a_hand_over_behind_a_local_channel_reaches_who_comes_into_the_bridge() -> None:
    """Behind a Local channel, as in FreePBX, a hand-over reaches whoever enters its far bridge."""
    found = entry(
        QUEUE
        + "10:00:09 BridgeEnter 100.3 bridge=b2 chan=Local/101@q-01;2\n"
        + "10:00:09 BridgeEnter 100.4 bridge=b2 chan=PJSIP/101-0a\n"
        + "10:00:10 AgentConnect 100.1 leg=100.2 queue=siaga112 if=Local/101@q/n member=Siti\n"
        + "10:00:10 BridgeEnter 100.2 bridge=b1 chan=Local/101@q-01;1\n"
        + "10:00:10.1 BridgeEnter 100.1 bridge=b1 chan=PJSIP/trunk-1\n"
        + "10:00:30 BlindTransfer 100.3 to=113\n"
        + "10:00:30 BridgeLeave 100.4 bridge=b2\n10:00:30 BridgeLeave 100.3 bridge=b2\n"
        + "10:00:40 BridgeEnter 100.5 bridge=b3 chan=PJSIP/damkar-0b\n"
        + "10:00:40 BridgeEnter 100.3 bridge=b3 chan=Local/101@q-01;2\n"
        + ENDS
    ).finding
    assert found.operator == "Siti"
    assert [(one.target, one.reached) for one in found.handovers] == [("113", 10_000)]


# ── marks ────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_during_the_call_is_the_operators_mark() -> None:
    """A key that an operator presses during the call is that operator's mark."""
    agent = "10:00:09 AgentConnect 100.1 leg=100.2 queue=siaga112 if=PJSIP/101 member=PJSIP/101\n"
    key = "10:00:30 SiagaMark 100.1 mark=prank leg=100.2 chan=PJSIP/101-0000000a\n"
    found = entry(QUEUE + agent + PHONE + CALLER + key + ENDS).finding
    assert (found.mark, found.marked_by) == (Mark.PRANK, "Siti")


def test_a_key_behind_a_local_channel_marks_the_caller() -> None:
    """Behind a Local channel, a key marks the caller, though the event names the channel's near half."""
    found = entry(
        QUEUE
        + "10:00:09 BridgeEnter 100.3 bridge=b2 chan=Local/101@q-01;2\n"
        + "10:00:09 BridgeEnter 100.4 bridge=b2 chan=PJSIP/101-0a\n"
        + "10:00:10 BridgeEnter 100.2 bridge=b1 chan=Local/101@q-01;1\n"
        + CALLER
        + "10:00:30 SiagaMark 100.3 mark=genuine leg=100.4 chan=PJSIP/101-0a\n"
        + ENDS
    ).finding
    assert (found.mark, found.marked_by) == (Mark.GENUINE, "Siti")


def test_a_mark_after_the_call_is_of_the_phones_last_answered_call() -> None:
    """A mark after the call is of the phone's last answered call, whose row is repeated with the mark."""
    later = "10:03:00 SiagaMark - mark=genuine leg=300.1 chan=PJSIP/101-0000000f\n"
    first, again = entries(QUEUE + PHONE + CALLER + ENDS + later)
    assert (first.finding.mark, again.finding.mark) == (None, Mark.GENUINE)
    assert again.finding.marked_by == "Siti"
    assert again.finding.call.id == first.finding.call.id
    assert again.finding.call.ended == first.finding.call.ended
    assert again.finding.stages == first.finding.stages
    assert again.finding.call.marked_later
    assert not first.finding.call.marked_later


def test_a_second_mark_after_the_call_is_told_too() -> None:
    """A second mark after the call replaces the first, which may have been a mistake."""
    marks = "".join(
        f"10:03:0{n} SiagaMark - mark={mark} leg=300.{n} chan=PJSIP/101-0000000f\n"
        for n, mark in enumerate(("prank", "information"))
    )
    assert [one.finding.mark for one in entries(QUEUE + PHONE + CALLER + ENDS + marks)] == [
        None,
        Mark.PRANK,
        Mark.INFORMATION,
    ]


@pytest.mark.parametrize("chan", ["PJSIP/102-0000000f", "PJSIP/trunk-1"])
def test_a_phone_that_answered_nothing_marks_nothing(chan: str) -> None:
    """Only the phone that answered can mark the call."""
    later = f"10:03:00 SiagaMark - mark=genuine leg=300.1 chan={chan}\n"
    assert len(entries(QUEUE + PHONE + CALLER + ENDS + later)) == 1


def test_a_call_of_hours_ago_is_not_marked_by_phone() -> None:
    """A phone cannot mark a call that ended more than an hour ago: the next shift may use the phone."""
    later = "11:02:01 SiagaMark - mark=genuine leg=300.1 chan=PJSIP/101-0000000f\n"
    assert len(entries(QUEUE + PHONE + CALLER + ENDS + later)) == 1


def test_a_mark_by_who_took_the_call_over_is_of_that_call() -> None:
    """A mark after an attended hand-over belongs to that call, not to one the phone answered before."""
    before = (QUEUE + PHONE + CALLER + ENDS).replace("100.", "90.").replace("10:0", "09:0")
    table = (
        before.replace("PJSIP/101", "PJSIP/102")
        + QUEUE
        + PHONE
        + CALLER
        + "10:01:00 BridgeEnter 100.5 bridge=b1 chan=PJSIP/102-0000000b\n"
        + "10:01:00 AttendedTransfer 100.1 to=102\n10:01:00 BridgeLeave 100.2 bridge=b1\n"
        + ENDS
        + "10:03:00 SiagaMark - mark=prank leg=300.1 chan=PJSIP/102-0000000f\n"
    )
    assert [(one.finding.call.id, one.finding.mark) for one in entries(table)] == [
        ("90.1", None),
        ("100.1", None),
        ("100.1", Mark.PRANK),
    ]


def test_a_mark_of_a_caller_who_had_just_gone_is_not_of_the_call_before() -> None:
    """A phone that picks up when the caller has hung up marks neither that call nor the one before."""
    before = (QUEUE + PHONE + CALLER + ENDS).replace("100.", "90.").replace("10:0", "09:0")
    gone = QUEUE + "10:00:09 HangupRequest 100.1\n" + PHONE + CALLER + "10:00:11 Hangup 100.1\n"
    later = "10:00:30 SiagaMark - mark=prank leg=300.1 chan=PJSIP/101-0000000f\n"
    assert [(one.finding.call.id, one.finding.mark) for one in entries(before + gone + later)] == [
        ("90.1", None),
        ("100.1", None),
    ]


def test_a_mark_after_lost_events_is_of_no_call_before_them() -> None:
    """After lost events, which may include an answer, a phone marks no call that ended before them."""
    later = "10:03:00 SiagaMark - mark=prank leg=300.1 chan=PJSIP/101-0000000f\n"
    ended = QUEUE + PHONE + CALLER + ENDS + "10:02:30 Interrupted lost\n10:02:31 Resumed -\n" + later
    assert [one.finding.mark for one in entries(ended)] == [None]
    talking = QUEUE + PHONE + CALLER + "10:01:00 Interrupted lost\n" + ENDS + later
    assert [one.finding.mark for one in entries(talking)] == [None, Mark.PRANK]


def test_a_mark_dialled_during_the_call_is_of_that_call() -> None:
    """A mark dialled on a second line during the call belongs to that call."""
    key = "10:01:00 SiagaMark - mark=silent leg=300.1 chan=PJSIP/101-0000000f\n"
    found = entry(QUEUE + PHONE + CALLER + key + ENDS).finding
    assert (found.mark, found.marked_by) == (Mark.SILENT, "Siti")
