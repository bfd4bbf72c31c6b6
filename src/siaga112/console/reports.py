"""The reporter, on the connection for large queries."""

from siaga112.console.site import Console
from siaga112.report.figures import Reporter


def reporter(site: Console) -> Reporter:
    """Return the reporter."""
    config = site.settings
    promise = config.service_level
    return Reporter((site.slow,), config.site, config.shift_plan(), promise.answer_within, promise.target)
