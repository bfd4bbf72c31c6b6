"""Review of permanent blocks: which ones a person must review, and which ones are released automatically.

Telephone numbers are sold again 60 days after they lapse (Permenkominfo 14/2018), so a permanent block may
hit a new owner who has no way to tell us. The absence of calls proves something only while calls were being
recorded: a number counts as quiet only over a time in which the ledger has calls, up to the last day.
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
"""If the newest call is older than this, nothing is being recorded: the line is down or a clock is wrong."""


class Watched(NamedTuple):
    """The times of the first and the last call in the ledger, by any caller; None if it is empty."""

    first: Millis | None = None
    last: Millis | None = None

    def since(self, at: Millis, now: Millis) -> bool:
        """Return whether the ledger shows that calls were recorded from that instant until now."""
        return (
            self.first is not None and self.last is not None and self.first <= at and self.last > now - RECENT
        )


class Called(NamedTuple):
    """A caller's calls since the block began: when the last one was, and how many were rejected."""

    last: Millis | None = None
    rejected: int = 0


def permanent(record: CallerRecord, now: Millis) -> tuple[Block, ...]:
    """Return the permanent blocks that have not ended."""
    return tuple(one for one in record.going_on(now) if one.level is Level.PERMANENT)


def decided_last(record: CallerRecord, now: Millis) -> Millis | None:
    """Return when a permanent block in force was last imposed or confirmed; None if there is none."""
    return max((one.since for one in permanent(record, now)), default=None)


def review(
    record: CallerRecord, called: Called, watched: Watched, now: Millis, rules: PolicyRules
) -> CallerRecord:
    """Return the record after a review: with its blocks lifted, with a proposal, or unchanged."""
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
    """Return the proposal's reason: what the number did since. `terminal.labels.because` parses this text."""
    since = f"in force for {durations.spell(rules.review)}"
    if called.last is None:
        return f"{since}: no call since"
    days = max(0, now - called.last) // DAY
    return f"{since}: rejected {called.rejected} times since, last {days} days ago"
