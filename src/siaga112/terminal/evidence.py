"""The evidence sheet: one page of A4 for a citizen who asks why a number is blocked.

This module writes its sentences in the language of the sheet; `templates/evidence.html.j2` lays them out, for
the console, a file and a PDF alike. It is always one page: what does not fit is counted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import siaga112
from siaga112.core import durations
from siaga112.core.model import (
    DAY,
    HOUR,
    SECOND,
    Caller,
    CallId,
    Mark,
    Millis,
    Origin,
    Reason,
    Treatment,
    Verdict,
)
from siaga112.core.policy import count
from siaga112.core.record import Block
from siaga112.core.regulation import OWN_RULE, PRESETS
from siaga112.core.screening import ScreenReason
from siaga112.core.text import one_line
from siaga112.terminal import labels
from siaga112.terminal.story import Story
from siaga112.words import DAYS, MONTHS, Language, Tongue, clock, say, tongue

CALLS_SHOWN: Final = 11
"""As many as the second step of `serang-2019` needs. Each other block takes the space of three calls."""

BLOCKS_SHOWN: Final = 2
LONGEST: Final = {"reason": 120, "by": 40, "call": 40}
"""The characters printed of what somebody wrote; the record has the rest."""

TEMPLATES: Final = Path(__file__).parent / "templates"
PAPER: Final = Path(__file__).parent / "paper"
"""The style sheet, in a folder of its own, which the console serves."""


class Form(StrEnum):
    """The format of the sheet."""

    HTML = "html"
    PDF = "pdf"


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who issues it ([citizen] office and contact, the site), and the default language."""

    site: str
    office: str
    contact: str
    lang: Language


class CallLine(NamedTuple):
    """A call on the sheet: when it began, how it ended, its number in the records."""

    began: str
    ended: str
    call: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """The sentences of the sheet, in its language. The first sentence of `decided` is the answer."""

    t: Tongue
    letterhead: Letterhead
    caller: Caller
    issued: str
    by: str
    decided: Sequence[str]
    rule: Sequence[str]
    heading: str
    calls: Sequence[CallLine]
    more: Sequence[str]
    earlier: Sequence[str]
    known: Sequence[str]
    objecting: Sequence[str]

    @property
    def version(self) -> str:
        """The version of siaga112."""
        return siaga112.__version__


def sheet(story: Story, letterhead: Letterhead, by: str, zone: ZoneInfo, lang: Language | None) -> Sheet:
    """Return the sheet of a caller's story, issued by `by`."""
    t = tongue(lang or letterhead.lang)
    write = _Writer(story, zone, t)
    block = story.held.record.block_at(story.now)
    named = block.calls if block and block.calls else write.counting()
    found, others = write.found(named), write.others(block)
    shown = CALLS_SHOWN - 3 * len(others[:BLOCKS_SHOWN])
    return Sheet(
        t=t,
        letterhead=letterhead,
        caller=story.held.record.caller,
        issued=write.moment(story.now),
        by=_clipped(by, "by"),
        decided=[*write.decided(block)],
        rule=[*(write.grounds(block) if block else write.rule_in_force())],
        heading=write.heading(block, len(named)),
        calls=[write.call(one) for one in found[:shown]],
        more=[*write.more(len(found), len(named), shown)],
        earlier=[*write.earlier(others)],
        known=[*write.known(found, block)],
        objecting=[*write.objected(), *write.objecting(letterhead)],
    )


def page(written: Sheet) -> str:
    """Return the sheet as one self-contained HTML file."""
    style = (PAPER / "evidence.css").read_text(encoding="utf-8")
    return str(_templates().get_template("evidence_page.html.j2").render(sheet=written, style=style))


@cache
def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - few commands need it

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _clipped(text: str, kind: str) -> str:
    line, most = one_line(text), LONGEST[kind]
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"


# ── what is decided, and by which rule ───────────────────────────────────────────────────────────

_TREATED: Final = {
    Treatment.REJECT: say("Calls from this number to 112 are not connected."),
    Treatment.ANNOUNCE: say("A caller from this number hears that it is blocked, and is not connected."),
    Treatment.CHALLENGE: say(
        "A caller from this number must press a digit that is read out, and is served after all others."
    ),
    Treatment.DEPRIORITISE: say("Calls from this number to 112 are served after all others."),
}
_LET_THROUGH: Final = {
    ScreenReason.ALLOW_LISTED: say(
        "The number is on the allow list, which comes before the block: its calls are connected."
    ),
    ScreenReason.WOULD_BLOCK: say("At present no call is rejected: calls from this number are connected."),
    ScreenReason.MODE_OFF: say("At present no call is rejected: calls from this number are connected."),
}
_BASIS: Final = {
    "permenkominfo-2016": say(
        "Rule: Regulation of the Minister of Communication and Informatics 10/2016, as the office applies it."
    ),
    "serang-2019": say(
        "Rule: Regulation of the Minister of Communication and Informatics 10/2016, as the office in Serang "
        "has applied it since 2019."
    ),
    "uu-27-2022": say(
        "Rule: Regulation of the Minister of Communication and Informatics 10/2016, "
        "with the rights of Law 27/2022."
    ),
    OWN_RULE: say("Rule: the office's own."),
}
"""The legal basis of each rule (`PolicyRules.title`), for a citizen."""

# ── how a call ended ─────────────────────────────────────────────────────────────────────────────

ENDED: Final[dict[str, str]] = {
    Reason.LEFT_MENU: say("the caller hung up in the voice menu, without a choice"),
    Reason.INVALID_CHOICE: say("ended in the voice menu after wrong keys"),
    Reason.NO_CHOICE: say("ended in the voice menu without a key"),
    Reason.LEFT_QUEUE: say("the caller hung up while waiting for an operator"),
    Reason.LEFT_RINGING: say("the caller hung up while an operator was rung"),
    Reason.BEFORE_QUEUE: say("the caller hung up before the queue"),
    Reason.DROPPED_EARLY: say("the caller hung up at once"),
    Reason.BEFORE_MENU: say("the caller hung up before the voice menu"),
    Mark.PRANK: say("an operator answered, and marked the call as a prank"),
    Mark.SILENT: say("an operator answered, and nobody spoke"),
}
"""For everything that a rule can count (`regulation.COUNTABLE`), by reason or mark."""


class _Found(NamedTuple):
    """A call of which more is stored than its id."""

    at: Millis
    call: CallId
    why: str
    attested: bool


class _Writer:
    """Writes the sentences of one story."""

    def __init__(self, story: Story, zone: ZoneInfo, t: Tongue) -> None:
        self.story = story
        self.record = story.held.record
        self.zone = zone
        self.t = t

    # times

    def _local(self, at: Millis) -> datetime:
        return datetime.fromtimestamp(at / SECOND, UTC).astimezone(self.zone)

    def moment(self, at: Millis) -> str:
        """Return an instant with its weekday."""
        local, lang = self._local(at), self.t.language
        date = f"{DAYS[lang][local.weekday()]}, {local.day} {MONTHS[lang][local.month - 1]} {local.year}"
        said = say("{date} at {clock} {zone}")
        return self.t(said, date=date, clock=clock(local, self.t.language), zone=_zone(local))

    def _short(self, at: Millis) -> str:
        local = self._local(at)
        month = MONTHS[self.t.language][local.month - 1][:3]
        return f"{local.day} {month} {local.year} {clock(local, self.t.language)}"

    def _listed(self, at: Millis) -> str:
        local = self._local(at)
        return f"{DAYS[self.t.language][local.weekday()][:3]}, {self._short(at)} {_zone(local)}"

    def _span(self, span: Millis) -> str:
        if span % DAY == 0:
            return self.t.many("{count} day", "{count} days", span // DAY)
        if span % HOUR == 0:
            return self.t.many("{count} hour", "{count} hours", span // HOUR)
        return durations.spell(span)

    # the decision

    def decided(self, block: Block | None) -> Iterator[str]:
        """Yield whether the number is blocked, since and until when, and what that means for a call."""
        t = self.t
        if block is None and any(map(self._suspended, self.record.blocks)):
            yield t("The block on this number is suspended until the objection to it is decided.")
        elif block is None:
            yield t("This number is not blocked.")
        elif block.until is None:
            yield t("This number is blocked permanently.")
        else:
            yield t("This number is blocked until {until}.", until=self.moment(block.until))
        if block:
            yield t("The block began on {since}.", since=self.moment(block.since))
            said = self._treated()
            yield from [t(said)] if said else []
        if proposal := self.record.proposed:
            if proposal.span is None:
                yield t("A permanent block is proposed; a supervisor decides on it.")
            else:
                span = self._span(proposal.span)
                yield t("A block of {span} is proposed; a supervisor decides on it.", span=span)

    def _suspended(self, block: Block) -> bool:
        return block.holds_at(self.story.now) and self.record.suspended(block)

    def _treated(self) -> str:
        found = self.story.verdict
        if found.verdict is Verdict.BLOCK:
            return _TREATED[found.treatment] if found.treatment else ""
        return _LET_THROUGH.get(found.reason, "")

    # the rule

    def grounds(self, block: Block) -> Iterator[str]:
        """Yield the rule, or the person and the reason, of a block."""
        t, said = self.t, labels.policys(block.reason)
        if said:
            yield from self._fired(said)
        if block.origin is Origin.AUTOMATIC:
            yield t("The system imposed the block by itself, by this rule.")
            return
        reason = said["more"].removeprefix("confirmed: ") if said else labels.because(block.reason, t)
        by, reason = _clipped(block.by, "by"), _clipped(reason, "reason")
        confirmed = say("A supervisor confirmed the block: {by}. Reason given: {reason}")
        imposed = say("A supervisor imposed the block: {by}. Reason given: {reason}")
        yield t(confirmed if said else imposed, by=by, reason=reason)

    def _fired(self, said: dict[str, str]) -> Iterator[str]:
        t, rule = self.t, said["rule"]
        if nth := said.get("nth"):
            yield t("After block number {nth} had ended, calls from this number were misuse again.", nth=nth)
        else:
            limit, count, window = said["limit"], int(said["count"]), _window(rule)
            within = t(" within {window}", window=self._span(window)) if window else ""
            yield t.many(
                "{count} call from this number counted as misuse{within}; over {limit} lead to a block.",
                "{count} calls from this number counted as misuse{within}; over {limit} lead to a block.",
                count,
                within=within,
                limit=limit,
            )
            if weight := said.get("weight"):
                yield t("Not every call counts in full: together they weigh {weight}.", weight=weight)
        yield from self._basis(rule)

    def _basis(self, title: str) -> Iterator[str]:
        name = title.partition(":")[0]
        yield from [self.t(_BASIS[name])] if name in _BASIS else []

    def rule_in_force(self) -> Iterator[str]:
        """Yield what would lead to a block."""
        rules = self.story.rules
        yield self.t(
            "More than {limit} calls that count as misuse within {window} lead to a block.",
            limit=rules.thresholds[0],
            window=self._span(rules.window),
        )
        yield from self._basis(rules.title)

    # objections

    def objected(self) -> Iterator[str]:
        """Yield the state of the last objection."""
        t, last = self.t, self.record.appeals[-1] if self.record.appeals else None
        if last is None:
            return
        made = self.moment(last.at)
        if last.decided is None:
            said = say("An objection was made on {made}. An answer is owed until {due}.")
            yield t(said, made=made, due=self.moment(last.due))
            return
        granted = say("The objection of {made} was granted on {at}. Reason given: {reason}")
        rejected = say("The objection of {made} was rejected on {at}. Reason given: {reason}")
        reason = _clipped(labels.because(last.decided.reason, t), "reason")
        yield t(
            granted if last.granted else rejected, made=made, at=self.moment(last.decided.at), reason=reason
        )

    def objecting(self, letterhead: Letterhead) -> Iterator[str]:
        """Yield how to object."""
        t, within = self.t, self.story.rules.appeal_within
        yield t(
            "You can object to the block, and to anything on this sheet, here: {contact}.",
            contact=letterhead.contact.rstrip(". ") or t("the office that issued it"),
        )
        if within % DAY:
            said = say("A person decides, not the system, and the office answers within {span} (UU 27/2022).")
            yield t(said, span=self._span(within))
        else:
            said = say(
                "A person decides, not the system, and the office answers "
                "within {days} times 24 hours (UU 27/2022)."
            )
            yield t(said, days=within // DAY)
        yield t(
            "In an emergency call 112 from another telephone, or 110 (police), 113 (fire), 119 (ambulance)."
        )

    # the calls

    def counting(self) -> tuple[CallId, ...]:
        """Return the calls that count as misuse now."""
        return tuple(one.call for one in count(self.record, self.story.now, self.story.rules).strikes)

    def found(self, named: Sequence[CallId]) -> list[_Found]:
        """Return the calls of which more than the id is stored, the newest first."""
        strikes = {one.call: one for one in self.record.strikes}
        entries = {one.finding.call.id: one.finding for one in self.story.held.entries}
        found = []
        for call in named:
            if strike := strikes.get(call):
                at = strike.at if strike.begun is None else strike.begun
                found.append(_Found(at, call, strike.reason, strike.attested))
            elif finding := entries.get(call):
                why = finding.mark or finding.reason
                found.append(_Found(finding.call.started, call, why, finding.call.attested))
        return sorted(found, reverse=True)

    def heading(self, block: Block | None, count: int) -> str:
        """Return the heading of the calls."""
        if block and block.calls:
            return self.t.many(
                "The call that the block rests on", "The {count} calls that the block rests on", count
            )
        return self.t("Calls that count as misuse now: {count}", count=count)

    def call(self, found: _Found) -> CallLine:
        """Return the line of a call."""
        ended = self.t(ENDED[found.why]) if found.why in ENDED else labels.reason(found.why, self.t)
        return CallLine(self._listed(found.at), ended, _clipped(found.call, "call"))

    def more(self, found: int, named: int, shown: int) -> Iterator[str]:
        """Yield the counts of calls not shown: those on record, and those of which only the id is kept."""
        many = self.t.many
        if found > shown:
            yield many(
                "and {count} more, in the office's records",
                "and {count} more, in the office's records",
                found - shown,
            )
        if named > found:
            yield many(
                "and {count} more, of which only the number is kept",
                "and {count} more, of which only the numbers are kept",
                named - found,
            )

    # earlier blocks, and how the number was known

    def others(self, block: Block | None) -> list[Block]:
        """Return the other blocks, the newest first."""
        return [one for one in self.record.blocks[::-1] if one is not block]

    def earlier(self, others: Sequence[Block]) -> Iterator[str]:
        """Yield the other blocks, and who lifted them."""
        yield from map(self._earlier, others[:BLOCKS_SHOWN])
        more = len(others[BLOCKS_SHOWN:]) + self.record.dropped.blocks
        if more:
            yield self.t.many(
                "and {count} more, in the office's records",
                "and {count} more, in the office's records",
                more,
            )

    def _earlier(self, block: Block) -> str:
        t = self.t
        if block.until is None:
            span = t("From {since}, permanent", since=self._short(block.since))
        else:
            said = say("From {since} until {until}")
            span = t(said, since=self._short(block.since), until=self._short(block.until))
        return f"{span}: {self._end(block)}"

    def _end(self, block: Block) -> str:
        t, lifted = self.t, block.lifted
        if lifted is None and block.over_at(self.story.now):
            return t("it ended by itself")
        if lifted is None and self.record.suspended(block):
            return t("suspended until the objection to it is decided")
        if lifted is None:
            return t("it holds beside this one")
        by, reason = _clipped(lifted.by, "by"), _clipped(labels.because(lifted.reason, t), "reason")
        mistaken = say("lifted on {at} by {by}, as a mistake: {reason}")
        said = mistaken if lifted.mistake else say("lifted on {at} by {by}: {reason}")
        return t(said, at=self._short(lifted.at), by=by, reason=reason)

    def known(self, found: Sequence[_Found], block: Block | None) -> Iterator[str]:
        """Yield how reliable the number is."""
        t, vouched = self.t, sum(one.attested for one in found)
        forged = t("A number can be forged, and a telephone used by others: if it was not you, object.")
        if not found and block:  # the calls of an old block are gone, but it rested on some
            yield forged if block.calls else t("A supervisor entered the number; no call is counted.")
        if not found:
            return
        yield t(
            "The network delivered this number with each of the calls, and the exchange "
            "of the centre identified it."
        )
        if vouched == len(found):
            yield t("The telephone company vouches for the number (attested).")
        elif vouched:
            said = say(
                "For {vouched} of {count} calls the telephone company vouches for the number (attested)."
            )
            yield t(said, vouched=vouched, count=len(found))
        else:
            yield t("No telephone company vouches for the number (not attested).")
        if vouched < len(found):
            yield forged


def _zone(local: datetime) -> str:
    """Return the name of the zone: WIB, UTC+03."""
    name = local.tzname() or ""
    return f"UTC{name}" if name.startswith(("+", "-")) else name


def _window(title: str) -> Millis | None:
    """Return the window of a rule, from the title stored with a block."""
    if title in PRESETS:
        return PRESETS[title].window
    _, found, rest = title.partition("; window ")
    try:
        return durations.parse(rest.partition(";")[0]) if found else None
    except ValueError:
        return None
