"""The order of the files."""

from pathlib import Path

from tests.order import ranked


def test_files_that_wait_longest_come_first() -> None:
    """Files with a PBX come first, then faults, Redis and the rest; within each, those with more tests."""
    calls, more_calls, fault, redis, core = (Path(name) for name in ("c", "m", "f", "r", "a"))
    needs = {
        core: set[str](),
        calls: {"pbx"},
        redis: {"redis"},
        more_calls: {"pbx", "fault"},
        fault: {"fault"},
    }
    counts = {core: 3_000, calls: 2, redis: 40, more_calls: 9, fault: 5}
    assert list(ranked(needs, counts)) == [more_calls, calls, fault, redis, core]
