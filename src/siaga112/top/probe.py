"""The state of a daemon, from its `/metrics`."""

from collections import defaultdict

from prometheus_client.samples import Sample

from siaga112.adapters.scrape import MetricsPage
from siaga112.core.model import SECOND
from siaga112.top.watching import Vitals


class DaemonProbe:
    """Implements `top.watching.Probe` with one daemon's metrics page."""

    def __init__(self, page: MetricsPage) -> None:
        self._page = page

    @property
    def url(self) -> str:
        """The page's address."""
        return self._page.url

    async def vitals(self) -> Vitals:
        """Read the daemon's state. Raises ProbeError."""
        return await self._page.read(_vitals)


def _vitals(samples: list[Sample]) -> Vitals:
    """Extract the values we need; raises KeyError if one is missing."""
    values = {sample.name.removeprefix("siaga112_"): sample.value for sample in samples}
    verdicts: dict[float, float] = {}
    causes: dict[str, int] = defaultdict(int)
    for sample in samples:
        if sample.name == "siaga112_agi_duration_seconds_bucket":
            verdicts[float(sample.labels["le"])] = sample.value
        elif sample.name == "siaga112_fail_open_total" and sample.value:
            causes[sample.labels["cause"]] += int(sample.value)
    last = values.get("ami_last_event_timestamp_seconds")
    return Vitals(
        started=int(values["start_time_seconds"] * SECOND),
        redis_up=bool(values["redis_up"]),
        ami_connected=bool(values["ami_connected"]),
        last_event=int(last * SECOND) if last else None,
        outbox=int(values["outbox_pending"]),
        verdicts=verdicts,
        fail_open=dict(causes),
    )
