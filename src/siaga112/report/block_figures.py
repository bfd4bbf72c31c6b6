"""Blocks in a period: how many were imposed, lifted or wrong."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from siaga112.core.model import Level, Origin
from siaga112.core.period import Period
from siaga112.core.record import Block


@dataclass(frozen=True, slots=True)
class BlockFigures:
    """The number of blocks that began in the period, and of decisions in it that lifted blocks.

    A decision counts once, however many blocks of its caller it ended. `wrong` counts the decisions that
    found a block wrong from the start: a mark behind it was corrected, or a supervisor said so (`unblock
    --mistake`).
    """

    imposed: Counter[tuple[Level, Origin]] = field(default_factory=Counter)
    lifted: int = 0
    wrong: int = 0

    @property
    def by_people(self) -> int:
        """The blocks imposed by a person, one by one or as a list."""
        return self.of(Origin.MANUAL) + self.of(Origin.IMPORT)

    def of(self, kind: Level | Origin) -> int:
        """Return the number of blocks imposed at that level, or by that origin."""
        return sum(count for kinds, count in self.imposed.items() if kind in kinds)


def count_blocks(callers: Sequence[Sequence[Block]], period: Period) -> BlockFigures:
    """Count the blocks that began or were lifted in the period; `callers` has the blocks of each caller."""
    first, end = period.first, period.end
    lifts = [
        lift
        for blocks in callers
        for lift in {block.lifted for block in blocks if block.lifted and first <= block.lifted.at < end}
    ]
    return BlockFigures(
        imposed=Counter(_kind(block) for blocks in callers for block in blocks if first <= block.since < end),
        lifted=len(lifts),
        wrong=sum(lift.mistake for lift in lifts),
    )


def _kind(block: Block) -> tuple[Level, Origin]:
    return block.level, block.origin
