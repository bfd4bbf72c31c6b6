"""The configuration as the daemon understands it, and what in it does not fit together."""

import json
from urllib.parse import urlsplit

from siaga112.core import durations
from siaga112.core.model import Level
from siaga112.settings import Settings


def explain(config: Settings) -> tuple[str, list[str]]:
    """Write the configuration as TOML with secrets masked; list what looks like a mistake."""
    lines = []
    sections = []
    dumped = config.model_dump(mode="json", exclude_none=True)
    dumped["redis"]["url"] = _masked_url(config.redis.url.get_secret_value())
    dumped["ami"]["secret"] = "***" if config.ami.secret.get_secret_value() else ""
    for key, value in dumped.items():
        if isinstance(value, dict):
            sections += ["", f"[{key}]", *(f"{name} = {_toml(inner)}" for name, inner in value.items())]
        else:
            lines.append(f"{key} = {_toml(value)}")
    rules = config.policy.rules()
    ladder = " → ".join([*(durations.spell(span) for span in rules.temporary), "permanent"])
    counted = ", ".join(sorted(rules.counted))
    window, memory = durations.spell(rules.window), durations.spell(rules.memory)
    policy = [
        "",
        f"# policy in force: more than {rules.threshold} of {counted} or marked prank within {window}",
        f"# blocks: {ladder}; each further misuse within {memory} is the next step",
        f"# treatment: {', '.join(f'{level} {rules.treatment[level]}' for level in Level)}",
    ]
    return "\n".join([*lines, *sections, *policy]), _doubts(config)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(inner)}" for name, inner in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def _masked_url(url: str) -> str:
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":***@") if password else url


def _doubts(config: Settings) -> list[str]:
    doubts = []
    if not config.ami.secret.get_secret_value():
        doubts.append("[ami] secret is empty: siaga112 run needs it (SIAGA112_AMI__SECRET)")
    both = set(config.pbx.trunk_contexts) & set(config.pbx.ivr_contexts)
    if both:
        doubts.append(f"[pbx] {', '.join(sorted(both))} is both a trunk and an IVR context")
    if (config.agi.host, config.agi.port) == (config.metrics.host, config.metrics.port):
        doubts.append("[agi] and [metrics] have the same host and port")
    if config.policy.rules().window > config.privacy.keep_calls:
        doubts.append(
            "[policy] window is longer than [privacy] keep_calls: a block could outlive its evidence"
        )
    return doubts
