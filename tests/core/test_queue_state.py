"""Queue state: while the line is overloaded or unstaffed, volume is not misuse (a surge)."""

from dataclasses import replace

import pytest

from siaga112.captures.replay import Replay
from siaga112.core.ami.events import Interrupted, QueueMember, QueueStatus
from siaga112.core.ami.parser import member_seen
from siaga112.core.model import SECOND, CallId, Millis, OperatorNow, OperatorState, Spared, Stage
from siaga112.core.names import LONGEST, Names
from siaga112.core.regulation import PolicyRules
from siaga112.core.tracking.queue_state import Overdue, QueueState
from siaga112.core.tracking.stages import LOOKED_AT, Progress, Spot
from tests.core.table import DIALPLAN, events, in_force

NOW = 1_795_000_000_000
OURS = frozenset({"siaga112"})


def line(patience: Millis, queues: frozenset[str] = OURS) -> QueueState:
    """Return a queue state that has not seen the queues yet."""
    return QueueState(in_force(replace(DIALPLAN, queues=queues), PolicyRules(surge=patience)))


def queues(*states: OperatorState | None, queue: str = "siaga112", patience: int = 10 * SECOND) -> QueueState:
    """Return a queue state with operators in these states."""
    seen = line(patience)
    members = tuple(QueueMember(queue, f"PJSIP/{number}", state) for number, state in enumerate(states))
    seen.feed(QueueStatus(NOW, ("siaga112", "office"), members, ()))
    return seen


def waiting(*calls: tuple[str, Millis, str]) -> Overdue:
    """Return the counter of overdue callers for these calls: queue, since when, and number."""
    progress = Progress()
    for number, (queue, since, caller) in enumerate(calls):
        progress.put(CallId(str(number)), Spot(Stage.QUEUE, since, queue, since, caller))
    return progress.overdue


def test_callers_who_wait_too_long_make_a_surge() -> None:
    """Two callers who wait too long in our queue make a surge; one, or two in another queue, do not."""
    busy = queues(OperatorState.BUSY)
    at, late = NOW - 10 * SECOND, NOW - 10 * SECOND - 1
    assert busy.surge(waiting(("siaga112", at, "0812"), ("siaga112", at, "0813")), NOW) == ""
    assert busy.surge(waiting(("siaga112", late, "0812"), ("siaga112", at, "0813")), NOW) == ""
    assert busy.surge(waiting(("office", late, "0812"), ("office", late, "0813")), NOW) == ""
    both = waiting(("siaga112", late, "0812"), ("siaga112", late, "0813"))
    assert busy.surge(both, NOW) == "2 callers waited over 10s"


def test_one_accomplice_who_waits_makes_none() -> None:
    """Up to LOOKED_AT calls from one number are one caller, and each call without a number is a caller."""
    busy, late = queues(OperatorState.BUSY), NOW - 18 * SECOND
    assert busy.surge(waiting(("siaga112", late, "0812")), NOW) == ""
    assert busy.surge(waiting(*[("siaga112", late, "0812")] * LOOKED_AT), NOW) == ""
    assert busy.surge(waiting(*[("siaga112", late, "0812")] * (LOOKED_AT + 1)), NOW)
    assert busy.surge(waiting(*[("siaga112", late, "")] * 2), NOW)


def test_many_operators_take_more_callers() -> None:
    """A surge takes one waiting caller for every four operators on duty, rounded up, and at least two."""
    late = NOW - 18 * SECOND
    for on_duty, enough in ((1, 2), (8, 2), (9, 3), (20, 5)):
        busy = queues(*[OperatorState.BUSY] * on_duty, OperatorState.PAUSED, None)
        calls = [("siaga112", late, f"0812{number}") for number in range(enough)]
        assert busy.surge(waiting(*calls[1:]), NOW) == ""
        assert busy.surge(waiting(*calls), NOW) == f"{enough} callers waited over 10s"


def test_where_nothing_is_known_of_operators_one_caller_is_enough() -> None:
    """If nothing is known about operators, one waiting caller makes a surge: doubt favours the caller."""
    unknown = line(10 * SECOND)
    assert unknown.surge(waiting(("siaga112", NOW - 11 * SECOND, "0812")), NOW) == "a caller waited over 10s"


def test_nobody_logged_in_makes_a_surge() -> None:
    """There is a surge if no operator of our queue is on duty; a paused or unreachable one is not."""
    nobody = "no operator logged in"
    assert queues().surge(waiting(), NOW) == nobody
    assert queues(None, OperatorState.PAUSED).surge(waiting(), NOW) == nobody
    assert queues(OperatorState.AVAILABLE, queue="office").surge(waiting(), NOW) == nobody
    assert queues(None, OperatorState.BUSY).surge(waiting(), NOW) == ""


def test_only_what_was_seen_makes_a_surge() -> None:
    """Missing operators are no surge before the queues are seen, nor on a PBX without our queue."""
    assert line(10 * SECOND).surge(waiting(), NOW) == ""
    elsewhere = line(10 * SECOND)
    elsewhere.feed(QueueStatus(NOW, ("office",), (), ()))
    assert elsewhere.surge(waiting(), NOW) == ""


def test_a_centre_may_switch_it_off() -> None:
    """With a patience of 0, there is never a surge."""
    assert queues(patience=0).surge(waiting(*[("siaga112", NOW - 60 * SECOND, "")] * 9), NOW) == ""


def test_operators_are_counted_once() -> None:
    """An operator in two queues counts once; one not logged in does not count."""
    seen = line(0, frozenset({"siaga112", "fire"}))
    members = (
        QueueMember("siaga112", "PJSIP/1", OperatorState.BUSY),
        QueueMember("fire", "PJSIP/1", OperatorState.BUSY),
        QueueMember("fire", "PJSIP/2", None),
    )
    seen.feed(QueueStatus(NOW, ("siaga112", "fire"), members, ()))
    assert seen.operators() == {OperatorState.BUSY: 1}


# ── the operators by name ────────────────────────────────────────────────────────────────────────

PAUSED_AT = 1_795_949_526 * SECOND
ROW = {
    "Event": "QueueMember", "Queue": "siaga112", "Name": "Budi Santoso", "Location": "PJSIP/102",
    "StateInterface": "PJSIP/102", "Membership": "dynamic", "Penalty": "0", "CallsTaken": "0",
    "LastCall": "0", "LastPause": str(PAUSED_AT // SECOND), "LoginTime": "1795949000", "InCall": "0",
    "Status": "1", "Paused": "1", "PausedReason": "sholat Jumat", "Wrapuptime": "0",
}  # fmt: skip
"""A queue member as Asterisk 22.10 and 16.30 send it."""

BUDI = QueueMember("siaga112", "PJSIP/102", OperatorState.PAUSED, "Budi Santoso", "sholat Jumat", PAUSED_AT)
OLDEST = ("Queue", "Name", "Location", "Status", "Paused")


@pytest.mark.parametrize(
    ("changed", "seen"),
    [
        ({}, BUDI),
        ({"Name": "PJSIP/102"}, replace(BUDI, name="")),
        ({"Status": "5"}, replace(BUDI, state=None, reason="", since=0)),
        ({"Paused": "0"}, replace(BUDI, state=OperatorState.AVAILABLE, reason="", since=0)),
        ({"Paused": "0", "Status": "2"}, replace(BUDI, state=OperatorState.BUSY, reason="", since=0)),
        ({"LastPause": "0"}, replace(BUDI, since=0)),
        ({"LastPause": "-1"}, replace(BUDI, since=0)),
        ({"LastPause": "9" * 5_000}, replace(BUDI, since=0)),
        ({"LastPause": "99999999999"}, replace(BUDI, since=0)),
        ({"Name": "B" * 900}, replace(BUDI, name="B" * LONGEST)),
        ({"PausedReason": "\x1b[2J" + "r" * 900}, replace(BUDI, reason="\x1b[2J" + "r" * (LONGEST - 4))),
    ],
)
def test_a_queues_member_is_read(changed: dict[str, str], seen: QueueMember) -> None:
    """A member has its state, its name unless that is the interface, and, if paused, the reason and start."""
    assert member_seen(ROW | changed) == seen


def test_a_member_is_read_of_whatever_the_pbx_leaves_out() -> None:
    """Headers that older versions lack are read as unknown; a row without a required header is ignored."""
    assert member_seen({name: ROW[name] for name in OLDEST}) == replace(BUDI, reason="", since=0)
    assert member_seen({name: ROW[name] for name in OLDEST if name != "Name"}) == replace(
        BUDI, name="", reason="", since=0
    )
    assert member_seen({name: ROW[name] for name in OLDEST if name != "Paused"}) is None


def status(at: Millis, *members: QueueMember) -> QueueStatus:
    """Return the state of the queues at this time."""
    return QueueStatus(at, ("siaga112", "fire"), members, ())


def test_operators_are_listed_by_name_the_longest_pause_first() -> None:
    """Operators are listed by the person's name, else the member's; the longest pause comes first."""
    names = Names({"PJSIP/101": "Siti", "Budi Santoso": "Budi", "103": "Ratna"})
    rules = in_force(replace(DIALPLAN, queues=OURS))
    rules.now = replace(rules.now, names=names)
    seen = QueueState(rules)
    seen.feed(
        status(
            NOW,
            QueueMember("siaga112", "PJSIP/101", OperatorState.AVAILABLE),
            QueueMember("siaga112", "PJSIP/104", OperatorState.PAUSED, "Agung", "lunch", NOW - 9),
            QueueMember("siaga112", "PJSIP/105", OperatorState.PAUSED),
            BUDI,
            QueueMember("siaga112", "Local/103@from-queue/n", OperatorState.BUSY),
            QueueMember("siaga112", "PJSIP/106", None, "Dewi"),
            QueueMember("office", "PJSIP/107", OperatorState.BUSY, "Tono"),
        )
    )
    assert seen.logged_in(100) == [
        OperatorNow("Agung", OperatorState.PAUSED, "lunch", NOW - 9),
        OperatorNow("Budi", OperatorState.PAUSED, "sholat Jumat", PAUSED_AT),
        OperatorNow("PJSIP/105", OperatorState.PAUSED),
        OperatorNow("Ratna", OperatorState.BUSY),
        OperatorNow("Siti", OperatorState.AVAILABLE),
    ]
    assert [one.name for one in seen.logged_in(2)] == ["Agung", "Budi"]
    assert seen.operators() == {OperatorState.PAUSED: 3, OperatorState.BUSY: 1, OperatorState.AVAILABLE: 1}


def test_an_operator_in_two_queues_is_listed_once() -> None:
    """An operator in two queues is listed once; the list agrees with the counts."""
    seen = line(0, frozenset({"siaga112", "fire"}))
    seen.feed(status(NOW, QueueMember("fire", "PJSIP/102", OperatorState.AVAILABLE, "Budi Santoso"), BUDI))
    assert seen.logged_in(9) == [OperatorNow("Budi Santoso", OperatorState.PAUSED, "sholat Jumat", PAUSED_AT)]
    assert seen.operators() == {OperatorState.PAUSED: 1}


def test_since_when_is_known_where_the_change_was_seen() -> None:
    """The start of a state is known only if the change was seen: not at first, nor after a reconnection."""
    seen = line(0)
    free = QueueMember("siaga112", "PJSIP/1", OperatorState.AVAILABLE)
    busy = replace(free, state=OperatorState.BUSY)

    def after(at: Millis, *members: QueueMember) -> list[Millis]:
        seen.feed(status(at, *members))
        return [one.since for one in seen.logged_in(9)]

    assert after(NOW, free) == [0]
    assert after(NOW + 5, free) == [0]
    assert after(NOW + 10, busy) == [NOW + 10]
    assert after(NOW + 15, busy) == [NOW + 10]
    assert after(NOW + 20, busy, replace(free, interface="PJSIP/2")) == [NOW + 10, NOW + 20]
    seen.feed(Interrupted(NOW + 21, "lost"))
    assert [one.since for one in seen.logged_in(9)] == [NOW + 10, NOW + 20], "as last seen"
    assert after(NOW + 25, busy, BUDI) == [PAUSED_AT, 0]
    assert after(NOW + 30, free, BUDI) == [PAUSED_AT, NOW + 30]


def test_beside_one_accomplice_a_misuse_costs_a_strike() -> None:
    """Leaving the menu costs a strike while one caller waits too long, but not while two do."""
    misuse = """
        10:00:30  Newchannel  100.9  num=081211119999
        10:00:30  VarSet      100.9  SIAGA_CALLER=081211119999
        10:00:32  Newexten    100.9  at=siaga112-ivr,s,4 app=WaitExten
        10:00:38  HangupRequest  100.9  at=siaga112-ivr,s,4
        10:00:38  Hangup      100.9  at=siaga112-ivr,s,4
    """
    operator = QueueStatus(NOW, ("siaga112",), (QueueMember("siaga112", "PJSIP/1", OperatorState.BUSY),), ())
    for waiting_callers, spared in ((1, None), (2, Spared.SURGE)):
        table = "".join(
            f"""
            10:00:1{n}  Newchannel  100.{n}  num=08121111000{n}
            10:00:1{n}  QueueCallerJoin  100.{n}  queue=siaga112 at=siaga112-queue,s,1
            """
            for n in range(waiting_callers)
        )
        replay = Replay(in_force(replace(DIALPLAN, queues=OURS)).now)
        (entry,) = replay.run([operator, *events(table), *events(misuse)])
        assert (entry.strike, entry.spared) == (spared is None, spared)
