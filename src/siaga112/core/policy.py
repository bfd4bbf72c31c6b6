"""Strikes and escalation: one implementation for the live line, tests and back-tests.

Every function takes a caller's record and the time, and gives a new record or an answer. The ladder:

    misuses within the window > threshold         → step 1, the first temporary block
    `repeat` misuses after a block that ended
    within the memory (one threshold), or misuses → the next step; after the last temporary one: for good
    within the window > the next threshold (several)

A strike during a block adds nothing, unless the count alone leads to a higher step (in `observe` mode
a blocked caller still gets through). A block that a person lifted counts as never imposed, and the
strikes before the lift are forgiven. A block that is not to be imposed without a person (for good under
`permanent = "proposed"`, beyond the hourly cap, against who lately reported something genuine) becomes
a proposal. What people decide is in `decisions`.
"""

from bisect import bisect_right
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

from siaga112.core.model import TOLERANCE, CallId, Finding, Level, Mark, Millis, Origin, ProposalCause, Spared
from siaga112.core.record import Block, CallerRecord, Proposal, Strike
from siaga112.core.regulation import PolicyRules

AUTOMATIC: Final = "siaga112"
"""Who imposed an automatic block, where a person's name would stand."""

_CALL: Final = attrgetter("call")

# ── strikes ──────────────────────────────────────────────────────────────────────────────────────


def strike_for(finding: Finding, rules: PolicyRules) -> Strike | None:
    """Say whether a call costs its caller a strike.

    Only a call that was seen whole, while the PBX's clock was right, from a caller whose number the
    dialplan confirmed, and only an outcome, a reason or an operator's mark that the rules count.
    """
    return misuse_of(finding, rules) if finding.call.timed else None


def misuse_of(finding: Finding, rules: PolicyRules) -> Strike | None:
    """Give the strike that a call would cost if the clocks had agreed."""
    call = finding.call
    if call.caller is None or not call.identified or not call.complete:
        return None
    if finding.mark not in {None, Mark.PRANK, Mark.SILENT}:
        return None
    reason = finding.mark.value if finding.mark else finding.reason.value
    if reason not in rules.weights and finding.outcome not in rules.weights:
        return None
    strike = Strike(
        call.id, call.ended, finding.outcome, reason, call.started, call.trunk, attested=call.attested
    )
    return strike if rules.weight(strike) > 0 else None


def add_strike(
    record: CallerRecord,
    strike: Strike,
    rules: PolicyRules,
    *,
    capped: bool = False,
    now: Millis | None = None,
) -> CallerRecord:
    """Hold a strike against the caller, with the block or the proposal that it leads to, if any.

    Adding the same strike twice, or one that was taken back, changes nothing; a caller on the allow
    list gets none, nor does a call that overlaps with one that has cost a strike. `capped`: the hour's
    automatic blocks of that level are used up. `now`: our own clock, where there is one: no block begins
    later than that, and what lies further ahead of it than clocks may differ does not count yet.
    """
    if (
        spared_by(record, strike)
        or strike.call in record.withdrawn
        or strike.call in map(_CALL, record.strikes)
    ):
        return record
    strikes = (*record.strikes, strike)
    if record.strikes and record.strikes[-1].order > strike.order:  # a call that is told late
        place = bisect_right(record.strikes, strike.order, key=attrgetter("order"))
        strikes = (*record.strikes[:place], strike, *record.strikes[place:])
    record = replace(record, strikes=strikes)
    at = strikes[-1].at if now is None else min(strikes[-1].at, now + TOLERANCE)
    return _escalate(record, at, at if now is None else min(at, now), rules, capped=capped)


def spared_by(record: CallerRecord, strike: Strike) -> Spared | None:
    """Say what of the caller's record keeps a misuse from costing a strike; None for nothing.

    One telephone makes one call after the other. Calls that come at once are of several telephones behind
    one number, or forged: together they are one misuse, whichever of them was recorded first.
    """
    if record.allow:
        return Spared.ALLOW_LISTED
    since = strike.at if strike.begun is None else strike.begun  # who had ended by then overlaps with nobody
    later = record.strikes[bisect_right(record.strikes, since, key=attrgetter("at")) :]
    together = any(held.call != strike.call and held.overlaps(strike) for held in later)
    return Spared.OVERLAP if together else None


def counted_strikes(record: CallerRecord, now: Millis, rules: PolicyRules) -> tuple[Strike, ...]:
    """Give the strikes that count towards a threshold at that instant.

    A strike exactly one window old counts no more. Strikes before a person lifted a block are
    forgiven; within one burst only the first counts.
    """
    since = max(now - rules.window, forgiven_until(record))
    first, end = (bisect_right(record.strikes, at, key=attrgetter("at")) for at in (since, now))
    weighty = tuple(filter(rules.weight, record.strikes[first:end]))
    if not rules.burst:
        return weighty
    counted: list[Strike] = []
    for strike in weighty:
        if not counted or strike.at - counted[-1].at >= rules.burst:
            counted.append(strike)
    return tuple(counted)


def total(strikes: tuple[Strike, ...], rules: PolicyRules, among: tuple[Strike, ...] | None = None) -> float:
    """Add strikes up by their weights, to three decimals: 0.1 three times is 0.3.

    `among`: all that count, where these are only some of them.
    """
    factor = rules.together(strikes if among is None else among)
    return round(sum(rules.weight(strike) * factor for strike in strikes), 3)


def forgiven_until(record: CallerRecord) -> Millis:
    """Give the instant of the last decision of a person that forgave what was before."""
    decisions = [block.lifted for block in record.blocks if block.lifted]
    decisions += [p.decided for p in record.proposals if p.decided and not p.confirmed]
    decisions += [appeal.decided for appeal in record.appeals if appeal.decided and appeal.granted]
    return max([lift.at for lift in decisions if lift.forgives], default=-1)


# ── escalation ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Due:
    """A step of the ladder that is due, and why."""

    step: int
    calls: tuple[CallId, ...]
    reason: str


def _escalate(
    record: CallerRecord, now: Millis, begins: Millis, rules: PolicyRules, *, capped: bool
) -> CallerRecord:
    """Impose or propose what is due at that instant; a block begins at `begins`."""
    due = _by_count(record, now, rules) if len(rules.thresholds) > 1 else _by_repeat(record, now, rules)
    if due is None:
        return record
    lasting = due.step > len(rules.temporary)
    if lasting and rules.permanent == "never":
        due, lasting = replace(due, step=len(rules.temporary)), False
        if due.step == 0:
            return record
    cause = _left_to_a_person(record, now, rules, lasting=lasting, capped=capped)
    if cause is None:
        return _impose(record, due, begins, rules)
    waiting = record.proposed
    if waiting is None or waiting.step < due.step:
        span = None if lasting else rules.temporary[due.step - 1]
        others = tuple(proposal for proposal in record.proposals if proposal is not waiting)
        proposal = Proposal(now, cause, span, due.step, due.reason, due.calls)
        record = replace(record, proposals=(*others, proposal))
    if cause is ProposalCause.POLICY and rules.temporary:
        # Until a supervisor decides, the longest temporary block keeps holding.
        return _impose(record, replace(due, step=len(rules.temporary)), begins, rules)
    return record


def _left_to_a_person(
    record: CallerRecord, now: Millis, rules: PolicyRules, *, lasting: bool, capped: bool
) -> ProposalCause | None:
    if any(now - rules.protect < report.at <= now for report in record.reports):
        return ProposalCause.PROTECTED
    if capped:
        return ProposalCause.HOURLY_CAP
    return ProposalCause.POLICY if lasting and rules.permanent == "proposed" else None


def _impose(record: CallerRecord, due: _Due, now: Millis, rules: PolicyRules) -> CallerRecord:
    """Add the block, if it ends later than the one in force: a later block never ends earlier."""
    temporary = due.step <= len(rules.temporary)
    until = now + rules.temporary[due.step - 1] if temporary else None
    held = record.block_after(now)
    if held and (held.until is None or held.step >= due.step or (until is not None and until <= held.until)):
        return record
    block = Block(
        level=Level.TEMPORARY if temporary else Level.PERMANENT,
        since=now,
        until=until,
        origin=Origin.AUTOMATIC,
        reason=due.reason,
        by=AUTOMATIC,
        calls=due.calls,
        step=due.step,
    )
    waiting = record.proposed
    overtaken = waiting is not None and waiting.step <= due.step
    proposals = tuple(p for p in record.proposals if not (overtaken and p is waiting))
    return replace(record, blocks=(*record.blocks, block), proposals=proposals)


def _by_count(record: CallerRecord, now: Millis, rules: PolicyRules) -> _Due | None:
    counted = counted_strikes(record, now, rules)
    sum_ = total(counted, rules)
    exceeded = [threshold for threshold in rules.thresholds if sum_ > threshold]
    if not exceeded:
        return None
    calls = tuple(strike.call for strike in counted)
    return _Due(len(exceeded), calls, _too_many(len(counted), sum_, exceeded[-1], rules))


def _by_repeat(record: CallerRecord, now: Millis, rules: PolicyRules) -> _Due | None:
    if record.block_after(now):
        return None
    earlier = earlier_blocks(record, now, rules)
    if not earlier:
        return _by_count(record, now, rules)
    ended = max(block.until or now for block in earlier)
    counted = counted_strikes(record, now, rules)
    since = tuple(s for s in counted if s.at >= ended)
    if total(since, rules, counted) < rules.repeat:
        return None
    reason = f"misused again after block {len(earlier)} ({rules.title})"
    return _Due(len(earlier) + 1, tuple(strike.call for strike in since), reason)


def _too_many(plain: int, sum_: float, threshold: int, rules: PolicyRules) -> str:
    weighed = "" if sum_ == plain else f", weighing {sum_:g}"
    return f"{plain} misuses{weighed}, more than {threshold} ({rules.title})"


def earlier_blocks(record: CallerRecord, now: Millis, rules: PolicyRules) -> tuple[Block, ...]:
    """Give the ladder's blocks that still count as "before".

    Those that nobody lifted, that ended within the memory, and that no later decision forgave.
    """
    forgiven = forgiven_until(record)
    since = now - rules.memory
    return tuple(
        [
            block
            for block in record.blocks
            if block.step
            and block.lifted is None
            and block.since > forgiven
            and (block.until is None or block.until > since)
        ]
    )
