"""The example for Alertmanager is valid, and each alert reaches the receivers that its head names."""

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.prometheus.test_rules import ALERTS, CONFIG, cases, rules

ALERTMANAGER: Final = CONFIG.parent / "alertmanager"
EXAMPLE: Final = ALERTMANAGER / "alertmanager.yml"

HEARD: Final = {
    "critical": ["program", "woken"],
    "warning": ["program", "telegram"],
    "info": ["program", "mail"],
}
"""The receivers of each severity, as the head of the example names them."""


def amtool(*arguments: str | Path) -> str:
    """Run amtool, which must succeed; return its output."""
    command = ["amtool", *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def receivers() -> list[dict[str, Any]]:
    """Return the example's receivers."""
    found: list[dict[str, Any]] = yaml.safe_load(EXAMPLE.read_text("utf-8"))["receivers"]
    return found


def test_amtool_finds_no_fault() -> None:
    """Alertmanager's own checker accepts the example and its templates."""
    said = amtool("check-config", EXAMPLE)
    assert "SUCCESS" in said
    assert "1 templates" in said


def test_amtool_finds_a_fault() -> None:
    """Alertmanager's own checker refuses an example with a route to a receiver that does not exist."""
    broken = EXAMPLE.read_text("utf-8").replace("receiver: woken", "receiver: nobody")
    ran = subprocess.run(
        ["amtool", "check-config"],
        input=broken,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ALERTMANAGER,
    )
    assert ran.returncode != 0
    assert "nobody" in ran.stdout + ran.stderr


@pytest.mark.parametrize("alert", rules(ALERTS), ids=lambda alert: str(alert["alert"]))
def test_each_alert_is_heard_by_whom_its_severity_says(alert: dict[str, Any]) -> None:
    """Alertmanager routes each alert to exactly the receivers of its severity."""
    labels = {"alertname": alert["alert"], "site": "serang", **alert["labels"]}
    given = [f"{name}={value}" for name, value in labels.items()]
    said = amtool("config", "routes", "test", f"--config.file={EXAMPLE}", *given)
    assert sorted(said.strip().split(",")) == sorted(HEARD[alert["labels"]["severity"]])


def test_every_alert_that_silences_others_is_one_of_ours() -> None:
    """Each inhibition names alerts that exist, and applies within one site."""
    names = {alert["alert"] for alert in rules(ALERTS)}
    inhibitions = yaml.safe_load(EXAMPLE.read_text("utf-8"))["inhibit_rules"]
    sources = [one.partition('"')[2].rstrip('"') for rule in inhibitions for one in rule["source_matchers"]]
    assert sources
    assert set(sources) <= names
    assert all(rule["equal"] == ["site"] for rule in inhibitions)


def test_an_alert_that_silences_others_shares_the_labels_by_which_they_are_found() -> None:
    """Each alert that silences others fires with the labels that must be equal; else it silences none."""
    fired = [
        (case["alertname"], one["exp_labels"].keys())
        for case in cases("alert_rule_test")
        for one in case["exp_alerts"]
    ]
    for rule in yaml.safe_load(EXAMPLE.read_text("utf-8"))["inhibit_rules"]:
        for source in rule["source_matchers"]:
            name = source.partition('"')[2].rstrip('"')
            assert any(alert == name and set(rule["equal"]) <= labels for alert, labels in fired), name


def test_what_concerns_a_caller_is_never_silenced() -> None:
    """No alert about callers who wait, or who were wronged by a block, is silenced by another."""
    inhibitions = yaml.safe_load(EXAMPLE.read_text("utf-8"))["inhibit_rules"]
    targets = [one.partition('"')[2].rstrip('"') for rule in inhibitions for one in rule["target_matchers"]]
    for alert in ("Siaga112CallbacksWaiting", "Siaga112AppealDue", "Siaga112BlockedThenGenuine"):
        assert not any(re.fullmatch(target, alert) for target in targets), alert


def test_the_example_holds_no_real_address_and_no_real_secret() -> None:
    """The addresses and tokens of the example reach no stranger if somebody forgets to replace them."""
    for receiver in receivers():
        for one in receiver.get("telegram_configs", []):
            assert one["bot_token"].startswith("0:put-your")
        for one in receiver.get("email_configs", []):
            assert one["to"].endswith(".invalid")
        for one in receiver.get("webhook_configs", []):
            assert one["url"].startswith("http://127.0.0.1:")
