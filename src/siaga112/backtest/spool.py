"""Stores rows by key until the file is read: the rows of a call may be anywhere in it."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

Values = Sequence[Any]
"""The fields of a row: texts, integers, booleans (which may come back as 0 and 1)."""


class Spool(Protocol):
    """Stores rows, in memory or elsewhere."""

    def add(self, key: str, values: Values) -> None:
        """Add a row to the group of its key."""

    def groups(self) -> Iterator[tuple[str, list[Values]]]:
        """Yield each group once, with its rows in the order in which they were added."""


class MemorySpool:
    """Stores the rows in memory: for tests and small files."""

    def __init__(self) -> None:
        self._groups: dict[str, list[Values]] = {}

    def add(self, key: str, values: Values) -> None:
        """Add a row to the group of its key."""
        self._groups.setdefault(key, []).append(values)

    def groups(self) -> Iterator[tuple[str, list[Values]]]:
        """Yield each group once, with its rows in the order in which they were added."""
        yield from self._groups.items()
