"""AMI messages → typed events. The only file that knows AMI's keys.

`WANTED` names the events that say something about a call; the wire side drops the rest by name
before anything is decoded. `parse` is strict on purpose: caller-supplied text can carry line breaks
into the stream, so a message counts only if it has the form that Asterisk writes (manager.c,
`append_event`: Event first, Privilege second, Timestamp third if `timestampevents` is on), no header
twice and every header of its kind. Anything else is `Malformed`: counted, never guessed at.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from siaga112.core.ami.events import (
    NOWHERE,
    AgentConnect,
    AttendedTransfer,
    BlindTransfer,
    BridgeEnter,
    BridgeLeave,
    CoreShowChannel,
    Defect,
    DialBegin,
    DialplanPosition,
    Dtmf,
    Event,
    FullyBooted,
    Hangup,
    HangupRequest,
    Malformed,
    Newchannel,
    Newexten,
    Newstate,
    QueueCallerJoin,
    QueueEntry,
    QueueMember,
    Shutdown,
    SiagaMark,
    VarSet,
)
from siaga112.core.model import SECOND, Mark, Millis, OperatorState, credible
from siaga112.core.names import LONGEST
from siaga112.core.text import whole
from siaga112.core.tracking import menus
from siaga112.core.tracking.bridges import machine

MAX_LINE: Final = 1_024
"""manager.c, `struct mansession.inbuf`: Asterisk itself refuses a longer line from a client."""

MAX_HEADERS: Final = 128
"""manager.h, `AST_MAX_MANHEADERS`."""

Headers = Mapping[str, str]

_CHANNEL: Final = (
    "Privilege",
    "Channel",
    "CallerIDNum",
    "CallerIDName",
    "Context",
    "Exten",
    "Priority",
    "Uniqueid",
    "Linkedid",
)
_RING: Final = "4"
"""AST_STATE_RING (channelstate.h): a channel that arrives. One that is called is 5, AST_STATE_RINGING."""

_UP: Final = "6"
"""AST_STATE_UP."""

_DEST: Final = ("Privilege", "DestChannel", "DestUniqueid", "DestLinkedid")


_place: Final = lru_cache(1_024)(DialplanPosition)
"""A dialplan has few places; each is made once."""


_TALKING: Final = frozenset({"basic", "base", "stasis"})
"""Types of bridges in which people talk: a call of two, a conference, a bridge that a program made (ARI)."""


def _entered(at: Millis, uid: str, bridge: str, channel: str, kind: str, technology: str) -> BridgeEnter:  # noqa: PLR0917 - as many headers
    two_way = kind in _TALKING and "holding" not in technology
    return BridgeEnter(at, uid, bridge, two_way, machine(channel), channel)


def _dialled(  # noqa: PLR0917 - as many headers
    at: Millis,
    uid: str | None,
    context: str | None,
    exten: str | None,
    priority: str | None,
    leg: str,
    address: str | None,
    number: str | None,
    channel: str | None,
    leg_channel: str,
) -> DialBegin:
    """Read DialBegin; `numbers` begins with the number in `Dial(PJSIP/0812…@trunk)`."""
    numbers = ((address or "").partition("@")[0].rpartition("/")[2], number or "")
    if uid is None:
        return DialBegin(at, "", NOWHERE, leg, numbers, leg_channel=leg_channel)
    if context is None or exten is None or priority is None:
        raise ValueError("a channel that is nowhere")
    return DialBegin(at, uid, _place(context, exten, priority), leg, numbers, channel or "", leg_channel)


def _step(  # noqa: PLR0917 - as many headers
    at: Millis, uid: str, context: str, exten: str, priority: str, application: str, data: str | None
) -> Newexten:
    """Read Newexten: the application that is executed, and the context that a Goto leads to."""
    leads_to = ""
    application, data = menus.runs(application, data or "")
    if application.lower() == "goto" and data.count(",") == 2:  # noqa: PLR2004 - context, extension, priority
        leads_to = data.partition(",")[0]
    prompts = menus.prompts(application, data)
    return Newexten(at, uid, _place(context, exten, priority), application, leads_to, prompts)


def _mark(at: Millis, h: Headers) -> SiagaMark | None:
    if h["UserEvent"] != "SiagaMark":
        return None
    # Our dialplan raises it on the operator's leg and names the caller's channel in the last header.
    # Only there: text that a caller sends stands before UserEvent.
    name, value = list(h.items())[-1]
    return SiagaMark(at, value if name == "Call" else "", Mark(h["Mark"]), h["Uniqueid"], h["Channel"])


def _pressed(at: Millis, uid: str, direction: str) -> Dtmf | None:
    return Dtmf(at, uid) if direction == "Received" else None


def _sent_on(at: Millis, result: str, uid: str | None, target: str) -> BlindTransfer | None:
    return BlindTransfer(at, uid, target) if uid and result == "Success" else None


def _connected(  # noqa: PLR0917 - as many headers
    at: Millis,
    result: str,
    uid: str | None,
    asked_by: str,
    asks_by: str,
    dialled: str,
    target: str | None,
    state: str | None,
) -> AttendedTransfer | None:
    """Read AttendedTransfer; by SIP the operator dialled the target on a channel of its own."""
    if not uid or result != "Success":
        return None
    number = dialled if asked_by != asks_by else ""
    return AttendedTransfer(at, uid, number or target or "", state == _UP)


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of event is read: which headers it must have, which are used, and what is made of them.

    `build` gets the time and the headers used, None for one that is absent; what it cannot read is a
    ValueError, what says nothing about a call is None.
    """

    required: tuple[str, ...]
    used: tuple[str, ...]
    build: Callable[..., Event | None]


_PLACE: Final = ("Context", "Exten", "Priority")

KINDS: Final[dict[str, Kind]] = {
    "Newchannel": Kind(
        (*_CHANNEL, "ChannelState"),
        ("Uniqueid", "Channel", "CallerIDNum", "ChannelState", *_PLACE),
        lambda at, uid, channel, number, state, *place: Newchannel(
            at, uid, channel, _place(*place), number, state == _RING
        ),
    ),
    "Newstate": Kind(
        (*_CHANNEL, "ChannelState"),
        ("Uniqueid", "ChannelState"),
        lambda at, uid, state: Newstate(at, uid) if state == _RING else None,
    ),
    "Newexten": Kind(
        (*_CHANNEL, "Extension", "Application"), ("Uniqueid", *_PLACE, "Application", "AppData"), _step
    ),
    "VarSet": Kind((*_CHANNEL, "Variable", "Value"), ("Uniqueid", "Variable", "Value", "Channel"), VarSet),
    "QueueCallerJoin": Kind(
        (*_CHANNEL, "Queue", "Position"),
        ("Uniqueid", "Queue", "Channel", *_PLACE),
        lambda at, uid, queue, channel, *place: QueueCallerJoin(at, uid, _place(*place), queue, channel),
    ),
    "AgentConnect": Kind(
        (*_CHANNEL, *_DEST, "Queue", "Interface", "MemberName"),
        ("Uniqueid", "DestUniqueid", "Queue", "Interface", "MemberName"),
        AgentConnect,
    ),
    "DTMFBegin": Kind((*_CHANNEL, "Direction"), ("Uniqueid", "Direction"), _pressed),
    "DTMFEnd": Kind((*_CHANNEL, "Direction"), ("Uniqueid", "Direction"), _pressed),
    "BlindTransfer": Kind(
        ("Privilege", "Result", "Extension"), ("Result", "TransfereeUniqueid", "Extension"), _sent_on
    ),
    "AttendedTransfer": Kind(
        (
            "Privilege",
            "Result",
            "OrigTransfererUniqueid",
            "SecondTransfererUniqueid",
            "SecondTransfererExten",
        ),
        (
            *("Result", "TransfereeUniqueid", "OrigTransfererUniqueid", "SecondTransfererUniqueid"),
            *("SecondTransfererExten", "TransferTargetCallerIDNum", "TransferTargetChannelState"),
        ),
        _connected,
    ),
    "DialBegin": Kind(
        _DEST,
        ("Uniqueid", *_PLACE, "DestUniqueid", "DialString", "DestCallerIDNum", "Channel", "DestChannel"),
        _dialled,
    ),
    "BridgeEnter": Kind(
        (*_CHANNEL, "BridgeUniqueid", "BridgeType", "BridgeTechnology"),
        ("Uniqueid", "BridgeUniqueid", "Channel", "BridgeType", "BridgeTechnology"),
        _entered,
    ),
    "BridgeLeave": Kind((*_CHANNEL, "BridgeUniqueid"), ("Uniqueid", "BridgeUniqueid"), BridgeLeave),
    "HangupRequest": Kind(
        _CHANNEL,
        ("Uniqueid", *_PLACE),
        lambda at, uid, *place: HangupRequest(at, uid, _place(*place)),
    ),
    "Hangup": Kind(
        (*_CHANNEL, "Cause"),
        ("Uniqueid", "Cause", *_PLACE),
        lambda at, uid, cause, *place: Hangup(at, uid, _place(*place), cause),
    ),
    "FullyBooted": Kind(("Privilege",), ("Uptime",), lambda at, uptime: FullyBooted(at, int(uptime or "0"))),
    "Shutdown": Kind(("Privilege",), (), Shutdown),
}
"""All kinds that are used, but for UserEvent: of that the order of the headers counts too."""

_MARK: Final = (*_CHANNEL, "UserEvent")

WANTED: Final[frozenset[bytes]] = frozenset(name.encode() for name in (*KINDS, "UserEvent"))
"""The names of the events that `parse` understands."""

VARIABLES: Final = (
    "SIAGA_CALLER", "SIAGA_HIDDEN", "SIAGA_ATTESTED", "SIAGA_REASON", "SIAGA_VERDICT", "SIAGA_REJECTED",
    "SIAGA_SCREENED", "QUEUESTATUS", "DIALSTATUS", "MIXMONITOR_FILENAME",
)  # fmt: skip
"""The channel variables that say something about a call; a channel sets dozens of others."""

_NEEDED: Final = {
    b"VarSet": re.compile(rb"\r\nVariable: (?:%s)\r\n" % "|".join(VARIABLES).encode()),
    b"Newstate": re.compile(rb"\r\nChannelState: %s\r\n" % _RING.encode()),
    b"DTMFBegin": re.compile(rb"\r\nDirection: Received(?:\r\n|\Z)"),
    b"DTMFEnd": re.compile(rb"\r\nDirection: Received(?:\r\n|\Z)"),
}


def wanted(message: bytes) -> bool:
    """Say whether a message may tell of a call, by a look at its bytes; what is no event is to be read.

    A VarSet that nowhere names a variable of ours cannot, nor a Newstate that nowhere names that state:
    so much of it need not be well formed.
    """
    name = message[7 : message.find(b"\r\n")]
    if name in WANTED:
        needed = _NEEDED.get(name)
        return needed is None or needed.search(message) is not None
    return not message.startswith(b"Event: ")


_REPEATABLE: Final = "ChanVariable"
_HEADER_PLACES: Final = ("Event", "Privilege", "Timestamp")
_TIMESTAMP: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,6}))?")
"""manager.c, `append_event`: `%ld.%06lu`; nothing else that Python takes for a number."""


def parse(message: bytes, received: Millis) -> Event | Malformed | None:
    """Read one AMI event (without its closing blank line).

    `received` stands in for the time where the PBX writes no Timestamp. Gives None for a
    well-formed event that says nothing about a call (somebody else's UserEvent).
    """
    headers = read_headers(message)
    if isinstance(headers, Malformed):
        return headers
    name = headers.get("Event")
    if name is None:
        return Malformed(Defect.ORDER)
    kind = KINDS.get(name)
    required = kind.required if kind else _MARK if name == "UserEvent" else ()
    if any(header not in headers for header in required):
        return Malformed(Defect.INCOMPLETE)
    try:
        at = _millis(headers["Timestamp"]) if "Timestamp" in headers else received
        if kind:
            return kind.build(at, *[headers.get(header) for header in kind.used])
        return _mark(at, headers) if name == "UserEvent" else None
    except (KeyError, ValueError):
        return Malformed(Defect.VALUE)


def read_headers(message: bytes) -> dict[str, str] | Malformed:
    """Split a message into its headers, refusing what Asterisk does not write."""
    lines = message.decode("utf-8", "replace").split("\r\n")
    if len(lines) > MAX_HEADERS:
        return Malformed(Defect.TOO_LONG)
    headers: dict[str, str] = {}
    for number, line in enumerate(lines):
        name, colon, value = line.partition(": ")
        if not colon or "\n" in line or "\r" in line:
            return Malformed(Defect.NOT_A_HEADER)
        if len(line) > MAX_LINE:
            return Malformed(Defect.TOO_LONG)
        if name in headers:
            if name == _REPEATABLE:
                continue
            return Malformed(Defect.DUPLICATE)
        if name in _HEADER_PLACES and _HEADER_PLACES.index(name) != number:
            return Malformed(Defect.ORDER)
        headers[name] = value
    return headers


def channel_seen(headers: Headers) -> CoreShowChannel | None:
    """Read one row of CoreShowChannels; None if it lacks what identifies a channel."""
    h = {name.lower(): value for name, value in headers.items()}
    try:
        place = DialplanPosition(h["context"], h.get("exten", h.get("extension", "")), h["priority"])
        return CoreShowChannel(
            h["uniqueid"],
            h["linkedid"],
            h["channel"],
            place,
            h.get("application", ""),
            h.get("calleridnum", ""),
        )
    except KeyError:
        return None


_MEMBER_STATES: Final = {
    "0": OperatorState.AVAILABLE,  # unknown: the driver cannot tell, the queue rings it all the same
    "1": OperatorState.AVAILABLE,
    "2": OperatorState.BUSY,
    "3": OperatorState.BUSY,
    "6": OperatorState.BUSY,
    "7": OperatorState.BUSY,
    "8": OperatorState.BUSY,
}
"""Device states of a member (devicestate.h, `ast_device_state`); 4, invalid, and 5, unavailable, are none."""


EPOCH_DIGITS: Final = 12
"""No time has more digits of seconds."""


def member_seen(headers: Headers) -> QueueMember | None:
    """Read one QueueMember row of QueueStatus; None if it lacks what identifies a member."""
    try:
        state = _MEMBER_STATES.get(headers["Status"])
        queue, interface, paused = headers["Queue"], headers["Location"], headers["Paused"] == "1"
    except KeyError:
        return None
    name = headers.get("Name", "")
    name = "" if name == interface else name[:LONGEST]
    if not state or not paused:
        return QueueMember(queue, interface, state, name)
    # LastPause stays when the pause is over, and is 0 for one that the PBX did not time.
    since = (whole(headers.get("LastPause", ""), EPOCH_DIGITS) or 0) * SECOND
    reason = headers.get("PausedReason", "")[:LONGEST]
    return QueueMember(queue, interface, OperatorState.PAUSED, name, reason, since if credible(since) else 0)


def waiting_seen(headers: Headers, now: Millis) -> QueueEntry | None:
    """Read one QueueEntry row of QueueStatus; None if it lacks what identifies a caller."""
    try:
        return QueueEntry(headers["Queue"], headers["Uniqueid"], now - int(headers["Wait"]) * SECOND)
    except (KeyError, ValueError):
        return None


def _millis(timestamp: str) -> Millis:
    written = _TIMESTAMP.fullmatch(timestamp)
    if written is None:
        raise ValueError("not a timestamp")
    at = int(written[1]) * SECOND + int((written[2] or "")[:3].ljust(3, "0"))
    if not credible(at):
        raise ValueError("not an instant of a call")
    return at


def is_sound(message: bytes) -> bool:
    """Say whether no header repeats, in any spelling: panoramisk makes a list of it, and fails on that."""
    names = Counter(line.partition(b": ")[0].lower() for line in message.split(b"\r\n"))
    del names[b"chanvariable"]
    return max(names.values()) == 1 and not names.keys() >= {b"event", b"response"}
