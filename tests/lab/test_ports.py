"""The lab's ports: however many were handed out, a whole range is still to be had."""

from tests.lab import ports


def test_thousands_of_single_ports_leave_ranges_free() -> None:
    """A long run of calls must not use up the ranges that the next PBX needs."""
    singles = [ports.free() for _ in range(3_000)]
    first = ports.free(200)
    assert not set(singles) & set(range(first, first + 200))


def test_a_port_is_not_handed_out_twice_in_a_row() -> None:
    """Two callers that start at once get ports of their own."""
    assert len({ports.free(4) for _ in range(100)}) == 100
