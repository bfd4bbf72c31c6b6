"""What people call what the program has a word for: in English, and translated."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from siaga112.core.access import Role
from siaga112.core.model import (
    FactKind,
    HandedOver,
    Level,
    Mark,
    Mode,
    OperatorState,
    Origin,
    Outcome,
    ProposalCause,
    Reason,
    Spared,
    Stage,
    Verdict,
)
from siaga112.core.screening import ScreenReason
from siaga112.words import Language, Tongue, say

_LABELS: Final[dict[type[StrEnum], dict[str, str]]] = {
    Outcome: {
        Outcome.BLOCKED: say("blocked"),
        Outcome.ANSWERED: say("answered"),
        Outcome.UNKNOWN: say("unknown"),
        Outcome.UNSERVED: say("unserved"),
        Outcome.ABANDONED: say("abandoned"),
        Outcome.IVR_PRANK: say("IVR-prank"),
    },
    Reason: {
        Reason.REJECTED: say("rejected"),
        Reason.OPERATOR: say("by an operator"),
        Reason.EVENTS_LOST: say("events were lost"),
        Reason.SEEN_IN_PART: say("seen in part"),
        Reason.NO_EVIDENCE: say("no evidence"),
        Reason.QUEUE_TIMEOUT: say("waited too long in the queue"),
        Reason.QUEUE_FULL: say("the queue was full"),
        Reason.QUEUE_EMPTY: say("nobody was on duty"),
        Reason.QUEUE_UNAVAILABLE: say("nobody could take the call"),
        Reason.QUEUE_WITHDRAWN: say("taken out of the queue"),
        Reason.NO_ANSWER: say("no operator answered"),
        Reason.OPERATORS_BUSY: say("all operators were busy"),
        Reason.CONGESTION: say("the lines were congested"),
        Reason.LEFT_QUEUE: say("left while waiting"),
        Reason.LEFT_RINGING: say("left while it rang"),
        Reason.DROPPED_EARLY: say("dropped at once"),
        Reason.BEFORE_MENU: say("left before the menu"),
        Reason.BEFORE_QUEUE: say("left before the queue"),
        Reason.LEFT_CHOOSING: say("left while choosing"),
        Reason.AFTER_CHOICE: say("left after a choice"),
        Reason.LEFT_MENU: say("left the menu"),
        Reason.INVALID_CHOICE: say("wrong keys in the menu"),
        Reason.NO_CHOICE: say("no key in the menu"),
    },
    FactKind: {
        FactKind.ARRIVED: say("arrived"),
        FactKind.ADOPTED: say("was there before us"),
        FactKind.GAP: say("events were lost"),
        FactKind.CLOCK_OFF: say("the clocks disagreed"),
        FactKind.SCREENED: say("screened"),
        FactKind.REJECTED: say("turned away"),
        FactKind.MENU: say("in the menu"),
        FactKind.INVALID_CHOICE: say("a wrong key"),
        FactKind.NO_CHOICE: say("no key"),
        FactKind.KEYED: say("pressed a key"),
        FactKind.QUEUED: say("in the queue"),
        FactKind.RINGING: say("rang at an operator"),
        FactKind.CONNECTED: say("an operator answered"),
        FactKind.PARTED: say("the operator was gone"),
        FactKind.HANDED_OVER: say("handed over"),
        FactKind.GAVE_UP: say("the PBX gave up"),
        FactKind.LEFT_MENU: say("left the menu"),
        FactKind.LEFT_CHOICE: say("left after a choice"),
        FactKind.SERVED: say("served without an operator"),
        FactKind.LEFT_BEFORE_QUEUE: say("left before the queue"),
        FactKind.LEFT_QUEUE: say("left while waiting"),
        FactKind.LEFT_RINGING: say("left while it rang"),
        FactKind.LEFT_ARRIVAL: say("left before the menu"),
        FactKind.LEFT: say("left"),
        FactKind.MENU_HUNG_UP: say("the menu hung up"),
        FactKind.MARKED: say("marked"),
        FactKind.ENDED: say("ended"),
    },
    Mark: {
        Mark.GENUINE: say("genuine"),
        Mark.INFORMATION: say("information"),
        Mark.SILENT: say("silent"),
        Mark.PRANK: say("prank"),
    },
    HandedOver: {
        HandedOver.BLIND: say("without asking first"),
        HandedOver.ATTENDED: say("after asking"),
        HandedOver.TOLD: say("by radio or telephone"),
    },
    Verdict: {
        Verdict.ALLOW: say("let through"),
        Verdict.BLOCK: say("turned away"),
    },
    ScreenReason: {
        ScreenReason.BLOCKED: say("the number is blocked"),
        ScreenReason.LET_THROUGH: say("blocked, but let through"),
        ScreenReason.WOULD_BLOCK: say("blocked, in mode observe"),
        ScreenReason.NOT_BLOCKED: say("not blocked"),
        ScreenReason.ALLOW_LISTED: say("on the allow list"),
        ScreenReason.WITHHELD: say("the number is withheld"),
        ScreenReason.MODE_OFF: say("the mode was off"),
        ScreenReason.STARTING: say("the daemon was starting"),
        ScreenReason.DEADLINE: say("the answer came too late"),
        ScreenReason.STORE_DOWN: say("the store was away"),
        ScreenReason.STORE_ERROR: say("the store reported an error"),
        ScreenReason.INTERNAL_ERROR: say("a mistake of ours"),
        ScreenReason.BAD_REQUEST: say("the question was not understood"),
        ScreenReason.STOPPING: say("the daemon was stopping"),
    },
    Level: {
        Level.TEMPORARY: say("temporary"),
        Level.PERMANENT: say("permanent"),
    },
    Origin: {
        Origin.AUTOMATIC: say("automatic"),
        Origin.MANUAL: say("manual"),
        Origin.IMPORT: say("imported"),
    },
    Spared: {
        Spared.MODE_OFF: say("the mode was off"),
        Spared.STARTING: say("the daemon had begun anew, and did not know yet whether the mode was off"),
        Spared.SURGE: say("a surge: callers waited too long, or no operator was logged in"),
        Spared.ALLOW_LISTED: say("the caller was on the allow list"),
        Spared.OVERLAP: say("another call of the number, which has cost one, was up at the same moment"),
        Spared.CLOCK: say("the PBX's clock and our own were too far apart"),
    },
    ProposalCause: {
        ProposalCause.POLICY: say("the policy leaves it to a supervisor"),
        ProposalCause.HOURLY_CAP: say("the hour's automatic blocks are used up"),
        ProposalCause.PROTECTED: say("the caller lately reported something genuine"),
        ProposalCause.REVIEW: say("a permanent block comes up for review"),
    },
    Mode: {
        Mode.OBSERVE: say("observe"),
        Mode.ENFORCE: say("enforce"),
        Mode.OFF: say("off"),
    },
    Stage: {
        Stage.SCREENING: say("arriving"),
        Stage.IVR: say("menu"),
        Stage.QUEUE: say("waiting"),
        Stage.TALKING: say("talking"),
    },
    OperatorState: {
        OperatorState.AVAILABLE: say("available"),
        OperatorState.BUSY: say("busy"),
        OperatorState.PAUSED: say("paused"),
    },
    Role: {
        Role.VIEWER: say("viewer"),
        Role.OPERATOR: say("operator"),
        Role.SUPERVISOR: say("supervisor"),
        Role.PRIVACY: say("privacy"),
        Role.ADMIN: say("admin"),
    },
}
"""By kind: words of two kinds may be spelled alike."""


def of(word: StrEnum, t: Tongue) -> str:
    """Say what people call it."""
    return t(_LABELS[type(word)][word])


def word(found: StrEnum, t: Tongue) -> str:
    """Give the word that scripts and the manual have, in English; in other languages what people call it."""
    return found.value if t.language is Language.EN else of(found, t)


_MORE: Final = r"(?:; (?P<more>.*))?"
_RULE: Final = rf"\((?P<rule>[^)]*)\){_MORE}"
_COUNT, _LIMIT = r"(?P<count>[0-9]+) misuses", r"more than (?P<limit>[0-9]+)"
_BECAUSE: Final = (
    (
        re.compile(rf"misused again after block (?P<nth>[0-9]+) {_RULE}", re.DOTALL),
        say("misused again after block {nth} ({rule})"),
    ),
    (
        re.compile(rf"{_COUNT}, {_LIMIT} {_RULE}", re.DOTALL),
        say("{count} misuses, more than {limit} ({rule})"),
    ),
    (
        re.compile(rf"{_COUNT}, weighing (?P<weight>[0-9.]+), {_LIMIT} {_RULE}", re.DOTALL),
        say("{count} misuses, weighing {weight}, more than {limit} ({rule})"),
    ),
)
"""What the policy writes as a reason (`core.policy`), and what a person added (`more`).

It is kept so, and translated here.
"""

_AGAIN: Final = (
    (
        re.compile(rf"in force for (?P<span>\S+): no call since{_MORE}", re.DOTALL),
        say("in force for {span}: no call since"),
    ),
    (
        re.compile(
            r"in force for (?P<span>\S+): turned away (?P<count>[0-9]+) times since, "
            rf"last (?P<days>[0-9]+) days ago{_MORE}",
            re.DOTALL,
        ),
        say("in force for {span}: turned away {count} times since, last {days} days ago"),
    ),
)
"""What a review writes, likewise (`core.review`)."""


def policys(found: str) -> dict[str, str]:
    """Take apart what the policy wrote: its values, by name; nothing of what a person wrote."""
    for written, _ in _BECAUSE:
        if match := written.fullmatch(found):
            return {name: value or "" for name, value in match.groupdict().items()}
    return {}


def because(found: str, t: Tongue) -> str:
    """Say why somebody is blocked: what the policy writes is translated, what a person wrote stays."""
    for written, text in (*_BECAUSE, *_AGAIN):
        if match := written.fullmatch(found):
            more = f"; {match['more']}" if match["more"] else ""
            return t(text, **match.groupdict()) + more
    return found


_LIFTED: Final = (
    (re.compile(r"shortened: (?P<reason>.*)", re.DOTALL), say("shortened: {reason}")),
    (re.compile(r"call (?P<call>\S+) was marked (?P<mark>[a-z]+)"), say("call {call} was marked {mark}")),
    (
        re.compile(r"no call for (?P<span>\S+): the number may have a new owner"),
        say("no call for {span}: the number may have a new owner"),
    ),
)
"""What we write as the reason for which a block ended (`core.decisions`, `service.supervisor`)."""


def lifted(found: str, t: Tongue) -> str:
    """Say why a block was ended: what we write is translated, what a person wrote stays."""
    for written, text in _LIFTED:
        if match := written.fullmatch(found):
            values = match.groupdict()
            if "mark" in values:
                values["mark"] = reason(values["mark"], t)
            return t(text, **values)
    return found


_ACTIONS: Final = {
    "mark": say("marked"),
    "mode": say("switched the mode"),
    "allow": say("put on the allow list"),
    "disallow": say("took off the allow list"),
    "block": say("blocked the caller"),
    "unblock": say("lifted the block"),
    "confirm": say("confirmed the block"),
    "dismiss": say("dismissed the block"),
    "appeal": say("noted an objection"),
    "reject": say("rejected the objection"),
    "void": say("took back a strike"),
    "called back": say("called back"),
    "tried to call back": say("tried to call back"),
    "calls back": say("took the call-back"),
    "forget": say("erased"),
    "subject": say("read what is held"),
    "look": say("looked"),
    "login": say("logged in"),
    "language": say("changed the language"),
    "restore": say("restored the records"),
    "import": say("imported a list"),
    "token added": say("added a token"),
    "token revoked": say("revoked a token"),
    "user added": say("added a user"),
    "user changed": say("changed a user"),
    "shift note": say("wrote a hand-over note"),
    "takes over the shift": say("took over the shift"),
}
"""What people did, as the audit trail names it; what is not among them stays as it is."""


def action(found: str, t: Tongue) -> str:
    """Say what somebody did."""
    return t(_ACTIONS[found]) if found in _ACTIONS else found


_SURGE: Final = (
    (re.compile(r"a caller waited over (?P<span>.+)"), say("a caller waited over {span}")),
    (
        re.compile(r"(?P<count>[0-9]+) callers waited over (?P<span>.+)"),
        say("{count} callers waited over {span}"),
    ),
    (re.compile("no operator logged in"), say("no operator logged in")),
)
"""What a daemon says why there is a surge (`core.tracking.queue_state`)."""


def surge(found: str, t: Tongue) -> str:
    """Say why there is a surge."""
    for written, text in _SURGE:
        if match := written.fullmatch(found):
            return t(text, **match.groupdict())
    return found


def reason(found: str, t: Tongue, say_it: Callable[[StrEnum, Tongue], str] = of) -> str:
    """Say a call's reason, or the mark that stands for one; `say_it`: `word`, for the word of scripts."""
    for kind in (Reason, Mark):
        if found in list(kind):
            return say_it(kind(found), t)
    return found
