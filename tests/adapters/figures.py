"""`Metrics` of a made-up site in which everything has happened once, for tests of what is shown."""

from datetime import time
from typing import Final
from zoneinfo import ZoneInfo

from prometheus_client.samples import Sample

from siaga112.adapters.metrics import Metrics
from siaga112.core.model import SECOND, Level, Mode, OperatorState
from siaga112.core.names import Names
from siaga112.core.shifts import Shift
from tests.core.table import in_force
from tests.samples import NOW

SITE: Final = "serang"
QUEUE: Final = "emergency"
SHIFTS: Final = (Shift("morning", time(7)), Shift("afternoon", time(14)), Shift("night", time(21)))


def make(
    queues: tuple[str, ...] = (QUEUE,), shifts: tuple[Shift, ...] = SHIFTS, names: Names | None = None
) -> Metrics:
    """Return what a daemon shows before anything has happened."""
    zone, rules = ZoneInfo("Asia/Jakarta"), in_force(answer_within=12 * SECOND, names=names or Names())
    return Metrics(SITE, queues, shifts, zone, rules=rules, target=0.9)


def full(queues: tuple[str, ...] = (QUEUE,), shifts: tuple[Shift, ...] = SHIFTS) -> Metrics:
    """Return what a daemon shows once every part has reported its state."""
    metrics = make(queues, shifts)
    metrics.tallies({"strikes:ivr_prank": 7, "blocks:temporary:automatic": 2, "marks:genuine": 3})
    metrics.operators({OperatorState.AVAILABLE: 2, OperatorState.BUSY: 1})
    metrics.waiting(dict.fromkeys((*queues, "another"), (1, 4.5)))
    metrics.callbacks(2, NOW)
    metrics.appeals(1, NOW)
    metrics.blocks_in_force({Level.TEMPORARY: 2})
    metrics.proposed(1)
    metrics.surge(on=False)
    metrics.calls_screened(3, {"from-forgotten": 1})
    metrics.asked()
    metrics.ami_event("Hangup", NOW)
    metrics.mode(Mode.ENFORCE)
    metrics.answers("redis", up=True)
    metrics.answers("database", up=True)
    metrics.unpublished(0)
    return metrics


def samples(metrics: Metrics) -> list[Sample]:
    """Return every series with its value."""
    return [sample for family in metrics.registry.collect() for sample in family.samples]


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """Return the value of one series; None if it is not shown."""
    return metrics.registry.get_sample_value(f"siaga112_{name}", {"site": SITE, **labels})
