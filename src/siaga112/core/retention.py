"""Retention: how long the parts of a caller's record are kept."""

from bisect import bisect_right
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final

from siaga112.core import bounds
from siaga112.core.model import DAY, Millis
from siaga112.core.policy import count, doubted
from siaga112.core.record import Block, CallerRecord, Strike
from siaga112.core.regulation import PolicyRules
from siaga112.core.uniqueid import made

REMEMBERED: Final[Millis] = 8 * DAY
"""How long an erasure is remembered, because queue_log may still report a call from up to a week before."""


def prune(record: CallerRecord, now: Millis, rules: PolicyRules) -> CallerRecord:
    """Drop what is too old or too much. A block in force and open proposals and appeals stay.

    A record on hold as evidence keeps everything whatever its age, but the limits on its size still apply.
    """
    since = -1 if record.hold else now - rules.keep
    missed_since = -1 if record.hold else now - rules.keep_missed
    less: dict[str, Any] = {}  # only the kinds that lose something; for nearly every record, none
    if record.strikes and record.strikes[0].at <= since:  # the oldest
        less["strikes"] = record.strikes[bisect_right(record.strikes, since, key=attrgetter("at")) :]
    for name, kept in (
        ("blocks", [b for b in record.blocks if _end(b) > since or not b.over_at(now)]),
        ("proposals", [p for p in record.proposals if p.decided is None or p.decided.at > since]),
        ("reports", [report for report in record.reports if report.at > since]),
        ("appeals", [a for a in record.appeals if a.decided is None or a.decided.at > since]),
        ("missed", [m for m in record.missed if m.at > missed_since]),
    ):
        if len(kept) < len(getattr(record, name)):
            less[name] = tuple(kept)
    if less.get("missed") == ():
        less["attempt"] = None  # else whoever calls again would look taken
    before = record.strikes
    if less:
        record = replace(record, **less)
    most = bounds.STRIKES
    counted: tuple[Strike, ...] = ()
    if len(record.strikes) > most:  # as of the last strike, so that a late report does not change the count
        most = max(most, _strikes_to_exceed(rules))
        counted = count(record, max(now, record.strikes[-1].at), rules).strikes
    record = bounds.bounded(record, now, counted, most)
    return record if len(record.strikes) == len(before) else _still_doubted(record, before, rules)


def _still_doubted(record: CallerRecord, before: tuple[Strike, ...], rules: PolicyRules) -> CallerRecord:
    """Drop doubtful strikes together with the strikes that make them so; otherwise they would count."""
    doubtful = doubted(before, rules).keys()
    cleared = doubtful and doubtful - doubted(record.strikes, rules).keys()
    strikes = tuple(one for one in record.strikes if one.call not in cleared)
    gone = len(record.strikes) - len(strikes)
    if not gone:
        return record
    dropped = replace(record.dropped, strikes=record.dropped.strikes + gone if strikes else 0)
    return replace(record, strikes=strikes, dropped=dropped)


def _strikes_to_exceed(rules: PolicyRules) -> int:
    """Return how many of the lightest strikes it takes to reach the highest step."""
    weights = [weight for weight in rules.weights.values() if weight > 0]
    lightest = min(weights, default=1.0) * (rules.unattested or 1.0) * (rules.several_trunks or 1.0)
    return int(max(*rules.thresholds, rules.repeat) / lightest) + 1


def _end(block: Block) -> Millis:
    return block.lifted.at if block.lifted else block.until or block.since


def forget_after(record: CallerRecord, rules: PolicyRules) -> Millis | None:
    """Return when the whole record must be deleted; None for never."""
    lasting = any(block.until is None and block.lifted is None for block in record.blocks)
    if record.allow or lasting or record.proposed or record.appeal or record.hold:
        return None
    ends = [strike.at for strike in record.strikes[-1:]]
    ends += [max(_end(block), block.until or 0) for block in record.blocks]
    ends += [proposal.decided.at for proposal in record.proposals if proposal.decided]
    ends += [appeal.decided.at for appeal in record.appeals if appeal.decided]
    ends += [report.at for report in record.reports]
    ends += [missed.at for missed in record.missed]
    ends += [made(call) or 0 for call in record.withdrawn]
    ends.append(record.reached)
    return max(ends) + rules.keep
