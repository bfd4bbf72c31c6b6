"""Selects the policies of a back-test: the configuration's, presets, those of two files, or a sweep."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from siaga112.core.regulation import OWN_RULE, PRESETS, PolicyRules
from siaga112.core.text import whole
from siaga112.errors import UsageError
from siaga112.settings.loading import load
from siaga112.settings.schema import Policy, Settings

MAX_SWEEP: Final = 50
"""How many values one sweep may have."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy to try, with its name in the tables."""

    name: str
    rules: PolicyRules


def chosen(
    config: Settings, presets: Sequence[str], compare: tuple[Path, Path] | None, sweep: str | None
) -> list[Candidate]:
    """Return the requested policies; by default the configuration's.

    Raises:
        UsageError: if options exclude each other, or one names no valid policy.

    """
    if sum(map(bool, (presets, compare))) > 1 or (sweep and compare) or (sweep and len(presets) > 1):
        raise UsageError("choose one of --policy, --compare and --sweep (--sweep takes one --policy)")
    if compare:
        return [Candidate(path.stem, load(path).policy_rules()) for path in compare]
    bases = [_preset(config, name) for name in presets] or [config]
    if sweep:
        return _swept(bases[0], sweep)
    return [Candidate(_name(base.policy_rules()), base.policy_rules()) for base in bases]


def _name(rules: PolicyRules) -> str:
    """Return a short name for the head of a column: the preset, if it is unchanged."""
    return OWN_RULE if rules.title.startswith(OWN_RULE) else rules.title


def _preset(config: Settings, name: str) -> Settings:
    if name not in PRESETS:
        raise UsageError(f"--policy: there are {', '.join(PRESETS)}")
    return config.model_copy(update={"policy": Policy(preset=name)})


def _swept(config: Settings, text: str) -> list[Candidate]:
    key, equals, values = text.partition("=")
    if not equals or key not in Policy.model_fields or key == "preset":
        known = ", ".join(sorted(Policy.model_fields.keys() - {"preset"}))
        raise UsageError(f'--sweep: write KEY=VALUES, like "threshold=3..10" ({known})')
    given = {
        name: value for name, value in config.policy.model_dump(mode="json").items()
        if name in config.policy.model_fields_set
    }  # fmt: skip
    found = []
    for value in _values(values):
        try:
            changed = Policy.model_validate({**given, key: value})
        except ValidationError as error:
            why = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise UsageError(f"--sweep: {key} = {value}: {why}") from error
        rules = config.model_copy(update={"policy": changed}).policy_rules()
        found.append(Candidate(f"{key}={value}", rules))
    return found


def _values(text: str) -> Iterable[str]:
    """Parse `3..10`, `1d..7d`, or a list: `1d,3d,7d`."""
    first, dots, last = text.partition("..")
    if not dots:
        values = text.split(",")
    else:
        unit = last.lstrip("0123456789")
        low, high = first.removesuffix(unit) if unit else first, last.removesuffix(unit)
        begin, end = whole(low), whole(high)
        if begin is None or end is None:
            raise UsageError('--sweep: a range is written "3..10" or "1d..7d"')
        values = [f"{value}{unit}" for value in range(begin, min(end, begin + MAX_SWEEP) + 1)]
    if not 1 <= len(values) <= MAX_SWEEP:
        raise UsageError(f"--sweep: 1 to {MAX_SWEEP} values, the lower one first")
    return values
