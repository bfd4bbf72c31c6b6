"""What makes a report, on the connection for what reads much."""

from siaga112.console.site import Console
from siaga112.report.figures import Reporter


def reporter(site: Console) -> Reporter:
    """Make what counts."""
    config = site.settings
    promise = config.service_level
    return Reporter(site.slow, config.site, config.shift_plan(), promise.answer_within, promise.target)
