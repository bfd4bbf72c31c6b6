"""Bounds: the maximum size of one caller's record, however often they call.

Each call reads and writes the caller's whole record. The record of a stuck dialler must not grow without
limit, or it delays everybody. The oldest items that no longer affect a decision are dropped, and the record
keeps a count of them.
"""

from collections.abc import Collection
from dataclasses import fields, replace
from typing import Final, TypeVar

from siaga112.core.model import CallId, Millis
from siaga112.core.record import Appeal, Block, CallerRecord, DroppedCounts, Lift, Proposal, Strike
from siaga112.core.text import whole

STRIKES: Final = 200
"""The minimum limit; the highest threshold may require more."""

MISSED: Final = 100
"""The first one, which shows since when the caller has waited, and the last ones."""

BLOCKS: Final = 100
PROPOSALS: Final = 50
REPORTS: Final = 100
APPEALS: Final = 50
WITHDRAWN: Final = 200

EVIDENCE: Final = 20
"""Maximum number of calls named by a block or proposal that has ended, except for the last `WHOLE` ones."""

WHOLE: Final = 10
"""How many of the last blocks and proposals keep all the calls that they rest on."""

NOTHING: Final = DroppedCounts()
_KINDS: Final = tuple(kind.name for kind in fields(NOTHING))

_Decided = TypeVar("_Decided", Block, Proposal)
_Ended = TypeVar("_Ended", Block, Proposal, Appeal)


def bounded(
    record: CallerRecord, now: Millis, counted: Collection[Strike], strikes: int = STRIKES
) -> CallerRecord:
    """Return the record reduced to the limits.

    `counted`: the strikes that count now; the others are dropped first. A block in force, a pending
    proposal and the last decision that forgave something always stay.
    """
    if _fits(record, max(STRIKES, strikes)):
        return record
    kept = replace(
        record,
        strikes=_strikes(record.strikes, counted, max(STRIKES, strikes)),
        missed=record.missed if len(record.missed) <= MISSED else _ends(record.missed),
        blocks=_blocks(record.blocks, now),
        proposals=_proposals(record.proposals),
        reports=record.reports[-REPORTS:],
        appeals=_appeals(record.appeals),
        withdrawn=record.withdrawn
        if len(record.withdrawn) <= WITHDRAWN
        else frozenset(sorted(record.withdrawn, key=_second)[-WITHDRAWN:]),
    )
    was = record.dropped
    dropped = DroppedCounts(
        strikes=_count(was.strikes, record.strikes, kept.strikes),
        missed=_count(was.missed, record.missed, kept.missed),
        blocks=_count(was.blocks, record.blocks, kept.blocks),
        proposals=_count(was.proposals, record.proposals, kept.proposals),
        reports=_count(was.reports, record.reports, kept.reports),
        appeals=_count(was.appeals, record.appeals, kept.appeals),
        withdrawn=_count(was.withdrawn, record.withdrawn, kept.withdrawn),
    )
    return replace(kept, dropped=dropped)


def _fits(record: CallerRecord, strikes: int) -> bool:
    """Return whether there is nothing to drop, shorten or count, as for nearly every record."""
    return (
        len(record.strikes) <= strikes
        and len(record.missed) <= MISSED
        and _short(record.blocks, BLOCKS)
        and _short(record.proposals, PROPOSALS)
        and len(record.reports) <= REPORTS
        and len(record.appeals) <= APPEALS
        and len(record.withdrawn) <= WITHDRAWN
        and (record.dropped == NOTHING or _stands(record))
    )


def _stands(record: CallerRecord) -> bool:
    """Return whether the record still has items of each kind with a count of dropped ones."""
    return all(getattr(record, kind) for kind in _KINDS if getattr(record.dropped, kind))


def _short(decided: tuple[_Decided, ...], most: int) -> bool:
    if len(decided) <= WHOLE:
        return True
    return len(decided) <= most and all(len(one.calls) <= EVIDENCE for one in decided[:-WHOLE])


def _count(was: int, before: Collection[object], after: Collection[object]) -> int:
    """Return the new count of dropped items; 0 once no item of the kind is left."""
    return was + len(before) - len(after) if after else 0


_Kept = TypeVar("_Kept")


def _ends(kept: tuple[_Kept, ...]) -> tuple[_Kept, ...]:
    return (kept[0], *kept[1 - MISSED :])


def _strikes(strikes: tuple[Strike, ...], counted: Collection[Strike], most: int) -> tuple[Strike, ...]:
    over = len(strikes) - most
    if over <= 0:
        return strikes
    counting = {strike.call for strike in counted}
    going = [strike for strike in strikes if strike.call not in counting][:over]
    going += [strike for strike in strikes if strike.call in counting][: over - len(going)]
    gone = {strike.call for strike in going}
    return tuple(strike for strike in strikes if strike.call not in gone)


def _blocks(blocks: tuple[Block, ...], now: Millis) -> tuple[Block, ...]:
    staying = [block for block in blocks if not block.over_at(now)]
    staying += _forgiving(blocks, [block.lifted for block in blocks])
    return _last(blocks, staying, BLOCKS)


def _proposals(proposals: tuple[Proposal, ...]) -> tuple[Proposal, ...]:
    staying = [proposal for proposal in proposals if proposal.decided is None]
    lifts = [None if proposal.confirmed else proposal.decided for proposal in proposals]
    staying += _forgiving(proposals, lifts)
    return _last(proposals, staying, PROPOSALS)


def _appeals(appeals: tuple[Appeal, ...]) -> tuple[Appeal, ...]:
    """Keep the last appeals, which include an open one, and the last one that forgave."""
    if len(appeals) <= APPEALS:
        return appeals
    lifts = [appeal.decided if appeal.granted else None for appeal in appeals]
    return (*_forgiving(appeals[:-APPEALS], lifts[:-APPEALS]), *appeals[-APPEALS:])


def _forgiving(decided: tuple[_Ended, ...], lifts: list[Lift | None]) -> list[_Ended]:
    """Return the last item with an end that forgave everything before; empty if there is none."""
    forgave = [(lift.at, nth) for nth, lift in enumerate(lifts) if lift and lift.forgives]
    return [decided[max(forgave)[1]]] if forgave else []


def _last(decided: tuple[_Decided, ...], staying: list[_Decided], most: int) -> tuple[_Decided, ...]:
    if len(decided) <= WHOLE:
        return decided
    over = len(decided) - most
    kept = []
    for nth, one in enumerate(decided):
        if nth < over and one not in staying:
            continue
        whole = nth >= len(decided) - WHOLE or len(one.calls) <= EVIDENCE or one in staying
        kept.append(one if whole else replace(one, calls=one.calls[-EVIDENCE:]))
    return tuple(kept)


def _second(call: CallId) -> tuple[int, str]:
    """Return a sort key: the second in the uniqueid (up to 11 digits), 0 if it has none."""
    second = call.rpartition("-")[2].partition(".")[0][:11]
    return whole(second) or 0, call
