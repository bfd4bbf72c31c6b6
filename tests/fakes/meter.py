"""A meter that keeps everything it receives."""

from collections.abc import Mapping

from siaga112.core.model import Entry, Mode, OperatorState, ProposalCause, Stage
from siaga112.core.screening import Screening, Withheld


class KeptMeter:
    """`service.ports.Meter` as lists."""

    def __init__(self) -> None:
        self.calls: list[Entry] = []
        self.proposals: list[ProposalCause] = []
        self.verdicts: list[tuple[Screening, float]] = []
        self.stages: list[dict[Stage, int]] = []
        self.up: list[bool] = []
        self.operator_counts: list[Mapping[OperatorState, int] | None] = []
        self.queues: list[Mapping[str, tuple[int, float]]] = []
        self.surges: list[bool] = []
        self.modes: list[Mode] = []
        self.lost_count = 0
        self.asked_count = 0
        self.withheld_causes: list[Withheld] = []
        self.screened_calls: tuple[int, Mapping[str, int]] = (0, {})
        self.replica_callers = 0
        self.replica_gaps = 0

    def call_ended(self, entry: Entry) -> None:
        """Keep."""
        self.calls.append(entry)

    def proposal(self, cause: ProposalCause) -> None:
        """Keep."""
        self.proposals.append(cause)

    def screened(self, screening: Screening, seconds: float) -> None:
        """Keep."""
        self.verdicts.append((screening, seconds))

    def withheld(self, cause: Withheld) -> None:
        """Keep."""
        self.withheld_causes.append(cause)

    def asked(self) -> None:
        """Count."""
        self.asked_count += 1

    def calls_screened(self, calls: int, unfollowed: Mapping[str, int]) -> None:
        """Keep."""
        self.screened_calls = (calls, dict(unfollowed))

    def in_progress(self, stages: dict[Stage, int]) -> None:
        """Keep."""
        self.stages.append(stages)

    def operators(self, counts: Mapping[OperatorState, int] | None) -> None:
        """Keep."""
        self.operator_counts.append(counts)

    def waiting(self, queues: Mapping[str, tuple[int, float]]) -> None:
        """Keep."""
        self.queues.append(queues)

    def surge(self, *, on: bool) -> None:
        """Keep."""
        self.surges.append(on)

    def lost(self, count: int) -> None:
        """Keep."""
        self.lost_count += count

    def replica(self, callers: int) -> None:
        """Keep."""
        self.replica_callers = callers

    def replica_gap(self) -> None:
        """Count."""
        self.replica_gaps += 1

    def mode(self, mode: Mode) -> None:
        """Keep."""
        self.modes.append(mode)

    def answers(self, part: str, *, up: bool) -> None:
        """Keep."""
        del part
        self.up.append(up)

    def unpublished(self, count: int) -> None:
        """Keep."""
        self.waiting_to_be_published = count
