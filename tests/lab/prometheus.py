"""A real Prometheus with our rules, on a free loopback port, ended by its pid."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.lab import ports
from tests.waiting import ended, within

RULES: Final = Path(__file__).parents[2] / "config" / "prometheus"
START_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.1

Samples = Sequence[tuple[float, float]]


class RefusedError(Exception):
    """Prometheus rejected a query; the message says why."""


@dataclass(frozen=True, slots=True)
class Found:
    """A series that Prometheus found: its labels, and its values by time in seconds."""

    labels: Mapping[str, str]
    samples: Samples


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Prometheus' HTTP interface."""

    url: str
    session: aiohttp.ClientSession

    async def at(self, expression: str, when: float) -> list[Found]:
        """Return the values at one instant. Raises RefusedError."""
        data = await self._ask("query", {"query": expression, "time": f"{when:.3f}"})
        return _found(data)

    async def over(self, expression: str, since: float, until: float, step: float) -> list[Found]:
        """Return the values from `since` to `until`, one every `step` seconds. Raises RefusedError."""
        span = {"start": f"{since:.3f}", "end": f"{until:.3f}", "step": f"{step:g}"}
        return _found(await self._ask("query_range", {"query": expression, **span}))

    async def label_values(self, label: str, selector: str) -> list[str]:
        """Return the values of a label on these series. Raises RefusedError."""
        values: list[str] = await self._ask(f"label/{label}/values", {"match[]": selector})
        return values

    async def sees(self, expression: str, seconds: float) -> None:
        """Return as soon as the expression has a result; raise TimeoutError if it has none in time."""
        try:
            async with asyncio.timeout(seconds):
                while not await self.at(expression, time.time()):  # noqa: ASYNC110 - Prometheus announces nothing
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise TimeoutError(f"Prometheus does not see it within {seconds:g} s: {expression}") from None

    async def has_ruled(self, seconds: float) -> None:
        """Return when all groups of rules have been evaluated again, or raise TimeoutError."""
        since = time.time()
        async with within(seconds, "an evaluation of all rules"):
            while await self._ruled_at() < since:  # noqa: ASYNC110 - as above
                await asyncio.sleep(POLL_SECONDS)

    async def _ruled_at(self) -> float:
        """Return the time of the oldest last evaluation of a group."""
        groups = (await self._ask("rules", {"type": "record"}))["groups"]
        return min(datetime.fromisoformat(group["lastEvaluation"]).timestamp() for group in groups)

    async def _ask(self, what: str, how: Mapping[str, str]) -> Any:
        async with self.session.get(f"{self.url}/api/v1/{what}", params=how) as answer:
            told = json.loads(await answer.text())
        if told["status"] != "success":
            raise RefusedError(told["error"])
        return told["data"]


def _found(data: Any) -> list[Found]:
    return [
        Found(
            one["metric"],
            [(float(at), float(value)) for at, value in one.get("values") or [one["value"]]],
        )
        for one in data["result"]
    ]


CONFIG: Final = """\
global:
  scrape_interval: 1s
  scrape_timeout: 1s
  evaluation_interval: 1s
rule_files: [{rules}/siaga112.rules.yml, {rules}/siaga112.alerts.yml]
scrape_configs:
  - job_name: siaga112
    static_configs: [{{targets: ["{target}"]}}]
"""


@asynccontextmanager
async def scraping(folder: Path, target: str) -> AsyncIterator[Prometheus]:
    """Run a Prometheus that reads `host:port` and evaluates our rules every second."""
    config = CONFIG.format(rules=RULES, target=target)
    async with serving(folder, config) as prometheus:
        yield prometheus


@asynccontextmanager
async def serving(folder: Path, config: str, *options: str) -> AsyncIterator[Prometheus]:
    """Run a Prometheus for as long as the block lasts; its data is in `folder`/data."""
    port = ports.free()
    path = folder / "prometheus.yml"
    path.write_text(config, "utf-8")
    with (folder / "prometheus.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={path}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            *options,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            async with aiohttp.ClientSession() as session:
                url = f"http://127.0.0.1:{port}"
                try:
                    await _ready(session, url)
                except TimeoutError as error:
                    error.add_note(_end(folder / "prometheus.log"))
                    raise
                yield Prometheus(url, session)
        finally:
            process.terminate()
            await ended(process, "Prometheus")


def _end(log: Path) -> str:
    return log.read_text("utf-8")[-2_000:]


async def _ready(session: aiohttp.ClientSession, url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            async with session.get(f"{url}/-/ready") as answer:
                if answer.ok:
                    return
        except aiohttp.ClientConnectionError:
            pass
        await asyncio.sleep(POLL_SECONDS)
    raise TimeoutError(f"Prometheus does not come up within {START_SECONDS:g} s")
