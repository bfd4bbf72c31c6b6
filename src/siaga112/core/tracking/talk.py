"""Conversations: which operator answered a caller, to whom the caller was handed over, and the marks."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from siaga112.core.ami.events import (
    AgentConnect,
    AttendedTransfer,
    BlindTransfer,
    BridgeEnter,
    BridgeLeave,
    SiagaMark,
)
from siaga112.core.model import Call, FactKind, HandedOver, Millis, Stage
from siaga112.core.tracking.bridges import Bridges, interface_of
from siaga112.core.tracking.late_marks import LateMarks
from siaga112.core.tracking.stages import Progress
from siaga112.core.tracking.tracked_call import TrackedCall

TARGET_LONGEST: Final = 80
"""Maximum length of a stored extension, which is Asterisk's own limit (AST_MAX_EXTENSION)."""


class Talk:
    """Applies bridge, queue, transfer and mark events to the calls in progress."""

    def __init__(self, calls: Mapping[str, TrackedCall], progress: Progress, anomalies: Counter[str]) -> None:
        self._calls = calls
        self._progress = progress
        self._anomalies = anomalies
        self._late_marks = LateMarks()
        self.bridges: Final = Bridges(calls.__contains__)

    def ended(self, call: Call) -> None:
        """Keep an ended call for as long as an operator may still mark it."""
        self._late_marks.ended(call)

    def unsure(self) -> None:
        """Forget which calls that have ended may be marked: answers may be among the lost events."""
        self._late_marks.unsure()

    def operator_connected(self, event: AgentConnect) -> None:
        """Record which queue member took the call, as the queue reports it."""
        call = self._calls.get(event.uid)
        if call:
            named = event.member and event.member != event.interface
            call.agents[event.leg] = f"{event.interface} {event.member}" if named else event.interface
            if call.connected:
                call.connected_with(call.agents[event.leg])
            else:
                call.agent = call.agents[event.leg]
        self.connect(self.bridges.vouch(event.leg), event.at)

    def bridge_entered(self, event: BridgeEnter) -> None:
        """Record that a channel entered a bridge."""
        if not event.two_way or (event.machine and event.uid not in self._calls):
            return
        if not self.bridges.holds(event.uid, event.bridge):
            self.part(self.bridges.leave(event.uid), event.at)
        self.connect(self.bridges.enter(event.uid, event.bridge, event.channel), event.at)
        for caller in self.bridges.callers_with(event.uid):
            self._picked_up(self._calls[caller], event.uid)

    def _picked_up(self, call: TrackedCall, entered: str) -> None:
        """Record which phones picked up, also one that joins a talk or whose caller has just hung up."""
        phones = self.bridges.phones(call.id)
        for phone in [phones[entered]] if entered in phones else phones.values():
            self._late_marks.answered(interface_of(phone), call.id)

    def connect(self, uids: Iterable[str], at: Millis) -> None:
        """Record that these callers are now connected to somebody."""
        for uid in uids:
            call = self._calls[uid]
            if call.connected:
                call.on_word = call.on_word and self.bridges.only_vouched(uid)
                if call.handed_by and self.bridges.phones(uid).keys() - call.handed_by:
                    call.note(at, FactKind.PARTED)
                    self._talks(call, at)
            elif not call.hung_up:
                self._talks(call, at)
                call.on_word = self.bridges.only_vouched(uid)

    def _talks(self, call: TrackedCall, at: Millis) -> None:
        call.connected = True
        call.move(Stage.TALKING, at)
        call.note(at, FactKind.CONNECTED, self._with_whom(call))
        call.handed_by = frozenset()
        self._progress.put(call.id, call.spot)

    def _with_whom(self, call: TrackedCall) -> str:
        """Return who is connected to the caller: the queue member, else the phone, else the Local channel."""
        if call.agent:
            who, call.agent = call.agent, ""
            return who
        phones = {
            uid: name for uid, name in self.bridges.phones(call.id).items() if uid not in call.handed_by
        }
        for uid, name in phones.items():
            return call.agents.get(uid) or interface_of(name)
        pipes = [*self.bridges.pipes(call.id)]
        return interface_of(pipes[-1]) if pipes else ""  # the farthest pipe leads to the operator

    def sent_on(self, event: BlindTransfer) -> None:
        """Record a blind transfer of a caller."""
        self._hand_over(event.uid, event.at, HandedOver.BLIND, event.target)

    def sent_to_whom_was_asked(self, event: AttendedTransfer) -> None:
        """Record an attended transfer of a caller."""
        # If the target has not answered yet, it keeps ringing, as after a blind transfer.
        how = HandedOver.ATTENDED if event.talking else HandedOver.BLIND
        uid, target = event.uid, event.target
        if event.other and self.bridges.is_phone(uid) and not self.bridges.is_phone(event.other):
            uid, target = event.other, event.asked  # the phone transferred whom it had asked to the caller
        self._hand_over(uid, event.at, how, target)

    def _hand_over(self, uid: str, at: Millis, how: HandedOver, target: str) -> None:
        for caller in [uid] if uid in self._calls else self.bridges.callers_with(uid):
            call = self._calls[caller]
            call.note(at, FactKind.HANDED_OVER, f"{how} {target[:TARGET_LONGEST]}")
            if how is HandedOver.BLIND:
                call.handed_by = frozenset(self.bridges.phones(caller))

    def bridge_left(self, event: BridgeLeave) -> None:
        """Record that a channel left a bridge."""
        self.part(self.bridges.leave(event.uid, event.bridge), event.at)

    def part(self, alone: Iterable[str], at: Millis) -> None:
        """Record that these callers are now connected to nobody. Ignore channels that are not callers."""
        for uid in alone:
            call = self._calls.get(uid)
            if call and call.connected:
                call.connected = call.on_word = False
                call.note(at, FactKind.PARTED)

    def marked(self, event: SiagaMark) -> Iterator[Call]:
        """Apply a mark to the call in progress, or to the last call that the operator's phone answered."""
        phone = interface_of(event.channel)
        own = event.leg if event.leg in self._calls else ""  # raised on the caller's own channel
        uid = event.uid or own or self._late_marks.last_of(phone)
        behind = [] if uid in self._calls else self.bridges.callers_with(uid)
        if len(behind) == 1:  # the phone's bridge holds half of a Local channel in place of the caller
            uid = behind[0]
        if call := self._calls.get(uid):
            by = call.agents.get(event.leg) or (call.operator if event.uid else phone)
            call.note(event.at, FactKind.MARKED, f"{event.mark} {by}".strip())
        elif event.uid or not uid:
            self._anomalies["mark_without_call"] += 1
        elif over := self._late_marks.mark(phone, event.mark, event.at):
            yield over
