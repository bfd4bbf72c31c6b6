"""`why`: a caller's verdict and history, in words."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import chain
from typing import Final
from zoneinfo import ZoneInfo

from siaga112.core.model import SECOND, Call, Level, Millis, Mode, Outcome, Verdict
from siaga112.core.policy import WhyNot, count, discounted
from siaga112.core.record import Block, CallerRecord, Proposal, Strike
from siaga112.core.regulation import PolicyRules
from siaga112.core.screening import Screening, ScreenReason
from siaga112.service.supervisor import CallerFile
from siaga112.terminal import labels, rows, times
from siaga112.terminal.rows import Row
from siaga112.words import Tongue, say, tongue


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of a caller at an instant."""

    held: CallerFile
    verdict: Screening
    mode: Mode
    rules: PolicyRules
    now: Millis


Chapter = tuple[Millis, int, str]
"""When, and what happened; the number between them orders what happened in the same millisecond."""


def as_row(story: Story, zone: ZoneInfo) -> Row:
    """Return the story as one object."""
    record, verdict = story.held.record, story.verdict
    why_not, share = discounted(record, story.now, story.rules), count(record, story.now, story.rules).share
    return {
        "caller": record.caller,
        "mode": story.mode,
        "switched": rows.audit_entry(story.held.switch, zone) if story.held.switch else None,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "treatment": verdict.treatment,
        "warn": verdict.warn,
        "allowed": rows.allowed(record, zone) if record.allow else None,
        "strikes": [_strike_row(one, story, why_not.get(one.call), share, zone) for one in record.strikes],
        "spared": [
            {
                "call": entry.finding.call.id,
                "at": rows.instant(entry.finding.call.ended, zone),
                "outcome": entry.finding.outcome,
                "why": entry.spared,
                "trunk": entry.finding.call.trunk or None,
                "attested": entry.finding.call.attested,
            }
            for entry in story.held.entries
            if entry.spared
        ],
        "blocks": [rows.block(record.caller, block, zone) for block in record.blocks],
        "proposed": rows.proposal(record, zone) if record.proposed else None,
        "appeals": [rows.objection(held, zone) for held in record.appeals],
        "hold": rows.hold(record, zone) if record.hold else None,
        "callback": rows.missed(record, zone) if record.missed else None,
        "genuine": [report.call for report in record.reports],
        "more": asdict(record.dropped),
    }


def _strike_row(one: Strike, story: Story, why_not: WhyNot | None, share: float, zone: ZoneInfo) -> Row:
    return {
        "call": one.call,
        "at": rows.instant(one.at, zone),
        "outcome": one.outcome,
        "reason": one.reason,
        "weight": 0.0 if why_not else round(story.rules.weight(one) * share, 3),
        "why_not": why_not.why if why_not else None,
        "beside": why_not.other.call if why_not and why_not.other else None,
        "trunk": one.trunk or None,
        "attested": one.attested,
    }


_KEPT: Final = {
    "strikes": say("strikes"),
    "missed": say("missed"),
    "blocks": say("blocks"),
    "proposals": say("proposals"),
    "reports": say("reports"),
    "withdrawn": say("withdrawn"),
    "appeals": say("objections"),
}
"""What is kept only as counts (`DroppedCounts`)."""


def tell(story: Story, zone: ZoneInfo, t: Tongue | None = None) -> list[str]:
    """Return lines: the verdict and what it rests on, an empty line, what happened, oldest first."""
    t = t or tongue()
    happened = chapters(story, zone, t)
    instants = (datetime.fromtimestamp(at / SECOND, zone) for at in (story.now, *(at for at, *_ in happened)))
    head = t("{caller}, times in {zone}", caller=story.held.record.caller, zone=times.zone(instants))
    told = [(rows.clock(at, zone, t), text) for at, _, text in happened]
    widest = max((len(at) for at, _ in told), default=0)
    return [
        head,
        "  " + t("now: {verdict}", verdict=verdict(story, zone, t)),
        *(f"  {line}" for line in standing(story, zone, t)),
        "",
        *(f"  {at:>{widest}}  {text}" for at, text in told),
        *([] if told else ["  " + t("nothing is recorded about this caller")]),
    ]


def standing(story: Story, zone: ZoneInfo, t: Tongue) -> list[str]:
    """Return what counts now, by which rule, and in which mode."""
    record, rules, now = story.held.record, story.rules, story.now
    lines = []
    if more := [f"{count} {t(_KEPT[what])}" for what, count in asdict(record.dropped).items() if count]:
        lines.append(t("earlier, kept only as counts: {more}", more=", ".join(more)))
    misuses = t.short(count(record, now, rules).weight(rules))
    lines.append(
        t(
            "{count} misuses count in the last {window}; more than {limits} block ({title})",
            count=misuses,
            window=labels.lasting(rules.window, t),
            limits=", ".join(map(str, rules.thresholds)),
            title=labels.rule(rules.title, t),
        )
    )
    if appeal := record.appeal:
        due = rows.clock(appeal.due, zone, t)
        lines.append(t("an objection waits for a decision until {due}", due=due))
        if any(block.holds_at(now) and record.suspended(block) for block in record.blocks):
            lines.append(t("its block is suspended until then"))
    if hold := record.hold:
        said = say("kept as evidence by {by} since {since}: {reason}")
        lines.append(t(said, by=hold.by, since=rows.clock(hold.at, zone, t), reason=hold.reason))
    if switch := story.held.switch:
        why = f": {switch.reason}" if switch.reason else t(", no reason given")
        since = rows.clock(switch.at, zone, t)
        mode = labels.word(story.mode, t)
        said = t("mode {mode} since {since} by {by}", mode=mode, since=since, by=switch.by)
        lines.append(said + why)
    return lines


def chapters(story: Story, zone: ZoneInfo, t: Tongue) -> list[Chapter]:
    """Return what happened, oldest first."""
    record = story.held.record
    told = chain(
        _misuses(story, t),
        _blocks(record, story.now, zone, t),
        _proposals(record, t),
        _appeals(record, t),
        _people(story.held, t),
    )
    return sorted(told)


def _misuses(story: Story, t: Tongue) -> Iterator[Chapter]:
    held, rules = story.held, story.rules
    why_not, share = discounted(held.record, story.now, rules), count(held.record, story.now, rules).share
    for number, strike in enumerate(held.record.strikes, 1):
        said = t(
            "strike {number}: call {call}, {outcome} ({reason})",
            number=number,
            call=strike.call,
            outcome=labels.word(strike.outcome, t),
            reason=labels.reason(strike.reason, t, labels.word),
        )
        known = _known(strike, t)
        yield strike.at, 0, said + known + _counts(strike, rules, why_not.get(strike.call), share, t)
    for entry in held.entries:
        call = entry.finding.call
        if entry.spared:
            said = say("call {call} was {outcome}, no strike: {why}")
            outcome, why = labels.word(entry.finding.outcome, t), labels.of(entry.spared, t)
            yield call.ended, 0, t(said, call=call.id, outcome=outcome, why=why) + _known(call, t)
        elif entry.finding.outcome is Outcome.BLOCKED:
            yield call.ended, 0, t("call {call} was rejected", call=call.id)
    for missed in held.record.missed:
        said = say("call {call} abandoned after {waited} s; nobody has called back")
        yield missed.at, 0, t(said, call=missed.call, waited=missed.wait // SECOND)


def _blocks(record: CallerRecord, now: Millis, zone: ZoneInfo, t: Tongue) -> Iterator[Chapter]:
    for block in record.blocks:
        yield block.since, 1, _block(block, zone, t)
        ended = block.until is not None and block.until <= (block.lifted.at if block.lifted else now)
        if ended and block.until is not None:
            yield block.until, 2, t("{level} block ended", level=labels.of(block.level, t))
        if block.lifted:
            said = (
                say("block taken back, though it had ended, by {by}: {reason}")
                if ended
                else say("block lifted by {by}: {reason}")
            )
            reason = labels.because(block.lifted.reason, t)
            yield block.lifted.at, 2, t(said, by=labels.by(block.lifted.by, t), reason=reason)


def _proposals(record: CallerRecord, t: Tongue) -> Iterator[Chapter]:
    for proposal in record.proposals:
        yield proposal.at, 1, _proposal(proposal, t)
        if proposal.decided and not proposal.confirmed:
            decided = proposal.decided
            reason = labels.because(decided.reason, t)
            said = t("proposal dismissed by {by}: {reason}", by=decided.by, reason=reason)
            yield decided.at, 2, said


def _appeals(record: CallerRecord, t: Tongue) -> Iterator[Chapter]:
    for appeal in record.appeals:
        said = say("objection, noted by {by}: {reason}")
        yield appeal.at, 2, t(said, by=appeal.by, reason=appeal.reason)
        if decided := appeal.decided:
            said = (
                say("objection granted by {by}: {reason}")
                if appeal.granted
                else say("objection rejected by {by}: {reason}")
            )
            reason = labels.because(decided.reason, t)
            yield decided.at, 3, t(said, by=decided.by, reason=reason)


def _people(held: CallerFile, t: Tongue) -> Iterator[Chapter]:
    for report in held.record.reports:
        yield report.at, 0, t("call {call} was genuine", call=report.call)
    for line in held.audit_entries:
        note = f": {labels.because(line.reason, t)}" if line.reason else ""
        by = labels.by(line.by, t)
        match line.action:
            case "mark":
                mark = labels.detail(line.detail, t)
                said = t("call {call} marked {mark} by {by}", call=line.subject, mark=mark, by=by)
                yield line.at, 1, said + note
            case "allow":
                yield line.at, 3, t("put on the allow list by {by}", by=by) + note
            case "disallow":
                yield line.at, 3, t("taken off the allow list by {by}", by=by)
            case "called back":
                yield line.at, 3, t("taken off the call-back list by {by}", by=by) + note
            case "hold":
                yield line.at, 3, t("kept as evidence by {by}", by=by) + note
            case "release":
                yield line.at, 3, t("no longer kept as evidence, by {by}", by=by) + note
            case "void":
                said = t("the strike of call {call} taken back by {by}", call=line.subject, by=by)
                yield line.at, 3, said + note
            case _:
                pass


def _known(call: Strike | Call, t: Tongue) -> str:
    """Return how reliable the number is: its trunk, and whether its network attests it."""
    over = t("; over {trunk}", trunk=call.trunk) if call.trunk else ""
    return over + (
        t("; the number is vouched for") if call.attested else t("; nobody vouches for the number")
    )


def _counts(strike: Strike, rules: PolicyRules, why_not: WhyNot | None, share: float, t: Tongue) -> str:
    """Return how much a strike counts and why, if it does not count in full."""
    if why_not:
        other = why_not.other
        why = labels.of(
            why_not.why,
            t,
            call=other.call if other else "",
            trunk=other.trunk if other else "",
            burst=labels.lasting(rules.trunk_burst, t),
            own_burst=labels.lasting(rules.burst, t),
            window=labels.lasting(rules.window, t),
        )
        return t("; counts for nothing: {why}", why=why)
    weight = round(rules.weight(strike) * share, 3)
    weighs = t("; weighs {weight}", weight=t.short(weight)) if weight != 1 else ""
    return weighs + (t(": its misuses came over several trunks") if share != 1 else "")


def _block(block: Block, zone: ZoneInfo, t: Tongue) -> str:
    level, origin = labels.of(block.level, t), labels.of(block.origin, t)
    reason = labels.because(block.reason, t)
    if block.until is None:
        said = say("{level} block, {origin} by {by}: {reason}")
        return t(said, level=level, origin=origin, by=block.by, reason=reason)
    said = say("{level} block until {until}, {origin} by {by}: {reason}")
    until = rows.clock(block.until, zone, t)
    return t(
        said, level=level, until=until, origin=origin, by=block.by, reason=labels.because(block.reason, t)
    )


def _proposal(proposal: Proposal, t: Tongue) -> str:
    cause = labels.of(proposal.cause, t)
    if proposal.span is None:
        return t(
            "permanent block proposed ({cause}): {reason}",
            cause=cause,
            reason=labels.because(proposal.reason, t),
        )
    span = labels.lasting(proposal.span, t)
    said = say("block for {span} proposed ({cause}): {reason}")
    return t(said, span=span, cause=cause, reason=labels.because(proposal.reason, t))


def verdict(story: Story, zone: ZoneInfo, t: Tongue) -> str:
    """Return the verdict that the caller would get now, and why."""
    found, block = story.verdict, story.held.record.block_at(story.now)
    level = labels.of(block.level, t) if block else ""
    match found.verdict, found.reason:
        case Verdict.BLOCK, _:
            treatment = labels.word(found.treatment, t) if found.treatment else ""
            if found.level is Level.PERMANENT:
                return t("BLOCK, permanent, treatment {treatment}", treatment=treatment)
            until = rows.clock(found.until or 0, zone, t)
            said = say("BLOCK, temporary until {until}, treatment {treatment}")
            return t(said, until=until, treatment=treatment)
        case _, ScreenReason.WOULD_BLOCK:
            return t("ALLOW, because the mode is observe (enforce would say BLOCK)")
        case _, ScreenReason.ALLOW_LISTED:
            before = t(", which comes before the {level} block", level=level) if block else ""
            return t("ALLOW, on the allow list") + before
        case _, ScreenReason.MODE_OFF:
            kept = t("; the {level} block is kept", level=level) if block else ""
            return t("ALLOW, because the mode is off") + kept
        case _:
            warned = t("ALLOW, with a warning: one more misuse may block") if found.warn else t("ALLOW")
            return t("{verdict} (mode {mode})", verdict=warned, mode=labels.word(story.mode, t))
