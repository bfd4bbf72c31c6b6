"""Strikes, escalation and verdict: one implementation for the live line, tests and back-tests.

Every function takes a caller's record and the time, and gives a new record or an answer. The ladder:

    misuses within the window > threshold      → first temporary block
    any misuse after a block, within the memory → next step of the ladder, at last permanent

A strike during a block adds nothing (in `observe` mode a blocked caller still gets through). A block
that a person lifted counts as never imposed, and the strikes before the lift are forgiven.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from siaga112.core.model import (
    DAY,
    Allow,
    Block,
    CallerRecord,
    CallId,
    Finding,
    Level,
    Lift,
    Mark,
    Millis,
    Mode,
    Origin,
    Outcome,
    Screening,
    ScreenReason,
    Strike,
    Treatment,
    Verdict,
)

AUTOMATIC: Final = "siaga112"
"""Who imposed an automatic block, where a person's name would stand."""


@dataclass(frozen=True, slots=True)
class PolicyRules:
    """A regulation in figures. The defaults are the preset `permenkominfo-2016`.

    The ministerial regulation (Permenkominfo 10/2016) as the centre states it: more than 5 misuses,
    a temporary block; again, a permanent one. It gives no window and no duration: 30 days and 24
    hours are what Indonesian centres have said they use.
    """

    name: str = "permenkominfo-2016"
    threshold: int = 5
    window: Millis = 30 * DAY
    counted: frozenset[Outcome] = frozenset({Outcome.IVR_PRANK})
    temporary: tuple[Millis, ...] = (DAY,)
    memory: Millis = 365 * DAY
    burst: Millis = 0
    warn_from: int = 4
    treatment: Mapping[Level, Treatment] = field(
        default_factory=lambda: {Level.TEMPORARY: Treatment.REJECT, Level.PERMANENT: Treatment.REJECT}
    )


PRESETS: Final[Mapping[str, PolicyRules]] = {rules.name: rules for rules in (PolicyRules(),)}


@dataclass(frozen=True, slots=True)
class Standing:
    """As much of a caller's record as a verdict needs; the store keeps it ready to read."""

    allowed: bool = False
    level: Level | None = None
    until: Millis | None = None
    warn_until: Millis = 0


NOBODY: Final = Standing()
"""The standing of a caller on whom nothing is held."""


# ── strikes ──────────────────────────────────────────────────────────────────────────────────────


def strike_for(finding: Finding, rules: PolicyRules) -> Strike | None:
    """Say whether a call costs its caller a strike.

    Only a call that was seen whole, from a caller whose number the dialplan confirmed, and only a
    counted outcome or an operator's mark `prank`.
    """
    call = finding.call
    if call.caller is None or not call.identified or not call.complete:
        return None
    if finding.mark is Mark.PRANK:
        return Strike(call.id, call.ended, finding.outcome, "marked as a prank by the operator")
    if finding.outcome in rules.counted and finding.mark is None:
        return Strike(call.id, call.ended, finding.outcome, finding.reason.value)
    return None


def add_strike(record: CallerRecord, strike: Strike, rules: PolicyRules) -> CallerRecord:
    """Hold a strike against the caller, and impose the block that it leads to, if any.

    Adding the same strike twice, or one that was taken back, changes nothing; a caller on the allow
    list gets none.
    """
    if (
        record.allow
        or strike.call in record.withdrawn
        or any(strike.call == held.call for held in record.strikes)
    ):
        return record
    strikes = tuple(sorted((*record.strikes, strike), key=lambda s: (s.at, s.call)))
    record = replace(record, strikes=strikes)
    block = _block_due(record, strikes[-1].at, rules)
    return replace(record, blocks=(*record.blocks, block)) if block else record


def take_back_strike(record: CallerRecord, call: CallId, lift: Lift) -> CallerRecord:
    """Undo the strike of one call, and lift every automatic block that rested on it."""
    blocks = tuple(
        replace(block, lifted=lift) if call in block.calls and block.lifted is None else block
        for block in record.blocks
    )
    strikes = tuple(strike for strike in record.strikes if strike.call != call)
    return replace(record, strikes=strikes, blocks=blocks, withdrawn=record.withdrawn | {call})


def restore_strike(record: CallerRecord, strike: Strike, rules: PolicyRules) -> CallerRecord:
    """Hold a strike again that was once taken back (a mark corrected a second time)."""
    return add_strike(replace(record, withdrawn=record.withdrawn - {strike.call}), strike, rules)


# ── escalation ───────────────────────────────────────────────────────────────────────────────────


def _block_due(record: CallerRecord, now: Millis, rules: PolicyRules) -> Block | None:
    if record.block_at(now):
        return None
    earlier = earlier_blocks(record, now, rules)
    if earlier:
        calls: tuple[CallId, ...] = (record.strikes[-1].call,)
        reason = f"misused again after block {len(earlier)} ({rules.name})"
    else:
        counted = counted_strikes(record, now, rules)
        if len(counted) <= rules.threshold:
            return None
        calls = tuple(strike.call for strike in counted)
        reason = f"{len(counted)} misuses, more than {rules.threshold} ({rules.name})"
    step = len(earlier)
    temporary = step < len(rules.temporary)
    return Block(
        level=Level.TEMPORARY if temporary else Level.PERMANENT,
        since=now,
        until=now + rules.temporary[step] if temporary else None,
        origin=Origin.AUTOMATIC,
        reason=reason,
        by=AUTOMATIC,
        calls=calls,
    )


def earlier_blocks(record: CallerRecord, now: Millis, rules: PolicyRules) -> tuple[Block, ...]:
    """Give the automatic blocks that still count as "before".

    Those that nobody lifted, that ended within the memory, and that no later decision forgave.
    """
    forgiven = _forgiven_until(record)
    return tuple(
        block
        for block in record.blocks
        if block.origin is Origin.AUTOMATIC
        and block.lifted is None
        and block.since > forgiven
        and (block.until is None or block.until > now - rules.memory)
    )


def counted_strikes(record: CallerRecord, now: Millis, rules: PolicyRules) -> tuple[Strike, ...]:
    """Give the strikes that count towards the threshold at that instant.

    A strike exactly one window old counts no more. Strikes before a person lifted a block are
    forgiven; within one burst only the first counts.
    """
    forgiven = _forgiven_until(record)
    counted: list[Strike] = []
    for strike in record.strikes:
        if not now - rules.window < strike.at <= now or strike.at <= forgiven:
            continue
        if counted and strike.at - counted[-1].at < rules.burst:
            continue
        counted.append(strike)
    return tuple(counted)


def _forgiven_until(record: CallerRecord) -> Millis:
    lifts = [block.lifted for block in record.blocks if block.lifted]
    return max((lifted.at for lifted in lifts if lifted.forgives), default=-1)


# ── what people decide ───────────────────────────────────────────────────────────────────────────


def impose(record: CallerRecord, block: Block) -> CallerRecord:
    """Add a person's block. It never ends earlier than one in force: the later end prevails."""
    return replace(record, blocks=(*record.blocks, block))


def lift(record: CallerRecord, lifted: Lift) -> CallerRecord:
    """Lift every block in force."""
    blocks = tuple(
        replace(block, lifted=lifted) if block.holds_at(lifted.at) else block for block in record.blocks
    )
    return replace(record, blocks=blocks)


def allow(record: CallerRecord, entry: Allow) -> CallerRecord:
    """Put the caller on the allow list. Blocks stay on record but give way to it."""
    return replace(record, allow=entry)


def disallow(record: CallerRecord) -> CallerRecord:
    """Take the caller off the allow list."""
    return replace(record, allow=None)


# ── verdict ──────────────────────────────────────────────────────────────────────────────────────


def standing(record: CallerRecord, now: Millis, rules: PolicyRules) -> Standing:
    """Condense a record into what verdicts need from now on, until the next change."""
    block = record.block_at(now)
    return Standing(
        allowed=record.allow is not None,
        level=block.level if block else None,
        until=block.until if block else None,
        warn_until=_warn_until(record, now, rules),
    )


def forget_after(record: CallerRecord, rules: PolicyRules) -> Millis | None:
    """Give the instant from which nothing in the record can matter any more; None for never."""
    if record.allow or any(block.until is None and block.lifted is None for block in record.blocks):
        return None
    ends = [strike.at + max(rules.window, rules.memory) for strike in record.strikes]
    ends += [(block.until or block.since) + rules.memory for block in record.blocks]
    return max(ends, default=0)


def _warn_until(record: CallerRecord, now: Millis, rules: PolicyRules) -> Millis:
    """Give the instant up to which one more misuse, or a few, would lead to a block."""
    ends = [block.until + rules.memory for block in earlier_blocks(record, now, rules) if block.until]
    counted = counted_strikes(record, now, rules)
    if len(counted) >= rules.warn_from > 0:
        ends.append(counted[-rules.warn_from].at + rules.window)
    return max(ends, default=0)


def verdict(held: Standing, mode: Mode, now: Millis, rules: PolicyRules) -> Screening:
    """Answer the dialplan. The allow list comes first; only `enforce` ever says BLOCK."""
    if mode is Mode.OFF:
        return Screening(Verdict.ALLOW, ScreenReason.MODE_OFF)
    if held.allowed:
        return Screening(Verdict.ALLOW, ScreenReason.ALLOW_LISTED)
    warn = now < held.warn_until
    if held.level is None or (held.until is not None and now >= held.until):
        return Screening(Verdict.ALLOW, ScreenReason.NOT_BLOCKED, warn=warn)
    if mode is Mode.OBSERVE:
        return Screening(
            Verdict.ALLOW, ScreenReason.WOULD_BLOCK, level=held.level, until=held.until, warn=warn
        )
    return Screening(Verdict.BLOCK, ScreenReason.BLOCKED, rules.treatment[held.level], held.level, held.until)
