"""A centre's rules in one object, and the place that holds the rules in force.

Code that decides by the rules keeps an `InForce` and reads `now` for each decision. A reload replaces all
rules at once, so no decision uses old ones.
"""

from dataclasses import dataclass, field

from siaga112.core.caller_id import INDONESIA, NumberPlan
from siaga112.core.model import SECOND, Millis
from siaga112.core.names import Names
from siaga112.core.outcome import ClassifierRules
from siaga112.core.regulation import PolicyRules


@dataclass(frozen=True, slots=True)
class Dialplan:
    """What the tracker must know about the PBX's dialplan, whatever its names are.

    `dialled`: the emergency numbers, if the trunk also carries calls to others; empty for all calls.
    `hangup_contexts`: contexts that only end a call, like FreePBX's `app-blackhole`. `queues`: the queues
    that serve the emergency line.
    """

    trunk_contexts: frozenset[str]
    ivr_contexts: frozenset[str]
    dialled: frozenset[str] = frozenset()
    numbers: NumberPlan = INDONESIA
    hangup_contexts: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of a centre.

    `answer_within`: the promise to the public ([service_level]); `deadline`: the time limit for a verdict,
    in seconds; `names`: the names of operators and agencies.
    """

    dialplan: Dialplan
    classifier: ClassifierRules = field(default_factory=ClassifierRules)
    policy: PolicyRules = field(default_factory=PolicyRules)
    answer_within: Millis = 10 * SECOND
    deadline: float = 0.3
    names: Names = field(default_factory=Names)


@dataclass(slots=True)
class InForce:
    """Holds the rules in force as `now`."""

    now: Rules
