"""Calls recorded on a real Asterisk, replayed as new ones: with new ids, another number and today's time."""

import re
import uuid
from dataclasses import dataclass
from typing import Final

from siaga112.captures import capture
from tests.core.streams import GOLDEN

MIX: Final = {
    "menu_left_during_prompt": 30,
    "menu_left_before_key": 25,
    "menu_left_after_wrong_key": 10,
    "menu_ends_after_wrong_keys": 10,
    "menu_left_with_key_down": 10,
    "menu_left_at_once": 10,
    "queue_left_ringing": 8,
    "silence_left_ringing": 4,
    "queue_timeout": 2,
    "answered_ended_by_caller": 8,
    "answered_ended_by_operator": 4,
    "answered_marked": 2,
    "transfer_blind": 1,
    "hold": 1,
}
"""The weight of each scenario: no operator answers 87 % of these calls (86 % in the centre's own figures)."""

REJECTED: Final = "blocked_rejected"
EARLY_DROP: Final = "1s"
"""As in the headers of the captures."""

_UID: Final = re.compile(rb"(?<=[ =,|])\d{10}\.(\d+)(?=[\r,|]|$)")
_UUID: Final = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CHANNEL: Final = re.compile(rb"(?<=-)[0-9a-f]{6}([0-9a-f]{2})(?=[\r;,]|$)")
_TIME: Final = re.compile(rb"\r\nTimestamp: ([0-9.]+)")
_CALLER: Final = re.compile(rb"\r\nCallerIDNum: (\d+)")
IDS: Final = 100
"""More channels than any of these calls has."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded call: each message, with the seconds since the first one."""

    outcome: str
    number: bytes
    channel: int
    """The number of the caller's channel: the second half of its uniqueid."""
    messages: tuple[tuple[float, bytes], ...]

    def played(self, message: bytes, at: float, call: "Played") -> bytes:
        """Return a message as Asterisk would send it now for another call."""
        text = message.replace(self.number, call.number)
        text = _UID.sub(lambda found: call.uid(int(found[1]) - self.channel), text)
        text = _CHANNEL.sub(lambda found: b"%06x" % call.order + found[1], text)
        text = _UUID.sub(call.bridge, text)
        return _TIME.sub(b"\r\nTimestamp: %.6f" % at, text) + capture.MESSAGE_END


@dataclass(frozen=True, slots=True)
class Played:
    """A call being replayed. `second`: when it began; `order`: its place in the load."""

    second: int
    order: int
    number: bytes
    bridge: bytes

    @classmethod
    def begun(cls, now: float, order: int, number: str) -> "Played":
        """Begin a call."""
        return cls(int(now), order, number.encode(), str(uuid.uuid4()).encode())

    def uid(self, channel: int) -> bytes:
        """Return the uniqueid of one of the call's channels; the caller's is channel 0."""
        return b"%d.%d" % (self.second, self.order * IDS + channel % IDS)


def read(name: str, version: str = "22") -> Recorded:
    """Read a capture of one call."""
    first, *rest = capture.messages((GOLDEN / version / f"{name}.ami").read_bytes())
    header = capture.read_header(first)
    (expected,) = header.expected
    assert header.dialplan.trunk_contexts == {"siaga112-incoming"}, f"{name} is of another dialplan"
    events = [message for message in rest if _TIME.search(message) and b"Uniqueid" in message]
    begun, caller = _time(events[0]), _CALLER.search(events[0])
    assert caller, name
    channel = int(expected.call.partition(".")[2])
    steps = tuple((_time(message) - begun, message) for message in events)
    return Recorded(expected.outcome, caller[1], channel, steps)


def _time(message: bytes) -> float:
    found = _TIME.search(message)
    assert found
    return float(found[1])
