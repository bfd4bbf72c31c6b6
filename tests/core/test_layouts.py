"""The fast and the strict parser of events give the same result for any message."""

from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.captures import capture
from siaga112.core.ami import fast_parser as layouts
from siaga112.core.ami.defects import Defect
from siaga112.core.ami.events import Malformed, VarSet
from siaga112.core.ami.fast_parser import LAYOUTS, Reader
from siaga112.core.ami.parser import KINDS, VARIABLES, parse, wanted
from siaga112.core.model import Finding
from siaga112.core.outcome import classify
from siaga112.core.tracking.tracker import Tracker
from tests.core.streams import CAPTURES
from tests.core.table import DIALPLAN, RULES, in_force
from tests.core.test_events import CHANNEL, message

REAL = sorted({
    one
    for path in CAPTURES
    for one in capture.messages(path.read_bytes())
    if one.startswith(b"Event: ") and not isinstance(parse(one, 0), Malformed)
})  # fmt: skip
"""All events of all recorded calls."""

PIECES = (
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b": ", b"Event: ", b"Event: Hangup", b"\r\nUniqueid: 9.9",
    b"\r\nx: y", b"\r\nPrivilege: call,all", b"\r\nTimestamp: 1.5", b"Timestamp: ", b"ChanVariable",
    b"\r\nChanVariable: a=1", b"\x00", b"\x0b", b"\x0c", b"\x1c", b"\x85", b"\xe2\x80\xa8", b"\xff", b"\xc3",
    b"\xc3\xa9", b".", b"0" * 7, b"x" * 700, b"\r\nVariable: SIAGA_VERDICT", b"\r\nCall: 9.9",
)  # fmt: skip
"""Pieces that damage or forge lines, headers, numbers or characters."""


def mutated(chance: Random, one: bytes) -> bytes:
    """Draw a message with a few changes."""
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(one) + 1)
        match chance.randrange(6):
            case 0:
                one = one[:at] + chance.choice(PIECES) + one[at:]
            case 1:
                one = one[:at] + one[at + chance.randint(1, 9) :]
            case 2:
                one = one[:at] + bytes([chance.randrange(256)]) + one[at + 1 :]
            case 3:
                one = one[:at]
            case _:
                lines = one.split(b"\r\n")
                first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
                if chance.random() < 0.5:
                    lines[first], lines[second] = lines[second], lines[first]
                else:
                    lines.insert(first, lines[second])
                one = b"\r\n".join(lines)
    return one


def taught(messages: Sequence[bytes]) -> Reader:
    """Return a reader that has read these messages."""
    reader = Reader()
    for one in messages:
        reader.read(one, 0)
    return reader


def test_real_events_read_quickly_are_what_the_strict_way_reads() -> None:
    """All recorded events of both PBXs give the same result by known layouts as by the strict parser."""
    reader = taught(REAL)
    assert [reader.read(one, 7) for one in REAL] == [parse(one, 7) for one in REAL]


@given(st.integers(0, 2**64))
def test_whatever_is_done_to_a_message_both_ways_read_the_same(seed: int) -> None:
    """Messages with damaged, forged, doubled or swapped lines give the same event or defect both ways."""
    chance = Random(seed)
    originals = [chance.choice(REAL) for _ in range(5)]
    reader = taught(originals)
    for original in originals:
        for _ in range(4):
            forged = mutated(chance, original)
            assert reader.read(forged, 7) == parse(forged, 7), forged
            assert reader.read(original, 7) == parse(original, 7)


def test_a_layout_is_read_without_the_strict_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second message of a layout is parsed fast, and the first of another layout strictly."""
    asked: list[bytes] = []

    def asking(one: bytes, received: int) -> object:
        asked.append(one)
        return parse(one, received)

    monkeypatch.setattr(layouts, "parse", asking)
    first, second = message("Hangup", "Cause: 16"), message("Hangup", "Cause: 17")
    other = message("Hangup", "Cause: 17", "Cause-txt: Normal Clearing")
    reader = Reader()
    read = [reader.read(one, 0) for one in (first, second, other, second, other)]
    assert asked == [first, other]
    assert read == [parse(one, 0) for one in (first, second, other, second, other)]
    assert reader.heard() == {b"Hangup": 5}
    assert reader.heard() == {}


TEACH: list[Callable[[Reader], object]] = [
    lambda reader: reader.read(message("Hangup", "Cause: 16\nx: y"), 0),
    lambda reader: reader.read(message("Hangup"), 0),
    lambda reader: reader.read(message("Hangup", "Cause: 16", "Cause: 17"), 0),
    lambda reader: reader.read(message("UserEvent", "UserEvent: Other"), 0),
    lambda reader: reader.read(message("UserEvent", "UserEvent: SiagaMark", "Mark: prank"), 0),
    lambda reader: reader.read(message("Unknown"), 0),
]


@pytest.mark.parametrize("teach", TEACH)
def test_only_events_that_were_accepted_teach(teach: Callable[[Reader], object]) -> None:
    """Neither a malformed message nor a UserEvent, whose last header counts, teaches a layout."""
    reader = Reader()
    teach(reader)
    assert not any(reader._layouts.values())


def test_no_caller_can_fill_the_memory() -> None:
    """However many headers are forged into events, the number of layouts is bounded."""
    reader = Reader()
    for number in range(50):
        event = reader.read(message("Hangup", "Cause: 16", f"X-{number}: y"), 0)
        assert not isinstance(event, Malformed)
    assert len(reader._layouts[b"Hangup"]) == LAYOUTS
    assert set(reader._layouts) <= {name.encode() for name in KINDS}


# ── what is dropped unread ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", CAPTURES, ids=[f"{path.parent.name}/{path.stem}" for path in CAPTURES])
def test_what_is_dropped_unread_changes_no_outcome(path: object) -> None:
    """Dropping unwanted events unread changes the outcome of no recorded call."""
    assert hasattr(path, "read_bytes")
    header, *rest = capture.messages(path.read_bytes())
    dialplan = capture.read_header(header).dialplan

    def outcomes(messages: Sequence[bytes]) -> list[Finding]:
        tracker, found = Tracker(in_force(dialplan)), list[Finding]()
        for one in messages:
            event = capture.read(one)
            if event is not None and not isinstance(event, Malformed):
                found += [classify(call, RULES) for call in tracker.feed(event)]
        return found

    assert outcomes([one for one in rest if wanted(one)]) == outcomes(rest)


def test_a_variable_that_is_none_of_ours_is_dropped_unread() -> None:
    """A variable that is not ours is dropped by its name in the raw bytes, but no doubtful message is."""
    assert not wanted(message("VarSet", "Variable: MACRO_DEPTH", "Value: SIAGA_VERDICT"))
    assert not wanted(message("VarSet", "Variable: SIAGA_VERDICTS", "Value: BLOCK"))
    assert not wanted(message("RTCPSent"))
    assert all(wanted(message("VarSet", f"Variable: {name}", "Value: x")) for name in VARIABLES)
    assert wanted(message("VarSet", "Variable: X", "Value: y", "Variable: SIAGA_VERDICT", "Value: ALLOW"))
    assert wanted(b"Privilege: call,all\r\nEvent: VarSet")


@pytest.mark.parametrize("text", ["Variable: SIAGA_VERDICT", "Variable: X"])
def test_a_forged_variable_is_never_believed(text: str) -> None:
    """A second Variable header, forged by a caller, makes the message malformed."""
    forged = message("VarSet", "Variable: SIAGA_CALLER", "Value: 1", channel=f"{CHANNEL}\r\n{text}")
    assert wanted(forged)
    assert parse(forged, 0) == Malformed(Defect.DUPLICATE)


def test_the_tracker_knows_no_other_variable() -> None:
    """The variables that the reader drops would not change a call."""
    tracker = Tracker(in_force(DIALPLAN))
    created = parse(message("Newchannel"), 0)
    assert created is not None
    assert not isinstance(created, Malformed)
    tracker.feed(created)
    before = repr(tracker._calls)
    for name in ("SIAGA_AGI", "MACRO_DEPTH", "DIALEDPEERNUMBER"):
        tracker.feed(VarSet(9, "1795463311.0", name, "TIMEOUT"))
    assert repr(tracker._calls) == before
