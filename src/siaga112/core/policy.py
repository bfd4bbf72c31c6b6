"""Strikes and escalation: one implementation for the live line, tests and back-tests.

Every function takes a caller's record and the time, and returns a new record or an answer. A misuse that may
be somebody else's (`doubted`) is recorded but does not count. The ladder:

    misuses within the window > threshold         → step 1, the first temporary block
    `repeat` misuses after a block that ended
    within the memory (one threshold), or misuses → the next step; permanent after the last temporary one
    within the window > the next threshold (several)

A strike during a block adds nothing, unless the count alone leads to a higher step (in `observe` mode, a
blocked caller still gets through). A block that a person lifted counts as never imposed, and the strikes
before the lift are forgiven. A block becomes a proposal if a person must decide: a permanent one under
`permanent = "proposed"`, one beyond the hourly cap, or one against a caller with a recent genuine report.
What people decide is in `decisions`.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter
from typing import Final, NamedTuple

from siaga112.core.model import (
    TOLERANCE,
    CallId,
    Discounted,
    Finding,
    Level,
    Mark,
    Millis,
    Origin,
    ProposalCause,
    Spared,
)
from siaga112.core.record import Block, CallerRecord, Lift, Proposal, Strike
from siaga112.core.regulation import PolicyRules

AUTOMATIC: Final = "siaga112"
"""The author of an automatic block, in place of a person's name."""

AGAIN: Final = "misused again after block"
"""Prefix of the reason of a block that rests on earlier blocks as well as on its calls."""

_CALL: Final = attrgetter("call")

# ── strikes ──────────────────────────────────────────────────────────────────────────────────────


def strike_for(finding: Finding, rules: PolicyRules) -> Strike | None:
    """Return the strike that a call costs its caller; None if it costs none.

    A strike needs all of this: the call was seen completely, no other call from the number was up, the PBX's
    clock was right, the dialplan confirmed the number, and the rules count the outcome, reason or mark.
    """
    call = finding.call
    return misuse_of(finding, rules) if call.timed and call.alone else None


def misuse_of(finding: Finding, rules: PolicyRules) -> Strike | None:
    """Return the strike that a call would cost if clocks and overlapping calls were ignored."""
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
    """Add a strike to the record, with the block or proposal it leads to, if any.

    A strike that is already there or was taken back changes nothing, and a caller on the allow list gets
    none. A strike that may be somebody else's leads to no block, and automatic decisions on strikes that it
    makes doubtful are taken back. `capped`: the hour's automatic blocks of that level are used up. `now`: the
    time of our own clock, if there is one. No block begins later than `now`, and a strike more than
    `TOLERANCE` ahead of it does not count yet.
    """
    if spared_by(record) or strike.call in record.withdrawn or strike.call in map(_CALL, record.strikes):
        return record
    place = len(record.strikes)
    if record.strikes and record.strikes[-1].order > strike.order:  # a call that is reported late
        place = bisect_right(record.strikes, strike.order, key=attrgetter("order"))
    strikes = (*record.strikes[:place], strike, *record.strikes[place:])
    at = strikes[-1].at if now is None else min(strikes[-1].at, now + TOLERANCE)
    begins = at if now is None else min(at, now)
    beside = _beside(strikes, place, rules)
    if beside:
        fresh = {strike.call, *(one.call for one in beside)} - doubted(record.strikes, rules).keys()
        record = _doubt(record, fresh, Lift(begins, AUTOMATIC, doubt(strike), forgives=False, mistake=True))
    record = replace(record, strikes=strikes)
    return record if beside else _escalate(record, at, begins, rules, capped=capped)


def spared_by(record: CallerRecord) -> Spared | None:
    """Return why the caller's record spares them a strike; None if it does not."""
    return Spared.ALLOW_LISTED if record.allow else None


# ── doubtful strikes ─────────────────────────────────────────────────────────────────────────────


def doubted(strikes: Sequence[Strike], rules: PolicyRules) -> dict[CallId, Strike]:
    """Return the calls that may be somebody else's, each with another strike that makes it doubtful.

    Nobody knows which of two such calls is the owner's, so neither counts, in whatever order they came in.
    """
    several = rules.trunk_burst and len({one.trunk for one in strikes if one.trunk}) > 1
    if not several and all(one.begun is None or one.begun >= before.at for before, one in pairwise(strikes)):
        return {}  # the case for nearly every record
    found: dict[CallId, Strike] = {}
    for nth, strike in enumerate(strikes):
        for other in _before(strikes, nth, rules):
            found.setdefault(strike.call, other)
            found.setdefault(other.call, strike)
    return found


def _before(strikes: Sequence[Strike], nth: int, rules: PolicyRules) -> Iterator[Strike]:
    """Yield the strikes before the nth one that make it doubtful, the nearest first."""
    since = strikes[nth].began - rules.trunk_burst
    for place in range(nth - 1, -1, -1):
        other = strikes[place]
        if other.at <= since:
            return
        if rules.doubts(strikes[nth], other):
            yield other


def _beside(strikes: Sequence[Strike], nth: int, rules: PolicyRules) -> list[Strike]:
    """Return all strikes that make the nth one doubtful."""
    later = (one for one in strikes[nth + 1 :] if rules.doubts(one, strikes[nth]))
    return [*_before(strikes, nth, rules), *later]


def doubt(strike: Strike) -> str:
    """Return the reason for taking back a decision after this strike made its calls doubtful."""
    over = f" over {strike.trunk}" if strike.trunk else ""
    return f"call {strike.call} with the same number came{over} at the same time as its misuses"


def _doubt(record: CallerRecord, calls: AbstractSet[CallId], taken: Lift) -> CallerRecord:
    """Take back automatic blocks and pending proposals that rest on these calls, but no person's decision."""
    blocks = tuple(
        replace(block, lifted=taken)
        if block.origin is Origin.AUTOMATIC and block.lifted is None and not calls.isdisjoint(block.calls)
        else block
        for block in record.blocks
    )
    proposals = tuple(
        replace(proposal, decided=taken)
        if proposal.decided is None and not calls.isdisjoint(proposal.calls)
        else proposal
        for proposal in record.proposals
    )
    return replace(record, blocks=blocks, proposals=proposals)


# ── what counts ──────────────────────────────────────────────────────────────────────────────────


class Count(NamedTuple):
    """The strikes that count at an instant. `share`: the fraction of its weight at which each counts."""

    strikes: tuple[Strike, ...]
    share: float

    def weight(self, rules: PolicyRules, since: Millis = 0) -> float:
        """Return the total weight of the strikes since `since`, to three decimals: 0.1 three times is 0.3."""
        return round(sum(rules.weight(one) * self.share for one in self.strikes if one.at >= since), 3)


NONE_COUNTS: Final = Count((), 1.0)


def count(record: CallerRecord, now: Millis, rules: PolicyRules) -> Count:
    """Return the strikes that count towards a threshold at that instant.

    A strike exactly one window old no longer counts. Strikes before a person lifted a block are forgiven.
    Doubtful strikes do not count. Within a burst, only the first strike counts.
    """
    since = max(now - rules.window, forgiven_until(record))
    first, end = (bisect_right(record.strikes, at, key=attrgetter("at")) for at in (since, now))
    weighty = tuple(filter(rules.weight, record.strikes[first:end]))
    if not weighty:
        return NONE_COUNTS
    share = rules.together(weighty) if rules.several_trunks < 1 else 1.0
    # Strikes that ended before this point make none of these doubtful.
    near = min([one.began for one in weighty]) - rules.trunk_burst
    first = bisect_right(record.strikes, near, key=attrgetter("at"))
    if doubtful := doubted(record.strikes[first:], rules):
        weighty = tuple(one for one in weighty if one.call not in doubtful)
    if not rules.burst:
        return Count(weighty, share)
    counted: list[Strike] = []
    for strike in weighty:
        if not counted or strike.at - counted[-1].at >= rules.burst:
            counted.append(strike)
    return Count(tuple(counted), share)


def without_the_past(record: CallerRecord, now: Millis, rules: PolicyRules) -> CallerRecord:
    """Return the record without the strikes and blocks that can change no decision from now on.

    Such strikes are older than the window and make no strike within it doubtful, provided that no call with
    this number is up now. Such blocks ended, and the ladder does not count them any more, or never did. The
    record decides like the whole one but does not show what the caller did.
    """
    strikes = record.strikes
    first = bisect_right(strikes, now - rules.window, key=attrgetter("at"))
    if not first:
        return record
    near = min([one.began for one in strikes[first:]], default=now) - rules.trunk_burst
    counted_since = now - rules.memory if len(rules.thresholds) == 1 else now
    blocks = [
        one
        for one in record.blocks
        if one.lifted or one.until is None or one.until > counted_since or one.since > near
    ]
    first = bisect_right(strikes, near, key=attrgetter("at"))
    return replace(record, strikes=strikes[first:], blocks=tuple(blocks))


class WhyNot(NamedTuple):
    """Why a strike does not count, and the other strike that causes it, if any."""

    why: Discounted
    other: Strike | None = None


def discounted(record: CallerRecord, now: Millis, rules: PolicyRules) -> dict[CallId, WhyNot]:
    """Return, by call, why each strike that does not count at that instant does not."""
    doubtful, counted = doubted(record.strikes, rules), set(count(record, now, rules).strikes)
    return {
        one.call: _why_not(one, record, now, rules, doubtful.get(one.call))
        for one in record.strikes
        if one not in counted
    }


def _why_not(
    strike: Strike, record: CallerRecord, now: Millis, rules: PolicyRules, other: Strike | None
) -> WhyNot:
    if other:
        return WhyNot(Discounted.OVERLAP if strike.overlaps(other) else Discounted.SEVERAL_TRUNKS, other)
    reasons = (
        (strike.at <= now - rules.window, Discounted.OLD),
        (strike.at <= forgiven_until(record), Discounted.FORGIVEN),
        (strike.at > now, Discounted.AHEAD),
        (not rules.weight(strike), Discounted.NOT_A_MISUSE),
        (True, Discounted.BURST),
    )
    return WhyNot(next(why for holds, why in reasons if holds))


def forgiven_until(record: CallerRecord) -> Millis:
    """Return when a person last decided to forgive everything before; -1 if nobody did."""
    decisions = [block.lifted for block in record.blocks if block.lifted]
    decisions += [p.decided for p in record.proposals if p.decided and not p.confirmed]
    decisions += [appeal.decided for appeal in record.appeals if appeal.decided and appeal.granted]
    return max([lift.at for lift in decisions if lift.forgives], default=-1)


# ── escalation ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Due:
    """The step of the ladder that is due, and why."""

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
        # Until a supervisor decides, impose the longest temporary block.
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
    """Add the block if it ends later than the one in force and is a higher step."""
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
    counted = count(record, now, rules)
    sum_ = counted.weight(rules)
    exceeded = [threshold for threshold in rules.thresholds if sum_ > threshold]
    if not exceeded:
        return None
    calls = tuple(strike.call for strike in counted.strikes)
    return _Due(len(exceeded), calls, _too_many(len(calls), sum_, exceeded[-1], rules))


def _by_repeat(record: CallerRecord, now: Millis, rules: PolicyRules) -> _Due | None:
    if record.block_after(now):
        return None
    earlier = earlier_blocks(record, now, rules)
    if not earlier:
        return _by_count(record, now, rules)
    ended = max(block.until or now for block in earlier)
    counted = count(record, now, rules)
    if counted.weight(rules, ended) < rules.repeat:
        return None
    reason = f"{AGAIN} {len(earlier)} ({rules.title})"
    return _Due(len(earlier) + 1, tuple(one.call for one in counted.strikes if one.at >= ended), reason)


def _too_many(plain: int, sum_: float, threshold: int, rules: PolicyRules) -> str:
    weighed = "" if sum_ == plain else f", weighing {sum_:g}"
    return f"{plain} misuses{weighed}, more than {threshold} ({rules.title})"


def earlier_blocks(record: CallerRecord, now: Millis, rules: PolicyRules) -> tuple[Block, ...]:
    """Return the ladder's blocks that still count as earlier blocks.

    These are the blocks that nobody lifted, that ended within the memory and that no decision forgave.
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
