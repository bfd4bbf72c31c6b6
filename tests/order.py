"""Long files first: a plugin that `tests/conftest.py` loads.

Files are played side by side (Makefile), each by one process. A file with a PBX takes minutes, most of them
waiting, one of the core seconds of a processor: were the long ones last, as pytest-xdist has them, which
goes by the number of tests, two processes would have nothing to do while one plays the last call.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

import pytest

LONGEST_FIRST: Final = ("pbx", "fault", "redis")
"""By what a file's tests need; those that need nothing are last."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by file; within a file all stay as they are."""
    needs: dict[Path, set[str]] = {}
    for item in items:
        needs.setdefault(item.path, set()).update(mark.name for mark in item.iter_markers())
    counts = Counter(item.path for item in items)
    places = {path: place for place, path in enumerate(ranked(needs, counts))}
    items.sort(key=lambda item: places[item.path])


def ranked(needs: Mapping[Path, AbstractSet[str]], counts: Mapping[Path, int]) -> Iterable[Path]:
    """Give the files, the longest first: by what they need, then by how many tests they have."""

    def key(path: Path) -> tuple[int, int, str]:
        kinds = (place for place, kind in enumerate(LONGEST_FIRST) if kind in needs[path])
        return next(kinds, len(LONGEST_FIRST)), -counts[path], str(path)

    return sorted(needs, key=key)
