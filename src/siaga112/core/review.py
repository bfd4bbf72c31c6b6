"""Permanent blocks are looked at again: what comes up for a person's review, and what is released by itself.

Telephone numbers are sold again 60 days after they lapse (Permenkominfo 14/2018): who is kept out for good
may be somebody else by now, who has no way to tell us. That no call came proves nothing unless we have
watched: a number is quiet only over a time in which the ledger has calls, up to the last day.
"""

from dataclasses import replace
from typing import Final, NamedTuple

from siaga112.core import durations
from siaga112.core.decisions import lift
from siaga112.core.model import DAY, Level, Millis, ProposalCause
from siaga112.core.policy import AUTOMATIC
from siaga112.core.record import Block, CallerRecord, Lift, Proposal
from siaga112.core.regulation import PolicyRules

RECENT: Final[Millis] = DAY
"""A ledger whose newest call is older has not watched: the line is down, or a clock is wrong."""


class Watched(NamedTuple):
    """From when to when the ledger shows calls of anybody; None where there is none."""

    first: Millis | None = None
    last: Millis | None = None

    def since(self, at: Millis, now: Millis) -> bool:
        """Say whether calls were followed from that instant until now, as far as the ledger shows."""
        return (
            self.first is not None and self.last is not None and self.first <= at and self.last > now - RECENT
        )


class Called(NamedTuple):
    """What the ledger has of a caller since the block began: the last call, and how many were turned away."""

    last: Millis | None = None
    turned_away: int = 0


def permanent(record: CallerRecord, now: Millis) -> tuple[Block, ...]:
    """Give the permanent blocks that are not over."""
    return tuple(one for one in record.going_on(now) if one.level is Level.PERMANENT)


def decided_last(record: CallerRecord, now: Millis) -> Millis | None:
    """Say when a permanent block in force was last imposed, or confirmed; None if there is none."""
    return max((one.since for one in permanent(record, now)), default=None)


def review(
    record: CallerRecord, called: Called, watched: Watched, now: Millis, rules: PolicyRules
) -> CallerRecord:
    """Give the record after a look at its permanent blocks: released, proposed anew, or as it was."""
    began = decided_last(record, now)
    if began is None:
        return record
    heard = max(began, called.last or 0)
    if rules.review_quiet and now - heard >= rules.review_quiet and watched.since(heard, now):
        return lift(record, Lift(now, AUTOMATIC, _quiet(rules)))
    if rules.review and now - began >= rules.review and record.proposed is None and watched.since(began, now):
        return _propose(record, called, now, rules)
    return record


def _propose(record: CallerRecord, called: Called, now: Millis, rules: PolicyRules) -> CallerRecord:
    held = permanent(record, now)
    calls = tuple(dict.fromkeys(call for one in held for call in one.calls))
    step = max(one.step for one in held)
    proposal = Proposal(now, ProposalCause.REVIEW, None, step, _again(called, now, rules), calls)
    return replace(record, proposals=(*record.proposals, proposal))


def _quiet(rules: PolicyRules) -> str:
    return f"no call for {durations.spell(rules.review_quiet)}: the number may have a new owner"


def _again(called: Called, now: Millis, rules: PolicyRules) -> str:
    """Say what the number did since, as it is kept with the proposal; `terminal.labels.because` reads it."""
    since = f"in force for {durations.spell(rules.review)}"
    if called.last is None:
        return f"{since}: no call since"
    days = max(0, now - called.last) // DAY
    return f"{since}: turned away {called.turned_away} times since, last {days} days ago"
