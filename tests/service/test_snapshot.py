"""The snapshot of calls in progress, taken from the tracker."""

import json
from dataclasses import replace

import pytest

from siaga112.core.ami.events import QueueMember, QueueStatus
from siaga112.core.caller_id import NumberPlan
from siaga112.core.codec import dump_snapshot, load_snapshot
from siaga112.core.model import Caller, CallId, CallInProgress, OperatorNow, OperatorState, Stage
from siaga112.core.names import Names
from siaga112.core.snapshot import Snapshot
from siaga112.core.tracking.queue_state import QueueState
from siaga112.core.tracking.tracker import Tracker
from siaga112.service.snapshots import MAX_CALLS, MAX_OPERATORS, Snapshots
from tests.core.table import DIALPLAN, _millis, events, in_force
from tests.fakes.memory import MemoryStore
from tests.samples import NOW, SNAPSHOT

NUMBER = "081211111111"
CALLER = Caller("+6281211111111")

ARRIVES = f"""
10:00:00  Newchannel  100.1  num={NUMBER}
"""
SCREENED = f"""
10:00:01  VarSet      100.1  SIAGA_CALLER={NUMBER}
10:00:01  VarSet      100.1  SIAGA_REASON=not_blocked
10:00:01  VarSet      100.1  SIAGA_VERDICT=ALLOW
"""
MENU = """
10:00:02  Newexten    100.1  at=siaga112-ivr,s,3 app=BackGround
10:00:09  Newexten    100.1  at=siaga112-ivr,s,4 app=WaitExten
"""
QUEUE = """
10:00:20  QueueCallerJoin  100.1  queue=siaga112 at=siaga112-queue,s,1
10:00:25  DialBegin        100.1  leg=100.2
"""
TALKS = """
10:01:00  BridgeEnter  100.1  bridge=b1
10:01:00  BridgeEnter  100.2  bridge=b1
"""
ENDS = "10:02:00  Hangup  100.1"


def seen(
    *tables: str,
    at: str = "10:03:00",
    numbers: NumberPlan = DIALPLAN.numbers,
    queues: QueueState | None = None,
) -> Snapshot:
    """Return the snapshot after these events."""
    tracker = Tracker(in_force(replace(DIALPLAN, numbers=numbers)))
    for table in tables:
        for event in events(table):
            tracker.feed(event)
    queues = queues or QueueState(in_force(replace(DIALPLAN, queues=frozenset({"siaga112"}))))
    return Snapshots(MemoryStore(), tracker, queues, lambda: True, lambda: _millis(at), screens=True).take()


@pytest.mark.parametrize(
    ("tables", "stage", "since", "queue", "screened"),
    [
        ([ARRIVES], Stage.SCREENING, "10:00:00", "", ""),
        ([ARRIVES, SCREENED], Stage.SCREENING, "10:00:00", "", "ALLOW not_blocked"),
        ([ARRIVES, SCREENED, MENU], Stage.IVR, "10:00:02", "", "ALLOW not_blocked"),
        ([ARRIVES, SCREENED, MENU, QUEUE], Stage.QUEUE, "10:00:20", "siaga112", "ALLOW not_blocked"),
        ([ARRIVES, MENU, QUEUE, TALKS], Stage.TALKING, "10:01:00", "siaga112", ""),
    ],
    ids=["arrives", "is screened", "menu", "queue", "talks"],
)
def test_a_call_is_shown_where_it_is_and_since_when(
    tables: list[str], stage: Stage, since: str, queue: str, screened: str
) -> None:
    """A call in progress is shown with its caller, stage and start of the stage, queue and verdict."""
    expected = CallInProgress(
        CallId("100.1"), CALLER, _millis("10:00:00"), stage, _millis(since), queue, screened
    )
    snapshot = seen(*tables)
    assert snapshot.calls == (expected,)
    assert snapshot.stages == {stage: 1}


def test_a_call_that_ended_is_not_shown() -> None:
    """An ended call is not in the snapshot."""
    snapshot = seen(ARRIVES, MENU, QUEUE, TALKS, ENDS)
    assert (snapshot.calls, snapshot.stages, snapshot.queues) == ((), {}, {})


def test_who_waits_makes_the_queue_and_a_surge() -> None:
    """A waiting caller is counted in the queue; one who waits longer than the patience makes a surge."""
    snapshot = seen(ARRIVES, MENU, QUEUE, at="10:00:31")
    assert snapshot.queues == {"siaga112": (1, _millis("10:00:20"))}
    assert snapshot.surge == "a caller waited over 10s"


def test_a_caller_who_withholds_the_number_is_nobody() -> None:
    """If the dialplan withdraws a call's number, the snapshot does not show it."""
    snapshot = seen(ARRIVES, "10:00:01  VarSet  100.1  SIAGA_CALLER=")
    assert [call.caller for call in snapshot.calls] == [None]


def test_with_a_key_no_number_is_in_a_snapshot() -> None:
    """With a caller key, a snapshot contains hashes and no number."""
    text = dump_snapshot(seen(ARRIVES, SCREENED, MENU, QUEUE, numbers=NumberPlan(key=b"a key of this test")))
    assert NUMBER[1:] not in text
    assert "h:" in text


def test_operators_are_unknown_until_the_queues_were_seen() -> None:
    """Before the queues are seen, operators are unknown, not zero."""
    queues = QueueState(in_force(replace(DIALPLAN, queues=frozenset({"siaga112"}))))
    assert seen(queues=queues).operators is None
    members = (QueueMember("siaga112", "PJSIP/101", OperatorState.BUSY),)
    queues.feed(QueueStatus(_millis("10:00:00"), ("siaga112",), members, ()))
    assert seen(queues=queues).operators == {OperatorState.BUSY: 1}


def test_who_talks_is_named_while_they_talk() -> None:
    """A call shows the operator's name from the answer on."""
    phone = TALKS.replace("100.2  bridge=b1", "100.2  bridge=b1 chan=PJSIP/101-0000000a")
    tracker = Tracker(in_force(names=Names({"101": "Siti"})))
    named = []
    for table in (ARRIVES, MENU, QUEUE, phone):
        for event in events(table):
            tracker.feed(event)
        named.append(tracker.in_progress(1)[0].operator)
    assert named == ["", "", "", "Siti"]


def test_many_operators_are_not_all_listed() -> None:
    """A limited number of operators is listed by name, and all are counted."""
    queues = QueueState(in_force(replace(DIALPLAN, queues=frozenset({"siaga112"}))))
    members = (QueueMember("siaga112", f"PJSIP/{n}", OperatorState.BUSY, f"Agent {n}") for n in range(300))
    queues.feed(QueueStatus(_millis("10:00:00"), ("siaga112",), tuple(members), ()))
    snapshot = seen(queues=queues)
    assert len(snapshot.logged_in) == MAX_OPERATORS
    assert snapshot.operators == {OperatorState.BUSY: 300}
    assert len(dump_snapshot(snapshot)) < 5_000


def test_a_snapshot_is_read_as_written() -> None:
    """A snapshot is read as it was written, even with odd characters in names and reasons."""
    odd = OperatorNow('"\x00\u202e\ufffd', OperatorState.PAUSED, "\r\n\x1b[2J", 1)
    snapshot = replace(SNAPSHOT, logged_in=(*SNAPSHOT.logged_in, odd))
    assert load_snapshot(dump_snapshot(snapshot)) == snapshot


def test_a_snapshot_of_an_older_daemon_names_nobody() -> None:
    """A snapshot of an older daemon, without operators' names, is read without them."""
    row = json.loads(dump_snapshot(SNAPSHOT))
    del row["logged_in"]
    row["calls"] = [call[:7] for call in row["calls"]]
    read = load_snapshot(json.dumps(row))
    assert read.logged_in == ()
    assert read.calls == tuple(replace(call, operator="") for call in SNAPSHOT.calls)


def test_in_a_flood_the_snapshot_stays_small() -> None:
    """A limited number of calls is listed, those in the queue first, and all are counted."""
    arrivals = [f"10:00:{n % 60:02}  Newchannel  {n}.1  num={NUMBER}" for n in range(300)]
    joins = [
        f"10:01:{n:02}  QueueCallerJoin  {n + 200}.1  queue=siaga112 at=siaga112-queue,s,1" for n in range(5)
    ]
    snapshot = seen("\n".join((*arrivals, *joins)))
    assert len(snapshot.calls) == MAX_CALLS
    assert [call.call for call in snapshot.calls[:5]] == [f"{n + 200}.1" for n in range(5)]
    assert snapshot.stages == {Stage.SCREENING: 295, Stage.QUEUE: 5}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        dump_snapshot(SNAPSHOT)[:-1],
        dump_snapshot(SNAPSHOT).replace(f'"at":{NOW}', '"at":"soon"'),
        dump_snapshot(SNAPSHOT).replace(f'"at":{NOW}', '"at":1e999'),
        dump_snapshot(SNAPSHOT).replace(f'"at":{NOW}', '"at":99999999999999999'),
        dump_snapshot(SNAPSHOT).replace(str(NOW - 42_000), "-1"),
        dump_snapshot(SNAPSHOT).replace(str(NOW - 50_000), "99999999999999999"),
        dump_snapshot(SNAPSHOT).replace('"queue"', '"nowhere"'),
        dump_snapshot(SNAPSHOT).replace('"paused","sholat"', '"asleep","sholat"'),
        dump_snapshot(SNAPSHOT).replace('"sholat"', '["sholat"]'),
        dump_snapshot(SNAPSHOT).replace(f",{NOW - 750_000}]", ",1e999]"),
        dump_snapshot(SNAPSHOT).replace(f",{NOW - 750_000}]", ",99999999999999999]"),
        dump_snapshot(SNAPSHOT).replace('"PJSIP/103",', ""),
        dump_snapshot(SNAPSHOT).replace('"","Siti Rahma"]', '"",7]'),
        dump_snapshot(SNAPSHOT).replace('"","Siti Rahma"]', '"","Siti","Rahma"]'),
    ],
)
def test_what_is_no_snapshot_is_one_error(text: str) -> None:
    """A text that is no valid snapshot raises ValueError."""
    with pytest.raises(ValueError, match=r"."):
        load_snapshot(text)
