"""Fit a table's columns into a width: one rule for every table that a terminal shows."""

from collections.abc import Sequence
from typing import NamedTuple


class Size(NamedTuple):
    """The space that a column takes.

    `rank`: how much it matters; 0 matters most. `width`: what its longest cell takes. `least`: what it may be
    cut to; ids, numbers and times are never cut, so theirs is `width`.
    """

    rank: int
    width: int
    least: int


def fitted(sizes: Sequence[Size], room: int, gap: int) -> list[int]:
    """Return the width of each column in that room, 0 for one that is left out.

    Text is cut before anything is left out; then the columns of the highest rank go. What room remains is
    given back, first to what matters most. One column always stays.
    """
    shown = sorted(range(len(sizes)), key=lambda nth: sizes[nth].rank)
    widths = [min(size.least, size.width) for size in sizes]

    def spare() -> int:
        return room - sum(widths[nth] for nth in shown) - gap * (len(shown) - 1)

    while len(shown) > 1 and spare() < 0:
        widths[shown.pop()] = 0
    for nth in shown:
        widths[nth] += max(0, min(spare(), sizes[nth].width - widths[nth]))
    return widths
