"""Who talks to whom, including through Local channels."""

import itertools

import pytest

from siaga112.core.tracking.bridges import MAX_HALVES, Bridges, stem

CALLER, ONE, TWO, PHONE = "c", "l1", "l2", "p"
NAMES = {CALLER: "PJSIP/trunk-1", ONE: "Local/x@y-1;1", TWO: "Local/x@y-1;2", PHONE: "PJSIP/101-1"}
PLACES = {CALLER: "a", ONE: "a", TWO: "b", PHONE: "b"}


def bridges() -> Bridges:
    """Return empty bridges that know one channel as a caller's."""
    return Bridges(CALLER.__eq__)


def enter(where: Bridges, *uids: str) -> set[str]:
    """Put channels into their bridges; return what the last one connected."""
    return [where.enter(uid, PLACES[uid], NAMES[uid]) for uid in uids][-1]


@pytest.mark.parametrize("order", list(itertools.permutations(PLACES)), ids="-".join)
def test_a_phone_behind_a_local_channel_is_somebody_in_whatever_order_it_is_told(
    order: tuple[str, ...],
) -> None:
    """The caller is connected once all four channels are in their bridges, until any of them leaves."""
    for gone in PLACES:
        where = bridges()
        assert not enter(where, *order[:3])
        assert enter(where, order[3]) == {CALLER}
        assert CALLER in where.leave(gone)


def test_a_local_channel_alone_is_nobody() -> None:
    """A Local channel alone in the caller's bridge connects nobody: a menu may be behind it."""
    assert not enter(bridges(), CALLER, ONE)


@pytest.mark.parametrize("first", [True, False])
def test_a_queue_vouches_for_its_member(*, first: bool) -> None:
    """A queue's member behind a Local channel counts as an operator, whichever event comes first."""
    where = bridges()
    if first:
        assert not where.vouch(ONE)
        assert enter(where, CALLER, ONE) == {CALLER}
    else:
        assert not enter(where, CALLER, ONE)
        assert where.vouch(ONE) == {CALLER}
    assert where.only_vouched(CALLER)
    assert where.lead_on(NAMES[TWO]) == {CALLER}, "but not for one that waits in a further queue itself"
    assert enter(where, TWO, PHONE) == {CALLER}, "until somebody is found there"
    assert not where.only_vouched(CALLER)


def test_other_channels_are_nobodys_halves() -> None:
    """Only Local channels have halves."""
    assert stem(NAMES[ONE]) == stem(NAMES[TWO]) == "Local/x@y-1"
    assert [stem(name) for name in ("PJSIP/a;1", "Local/x@y-1", "")] == ["", "", ""]


def test_what_is_never_told_to_end_does_not_grow() -> None:
    """The memory of Local channels is bounded, even if the PBX never reports their ends."""
    where = bridges()
    for n in range(MAX_HALVES + 10):
        where.vouch(str(n))
        where.lead_on(f"Local/x@y-{n};2")
    assert len(where._vouched) == len(where._led_on) == MAX_HALVES
