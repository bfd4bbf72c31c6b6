"""A call in progress: the facts so far, and the places in the dialplan where the caller was seen."""

from dataclasses import dataclass, field, replace
from typing import Final

from siaga112.core.ami.events import DialplanPosition, Newexten, QueueCallerJoin
from siaga112.core.model import Caller, CallId, Fact, FactKind, Millis, Stage
from siaga112.core.text import whole
from siaga112.core.tracking import menus
from siaga112.core.tracking.stages import Spot

WRONG_CHOICE: Final = frozenset({"i", "t"})
"""The extensions that Asterisk runs after a wrong key (`i`) or no key in time (`t`)."""

MAX_FACTS: Final = 200
"""Maximum number of facts per call. Further facts are dropped and the call counts as incomplete."""


SLOW: Final[Millis] = 100
"""If screening ends this many ms after the verdict, its end is a fact of its own: the caller had to wait."""


@dataclass(slots=True)
class TrackedCall:
    """A call in progress: the facts so far, and the places in the dialplan where the caller was seen.

    - `called`: the number the caller dialled.
    - `asked_at`, `stayed_at`, `served_at`: places in menu contexts where an application was seen that asks
      for a key, that keeps the caller in the menu, or that may serve the caller.
    - `hidden`: the caller's hidden number, as our dialplan confirmed it. `attested`: the carrier vouches
      for the number.
    - `led_on`: a Local channel waits in `queue` on the caller's behalf.
    - `on_word`: the caller is connected, but only a queue's word says that somebody is there.
    - `chose`: the caller has pressed a key since the menu began or last rejected a choice. `led`: a step
      behind that choice was seen. `came_back`: the menu then asked again at a place where it asked before.
    - `keyed`: when the caller pressed the first key since the last prompt, or before the first; 0 if none.
    - `whose`: the caller by the number at arrival.
    - `beside`: since when another call from the same number has been up, and which call.
    - `agents`: the legs of queue members who took the call, each with interface and name. `agent`: such a
      member before the leg is in the bridge.
    - `handed_by`: the phones the caller was with at a blind transfer, until somebody else answers.
    """

    id: CallId
    channel: str
    raw: str
    facts: list[Fact]
    stage: Stage = Stage.SCREENING
    called: str = ""
    since: Millis = field(init=False)
    confirmed: bool = False
    withheld: bool = False
    hidden: str = ""
    attested: bool = False
    screen_reason: str = ""
    screened: str = ""
    asked_at: set[DialplanPosition] = field(default_factory=set)
    stayed_at: set[DialplanPosition] = field(default_factory=set)
    served_at: set[DialplanPosition] = field(default_factory=set)
    queue: QueueCallerJoin | None = None
    dialling: DialplanPosition | None = None
    ringing: bool = False
    connected: bool = False
    hung_up: bool = False
    ended_at: DialplanPosition | None = None
    led_on: bool = False
    on_word: bool = False
    chose: bool = False
    led: bool = False
    came_back: bool = False
    keyed: Millis = 0
    whose: Caller | None = None
    beside: tuple[Millis, CallId] | None = None
    agents: dict[str, str] = field(default_factory=dict)
    agent: str = ""
    handed_by: frozenset[str] = frozenset()
    recording: str = ""

    def __post_init__(self) -> None:
        self.since = self.facts[0].at

    def move(self, stage: Stage, at: Millis) -> None:
        """Move the call to a stage. `since` does not change if the call is already there."""
        if self.stage is not stage:
            self.stage, self.since = stage, at

    @property
    def number(self) -> str:
        """The number as received; '' for texts without digits like `anonymous`, which identify nobody."""
        return self.raw if any(map(str.isdigit, self.raw)) else ""

    @property
    def spot(self) -> Spot:
        """Where the call is. A caller who has hung up no longer waits in a queue."""
        if self.queue and self.stage is Stage.QUEUE and not self.hung_up:
            return Spot(self.stage, self.since, self.queue.queue, self.queue.at, self.number)
        return Spot(self.stage, self.since)

    def retract(self, at: Millis) -> None:
        """Undo the last answer: the answering channel was a Local channel that leads into a queue."""
        answers = [n for n, fact in enumerate(self.facts) if fact.kind is FactKind.CONNECTED]
        if answers:  # a call with too many facts has no such fact
            del self.facts[answers[-1]]
        self.connected = self.on_word = False
        self.move(Stage.QUEUE, at)

    def screening_ended(self, at: Millis, verdict: str) -> None:
        """Record the end of screening. Add a fact only if it ended late or without a verdict."""
        last = self.facts[-1]
        if last.kind is not FactKind.SCREENED or at - last.at >= SLOW:
            self.note(at, FactKind.SCREENED, self.screened or verdict)

    def note(self, at: Millis, kind: FactKind, detail: str = "") -> None:
        """Add a fact."""
        if len(self.facts) < MAX_FACTS or kind is FactKind.ENDED:
            self.facts.append(Fact(at, kind, detail))
        elif self.facts[-1].kind is not FactKind.GAP:
            self.facts.append(Fact(at, FactKind.GAP, "too_many_facts"))

    def gave_up(self, at: Millis, status: str) -> None:
        """Record that nobody answered. If nobody ever did, the caller waits for the next phone that rings."""
        self.note(at, FactKind.GAVE_UP, status)
        self.ringing = self.answered

    @property
    def answered(self) -> bool:
        """Whether somebody was ever connected to the caller."""
        return any(fact.kind is FactKind.CONNECTED for fact in self.facts)

    def seen_in_part(self) -> bool:
        """Return whether some part of the call was not seen."""
        return any(fact.kind in {FactKind.ADOPTED, FactKind.GAP} for fact in self.facts)

    def take_step(self, step: Newexten) -> None:
        """Record what a step in a menu context shows about its place."""
        asks = menus.asks(step.application)
        self.came_back = self.led and asks and step.place in self.asked_at
        led_on = self.led and not asks and step.place.exten not in WRONG_CHOICE
        self.led = self.beyond(step.place) or led_on
        if not menus.stays(step.application):
            self.served_at.add(step.place)
        elif menus.asks(step.application) and not menus.chosen(step.place.exten, self.called):
            self.asked_at.add(step.place)
        elif step.place.exten in WRONG_CHOICE:
            self.stayed_at.add(step.place)
        self.chose = self.beyond(step.place) or (self.chose and step.place.exten not in WRONG_CHOICE)

    def beyond(self, place: DialplanPosition) -> bool:
        """Return whether a choice may have led to this place in a menu context."""
        return menus.chosen(place.exten, self.called)

    def connected_with(self, operator: str) -> None:
        """Replace the name of whoever answered last by the operator that the queue reports."""
        for n in range(len(self.facts) - 1, -1, -1):
            if self.facts[n].kind is FactKind.CONNECTED:
                self.facts[n] = replace(self.facts[n], detail=operator)
                return

    @property
    def operator(self) -> str:
        """Who is, or was last, connected to the caller."""
        spoke = [fact.detail for fact in self.facts if fact.kind is FactKind.CONNECTED]
        return spoke[-1] if spoke else ""

    def in_menu(self, place: DialplanPosition) -> bool:
        """Return whether a caller at this place is proven to be in the menu.

        Proof is one of two things: the menu was seen asking at this place and nothing else was ever seen
        there; or the place is in the extension for a wrong or missing choice, and every step up to it was
        seen and is known to keep the caller in the menu.
        """
        if place in self.served_at:
            return False
        if place in self.asked_at:
            return True
        if place.exten not in WRONG_CHOICE or (step := whole(place.priority)) is None:
            return False
        before = (self.stayed_at | self.asked_at) - self.served_at
        return step <= len(before) and all(
            DialplanPosition(place.context, place.exten, str(n)) in before for n in range(1, step + 1)
        )
