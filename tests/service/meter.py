"""A meter that keeps what it is told."""

from siaga112.core.model import Block, Entry, Screening, Stage


class KeptMeter:
    """`service.ports.Meter` as lists."""

    def __init__(self) -> None:
        self.calls: list[Entry] = []
        self.strikes: list[tuple[Entry, Block | None]] = []
        self.verdicts: list[tuple[Screening, float]] = []
        self.stages: list[dict[Stage, int]] = []
        self.up: list[bool] = []

    def call_ended(self, entry: Entry) -> None:
        """Keep."""
        self.calls.append(entry)

    def struck(self, entry: Entry, imposed: Block | None) -> None:
        """Keep."""
        self.strikes.append((entry, imposed))

    def screened(self, screening: Screening, seconds: float) -> None:
        """Keep."""
        self.verdicts.append((screening, seconds))

    def in_progress(self, stages: dict[Stage, int]) -> None:
        """Keep."""
        self.stages.append(stages)

    def store_up(self, *, up: bool) -> None:
        """Keep."""
        self.up.append(up)
