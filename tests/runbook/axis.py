"""Alerts over real pages of metrics, each held for some time on a simulated time axis.

The rules thus keep their own windows and `for`, and no test waits for them.
"""

import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.runbook.page import ROOT
from tests.waiting import ENDS_SECONDS

RULES: Final = ROOT / "config" / "prometheus"
GROUPS: Final = [
    group["name"]
    for name in ("rules", "alerts")
    for group in yaml.safe_load((RULES / f"siaga112.{name}.yml").read_text("utf-8"))["groups"]
]
TIMES: Final = ("_timestamp_seconds", "_start_time_seconds")


def alerts() -> list[dict[str, Any]]:
    """Return all alerts."""
    groups = yaml.safe_load((RULES / "siaga112.alerts.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


Series = dict[str, float]


@dataclass(slots=True)
class Axis:
    """Pages in order, each with the number of steps for which it holds."""

    step_seconds: int = 60
    _stages: list[tuple[Series, int]] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """The number of steps for which all pages hold together."""
        return sum(steps for _, steps in self._stages)

    def hold(self, page: str | None, steps: int) -> None:
        """Hold a page that was just read for that many steps. None: the page could not be read."""
        here = 'job="siaga112",instance="lab:9112"'
        series: Series = {f"up{{{here}}}": 0 if page is None else 1}
        shift = self.steps * self.step_seconds - time.time()
        for family in text_string_to_metric_families(page or ""):
            for sample in family.samples:
                labels = "".join(f',{name}="{value}"' for name, value in sample.labels.items())
                moved = sample.name.endswith(TIMES) and sample.value
                value = sample.value + shift if moved else sample.value
                series[f"{sample.name}{{{here}{labels}}}"] = value
        self._stages.append((series, steps))

    def fires(self, alert: str) -> bool:
        """Return whether the alert fires at the end of the last page."""
        return self._is(alert, 1)

    def silent(self, alert: str) -> bool:
        """Return whether the alert does not fire at the end of the last page."""
        return self._is(alert, 0)

    def _is(self, alert: str, firing: int) -> bool:
        names = {name for series, _ in self._stages for name in series}
        firings = f'clamp_max(count(ALERTS{{alertname="{alert}",alertstate="firing"}}), 1) or vector(0)'
        test = {
            "interval": f"{self.step_seconds}s",
            "input_series": [{"series": name, "values": self._values(name)} for name in sorted(names)],
            "promql_expr_test": [
                {
                    "expr": firings,
                    "eval_time": f"{(self.steps - 1) * self.step_seconds}s",
                    "exp_samples": [{"labels": "{}", "value": firing}],
                }
            ],
        }
        file = {
            "rule_files": [str(RULES / "siaga112.rules.yml"), str(RULES / "siaga112.alerts.yml")],
            "evaluation_interval": f"{self.step_seconds}s",
            "group_eval_order": GROUPS,
            "tests": [test],
        }
        with tempfile.TemporaryDirectory(prefix="siaga112-axis-") as folder:
            path = Path(folder) / "axis.test.yml"
            path.write_text(yaml.safe_dump(file), "utf-8")
            ran = subprocess.run(
                ["promtool", "test", "rules", path],
                capture_output=True,
                text=True,
                check=False,
                timeout=ENDS_SECONDS,
            )
        assert ran.returncode == 0 or "got:" in ran.stderr + ran.stdout, ran.stderr + ran.stdout
        return ran.returncode == 0

    def _values(self, name: str) -> str:
        return " ".join(
            f"{series[name]!r}x{steps - 1}" if name in series else f"_x{steps}"
            for series, steps in self._stages
        )
