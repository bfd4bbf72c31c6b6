"""Calls as a PBX reports them over AMI, in bytes; each event has its own time."""

from typing import Final

from siaga112.core.model import SECOND, CallId, Millis
from tests.fakes.manager import channel

LASTS: Final[Millis] = 10 * SECOND
MENU: Final = {"Context": "siaga112-ivr", "Exten": "s", "Priority": "5"}
QUEUE: Final = {"Context": "siaga112-queue", "Exten": "s", "Priority": "1"}


def uid(number: int, at: Millis) -> CallId:
    """Make a uniqueid."""
    return CallId(f"{at // SECOND}.{number}")


def event(name: str, at: Millis, **headers: str) -> bytes:
    """Return an event with its timestamp."""
    head = f"Event: {name}\r\nPrivilege: call,all\r\nTimestamp: {at / SECOND:.6f}\r\n"
    return (head + "".join(f"{key}: {value}\r\n" for key, value in headers.items()) + "\r\n").encode()


def arrives(call: str, number: str, at: Millis, verdict: str = "ALLOW", reason: str = "not_blocked") -> bytes:
    """Return a call's events from its arrival to the menu."""
    return begins(call, number, at) + goes_on(call, number, at, verdict, reason)


def begins(call: str, number: str, at: Millis) -> bytes:
    """Return a call's events up to the question to the daemon.

    SIAGA_CALLER, which the dialplan cleans, is empty unless the number is all digits.
    """
    own = channel(call, CallerIDNum=number)
    clean = number if number.isdigit() else ""
    return event("Newchannel", at, **own) + event(
        "VarSet", at + 1, **own, Variable="SIAGA_CALLER", Value=clean
    )


def goes_on(call: str, number: str, at: Millis, verdict: str = "ALLOW", reason: str = "not_blocked") -> bytes:
    """Return the events from the daemon's answer to the menu, for a call that arrived at `at`."""
    own = channel(call, CallerIDNum=number)
    told = {"SIAGA_REASON": reason, "SIAGA_VERDICT": verdict}
    return b"".join(
        (
            *(event("VarSet", at + 1, **own, Variable=name, Value=value) for name, value in told.items()),
            event(
                "Newexten", at + 2_000, **own | MENU, Extension="s", Application="BackGround", AppData="menu"
            ),
        )
    )


def queues(call: str, number: str, at: Millis) -> bytes:
    """Return the event of the caller joining the queue."""
    own = channel(call, CallerIDNum=number) | QUEUE
    return event("QueueCallerJoin", at, **own, Queue="siaga112", Position="1")


def talks(call: str, number: str, at: Millis) -> bytes:
    """Return the events of an operator answering the call."""
    bridge = {"BridgeUniqueid": f"b{call}", "BridgeType": "basic", "BridgeTechnology": "simple_bridge"}
    caller = channel(call, CallerIDNum=number) | QUEUE
    return event("BridgeEnter", at, **_operator(call), **bridge) + event(
        "BridgeEnter", at, **caller, **bridge
    )


def is_handed_over(call: str, at: Millis) -> bytes:
    """Return the event of the operator's blind transfer to 113. Both stay in the bridge until it is done."""
    return event("BlindTransfer", at, Result="Success", TransfereeUniqueid=call, Extension="113")


def is_marked(call: str, mark: str, at: Millis) -> bytes:
    """Return the event of the operator marking the call with a key."""
    own = _operator(call) | {"Context": "siaga112-mark", "Exten": "s", "Priority": "7"}
    return event("UserEvent", at, **own, UserEvent="SiagaMark", Mark=mark, Call=call)


def _operator(call: str) -> dict[str, str]:
    return channel(
        f"1{call}", Channel=f"PJSIP/101-{call}", CallerIDNum="112", Context="operators", Linkedid=call
    )


def hangs_up(call: str, number: str, at: Millis, place: dict[str, str] = MENU) -> bytes:
    """Return the events of the caller hanging up at that place in the dialplan."""
    own = channel(call, CallerIDNum=number) | place
    return event("HangupRequest", at, **own) + event("Hangup", at, **own, Cause="16")


def leaves(call: str, number: str, at: Millis) -> bytes:
    """Return the end of a call that arrived at `at`: the caller hangs up in the menu."""
    return hangs_up(call, number, at + LASTS)


def misuse(call: str, number: str, at: Millis) -> bytes:
    """Return all events of a misuse: the caller hangs up in the menu."""
    return arrives(call, number, at) + leaves(call, number, at)


def answered(call: str, number: str, at: Millis, mark: str) -> bytes:
    """Return all events of a call that an operator answers, hands over and marks; it lasts `LASTS`."""
    return b"".join(
        (
            arrives(call, number, at),
            queues(call, number, at + 4_000),
            talks(call, number, at + 6_000),
            is_handed_over(call, at + 7_000),
            is_marked(call, mark, at + 8_000),
            hangs_up(call, number, at + LASTS, QUEUE),
        )
    )
