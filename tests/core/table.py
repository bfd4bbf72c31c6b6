"""Calls written as tables of events, so that a test reads like the call it describes.

    10:00:00  Newchannel       100.1  num=081211111111
    10:00:01  QueueCallerJoin  100.1  queue=siaga112 at=siaga112-queue,s,1
    10:00:08  HangupRequest    100.1  at=siaga112-queue,s,1
    10:00:08  Hangup           100.1

A channel stays at its last `at=`. Times may have milliseconds.
"""

from typing import Any

from siaga112.core import outcome
from siaga112.core.ami.events import (
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
    Hangup,
    HangupRequest,
    Interrupted,
    Newchannel,
    Newexten,
    Newstate,
    QueueCallerJoin,
    QueueEntry,
    QueueStatus,
    Resumed,
    SiagaMark,
    VarSet,
)
from siaga112.core.model import Finding, Mark, Millis
from siaga112.core.regulation import PolicyRules
from siaga112.core.rules import Dialplan, InForce, Rules
from siaga112.core.tracking import menus
from siaga112.core.tracking.tracker import Tracker

DIALPLAN = Dialplan(
    frozenset({"siaga112-incoming"}), frozenset({"siaga112-ivr"}), queues=frozenset({"siaga112", "600"})
)
RULES = outcome.ClassifierRules()


def in_force(dialplan: Dialplan = DIALPLAN, policy: PolicyRules | None = None, **more: Any) -> InForce:
    """Return rules in force; `more`: fields of `core.rules.Rules`."""
    return InForce(Rules(dialplan, RULES, policy or PolicyRules(), **more))


_START = {"Newchannel": "siaga112-incoming,112,1"}


def events(table: str) -> list[Event]:
    """Parse a table of events."""
    places: dict[str, DialplanPosition] = {}
    read: list[Event] = []
    for line in filter(str.strip, table.splitlines()):
        time, name, uid, *rest = line.split()
        given = dict(word.split("=", 1) for word in rest)
        at = _millis(time)
        text = given.get("at", _START.get(name, ""))
        place = DialplanPosition(*text.split(",")) if text else places.get(uid, DialplanPosition("", "", ""))
        places[uid] = place
        read.append(_event(name, at, uid, place, given))
    return read


def _event(name: str, at: Millis, uid: str, place: DialplanPosition, given: dict[str, str]) -> Event:
    match name:
        case "Newchannel":
            channel = given.get("chan", "PJSIP/trunk-1")
            rings = given.get("state", "4") == "4"
            return Newchannel(at, uid, channel, place, given.get("num", ""), rings)
        case "Newstate":
            return Newstate(at, uid)
        case "Newexten":
            prompts = menus.prompts(given["app"], given.get("data", ""))
            return Newexten(at, uid, place, given["app"], given.get("to", ""), prompts)
        case "VarSet":
            (variable, value) = next(iter(given.items()))
            return VarSet(at, uid, variable, value)
        case "QueueCallerJoin":
            return QueueCallerJoin(at, uid, place, given["queue"])
        case "DialBegin":
            return DialBegin(at, "" if uid == "-" else uid, place, given["leg"])
        case "AgentConnect":
            return AgentConnect(
                at, uid, given["leg"], given["queue"], given.get("if", ""), given.get("member", "")
            )
        case "Dtmf":
            return Dtmf(at, uid)
        case "BlindTransfer":
            return BlindTransfer(at, uid, given["to"])
        case "AttendedTransfer":
            return AttendedTransfer(
                at, uid, given["to"], "ringing" not in given, given.get("other", ""), given.get("asked", "")
            )
        case "BridgeEnter":
            two_way = given.get("type", "basic") == "basic"
            return BridgeEnter(at, uid, given["bridge"], two_way, "machine" in given, given.get("chan", ""))
        case "BridgeLeave":
            return BridgeLeave(at, uid, given["bridge"])
        case "HangupRequest":
            return HangupRequest(at, uid, place)
        case "Hangup":
            return Hangup(at, uid, place, given.get("cause", "16"))
        case "SiagaMark":
            return SiagaMark(
                at,
                "" if uid == "-" else uid,
                Mark(given["mark"]),
                given.get("leg", ""),
                given.get("chan", ""),
            )
        case "Interrupted":
            return Interrupted(at, uid)
        case "Resumed":
            seen = [
                CoreShowChannel(
                    u, u, "PJSIP/trunk-1", DialplanPosition("siaga112-incoming", "112", "1"), "", ""
                )
                for u in given
            ]
            return Resumed(at, tuple(seen))
        case "Queues":
            waiting = [QueueEntry(queue, uid, at - 1_000) for uid, queue in given.items()]
            return QueueStatus(at, ("siaga112",), (), tuple(waiting))
        case _:
            raise ValueError(name)


def _millis(time: str) -> Millis:
    hours, minutes, seconds = time.split(":")
    return 1_795_000_000_000 + round((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 1000)


def findings(table: str, dialplan: Dialplan = DIALPLAN) -> list[Finding]:
    """Return the findings of the tracker and the classifier for a table."""
    return settle(events(table), dialplan)


def settle(stream: list[Event], dialplan: Dialplan = DIALPLAN) -> list[Finding]:
    """Return the findings of the tracker and the classifier for events."""
    tracker = Tracker(in_force(dialplan))
    return [outcome.classify(call, RULES) for event in stream for call in tracker.feed(event)]


def spelled(finding: Finding) -> str:
    """Return the short form of a finding."""
    return f"{finding.outcome}, {finding.reason}"
