"""The regulation in figures: what counts, how much, and what follows; the presets that centres begin with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from siaga112.core import durations
from siaga112.core.model import DAY, SECOND, Level, Mark, Millis, Outcome, Reason, Treatment
from siaga112.core.record import Strike

OWN_RULE: Final = "own rule"
"""What a centre's own values are called, where a preset's name would stand."""

COUNTABLE: Final = frozenset(
    {
        *(Outcome.IVR_PRANK, Reason.LEFT_MENU, Reason.INVALID_CHOICE, Reason.NO_CHOICE),
        *(Mark.PRANK, Mark.SILENT),
        *(Outcome.ABANDONED, Reason.LEFT_QUEUE, Reason.LEFT_RINGING, Reason.BEFORE_QUEUE),
        *(Reason.DROPPED_EARLY, Reason.BEFORE_MENU),
    }
)
"""What a regulation may count as a misuse: never what we failed to serve, nor what we did not see."""

NEVER: Final = frozenset({Reason.LEFT_CHOOSING, Reason.AFTER_CHOICE})
"""Reasons that count for nothing, whatever weight their outcome has: who made a choice used the menu."""

_LADDER: Final = (
    "thresholds", "window", "weights", "temporary", "repeat", "permanent", "memory", "burst",
    "unattested", "several_trunks", "trunk_burst",
)  # fmt: skip
"""What of the rules decides that a block is due, and which."""


@dataclass(frozen=True, slots=True)
class PolicyRules:
    """A regulation in figures. The defaults are the preset `permenkominfo-2016`.

    The ministerial regulation (Permenkominfo 10/2016) as the centre states it: more than 5 misuses,
    a temporary block; again, a permanent one. It gives no window and no duration: 30 days and 24
    hours are what Indonesian centres have said they use. Whom the PBX ended for silence or wrong keys may be
    unable to press: that counts for nothing, unless a centre says so.

    `thresholds`: one, and each later step follows on `repeat` misuses after a block; or one a step.
    `weights`: what counts, by outcome, by one of its reasons (which goes first), or `prank` or `silent`
    for the operator's mark. `unattested`: as how much of that a call counts whose number nobody vouches for;
    `several_trunks`: as how much each counts, where one number misused the line over several. `trunk_burst`:
    of calls over several that come within this time of each other none counts; 0 for as many as there are.
    `cap`: automatic blocks within an hour, 0 for no limit; `cap_permanent`: those of them that are
    permanent. `protect`: how long a genuine report keeps a caller from being blocked without a person.
    `let_through`: who calls again within this time of being turned away gets through to the end of the
    queue; 0 for never. `surge`: nobody gets a strike while callers (`lines`: how many) have waited longer
    than this, or while no operator is logged in; 0 for never.
    `keep`: how long anything is held against, or for, a caller; `keep_missed`: an abandoned call.
    `appeal_within`: how long the centre has to decide an objection (UU 27/2022: three times 24 hours);
    `suspend_on_appeal`: whether a block waits for that. `review`: after how long in force a permanent block
    is proposed anew, 0 for never. `review_quiet`: a number that has not called for so long since its
    permanent block is released, 0 for never: numbers are sold again 60 days after they lapse
    (Permenkominfo 14/2018).
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
        """Say how much a strike counts alone: by its reason, else by its outcome, else nothing.

        Less, if the rules say so, where nobody vouches for the number (domain: caller ID can be spoofed).
        """
        if strike.reason in NEVER:
            return 0.0
        weight = self.weights.get(strike.reason, self.weights.get(strike.outcome, 0.0))
        return weight if strike.attested else weight * self.unattested

    def doubts(self, one: Strike, earlier: Strike) -> bool:
        """Say whether of two misuses of one number neither is surely its owner's; `earlier` ended first.

        One telephone makes one call after the other, over one exchange's trunk. Calls that are up at one
        moment are of several telephones behind one number, or forged; so are calls that come over several
        trunks within a burst. A trunk that was not kept is not another.
        """
        if one.overlaps(earlier):
            return True
        several = self.trunk_burst and one.trunk != earlier.trunk and one.trunk and earlier.trunk
        return bool(several) and one.began - earlier.at < self.trunk_burst

    def together(self, strikes: Iterable[Strike]) -> float:
        """Say as how much of its weight each of these strikes of one number counts.

        A telephone's calls come over its exchange's trunk; calls with its number that come over another may
        be somebody else's, and which they are is not known. A trunk that was not kept is not another.
        """
        return self.several_trunks if len({one.trunk for one in strikes if one.trunk}) > 1 else 1.0

    @property
    def title(self) -> str:
        """The preset's name where all of its ladder stands, else `own rule` with the values.

        It is kept with each block: it must still be true, and tell all, when the configuration has changed.
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
        # The centre's office later in 2019: over 5, about one day; over 10, proposed to the ministry.
        PolicyRules(name="serang-2019", thresholds=(5, 10), permanent="proposed"),
        # What UU 27/2022 and Permenkominfo 14/2018 ask for beside it: docs/policy.md has the reasons.
        PolicyRules(name="uu-27-2022", permanent="proposed", review=180 * DAY, review_quiet=60 * DAY),
    )
}
