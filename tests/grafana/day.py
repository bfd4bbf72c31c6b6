"""The day of the demo, with a real Prometheus beside the daemon, as a view for the dashboards."""

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.grafana.asking import View
from tests.lab import find
from tests.lab.daemon import running
from tests.lab.day import CONFIG, Day, centre
from tests.lab.prometheus import scraping

SITE: Final = "lab"
SCRAPE: Final = 1.0
PATIENCE_SECONDS: Final = 20.0


@asynccontextmanager
async def played() -> AsyncIterator[View]:
    """Play the day on Asterisk 22; yield a view of it once Prometheus has seen the last call."""
    with tempfile.TemporaryDirectory(prefix="siaga112-prometheus-") as folder:
        async with (
            centre(find("22")) as (pbx, phone),
            await pbx.observe() as seen,
            running(pbx, CONFIG) as daemon,
            scraping(Path(folder), daemon.metrics_url.split("/")[2]) as prometheus,
        ):
            # No call comes before the first scrape: what Prometheus finds already counted is no increase.
            await prometheus.sees("siaga112_strikes_total", PATIENCE_SECONDS)
            since = time.time()
            day = Day(pbx, daemon, seen, phone)
            async for row in day.rows():
                assert row.ok, row
            await prometheus.sees(f"sum(siaga112_calls_total) == {day.calls}", PATIENCE_SECONDS)
            for _ in range(2):  # a rule that reads another group's sees it a turn later
                await prometheus.has_ruled(PATIENCE_SECONDS)
            yield View(prometheus, SITE, since, time.time(), SCRAPE)
