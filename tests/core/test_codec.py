"""What is stored: read as it was written, or a ValueError, never anything else."""

from collections.abc import Callable

import pytest

from siaga112.core import codec
from siaga112.core.record import CallerRecord
from tests.samples import CALLER, NOW, strike


@pytest.mark.parametrize(
    "load",
    [codec.load_item, codec.load_entry, codec.load_record, codec.load_standing, codec.load_audit_entry],
)
@pytest.mark.parametrize("text", [b"", b"null", b"[", b"[" * 100_000, b"\xff", b"1" * 5_000, b'{"at":[]}'])
def test_what_is_no_record_is_a_value_error(load: Callable[[bytes], object], text: bytes) -> None:
    """Junk in the store is refused with the one error that its readers expect."""
    with pytest.raises(ValueError):  # noqa: PT011 - whose message it is does not matter
        load(text)


def test_strikes_are_in_order_whoever_wrote_them() -> None:
    """What counts is found by the order of their ends: one that somebody put elsewhere must not be missed."""
    strikes = tuple(strike(n, NOW + n) for n in range(4))
    shuffled = CallerRecord(CALLER, strikes=(strikes[2], strikes[0], strikes[3], strikes[1]))
    assert codec.load_record(codec.dump_record(shuffled)) == CallerRecord(CALLER, strikes=strikes)
