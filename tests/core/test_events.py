"""AMI messages as typed events: real ones are parsed, damaged and forged ones are malformed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.core.ami.defects import Defect
from siaga112.core.ami.events import (
    DialplanPosition,
    Hangup,
    HangupRequest,
    Malformed,
    Newchannel,
    SiagaMark,
    VarSet,
)
from siaga112.core.ami.parser import parse
from siaga112.core.model import Mark

CHANNEL = (
    "Channel: PJSIP/trunk-00000000\r\nChannelState: 4\r\nChannelStateDesc: Ring\r\n"
    "CallerIDNum: 081200000001\r\nCallerIDName: <unknown>\r\nConnectedLineNum: <unknown>\r\n"
    "ConnectedLineName: <unknown>\r\nLanguage: id\r\nAccountCode: \r\nContext: siaga112-incoming\r\n"
    "Exten: 112\r\nPriority: 1\r\nUniqueid: 1795463311.0\r\nLinkedid: 1795463311.0"
)
HEAD = "Event: {}\r\nPrivilege: call,all\r\nTimestamp: 1795463311.123456\r\n"
AT = 1_795_463_311_123


def message(name: str, *more: str, channel: str = CHANNEL) -> bytes:
    """Return an event as Asterisk writes it."""
    return "\r\n".join([HEAD.format(name) + channel, *more]).encode()


def test_real_events_are_read() -> None:
    """A real message gives its typed event, with the PBX's time to the millisecond."""
    place = DialplanPosition("siaga112-incoming", "112", "1")
    uid = "1795463311.0"
    assert parse(message("Newchannel"), 0) == Newchannel(
        AT, uid, "PJSIP/trunk-00000000", place, "081200000001", rings=True
    )
    assert parse(message("HangupRequest"), 0) == HangupRequest(AT, uid, place)
    assert parse(message("Hangup", "Cause: 16", "Cause-txt: Normal Clearing"), 0) == Hangup(
        AT, uid, place, "16"
    )
    assert parse(message("VarSet", "Variable: SIAGA_VERDICT", "Value: ALLOW"), 0) == VarSet(
        AT, uid, "SIAGA_VERDICT", "ALLOW", "PJSIP/trunk-00000000"
    )
    marked = message("UserEvent", "UserEvent: SiagaMark", "Mark: prank")
    assert parse(marked, 0) == SiagaMark(AT, "", Mark.PRANK, uid, "PJSIP/trunk-00000000")


def test_without_a_timestamp_the_time_of_arrival_stands_in() -> None:
    """A message from a PBX without `timestampevents` gets the time of its arrival."""
    event = parse(message("HangupRequest").replace(b"Timestamp: 1795463311.123456\r\n", b""), 77)
    assert isinstance(event, HangupRequest)
    assert event.at == 77


FORGED = {
    "header twice": CHANNEL.replace("Name: <unknown>", "Name: x\r\nUniqueid: 9.9", 1),
    "cut short": CHANNEL.split("\r\nUniqueid", maxsplit=1)[0],
    "no header": CHANNEL.replace("Language: id", "Language"),
    "bare line feed": CHANNEL.replace("Language: id", "Language: id\nUniqueid: 9.9"),
}


@pytest.mark.parametrize("channel", FORGED.values(), ids=list(FORGED))
@pytest.mark.fault("ami_repeated")
def test_what_asterisk_does_not_write_is_malformed(channel: str) -> None:
    """A message with forged, missing or damaged lines is malformed."""
    assert isinstance(parse(message("HangupRequest", channel=channel), 0), Malformed)


def test_order_of_the_head() -> None:
    """A message whose first headers are not in the order Event, Privilege, Timestamp is malformed."""
    swapped = message("Hangup", "Cause: 16").replace(
        b"Event: Hangup\r\nPrivilege: call,all", b"Privilege: call,all\r\nEvent: Hangup"
    )
    assert parse(swapped, 0) == Malformed(Defect.ORDER)
    late = message("Hangup", "Cause: 16", "Timestamp: 1.0").replace(b"Timestamp: 1795463311.123456\r\n", b"")
    assert parse(late, 0) == Malformed(Defect.ORDER)


@pytest.mark.parametrize("count", [127, 128, 129])
@pytest.mark.fault("ami_headers")
def test_number_of_headers(count: int) -> None:
    """A message with more than 128 headers, Asterisk's limit, is malformed."""
    base = message("Hangup", "Cause: 16")
    more = "".join(f"\r\nX-{n}: 1" for n in range(count - base.count(b"\r\n") - 1)).encode()
    assert isinstance(parse(base + more, 0), Malformed) is (count > 128)


@pytest.mark.parametrize("length", [1_023, 1_024, 1_025])
@pytest.mark.fault("ami_lines")
def test_length_of_a_line(length: int) -> None:
    """A message with a line of more than 1,024 characters is malformed."""
    line = "Value: ".ljust(length, "x")
    event = parse(message("VarSet", "Variable: SIAGA_CALLER", line), 0)
    assert isinstance(event, Malformed) is (length > 1_024)


def test_a_mark_needs_the_callers_channel_behind_it() -> None:
    """A message without privilege or channel is malformed: a forged number is too short to contain both."""
    bare = b"Event: UserEvent\r\nUserEvent: SiagaMark\r\nMark: genuine\r\nUniqueid: 1.1"
    assert isinstance(parse(bare, 0), Malformed)
    unprivileged = message("HangupRequest").replace(
        b"Privilege: call,all\r\nTimestamp: 1795463311.123456\r\n", b""
    )
    assert parse(unprivileged, 0) == Malformed(Defect.INCOMPLETE)


def test_a_mark_belongs_to_the_call_that_it_names() -> None:
    """A mark belongs to the call in its last header, Call; without that header, it names only the phone."""
    own = parse(message("UserEvent", "UserEvent: SiagaMark", "Mark: prank"), 0)
    named = parse(message("UserEvent", "UserEvent: SiagaMark", "Mark: prank", "Call: 9.9"), 0)
    assert isinstance(own, SiagaMark)
    assert isinstance(named, SiagaMark)
    assert (own.uid, own.leg, named.uid) == ("", "1795463311.0", "9.9")


def test_a_caller_cannot_name_another_call() -> None:
    """A forged Call header, which comes before UserEvent, is ignored; with a true one, it is a duplicate."""
    alone = parse(message("UserEvent", "Call: 9.9", "UserEvent: SiagaMark", "Mark: prank"), 0)
    assert isinstance(alone, SiagaMark)
    assert alone.uid == ""
    beside = message("UserEvent", "Call: 9.9", "UserEvent: SiagaMark", "Mark: prank", "Call: 1.1")
    assert parse(beside, 0) == Malformed(Defect.DUPLICATE)


@pytest.mark.parametrize("bad", ["UserEvent: SiagaMark\r\nMark: bribe", "UserEvent: SiagaMark"])
def test_an_unknown_mark_is_malformed(bad: str) -> None:
    """A mark outside the closed set is malformed, never guessed."""
    assert parse(message("UserEvent", bad), 0) == Malformed(Defect.VALUE)


@given(st.binary(max_size=400))
def test_any_bytes_give_an_event_nothing_or_malformed(junk: bytes) -> None:
    """The parser never raises, whatever arrives."""
    parse(junk, 0)
    parse(b"Event: Hangup\r\n" + junk, 0)


@given(st.integers(0, len(message("Hangup", "Cause: 16"))))
def test_a_message_cut_anywhere_is_whole_or_malformed(cut: int) -> None:
    """A Hangup that is cut is malformed or no event, unless only its last header is cut."""
    whole = message("Hangup", "Cause: 16")
    event = parse(whole[:cut], 0)
    if cut <= len(whole) - len("\r\nCause: 16"):
        assert event is None or isinstance(event, Malformed)
    else:
        assert isinstance(event, Hangup | Malformed)


@pytest.mark.parametrize("name", ["FullyBooted", "Shutdown"])
def test_no_event_comes_without_a_privilege(name: str) -> None:
    """An event without a privilege is malformed: Asterisk always writes one."""
    assert parse(f"Event: {name}".encode(), 0) == Malformed(Defect.INCOMPLETE)
    assert not isinstance(parse(f"Event: {name}\r\nPrivilege: system,all".encode(), 0), Malformed)


@pytest.mark.parametrize(
    "text", ["-1.000000", "+1", " 1", "1_0", "\u0661.0", "1.-1", "1.1234567", "9" * 13, "."]
)
def test_a_time_that_asterisk_does_not_write_is_malformed(text: str) -> None:
    """A time is digits, optionally a point and up to six digits, whatever else Python accepts."""
    forged = message("Hangup", "Cause: 16").replace(b"1795463311.123456", text.encode())
    assert parse(forged, 0) == Malformed(Defect.VALUE)
