"""The configuration: one TOML file, overridden by `SIAGA112_SECTION__KEY` in the environment.

Every default here is the one that `config/siaga112.toml` shows; a test holds the two together.
"""

import difflib
import json
import os
import tomllib
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationError,
    model_validator,
)

from siaga112.core import durations
from siaga112.core.calls import Dialplan
from siaga112.core.model import Level, Millis, Mode, Outcome, Treatment
from siaga112.core.outcome import ClassifierRules
from siaga112.core.policy import PRESETS, PolicyRules
from siaga112.core.shifts import Shift
from siaga112.errors import ConfigurationError

DEFAULT_PATH: Final = Path("/etc/siaga112/siaga112.toml")
ENV_PREFIX: Final = "SIAGA112_"


def _duration(value: object) -> Millis:
    if not isinstance(value, str):
        raise ValueError('durations are written like "24h"')  # noqa: TRY004 - pydantic wants ValueError
    return durations.parse(value)


def _ladder(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _both_levels(value: object) -> object:
    return dict.fromkeys(Level, value) if isinstance(value, str) else value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f'no such time zone: "{value}" (like "Asia/Jakarta")') from error
    return value


def _clock(value: object) -> object:
    try:
        clock = time.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        clock = None
    if not isinstance(clock, time) or clock.tzinfo:
        raise ValueError(f'not a time of day: {json.dumps(value, default=str)} (like "21:00")')
    return clock


def _host(value: str) -> str:
    try:
        value.encode("idna")
    except UnicodeError as error:
        raise ValueError(f'not a host: "{value}"') from error
    return value


Duration = Annotated[Millis, BeforeValidator(_duration), PlainSerializer(durations.spell)]
Host = Annotated[str, AfterValidator(_host)]
Port = Annotated[int, Field(ge=0, le=65535)]
Names = Annotated[list[str], Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, hide_input_in_errors=True)


class Ami(_Section):
    """How to reach the Asterisk manager interface."""

    host: Host = "127.0.0.1"
    port: Port = 5038
    username: str = "siaga112"
    secret: SecretStr = SecretStr("")


class Pbx(_Section):
    """What the dialplan calls its parts."""

    trunk_contexts: Names = ["siaga112-incoming"]
    numbers: list[str] = []
    ivr_contexts: Names = ["siaga112-ivr"]
    queues: Names = ["siaga112"]
    queue_log: str = ""


class Agi(_Section):
    """Where the dialplan asks, and how long it may have to wait."""

    host: Host = "127.0.0.1"
    port: Port = 4573
    deadline_ms: Annotated[int, Field(ge=10, le=1500)] = 300


class Redis(_Section):
    """Where the block list and the ledger live."""

    url: SecretStr = SecretStr("embedded")


class Classifier(_Section):
    """Limits of the classification."""

    early_drop: Duration = 3_000


class Policy(_Section):
    """The preset, and the centre's own values in place of the preset's."""

    preset: str = "permenkominfo-2016"
    threshold: Annotated[int, Field(ge=1)] | None = None
    window: Duration | None = None
    counted: list[Outcome] | None = None
    temporary: Annotated[list[Duration], BeforeValidator(_ladder)] | None = None
    permanent: Literal["automatic"] | None = None
    memory: Duration | None = None
    burst: Duration | None = None
    warn_from: Annotated[int, Field(ge=0)] | None = None
    treatment: Annotated[dict[Level, Treatment], BeforeValidator(_both_levels)] | None = None

    @model_validator(mode="after")
    def _known_preset(self) -> Self:
        if self.preset not in PRESETS:
            raise ValueError(f'no preset "{self.preset}" (there are: {", ".join(PRESETS)})')
        return self

    def rules(self) -> PolicyRules:
        """Give the rules in force: the preset's, with the centre's own values in their place."""
        base = PRESETS[self.preset]
        own = {
            "threshold": self.threshold,
            "window": self.window,
            "counted": None if self.counted is None else frozenset(self.counted),
            "temporary": None if self.temporary is None else tuple(self.temporary),
            "memory": self.memory,
            "burst": self.burst,
            "warn_from": self.warn_from,
            "treatment": None if self.treatment is None else {**base.treatment, **self.treatment},
        }
        changed = {name: value for name, value in own.items() if value is not None}
        fields: dict[str, Any] = {name: getattr(base, name) for name in base.__dataclass_fields__}
        return PolicyRules(**{**fields, **changed})


class ServiceLevel(_Section):
    """The promise to the public."""

    answer_within: Duration = 10_000
    target: Annotated[float, Field(gt=0, le=1)] = 0.9


class Metrics(_Section):
    """Where Prometheus scrapes."""

    host: Host = "127.0.0.1"
    port: Port = 9112
    screen_port: Port = 9113


class Privacy(_Section):
    """How long personal data is kept (UU 27/2022)."""

    keep_calls: Duration = durations.parse("400d")


class Settings(_Section):
    """All of the configuration."""

    site: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")] = "siaga112"
    timezone: Annotated[str, AfterValidator(_zone)] = "Asia/Jakarta"
    mode: Mode = Mode.OBSERVE
    state_dir: Path = Path("/var/lib/siaga112")
    ami: Ami = Ami()
    pbx: Pbx = Pbx()
    agi: Agi = Agi()
    redis: Redis = Redis()
    classifier: Classifier = Classifier()
    policy: Policy = Policy()
    service_level: ServiceLevel = ServiceLevel()
    shifts: dict[str, Annotated[time, BeforeValidator(_clock), PlainSerializer(lambda t: f"{t:%H:%M}")]] = {
        "morning": time(7),
        "afternoon": time(14),
        "night": time(21),
    }
    metrics: Metrics = Metrics()
    privacy: Privacy = Privacy()

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def embedded_redis(self) -> bool:
        """Whether we run a private Redis ourselves."""
        return self.redis.url.get_secret_value() == "embedded"

    def dialplan(self) -> Dialplan:
        """Give what the tracker must know of the PBX."""
        return Dialplan(
            frozenset(self.pbx.trunk_contexts), frozenset(self.pbx.ivr_contexts), frozenset(self.pbx.numbers)
        )

    def classifier_rules(self) -> ClassifierRules:
        """Give the classifier's limits."""
        return ClassifierRules(early_drop=self.classifier.early_drop)

    def shift_plan(self) -> tuple[Shift, ...]:
        """Give the shifts of a day."""
        return tuple(Shift(name, begins) for name, begins in self.shifts.items())


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the configuration.

    The file is `path`, else `SIAGA112_CONFIG`, else `/etc/siaga112/siaga112.toml`; only the last may
    be absent (then the defaults hold).

    Raises:
        ConfigurationError: naming the key, what is wrong with it, and the remedy.

    """
    env = os.environ if environ is None else environ
    named = path or (Path(env["SIAGA112_CONFIG"]) if env.get("SIAGA112_CONFIG") else None)
    source = named or DEFAULT_PATH
    values = _read(source, optional=named is None)
    _overlay(values, env)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(f"{source}: {'; '.join(_explain(error))}") from error


def _read(path: Path, *, optional: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        if optional and isinstance(error, FileNotFoundError):
            return {}
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror}); name the file with --config or SIAGA112_CONFIG"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not valid TOML: {error}") from error


def _overlay(values: dict[str, Any], env: Mapping[str, str]) -> None:
    for name, text in env.items():
        if not name.startswith(ENV_PREFIX) or name == "SIAGA112_CONFIG":
            continue
        *sections, key = name.removeprefix(ENV_PREFIX).lower().split("__")
        place = values
        for section in sections:
            inner = place.setdefault(section, {})
            if not isinstance(inner, dict):
                raise ConfigurationError(f"{name} in the environment: [{section}] is not a section")
            place = inner
        place[key] = _scalar(text)


def _scalar(text: str) -> object:
    """Read lists and tables as TOML would; everything else stays text for pydantic to judge."""
    if text.startswith(("[", "{")):
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
    return text


def _explain(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        where = [str(part) for part in problem["loc"] if not str(part).startswith("function-")]
        key = ".".join(where) or "the file"
        if problem["type"] == "extra_forbidden":
            nearest = difflib.get_close_matches(where[-1], _known(where[:-1]), n=1, cutoff=0.5)
            hint = (
                f', did you mean "{nearest[0]}"?' if nearest else f" (known: {', '.join(_known(where[:-1]))})"
            )
            lines.append(f'unknown key "{key}"{hint}')
        else:
            lines.append(f"{key}: {problem['msg'].removeprefix('Value error, ')}")
    return lines


def _known(sections: list[str]) -> list[str]:
    model: type[BaseModel] = Settings
    for section in sections:
        annotation = model.model_fields[section].annotation if section in model.model_fields else None
        candidates = [annotation, *get_args(annotation)]
        inner = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)
