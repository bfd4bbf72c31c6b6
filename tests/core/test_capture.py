"""Captures: writing and reading are inverse; pseudonyms hide the caller and change nothing else."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.captures import capture
from siaga112.captures.pseudonym import Pseudonyms
from siaga112.captures.replay import Replay
from siaga112.core.ami.events import (
    CoreShowChannel,
    DialplanPosition,
    Interrupted,
    QueueEntry,
    QueueMember,
    QueueStatus,
    Resumed,
)
from siaga112.core.caller_id import canonical
from siaga112.core.model import FIRST_INSTANT, LAST_INSTANT, Entry, OperatorState
from siaga112.core.outcome import ClassifierRules
from siaga112.core.rules import Dialplan, Rules
from tests.core.streams import GOLDEN
from tests.core.test_events import message
from tests.samples import NOW, RULES

HEADER = capture.Header(
    "22.10.1",
    Dialplan(frozenset({"from-pstn", "from-e1"}), frozenset({"ivr-1"})),
    ClassifierRules(early_drop=1_000),
    "a caller, hung up",
    (capture.Expected("1.0", "ivr_prank", "left_menu"),),
)


INSTANTS = st.integers(FIRST_INSTANT + 5, LAST_INSTANT - 2)


def test_a_header_is_read_as_written() -> None:
    """A capture's header is read as written, with everything that a replay needs."""
    (first,) = capture.messages(capture.write_header(HEADER))
    assert capture.read_header(first) == HEADER


@given(INSTANTS, st.sampled_from(["", "112"]), st.sampled_from(["", "Queue"]))
def test_interruptions_are_read_as_written(at: int, exten: str, application: str) -> None:
    """A gap, and the channels present after it, are read as written."""
    seen = CoreShowChannel(
        "1.0", "1.0", "PJSIP/t-1", DialplanPosition("from-pstn", exten, "1"), application, "0812 3"
    )
    (lost,) = capture.messages(capture.write_interrupted(at, "unreachable"))
    (found,) = capture.messages(capture.write_resumed(at, (seen,)))
    assert capture.read(lost) == Interrupted(at, "unreachable")
    assert capture.read(found) == Resumed(at, (seen,))


@given(INSTANTS, st.sampled_from([None, *OperatorState]))
def test_queues_are_read_as_written(at: int, state: OperatorState | None) -> None:
    """The state of the queues, with waiting callers and operators, is read as written."""
    member = QueueMember("siaga112", "Local/answer all@operators/n", state)
    named = QueueMember(
        "siaga112", "PJSIP/101", OperatorState.PAUSED, "Budi: Santoso", "back at 13: lunch", at + 1
    )
    seen = QueueStatus(
        at, ("siaga112", "other"), (member, named, member), (QueueEntry("siaga112", "1.0", at - 5),)
    )
    (found,) = capture.messages(capture.write_queues(seen))
    assert capture.read(found) == seen


SPELLINGS = st.sampled_from(["0812{}", "+62812{}", "62812{}", "0062812{}"])


@given(SPELLINGS, st.integers(10_000_000, 99_999_999), st.binary(min_size=1, max_size=16))
def test_a_pseudonym_is_another_valid_caller_in_the_same_spelling(
    form: str, subscriber: int, key: bytes
) -> None:
    """A pseudonym is a valid number of the same length, and the same number for every spelling."""
    hide = Pseudonyms(key).hide

    def hidden(text: str) -> str:
        line = hide(f"CallerIDNum: {text}".encode()).decode()
        return line.removeprefix("CallerIDNum: ")

    spelled, plain = hidden(form.format(subscriber)), hidden(f"0812{subscriber}")
    assert len(spelled) == len(form.format(subscriber))
    assert canonical(spelled) is not None
    assert canonical(spelled) == canonical(plain)


def test_pseudonyms_reach_the_channels_that_were_there_before() -> None:
    """Numbers of channels listed at the start of a capture are hidden too; the channels' names stay."""
    place = DialplanPosition("siaga112-queue", "s", "1")
    seen = CoreShowChannel(
        "1795463311.0", "1795463311.0", "PJSIP/trunk-00000000", place, "Queue", "081210000000"
    )
    hidden = Pseudonyms(b"k").hide(capture.write_resumed(0, (seen,)))
    assert b"081210000000" not in hidden
    assert b"PJSIP/trunk-00000000 siaga112-queue s 1 Queue 0812" in hidden


def test_pseudonyms_do_not_tell_which_keys_were_pressed() -> None:
    """Pressed keys and numbers in the names of recordings are hidden: both may be a caller's number."""
    pressed = message("DTMFEnd", "Digit: 7", "DurationMs: 120", "Direction: Received")
    assert b"Digit: x\r\n" in Pseudonyms(b"k").hide(pressed)
    file = message("VarSet", "Variable: MIXMONITOR_FILENAME", "Value: /spool/in-081200000001.wav")
    assert b"081200000001" not in Pseudonyms(b"k").hide(file)


def test_pseudonyms_hide_numbers_and_names_and_leave_ids() -> None:
    """Numbers and names are replaced; uniqueids, times and `anonymous` stay."""
    real = message("Newchannel").replace(b"CallerIDName: <unknown>", b"CallerIDName: Budi")
    hidden = Pseudonyms(b"k").hide(real)
    assert b"081200000001" not in hidden
    assert b"Budi" not in hidden
    assert b"Uniqueid: 1795463311.0\r\n" in hidden
    assert b"Timestamp: 1795463311.123456\r\n" in hidden
    assert Pseudonyms(b"k").hide(b"CallerIDNum: anonymous") == b"CallerIDNum: anonymous"


def test_a_member_of_an_older_capture_has_no_name() -> None:
    """A queue member's missing fields are read as unknown, and its unknown fields are ignored."""
    old = b"Siaga112: Queues\r\nTimestamp: 1795463311.000\r\nQueue-Seen: q\r\nMember-Seen: q paused Local/1"
    member = QueueMember("q", "Local/1", OperatorState.PAUSED)
    assert capture.read(old) == QueueStatus(1_795_463_311_000, ("q",), (member,), ())
    assert capture.read(old + b"\r\nMember-Mood: fine") == capture.read(old)


def test_pseudonyms_hide_operators() -> None:
    """Operators' names and pause reasons are hidden; their interfaces stay, to tell them apart."""
    budi = QueueMember(
        "q", "PJSIP/101", OperatorState.PAUSED, "Budi Santoso", "sick, Dr. Rahma", 1_795_463_311_000
    )
    siti = QueueMember("q", "PJSIP/102", OperatorState.BUSY, "Siti")
    seen = QueueStatus(NOW, ("q",), (budi, siti), ())
    hide = Pseudonyms(b"k").hide
    (hidden,) = capture.messages(hide(capture.write_queues(seen)))
    assert capture.read(hidden) == QueueStatus(
        NOW, ("q",), (replace(budi, name="", reason="x"), replace(siti, name="")), ()
    )
    answered = b"Event: AgentConnect\r\nInterface: %b\r\nMemberName: %b\r\nAppData: Dial(x,,A(%b))"
    assert hide(answered % (b"PJSIP/103", b"Agung", b"for Agung")) == answered % (b"PJSIP/103", b"", b"for x")
    assert b"Siti" not in hide(b"Event: Newexten\r\nAppData: NoOp(Siti took it)")
    unnamed = answered % (b"PJSIP/104", b"PJSIP/104", b"PJSIP/104")
    assert hide(unnamed) == unnamed
    other = hide(answered % (b"Local/105@from-queue/n", b"PJSIP/105", b"PJSIP/105"))
    assert other == answered % (b"Local/105@from-queue/n", b"", b"PJSIP/105"), (
        "a phone is sought nowhere else"
    )


HOSTILE: Final = (
    "081234567890", "+6281234567890", "0812-3456-7890", "0812 3456 7890", "(0812) 3456.7890",
    "0812/3456/7890", "0812.3456.7890", "+62 812-3456-7890", "0812--3456  7890", "x081234567890y",
    "081234567890.1", "0812_3456_7890",
)  # fmt: skip
HEADERS: Final = (
    "DialString", "Channel", "DestChannel", "AccountCode", "Value", "AppData", "Exten",
    "Interface", "CallerIDNum", "DestCallerIDNum", "Variable", "Call", "Mark", "AnythingElse",
)  # fmt: skip


@pytest.mark.parametrize("spelled", HOSTILE)
def test_a_number_is_hidden_in_every_header_and_spelling(spelled: str) -> None:
    """No header, in any spelling, keeps the digits of a caller's number."""
    for header in HEADERS:
        for value in (
            spelled,
            f"PJSIP/{spelled}@trunk",
            f"PJSIP/{spelled}-0000002a",
            f"Local/{spelled}@x-0000002a;1",
        ):
            line = f"Event: Newexten\r\n{header}: {value}\r\nUniqueid: 1795463311.0".encode()
            hidden = Pseudonyms(b"k").hide(line).decode()
            digits = "".join(c for c in hidden.split("\r\n")[1] if c.isdigit())
            assert "81234567890" not in digits, hidden
            assert hidden.endswith("\r\nUniqueid: 1795463311.0")
            if not {" ", "("} & set(spelled) and value.endswith(
                ("-0000002a", ";1")
            ):  # as Asterisk names them
                assert "-0000002a" in hidden


def test_a_name_is_hidden_wherever_it_stands() -> None:
    """A caller's name is also hidden in values and arguments, in the same message and in later ones."""
    hide = Pseudonyms(b"k").hide
    first = hide(b"Event: Newexten\r\nCallerIDName: Ibu Siti\r\nAppData: CALLERID(name)=Ibu Siti,112")
    later = hide(b"Event: VarSet\r\nVariable: GREETING\r\nValue: for Ibu Siti")
    other = hide(b"Event: VarSet\r\nVariable: CALLERID(name)\r\nValue: Pak Budi")
    assert b"Siti" not in first + later
    assert b"Budi" not in other
    assert b"CALLERID(name)=x,112" in first


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("22/*.ami")), ids=lambda path: path.stem)
def test_a_hidden_capture_means_the_same(file: Path) -> None:
    """Every call recorded on Asterisk 22 has the same outcome with pseudonyms."""
    head, *rest = capture.messages(file.read_bytes())
    hide = Pseudonyms(b"k").hide
    ends = [
        [(str(e.finding.call.id), e.finding.outcome, e.finding.reason) for e in _ended(head, messages)]
        for messages in (rest, [hide(message) for message in rest])
    ]
    assert ends[0] == ends[1]


def _ended(head: bytes, messages: list[bytes]) -> list[Entry]:
    header = capture.read_header(head)
    return list(Replay(Rules(header.dialplan, header.rules, RULES)).run(map(capture.read, messages)))


@pytest.mark.parametrize(
    "lines",
    [
        "Resumed",
        "Resumed\r\nTimestamp: x",
        "Queues\r\nTimestamp: 1795463311.000\r\nMember-Seen: q asleep Local/1",
        "Queues\r\nTimestamp: 1795463311.000\r\nMember-Name: nobody",
        "Queues\r\nTimestamp: 1795463311.000\r\nMember-Seen: q busy Local/1\r\nMember-Since: noon",
        "Queues\r\nTimestamp: 1795463311.000\r\nMember-Seen: q busy Local/1\r\nMember-Since: 1",
        "Queues\r\nTimestamp: 1795463311.000\r\nWaiting-Seen: q 1.1 99999999999999",
        "Resumed\r\nTimestamp: 08979740948095.320",
        "Resumed\r\nTimestamp: -1.000",
        "\r\n",
    ],
)
def test_a_message_that_is_not_ours_as_it_says_is_a_value_error(lines: str) -> None:
    """A message that our recorder could not have written is rejected, and the error says so."""
    with pytest.raises(ValueError, match="recorder"):
        capture.read(f"Siaga112: {lines}".encode())
