"""The lab's ports: single ports never use up the ranges, and none is handed out twice in a row."""

from tests.lab import ports


def test_thousands_of_single_ports_leave_ranges_free() -> None:
    """After thousands of single ports there is still a free range, as the next PBX needs one."""
    singles = [ports.free() for _ in range(3_000)]
    first = ports.free(200)
    assert not set(singles) & set(range(first, first + 200))


def test_a_port_is_not_handed_out_twice_in_a_row() -> None:
    """A hundred callers that start one after another get different ports."""
    assert len({ports.free(4) for _ in range(100)}) == 100
