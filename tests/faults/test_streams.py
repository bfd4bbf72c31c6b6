"""AMI bytes that no PBX should send, such as recorded calls cut at every byte; and two defaults."""

import pytest

from siaga112.adapters.ami import source as ami
from siaga112.captures import capture
from siaga112.core.ami.events import Event, Interrupted, Malformed, Resumed
from siaga112.core.ami.framer import Framer
from siaga112.core.ami.parser import parse
from siaga112.core.model import Finding
from siaga112.core.outcome import classify
from siaga112.core.policy import strike_for
from siaga112.core.regulation import PolicyRules
from siaga112.core.rules import Dialplan
from siaga112.core.tracking.tracker import Tracker
from siaga112.settings.schema import Agi, Ami, Metrics
from tests.core.streams import GOLDEN
from tests.core.table import DIALPLAN, RULES, events, in_force
from tests.fakes.manager import BANNER
from tests.faults.figures import Measured

CALLS = ("menu_left_during_prompt", "queue_timeout", "answered_ended_by_caller", "queue_left_at_once")


def settle(told: list[Event], dialplan: Dialplan) -> list[Finding]:
    """Return the findings if the connection is lost after these events and no call is up when it is back."""
    tracker, found, at = Tracker(in_force(dialplan)), [], told[-1].at if told else 0
    for event in (*told, Interrupted(at, "lost"), Resumed(at, ())):
        found += [classify(call, RULES) for call in tracker.feed(event)]
    assert tracker.idle
    return found


def struck(found: list[Finding]) -> set[str]:
    """Return the calls that cost a strike."""
    return {finding.call.id for finding in found if strike_for(finding, PolicyRules())}


@pytest.mark.fault("ami_cut")
@pytest.mark.parametrize("pbx", ["16", "22"])
@pytest.mark.parametrize("name", CALLS)
def test_a_recorded_call_cut_at_every_byte(pbx: str, name: str, measured: Measured) -> None:
    """A call cut at any byte has at most one outcome, and a strike only if the whole call has one."""
    header, *messages = capture.messages((GOLDEN / pbx / f"{name}.ami").read_bytes())
    dialplan = capture.read_header(header).dialplan
    events_told = [event for one in messages if isinstance(event := parse(one, 0), Event)]
    stream = BANNER + b"".join(message + b"\r\n\r\n" for message in messages)
    whole = settle(events_told, dialplan)
    assert len(whole) == 1
    outcomes: dict[int, list[Finding]] = {}
    for cut in range(len(stream) + 1):
        seen = Framer().feed(stream[:cut])
        if len(seen) not in outcomes:
            read = [parse(message, 0) for message in seen]
            assert not any(isinstance(event, Malformed) for event in read)
            outcomes[len(seen)] = settle([event for event in read if isinstance(event, Event)], dialplan)
        found = outcomes[len(seen)]
        assert len(found) <= 1
        assert struck(found) <= struck(whole)
    ended = [found for count, found in outcomes.items() if count == len(messages)]
    assert ended == [whole]
    measured("cuts", len(stream) + 1)
    measured("most outcomes of a call", max(len(found) for found in outcomes.values()), at_most=1)


@pytest.mark.fault("ami_no_start", "ami_leave")
def test_an_end_without_a_beginning_is_nothing() -> None:
    """A `Hangup` of an unknown channel, or `QueueCallerLeave` alone, makes no call and no outcome."""
    tracker = Tracker(in_force(DIALPLAN))
    assert [call for event in events("10:00:00 Hangup 1.1") for call in tracker.feed(event)] == []
    leave = (
        b"Event: QueueCallerLeave\r\nPrivilege: agent,all\r\nUniqueid: 1.1\r\nQueue: siaga112\r\nPosition: 1"
    )
    assert parse(leave, 0) is None
    assert tracker.idle


@pytest.mark.fault("ami_secret")
def test_the_back_off_grows_from_two_seconds_to_a_minute(measured: Measured) -> None:
    """The waits between failed attempts begin at 2 s, never shrink, and are 60 s at most."""
    assert list(ami.BACK_OFF) == sorted(ami.BACK_OFF)
    assert ami.BACK_OFF[0] == 2
    measured("longest wait", ami.BACK_OFF[-1], "s", at_most=60)


@pytest.mark.fault("loopback")
def test_nothing_listens_beyond_this_machine_by_default() -> None:
    """Unless a centre configures otherwise, FastAGI, metrics and AMI use 127.0.0.1."""
    assert {Agi().host, Metrics().host, Ami().host} == {"127.0.0.1"}
