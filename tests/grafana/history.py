"""The made-up month in a real Prometheus: its samples, and what our recording rules make of them.

`promtool` writes the samples into Prometheus' own files. Then Prometheus evaluates the rules' expressions,
each after those that it reads, and their series are written too, as if the rules had always been evaluated.
"""

import re
import subprocess
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import yaml

from tests.grafana.month import BEGINS, ENDS, FINE, FINE_TICK, Month
from tests.lab.prometheus import RULES, Prometheus, serving

OPTIONS: Final = (
    "--storage.tsdb.retention.time=100y",
    "--query.lookback-delta=6m",  # the older samples are 5 minutes apart
)
LONGEST_BLOCK: Final = "744h"
HOUR: Final = 3_600.0

Rule = tuple[str, str]
"""The name of a recorded series, and its expression."""


@asynccontextmanager
async def remembering(folder: Path) -> AsyncIterator[Prometheus]:
    """Run a Prometheus that has the month's samples."""
    await _write_samples(folder)
    for rules in _in_turn():
        async with serving(folder, "", *OPTIONS) as prometheus:
            lines = [line for rule in rules async for line in _evaluated(prometheus, *rule)]
        _import(folder, lines)
    async with serving(folder, "", *OPTIONS) as prometheus:
        yield prometheus


async def _write_samples(folder: Path) -> None:
    month, lines = Month(), []
    async for tick, samples in month.readings():
        for one in samples:
            value = BEGINS.timestamp() if one.name == "siaga112_start_time_seconds" else one.value
            lines.append(_line(one.name, one.labels, value, tick.timestamp()))
    _import(folder, lines)


def _line(name: str, labels: dict[str, str], value: float, at: float) -> str:
    written = ",".join(f'{label}="{text}"' for label, text in labels.items())
    return f"{name}{{{written}}} {value!r} {at!r}\n"


def _import(folder: Path, lines: Iterable[str]) -> None:
    path = folder / "history.txt"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(lines)
        file.write("# EOF\n")
    subprocess.run(
        [
            *("promtool", "tsdb", "create-blocks-from", f"--max-block-duration={LONGEST_BLOCK}"),
            *("openmetrics", "--quiet", path, folder / "data"),
        ],
        check=True,
        timeout=600,
    )
    path.unlink()


def _in_turn() -> list[list[Rule]]:
    """Sort the rules so that each comes in a later turn than the series that it reads."""
    groups = yaml.safe_load((RULES / "siaga112.rules.yml").read_text("utf-8"))["groups"]
    left = {rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}
    turns: list[list[Rule]] = []
    while left:
        ready = [rule for rule in left.items() if not _reads(rule[1], left.keys())]
        turns.append(ready)
        for name, _ in ready:
            del left[name]
    return turns


def _reads(expression: str, names: Iterable[str]) -> bool:
    return bool(set(re.findall(r"[a-z_]+:[a-z0-9_]+:[a-z0-9_]+", expression)).intersection(names))


async def _evaluated(prometheus: Prometheus, name: str, expression: str) -> AsyncIterator[str]:
    """Yield a rule's samples: every hour, and every minute of the last 30 hours."""
    spans: Sequence[tuple[float, float, float]] = (
        (-(-BEGINS.timestamp() // HOUR) * HOUR, FINE.timestamp() - 1, HOUR),
        (FINE.timestamp(), ENDS.timestamp(), FINE_TICK.total_seconds()),
    )
    for since, until, step in spans:
        for series in await prometheus.over(expression, since, until, step):
            labels = {label: text for label, text in series.labels.items() if label != "__name__"}
            for at, value in series.samples:
                yield _line(name, labels, value, at)
