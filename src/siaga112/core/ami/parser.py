"""AMI parser: messages in, typed events out. The only module that knows AMI's header names.

`WANTED` names the events that say something about a call; the AMI source drops all others by name before
it decodes them. `parse` is strict on purpose: text from a caller can carry line breaks into the stream. A
message is accepted only in the form that Asterisk writes (manager.c, `append_event`: Event first, Privilege
second, Timestamp third if `timestampevents` is on), without duplicate headers and with every header of its
kind. Anything else is `Malformed`: it is counted, never guessed at.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from siaga112.core.ami.defects import Defect
from siaga112.core.ami.events import (
    NOWHERE,
    AgentConnect,
    AttendedTransfer,
    BlindTransfer,
    BridgeEnter,
    BridgeLeave,
    CoreShowChannel,
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
"""Maximum length of a line. Asterisk accepts no longer line from a client (`mansession.inbuf`, manager.c)."""

MAX_HEADERS: Final = 128
"""Maximum number of headers (`AST_MAX_MANHEADERS`, manager.h)."""

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
"""AST_STATE_RING (channelstate.h): an incoming channel. A dialled one has 5, AST_STATE_RINGING."""

_UP: Final = "6"
"""AST_STATE_UP."""

_DEST: Final = ("Privilege", "DestChannel", "DestUniqueid", "DestLinkedid")


_place: Final = lru_cache(1_024)(DialplanPosition)
"""Cached constructor: a dialplan has few places."""


_TALKING: Final = frozenset({"basic", "base", "stasis"})
"""Bridge types in which people talk: a two-party call, a conference, a bridge created through ARI."""


def _entered(at: Millis, uid: str, bridge: str, channel: str, kind: str, technology: str) -> BridgeEnter:  # noqa: PLR0917 - one per header
    two_way = kind in _TALKING and "holding" not in technology
    return BridgeEnter(at, uid, bridge, two_way, machine(channel), channel)


def _dialled(  # noqa: PLR0917 - one per header
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
    """Build DialBegin. The first of `numbers` is the one in `Dial(PJSIP/0812…@trunk)`."""
    numbers = ((address or "").partition("@")[0].rpartition("/")[2], number or "")
    if uid is None:
        return DialBegin(at, "", NOWHERE, leg, numbers, leg_channel=leg_channel)
    if context is None or exten is None or priority is None:
        raise ValueError("a channel without a place in the dialplan")
    return DialBegin(at, uid, _place(context, exten, priority), leg, numbers, channel or "", leg_channel)


def _step(  # noqa: PLR0917 - one per header
    at: Millis, uid: str, context: str, exten: str, priority: str, application: str, data: str | None
) -> Newexten:
    """Build Newexten, with the executed application and the context that a Goto leads to."""
    leads_to = ""
    application, data = menus.runs(application, data or "")
    if application.lower() == "goto" and data.count(",") == 2:  # noqa: PLR2004 - context, extension, priority
        leads_to = data.partition(",")[0]
    prompts = menus.prompts(application, data)
    return Newexten(at, uid, _place(context, exten, priority), application, leads_to, prompts)


def _mark(at: Millis, h: Headers) -> SiagaMark | None:
    if h["UserEvent"] != "SiagaMark":
        return None
    # Our dialplan raises this event on the operator's leg and puts the caller's channel into the last header.
    # Only the last header is trusted, because text from the caller comes before UserEvent.
    name, value = list(h.items())[-1]
    return SiagaMark(at, value if name == "Call" else "", Mark(h["Mark"]), h["Uniqueid"], h["Channel"])


def _pressed(at: Millis, uid: str, direction: str) -> Dtmf | None:
    return Dtmf(at, uid) if direction == "Received" else None


def _sent_on(at: Millis, result: str, uid: str | None, target: str) -> BlindTransfer | None:
    return BlindTransfer(at, uid, target) if uid and result == "Success" else None


def _connected(  # noqa: PLR0917 - one per header
    at: Millis,
    result: str,
    uid: str | None,
    asked_by: str,
    asks_by: str,
    dialled: str,
    target: str | None,
    state: str | None,
    other: str | None,
    dialled_first: str | None,
    number: str | None,
) -> AttendedTransfer | None:
    """Build AttendedTransfer. With a SIP transfer, the operator dialled the target on a second channel."""
    if not uid or result != "Success":
        return None
    to, back = (dialled, dialled_first) if asked_by != asks_by else ("", "")
    return AttendedTransfer(at, uid, to or target or "", state == _UP, other or "", back or number or "")


@dataclass(frozen=True, slots=True)
class Kind:
    """How to parse one kind of event: its required headers, the headers used, and the builder.

    `build` gets the time and the values of the used headers, None for an absent one. It raises ValueError
    for a bad value and returns None if the event says nothing about a call.
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
            *("TransferTargetUniqueid", "OrigTransfererExten", "TransfereeCallerIDNum"),
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
"""All kinds that are parsed, except UserEvent, because there the order of the headers matters too."""

_MARK: Final = (*_CHANNEL, "UserEvent")

WANTED: Final[frozenset[bytes]] = frozenset(name.encode() for name in (*KINDS, "UserEvent"))
"""The names of the events that `parse` understands."""

VARIABLES: Final = (
    "SIAGA_CALLER", "SIAGA_HIDDEN", "SIAGA_ATTESTED", "SIAGA_REASON", "SIAGA_VERDICT", "SIAGA_REJECTED",
    "SIAGA_SCREENED", "QUEUESTATUS", "DIALSTATUS", "MIXMONITOR_FILENAME",
)  # fmt: skip
"""The channel variables that are used. A channel sets dozens of others."""

_NEEDED: Final = {
    b"VarSet": re.compile(rb"\r\nVariable: (?:%s)\r\n" % "|".join(VARIABLES).encode()),
    b"Newstate": re.compile(rb"\r\nChannelState: %s\r\n" % _RING.encode()),
    b"DTMFBegin": re.compile(rb"\r\nDirection: Received(?:\r\n|\Z)"),
    b"DTMFEnd": re.compile(rb"\r\nDirection: Received(?:\r\n|\Z)"),
}


def wanted(message: bytes) -> bool:
    """Return whether a message must be parsed, judged by its raw bytes.

    True for every message that is not an event. False for events that are not in `WANTED`, for a VarSet
    without one of `VARIABLES`, a Newstate without the Ring state and a sent DTMF key; these are skipped even
    if they are malformed.
    """
    name = message[7 : message.find(b"\r\n")]
    if name in WANTED:
        needed = _NEEDED.get(name)
        return needed is None or needed.search(message) is not None
    return not message.startswith(b"Event: ")


_REPEATABLE: Final = "ChanVariable"
_HEADER_PLACES: Final = ("Event", "Privilege", "Timestamp")
_TIMESTAMP: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,6}))?")
"""The format `%ld.%06lu` (manager.c, `append_event`), and nothing else that Python accepts as a number."""


def parse(message: bytes, received: Millis) -> Event | Malformed | None:
    """Parse one AMI event (without its closing blank line).

    `received` is used as the time if the PBX writes no Timestamp. Return None for a well-formed event that
    says nothing about a call (such as another program's UserEvent).
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
    """Split a message into its headers; return `Malformed` for a form that Asterisk does not write."""
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
    """Parse one row of CoreShowChannels; return None if a header that identifies the channel is missing."""
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
    "0": OperatorState.AVAILABLE,  # unknown: the driver cannot tell, but the queue rings it anyway
    "1": OperatorState.AVAILABLE,
    "2": OperatorState.BUSY,
    "3": OperatorState.BUSY,
    "6": OperatorState.BUSY,
    "7": OperatorState.BUSY,
    "8": OperatorState.BUSY,
}
"""Device states (`ast_device_state`, devicestate.h). 4 (invalid) and 5 (unavailable): not logged in."""


EPOCH_DIGITS: Final = 12
"""Maximum number of digits in a time in epoch seconds."""


def member_seen(headers: Headers) -> QueueMember | None:
    """Parse one QueueMember row of QueueStatus; return None if a required header is missing."""
    try:
        state = _MEMBER_STATES.get(headers["Status"])
        queue, interface, paused = headers["Queue"], headers["Location"], headers["Paused"] == "1"
    except KeyError:
        return None
    name = headers.get("Name", "")
    name = "" if name == interface else name[:LONGEST]
    if not state or not paused:
        return QueueMember(queue, interface, state, name)
    # LastPause keeps its value after the pause, and is 0 if the PBX did not time the pause.
    since = (whole(headers.get("LastPause", ""), EPOCH_DIGITS) or 0) * SECOND
    reason = headers.get("PausedReason", "")[:LONGEST]
    return QueueMember(queue, interface, OperatorState.PAUSED, name, reason, since if credible(since) else 0)


def waiting_seen(headers: Headers, now: Millis) -> QueueEntry | None:
    """Parse one QueueEntry row of QueueStatus; return None if a required header is missing or implausible."""
    waited = whole(headers.get("Wait", ""), EPOCH_DIGITS)
    if waited is None or not credible(now - waited * SECOND):
        return None
    try:
        return QueueEntry(headers["Queue"], headers["Uniqueid"], now - waited * SECOND)
    except KeyError:
        return None


def _millis(timestamp: str) -> Millis:
    written = _TIMESTAMP.fullmatch(timestamp)
    if written is None:
        raise ValueError("not a timestamp")
    at = int(written[1]) * SECOND + int((written[2] or "")[:3].ljust(3, "0"))
    if not credible(at):
        raise ValueError("not a plausible time")
    return at


def is_sound(message: bytes) -> bool:
    """Return whether panoramisk can parse this message: no header may repeat, in any letter case.

    panoramisk turns a repeated header into a list and then fails on the list.
    """
    names = Counter(line.partition(b": ")[0].lower() for line in message.split(b"\r\n"))
    del names[b"chanvariable"]
    return max(names.values()) == 1 and not names.keys() >= {b"event", b"response"}
