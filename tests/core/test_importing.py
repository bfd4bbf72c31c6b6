"""Importing another system's list: which numbers are accepted, given the callers' records."""

from dataclasses import replace

import pytest

from siaga112.core import importing
from siaga112.core.importing import Import, Kind, Refusal, Wanted
from siaga112.core.model import DAY, Millis, Origin, ProposalCause
from siaga112.core.record import (
    AllowEntry,
    Appeal,
    Block,
    CallerRecord,
    GenuineReport,
    Lift,
    Proposal,
)
from tests.samples import CALLER, NOW, RULES, block, call_id

BLOCKS = Import(Kind.BLOCK, "list.csv", "3f9a1c2b4d5e6f70" * 4, NOW, "ratna", "moved in")
ALLOWS = replace(BLOCKS, kind=Kind.ALLOW)
NOBODY = CallerRecord(CALLER)
PERMANENT = Wanted(1, CALLER, None, "spam")
A_DAY = Wanted(1, CALLER, NOW + DAY, "")


def held(*blocks: Block) -> CallerRecord:
    """Return a record with these blocks."""
    return CallerRecord(CALLER, blocks=blocks)


def refusal(record: CallerRecord, wanted: Wanted = PERMANENT, now: Millis = NOW) -> Refusal | None:
    """Return why the number is left out; None if it is accepted."""
    return importing.refusal(record, wanted, BLOCKS, now, RULES)


LIFTED = Lift(NOW + 1, "ratna", "a school")
REPORT = GenuineReport(call_id(1), NOW - DAY)


@pytest.mark.parametrize(
    ("record", "wanted", "why"),
    [
        (NOBODY, PERMANENT, None),
        (NOBODY, A_DAY._replace(until=NOW), Refusal.OVER),
        (held(block(NOW - 1, None)), PERMANENT, Refusal.BLOCKED),
        (held(block(NOW - 1, None)), A_DAY, Refusal.BLOCKED),
        (held(block(NOW - 1, NOW + DAY)), A_DAY, Refusal.BLOCKED),
        (held(block(NOW - 1, NOW + DAY - 1)), A_DAY, None),
        (held(block(NOW - 1, NOW + DAY)), PERMANENT, None),
        (held(replace(block(NOW - 1, None), lifted=LIFTED)), PERMANENT, None),
        (replace(NOBODY, allow=AllowEntry(NOW, "ratna", "clinic")), PERMANENT, Refusal.ALLOWED),
        (replace(NOBODY, reports=(REPORT,)), PERMANENT, Refusal.GENUINE),
        (replace(NOBODY, reports=(replace(REPORT, at=NOW - RULES.protect),)), PERMANENT, None),
        (replace(NOBODY, appeals=(Appeal(NOW, "clerk", "not me", NOW + DAY),)), PERMANENT, Refusal.OBJECTED),
    ],
)
def test_a_caller_whom_we_know_better_is_left_out(
    record: CallerRecord, wanted: Wanted, why: Refusal | None
) -> None:
    """A number is left out, with a reason, if the caller's record or the block's end speaks against it."""
    assert refusal(record, wanted) is why


def test_the_same_file_again_changes_nothing() -> None:
    """Importing a file again neither extends a block by `--for` nor blocks a released caller."""
    once = importing.bring(NOBODY, A_DAY, BLOCKS)
    later = replace(BLOCKS, at=NOW + 1_000, file="renamed.csv")
    again = A_DAY._replace(until=NOW + 1_000 + DAY)
    assert importing.refusal(once, again, later, NOW + 1_000, RULES) is Refusal.BLOCKED
    assert importing.refusal(once, again, replace(later, digest="0" * 64), NOW + 1_000, RULES) is None
    released = replace(once, blocks=(replace(once.blocks[0], lifted=LIFTED),))
    assert importing.refusal(released, again, later, NOW + 1_000, RULES) is Refusal.RELEASED
    assert importing.refusal(once, again, later, NOW + 2 * DAY, RULES) is Refusal.OVER


def test_a_block_says_where_it_came_from() -> None:
    """An imported block names the list's reason, the file and the importing person's reason."""
    (block,) = importing.bring(NOBODY, PERMANENT, BLOCKS).blocks
    assert (block.origin, block.by, block.since, block.until) == (Origin.IMPORT, "ratna", NOW, None)
    assert block.reason == "spam (list.csv [3f9a1c2b4d5e]: moved in)"
    (bare,) = importing.bring(NOBODY, A_DAY, BLOCKS).blocks
    assert bare.reason == "list.csv [3f9a1c2b4d5e]: moved in"


def test_what_waits_for_a_person_goes_on_waiting() -> None:
    """An import does not decide a proposal, and its block rests on none of the caller's calls."""
    waiting = Proposal(NOW, ProposalCause.POLICY, None, 2, "misused", (call_id(1),))
    after = importing.bring(replace(NOBODY, proposals=(waiting,)), PERMANENT, BLOCKS)
    assert after.proposed is waiting
    assert after.blocks[0].calls == ()


def test_what_was_brought_in_can_be_taken_back_and_brought_in_again() -> None:
    """Undoing an import lifts its blocks without forgiving, and removes its entries from the allow list."""
    once = importing.bring(held(block(NOW - DAY, NOW + 1)), PERMANENT, BLOCKS)
    back = importing.take_back(once, PERMANENT, BLOCKS, NOW + 5)
    assert back.block_at(NOW + 5) is None
    assert back.block_at(NOW) == back.blocks[0]
    lifted = back.blocks[1].lifted
    assert lifted
    assert (lifted.reason, lifted.forgives) == (importing.TAKEN_BACK, False)
    assert refusal(back, now=NOW + 6) is None
    assert importing.take_back(back, PERMANENT, BLOCKS, NOW + 9) == back

    waiting = Proposal(NOW, ProposalCause.POLICY, None, 2, "misused")
    before = replace(NOBODY, proposals=(waiting,), appeals=(Appeal(NOW, "clerk", "not me", NOW + DAY),))
    allowed = importing.bring(before, PERMANENT, ALLOWS)
    assert allowed.allow
    assert (allowed.proposed, allowed.appeal) == (None, None)
    assert importing.take_back(allowed, PERMANENT, ALLOWS, NOW + 5) == before
    other = replace(allowed, allow=AllowEntry(NOW + 1, "budi", "clinic"))
    assert importing.take_back(other, PERMANENT, ALLOWS, NOW + 5) == other


def test_the_allow_list_takes_who_is_not_on_it() -> None:
    """An import puts a blocked caller on the allow list, and leaves out one who is on it."""
    assert importing.refusal(held(block(NOW, None)), PERMANENT, ALLOWS, NOW, RULES) is None
    listed = importing.bring(NOBODY, PERMANENT, ALLOWS)
    assert importing.refusal(listed, PERMANENT, ALLOWS, NOW, RULES) is Refusal.ALLOWED
