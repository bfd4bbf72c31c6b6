"""Writes docs/policy.md: a caller's way up the ladder, call by call, as the policy's code decides it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from siaga112.core import policy
from siaga112.core import standing as verdicts
from siaga112.core.durations import spell
from siaga112.core.model import Caller, CallId, Millis, Mode, Outcome, Verdict
from siaga112.core.policy import add_strike
from siaga112.core.record import Block, CallerRecord, Strike
from siaga112.core.regulation import PRESETS, PolicyRules

DOCUMENT: Final = Path(__file__).parents[2] / "docs/policy.md"
HOUR: Final[Millis] = 3_600_000
START: Final[Millis] = 1_795_000_000_000
ATTEMPTS: Final = (0, 1, 2, 3, 4, 5, 6, 30, 31, 60, 90, 120, 150, 180, 210)
"""When somebody who only misuses the line calls, in hours after the first call."""

INTRODUCTION: Final = Path(__file__).with_suffix(".md").read_text("utf-8")


def document() -> str:
    """Return the page."""
    return INTRODUCTION + "".join(_walk(rules) for rules in PRESETS.values())


def _walk(rules: PolicyRules) -> str:
    head = "| hour | verdict | strikes that count | what the call leads to |\n|---:|---|---:|---|\n"
    title = f"\n## `{rules.name}`\n\n{_described(rules)}\n\n"
    return title + head + "".join(_rows(rules))


def _described(rules: PolicyRules) -> str:
    steps = ", ".join(f"more than {threshold}" for threshold in rules.thresholds)
    ladder = ", then ".join(spell(span) for span in rules.temporary)
    return (
        f"Blocks at {steps} misuses within {spell(rules.window)}; temporary: {ladder}; "
        f"permanent: {rules.permanent}; memory {spell(rules.memory)}; "
        f"warned from misuse {rules.warn_from} on."
    )


def _rows(rules: PolicyRules) -> Iterator[str]:
    record = CallerRecord(Caller("+6281200000000"))
    for number, hour in enumerate(ATTEMPTS):
        at = START + hour * HOUR
        held = verdicts.standing(record, at, rules)
        screening = verdicts.verdict(held, Mode.ENFORCE, at, rules)
        verdict = f"{screening.verdict}{', warned (WARN)' if screening.warn else ''}"
        leads = "rejected"
        if screening.verdict is Verdict.ALLOW:
            strike = Strike(CallId(f"{number}.0"), at, Outcome.IVR_PRANK, "left_menu")
            before, record = record, add_strike(record, strike, rules)
            leads = _change(before, record)
        counted = policy.count(record, at, rules).weight(rules)
        yield f"| {hour} | {verdict} | {counted:g} | {leads} |\n"


def _change(before: CallerRecord, after: CallerRecord) -> str:
    proposed = after.proposals[len(before.proposals) :]
    proposals = [f"**permanent block proposed**: {new.reason}" for new in proposed]
    blocks = [f"**blocked {_span(new)}**: {new.reason}" for new in after.blocks[len(before.blocks) :]]
    return "; ".join([*proposals, *blocks]) or "a strike"


def _span(block: Block) -> str:
    return "permanently" if block.until is None else f"for {spell(block.until - block.since)}"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
