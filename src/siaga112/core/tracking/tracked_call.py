"""A call in progress: the facts so far, and where the caller has been seen standing."""

from dataclasses import dataclass, field, replace
from typing import Final

from siaga112.core.ami.events import DialplanPosition, Newexten, QueueCallerJoin
from siaga112.core.model import Caller, CallId, Fact, FactKind, Millis, Stage
from siaga112.core.text import whole
from siaga112.core.tracking import menus
from siaga112.core.tracking.stages import Spot

WRONG_CHOICE: Final = frozenset({"i", "t"})
"""The extensions to which a wrong key leads, or none in time."""

MAX_FACTS: Final = 200
"""A call that produces more than this is cut short in memory and becomes incomplete."""


SLOW: Final[Millis] = 100
"""So long after the verdict the screening's end is a fact of its own: who waited for it, waited for us."""


@dataclass(slots=True)
class TrackedCall:
    """A call in progress: facts so far, and where the caller has been seen standing.

    `called` is the number that it came in by. The places are those of the menu's contexts at which
    something was seen to ask, to leave the caller in the menu, or to do with him what is not known.
    `hidden`: the number that a caller hides, as our dialplan confirmed it. `attested`: it is vouched for.
    `led_on`: it is a Local channel that waits in `queue` for it. `on_word`: it is connected, and only a
    queue's word says that somebody is there. `chose`: a key led on since the menu was last wrong, or begun;
    `led`: a step of what it leads to was seen, `came_back`: and now the menu asks where it asked before.
    `keyed`: when a key was pressed since the last prompt, 0 for not at all. `whose`: by the number at
    arrival. `beside`: since when another call of it is up as well, and which. `agents`: legs of the queue's
    members who took the call, each with its interface and name; `agent`: one whose leg is not in the bridge
    yet. `handed_by`: the phones that the caller was with when he was sent on, until somebody else answers.
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
        """Take the call to its next stage; `since` is kept where it is there already."""
        if self.stage is not stage:
            self.stage, self.since = stage, at

    @property
    def number(self) -> str:
        """The number as it came; '' for `anonymous` and the like, which say nothing of who it is."""
        return self.raw if any(map(str.isdigit, self.raw)) else ""

    @property
    def spot(self) -> Spot:
        """Where it is; who has hung up waits no more."""
        if self.queue and self.stage is Stage.QUEUE and not self.hung_up:
            return Spot(self.stage, self.since, self.queue.queue, self.queue.at, self.number)
        return Spot(self.stage, self.since)

    def retract(self, at: Millis) -> None:
        """Take back that somebody answered: what did was a Local channel, which leads into a queue."""
        answers = [n for n, fact in enumerate(self.facts) if fact.kind is FactKind.CONNECTED]
        if answers:  # it is not kept of a call with too many facts
            del self.facts[answers[-1]]
        self.connected = self.on_word = False
        self.move(Stage.QUEUE, at)

    def screening_ended(self, at: Millis, verdict: str) -> None:
        """Note that our dialplan goes on; nothing where it does so right after the verdict, as it should."""
        last = self.facts[-1]
        if last.kind is not FactKind.SCREENED or at - last.at >= SLOW:
            self.note(at, FactKind.SCREENED, self.screened or verdict)

    def note(self, at: Millis, kind: FactKind, detail: str = "") -> None:
        """Add a fact."""
        if len(self.facts) < MAX_FACTS or kind is FactKind.ENDED:
            self.facts.append(Fact(at, kind, detail))
        elif self.facts[-1].kind is not FactKind.GAP:
            self.facts.append(Fact(at, FactKind.GAP, "too_many_facts"))

    def seen_in_part(self) -> bool:
        """Say whether something of the call was not seen."""
        return any(fact.kind in {FactKind.ADOPTED, FactKind.GAP} for fact in self.facts)

    def take_step(self, step: Newexten) -> None:
        """Note what a step in one of the menu's contexts says of its place."""
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
        """Say whether a choice led to this place in one of the menu's contexts."""
        return menus.chosen(place.exten, self.called)

    def connected_with(self, operator: str) -> None:
        """Put down who answered last, now that the queue says it."""
        for n in range(len(self.facts) - 1, -1, -1):
            if self.facts[n].kind is FactKind.CONNECTED:
                self.facts[n] = replace(self.facts[n], detail=operator)
                return

    @property
    def operator(self) -> str:
        """Who is, or was last, connected with the caller."""
        spoke = [fact.detail for fact in self.facts if fact.kind is FactKind.CONNECTED]
        return spoke[-1] if spoke else ""

    def in_menu(self, place: DialplanPosition) -> bool:
        """Say whether it is proven that a caller at this place is in the menu.

        Either the menu was seen asking there, and nothing else ever at that place; or the place is in
        the menu's own extension for a wrong or missing choice, and every step of it up to there was
        seen, and is known to serve nobody.
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
