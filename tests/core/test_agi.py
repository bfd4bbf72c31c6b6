"""The FastAGI codec: which requests are accepted; everything else is one error."""

import itertools
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.core.agi import (
    MAX_REPLY,
    MAX_REQUEST,
    AgiError,
    Conversation,
    HungUp,
    Message,
    Reply,
    Request,
    _read_lines,
    _read_request,
    commands,
    set_variable,
)
from siaga112.core.model import Level, Treatment, Verdict
from siaga112.core.screening import Screening, ScreenReason, Withheld, zone_at
from tests.lab.agi_client import request
from tests.samples import ODD_NAMES

REAL = request("081200000001")


def received(*chunks: bytes) -> list[Message]:
    """Return what one conversation makes of these chunks."""
    conversation = Conversation()
    return [message for chunk in chunks for message in conversation.receive(chunk)]


def test_a_real_request() -> None:
    """A request from a real Asterisk 22 is parsed."""
    assert received(REAL) == [Request("screen", "1795463311.0", "081200000001")]


@given(st.lists(st.integers(0, len(REAL)), max_size=20))
def test_however_it_is_cut(cuts: list[int]) -> None:
    """A request means the same in whatever chunks it arrives."""
    edges = [0, *sorted(cuts), len(REAL)]
    assert received(*(REAL[a:b] for a, b in itertools.pairwise(edges))) == received(REAL)


ODD = st.sampled_from(
    [b"", b"\n", b": ", b"\x1b", b"\xff", b"\xc2\x85", b"agi_callerid: 1\n", b"unknown", b"32", b" ?x"]
)


@given(st.integers(0, len(REAL) - 2), st.integers(0, 3), ODD)
def test_the_usual_request_means_what_its_lines_mean(place: int, gone: int, odd: bytes) -> None:
    """A request changed anywhere gives the same result by the fast path and line by line."""
    head = REAL[:-2][:place] + odd + REAL[:-2][place + gone :]
    try:
        lines: Message | str = _read_lines(head)
    except AgiError as error:
        lines = str(error)
    try:
        look: Message | str = _read_request(head)
    except AgiError as error:
        look = str(error)
    assert look == lines


@pytest.mark.parametrize(
    "change",
    [
        (b"agi_callingpres: 0", b"agi_callingpres: 32"),
        (b"agi_callerid: 081200000001", b"agi_callerid: unknown"),
        (b"agi_arg_1: 081200000001", b"agi_arg_1: "),
        (b"agi_arg_1: 081200000001", b"agi_arg_1: 081299999999"),
        (b"agi_calleridname: unknown", b"agi_calleridname: x\nagi_callerid: 081299999999"),
        (b"agi_calleridname: unknown", b"agi_calleridname: x\nagi_arg_1: 081299999999"),
        (b"agi_calleridname: unknown", b"no colon"),
        (b"agi_callingpres: 0\n", b"agi_callingpres:dnid: 112\n"),
        (b"081200000001", b"081200000001\x00"),
        (b"081200000001", "08120000\u20280001".encode()),
    ],
)
def test_a_hidden_or_doubtful_caller_is_withheld(change: tuple[bytes, bytes]) -> None:
    """A request with hidden presentation, an unconfirmed number or forged lines has no number."""
    (request,) = received(REAL.replace(*change))
    assert isinstance(request, Request)
    assert request.number == ""
    hidden = change[1] in {b"agi_callingpres: 32", b"agi_callerid: unknown"}
    assert request.withheld is (Withheld.HIDDEN if hidden else Withheld.DOUBTFUL)


@pytest.mark.parametrize(
    ("confirmed", "apart", "judged"),
    [
        ("", "081200000001", "081200000001"),
        ("", "", ""),
        ("", "081299999999", ""),
        ("081200000001", "081200000001", ""),
        ("081200000001", None, ""),
    ],
)
def test_a_hidden_number_is_there_for_who_may_judge_it(
    confirmed: str, apart: str | None, judged: str
) -> None:
    """A hidden number counts only if the dialplan passed it separately, confirmed and unchanged."""
    lines = f"agi_arg_1: {confirmed}" + ("" if apart is None else f"\nagi_arg_2: {apart}")
    asked = REAL.replace(b"agi_callingpres: 0", b"agi_callingpres: 32")
    (request,) = received(asked.replace(b"agi_arg_1: 081200000001", lines.encode()))
    assert isinstance(request, Request)
    assert request.withheld is Withheld.HIDDEN
    assert (request.judged(hidden=False), request.judged(hidden=True)) == ("", judged)


def test_a_number_apart_is_nothing_where_nothing_is_hidden() -> None:
    """A caller who shows the number is judged by that number, whatever else is passed."""
    for apart in (b"081299999999", b"081200000001", b""):
        (request,) = received(REAL[:-1] + b"agi_arg_2: " + apart + b"\n\n")
        assert isinstance(request, Request)
        assert (request.number, request.withheld) == ("081200000001", None)


@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
def test_no_name_is_a_way_past_a_block(name: str) -> None:
    """A display name without a forged line leaves the number valid: no character in it evades a block."""
    (request,) = received(REAL.replace(b"agi_calleridname: unknown", f"agi_calleridname: {name}".encode()))
    assert isinstance(request, Request)
    assert (request.number, request.withheld) == ("081200000001", None)


def test_replies_and_hangup() -> None:
    """Asterisk's replies are read by their code, and a hang-up between them is detected."""
    assert received(REAL + b"200 result=1\n")[1:] == [Reply(200)]
    assert received(REAL, b"510 Invalid or unknown command\n", b"HANGUP\n")[1:] == [Reply(510), HungUp()]
    usage = b"520-Invalid command syntax.  Proper usage follows:\n"
    assert received(REAL, usage)[1:] == [Reply(520)]


@pytest.mark.parametrize(
    "junk", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"\n\n", b"agi_network: yes\n\n", b"x"]
)
def test_what_is_not_agi_is_the_one_error(junk: bytes) -> None:
    """A health check or port scan is rejected as soon as it is recognisable."""
    with pytest.raises(AgiError):
        received(junk)


@pytest.mark.parametrize(
    "data", [b"agi_uniqueid: " + b"1" * (MAX_REQUEST - 14) + b"\n\n", REAL + b"2" * (MAX_REPLY + 1) + b"\n"]
)
def test_at_the_bounds_it_does_not_matter_how_it_is_cut(data: bytes) -> None:
    """A request or reply over the limit is rejected, whether it arrives whole or byte by byte."""
    for pieces in ([data], [data[n : n + 1] for n in range(len(data))]):
        with pytest.raises(AgiError, match="too long"):
            received(*pieces)


def test_too_long_a_request_is_refused() -> None:
    """A request over the limit is rejected, whether or not its end has arrived."""
    for end in (b"", b"\n\n"):
        with pytest.raises(AgiError):
            received(b"agi_x: " + b"y" * (MAX_REQUEST + 1) + end)


@given(st.lists(st.binary(max_size=200), max_size=10), st.booleans())
def test_any_bytes_give_messages_or_the_one_error(chunks: list[bytes], real: bool) -> None:  # noqa: FBT001 - pytest names it
    """Whatever a peer sends, the codec raises nothing but AgiError, and its buffer is bounded."""
    conversation = Conversation()
    try:
        for chunk in ([REAL] if real else []) + chunks:
            list(conversation.receive(chunk))
    except AgiError:
        return
    assert len(conversation._buffer) <= MAX_REQUEST


def test_block_is_spelled_with_its_verdict_last() -> None:
    """The verdict BLOCK is set last, after all its variables."""
    blocked = Screening(
        *(Verdict.BLOCK, ScreenReason.BLOCKED, Treatment.REJECT, Level.TEMPORARY, 1_795_000_000_999),
        zone="<WIB>-07:00",
    )
    assert commands(blocked) == (
        b'SET VARIABLE SIAGA_REASON "blocked"\n',
        b'SET VARIABLE SIAGA_TREATMENT "reject"\n',
        b'SET VARIABLE SIAGA_BLOCK_LEVEL "temporary"\n',
        b'SET VARIABLE SIAGA_BLOCK_UNTIL "1795000000"\n',
        b'SET VARIABLE SIAGA_TIMEZONE "<WIB>-07:00"\n',
        b'SET VARIABLE SIAGA_VERDICT "BLOCK"\n',
    )


@pytest.mark.parametrize(
    ("zone", "spelled"),
    [
        ("Asia/Jakarta", "<WIB>-07:00"),
        ("Asia/Kathmandu", "<+0545>-05:45"),
        ("America/St_Johns", "<NST>03:30"),
        ("Europe/Bucharest", "<EET>-02:00"),
        ("UTC", "<UTC>00:00"),
    ],
)
def test_a_zone_is_told_so_that_nobody_needs_a_table_of_zones(zone: str, spelled: str) -> None:
    """A zone is passed as a POSIX TZ string, in which west of Greenwich is positive."""
    assert zone_at(1_795_000_000_999, ZoneInfo(zone)) == spelled


def test_a_zone_is_that_of_the_instant() -> None:
    """The offset is that of the instant, so in summer time too; an instant outside the calendar has none."""
    assert zone_at(1_785_000_000_000, ZoneInfo("Europe/Bucharest")) == "<EEST>-03:00"
    assert zone_at(10**18, ZoneInfo("Asia/Jakarta")) == ""


@given(st.text())
def test_the_serializer_lets_no_second_command_through(value: str) -> None:
    """No value makes the serialiser send more than one line."""
    try:
        line = set_variable("SIAGA_REASON", value)
    except ValueError:
        return
    assert line.count(b"\n") == 1
    assert line.endswith(b'"\n')
    assert not {0, 13} & set(line)
