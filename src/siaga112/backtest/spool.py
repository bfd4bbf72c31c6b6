"""Rows put aside until all of them are there, in groups of one key: of a file in whatever order."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

Values = Sequence[Any]
"""The fields of a row: texts, whole numbers, booleans (which may come back as 0 and 1)."""


class Spool(Protocol):
    """Keeps rows, in memory or elsewhere."""

    def add(self, key: str, values: Values) -> None:
        """Put a row into the group of its key."""

    def groups(self) -> Iterator[tuple[str, list[Values]]]:
        """Give each group once, its rows in the order in which they came."""


class MemorySpool:
    """Keeps the rows in memory: for tests, and for what is small."""

    def __init__(self) -> None:
        self._groups: dict[str, list[Values]] = {}

    def add(self, key: str, values: Values) -> None:
        """Put a row into the group of its key."""
        self._groups.setdefault(key, []).append(values)

    def groups(self) -> Iterator[tuple[str, list[Values]]]:
        """Give each group once, its rows in the order in which they came."""
        yield from self._groups.items()
