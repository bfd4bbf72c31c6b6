"""A call in progress: the facts so far, and where the caller has been seen standing."""

from dataclasses import dataclass, field
from typing import Final

from siaga112.core.ami.events import DialplanPosition, Newexten, QueueCallerJoin
from siaga112.core.model import CallId, Fact, FactKind, Millis, Stage
from siaga112.core.text import whole
from siaga112.core.tracking import menus
from siaga112.core.tracking.stages import Spot

WRONG_CHOICE: Final = frozenset({"i", "t"})
"""The extensions to which a wrong key leads, or none in time."""

MAX_FACTS: Final = 200
"""A call that produces more than this is cut short in memory and becomes incomplete."""


@dataclass(slots=True)
class TrackedCall:
    """A call in progress: facts so far, and where the caller has been seen standing.

    `called` is the number that it came in by. The places are those of the menu's contexts at which
    something was seen to ask, to leave the caller in the menu, or to do with him what is not known.
    `hidden`: the number that a caller hides, as our dialplan confirmed it. `attested`: it is vouched for.
    `led_on`: it is a Local channel that waits in `queue` for it. `on_word`: it is connected, and only a
    queue's word says that somebody is there.
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
        if not menus.stays(step.application):
            self.served_at.add(step.place)
        elif menus.asks(step.application) and not menus.chosen(step.place.exten, self.called):
            self.asked_at.add(step.place)
        elif step.place.exten in WRONG_CHOICE:
            self.stayed_at.add(step.place)

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
