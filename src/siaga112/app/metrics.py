"""The metrics of a site."""

from siaga112.adapters.metrics import Metrics
from siaga112.core.rules import InForce
from siaga112.settings.schema import Settings


def open_metrics(settings: Settings, rules: InForce) -> Metrics:
    """Create the metrics, with the centre's service-level target."""
    shifts, target = settings.shift_plan(), settings.service_level.target
    return Metrics(settings.site, settings.pbx.queues, shifts, settings.zone, rules=rules, target=target)
