"""The events of a channel show whether it arrived at the PBX or the PBX created it."""

from pathlib import Path

import pytest

from siaga112.core.ami.events import DialplanPosition, Newchannel
from siaga112.core.model import Call, FactKind
from siaga112.core.rules import Dialplan
from siaga112.core.tracking.arrivals import CANDIDATES_KEPT, CONTEXTS_KEPT, OTHER
from siaga112.core.tracking.outgoing import OutgoingCalls
from siaga112.core.tracking.tracker import Tracker
from tests.core.table import DIALPLAN, events, findings, in_force, settle, spelled
from tests.pbx.scenarios.golden import replayed

CASES = Path(__file__).parents[1] / "cases"

DOWN = "10:00:00 Newchannel 100.1 num=081211111111 state=0\n"
LEAVES = "10:00:09 HangupRequest 100.1\n10:00:09 Hangup 100.1"
DEEDS = {
    "it rings": "10:00:00 Newstate 100.1",
    "it is screened": "10:00:00 VarSet 100.1 SIAGA_CALLER=081211111111",
    "it is screened by a guard of the centre's own": "10:00:00 VarSet 100.1 SIAGA_VERDICT=ALLOW",
    "a menu asks it": "10:00:04 Newexten 100.1 app=BackGround at=siaga112-ivr,s,5",
    "it joins a queue": "10:00:04 QueueCallerJoin 100.1 queue=siaga112",
    "it dials": "10:00:04 DialBegin 100.1 leg=200.1",
}


def fed(table: str, dialplan: Dialplan = DIALPLAN) -> tuple[Tracker, list[Call]]:
    """Return a tracker fed with a table, and the ended calls."""
    tracker = Tracker(in_force(dialplan))
    return tracker, [call for event in events(table) for call in tracker.feed(event)]


@pytest.mark.parametrize("audit_entry", DEEDS.values(), ids=list(DEEDS))
def test_a_channel_that_begins_down_is_a_call_by_what_it_does(audit_entry: str) -> None:
    """Whatever only an arriving channel does makes the channel a call, complete from its first event."""
    tracker, (call,) = fed(f"{DOWN}{audit_entry}\n{LEAVES}")
    assert (call.facts[0].kind, call.raw_caller) == (FactKind.ARRIVED, "081211111111")
    assert call.started == events(DOWN)[0].at
    assert call.complete
    assert tracker.idle


def test_chan_sip_is_as_pjsip() -> None:
    """A call has the same finding over chan_sip as over PJSIP."""
    found = []
    for name in ("chan_sip-answered", "pjsip-answered"):
        _, entries = replayed((CASES / f"{name}.ami").read_bytes())
        found.append([(spelled(e.finding), e.finding.stages, e.finding.call.caller) for e in entries])
    assert found[0] == found[1]
    assert [what for what, *_ in found[0]] == ["answered, operator"]


def test_a_channel_of_which_nothing_is_known_is_no_call() -> None:
    """A channel that begins `Down` and ends without any sign of a call is none, and is not kept."""
    tracker, calls = fed(DOWN + LEAVES)
    assert (calls, tracker.idle) == ([], True)


@pytest.mark.parametrize("state", ["0", "1", "6"])
@pytest.mark.parametrize("source", ["300.1", "-"])
def test_a_channel_that_is_dialled_is_no_call_whatever_it_runs(source: str, state: str) -> None:
    """A channel that another channel or a call file dials is no call, whatever dialplan it runs.

    DAHDI's outgoing channels begin as reserved (1), not as down.
    """
    begins = DOWN.replace("state=0", f"state={state}")
    dialled = f"10:00:00 DialBegin {source} leg=100.1\n"
    for audit_entry in DEEDS.values():
        tracker, calls = fed(f"{begins}{dialled}{audit_entry}\n{LEAVES}")
        assert (calls, tracker.screened.unfollowed) == ([], {})
        assert tracker.idle


def test_what_the_pbx_shows_of_a_leg_before_it_dials_it_is_no_deed() -> None:
    """`AppDial (Outgoing Line)` of a leg, before DialBegin, is no sign of a call (seen on 16 and 22)."""
    shown = "10:00:00 Newexten 100.1 app=AppDial at=siaga112-ivr,s,1\n10:00:00 DialBegin - leg=100.1\n"
    assert findings(f"{DOWN}{shown}{DEEDS['it joins a queue']}\n{LEAVES}") == []


def test_no_channel_is_a_candidate_after_a_gap() -> None:
    """After a gap, which may hide a DialBegin, only a screening makes a channel a call, seen in part."""
    lost = DOWN + "10:00:01 Interrupted lost\n10:00:02 Resumed -\n"
    assert findings(f"{lost}{DEEDS['it joins a queue']}\n{LEAVES}") == []
    (adopted,) = findings(f"{lost}{DEEDS['it is screened']}\n{LEAVES}")
    assert spelled(adopted) == "unknown, seen_in_part"


def test_a_candidate_that_is_listed_as_present_is_still_seen_whole() -> None:
    """A channel that is first listed as present and then rings is still a call seen completely."""
    (found,) = findings(f"{DOWN}10:00:00 Resumed - 100.1=1\n10:00:00 Newstate 100.1\n{LEAVES}")
    assert found.call.complete


def test_another_number_on_the_same_trunk_is_none_of_ours() -> None:
    """If numbers are configured, a screened call to another one is neither tracked nor reported as missed."""
    ours = Dialplan(DIALPLAN.trunk_contexts, DIALPLAN.ivr_contexts, frozenset({"112"}))
    office = DOWN.replace("num=", "at=siaga112-incoming,0254200100,1 num=")
    tracker, calls = fed(f"{office}{DEEDS['it is screened']}\n{LEAVES}", ours)
    assert (calls, tracker.screened.calls, tracker.screened.unfollowed) == ([], 1, {})


@pytest.mark.parametrize("state", ["0", "4"])
def test_a_screened_call_of_another_context_is_told(state: str) -> None:
    """A screened call in an unknown context is counted once, by its context."""
    stranger = f"10:00:00 Newchannel 100.1 state={state} at=from-trunk-sip-telkom,112,1\n"
    asked = "10:00:00 VarSet 100.1 SIAGA_VERDICT=ALLOW\n" + DEEDS["it is screened"] + "\n"
    tracker, calls = fed(f"{stranger}{asked}{asked}{LEAVES}")
    assert calls == []
    assert (tracker.screened.calls, tracker.screened.unfollowed) == (1, {"from-trunk-sip-telkom": 1})


def test_a_screened_call_of_ours_counts_once() -> None:
    """The variables of one screening count as one call."""
    asked = f"10:00:00 VarSet 100.1 SIAGA_VERDICT=ALLOW\n{DEEDS['it is screened']}\n"
    tracker, calls = fed(f"{DOWN}{asked}10:00:01 VarSet 100.1 SIAGA_VERDICT=ALLOW\n{LEAVES}")
    assert (len(calls), tracker.screened.calls, tracker.screened.unfollowed) == (1, 1, {})


def test_contexts_are_named_up_to_a_number() -> None:
    """A limited number of contexts is named; the calls of all other contexts are counted together."""
    tracker, _ = fed(
        "".join(
            f"10:00:00 Newchannel {n}.1 at=stranger-{n},112,1\n10:00:00 VarSet {n}.1 SIAGA_CALLER=1\n"
            for n in range(CONTEXTS_KEPT + 5)
        )
    )
    assert len(tracker.screened.unfollowed) == CONTEXTS_KEPT + 1
    assert tracker.screened.unfollowed[OTHER] == 5


def test_candidates_are_bounded() -> None:
    """However many channels never end, the number of candidates is bounded."""
    tracker = Tracker(in_force(DIALPLAN))
    for n in range(CANDIDATES_KEPT + 100):
        place = DialplanPosition("siaga112-incoming", "112", "1")
        tracker.feed(Newchannel(n, f"{n}.1", f"SIP/trunk-{n}", place, "", rings=False))
    assert len(tracker._arrivals) == CANDIDATES_KEPT


def test_an_arriving_channel_that_begins_down_reaches_no_citizen() -> None:
    """A citizen who calls over chan_sip was not called back: only a leg that the PBX dials counts."""
    outgoing = OutgoingCalls(in_force(DIALPLAN))
    talk = "10:00:05 BridgeEnter 100.1 bridge=b\n10:00:05 BridgeEnter 200.1 bridge=b\n"
    stream = events(f"{DOWN}{DEEDS['it dials']}\n{talk}{LEAVES}")
    assert [seen for event in stream for seen in outgoing.feed(event)] == []
    assert [spelled(finding) for finding in settle(stream)] == ["answered, operator"]
