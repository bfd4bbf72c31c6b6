"""Surge: while the line is overrun, or nobody is there to answer, volume is not misuse."""

from dataclasses import replace

from siaga112.captures.replay import Replay
from siaga112.core.ami.events import QueueMember, QueueStatus
from siaga112.core.model import SECOND, CallId, Millis, OperatorState, Spared, Stage
from siaga112.core.regulation import PolicyRules
from siaga112.core.tracking.queue_state import Overdue, QueueState
from siaga112.core.tracking.stages import LOOKED_AT, Progress, Spot
from tests.core.table import DIALPLAN, events, in_force

NOW = 1_795_000_000_000
OURS = frozenset({"siaga112"})


def line(patience: Millis, queues: frozenset[str] = OURS) -> QueueState:
    """Give a line whose queues were not seen yet."""
    return QueueState(in_force(replace(DIALPLAN, queues=queues), PolicyRules(surge=patience)))


def queues(*states: OperatorState | None, queue: str = "siaga112", patience: int = 10 * SECOND) -> QueueState:
    """Give the line with operators in these states."""
    seen = line(patience)
    members = tuple(QueueMember(queue, f"PJSIP/{number}", state) for number, state in enumerate(states))
    seen.feed(QueueStatus(NOW, ("siaga112", "office"), members, ()))
    return seen


def waiting(*calls: tuple[str, Millis, str]) -> Overdue:
    """Give who waits: the queue, since when, and the number."""
    progress = Progress()
    for number, (queue, since, caller) in enumerate(calls):
        progress.put(CallId(str(number)), Spot(Stage.QUEUE, since, queue, since, caller))
    return progress.overdue


def test_callers_who_wait_too_long_make_a_surge() -> None:
    """Longer than the promise, in a queue of ours, and two of them: no strikes for anybody."""
    busy = queues(OperatorState.BUSY)
    at, late = NOW - 10 * SECOND, NOW - 10 * SECOND - 1
    assert busy.surge(waiting(("siaga112", at, "0812"), ("siaga112", at, "0813")), NOW) == ""
    assert busy.surge(waiting(("siaga112", late, "0812"), ("siaga112", at, "0813")), NOW) == ""
    assert busy.surge(waiting(("office", late, "0812"), ("office", late, "0813")), NOW) == ""
    both = waiting(("siaga112", late, "0812"), ("siaga112", late, "0813"))
    assert busy.surge(both, NOW) == "2 callers waited over 10s"


def test_one_accomplice_who_waits_makes_none() -> None:
    """Nor does one with several calls of the same number; calls without a number are a caller's each."""
    busy, late = queues(OperatorState.BUSY), NOW - 18 * SECOND
    assert busy.surge(waiting(("siaga112", late, "0812")), NOW) == ""
    assert busy.surge(waiting(*[("siaga112", late, "0812")] * LOOKED_AT), NOW) == ""
    assert busy.surge(waiting(*[("siaga112", late, "0812")] * (LOOKED_AT + 1)), NOW)
    assert busy.surge(waiting(*[("siaga112", late, "")] * 2), NOW)


def test_many_operators_take_more_callers() -> None:
    """A quarter of those on duty, rounded up: who is on a break, or away, is not on duty."""
    late = NOW - 18 * SECOND
    for on_duty, enough in ((1, 2), (8, 2), (9, 3), (20, 5)):
        busy = queues(*[OperatorState.BUSY] * on_duty, OperatorState.PAUSED, None)
        calls = [("siaga112", late, f"0812{number}") for number in range(enough)]
        assert busy.surge(waiting(*calls[1:]), NOW) == ""
        assert busy.surge(waiting(*calls), NOW) == f"{enough} callers waited over 10s"


def test_where_nothing_is_known_of_operators_one_caller_is_enough() -> None:
    """Before the first look at the queues: unsure favours the caller."""
    unknown = line(10 * SECOND)
    assert unknown.surge(waiting(("siaga112", NOW - 11 * SECOND, "0812")), NOW) == "a caller waited over 10s"


def test_nobody_logged_in_makes_a_surge() -> None:
    """Phones that are away and operators on a break are nobody to answer."""
    nobody = "no operator logged in"
    assert queues().surge(waiting(), NOW) == nobody
    assert queues(None, OperatorState.PAUSED).surge(waiting(), NOW) == nobody
    assert queues(OperatorState.AVAILABLE, queue="office").surge(waiting(), NOW) == nobody
    assert queues(None, OperatorState.BUSY).surge(waiting(), NOW) == ""


def test_only_what_was_seen_makes_a_surge() -> None:
    """Before the queues have told anything, and on a PBX without our queue, there is none."""
    assert line(10 * SECOND).surge(waiting(), NOW) == ""
    elsewhere = line(10 * SECOND)
    elsewhere.feed(QueueStatus(NOW, ("office",), (), ()))
    assert elsewhere.surge(waiting(), NOW) == ""


def test_a_centre_may_switch_it_off() -> None:
    """With no patience given there is never a surge."""
    assert queues(patience=0).surge(waiting(*[("siaga112", NOW - 60 * SECOND, "")] * 9), NOW) == ""


def test_operators_are_counted_once() -> None:
    """An operator in two queues is one; who is not logged in is none."""
    seen = line(0, frozenset({"siaga112", "fire"}))
    members = (
        QueueMember("siaga112", "PJSIP/1", OperatorState.BUSY),
        QueueMember("fire", "PJSIP/1", OperatorState.BUSY),
        QueueMember("fire", "PJSIP/2", None),
    )
    seen.feed(QueueStatus(NOW, ("siaga112", "fire"), members, ()))
    assert seen.operators() == {OperatorState.BUSY: 1}


def test_beside_one_accomplice_a_misuse_costs_a_strike() -> None:
    """Whoever leaves the menu while one caller waits 18 s gets a strike; while two do, he is spared."""
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
