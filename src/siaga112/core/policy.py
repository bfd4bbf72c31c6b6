"""Strikes, escalation and verdict: one implementation for the live line, tests and back-tests.

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

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from siaga112.core import bounds, durations
from siaga112.core.model import (
    DAY,
    SECOND,
    TOLERANCE,
    Block,
    CallerRecord,
    CallId,
    Finding,
    Level,
    Mark,
    Millis,
    Mode,
    Origin,
    Outcome,
    Proposal,
    ProposalCause,
    Reason,
    Screening,
    ScreenReason,
    Spared,
    Strike,
    Treatment,
    Verdict,
    longest,
)

AUTOMATIC: Final = "siaga112"
"""Who imposed an automatic block, where a person's name would stand."""

OWN_RULE: Final = "own rule"
"""What a centre's own values are called, where a preset's name would stand."""

COUNTABLE: Final = frozenset(
    {
        *(Outcome.IVR_PRANK, Reason.LEFT_MENU, Reason.INVALID_CHOICE, Reason.NO_CHOICE, Mark.PRANK),
        *(Outcome.ABANDONED, Reason.LEFT_QUEUE, Reason.LEFT_RINGING),
        *(Reason.DROPPED_EARLY, Reason.BEFORE_MENU),
    }
)
"""What a regulation may count as a misuse: never what we failed to serve, nor what we did not see."""

_LADDER: Final = (
    "thresholds", "window", "weights", "temporary", "repeat", "permanent", "memory", "burst",
    "unattested", "several_trunks",
)  # fmt: skip
"""What of the rules decides that a block is due, and which."""

_TURNED_AWAY: Final = frozenset({Treatment.REJECT, Treatment.ANNOUNCE})


@dataclass(frozen=True, slots=True)
class PolicyRules:
    """A regulation in figures. The defaults are the preset `permenkominfo-2016`.

    The ministerial regulation (Permenkominfo 10/2016) as the centre states it: more than 5 misuses,
    a temporary block; again, a permanent one. It gives no window and no duration: 30 days and 24
    hours are what Indonesian centres have said they use.

    `thresholds`: one, and each later step follows on `repeat` misuses after a block; or one a step.
    `weights`: what counts, by outcome, by one of its reasons (which goes first), or `prank` for the
    operator's mark. `unattested`: as how much of that a call counts whose number nobody vouches for;
    `several_trunks`: as how much each counts, where one number misused the line over several.
    `cap`: automatic blocks within an hour, 0 for no limit; `cap_permanent`: those of them that are
    permanent. `protect`: how long a genuine report keeps a caller from being blocked without a person.
    `let_through`: who calls again within this time of being turned away gets through to the end of the
    queue; 0 for never. `surge`: nobody gets a strike while callers (`lines`: how many) have waited longer
    than this, or while no operator is logged in; 0 for never.
    `keep`: how long anything is held against, or for, a caller; `keep_missed`: an abandoned call.
    """

    name: str = "permenkominfo-2016"
    thresholds: tuple[int, ...] = (5,)
    window: Millis = 30 * DAY
    weights: Mapping[str, float] = field(
        default_factory=lambda: {Outcome.IVR_PRANK.value: 1.0, Mark.PRANK.value: 1.0}
    )
    temporary: tuple[Millis, ...] = (DAY,)
    repeat: int = 1
    permanent: Literal["automatic", "proposed", "never"] = "automatic"
    memory: Millis = 365 * DAY
    burst: Millis = 0
    unattested: float = 1.0
    several_trunks: float = 1.0
    warn_from: int = 4
    cap: int = 30
    cap_permanent: int = 2
    protect: Millis = 30 * DAY
    let_through: Millis = 0
    surge: Millis = 10 * SECOND
    keep: Millis = 400 * DAY
    keep_missed: Millis = 7 * DAY
    treatment: Mapping[Level, Treatment] = field(
        default_factory=lambda: {Level.TEMPORARY: Treatment.REJECT, Level.PERMANENT: Treatment.REJECT}
    )

    def weight(self, strike: Strike) -> float:
        """Say how much a strike counts alone: by its reason, else by its outcome, else nothing.

        Less, if the rules say so, where nobody vouches for the number (domain: caller ID can be spoofed).
        """
        weight = self.weights.get(strike.reason, self.weights.get(strike.outcome, 0.0))
        return weight if strike.attested else weight * self.unattested

    def together(self, strikes: Iterable[Strike]) -> float:
        """Say as how much of its weight each of these strikes of one number counts.

        A telephone's calls come over its exchange's trunk; calls with its number that come over another may
        be somebody else's, and which they are is not known. A trunk that was not kept is not another.
        """
        return self.several_trunks if len({one.trunk for one in strikes if one.trunk}) > 1 else 1.0

    @property
    def title(self) -> str:
        """The preset's name where all of its ladder stands, else `own rule` with the values.

        It is kept with each block: it must still be true, and tell all, when the configuration has changed.
        """
        preset = PRESETS.get(self.name)
        if preset and all(getattr(preset, key) == getattr(self, key) for key in _LADDER):
            return self.name
        usual = PolicyRules()
        told = [
            f"threshold {', '.join(map(str, self.thresholds))}",
            f"window {durations.spell(self.window)}",
            f"temporary {', '.join(map(durations.spell, self.temporary)) or 'none'}",
            f"permanent {self.permanent}",
        ]
        if self.weights != usual.weights:
            counted = ", ".join(f"{name} {weight:g}" for name, weight in self.weights.items())
            told.append(f"counted {counted or 'nothing'}")
        told += [f"repeat {self.repeat}"] if self.repeat != usual.repeat else []
        told += [f"memory {durations.spell(self.memory)}"] if self.memory != usual.memory else []
        if (self.unattested, self.several_trunks) != (1, 1):
            told.append(f"unattested {self.unattested:g}, over several trunks {self.several_trunks:g}")
        told += [f"burst {durations.spell(self.burst)}"] if self.burst != usual.burst else []
        return f"{OWN_RULE}: {'; '.join(told)}"


PRESETS: Final[Mapping[str, PolicyRules]] = {
    rules.name: rules
    for rules in (
        PolicyRules(),
        # The centre's office later in 2019: over 5, about one day; over 10, proposed to the ministry.
        PolicyRules(name="serang-2019", thresholds=(5, 10), permanent="proposed"),
    )
}


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
    if finding.mark not in {None, Mark.PRANK}:
        return None
    reason = finding.mark.value if finding.mark else finding.reason.value
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
        or any(strike.call == held.call for held in record.strikes)
    ):
        return record
    strikes = tuple(sorted((*record.strikes, strike), key=lambda s: (s.at, s.call)))
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
    together = any(held.call != strike.call and held.overlaps(strike) for held in record.strikes)
    return Spared.OVERLAP if together else None


def counted_strikes(record: CallerRecord, now: Millis, rules: PolicyRules) -> tuple[Strike, ...]:
    """Give the strikes that count towards a threshold at that instant.

    A strike exactly one window old counts no more. Strikes before a person lifted a block are
    forgiven; within one burst only the first counts.
    """
    forgiven = forgiven_until(record)
    counted: list[Strike] = []
    for strike in record.strikes:
        if not now - rules.window < strike.at <= now or strike.at <= forgiven or not rules.weight(strike):
            continue
        if counted and strike.at - counted[-1].at < rules.burst:
            continue
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
    decisions = [block.lifted for block in record.blocks]
    decisions += [proposal.decided for proposal in record.proposals if not proposal.confirmed]
    return max((lift.at for lift in decisions if lift and lift.forgives), default=-1)


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
    exceeded = [threshold for threshold in rules.thresholds if total(counted, rules) > threshold]
    if not exceeded:
        return None
    calls = tuple(strike.call for strike in counted)
    return _Due(len(exceeded), calls, _too_many(counted, exceeded[-1], rules))


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


def _too_many(counted: tuple[Strike, ...], threshold: int, rules: PolicyRules) -> str:
    sum_, plain = total(counted, rules), len(counted)
    weighed = "" if sum_ == plain else f", weighing {sum_:g}"
    return f"{plain} misuses{weighed}, more than {threshold} ({rules.title})"


def earlier_blocks(record: CallerRecord, now: Millis, rules: PolicyRules) -> tuple[Block, ...]:
    """Give the ladder's blocks that still count as "before".

    Those that nobody lifted, that ended within the memory, and that no later decision forgave.
    """
    forgiven = forgiven_until(record)
    return tuple(
        block
        for block in record.blocks
        if block.step
        and block.lifted is None
        and block.since > forgiven
        and (block.until is None or block.until > now - rules.memory)
    )


# ── verdict ──────────────────────────────────────────────────────────────────────────────────────


def standing(record: CallerRecord, now: Millis, rules: PolicyRules) -> Standing:
    """Condense a record into what verdicts need from now on, until the next change."""
    begun = [b for b in record.blocks if b.since <= now + TOLERANCE and not b.over_at(now)]
    block = longest(begun) or record.block_after(now)
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
    counted = counted_strikes(record, now, rules) if rules.warn_from > 0 else ()
    factor = rules.together(counted)
    for strike in reversed(counted):
        weight += rules.weight(strike) * factor
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


# ── keeping ──────────────────────────────────────────────────────────────────────────────────────


def prune(record: CallerRecord, now: Millis, rules: PolicyRules) -> CallerRecord:
    """Drop what is older than may be kept, or more; a block in force and an open proposal stay."""
    since = now - rules.keep
    record = replace(
        record,
        strikes=tuple(strike for strike in record.strikes if strike.at > since),
        blocks=tuple(b for b in record.blocks if not b.over_at(now) or _end(b) > since),
        proposals=tuple(p for p in record.proposals if p.decided is None or p.decided.at > since),
        reports=tuple(report for report in record.reports if report.at > since),
        missed=tuple(missed for missed in record.missed if missed.at > now - rules.keep_missed),
    )
    most = max(bounds.STRIKES, _strikes_to_exceed(rules))
    counted: tuple[Strike, ...] = ()
    if len(record.strikes) > most:  # as of the last one: a call that is told late makes no other count less
        counted = counted_strikes(record, max(now, record.strikes[-1].at), rules)
    return bounds.bounded(record, now, counted, most)


def _strikes_to_exceed(rules: PolicyRules) -> int:
    """Say how many of the lightest strikes it takes to the highest step."""
    weights = [weight for weight in rules.weights.values() if weight > 0]
    lightest = min(weights, default=1.0) * (rules.unattested or 1.0) * (rules.several_trunks or 1.0)
    return int(max(*rules.thresholds, rules.repeat) / lightest) + 1


def _end(block: Block) -> Millis:
    return block.lifted.at if block.lifted else block.until or block.since


def forget_after(record: CallerRecord, rules: PolicyRules) -> Millis | None:
    """Give the instant from which nothing in the record may be kept any more; None for never."""
    lasting = any(block.until is None and block.lifted is None for block in record.blocks)
    if record.allow or lasting or record.proposed:
        return None
    ends = [strike.at for strike in record.strikes]
    ends += [max(_end(block), block.until or 0) for block in record.blocks]
    ends += [proposal.decided.at for proposal in record.proposals if proposal.decided]
    ends += [report.at for report in record.reports]
    ends += [missed.at for missed in record.missed]
    ends.append(record.reached)
    return max(ends) + rules.keep
