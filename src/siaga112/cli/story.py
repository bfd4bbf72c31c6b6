"""`why`: a caller's record, told in order and in words."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from siaga112.cli import rows
from siaga112.cli.rows import Row
from siaga112.core import durations
from siaga112.core.model import (
    Block,
    CallerRecord,
    Level,
    Millis,
    Mode,
    Screening,
    ScreenReason,
    Strike,
    Verdict,
)
from siaga112.core.policy import PolicyRules, counted_strikes


@dataclass(frozen=True, slots=True)
class Story:
    """What there is to tell of a caller at an instant."""

    record: CallerRecord
    verdict: Screening
    mode: Mode
    rules: PolicyRules
    now: Millis


def as_row(story: Story, zone: ZoneInfo) -> Row:
    """Give the story as one object."""
    record, verdict = story.record, story.verdict
    return {
        "caller": record.caller,
        "mode": story.mode,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "treatment": verdict.treatment,
        "warn": verdict.warn,
        "allowed": rows.allowed(record, zone) if record.allow else None,
        "strikes": [
            {"call": s.call, "at": rows.instant(s.at, zone), "outcome": s.outcome, "reason": s.reason}
            for s in record.strikes
        ],
        "blocks": [rows.block(record.caller, block, zone) for block in record.blocks],
    }


def tell(story: Story, zone: ZoneInfo) -> list[str]:
    """Give the story line by line, oldest first, the verdict last."""
    record, rules, now = story.record, story.rules, story.now
    chapters: list[tuple[Millis, int, str]] = []
    for number, strike in enumerate(record.strikes, 1):
        chapters.append((strike.at, 0, _strike(number, strike)))
    for block in record.blocks:
        chapters.append((block.since, 1, _block(block, zone)))
        if block.lifted:
            chapters.append((block.lifted.at, 2, f"block lifted by {block.lifted.by}: {block.lifted.reason}"))
        elif block.until is not None and block.until <= now:
            chapters.append((block.until, 2, f"{block.level} block ended"))
    if record.allow:
        chapters.append(
            (record.allow.at, 3, f"put on the allow list by {record.allow.by}: {record.allow.reason}")
        )
    lines: list[str] = [record.caller]
    lines += [f"  {_short(at, zone)}  {text}" for at, _, text in sorted(chapters)]
    if not chapters:
        lines.append("  nothing is held on this caller")
    counted, window = len(counted_strikes(record, now, rules)), durations.spell(rules.window)
    lines.append(
        f"  {counted} misuses count in the last {window}; more than {rules.threshold} block ({rules.name})"
    )
    lines.append(f"  now: {_verdict(story.verdict, story.mode, zone)}")
    return lines


def _short(at: Millis, zone: ZoneInfo) -> str:
    return (rows.instant(at, zone) or "")[:19].replace("T", " ")


def _strike(number: int, strike: Strike) -> str:
    return f"strike {number}: call {strike.call}, {strike.outcome} ({strike.reason})"


def _block(block: Block, zone: ZoneInfo) -> str:
    end = "for good" if block.until is None else f"until {_short(block.until, zone)}"
    return f"{block.level} block {end}, {block.origin} by {block.by}: {block.reason}"


def _verdict(verdict: Screening, mode: Mode, zone: ZoneInfo) -> str:
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
            return "ALLOW, on the allow list"
        case _, ScreenReason.MODE_OFF:
            return "ALLOW, because the mode is off"
        case _:
            return (
                f"ALLOW{', with a warning: one more misuse may block' if verdict.warn else ''} (mode {mode})"
            )
