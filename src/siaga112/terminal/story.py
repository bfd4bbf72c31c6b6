"""`why`: a caller's record, told in order and in words."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from zoneinfo import ZoneInfo

from siaga112.core import durations
from siaga112.core.model import SECOND, Entry, Level, Millis, Mode, Outcome, ProposalCause, Spared, Verdict
from siaga112.core.policy import counted_strikes, total
from siaga112.core.record import Block, CallerRecord, Proposal, Strike
from siaga112.core.regulation import PolicyRules
from siaga112.core.screening import Screening, ScreenReason
from siaga112.service.supervisor import CallerFile
from siaga112.terminal import rows
from siaga112.terminal.rows import Row


@dataclass(frozen=True, slots=True)
class Story:
    """What there is to tell of a caller at an instant."""

    held: CallerFile
    verdict: Screening
    mode: Mode
    rules: PolicyRules
    now: Millis


Chapter = tuple[Millis, int, str]
"""When, what happened; the number between puts in order what happened in the same millisecond."""


def as_row(story: Story, zone: ZoneInfo) -> Row:
    """Give the story as one object."""
    record, verdict = story.held.record, story.verdict
    return {
        "caller": record.caller,
        "mode": story.mode,
        "switched": rows.audit_entry(story.held.switch, zone) if story.held.switch else None,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "treatment": verdict.treatment,
        "warn": verdict.warn,
        "allowed": rows.allowed(record, zone) if record.allow else None,
        "strikes": [
            {
                "call": s.call,
                "at": rows.instant(s.at, zone),
                "outcome": s.outcome,
                "reason": s.reason,
                "weight": _weight(s, story),
                "trunk": s.trunk or None,
                "attested": s.attested,
            }
            for s in record.strikes
        ],
        "blocks": [rows.block(record.caller, block, zone) for block in record.blocks],
        "proposed": rows.proposal(record, zone) if record.proposed else None,
        "callback": rows.missed(record, zone) if record.missed else None,
        "genuine": [report.call for report in record.reports],
        "more": asdict(record.dropped),
    }


def tell(story: Story, zone: ZoneInfo) -> list[str]:
    """Give the story line by line, oldest first, the verdict last."""
    record, rules, now = story.held.record, story.rules, story.now
    chapters = sorted(_chapters(story, zone))
    lines: list[str] = [record.caller]
    lines += [f"  {_short(at, zone)}  {text}" for at, _, text in chapters]
    if not chapters:
        lines.append("  nothing is held on this caller")
    if more := [f"{count} {what}" for what, count in asdict(record.dropped).items() if count]:
        lines.append(f"  and earlier, kept as counts alone: {', '.join(more)}")
    counted = counted_strikes(record, now, rules)
    limits = ", ".join(map(str, rules.thresholds))
    lines.append(
        f"  {total(counted, rules):g} misuses count in the last {durations.spell(rules.window)}; "
        f"more than {limits} block ({rules.title})"
    )
    if switch := story.held.switch:
        why = f": {switch.reason}" if switch.reason else ", no reason given"
        lines.append(f"  mode {story.mode} since {_short(switch.at, zone)} by {switch.by}{why}")
    lines.append(f"  now: {_verdict(story, zone)}")
    return lines


def _chapters(story: Story, zone: ZoneInfo) -> Iterator[Chapter]:
    yield from _misuses(story)
    yield from _blocks(story.held.record, story.now, zone)
    yield from _proposals(story.held.record)
    yield from _people(story.held)


def _misuses(story: Story) -> Iterator[Chapter]:
    held = story.held
    for number, strike in enumerate(held.record.strikes, 1):
        yield strike.at, 0, _strike(number, strike, story)
    for entry in held.entries:
        call = entry.finding.call
        if entry.spared:
            yield call.ended, 0, _spared(entry)
        elif entry.finding.outcome is Outcome.BLOCKED:
            yield call.ended, 0, f"call {call.id} was turned away"
    for missed in held.record.missed:
        waited = f"{missed.wait // SECOND} s"
        yield missed.at, 0, f"call {missed.call} abandoned after {waited}; nobody has called back"


def _blocks(record: CallerRecord, now: Millis, zone: ZoneInfo) -> Iterator[Chapter]:
    for block in record.blocks:
        yield block.since, 1, _block(block, zone)
        ended = block.until is not None and block.until <= (block.lifted.at if block.lifted else now)
        if ended and block.until is not None:
            yield block.until, 2, f"{block.level} block ended"
        if block.lifted:
            done = "taken back, though it had ended," if ended else "lifted"
            yield block.lifted.at, 2, f"block {done} by {block.lifted.by}: {block.lifted.reason}"


def _proposals(record: CallerRecord) -> Iterator[Chapter]:
    for proposal in record.proposals:
        yield proposal.at, 1, _proposal(proposal)
        if proposal.decided and not proposal.confirmed:
            decided = proposal.decided
            yield decided.at, 2, f"proposal dismissed by {decided.by}: {decided.reason}"


def _people(held: CallerFile) -> Iterator[Chapter]:
    for report in held.record.reports:
        yield report.at, 0, f"call {report.call} was genuine"
    for audit_entry in held.audit_entries:
        note = f": {audit_entry.reason}" if audit_entry.reason else ""
        match audit_entry.action:
            case "mark":
                yield (
                    audit_entry.at,
                    1,
                    f"call {audit_entry.subject} marked {audit_entry.detail} by {audit_entry.by}{note}",
                )
            case "allow":
                yield audit_entry.at, 3, f"put on the allow list by {audit_entry.by}{note}"
            case "disallow":
                yield audit_entry.at, 3, f"taken off the allow list by {audit_entry.by}"
            case "called back":
                yield audit_entry.at, 3, f"taken off the call-back list by {audit_entry.by}{note}"
            case _:
                pass


def _short(at: Millis, zone: ZoneInfo) -> str:
    return (rows.instant(at, zone) or "")[:19].replace("T", " ")


def _strike(number: int, strike: Strike, story: Story) -> str:
    weight, less = _weight(strike, story), []
    if not strike.attested and story.rules.unattested != 1:
        less.append("nobody vouches for the number")
    if _together(story) != 1:
        less.append("its misuses came over several trunks")
    weighs = f", weighs {weight:g}" if weight != 1 else ""
    because = f": {', '.join(less)}" if less else ""
    return f"strike {number}: call {strike.call}, {strike.outcome} ({strike.reason}){weighs}{because}"


def _weight(strike: Strike, story: Story) -> float:
    """Say as how much it counts now, among the others that do."""
    return round(story.rules.weight(strike) * _together(story), 3)


def _together(story: Story) -> float:
    return story.rules.together(counted_strikes(story.held.record, story.now, story.rules))


def _spared(entry: Entry) -> str:
    why = {
        Spared.SURGE: "a surge: callers waited too long, or no operator was logged in",
        Spared.MODE_OFF: "the mode was off",
        Spared.STARTING: "the daemon had begun anew, and did not know yet whether the mode was off",
        Spared.ALLOW_LISTED: "the caller was on the allow list",
        Spared.CLOCK: "the PBX's clock and our own were too far apart",
        Spared.OVERLAP: "another call of the number, which has cost one, was up at the same moment",
        None: "",
    }
    return f"call {entry.finding.call.id} was {entry.finding.outcome}, no strike: {why[entry.spared]}"


def _block(block: Block, zone: ZoneInfo) -> str:
    end = "for good" if block.until is None else f"until {_short(block.until, zone)}"
    return f"{block.level} block {end}, {block.origin} by {block.by}: {block.reason}"


def _proposal(proposal: Proposal) -> str:
    end = "for good" if proposal.span is None else f"for {durations.spell(proposal.span)}"
    cause = {
        ProposalCause.POLICY: "the policy leaves it to a supervisor",
        ProposalCause.HOURLY_CAP: "the hour's automatic blocks are used up",
        ProposalCause.PROTECTED: "the caller lately reported something genuine",
    }
    return f"block {end} proposed ({cause[proposal.cause]}): {proposal.reason}"


def _verdict(story: Story, zone: ZoneInfo) -> str:
    verdict, block = story.verdict, story.held.record.block_at(story.now)
    match verdict.verdict, verdict.reason:
        case Verdict.BLOCK, _:
            end = (
                "for good"
                if verdict.level is Level.PERMANENT
                else f"until {_short(verdict.until or 0, zone)}"
            )
            return f"BLOCK, {verdict.level} {end}, treatment {verdict.treatment}"
        case _, ScreenReason.WOULD_BLOCK:
            return "ALLOW, because the mode is observe (enforce would say BLOCK)"
        case _, ScreenReason.ALLOW_LISTED:
            before = f", which comes before the {block.level} block" if block else ""
            return f"ALLOW, on the allow list{before}"
        case _, ScreenReason.MODE_OFF:
            kept = f"; the {block.level} block is kept" if block else ""
            return f"ALLOW, because the mode is off{kept}"
        case _:
            warned = ", with a warning: one more misuse may block" if verdict.warn else ""
            return f"ALLOW{warned} (mode {story.mode})"
