"""Long files first: a plugin that `tests/conftest.py` loads.

Files run side by side (Makefile), each in one process. A file with a PBX takes minutes and mostly waits; a
file of the core takes seconds of processor time. pytest-xdist sorts by the number of tests and so puts the
long files last; then some processes would be idle while one plays the last call.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

import pytest

LONGEST_FIRST: Final = ("pbx", "fault", "redis")
"""By the markers of a file's tests; files without any of these come last."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests by file; within a file the order stays."""
    needs: dict[Path, set[str]] = {}
    for item in items:
        needs.setdefault(item.path, set()).update(mark.name for mark in item.iter_markers())
    counts = Counter(item.path for item in items)
    places = {path: place for place, path in enumerate(ranked(needs, counts))}
    items.sort(key=lambda item: places[item.path])


def ranked(needs: Mapping[Path, AbstractSet[str]], counts: Mapping[Path, int]) -> Iterable[Path]:
    """Return the files, longest first: by their markers, then by their number of tests."""

    def key(path: Path) -> tuple[int, int, str]:
        kinds = (place for place, kind in enumerate(LONGEST_FIRST) if kind in needs[path])
        return next(kinds, len(LONGEST_FIRST)), -counts[path], str(path)

    return sorted(needs, key=key)
