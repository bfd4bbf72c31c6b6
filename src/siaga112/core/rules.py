"""All that a centre has decided, in one object, and the one place where it stands while the line runs.

Whoever decides by them keeps an `InForce` and reads what is `now` at each decision: a reload replaces them
all at once, and nobody goes on with what was.
"""

from dataclasses import dataclass, field

from siaga112.core.caller_id import INDONESIA, NumberPlan
from siaga112.core.model import SECOND, Millis
from siaga112.core.names import Names
from siaga112.core.outcome import ClassifierRules
from siaga112.core.regulation import PolicyRules


@dataclass(frozen=True, slots=True)
class Dialplan:
    """What the tracker must know of the PBX; any dialplan's names will do.

    `dialled`: the numbers whose calls are ours, where the trunk carries others too; empty for all.
    `hangup_contexts`: contexts that do nothing but end a call, like FreePBX's `app-blackhole`.
    `queues`: the queues that are ours.
    """

    trunk_contexts: frozenset[str]
    ivr_contexts: frozenset[str]
    dialled: frozenset[str] = frozenset()
    numbers: NumberPlan = INDONESIA
    hangup_contexts: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rules:
    """How calls are told apart and judged, what follows from it, and what was promised.

    `answer_within`: the promise to the public ([service_level]); `deadline`: of a verdict, in seconds;
    `names`: what operators and agencies are called.
    """

    dialplan: Dialplan
    classifier: ClassifierRules = field(default_factory=ClassifierRules)
    policy: PolicyRules = field(default_factory=PolicyRules)
    answer_within: Millis = 10 * SECOND
    deadline: float = 0.3
    names: Names = field(default_factory=Names)


@dataclass(slots=True)
class InForce:
    """The rules in force, as they are `now`."""

    now: Rules
