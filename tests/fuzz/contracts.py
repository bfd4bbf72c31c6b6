"""What each codec, and the program (`whole`), promises for any bytes.

A broken promise raises AssertionError, or lets through what the codec raised. The oracles are written from
Asterisk's source and share no code with the codecs.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Final
from unittest import mock

from panoramisk.actions import Action

from siaga112 import intext
from siaga112.adapters.ami.inbox import Inbox
from siaga112.adapters.ami.session import _Protocol
from siaga112.backtest import text as past_text
from siaga112.captures import capture
from siaga112.core import agi as agi_codec
from siaga112.core import codec, queue_log
from siaga112.core.agi import AgiError, Conversation, HungUp, Reply, Request
from siaga112.core.ami import framer
from siaga112.core.ami.events import Malformed
from siaga112.core.ami.fast_parser import Reader
from siaga112.core.ami.framer import Framer
from siaga112.core.ami.parser import channel_seen, member_seen, parse, read_headers, waiting_seen
from tests.core.streams import GOLDEN
from tests.fuzz import whole
from tests.samples import NOW

# ── FastAGI ──────────────────────────────────────────────────────────────────────────────────────

_CLEAN: Final = re.compile(r"agi_\w+: [^\n]*(?:\nagi_\w+: [^\n]*)*", re.ASCII)


def agi(data: bytes) -> None:
    """However a conversation is split, the result is the same; a number is never guessed."""
    whole = _conversation([data])
    assert whole == _conversation(_pieces(data)), "what is read depends on how it was cut"
    for message in whole[0]:
        match message:
            case Request(number=number) if number:
                _number_is_sound(data, number)
            case Request() | HungUp():
                pass
            case Reply(code):
                assert 0 <= code <= 999


def _conversation(pieces: Sequence[bytes]) -> tuple[list[agi_codec.Message], bool]:
    conversation, messages = Conversation(), list[agi_codec.Message]()
    try:
        for piece in pieces:
            messages += conversation.receive(piece)
    except AgiError:
        return messages, True
    return messages, False


def _number_is_sound(data: bytes, number: str) -> None:
    """Check that a number was read only from a request of which no line can be forged."""
    head = data.partition(b"\n\n")[0].decode("utf-8", "replace")
    assert _CLEAN.fullmatch(head), "a number out of a request that is not of Asterisk's form"
    names = [line.partition(":")[0] for line in head.split("\n")]
    assert len(names) == len(set(names)), "a number beside a doubled header"
    assert f"agi_callerid: {number}" in head.split("\n")
    assert number.isprintable()


def _pieces(data: bytes) -> list[bytes]:
    """Split the data at a few places, which its first and last bytes determine."""
    size = len(data)
    cuts = sorted({0, size, size - 1, *(size * byte // 256 for byte in data[:2] + data[-2:])})
    return [data[begin:end] for begin, end in pairwise(cuts) if begin >= 0]


# ── AMI ──────────────────────────────────────────────────────────────────────────────────────────

_EVENT: Final = re.compile(
    r"Event: [A-Za-z]+\r\nPrivilege: [^\r\n]*"
    r"(?:\r\nTimestamp: \d{1,12}(?:\.\d{1,6})?)?(?:\r\n[^\r\n]*?: [^\r\n]*)*",
    re.ASCII,
)
_SNAPSHOT: Final = {
    "Channel",
    "CallerIDNum",
    "CallerIDName",
    "Context",
    "Exten",
    "Priority",
    "Uniqueid",
    "Linkedid",
}
"""manager_channels.c, `ast_manager_build_channel_state_string_prefix`."""

_DEST: Final = {"DestChannel", "DestUniqueid", "DestLinkedid"}
_OF_ITS_KIND: Final = {
    "Newchannel": {*_SNAPSHOT, "ChannelState"},
    "Newexten": {*_SNAPSHOT, "Extension", "Application"},
    "VarSet": {*_SNAPSHOT, "Variable", "Value"},
    "QueueCallerJoin": {*_SNAPSHOT, "Queue", "Position"},
    "AgentConnect": {*_SNAPSHOT, *_DEST, "Queue", "Interface", "MemberName"},
    "DTMFBegin": {*_SNAPSHOT, "Direction"},
    "DTMFEnd": {*_SNAPSHOT, "Direction"},
    "BlindTransfer": {"Result", "Extension", "TransfereeUniqueid"},
    "AttendedTransfer": {
        "Result",
        "OrigTransfererUniqueid",
        "SecondTransfererUniqueid",
        "TransfereeUniqueid",
    },
    "DialBegin": _DEST,
    "BridgeEnter": {*_SNAPSHOT, "BridgeUniqueid", "BridgeType", "BridgeTechnology"},
    "BridgeLeave": {*_SNAPSHOT, "BridgeUniqueid"},
    "HangupRequest": _SNAPSHOT,
    "Hangup": {*_SNAPSHOT, "Cause"},
    "UserEvent": {*_SNAPSHOT, "UserEvent", "Mark"},
    "FullyBooted": set[str](),
    "Shutdown": set[str](),
}


def ami(data: bytes) -> None:
    """Bytes become events only if they have Asterisk's form, and the same events however they are split."""
    _message(data)
    _wire([b"Asterisk Call Manager/11.0.0\r\n", data])
    whole = Framer().feed(b"hello\r\n" + data)
    framer = Framer()
    cut = [message for piece in [b"hello\r\n", *_pieces(data)] for message in framer.feed(piece)]
    assert whole == cut, "what is read depends on how it was cut"
    for message in whole:
        _message(message)
    stranger = Framer()  # no manager interface: it never greets, or not in time
    for piece in _pieces(data):
        stranger.feed(piece)


@cache
def _taught() -> Reader:
    """Return a reader that knows the layouts of real events, and keeps learning from its input."""
    reader = Reader()
    for path in sorted(GOLDEN.glob("*/answered_ended_by_operator.ami")):
        for message in capture.messages(path.read_bytes()):
            reader.read(message, 0)
    return reader


def _message(data: bytes) -> None:
    event = parse(data, 0)
    assert _taught().read(data, 0) == event, "the quick way reads something else"
    if event is not None and not isinstance(event, Malformed):
        assert _is_asterisks(data), "an event out of a message that is not of Asterisk's form"
    headers = read_headers(data)
    if not isinstance(headers, Malformed):
        channel_seen(headers)
        member_seen(headers)
        waiting_seen(headers, NOW)


def _is_asterisks(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    if not _EVENT.fullmatch(text):
        return False
    lines = text.split("\r\n")
    names = [line.partition(": ")[0] for line in lines]
    single = [name for name in names if name != "ChanVariable"]
    return (
        len(lines) <= 128
        and max(map(len, lines)) <= 1_024
        and len(single) == len(set(single))
        and {"Event", "Privilege", "Timestamp"}.isdisjoint(names[3:])
        and _OF_ITS_KIND[lines[0].removeprefix("Event: ")] <= set(names)
    )


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def _wire(pieces: Sequence[bytes]) -> None:
    """The reading side accepts any bytes, even those that pretend to answer one of our actions."""
    asyncio.set_event_loop(_loop())
    protocol: Any = _Protocol(Inbox())
    protocol.closed, protocol.factory, protocol.queue, protocol.responses = False, None, deque(), {}
    for name, number in (("Ping", "1"), ("QueueStatus", "2")):
        action = Action({"Action": name, "ActionID": number})
        protocol.responses[action.id] = action
    later: deque[Callable[[], None]] = deque()
    protocol._later = later.append
    for piece in pieces:
        protocol.data_received(piece)
    while later:
        later.popleft()()


# ── what is on disk ──────────────────────────────────────────────────────────────────────────────


def captures(data: bytes) -> None:
    """A capture is read, or raises ValueError."""
    for message in capture.messages(data):
        for read in (capture.read_header, capture.read):
            _or_value_error(lambda read=read, message=message: read(message))  # type: ignore[misc] # mypy gives a lambda's default no type


def queue_logs(data: bytes) -> None:
    """Any lines become records or bad lines, and any records can be searched for evidence."""
    lines = list(queue_log.parse(data.decode("utf-8", "replace").splitlines()))
    queue_log.evidence_of(line for line in lines if isinstance(line, queue_log.QueueRecord))


def stored(data: bytes) -> None:
    """A stored record is read or raises ValueError; what was read can be written and read again unchanged."""
    for load, dump in (
        (codec.load_item, codec.dump_item),
        (codec.load_entry, codec.dump_entry),
        (codec.load_standing, codec.dump_standing),
        (codec.load_switch, codec.dump_switch),
        (codec.load_snapshot, codec.dump_snapshot),
    ):
        _or_value_error(lambda load=load, dump=dump: _read_again(load, dump, data))  # type: ignore[misc] # mypy gives a lambda's default no type


def _read_again(load: Callable[[bytes | str], Any], dump: Callable[[Any], str], data: bytes) -> None:
    read = load(data)
    try:
        assert load(dump(read)) == read
    except ValueError as error:
        raise AssertionError("what was read cannot be written") from error


def _or_value_error(work: Callable[[], object]) -> None:
    try:
        work()
    except ValueError:
        return


# ── all of them ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Contract:
    """A promise, and the functions whose lines its inputs should reach: a module and a pattern of names."""

    check: Callable[[bytes], None]
    module: str
    functions: str = ".*"


CONTRACTS: Final = {
    "agi": Contract(agi, "siaga112.core.agi", "Conversation|_read|_presentation"),
    "ami": Contract(ami, "siaga112.core.ami.parser"),
    "wire": Contract(ami, "siaga112.core.ami.framer"),
    "captures": Contract(
        captures, "siaga112.captures.capture", "read|_read|_names|_member|_waiting|_seen|messages"
    ),
    "queue_logs": Contract(queue_logs, "siaga112.core.queue_log"),
    "stored": Contract(stored, "siaga112.core.codec"),
    "words": Contract(whole.words, "siaga112.cli.usage"),
    "configured": Contract(whole.configured, "siaga112.settings.loading"),
    "calls": Contract(whole.read_calls, "siaga112.backtest.reading"),
    "replayed": Contract(whole.replayed, "siaga112.backtest.text"),
    "lists": Contract(whole.read_list, "siaga112.moving_in.reading"),
    "published": Contract(whole.published, "siaga112.report.published"),
}


@contextmanager
def small_limits() -> Iterator[None]:
    """Lower the limits of size, so that small inputs reach them, and let nothing leave this process."""
    with ExitStack() as stack:
        stack.enter_context(whole.harmless())
        for module, name, value in (
            (agi_codec, "MAX_REQUEST", 1_024),
            (agi_codec, "MAX_REPLY", 64),
            (framer, "MAX_MESSAGE", 1_024),
            (past_text, "LONGEST_MESSAGE", 2_048),
            (intext, "LONGEST_LINE", 2_048),
        ):
            stack.enter_context(mock.patch.object(module, name, value))
        yield
