"""Today's figures, updated by each announcement, so that a wall does not query the database."""

from collections import Counter
from dataclasses import dataclass, field

from siaga112.core.announcements import Announcement, EventType
from siaga112.core.figures import Counted
from siaga112.core.model import SECOND, Mark, Millis, Outcome, Reason
from siaga112.core.service_level import Levels, Served, levels, served


@dataclass(slots=True)
class Today:
    """Calls since midnight by outcome; answered ones by mark ('' for none)."""

    since: Millis
    answer_within: Millis
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)
    served: Counter[Served] = field(default_factory=Counter)

    @classmethod
    def of(cls, since: Millis, answer_within: Millis, counted: Counted) -> "Today":
        """Start from the ledger's counts."""
        today = cls(since, answer_within)
        for kind, began in counted.calls.items():
            count = sum(number for _, number in began)
            today.outcomes[kind.outcome] += count
            if kind.outcome is Outcome.ANSWERED:
                today.marks[kind.mark or ""] += count
            if kind.served:
                today.served[kind.served] += count
        return today

    def add(self, told: Announcement) -> None:
        """Update by one announcement."""
        if told.type is EventType.CALL_ENDED and _whole(told.data.get("started")) >= self.since:
            outcome, reason = Outcome(str(told.data["outcome"])), Reason(str(told.data["reason"]))
            self.outcomes[outcome] += 1
            waited = told.data.get("wait_seconds")
            span = round(float(waited) * SECOND) if isinstance(waited, int | float) else None
            if how := served(outcome, reason, span, self.answer_within):
                self.served[how] += 1
            if outcome is Outcome.ANSWERED:
                self.marks[""] += 1  # its mark is announced after it
        elif told.type is EventType.CALL_MARKED and _whole(told.data.get("started")) >= self.since:
            self.marks[str(told.data.get("was") or "")] -= 1
            self.marks[str(told.data["mark"])] += 1

    @property
    def total(self) -> int:
        """All calls."""
        return self.outcomes.total()

    @property
    def levels(self) -> Levels:
        """The service level by each formula."""
        return levels(self.served, self.outcomes[Outcome.ANSWERED], self.total)

    @property
    def pranks(self) -> int:
        """The answered calls that were pranks, and those that died in the menu."""
        return self.outcomes[Outcome.IVR_PRANK] + self.marks[Mark.PRANK]


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
