"""`doctor --watch`: examines again and again, and exports the findings to Prometheus.

Its own metrics page, rebuilt by each examination. No label contains caller data: checks and levels are closed
sets.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from siaga112 import interrupts
from siaga112.adapters.http import HttpEndpoint
from siaga112.adapters.supervision import ServiceManager
from siaga112.doctor import NAMES, diagnose
from siaga112.doctor.examination import examine
from siaga112.doctor.lines import Health, Line
from siaga112.errors import SiagaError
from siaga112.settings.schema import Settings

LEVELS: Final = {
    Health.OK: "ok",
    Health.WARN: "warn",
    Health.FAIL: "fail",
    Health.UNCHECKED: "unchecked",
}
"""Values of the level label."""

_log = structlog.get_logger()


class Findings:
    """The content of `/metrics`; it has no findings before the first examination."""

    def __init__(self, site: str) -> None:
        self._site: Final = site
        self.registry: Final = CollectorRegistry()
        self._findings = Gauge(
            "siaga112_doctor_findings",
            "Lines of `siaga112 doctor` at the last look, by check and level.",
            ("site", "check", "level"),
            registry=self.registry,
        )
        self._last = Gauge(
            "siaga112_doctor_last_run_timestamp_seconds",
            "When the doctor looked last.",
            ("site",),
            registry=self.registry,
        )
        self._seconds = Gauge(
            "siaga112_doctor_run_seconds",
            "How long that took.",
            ("site",),
            registry=self.registry,
        )
        self.lines: Sequence[Line] = ()

    def show(self, lines: Sequence[Line], at: float, seconds: float) -> None:
        """Store the findings of an examination; `at` is in seconds since the epoch."""
        counts = Counter((line.check, line.health) for line in lines)
        for check in NAMES:
            for health, level in LEVELS.items():
                self._findings.labels(self._site, check, level).set(counts[check, health])
        self._last.labels(self._site).set(at)
        self._seconds.labels(self._site).set(seconds)
        self.lines = lines

    def page(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)


async def watch(read: Callable[[], Settings], config: Path, every: float, port: int) -> None:
    """Examine every `seconds` until SIGTERM or SIGINT, reloading the configuration each time.

    Raises:
        SiagaError: naming the address, if it is taken.

    """
    settings, stopping, manager = read(), asyncio.Event(), ServiceManager()
    findings = Findings(settings.site)
    endpoint = HttpEndpoint(findings, lambda: {"looked": bool(findings.lines)}, refresh=lambda: None)
    host = settings.metrics.host
    with interrupts.Heeding(stopping.set):
        try:
            shown = await endpoint.start(host, port)
        except SiagaError:
            raise SiagaError(
                f"the doctor cannot listen on {host}:{port}; is another watching? else --port"
            ) from None
        _log.info("watching", metrics=f"http://{host}:{shown}/metrics", every_seconds=every)
        manager.tell("READY=1")
        try:
            while not stopping.is_set():  # ends: when told to stop
                looking = asyncio.create_task(_look(read, config, findings))
                stop = asyncio.create_task(stopping.wait())
                await asyncio.wait([looking, stop], return_when=asyncio.FIRST_COMPLETED)
                looking.cancel()
                await asyncio.wait([stop], timeout=every)
                stop.cancel()
        finally:
            manager.tell("STOPPING=1")
            await endpoint.stop()
    _log.info("stopped")


async def _look(read: Callable[[], Settings], config: Path, findings: Findings) -> None:
    """Examine once. A failure is logged; the age of the findings on the page shows it."""
    began = time.monotonic()
    try:
        lines = list(diagnose(await examine(read(), config)))
    except Exception as error:  # noqa: BLE001 - the next examination may succeed
        _log.error("doctor_failed", detail=str(error), exc_info=error)
        return
    known = {(line.check, line.health) for line in findings.lines}
    for line in lines:
        if line.health in {Health.WARN, Health.FAIL} and (line.check, line.health) not in known:
            found = {"check": line.check, "health": line.health, "found": line.found, "remedy": line.remedy}
            _log.warning("doctor_found", **found)
    findings.show(lines, time.time(), time.monotonic() - began)
