"""Labels for the program's words, in English and translated."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from siaga112.core import durations
from siaga112.core.access import Permission, Role
from siaga112.core.changes import OPERATOR
from siaga112.core.holdings import Ends, Kind, Numbers
from siaga112.core.mode import SITE
from siaga112.core.model import (
    SECOND,
    Discounted,
    FactKind,
    HandedOver,
    Level,
    Mark,
    Millis,
    Mode,
    OperatorState,
    Origin,
    Outcome,
    ProposalCause,
    Reason,
    Spared,
    Stage,
    Treatment,
    Verdict,
    Via,
)
from siaga112.core.regulation import OWN_RULE
from siaga112.core.screening import ScreenReason
from siaga112.core.text import digits
from siaga112.words import Language, Tongue, many, say

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
        FactKind.REJECTED: say("rejected"),
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
        FactKind.BESIDE: say("another call of the number was up"),
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
        Verdict.BLOCK: say("rejected"),
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
        ScreenReason.INTERNAL_ERROR: say("a fault in siaga112"),
        ScreenReason.BAD_REQUEST: say("the question was not understood"),
        ScreenReason.STOPPING: say("the daemon was stopping"),
    },
    Treatment: {
        Treatment.REJECT: say("the caller hears a tone, and the call ends"),
        Treatment.ANNOUNCE: say("the caller is told of the block, and the call ends"),
        Treatment.CHALLENGE: say("the caller must press a digit to get through, and then waits longest"),
        Treatment.DEPRIORITISE: say("the caller is served, after everybody else"),
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
        Spared.STARTING: say("the daemon had just started, and did not know yet whether the mode was off"),
        Spared.SURGE: say("a surge: callers waited too long, or no operator was logged in"),
        Spared.ALLOW_LISTED: say("the caller was on the allow list"),
        Spared.OVERLAP: say("another call of the number was up at the same moment"),
        Spared.CLOCK: say("the PBX's clock and our own were too far apart"),
    },
    Discounted: {
        Discounted.OVERLAP: say("call {call} of the number was up at the same moment"),
        Discounted.SEVERAL_TRUNKS: say("call {call} of the number came over {trunk} within {burst} of it"),
        Discounted.OLD: say("older than {window}"),
        Discounted.FORGIVEN: say("forgiven since"),
        Discounted.AHEAD: say("its time is still to come"),
        Discounted.BURST: say("within {own_burst} of one that counts"),
        Discounted.NOT_A_MISUSE: say("the policy does not count it"),
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
    Via: {
        Via.CLI: say("command"),
        Via.CONSOLE: say("console"),
        Via.API: say("program"),
        Via.PHONE: say("telephone"),
        Via.DAEMON: say("by itself"),
    },
    Permission: {
        Permission.WALL: say("the wall"),
        Permission.SHIFT: say("calls of the shift"),
        Permission.MARK: say("marks"),
        Permission.CALLBACK: say("call-backs"),
        Permission.CALLS: say("all calls and lists"),
        Permission.APPEAL: say("noting objections"),
        Permission.DECIDE: say("decisions"),
        Permission.MODE: say("the mode"),
        Permission.REPORT: say("reports"),
        Permission.RECORDING: say("recordings"),
        Permission.EXPORT: say("export"),
        Permission.AUDIT: say("the audit trail"),
        Permission.SUBJECT: say("a person's data"),
        Permission.FORGET: say("to erase"),
        Permission.PEOPLE: say("users and tokens"),
        Permission.SETTINGS: say("settings"),
        Permission.HOLD: say("keeping evidence"),
    },
    Kind: {
        Kind.CALLS: say("calls"),
        Kind.HANDOVERS: say("hand-overs of calls"),
        Kind.MARKS: say("operators' marks"),
        Kind.CALLERS: say("callers' records"),
        Kind.STRIKES: say("strikes"),
        Kind.WITHDRAWN: say("strikes that were taken back"),
        Kind.BLOCKS: say("blocks"),
        Kind.PROPOSALS: say("proposed blocks"),
        Kind.APPEALS: say("objections"),
        Kind.REPORTS: say("genuine reports"),
        Kind.CALLBACKS: say("calls that wait for a call-back"),
        Kind.ALLOWED: say("places on the allow list"),
        Kind.HOLDS: say("callers kept as evidence"),
        Kind.AUDIT: say("lines of the audit trail"),
        Kind.EVENTS: say("events for programs"),
        Kind.PARKED: say("events that a webhook would not take"),
        Kind.FORGOTTEN: say("marks of who was erased"),
        Kind.PEOPLE: say("users of the console"),
        Kind.TOKENS: say("tokens of programs"),
        Kind.SESSIONS: say("sessions at the console"),
        Kind.UNPUBLISHED: say("changes that Redis does not have yet"),
        Kind.STANDINGS: say("standings in Redis"),
        Kind.SNAPSHOT: say("snapshot of what goes on"),
        Kind.IN_PROGRESS: say("calls in progress, on disk"),
        Kind.OUTBOX: say("ended calls on their way to the database"),
        Kind.ASIDE: say("ended calls that could not be recorded"),
        Kind.FILES: say("files set aside"),
    },
    Ends: {
        Ends.AGE: say("by its age"),
        Ends.CALL: say("with its call"),
        Ends.RECORD: say("with the caller's record"),
        Ends.DECISION: say("when somebody decides so"),
        Ends.DELIVERY: say("when it has arrived"),
        Ends.LOOK: say("when somebody has looked"),
    },
    Numbers: {
        Numbers.FULL: say("in full"),
        Numbers.HASHED: say("hashed"),
        Numbers.NONE: say("no number"),
    },
    Role: {
        Role.VIEWER: say("viewer"),
        Role.OPERATOR: say("operator"),
        Role.SUPERVISOR: say("supervisor"),
        Role.PRIVACY: say("privacy"),
        Role.ADMIN: say("admin"),
    },
}
"""By type: two types may have the same word."""


def of(word: StrEnum, t: Tongue, **values: object) -> str:
    """Return the label of a word; `values` fill in what the label leaves open."""
    return t(_LABELS[type(word)][word], **values)


def word(found: StrEnum, t: Tongue) -> str:
    """Return the word that scripts and the manual use, in English; in other languages its label."""
    return found.value if t.language is Language.EN else of(found, t)


_UNITS: Final = {
    "ms": many("{count} millisecond", "{count} milliseconds"),
    "s": many("{count} second", "{count} seconds"),
    "m": many("{count} minute", "{count} minutes"),
    "h": many("{count} hour", "{count} hours"),
    "d": many("{count} day", "{count} days"),
    "w": many("{count} week", "{count} weeks"),
}


def span(spelled: str, t: Tongue) -> str:
    """Return a span in words, from the configuration's notation: `30d` is 30 days."""
    found = re.fullmatch(f"([0-9]+)({'|'.join(_UNITS)})", spelled)
    return t.many(*_UNITS[found[2]], int(found[1])) if found else spelled


def lasting(time: Millis, t: Tongue) -> str:
    """Return a duration in words, in the largest unit that divides it."""
    return span(durations.spell(time), t)


def age(time: Millis, t: Tongue) -> str:
    """Return a duration as `0:07`, `12:30` or `1:02:03`, and from two days on as `3 days`."""
    seconds = max(0, time) // SECOND
    minutes, hours = seconds // 60, seconds // 3_600
    if hours >= 48:  # noqa: PLR2004 - two days
        return t.many("{count} day", "{count} days", hours // 24)
    return f"{hours}:{minutes % 60:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


_Kept = tuple[re.Pattern[str], str]


def _kept(*texts: str) -> tuple[_Kept, ...]:
    """Return patterns that recognise stored texts, and the values in them."""
    found = []
    for text in texts:
        parts = re.split(r"\\{(\w+)\\}", re.escape(text))
        pattern = "".join(f"(?P<{part}>.+?)" if nth % 2 else part for nth, part in enumerate(parts))
        found.append((re.compile(pattern, re.DOTALL), text))
    return tuple(found)


def _again(found: str, among: tuple[_Kept, ...], t: Tongue, told: Callable[[str, str], str]) -> str | None:
    """Translate a text stored in English; `told` translates a value by its name. None if it is unknown."""
    for pattern, text in among:
        if match := pattern.fullmatch(found):
            return t(text, **{name: told(name, value) for name, value in match.groupdict().items()})
    return None


_RULE: Final = {
    "threshold": say("more than {value}"),
    "window": say("within {value}"),
    "temporary": say("temporary {value}"),
    "permanent": say("permanent {value}"),
    "counted": say("counted {value}"),
    "repeat": say("again after {value}"),
    "memory": say("memory {value}"),
    "burst": say("burst {value}"),
    "unattested": say("not vouched for {value}"),
}
"""The values of a centre's own rule, as `PolicyRules.title` writes them into a block."""

_OF_A_RULE: Final = {
    "automatic": say("automatic"),
    "proposed": say("proposed"),
    "never": say("never"),
    "none": say("none"),
    "nothing": say("nothing"),
}


def rule(title: str, t: Tongue) -> str:
    """Return the name of a rule: a preset's own, or the values of a centre's rule."""
    own, colon, values = title.partition(": ")
    if own != OWN_RULE or not colon or t.language is Language.EN:
        return title
    told = []
    for one in values.split("; "):
        key, _, value = one.partition(" ")
        said = ", ".join(_value(part, t) for part in value.split(", "))
        told.append(t(_RULE[key], value=said) if key in _RULE else one)
    return t("own rule: {values}", values="; ".join(told))


def _value(found: str, t: Tongue) -> str:
    name, _, weight = found.rpartition(" ")
    if name == "over several trunks":
        return t("over several trunks {value}", value=t.signs(weight))
    for kind in (Outcome, Reason, Mark):
        if name in list(kind):
            return f"{of(kind(name), t)} {t.signs(weight)}"
    return t(_OF_A_RULE[found]) if found in _OF_A_RULE else t.signs(span(found, t))


_POLICY: Final = _kept(
    say("misused again after block {nth} ({rule})"),
    say("{count} misuses, more than {limit} ({rule})"),
    say("{count} misuses, weighing {weight}, more than {limit} ({rule})"),
)
"""The reasons of blocks that the policy writes (`core.policy`): stored in English, translated here."""

_BECAUSE: Final = (
    *_POLICY,
    *_kept(
        say("in force for {span}: no call since"),
        say("in force for {span}: rejected {count} times since, last {days} days ago"),
        say("no call for {span}: the number may have a new owner"),
        say("call {call} with the same number came over {trunk} at the same time as its misuses"),
        say("call {call} with the same number came at the same time as its misuses"),
        say("call {call} was marked {mark}"),
        say("shortened: {reason}"),
        say("key during the call"),
        say("dialled after the call"),
    ),
)
"""Also those of reviews (`core.review`), corrections (`core.decisions`), and an operator's telephone."""

_CONFIRMED: Final = _kept(say("confirmed: {reason}"))
_COUNTS: Final = ("count", "limit", "nth")


def policys(found: str) -> dict[str, str]:
    """Parse a reason that the policy wrote: its values by name, and what a person added (`more`).

    Return {} for a reason that a person wrote.
    """
    first, bracket, rest = found.partition(")")
    for pattern, _ in _POLICY:
        match = pattern.fullmatch(first + bracket)
        if match and all(digits(match.groupdict().get(name, "0")) for name in _COUNTS):
            return match.groupdict() | {"more": rest.removeprefix("; ")}
    return {}


def because(found: str, t: Tongue) -> str:
    """Return the reason of a block or its end; the program's texts are translated, people's words are not."""

    def told(name: str, value: str) -> str:
        if name == "mark" and value in list(Mark):
            return of(Mark(value), t)
        if name == "rule":
            return rule(value, t)
        if name == "span":
            return span(value, t)
        return t.signs(value) if name == "weight" else value

    for sign in (")", "; "):  # a rule separates its values by semicolons too
        first, cut, rest = found.partition(sign)
        said = _again(first + cut.rstrip("; "), _BECAUSE, t, told)
        if said is not None:
            parts = rest.removeprefix("; ").split("; ")
            more = [_again(one, _CONFIRMED, t, told) or one for one in parts if one]
            return "; ".join([said, *more])
    return found


def by(found: str, t: Tongue) -> str:
    """Return who did something; an operator whom the PBX did not name is called `operator`."""
    return t("operator") if found == OPERATOR else found


ACTIONS: Final = {
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
    "hold": say("kept as evidence"),
    "release": say("ended a hold"),
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
    "carry over": say("carried over what Redis had"),
    "token added": say("added a token"),
    "token revoked": say("revoked a token"),
    "user added": say("added a user"),
    "user changed": say("changed a user"),
    "shift note": say("wrote a hand-over note"),
    "takes over the shift": say("took over the shift"),
}
"""The actions in the audit trail; any other is shown unchanged."""


def action(found: str, t: Tongue) -> str:
    """Return the label of an action."""
    return t(ACTIONS[found]) if found in ACTIONS else found


_SURGE: Final = _kept(
    say("a caller waited over {span}"),
    say("{count} callers waited over {span}"),
    say("no operator logged in"),
)
"""The causes of a surge, as the daemon writes them (`core.tracking.queue_state`)."""


def surge(found: str, t: Tongue) -> str:
    """Return the cause of a surge."""
    return _again(found, _SURGE, t, lambda name, value: span(value, t) if name == "span" else value) or found


_DETAIL: Final = _kept(
    say("shortened"),
    say("a longer one stays in force"),
    say("what was proposed is settled"),
    say("what was proposed is dismissed"),
    say("a mistake"),
    say("try {count}"),
    say("{count} calls"),
    say("card"),
    say("calls"),
    say("number in full"),
    say("evidence sheet"),
    say("recording"),
    say("{count} rows"),
    say("from {address}"),
    say("password"),
    say("disabled"),
    say("enabled"),
    say("role {role}"),
    say("kind {kind}"),
    say("district {district}"),
    say("agency {agency}"),
    say("export of calls"),
    say("number of call {call}"),
    say("number of a caller"),
    say("numbers of calls"),
)
"""The details in the audit trail (`service.supervisor` and others): stored in English, translated here."""


def detail(found: str, t: Tongue) -> str:
    """Return the detail of a line of the audit trail, with labels for the program's words."""
    if t.language is Language.EN:
        return found
    return ", ".join(" → ".join(_detail(word, t) for word in part.split(" → ")) for part in found.split(", "))


def _detail(found: str, t: Tongue) -> str:
    for kind in (Mark, Mode, Level, Role):
        if found in list(kind):
            return of(kind(found), t)

    def told(name: str, value: str) -> str:
        return of(Role(value), t) if name == "role" and value in list(Role) else value

    return _again(found, _DETAIL, t, told) or found


def screened(found: str, t: Tongue) -> tuple[str, str]:
    """Return a verdict and its reason, as the dialplan got them."""
    verdict, _, why = found.partition(" ")
    if t.language is Language.EN:  # English uses the dialplan's own words
        return verdict, why
    told = of(Verdict(verdict), t) if verdict in list(Verdict) else verdict
    return told, of(ScreenReason(why), t) if why in list(ScreenReason) else why


def seen(kind: FactKind, found: str, t: Tongue) -> str | None:
    """Return the detail of a fact; None for the PBX's own words (a context, a queue)."""
    first, _, rest = found.partition(" ")
    match kind:
        case FactKind.SCREENED:
            return " ".join(screened(found, t)).strip()
        case FactKind.MARKED if first in list(Mark):
            return f"{word(Mark(first), t)} {rest}".strip()
        case FactKind.HANDED_OVER if first in list(HandedOver):
            return f"{word(HandedOver(first), t)} {rest}".strip()
        case _:
            return None


_NOT_TAKEN: Final = _kept(
    say("answered {status}"),
    say("no answer within {seconds} s"),
    say("the other side closed the connection"),
    say("its address is a private one (allow that with private = true)"),
    say("connection refused"),
    say("no such host name"),
    say("no TLS with us"),
    say("its certificate is not accepted ({why})"),
    say("no answer"),
)
"""Why a webhook failed, as its row stores it."""


def not_taken(found: str, t: Tongue) -> str:
    """Return why a webhook failed."""
    return _again(found, _NOT_TAKEN, t, lambda _, value: value) or found


_COLUMNS: Final[dict[str, tuple[type[StrEnum], ...]]] = {
    "cause": (ProposalCause,),
    "fact": (FactKind,),
    "level": (Level,),
    "mark": (Mark,),
    "mode": (Mode,),
    "origin": (Origin,),
    "outcome": (Outcome,),
    "reason": (Reason, Mark),
    "role": (Role,),
    "verdict": (Verdict,),
    "via": (Via,),
    "why": (Reason, Mark),
}
"""The program's words that each column of the lists can have."""


_TOLD: Final[dict[str, Callable[[str, Tongue], str]]] = {
    "action": action,
    "by": by,
    "detail": detail,
    "error": not_taken,
    "reason": because,
    "subject": lambda found, t: t("the site") if found == SITE else found,
}


def cell(column: str, value: object, t: Tongue) -> object:
    """Return the cell of a column; in English as in the JSON."""
    if t.language is Language.EN or not isinstance(value, str):
        return value
    for kind in _COLUMNS.get(column, ()):
        if value in list(kind):
            return of(kind(value), t)
    told = _TOLD.get(column)
    return told(value, t) if told else value


def reason(found: str, t: Tongue, say_it: Callable[[StrEnum, Tongue], str] = of) -> str:
    """Return a call's reason, or its mark in place of one; `say_it`: `word`, for the word of scripts."""
    for kind in (Reason, Mark):
        if found in list(kind):
            return say_it(kind(found), t)
    return found
