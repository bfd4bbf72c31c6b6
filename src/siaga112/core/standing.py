"""A caller's standing (the part of the record that a verdict needs), and the verdict."""

from typing import Final

from siaga112.core.model import TOLERANCE, Level, Millis, Mode, Treatment, Verdict
from siaga112.core.policy import count, earlier_blocks
from siaga112.core.record import CallerRecord, longest
from siaga112.core.regulation import PolicyRules
from siaga112.core.screening import Screening, ScreenReason
from siaga112.core.values import value

_REJECTING: Final = frozenset({Treatment.REJECT, Treatment.ANNOUNCE})


@value
class Standing:
    """The part of a caller's record that a verdict needs. The store keeps it ready to read."""

    allowed: bool = False
    level: Level | None = None
    until: Millis | None = None
    warn_until: Millis = 0
    since: Millis = 0
    """When the block begins. Before that, it is not in force."""


NOBODY: Final = Standing()
"""The standing of a caller with no record."""


def standing(record: CallerRecord, now: Millis, rules: PolicyRules) -> Standing:
    """Return the standing for a record, valid from now until the next change of the record."""
    if not (record.blocks or record.strikes):  # so it is with nearly everybody
        return Standing(allowed=record.allow is not None)
    coming = [b for b in record.going_on(now) if not record.suspended(b)]
    begun = [b for b in coming if b.since <= now + TOLERANCE]
    block = longest(begun) or longest(coming)
    return Standing(
        allowed=record.allow is not None,
        level=block.level if block else None,
        until=block.until if block else None,
        warn_until=_warn_until(record, now, rules),
        since=min((b.since for b in begun), default=block.since) if block else 0,
    )


def _warn_until(record: CallerRecord, now: Millis, rules: PolicyRules) -> Millis:
    """Return until when the caller must be warned that further misuse leads to a block; 0 for no warning."""
    ends = [block.until + rules.memory for block in earlier_blocks(record, now, rules) if block.until]
    weight = 0.0
    counted, share = count(record, now, rules) if rules.warn_from > 0 else ((), 1.0)
    for strike in reversed(counted):
        weight += rules.weight(strike) * share
        if round(weight, 3) >= rules.warn_from:
            ends.append(strike.at + rules.window)
            break
    return max(ends, default=0)


def verdict(
    held: Standing,
    mode: Mode,
    now: Millis,
    rules: PolicyRules,
    *,
    again: bool = False,
    latest: Millis = 0,
) -> Screening:
    """Return the verdict. The allow list takes precedence; only the mode `enforce` returns BLOCK.

    `again`: the caller was rejected within `let_through`. `latest`: the latest time that any clock has shown.
    If it differs from `now`, nobody knows which is right: a block has ended if it has by either clock, and
    has begun only if it has by ours.
    """
    if mode is Mode.OFF:
        return Screening(Verdict.ALLOW, ScreenReason.MODE_OFF)
    if held.allowed:
        return Screening(Verdict.ALLOW, ScreenReason.ALLOW_LISTED)
    warn = now < held.warn_until
    ended = held.until is not None and max(now, latest) >= held.until
    if held.level is None or ended or now < held.since:
        return Screening(Verdict.ALLOW, ScreenReason.NOT_BLOCKED, warn=warn)
    if mode is Mode.OBSERVE:
        return Screening(
            Verdict.ALLOW, ScreenReason.WOULD_BLOCK, level=held.level, until=held.until, warn=warn
        )
    treatment, reason = rules.treatment[held.level], ScreenReason.BLOCKED
    if again and rejects(treatment):
        treatment, reason = Treatment.DEPRIORITISE, ScreenReason.LET_THROUGH
    return Screening(Verdict.BLOCK, reason, treatment, held.level, held.until)


def rejects(treatment: Treatment | None) -> bool:
    """Return whether this treatment rejects the caller."""
    return treatment in _REJECTING
