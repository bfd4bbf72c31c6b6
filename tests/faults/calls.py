"""Calls as a PBX tells of them, in bytes, each at a time of its own."""

from typing import Final

from siaga112.core.model import SECOND, CallId, Millis
from tests.adapters.manager import channel

LASTS: Final[Millis] = 10 * SECOND
MENU: Final = {"Context": "siaga112-ivr", "Exten": "s", "Priority": "5"}


def uid(number: int, at: Millis) -> CallId:
    """Make a uniqueid."""
    return CallId(f"{at // SECOND}.{number}")


def event(name: str, at: Millis, **headers: str) -> bytes:
    """Write an event with its time."""
    head = f"Event: {name}\r\nPrivilege: call,all\r\nTimestamp: {at / SECOND:.6f}\r\n"
    return (head + "".join(f"{key}: {value}\r\n" for key, value in headers.items()) + "\r\n").encode()


def arrives(call: str, number: str, at: Millis, allowed: str = "not_blocked") -> bytes:
    """Write a call from its arrival into the menu; the dialplan's cleaning leaves what it can."""
    own = channel(call, CallerIDNum=number)
    clean = number if number.isdigit() else ""
    told = {"SIAGA_CALLER": clean, "SIAGA_REASON": allowed, "SIAGA_VERDICT": "ALLOW"}
    return b"".join(
        (
            event("Newchannel", at, **own),
            *(event("VarSet", at + 1, **own, Variable=name, Value=value) for name, value in told.items()),
            event(
                "Newexten", at + 2_000, **own | MENU, Extension="s", Application="BackGround", AppData="menu"
            ),
        )
    )


def leaves(call: str, number: str, at: Millis) -> bytes:
    """Write the rest of it: the caller hangs up in the menu."""
    own = channel(call, CallerIDNum=number) | MENU
    return event("HangupRequest", at + LASTS, **own) + event("Hangup", at + LASTS, **own, Cause="16")


def misuse(call: str, number: str, at: Millis) -> bytes:
    """Write the whole of it."""
    return arrives(call, number, at) + leaves(call, number, at)
