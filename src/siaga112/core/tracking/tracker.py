"""The call tracker: typed events in, ended calls out.

A call's key is the uniqueid of the channel that came in from the trunk. The tracker only collects facts.
`outcome.classify` decides once, after the call has ended, what they mean.

Safety rests on one idea: *where the caller was in the dialplan when the far end hung up*. Every AMI channel
event carries the channel's place in the dialplan (context, extension, priority). A hang-up counts as
leaving the menu only if the menu was seen asking at exactly that place, and as leaving the queue only if
the caller joined the queue at exactly that place. A lost event can therefore turn a call into `unknown` but
never into a prank, even if a dialplan runs `Queue()` inside its IVR context.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from typing import Final

from siaga112.core.ami.events import (
    NOWHERE,
    AgentConnect,
    AttendedTransfer,
    BlindTransfer,
    BridgeEnter,
    BridgeLeave,
    ClockOffset,
    CoreShowChannel,
    DialBegin,
    DialplanPosition,
    Dtmf,
    Event,
    FullyBooted,
    Hangup,
    HangupRequest,
    Interrupted,
    Newchannel,
    Newexten,
    Newstate,
    QueueCallerJoin,
    QueueStatus,
    Resumed,
    Shutdown,
    SiagaMark,
    VarSet,
)
from siaga112.core.caller_id import canonical, kept_raw
from siaga112.core.model import (
    Call,
    Caller,
    CallId,
    CallInProgress,
    Fact,
    FactKind,
    Millis,
    Stage,
)
from siaga112.core.rules import Dialplan, InForce
from siaga112.core.tracking import menus
from siaga112.core.tracking.arrivals import Arrivals, trunk_of
from siaga112.core.tracking.bridges import stem
from siaga112.core.tracking.queue_state import Waiting
from siaga112.core.tracking.stages import Move, Progress
from siaga112.core.tracking.talk import Talk
from siaga112.core.tracking.tracked_call import WRONG_CHOICE, TrackedCall
from siaga112.core.unserved import BY_VARIABLE, DIAL_STATUS, QUEUE_STATUS

ASKED_ABOUT: Final = frozenset({"SIAGA_CALLER", "SIAGA_VERDICT"})
"""Variables that show that the dialplan asks for a verdict: our own dialplan, or one that only runs AGI()."""

TOLD_OF: Final = frozenset({"SIAGA_HIDDEN", "SIAGA_ATTESTED"})
"""Variables in which our dialplan describes the number. It sets them only on an incoming call."""

LED_KEPT: Final = 10_000
"""Maximum number of Local channels remembered with the channel that dialled them. Their ends are not seen."""

JOINED_KEPT: Final = 256
"""Maximum number of queue joins kept until the caller is known, because DialBegin may come later."""

BEFORE_QUEUE: Final = frozenset({Stage.SCREENING, Stage.IVR})
"""The stages before the queue: no phone rings yet. SCREENING is included: the menu's start may be missed."""

RECORDING_LONGEST: Final = 255
"""Maximum length of a stored recording name, in characters."""

CHAIN: Final = 8
"""Maximum length of a chain of Local channels that is followed."""


class Tracker:
    """Tracks every call from the trunk to its end.

    Feed it events in order of arrival. It never raises on an event: AMI is a lossy observation, so an odd
    event is counted in `anomalies` and changes nothing else.
    """

    def __init__(self, rules: InForce) -> None:
        self._rules = rules
        self._calls: dict[str, TrackedCall] = {}
        self._up: defaultdict[Caller, dict[str, TrackedCall]] = defaultdict(dict)
        self._begun: dict[str, TrackedCall] = {}
        self._progress = Progress()
        self.anomalies: Counter[str] = Counter()
        self._talk = Talk(self._calls, self._progress, self.anomalies)
        self._arrivals = Arrivals(rules)
        self.screened: Final = self._arrivals.screened
        self._dialled_by: dict[str, str] = {}
        self._joined: dict[str, QueueCallerJoin] = {}
        self._ahead: Millis = 0
        self._handlers: Final[dict[type[object], Callable[..., Iterator[Call] | None]]] = {
            Newchannel: self._created,
            Newstate: self._rings,
            Newexten: self._step,
            VarSet: self._variable,
            QueueCallerJoin: self._queue_joined,
            DialBegin: self._dialled,
            AgentConnect: self._talk.operator_connected,
            Dtmf: self._key_pressed,
            BlindTransfer: self._talk.sent_on,
            AttendedTransfer: self._talk.sent_to_whom_was_asked,
            BridgeEnter: self._talk.bridge_entered,
            BridgeLeave: self._talk.bridge_left,
            HangupRequest: self._far_end_hung_up,
            Hangup: self._gone,
            SiagaMark: self._talk.marked,
            FullyBooted: self._nothing,
            Shutdown: self._nothing,
            Interrupted: self._interrupted,
            ClockOffset: self._clock_seen,
            Resumed: self._resumed,
            QueueStatus: self._queues_seen,
        }

    @property
    def _dialplan(self) -> Dialplan:
        return self._rules.now.dialplan

    def __repr__(self) -> str:
        return f"<Tracker: {len(self._calls)} calls, {len(self._talk.bridges)} bridges>"

    def feed(self, event: Event) -> tuple[Call, ...]:
        """Process one event; return the calls that it ended (nearly always none or one)."""
        ended = self._handlers[type(event)](event)
        return () if ended is None else tuple(ended)

    def begun(self) -> dict[CallId, Callable[[], Call]]:
        """Return the calls that began since this method last ran, each with a function to build it.

        Each is built in the form in which it is kept if its end is never seen.
        """
        begun, self._begun = self._begun.values(), {}
        return {call.id: partial(self._lost, call, tuple(call.facts)) for call in begun}

    def _lost(self, call: TrackedCall, seen: tuple[Fact, ...]) -> Call:
        at = seen[-1].at
        return self._as_seen(call, (*seen, Fact(at, FactKind.GAP, "lost"), Fact(at, FactKind.ENDED, "lost")))

    def moves(self) -> list[tuple[Move, Caller | None, str]]:
        """Return the moves since this method last ran, each with caller and current operator."""
        names, calls = self._rules.now.names, self._calls
        return [
            (
                move,
                self._caller(calls[move.call]) if move.call in calls else None,
                names.operator(calls[move.call].operator) if move.call in calls else "",
            )
            for move in self._progress.moves()
        ]

    def stages(self) -> Counter[Stage]:
        """Return the number of calls in progress in each stage."""
        return self._progress.stages()

    def in_progress(self, most: int) -> list[CallInProgress]:
        """Return at most `most` calls in progress, with no more caller data than an ended call keeps.

        Calls that wait in a queue come first; within each stage, the one that has been there longest.
        """
        first = (self._calls[call] for call in islice(self._progress.in_order(), most))
        names = self._rules.now.names
        return [
            CallInProgress(
                call=call.id,
                caller=self._caller(call),
                started=call.facts[0].at,
                stage=call.stage,
                since=call.since,
                queue=call.queue.queue if call.queue else "",
                screened=call.screened,
                operator=names.operator(call.operator) if call.stage is Stage.TALKING else "",
            )
            for call in first
        ]

    def waiting(self) -> Waiting:
        """Return, for each queue with waiting callers, how many wait and since when the first one waits."""
        return self._progress.waiting()

    def overdue(self, queues: frozenset[str], before: Millis, most: int) -> int:
        """Return how many callers have waited in these queues since before `before`, but at most `most`."""
        return self._progress.overdue(queues, before, most)

    def follows(self, call: CallId) -> bool:
        """Return whether that call is in progress."""
        return call in self._calls

    @property
    def idle(self) -> bool:
        """Whether nothing is being tracked."""
        return not (self._calls or self._up or len(self._talk.bridges) or len(self._arrivals))

    # ── the beginning ────────────────────────────────────────────────────────────────────────────

    def _created(self, event: Newchannel) -> Iterator[Call]:
        if held := self._calls.get(event.uid):
            first = held.facts[0]
            if (held.channel, first.at) == (event.channel, event.at):
                self.anomalies["duplicate"] += 1
                return
            if first.kind is FactKind.ADOPTED and held.channel in {"", event.channel}:
                self._let_go(event.uid)  # CoreShowChannels listed it before its Newchannel arrived
            else:
                self.anomalies["uniqueid_reused"] += 1
                yield self._end_unseen(event.uid, event.at, "uniqueid_reused")
        self._begun.pop(event.uid, None)
        if call := self._arrivals.created(event):
            self._follow(call)

    def _rings(self, event: Newstate) -> None:
        self._call(event.uid)

    def _call(self, uid: str) -> TrackedCall | None:
        """Return the call of this channel. The caller's event proves that a candidate is an incoming call."""
        call = self._calls.get(uid)
        if call is None and (call := self._arrivals.proven(uid)):
            self._follow(call)
        return call

    def _follow(self, call: TrackedCall) -> None:
        if self._ahead:
            call.note(call.facts[-1].at, FactKind.CLOCK_OFF, str(self._ahead))
        self._calls[call.id] = self._begun[call.id] = call
        self._progress.put(call.id, call.spot)
        call.whose = canonical(call.raw, self._dialplan.numbers)
        if call.whose:
            self._beside_others(call, self._up[call.whose])

    @staticmethod
    def _beside_others(call: TrackedCall, others: dict[str, TrackedCall]) -> None:
        """Record that a call and the other calls from its number are up at the same time."""
        at = call.facts[-1].at
        for other in others.values():
            other.beside = other.beside or (at, call.id)
            call.beside = call.beside or (at, other.id)
        others[call.id] = call

    def _let_go(self, uid: str) -> TrackedCall | None:
        self._progress.drop(CallId(uid))
        call = self._calls.pop(uid, None)
        if call and call.whose:
            self._up[call.whose].pop(uid, None)
            if not self._up[call.whose]:
                del self._up[call.whose]
        return call

    def _remember(self, uid: str) -> None:
        self._begun.pop(uid, None)
        self._arrivals.ended(uid)

    # ── on the way ───────────────────────────────────────────────────────────────────────────────

    def _step(self, event: Newexten) -> None:
        # The PBX also reports what an outgoing leg executes (AppDial, before the leg is dialled). Only an
        # application that asks for a key proves that the channel runs a dialplan.
        call = self._call(event.uid) if menus.asks(event.application) else self._calls.get(event.uid)
        place = event.place
        if call is None or call.hung_up:
            return
        if place.context not in self._dialplan.ivr_contexts:
            if self._beyond_the_menu(place) and menus.serves(event.application, chosen=call.chose):
                self._serve(call, event)
            return
        call.take_step(event)
        if event.prompts and call.stage is Stage.IVR and event.at > call.since:
            call.keyed = 0  # but not by the first prompt: Answer() keeps a key for it
        if place.exten in WRONG_CHOICE and place.priority == "1":
            call.note(event.at, FactKind.INVALID_CHOICE if place.exten == "i" else FactKind.NO_CHOICE)
            call.keyed = 0
        if call.came_back or menus.serves(event.application, chosen=call.beyond(place)):
            self._serve(call, event)
        if event.application.lower() == "hangup" or event.leads_to in self._dialplan.hangup_contexts:
            call.ended_at = place
        elif menus.asks(event.application) and call.stage is not Stage.IVR:
            call.move(Stage.IVR, event.at)
            call.note(event.at, FactKind.MENU, place.context)
            self._progress.put(call.id, call.spot)

    def _beyond_the_menu(self, place: DialplanPosition) -> bool:
        """Return whether a place is outside the trunk, menu and hang-up contexts and not a queue number."""
        plan = self._dialplan
        ours = plan.trunk_contexts | plan.ivr_contexts | plan.hangup_contexts
        return place.context not in ours and place.exten not in plan.queues

    @staticmethod
    def _serve(call: TrackedCall, event: Newexten) -> None:
        """Record, once, that the menu served the caller with what they chose."""
        if call.stage in BEFORE_QUEUE and not any(fact.kind is FactKind.SERVED for fact in call.facts):
            call.note(event.at, FactKind.SERVED, event.place.context)

    def _key_pressed(self, event: Dtmf) -> None:
        """Record that a caller in the menu pressed a key. Later steps show whether the menu offers it."""
        call = self._calls.get(event.uid)
        if call and call.stage in BEFORE_QUEUE and not call.hung_up:
            call.keyed = call.keyed or event.at
            call.chose = True

    def _variable(self, event: VarSet) -> None:
        if event.channel.startswith("Local/"):
            self._gave_up_behind(event)
            return
        if event.name in TOLD_OF:
            self._told_of(event)
            return
        call = self._asked_about(event) if event.name in ASKED_ABOUT else self._calls.get(event.uid)
        if call is None:
            return
        if event.name.startswith("SIAGA_"):
            _screened(call, event)
            return
        match event.name:
            case "MIXMONITOR_FILENAME":
                call.recording = event.value[:RECORDING_LONGEST]
            case "QUEUESTATUS" if event.value in QUEUE_STATUS:
                call.gave_up(event.at, event.value)
                call.queue = None
                self._progress.put(call.id, call.spot)
            case "DIALSTATUS" if event.value in DIAL_STATUS:
                call.gave_up(event.at, event.value)
                call.dialling = None
            case _:
                pass

    def _told_of(self, event: VarSet) -> None:
        call = self._call(event.uid)
        if call and event.name == "SIAGA_HIDDEN":
            call.hidden = event.value
        elif call:
            call.attested = event.value == "yes"

    def _asked_about(self, event: VarSet) -> TrackedCall | None:
        """Return the call that the dialplan screens, before this event changes it. Count each call once."""
        call = self._call(event.uid)
        if call:
            self.screened.calls += not (call.confirmed or call.screened)
        elif self._arrivals.is_known(event.uid):
            self._arrivals.stranger_screened(event.uid)
        elif event.name == "SIAGA_CALLER":
            # Our dialplan screens this call, but its Newchannel was lost or never sent.
            seen = [Fact(event.at, FactKind.ADOPTED, "screened")]
            self._follow(TrackedCall(CallId(event.uid), "", event.value, seen))
        return call

    def _queue_joined(self, event: QueueCallerJoin) -> None:
        call = self._call(event.uid)
        if call is None:
            self._led_into_queue(event)
            return
        self._put_into_queue(call, event)
        call.led_on = False

    def _put_into_queue(self, call: TrackedCall, event: QueueCallerJoin) -> None:
        call.queue = event
        call.stage, call.since = Stage.QUEUE, event.at
        call.ringing = False
        call.note(event.at, FactKind.QUEUED, event.queue)
        self._progress.put(call.id, call.spot)

    def _dialled(self, event: DialBegin) -> None:
        self._arrivals.dialled(event.leg)
        call = self._call(event.uid)
        if call:
            call.dialling = event.place
            if call.queue and call.queue.place == event.place:
                self._talk.connect(self._talk.bridges.vouch(event.leg), event.at)
        if led := stem(event.leg_channel):
            self._dialled_by[led] = event.uid if call else stem(event.channel)
            if len(self._dialled_by) > LED_KEPT:
                del self._dialled_by[next(iter(self._dialled_by))]
        call = call or self._led_by(event.channel)
        if call and not call.ringing and not call.connected:
            call.ringing = True
            call.move(Stage.QUEUE, event.at)
            call.note(event.at, FactKind.RINGING)
            self._progress.put(call.id, call.spot)
        for joined in [one for one in self._joined.values() if self._led_by(one.channel)]:
            self._led_into_queue(joined)

    # ── behind Local channels: `…;1` is dialled for the caller, `…;2` runs the dialplan ──────────

    def _led_by(self, channel: str) -> TrackedCall | None:
        """Return the call that this half of a Local channel leads on, through a chain of at most `CHAIN`."""
        by = stem(channel) if channel.endswith(";2") else ""
        for _ in range(CHAIN):
            by = self._dialled_by.get(by, "")
            if call := self._calls.get(by):
                return call
        return None

    def _led_into_queue(self, event: QueueCallerJoin) -> None:
        """Put a caller into the queue that a Local channel has joined for them."""
        call = self._led_by(event.channel)
        alone = self._talk.bridges.lead_on(event.channel)
        for uid in alone:
            if self._calls[uid].on_word:
                self._calls[uid].retract(event.at)
        if call is None and event.channel.endswith(";2"):
            self._joined[event.channel] = event
            if len(self._joined) > JOINED_KEPT:
                del self._joined[next(iter(self._joined))]
        if call is None or call.hung_up:
            return
        self._joined.pop(event.channel, None)
        self._talk.part(alone, event.at)
        own = call.queue if call.queue and not call.led_on else None
        place = own.place if own else call.dialling
        if place and not call.connected and (own is None or call.id in alone):
            self._put_into_queue(call, replace(event, uid=call.id, place=place))
            call.led_on = True

    def _gave_up_behind(self, event: VarSet) -> None:
        """Record that a queue or a dialled phone behind the caller's Local channel gave up."""
        call = self._led_by(event.channel)
        if call is None or call.hung_up or call.connected:
            return
        if not self._talk.bridges.joined(call.id, event.channel):
            return
        if event.value in BY_VARIABLE.get(event.name, ()):
            call.gave_up(event.at, event.value)
            if call.led_on:
                call.queue, call.led_on = None, False
            self._progress.put(call.id, call.spot)

    # ── the end ──────────────────────────────────────────────────────────────────────────────────

    def _far_end_hung_up(self, event: HangupRequest) -> None:
        call = self._calls.get(event.uid)
        if call is None or call.hung_up:
            return
        call.hung_up = True
        self._progress.put(call.id, call.spot)
        place = event.place
        waits = call.led_on and not call.connected
        if event.uid in self._talk.bridges and not waits:
            call.note(event.at, FactKind.LEFT, "talking" if call.answered else place.context)
        elif call.queue and call.queue.place == place:
            call.note(event.at, FactKind.LEFT_QUEUE, call.queue.queue)
        elif call.dialling == place:
            call.note(event.at, FactKind.LEFT_RINGING)
        elif call.in_menu(place):
            if call.keyed:
                call.note(call.keyed, FactKind.KEYED)
            call.note(event.at, FactKind.LEFT_MENU, place.context)
        elif place.context in self._dialplan.trunk_contexts and call.stage is Stage.SCREENING:
            call.note(event.at, FactKind.LEFT_ARRIVAL, place.context)
        else:
            call.note(event.at, self._left(call, place), place.context)

    def _left(self, call: TrackedCall, place: DialplanPosition) -> FactKind:
        """Return the kind of hang-up for a caller who was not in the menu, a queue or a conversation."""
        if call.stage not in BEFORE_QUEUE:
            return FactKind.LEFT
        in_menu = place.context in self._dialplan.ivr_contexts
        if place.exten in self._dialplan.queues and not in_menu:
            return FactKind.LEFT_BEFORE_QUEUE
        led = call.beyond(place) if in_menu else call.chose and self._beyond_the_menu(place)
        return FactKind.LEFT_CHOICE if led and call.stage is Stage.IVR else FactKind.LEFT

    def _gone(self, event: Hangup) -> Iterator[Call]:
        self._talk.part(self._talk.bridges.leave(event.uid), event.at)
        call = self._let_go(event.uid)
        if call is None:
            self._arrivals.gone(event.uid)
            return
        if call.ended_at and not call.hung_up and call.in_menu(call.ended_at):
            call.note(event.at, FactKind.MENU_HUNG_UP, event.place.context)
        if call.beside:
            call.note(call.beside[0], FactKind.BESIDE, call.beside[1])
        call.note(event.at, FactKind.ENDED, event.cause)
        yield self._ended(call)

    def _ended(self, call: TrackedCall) -> Call:
        self._remember(call.id)
        over = self._as_seen(call, tuple(call.facts))
        self._talk.ended(over)
        return over

    def _as_seen(self, call: TrackedCall, facts: tuple[Fact, ...]) -> Call:
        return Call(
            id=call.id,
            raw_caller=kept_raw(call.raw, self._dialplan.numbers),
            caller=self._caller(call),
            identified=call.confirmed,
            facts=facts,
            trunk=trunk_of(call.channel),
            attested=call.attested,
            recording=call.recording,
        )

    def _caller(self, call: TrackedCall) -> Caller | None:
        """Return the caller, if two witnesses agree: the number at arrival and the dialplan's cleaned copy.

        If they differ, return None: the presentation is hidden, or the text was made to look like somebody
        else's number. A number that is only hidden has its own second witness (SIAGA_HIDDEN) and counts if
        the centre is allowed to judge hidden numbers.
        """
        numbers = self._dialplan.numbers
        if call.withheld and not (numbers.judge_hidden and call.hidden == call.raw):
            return None
        return canonical(call.raw, numbers)

    # ── interruptions ────────────────────────────────────────────────────────────────────────────

    def _interrupted(self, event: Interrupted) -> None:
        self._arrivals.unsure()
        self._talk.unsure()
        for call in self._calls.values():
            call.note(event.at, FactKind.GAP, event.cause)

    def _clock_seen(self, event: ClockOffset) -> None:
        self._ahead = event.ahead
        for call in chain(self._calls.values(), self._arrivals.candidates()) if event.ahead else ():
            call.note(event.at, FactKind.CLOCK_OFF, str(event.ahead))

    def _resumed(self, event: Resumed) -> Iterator[Call]:
        present = {channel.uid: channel for channel in event.channels}
        # After a restart, the PBX can reuse a uniqueid. The channel name tells the two calls apart.
        for uid, call in self._calls.items():
            if uid in present and call.channel not in {"", present[uid].channel}:
                self.anomalies["uniqueid_reused"] += 1
                del present[uid]
        self._talk.part(self._talk.bridges.keep_only(present), event.at)
        self._talk.bridges.forget_names()  # Local channels are numbered from 0 again
        self._dialled_by.clear()
        self._joined.clear()
        for uid in [uid for uid in self._calls if uid not in present]:
            yield self._end_unseen(uid, event.at, "vanished")
        for uid, channel in present.items():
            if uid not in self._calls and uid not in self._arrivals and self._is_caller(channel):
                facts = [Fact(event.at, FactKind.ADOPTED, channel.place.context)]
                stage = Stage.QUEUE if channel.application.lower() == "queue" else Stage.IVR
                self._follow(TrackedCall(CallId(uid), channel.channel, channel.number, facts, stage))

    def _queues_seen(self, event: QueueStatus) -> None:
        """Put callers into the queue whose joining was not seen. Their place in the dialplan is unknown."""
        for seen in event.waiting:
            call = self._calls.get(seen.uid)
            if call and not call.queue and not call.hung_up and call.seen_in_part():
                self._queue_joined(
                    QueueCallerJoin(max(seen.since, call.facts[-1].at), seen.uid, NOWHERE, seen.queue)
                )

    def _is_caller(self, channel: CoreShowChannel) -> bool:
        if channel.uid != channel.linkedid or channel.channel.startswith("Local/"):
            return False
        known = self._dialplan.trunk_contexts | self._dialplan.ivr_contexts
        return channel.place.context in known or channel.application.lower() == "queue"

    def _end_unseen(self, uid: str, at: Millis, why: str) -> Call:
        call = self._calls[uid]
        self._let_go(uid)
        self._remember(uid)
        return self._unseen(call, at, why)

    def _unseen(self, call: TrackedCall, at: Millis, why: str) -> Call:
        call.note(at, FactKind.GAP, why)
        call.note(at, FactKind.ENDED, why)
        return self._as_seen(call, tuple(call.facts))

    def _nothing(self, _event: Event) -> None:
        return


def _screened(call: TrackedCall, event: VarSet) -> None:
    """Record what our own dialplan reports about a call."""
    match event.name:
        case "SIAGA_CALLER":
            call.confirmed = True
            call.withheld |= event.value != call.raw
        case "SIAGA_REASON":
            call.screen_reason = event.value
        case "SIAGA_VERDICT":
            call.screened = f"{event.value} {call.screen_reason}".strip()
            call.note(event.at, FactKind.SCREENED, call.screened)
        case "SIAGA_SCREENED":
            call.screening_ended(event.at, event.value)
        case "SIAGA_REJECTED":
            call.note(event.at, FactKind.REJECTED, event.value)
        case _:
            pass
