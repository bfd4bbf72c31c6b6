"""A caller's standing: as much of the record as a verdict needs, and the verdict."""

from dataclasses import dataclass
from typing import Final

from siaga112.core.model import TOLERANCE, Level, Millis, Mode, Treatment, Verdict
from siaga112.core.policy import count, earlier_blocks
from siaga112.core.record import CallerRecord, longest
from siaga112.core.regulation import PolicyRules
from siaga112.core.screening import Screening, ScreenReason

_TURNED_AWAY: Final = frozenset({Treatment.REJECT, Treatment.ANNOUNCE})


@dataclass(frozen=True, slots=True)
class Standing:
    """As much of a caller's record as a verdict needs; the store keeps it ready to read."""

    allowed: bool = False
    level: Level | None = None
    until: Millis | None = None
    warn_until: Millis = 0
    since: Millis = 0
    """When the block began: before that it is not in force."""


NOBODY: Final = Standing()
"""The standing of a caller on whom nothing is held."""


def standing(record: CallerRecord, now: Millis, rules: PolicyRules) -> Standing:
    """Condense a record into what verdicts need from now on, until the next change."""
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
    """Give the instant up to which one more misuse, or a few, would lead to a block."""
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
    """Answer the dialplan. The allow list comes first; only `enforce` ever says BLOCK.

    `again`: the caller was turned away a moment ago (`let_through`). `latest`: the latest instant that
    any clock has shown, if that is later than `now`. Which is right is not known: a block has ended if it
    has by either of them, and has begun only if it has by our own.
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
    if again and turned_away(treatment):
        treatment, reason = Treatment.DEPRIORITISE, ScreenReason.LET_THROUGH
    return Screening(Verdict.BLOCK, reason, treatment, held.level, held.until)


def turned_away(treatment: Treatment | None) -> bool:
    """Say whether a caller who is treated so does not get through."""
    return treatment in _TURNED_AWAY
