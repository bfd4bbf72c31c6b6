"""A capture: a stretch of a PBX's AMI stream as a file, with the results expected of it.

The file is the stream itself, message by message as Asterisk wrote it. The recorder adds a first message
that names the parts of the dialplan and how numbers are written there, so that a capture can be replayed
anywhere. Where the recorder lost the PBX or found it again, it adds another one.

    Capture: siaga112/1
    Asterisk: 22.10.1
    Trunk-Contexts: siaga112-incoming
    Ivr-Contexts: siaga112-ivr
    Region: ID
    Early-Drop: 3s
    Expect: 1795463311.0 ivr_prank left_menu

    Event: Newchannel
    …

With one `Expect` line per call, a capture is a test.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from siaga112.core import durations
from siaga112.core.ami.events import (
    CoreShowChannel,
    DialplanPosition,
    Event,
    Interrupted,
    Malformed,
    QueueEntry,
    QueueMember,
    QueueStatus,
    Resumed,
)
from siaga112.core.ami.parser import parse
from siaga112.core.caller_id import NumberPlan
from siaga112.core.model import SECOND, Millis, OperatorState, credible
from siaga112.core.outcome import ClassifierRules
from siaga112.core.rules import Dialplan
from siaga112.core.text import whole

FORM: Final = "siaga112/1"
LINE_END: Final = "\r\n"
MESSAGE_END: Final = b"\r\n\r\n"

_INTERRUPTED: Final = "Interrupted"
_RESUMED: Final = "Resumed"
_QUEUES: Final = "Queues"


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected result of one call."""

    call: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a capture."""

    asterisk: str
    dialplan: Dialplan
    rules: ClassifierRules
    scenario: str = ""
    expected: tuple[Expected, ...] = ()


def write_header(header: Header) -> bytes:
    """Return the first message of a capture."""
    lines = [
        f"Capture: {FORM}",
        f"Asterisk: {header.asterisk}",
        *([f"Scenario: {header.scenario}"] if header.scenario else []),
        f"Trunk-Contexts: {','.join(sorted(header.dialplan.trunk_contexts))}",
        f"Numbers: {','.join(sorted(header.dialplan.dialled))}",
        f"Ivr-Contexts: {','.join(sorted(header.dialplan.ivr_contexts))}",
        f"Region: {header.dialplan.numbers.region}",
        f"Area-Code: {header.dialplan.numbers.area_code}",
        *(["Hidden: judge"] if header.dialplan.numbers.judge_hidden else []),
        f"Queues: {','.join(sorted(header.dialplan.queues))}",
        f"Hangup-Contexts: {','.join(sorted(header.dialplan.hangup_contexts))}",
        f"Early-Drop: {durations.spell(header.rules.early_drop)}",
        *(f"Expect: {e.call} {e.outcome} {e.reason}" for e in header.expected),
    ]
    return LINE_END.join(lines).encode() + MESSAGE_END


def read_header(message: bytes) -> Header:
    """Parse the first message of a capture.

    Raises:
        ValueError: in words for the user, if this is not a capture.

    """
    pairs = [line.partition(": ")[::2] for line in message.decode("utf-8", "replace").split(LINE_END)]
    single = dict(pairs)
    if single.get("Capture") != FORM:
        raise ValueError(f'not a capture of siaga112 (it does not start with "Capture: {FORM}")')
    try:
        return Header(
            asterisk=single.get("Asterisk", ""),
            dialplan=Dialplan(
                _names(single["Trunk-Contexts"]),
                _names(single["Ivr-Contexts"]),
                _names(single.get("Numbers", "")),
                numbers=NumberPlan(
                    single.get("Region", "ID"),
                    single.get("Area-Code", ""),
                    judge_hidden=single.get("Hidden") == "judge",
                ),
                hangup_contexts=_names(single.get("Hangup-Contexts", "")),
                queues=_names(single.get("Queues", "")),
            ),
            rules=ClassifierRules(early_drop=durations.parse(single["Early-Drop"])),
            scenario=single.get("Scenario", ""),
            expected=tuple(Expected(*value.split(" ", 2)) for name, value in pairs if name == "Expect"),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"the header of the capture is incomplete ({error})") from error


def _names(text: str) -> frozenset[str]:
    return frozenset(filter(None, text.split(",")))


def write_interrupted(at: Millis, cause: str) -> bytes:
    """Return the message for a gap in the events."""
    return _ours(at, _INTERRUPTED, f"Cause: {cause}")


def write_resumed(at: Millis, channels: tuple[CoreShowChannel, ...]) -> bytes:
    """Return the message for a new connection to the PBX, with the channels seen then."""
    rows = (
        f"Channel-Seen: {c.uid} {c.linkedid} {c.channel} {c.place.context} {c.place.exten or '-'} "
        f"{c.place.priority} {c.application or '-'} {c.number}"
        for c in channels
    )
    return _ours(at, _RESUMED, *rows)


def write_queues(seen: QueueStatus) -> bytes:
    """Return the message for the state of the queues."""
    queues = (f"Queue-Seen: {name}" for name in seen.queues)
    members = (line for member in seen.members for line in _member_lines(member))
    waiting = (f"Waiting-Seen: {w.queue} {w.uid} {w.since}" for w in seen.waiting)
    return _ours(seen.at, _QUEUES, *queues, *members, *waiting)


def _member_lines(member: QueueMember) -> list[str]:
    """Return a member's lines; values that may contain blanks get lines of their own."""
    return [
        f"Member-Seen: {member.queue} {member.state or '-'} {member.interface}",
        *([f"Member-Name: {member.name}"] if member.name else []),
        *([f"Member-Reason: {member.reason}"] if member.reason else []),
        *([f"Member-Since: {member.since}"] if member.since else []),
    ]


def _ours(at: Millis, what: str, *lines: str) -> bytes:
    head = (f"Siaga112: {what}", f"Timestamp: {at // SECOND}.{at % SECOND:03d}")
    return LINE_END.join((*head, *lines)).encode() + MESSAGE_END


def read(message: bytes) -> Event | Malformed | None:
    """Parse one message of a capture: Asterisk's or ours.

    Raises:
        ValueError: in words for the user, if it is ours and malformed.

    """
    if not message.startswith(b"Siaga112: "):
        return parse(message, 0)
    try:
        return _read_ours(message)
    except (KeyError, ValueError) as error:
        raise ValueError(f"a message from the recorder is incomplete ({error})") from error


def _read_ours(message: bytes) -> Event:
    pairs = [line.partition(": ")[::2] for line in message.decode("utf-8", "replace").split(LINE_END)]
    single = dict(pairs)
    at = _instant(single["Timestamp"].replace(".", "", 1))
    if single["Siaga112"] == _INTERRUPTED:
        return Interrupted(at, single.get("Cause", ""))
    if single["Siaga112"] == _QUEUES:
        members = _members(pairs)
        waiting = tuple(_waiting(value) for name, value in pairs if name == "Waiting-Seen")
        queues = tuple(value for name, value in pairs if name == "Queue-Seen")
        return QueueStatus(at, queues, members, waiting)
    return Resumed(at, tuple(_seen(value) for name, value in pairs if name == "Channel-Seen"))


def _members(pairs: Iterable[tuple[str, ...]]) -> tuple[QueueMember, ...]:
    found: list[QueueMember] = []
    for name, value in pairs:
        if name == "Member-Seen":
            found.append(_member(value))
        elif name.startswith("Member-"):
            if not found:
                raise ValueError(f"{name} without a member")
            found[-1] = _told_more(found[-1], name, value)
    return tuple(found)


def _told_more(member: QueueMember, name: str, value: str) -> QueueMember:
    match name:
        case "Member-Name":
            return replace(member, name=value)
        case "Member-Reason":
            return replace(member, reason=value)
        case "Member-Since":
            return replace(member, since=_instant(value))
        case _:
            return member


def _member(row: str) -> QueueMember:
    queue, state, interface = row.split(" ", 2)
    return QueueMember(queue, interface, None if state == "-" else OperatorState(state))


def _waiting(row: str) -> QueueEntry:
    queue, uid, since = row.split(" ", 2)
    return QueueEntry(queue, uid, _instant(since))


def _instant(text: str) -> Millis:
    at = whole(text)
    if at is None or not credible(at):
        raise ValueError(f"{text} is not a plausible time")
    return at


def _seen(row: str) -> CoreShowChannel:
    uid, linkedid, channel, context, exten, priority, application, number = row.split(" ", 7)
    place = DialplanPosition(context, exten if exten != "-" else "", priority)
    return CoreShowChannel(uid, linkedid, channel, place, application if application != "-" else "", number)


def messages(data: bytes) -> Iterator[bytes]:
    """Yield the messages of a capture."""
    return (message for message in data.split(MESSAGE_END) if message)
