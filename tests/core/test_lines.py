"""Surge: while the line is overrun, or nobody is there to answer, volume is not misuse."""

from siaga112.core.events import MemberSeen, QueuesSeen
from siaga112.core.lines import Lines
from siaga112.core.model import SECOND, OperatorState

NOW = 1_795_000_000_000
OURS = frozenset({"siaga112"})


def lines(*states: OperatorState | None, queue: str = "siaga112", patience: int = 10 * SECOND) -> Lines:
    """Give the line with operators in these states."""
    seen = Lines(OURS, patience)
    members = tuple(MemberSeen(queue, f"PJSIP/{number}", state) for number, state in enumerate(states))
    seen.feed(QueuesSeen(NOW, ("siaga112", "office"), members, ()))
    return seen


def test_a_caller_who_waits_too_long_makes_a_surge() -> None:
    """Longer than the promise, in a queue of ours: no strikes for anybody."""
    busy = lines(OperatorState.BUSY)
    assert busy.surge({"siaga112": (1, NOW - 10 * SECOND)}, NOW) == ""
    assert busy.surge({"siaga112": (1, NOW - 10 * SECOND - 1)}, NOW) == "a caller waited 10 s"
    assert busy.surge({"office": (1, NOW - 60 * SECOND)}, NOW) == ""


def test_nobody_logged_in_makes_a_surge() -> None:
    """Phones that are away and operators on a break are nobody to answer."""
    nobody = "no operator logged in"
    assert lines().surge({}, NOW) == nobody
    assert lines(None, OperatorState.PAUSED).surge({}, NOW) == nobody
    assert lines(OperatorState.AVAILABLE, queue="office").surge({}, NOW) == nobody
    assert lines(None, OperatorState.BUSY).surge({}, NOW) == ""


def test_only_what_was_seen_makes_a_surge() -> None:
    """Before the queues have told anything, and on a PBX without our queue, there is none."""
    assert Lines(OURS, 10 * SECOND).surge({}, NOW) == ""
    elsewhere = Lines(OURS, 10 * SECOND)
    elsewhere.feed(QueuesSeen(NOW, ("office",), (), ()))
    assert elsewhere.surge({}, NOW) == ""


def test_a_centre_may_switch_it_off() -> None:
    """With no patience given there is never a surge."""
    assert lines(patience=0).surge({"siaga112": (1, NOW - 60 * SECOND)}, NOW) == ""


def test_operators_are_counted_once() -> None:
    """An operator in two queues is one; who is not logged in is none."""
    seen = Lines(frozenset({"siaga112", "fire"}), 0)
    members = (
        MemberSeen("siaga112", "PJSIP/1", OperatorState.BUSY),
        MemberSeen("fire", "PJSIP/1", OperatorState.BUSY),
        MemberSeen("fire", "PJSIP/2", None),
    )
    seen.feed(QueuesSeen(NOW, ("siaga112", "fire"), members, ()))
    assert seen.operators() == {OperatorState.BUSY: 1}
