"""What is counted of a site."""

from siaga112.adapters.metrics import Metrics
from siaga112.core.rules import InForce
from siaga112.settings.schema import Settings


def open_metrics(settings: Settings, rules: InForce) -> Metrics:
    """Make what is counted, with the centre's promise."""
    shifts, target = settings.shift_plan(), settings.service_level.target
    return Metrics(settings.site, settings.pbx.queues, shifts, settings.zone, rules=rules, target=target)
