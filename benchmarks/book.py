"""Measured values by name, one for each round."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Book:
    """Values by name, like `fastagi.c.64.rate`, in the order of the rounds."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """Add one value."""
        self.values.setdefault(name, []).append(value)

    def add_all(self, prefix: str, values: Mapping[str, float]) -> None:
        """Add several values."""
        for name, value in values.items():
            self.add(f"{prefix}.{name}", value)

    def median(self, name: str) -> float | None:
        """Return the median over the rounds; None if there is no value."""
        return statistics.median(self.values[name]) if name in self.values else None

    def ratio(self, over: str, under: str) -> float | None:
        """Return the median of the rounds' own ratios: within a round other load affects both values."""
        found = self.ratios(over, under)
        return statistics.median(found) if found else None

    def ratios(self, over: str, under: str) -> list[float]:
        """Return the ratio of each round."""
        pairs = zip(self.values.get(over, ()), self.values.get(under, ()), strict=False)
        return [a / b for a, b in pairs if b]

    def shown(self, name: str, form: str = ",.0f") -> str:
        """Return median and spread for a table."""
        if name not in self.values:
            return "-"
        held = self.values[name]
        middle = format(statistics.median(held), form)
        return middle if len(held) == 1 else f"{middle} ({min(held):{form}} to {max(held):{form}})"
