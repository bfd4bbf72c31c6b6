"""Recording rules and alerts: valid, tested both ways, explained, and about metrics that exist."""

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from siaga112.core.model import Outcome
from siaga112.settings.schema import RUNBOOK_URL
from tests.adapters.figures import full
from tests.prometheus.reference import found, table

ROOT: Final = Path(__file__).parents[2]
CONFIG: Final = ROOT / "config" / "prometheus"
RULES: Final = CONFIG / "siaga112.rules.yml"
ALERTS: Final = CONFIG / "siaga112.alerts.yml"
CASES: Final = sorted(Path(__file__).parent.glob("*.test.yml"))
LONGEST: Final = Path(__file__).parent / "slow.test.yml"
"""It covers days, for which promtool takes a minute."""


def rules(path: Path) -> list[dict[str, Any]]:
    """Return the rules of a file in order."""
    return [rule for group in yaml.safe_load(path.read_text("utf-8"))["groups"] for rule in group["rules"]]


def cases(kind: str) -> list[dict[str, Any]]:
    """Return what all test files expect of alerts, or of expressions."""
    files = [yaml.safe_load(path.read_text("utf-8")) for path in CASES]
    return [case for file in files for test in file["tests"] for case in test.get(kind, [])]


def promtool(*arguments: str | Path) -> str:
    """Run promtool; return its output if it found a fault, else ''."""
    ran = subprocess.run(
        ["promtool", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return ran.stdout if ran.returncode else ""


def anchor(heading: str) -> str:
    """Return a heading's anchor, as GitHub and GitLab make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_promtool_finds_no_fault() -> None:
    """Prometheus's own linter accepts the rules, the alerts and the example configuration."""
    assert promtool("check", "rules", "--lint=all", "--lint-fatal", RULES, ALERTS) == ""
    assert promtool("check", "config", CONFIG / "prometheus.yml") == ""


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.night] if path == LONGEST else []) for path in CASES],
    ids=lambda path: path.name,
)
@pytest.mark.slow
@pytest.mark.fault("alerts")
def test_rules_give_what_is_expected(path: Path) -> None:
    """Known series give the expected figures and alerts, texts included."""
    assert promtool("test", "rules", path) == ""


@pytest.mark.fault("alerts")
def test_every_alert_is_seen_to_fire_and_to_stay_silent() -> None:
    """Each alert has a case in which it fires and one in which it does not."""
    names = {rule["alert"] for rule in rules(ALERTS)}
    assert {case["alertname"] for case in cases("alert_rule_test") if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases("alert_rule_test") if not case["exp_alerts"]} == names


def test_every_recording_rule_has_a_known_result() -> None:
    """Each recording rule has a case with figures that were calculated by hand."""
    asked = {case["expr"].partition("{")[0] for case in cases("promql_expr_test") if case["exp_samples"]}
    assert asked == {rule["record"] for rule in rules(RULES)}


def test_every_recording_rule_is_named_by_level_metric_and_operation() -> None:
    """The level in a rule's name lists the labels that its expression keeps."""
    for rule in rules(RULES):
        level, metric, operation = rule["record"].split(":")
        assert re.fullmatch(r"site(_(queue|shift|result|outcome|mark|level|origin))*", level), rule["record"]
        assert metric.startswith("siaga112_")
        assert re.fullmatch(r"[a-z]\w*", operation)
        kept = re.search(r" by \(([^)]*)\)", rule["expr"])
        if kept:
            assert level == "_".join(name for name in kept[1].split(", ") if name != "le"), rule["record"]


def test_every_alert_says_what_is_wrong_and_where_to_read_on() -> None:
    """Each alert has a severity, texts and a section in the runbook, and each section has an alert."""
    text = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    headings = {anchor(line.removeprefix("## ")) for line in text.splitlines() if line.startswith("## ")}
    linked = set()
    for rule in rules(ALERTS):
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        notes = rule["annotations"]
        assert notes["summary"], rule["alert"]
        assert notes["description"], rule["alert"]
        page, _, place = notes["runbook_url"].partition("#")
        assert page == RUNBOOK_URL
        linked.add(place)
    assert linked == headings


def test_the_runbook_has_the_same_parts_for_each_alert() -> None:
    """Each section says what the alert means, what callers notice, where to look and what to do."""
    text = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    for section in text.split("\n## ")[1:]:
        assert re.findall(r"^\*\*(.*?):\*\*", section, re.MULTILINE) == [
            "Means",
            "For the caller",
            "Look",
            "Do",
        ], section.splitlines()[0]


def test_rules_and_alerts_read_only_series_that_there_are() -> None:
    """Each metric in a rule is shown by a program or recorded, and each label value can occur."""
    registries = (full().registry, found().registry)
    samples = [one for registry in registries for family in registry.collect() for one in family.samples]
    shown = {sample.name for sample in samples} | {rule["record"] for rule in rules(RULES)}
    known = {text for sample in samples for text in sample.labels.values()}
    for rule in [*rules(RULES), *rules(ALERTS)]:
        for name in re.findall(r"[\w:]*siaga112_[\w:]+", rule["expr"]):
            assert name in shown, rule
        for label, text in re.findall(r'(\w+)[=!]=?~?"([^"]*)"', rule["expr"]):
            assert label == "job" or set(text.split("|")) <= known, rule


def test_the_reference_lists_the_metrics_as_they_are() -> None:
    """docs/reference.md has the table that `python -m tests.prometheus.reference` prints."""
    page = (ROOT / "docs" / "reference.md").read_text("utf-8")
    assert table(full().registry) in page
    assert table(found().registry) in page


def test_the_reference_lists_outcomes_and_reasons_as_they_are_counted() -> None:
    """The reference lists exactly the pairs of outcome and reason that the metrics show."""
    page = (ROOT / "docs" / "reference.md").read_text("utf-8")
    text = page.partition("## Outcomes and reasons\n")[2].partition("\n## ")[0]
    pairs = {
        (outcome, reason)
        for outcome in Outcome
        for row in re.findall(rf"^\| `{outcome}` \|([^|]*)\|", text, re.MULTILINE)
        for reason in re.findall(r"`(\w+)`", row)
    }
    samples = [sample for family in full().registry.collect() for sample in family.samples]
    calls = [sample.labels for sample in samples if sample.name == "siaga112_calls_total"]
    assert pairs == {(labels["outcome"], labels["reason"]) for labels in calls}
