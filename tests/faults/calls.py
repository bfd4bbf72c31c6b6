"""Calls as a PBX tells of them, in bytes, each at a time of its own."""

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
    """Write an event with its time."""
    head = f"Event: {name}\r\nPrivilege: call,all\r\nTimestamp: {at / SECOND:.6f}\r\n"
    return (head + "".join(f"{key}: {value}\r\n" for key, value in headers.items()) + "\r\n").encode()


def arrives(call: str, number: str, at: Millis, verdict: str = "ALLOW", reason: str = "not_blocked") -> bytes:
    """Write a call from its arrival into the menu; the dialplan's cleaning leaves what it can."""
    return begins(call, number, at) + goes_on(call, number, at, verdict, reason)


def begins(call: str, number: str, at: Millis) -> bytes:
    """Write a call's arrival, up to the question to the daemon."""
    own = channel(call, CallerIDNum=number)
    clean = number if number.isdigit() else ""
    return event("Newchannel", at, **own) + event(
        "VarSet", at + 1, **own, Variable="SIAGA_CALLER", Value=clean
    )


def goes_on(call: str, number: str, at: Millis, verdict: str = "ALLOW", reason: str = "not_blocked") -> bytes:
    """Write how a call that arrived at that time goes on into the menu, with this answer."""
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
    """Write that the caller joins the queue."""
    own = channel(call, CallerIDNum=number) | QUEUE
    return event("QueueCallerJoin", at, **own, Queue="siaga112", Position="1")


def talks(call: str, number: str, at: Millis) -> bytes:
    """Write that an operator takes the call."""
    bridge = {"BridgeUniqueid": f"b{call}", "BridgeType": "basic", "BridgeTechnology": "simple_bridge"}
    caller = channel(call, CallerIDNum=number) | QUEUE
    return event("BridgeEnter", at, **_operator(call), **bridge) + event(
        "BridgeEnter", at, **caller, **bridge
    )


def is_handed_over(call: str, at: Millis) -> bytes:
    """Write that the operator sends the caller on to 113; the two stay in the bridge until that is done."""
    return event("BlindTransfer", at, Result="Success", TransfereeUniqueid=call, Extension="113")


def is_marked(call: str, mark: str, at: Millis) -> bytes:
    """Write that the operator marks the call by a key."""
    own = _operator(call) | {"Context": "siaga112-mark", "Exten": "s", "Priority": "7"}
    return event("UserEvent", at, **own, UserEvent="SiagaMark", Mark=mark, Call=call)


def _operator(call: str) -> dict[str, str]:
    return channel(
        f"1{call}", Channel=f"PJSIP/101-{call}", CallerIDNum="112", Context="operators", Linkedid=call
    )


def hangs_up(call: str, number: str, at: Millis, place: dict[str, str] = MENU) -> bytes:
    """Write that the caller hangs up there."""
    own = channel(call, CallerIDNum=number) | place
    return event("HangupRequest", at, **own) + event("Hangup", at, **own, Cause="16")


def leaves(call: str, number: str, at: Millis) -> bytes:
    """Write the rest of a call that arrived at that time: the caller hangs up in the menu."""
    return hangs_up(call, number, at + LASTS)


def misuse(call: str, number: str, at: Millis) -> bytes:
    """Write the whole of it."""
    return arrives(call, number, at) + leaves(call, number, at)


def answered(call: str, number: str, at: Millis, mark: str) -> bytes:
    """Write the whole of a call that an operator takes, hands over and marks; it lasts `LASTS`."""
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
