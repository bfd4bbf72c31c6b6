"""The regulation in figures: what counts, how much it counts, and what follows; and the presets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from siaga112.core import durations
from siaga112.core.model import DAY, SECOND, Level, Mark, Millis, Outcome, Reason, Treatment
from siaga112.core.record import Strike

OWN_RULE: Final = "own rule"
"""The name for a centre's own values, in place of a preset's name."""

COUNTABLE: Final = frozenset(
    {
        *(Outcome.IVR_PRANK, Reason.LEFT_MENU, Reason.INVALID_CHOICE, Reason.NO_CHOICE),
        *(Mark.PRANK, Mark.SILENT),
        *(Outcome.ABANDONED, Reason.LEFT_QUEUE, Reason.LEFT_RINGING, Reason.BEFORE_QUEUE),
        *(Reason.DROPPED_EARLY, Reason.BEFORE_MENU),
    }
)
"""What a regulation may count as a misuse: never a call that we failed to serve or did not see."""

NEVER: Final = frozenset({Reason.LEFT_CHOOSING, Reason.AFTER_CHOICE})
"""Reasons that never count, whatever weight their outcome has: a caller who made a choice used the menu."""

_LADDER: Final = (
    "thresholds", "window", "weights", "temporary", "repeat", "permanent", "memory", "burst",
    "unattested", "several_trunks", "trunk_burst",
)  # fmt: skip
"""The rules that decide whether a block is due, and which one."""


@dataclass(frozen=True, slots=True)
class PolicyRules:
    """A regulation in figures. The defaults are the preset `permenkominfo-2016`.

    The ministerial regulation (Permenkominfo 10/2016), as the centre states it: more than 5 misuses lead to a
    temporary block, and a further misuse to a permanent one. It gives no window and no duration; 30 days and
    24 hours are what Indonesian centres have said they use. A caller whom the PBX disconnected for silence
    or wrong keys may be unable to press a key. That does not count, unless a centre says so.

    - `thresholds`: a single one, and each later step follows after `repeat` misuses since a block; or one
      for each step.
    - `weights`: what counts, by outcome, by reason (which takes precedence), or by mark (`prank`, `silent`).
    - `unattested`: factor for a call with a number that nobody vouches for. `several_trunks`: factor for all
      calls, if one number misused the line over several trunks. `trunk_burst`: calls over several trunks
      within this time of each other do not count; 0 to count them all.
    - `warn_from`: the weight of strikes from which a caller gets a warning; 0 for never.
    - `cap`: maximum number of automatic blocks per hour, `cap_permanent`: of permanent ones; 0 for no limit.
    - `protect`: for how long after a genuine report only a person can block the caller.
    - `let_through`: a rejected caller who calls again within this time gets to the end of the queue; 0 for
      never.
    - `surge`: nobody gets a strike while callers have waited longer than this, or while no operator is
      logged in; 0 to turn this off.
    - `keep`: how long a caller's data is kept; `keep_missed`: how long an abandoned call is kept.
    - `appeal_within`: how long the centre has to decide an appeal (UU 27/2022: three times 24 hours).
      `suspend_on_appeal`: whether an open appeal suspends the block.
    - `review`: after this time in force, a permanent block is proposed for review; 0 for never.
      `review_quiet`: a permanent block ends if the number has not called for this long; 0 for never. Numbers
      are sold again 60 days after they lapse (Permenkominfo 14/2018).
    """

    name: str = "permenkominfo-2016"
    thresholds: tuple[int, ...] = (5,)
    window: Millis = 30 * DAY
    weights: Mapping[str, float] = field(
        default_factory=lambda: {
            Outcome.IVR_PRANK.value: 1.0,
            Reason.INVALID_CHOICE.value: 0.0,
            Reason.NO_CHOICE.value: 0.0,
            Mark.PRANK.value: 1.0,
        }
    )
    temporary: tuple[Millis, ...] = (DAY,)
    repeat: int = 1
    permanent: Literal["automatic", "proposed", "never"] = "automatic"
    memory: Millis = 365 * DAY
    burst: Millis = 0
    unattested: float = 1.0
    several_trunks: float = 1.0
    trunk_burst: Millis = 600 * SECOND
    warn_from: int = 4
    cap: int = 30
    cap_permanent: int = 2
    protect: Millis = 30 * DAY
    let_through: Millis = 0
    surge: Millis = 10 * SECOND
    keep: Millis = 400 * DAY
    keep_missed: Millis = 7 * DAY
    appeal_within: Millis = 3 * DAY
    suspend_on_appeal: bool = False
    review: Millis = 0
    review_quiet: Millis = 0
    treatment: Mapping[Level, Treatment] = field(
        default_factory=lambda: {Level.TEMPORARY: Treatment.ANNOUNCE, Level.PERMANENT: Treatment.ANNOUNCE}
    )

    def weight(self, strike: Strike) -> float:
        """Return the weight of a single strike: by its reason, else by its outcome, else 0.

        It is multiplied by `unattested` if nobody vouches for the number, because a caller ID can be spoofed.
        """
        if strike.reason in NEVER:
            return 0.0
        weight = self.weights.get(strike.reason, self.weights.get(strike.outcome, 0.0))
        return weight if strike.attested else weight * self.unattested

    def doubts(self, one: Strike, earlier: Strike) -> bool:
        """Return whether two misuses from one number make each other doubtful. `earlier` ended first.

        One telephone makes one call at a time, over its exchange's trunk. Simultaneous calls come from
        several telephones behind one number or are forged, and so do calls over several trunks within
        `trunk_burst`. An unknown trunk does not count as a different one.
        """
        if one.overlaps(earlier):
            return True
        several = self.trunk_burst and one.trunk != earlier.trunk and one.trunk and earlier.trunk
        return bool(several) and one.began - earlier.at < self.trunk_burst

    def together(self, strikes: Iterable[Strike]) -> float:
        """Return the fraction of its weight at which each of these strikes from one number counts.

        A telephone's calls come over its exchange's trunk. If calls with its number come over several
        trunks, some may be somebody else's, and nobody knows which. An unknown trunk does not count as a
        different one.
        """
        return self.several_trunks if len({one.trunk for one in strikes if one.trunk}) > 1 else 1.0

    @property
    def title(self) -> str:
        """The preset's name if its ladder is unchanged, else `own rule` with the values.

        It is stored with each block, so it must be complete and stay true after the configuration changes.
        """
        preset = PRESETS.get(self.name)
        if preset and all(getattr(preset, key) == getattr(self, key) for key in _LADDER):
            return self.name
        usual = PolicyRules()
        told = [
            f"threshold {', '.join(map(str, self.thresholds))}",
            f"window {durations.spell(self.window)}",
            f"temporary {', '.join(map(durations.spell, self.temporary)) or 'none'}",
            f"permanent {self.permanent}",
        ]
        if self.weights != usual.weights:
            counted = ", ".join(f"{name} {weight:g}" for name, weight in self.weights.items())
            told.append(f"counted {counted or 'nothing'}")
        told += [f"repeat {self.repeat}"] if self.repeat != usual.repeat else []
        told += [f"memory {durations.spell(self.memory)}"] if self.memory != usual.memory else []
        if (self.unattested, self.several_trunks) != (1, 1):
            told.append(f"unattested {self.unattested:g}, over several trunks {self.several_trunks:g}")
        told += [f"burst {durations.spell(self.burst)}"] if self.burst != usual.burst else []
        if self.trunk_burst != usual.trunk_burst:
            told.append(f"burst over several trunks {durations.spell(self.trunk_burst)}")
        return f"{OWN_RULE}: {'; '.join(told)}"


PRESETS: Final[Mapping[str, PolicyRules]] = {
    rules.name: rules
    for rules in (
        PolicyRules(),
        # The centre's office, later in 2019: over 5, about one day; over 10, proposed to the ministry.
        PolicyRules(name="serang-2019", thresholds=(5, 10), permanent="proposed"),
        # With the additions that UU 27/2022 and Permenkominfo 14/2018 require: see docs/policy.md.
        PolicyRules(name="uu-27-2022", permanent="proposed", review=180 * DAY, review_quiet=60 * DAY),
    )
}
