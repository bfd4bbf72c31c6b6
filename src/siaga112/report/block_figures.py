"""What became of blocks in a period: imposed, lifted, found wrong."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from siaga112.core.model import Level, Origin
from siaga112.core.period import Period
from siaga112.core.record import Block


@dataclass(frozen=True, slots=True)
class BlockFigures:
    """How many blocks began within the period, and how many decisions within it lifted some.

    A decision counts once, however many blocks of its caller it ended. `wrong` are those of them that say
    that the block should never have been: a mark on which it rested was corrected, or a supervisor said
    so (`unblock --mistake`).
    """

    imposed: Counter[tuple[Level, Origin]] = field(default_factory=Counter)
    lifted: int = 0
    wrong: int = 0

    @property
    def by_people(self) -> int:
        """Count the blocks that a person imposed, one by one or with a list."""
        return self.of(Origin.MANUAL) + self.of(Origin.IMPORT)

    def of(self, kind: Level | Origin) -> int:
        """Count the blocks imposed at that level, or by that origin."""
        return sum(count for kinds, count in self.imposed.items() if kind in kinds)


def count_blocks(callers: Sequence[Sequence[Block]], period: Period) -> BlockFigures:
    """Count what began, or was lifted, in the period of the blocks of these callers, one after the other."""
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
