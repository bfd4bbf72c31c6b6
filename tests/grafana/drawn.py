"""The month's random calls: who calls, what comes of it, and how long each part takes."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from siaga112.core.model import SECOND, Fact, FactKind, Mark, Millis
from siaga112.core.screening import Screening

CALLS_A_DAY: Final = 1_862
BY_HOUR: Final = (3, 2, 1, 1, 1, 2, 3, 4, 5, 6, 6, 7, 7, 7, 8, 9, 10, 10, 10, 10, 9, 8, 6, 4)
KINDS: Final = {"menu": 0.807, "talk": 0.139, "early": 0.048, "left": 0.005, "timeout": 0.001}
WITHHELD: Final = 0.06
MARKS: Final = (Mark.PRANK, Mark.PRANK, Mark.PRANK, Mark.INFORMATION, None)
QUEUES: Final = ("emergency", "information")
REGULARS: Final = 2_500
PREFIXES: Final = ("0812", "0813", "0852", "0857", "0878", "0896")
BLOCKED_BEFORE: Final = 9
"""This genuine caller, counted from 1, had been blocked before."""


@dataclass(slots=True)
class Drawn:
    """The random source and the callers: most calls come from few numbers.

    A caller who is rejected gives up in the end, and another number takes its place. `freed`: numbers whose
    block has ended.
    """

    lot: random.Random
    freed: list[str] = field(default_factory=list)
    _regulars: list[str] = field(default_factory=list)
    _patience: dict[str, int] = field(default_factory=dict)
    _in_need: int = 0

    def __post_init__(self) -> None:
        self._regulars = [self._fresh() for _ in range(REGULARS)]

    def pause(self, hour: int) -> Millis:
        """Return how long after a call the next one comes."""
        a_second = CALLS_A_DAY / 86_400 * BY_HOUR[hour] / (sum(BY_HOUR) / 24)
        return 1 + int(self.lot.expovariate(a_second) * SECOND)

    def kind(self) -> str:
        """Return what the call will be."""
        return self.lot.choices(list(KINDS), list(KINDS.values()))[0]

    def latency(self, *, slow: bool) -> float:
        """Return the seconds that a verdict takes."""
        rarely = 0.02 if self.lot.random() < 0.01 else 0.0
        return (12 if slow else 1) * self.lot.lognormvariate(-6.7, 0.45) + rarely

    def call_back(self) -> Millis:
        """Return how long it takes until somebody is called back."""
        return int(self.lot.expovariate(1 / 12) * 60 * SECOND)

    # ── who ──────────────────────────────────────────────────────────────────────────────────────

    def number(self, kind: str) -> str:
        """Return who calls; '' for a withheld number."""
        if self.lot.random() < WITHHELD:
            return ""
        again = self.lot.random() < (0.8 if kind == "menu" else 0.5)
        return self._regulars[int(REGULARS * self.lot.random() ** 2.2)] if again else self._fresh()

    def in_need(self) -> str:
        """Return who has something to report: anybody, and once somebody who had been blocked."""
        self._in_need += 1
        return self.freed[0] if self.freed and self._in_need == BLOCKED_BEFORE else self._fresh()

    def rejected(self, number: str) -> None:
        """Count a rejection; a caller who has had enough of them is replaced."""
        left = self._patience.setdefault(number, self.lot.randrange(3, 12)) - 1
        self._patience[number] = left
        if left <= 0 and number in self._regulars:
            self._regulars[self._regulars.index(number)] = self._fresh()

    def _fresh(self) -> str:
        return f"{self.lot.choice(PREFIXES)}{self.lot.randrange(10_000_000, 99_999_999)}"

    # ── what ─────────────────────────────────────────────────────────────────────────────────────

    def facts(
        self, at: Millis, kind: str, told: Screening, *, genuine: bool, gap: bool, busy: bool
    ) -> Iterator[Fact]:
        """Yield what the tracker would have seen of the call, in order."""
        yield Fact(at, FactKind.ARRIVED)
        yield Fact(at + 60, FactKind.SCREENED, f"{told.verdict} {told.reason}")
        if gap:
            yield Fact(at + 70, FactKind.GAP)
        if told.treatment:
            yield Fact(at + 80, FactKind.REJECTED)
            last = at + 120
        elif kind == "early":
            last = at + self.lot.randrange(400, 2_900)
            yield Fact(last, FactKind.LEFT_ARRIVAL)
        else:
            yield Fact(at + 2_000, FactKind.MENU)
            last = at + 3_200 + self._seconds(2.3, 0.6)
            if kind == "menu":
                yield from self._in_menu(last)
            else:
                yield Fact(last, FactKind.QUEUED, QUEUES[self.lot.random() < 0.25])
                for fact in self._in_queue(last, kind, genuine=genuine, busy=busy):
                    yield fact
                    last = fact.at
        yield Fact(last + 40, FactKind.ENDED, "16")

    def _in_menu(self, at: Millis) -> Iterator[Fact]:
        if self.lot.random() < 0.8:
            yield Fact(at, FactKind.LEFT_MENU)
        else:
            yield Fact(at - 900, self.lot.choice((FactKind.INVALID_CHOICE, FactKind.NO_CHOICE)))
            yield Fact(at, FactKind.MENU_HUNG_UP)

    def _in_queue(self, at: Millis, kind: str, *, genuine: bool, busy: bool) -> Iterator[Fact]:
        if kind == "left":
            yield Fact(at + int(self.lot.uniform(3, 40) * SECOND), FactKind.LEFT_QUEUE)
        elif kind == "timeout":
            yield Fact(at + 60 * SECOND, FactKind.GAVE_UP, "TIMEOUT")
        else:
            at += self._seconds(2.5 if busy else 1.4, 0.4)
            yield Fact(at, FactKind.CONNECTED)
            at += SECOND + self._seconds(4.9 if genuine else 3.6, 0.6)
            if mark := Mark.GENUINE if genuine else self.lot.choice(MARKS):
                yield Fact(at - 500, FactKind.MARKED, mark)
            yield Fact(at, FactKind.PARTED)

    def _seconds(self, middle: float, spread: float) -> Millis:
        return int(self.lot.lognormvariate(middle, spread) * SECOND)
