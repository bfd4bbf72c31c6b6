"""What a plan needs to know: taken from the facts where they show it, asked otherwise. Pure."""

from dataclasses import dataclass, replace
from typing import Any, Final

from siaga112.doctor.walk import Place
from siaga112.setup import ways
from siaga112.setup.facts import Facts
from siaga112.words import say

NONE: Final = "-"
"""The answer that means none."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers so far; None: not known yet."""

    site: str | None = None
    trunks: tuple[str, ...] | None = None
    """The contexts in which calls from trunks arrive."""
    numbers: tuple[str, ...] | None = None
    menus: tuple[str, ...] | None = None
    queues: tuple[str, ...] | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A question: its option on the command line, its default answer, and the alternatives found."""

    key: str
    option: str
    text: str
    likely: str
    choices: tuple[str, ...] = ()
    many: bool = True
    """Whether the answer may be a comma-separated list."""

    def answered(self, answers: Answers, text: str) -> Answers:
        """Return the answers with this one as typed; an empty text means the likely answer."""
        words = [word.strip() for word in (text.strip() or self.likely).split(",") if word.strip()]
        if not self.many:
            return replace(answers, site=",".join(words))
        named: dict[str, Any] = {self.key: () if words == [NONE] else tuple(words)}
        return replace(answers, **named)


def settled(facts: Facts, given: Answers) -> tuple[Answers, Question | None]:
    """Complete the answers from the facts; return them with the first open question, or None."""
    answers = _configured(facts, given)
    for find in (_site, _trunks, _numbers, _menus, _queues):
        answers, question = find(facts, answers)
        if question:
            return answers, question
    return answers, None


def _configured(facts: Facts, given: Answers) -> Answers:
    """Complete the answers from an existing configuration; options take precedence."""
    if facts.config is None:
        return replace(given, timezone=given.timezone or facts.machine.timezone)
    pbx = facts.config.get("pbx")
    said: dict[str, object] = pbx if isinstance(pbx, dict) else {}

    def listed(key: str) -> tuple[str, ...] | None:
        value = said.get(key)
        return tuple(map(str, value)) if isinstance(value, list) else None

    site, zone = facts.config.get("site"), facts.config.get("timezone")
    return Answers(
        site=given.site or (str(site) if site else None),
        trunks=given.trunks if given.trunks is not None else listed("trunk_contexts"),
        numbers=given.numbers if given.numbers is not None else listed("numbers"),
        menus=given.menus if given.menus is not None else listed("ivr_contexts"),
        queues=given.queues if given.queues is not None else listed("queues"),
        timezone=given.timezone or (str(zone) if zone else facts.machine.timezone),
    )


_Settled = tuple[Answers, Question | None]


def _site(facts: Facts, answers: Answers) -> _Settled:
    if answers.site:
        return answers, None
    likely = facts.machine.hostname.partition(".")[0].lower() or "siaga112"
    text = say("A short name of the site, which every metric bears")
    return answers, Question("site", "--site", text, likely, many=False)


def _trunks(facts: Facts, answers: Answers) -> _Settled:
    if answers.trunks is not None:
        return answers, None
    contexts = facts.live.contexts
    seen = ways.candidates(facts.live.trunks, contexts)
    if len(seen) == 1:
        return replace(answers, trunks=seen), None
    others = [
        name
        for name in contexts
        if not name.startswith(ways.OURS) and ways.home(contexts, name, ways.EMERGENCY)
    ]
    choices = seen or tuple(others) or tuple(contexts)
    text = say("In which contexts do calls for the emergency number arrive?")
    return answers, Question("trunks", "--trunk", text, choices[0] if choices else "", choices)


def _numbers(facts: Facts, answers: Answers) -> _Settled:
    if answers.numbers is not None:
        return answers, None
    contexts = facts.live.contexts
    names = [name for trunk in answers.trunks or () for name in ways.entries(contexts, trunk)]
    exact = tuple(dict.fromkeys(name for name in names if not name.startswith("_") and name != "s"))
    taken = any(ways.home(contexts, trunk, ways.EMERGENCY) for trunk in answers.trunks or ())
    if not exact and set(names) == {"s"}:
        return replace(answers, numbers=()), None
    if len(exact) == 1 and (exact[0] == ways.EMERGENCY or not taken):
        return replace(answers, numbers=exact), None
    likely = ways.EMERGENCY if taken or not exact else exact[0]
    text = say("Which dialled numbers are the emergency line's, as the trunk delivers them?")
    return answers, Question("numbers", "--number", text, likely, exact)


def _reached(facts: Facts, answers: Answers) -> ways.Reached:
    contexts = facts.live.contexts
    starts = [
        Place(trunk, number)
        for trunk in answers.trunks or ()
        for number in answers.numbers or ways.entries(contexts, trunk)
    ]
    return ways.reached(contexts, starts)


def _menus(facts: Facts, answers: Answers) -> _Settled:
    if answers.menus is not None:
        return answers, None
    found, others = _reached(facts, answers), ways.asking(facts.live.contexts)
    if found.menus or not found.blind or not others:
        return replace(answers, menus=tuple(found.menus)), None
    text = say('In which contexts does the voice menu ask? "-" for none')
    return answers, Question("menus", "--menu", text, others[0], tuple(others))


def _queues(facts: Facts, answers: Answers) -> _Settled:
    if answers.queues is not None:
        return answers, None
    found, all_ = _reached(facts, answers), facts.live.queues
    here = tuple(name for name in found.queues if name in all_)
    if here or not all_ or not found.blind:
        return replace(answers, queues=here), None
    text = say('In which queues do these callers wait? "-" for none')
    return answers, Question("queues", "--queue", text, next(iter(all_)), tuple(all_))


def wrong(facts: Facts, answers: Answers) -> list[str]:
    """Return the invalid answers, one line each."""
    contexts, trunks = facts.live.contexts, answers.trunks or ()
    numbers = [
        number
        for number in answers.numbers or ()
        if not any(ways.home(contexts, trunk, number) for trunk in trunks)
    ]
    return [
        *(f"the dialplan has no context [{one}] (--trunk)" for one in trunks if one not in contexts),
        *([] if trunks else ["no context is named in which calls arrive (--trunk)"]),
        *(f"no trunk's context takes calls for {one} (--number)" for one in numbers),
        *(
            f"the dialplan has no context [{one}] (--menu)"
            for one in answers.menus or ()
            if one not in contexts
        ),
        *(
            f"the PBX has no queue {one} (--queue)"
            for one in answers.queues or ()
            if one not in facts.live.queues
        ),
    ]
