"""What became of blocks in a period: imposed, lifted, found wrong."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from siaga112.core.model import Block, Level, Origin
from siaga112.core.period import Period


@dataclass(frozen=True, slots=True)
class BlockFigures:
    """How many blocks began within the period, and how many were ended before their time within it.

    `wrong` are those of the lifted that should never have been: a mark on which they rested was
    corrected, or a supervisor said so (`unblock --mistake`).
    """

    imposed: Counter[tuple[Level, Origin]] = field(default_factory=Counter)
    lifted: int = 0
    wrong: int = 0

    def of(self, kind: Level | Origin) -> int:
        """Count the blocks imposed at that level, or by that origin."""
        return sum(count for kinds, count in self.imposed.items() if kind in kinds)


def count_blocks(blocks: Sequence[Block], period: Period) -> BlockFigures:
    """Count those of these blocks that began, or were lifted, in the period."""
    first, end = period.first, period.end
    lifts = [block.lifted for block in blocks if block.lifted and first <= block.lifted.at < end]
    return BlockFigures(
        imposed=Counter(_kind(block) for block in blocks if first <= block.since < end),
        lifted=len(lifts),
        wrong=sum(lift.mistake for lift in lifts),
    )


def _kind(block: Block) -> tuple[Level, Origin]:
    return block.level, block.origin
