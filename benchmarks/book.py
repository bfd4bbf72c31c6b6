"""What was measured: by name, one value a round."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Book:
    """Values by name, like `fastagi.c.64.rate`, in the order of the rounds."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """Write down one value."""
        self.values.setdefault(name, []).append(value)

    def add_all(self, prefix: str, values: Mapping[str, float]) -> None:
        """Write down several."""
        for name, value in values.items():
            self.add(f"{prefix}.{name}", value)

    def median(self, name: str) -> float | None:
        """Give the median over the rounds; None for what was not measured."""
        return statistics.median(self.values[name]) if name in self.values else None

    def ratio(self, over: str, under: str) -> float | None:
        """Give the median of the rounds' own ratios: what else the machine does concerns both."""
        found = self.ratios(over, under)
        return statistics.median(found) if found else None

    def ratios(self, over: str, under: str) -> list[float]:
        """Give the ratio of each round."""
        pairs = zip(self.values.get(over, ()), self.values.get(under, ()), strict=False)
        return [a / b for a, b in pairs if b]

    def shown(self, name: str, form: str = ",.0f") -> str:
        """Write median and spread for a table."""
        if name not in self.values:
            return "-"
        held = self.values[name]
        middle = format(statistics.median(held), form)
        return middle if len(held) == 1 else f"{middle} ({min(held):{form}} to {max(held):{form}})"
