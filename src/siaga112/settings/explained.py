"""`siaga112 check-config`: the configuration as the daemon understands it, and likely mistakes."""

import json
from typing import Final

from siaga112.adapters.redis.url import masked
from siaga112.core import durations
from siaga112.core.model import Level
from siaga112.core.regulation import PolicyRules
from siaga112.settings.schema import Settings
from siaga112.settings.values import masked_database

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def explain(config: Settings) -> tuple[str, list[str]]:
    """Return the configuration as TOML with masked secrets, and a list of likely mistakes."""
    lines = []
    sections = []
    dumped = config.model_dump(mode="json", exclude_none=True)
    dumped["redis"]["url"] = masked(config.redis.url.get_secret_value())
    dumped["database"]["url"] = masked_database(config.database.url.get_secret_value())
    for section, name in (("ami", "secret"), ("privacy", "caller_key")):
        dumped[section][name] = "***" if dumped[section][name] else ""
    for webhook in dumped["events"]["webhooks"].values():
        webhook["secret"] = "***"  # noqa: S105 - a mask, not a secret
    for key, value in dumped.items():
        if isinstance(value, dict):
            sections += ["", f"[{key}]", *(f"{name} = {_toml(inner)}" for name, inner in value.items())]
        else:
            lines.append(f"{key} = {_toml(value)}")
    return "\n".join([*lines, *sections, "", *_policy(config.policy_rules())]), _doubts(config)


def _policy(rules: PolicyRules) -> list[str]:
    last = {"automatic": ["permanent"], "proposed": ["permanent, after a supervisor confirms"], "never": []}
    ladder = " → ".join([*(durations.spell(span) for span in rules.temporary), *last[rules.permanent]])
    counted = ", ".join(
        name if weight == 1 else f"{name} counts {weight:g}"
        for name, weight in rules.weights.items()
        if weight
    )
    if (rules.unattested, rules.several_trunks) != (1, 1):
        counted += (
            f"; unattested times {rules.unattested:g}, over several trunks times {rules.several_trunks:g}"
        )
    if rules.trunk_burst:
        counted += f"; none over several trunks within {durations.spell(rules.trunk_burst)}"
    thresholds = ", ".join(map(str, rules.thresholds))
    window = durations.spell(rules.window)
    further = (
        f"{rules.repeat} more within {durations.spell(rules.memory)} after a block: next step"
        if len(rules.thresholds) == 1
        else "one step per threshold"
    )
    return [
        f"# policy in force: more than {thresholds} misuses within {window} ({counted})",
        f"# blocks: {ladder}; {further}",
        f"# treatment: {', '.join(f'{level} {rules.treatment[level]}' for level in Level)}",
        f"# permanent blocks: {_reviews(rules)}",
    ]


def _reviews(rules: PolicyRules) -> str:
    said = [f"proposed for review after {durations.spell(rules.review)}"] if rules.review else []
    if rules.review_quiet:
        said.append(f"released after {durations.spell(rules.review_quiet)} without a call")
    return ", ".join(said) or "never reviewed ([citizen] review, review_quiet)"


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(inner)}" for name, inner in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def _doubts(config: Settings) -> list[str]:
    doubts = []
    if not config.ami.secret.get_secret_value():
        doubts.append("[ami] secret is empty: siaga112 run needs it (SIAGA112_AMI__SECRET)")
    both = set(config.pbx.trunk_contexts) & set(config.pbx.ivr_contexts)
    if both:
        doubts.append(f"[pbx] {', '.join(sorted(both))} is both a trunk and an IVR context")
    if (config.agi.host, config.agi.port) == (config.metrics.host, config.metrics.port):
        doubts.append("[agi] and [metrics] have the same host and port")
    console = config.console
    if console.host not in _LOOPBACK and not (console.tls_cert or console.trusted_proxies):
        doubts.append(
            "[console] host accepts other machines without TLS: name its proxy in trusted_proxies, or set "
            "tls_cert and tls_key"
        )
    rules = config.policy_rules()
    if max(rules.window, rules.memory) > rules.keep:
        doubts.append(
            "[policy] window or memory is longer than [privacy] keep_strikes: strikes are deleted too early"
        )
    if rules.review_quiet > config.privacy.keep_calls:
        doubts.append(
            "[citizen] review_quiet is longer than [privacy] keep_calls: no number can ever count as quiet"
        )
    if not rules.unattested:
        doubts.append(
            "[policy.trust] unattested = 0: nobody gets a strike unless the dialplan says that the number is "
            "vouched for (SIAGA_TRUST=verstat); siaga112 doctor checks whether it can"
        )
    if rules.window > config.privacy.keep_calls:
        doubts.append(
            "[policy] window is longer than [privacy] keep_calls: a block could outlive its evidence"
        )
    return doubts
