"""A scenario: a centre, a caller's story, and the outcome that the call must have."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from siaga112.core.model import SECOND, Millis
from siaga112.core.rules import Dialplan
from tests.lab import Version
from tests.pbx.scenarios.stage import Stage

ANSWERS: Final = "Local/answer@operators/n"
NEVER_ANSWERS: Final = "Local/never@operators/n"
BUSY: Final = "Local/busy@operators/n"
HANGS_UP: Final = "Local/answer_then_hangup@operators/n"
ALLOWED: Final = ("SET VARIABLE SIAGA_REASON not_blocked", "SET VARIABLE SIAGA_VERDICT ALLOW")

Play = Callable[[Stage], Awaitable[None]]
"""Plays a scenario's story on its stage."""


@dataclass(frozen=True, slots=True)
class Centre:
    """A dialplan that takes calls: the trunk's context, the menu's, and its text in extensions.conf.

    `driver`: how the names of the trunk's channels begin: PJSIP, SIP (chan_sip, only on 16) or IAX2.
    """

    name: str
    trunk_context: str
    ivr_contexts: frozenset[str]
    text: str = ""
    dialled: frozenset[str] = frozenset()
    hangup_contexts: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    driver: str = "PJSIP"

    @property
    def dialplan(self) -> Dialplan:
        """The same, as siaga112's settings have it."""
        return Dialplan(
            frozenset({self.trunk_context}),
            self.ivr_contexts,
            self.dialled,
            hangup_contexts=self.hangup_contexts,
            queues=self.queues,
        )


SHIPPED: Final = Centre("siaga112", "siaga112-incoming", frozenset({"siaga112-ivr"}))
"""The sample centre of asterisk/extensions_siaga112_centre.conf."""

SIMPLE: Final = Centre(
    "simple",
    "from-pstn",
    frozenset({"main-menu"}),
    """
[from-pstn]
exten => 112,1,Gosub(siaga112-screen,s,1)
 same => n,Goto(main-menu,s,1)
[main-menu]
exten => s,1,Answer()
 same => n,Background(siaga112/goodbye)
 same => n,WaitExten(1)
exten => 1,1,Goto(serve,${SERVE},1)
exten => i,1,Playback(siaga112/goodbye)
 same => n,Hangup()
exten => t,1,Playback(siaga112/goodbye)
 same => n,Hangup()
""",
)
"""Another centre's menu, with other context names. Key 1 leads to the steps in the scenario's `serve`."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way a call can go.

    `expect`: the outcome and reason of each call that the scenario places, in the order of arrival; None
    for a call that is not ours. `serve`: the dialplan steps that key 1 leads to. `queues`: sections of
    queues.conf. `operators`: the members of the shipped queue. `screening`: the daemon's answer; None if
    it accepts the connection and stays silent. `needs`: modules that the lab does not load otherwise.
    """

    name: str
    what: str
    expect: tuple[str | None, ...]
    play: Play
    centre: Centre = SHIPPED
    serve: tuple[str, ...] = ()
    queues: Mapping[str, str] = field(default_factory=dict)
    operators: tuple[str, ...] = (ANSWERS,)
    queue_timeout: int = 30
    early_drop: Millis = SECOND
    screening: tuple[str, ...] | None = ALLOWED
    versions: tuple[Version, ...] = ("22", "16")
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.serve and self.centre is SHIPPED:
            object.__setattr__(self, "centre", SIMPLE)
