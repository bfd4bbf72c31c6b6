"""The configuration: one TOML file, overridden by `SIAGA112_SECTION__KEY` in the environment.

A secret may also be a file of that name in `CREDENTIALS_DIRECTORY`, where systemd puts it.

Every default here is the one that `config/siaga112.toml` shows; a test holds the two together.
"""

import difflib
import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
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
    ValidationInfo,
    field_validator,
    model_validator,
)

from siaga112 import infile, redis_url, regions
from siaga112.core import durations
from siaga112.core.caller_id import NumberPlan, check_never_block
from siaga112.core.calls import Dialplan
from siaga112.core.model import DAY, SECOND, TOLERANCE, Level, Mark, Millis, Mode, Outcome, Reason, Treatment
from siaga112.core.outcome import ClassifierRules
from siaga112.core.policy import PRESETS, PolicyRules
from siaga112.core.shifts import Shift
from siaga112.errors import ConfigurationError
from siaga112.reasons import plainly

DEFAULT_PATH: Final = Path("/etc/siaga112/siaga112.toml")
ENV_PREFIX: Final = "SIAGA112_"

RUNBOOK_URL: Final = "file:///usr/share/doc/siaga112/runbook.md"
"""Where the alerts that we ship say that the runbook is: where `siaga112 files doc` puts it."""

LEAST_SHARE: Final = 0.1
"""The least of a misuse that a call can count as, if it counts at all: a record holds what a block needs."""

RELOADABLE: Final = ("mode", "policy.", "classifier.", "agi.deadline_ms", "service_level.answer_within")
"""What SIGHUP takes over; the rest needs a restart."""
EMBEDDED: Final = "embedded"
"""The `[redis] url` that means a private Redis of our own."""

COUNTABLE: Final = frozenset(
    {
        *(Outcome.IVR_PRANK, Reason.LEFT_MENU, Reason.INVALID_CHOICE, Reason.NO_CHOICE, Mark.PRANK),
        *(
            Outcome.ABANDONED,
            Reason.LEFT_QUEUE,
            Reason.LEFT_RINGING,
            Reason.DROPPED_EARLY,
            Reason.BEFORE_MENU,
        ),
    }
)
"""What a regulation may count as a misuse: never what we failed to serve, nor what we did not see."""
CALLER_KEY_LENGTH: Final = 16


def _duration(value: object) -> Millis:
    if not isinstance(value, str):
        raise ValueError('durations are written like "24h"')  # noqa: TRY004 - pydantic wants ValueError
    return durations.parse(value)


def _some_time(value: Millis) -> Millis:
    if not value:
        raise ValueError("no time at all means nothing here")
    return value


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str | int) else value


def _weights(value: object) -> object:
    """Read a list as a weight of 1 each; the operator's mark counts unless its weight says otherwise."""
    if isinstance(value, list):
        value = dict.fromkeys(value, 1)
    if not isinstance(value, dict):
        return value
    for name in value:
        if name not in COUNTABLE:
            raise ValueError(f'"{name}" can never be a misuse (what can: {", ".join(sorted(COUNTABLE))})')
    return {"prank": 1, **value}


def _both_levels(value: object) -> object:
    return dict.fromkeys(Level, value) if isinstance(value, str) else value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # a folder of zones, a name too long
        raise ValueError(f'no such time zone: "{value[:80]}" (like "Asia/Jakarta")') from error
    return value


def _clock(value: object) -> object:
    try:
        clock = time.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        clock = None
    if not isinstance(clock, time) or clock.tzinfo:
        raise ValueError(f'not a time of day: {json.dumps(value, default=str)} (like "21:00")')
    return clock


def _folder(value: object) -> object:
    if value == "":
        raise ValueError("no folder")
    return value


def _host(value: str) -> str:
    try:
        value.encode("idna")
    except UnicodeError as error:
        raise ValueError(f'not a host: "{value}"') from error
    if not value:
        raise ValueError("no host")
    return value


def _page(value: str) -> str:
    if not re.fullmatch(r"(https?|file)://[^\s#\"'{}]+", value):
        raise ValueError(
            f'"{value}" is not the address of a page; write it from its start, without a #, like '
            '"https://wiki.example/siaga112/runbook"'
        )
    return value


def _caller_key(value: SecretStr) -> SecretStr:
    if 0 < len(value) < CALLER_KEY_LENGTH:
        raise ValueError(f"a key has at least {CALLER_KEY_LENGTH} characters; openssl rand -hex 32 makes one")
    return value


def _redis_url(value: SecretStr) -> SecretStr:
    if value.get_secret_value() != EMBEDDED:
        redis_url.parse(value.get_secret_value())
    return value


def _staleness(value: Millis) -> Millis:
    if 0 < value < SECOND or value > DAY:
        raise ValueError('either "0s" (every verdict asks Redis), or from "1s" to "1d"')
    return value


def _share(value: float) -> float:
    if value and not LEAST_SHARE <= value <= 1:
        raise ValueError(f"either 0, or from {LEAST_SHARE} to 1")
    return value


def _clocks_apart(value: Millis) -> Millis:
    if not 60 * SECOND <= value <= DAY:
        raise ValueError('from "1m" to "1d"')
    return value


Duration = Annotated[Millis, BeforeValidator(_duration), PlainSerializer(durations.spell)]
Host = Annotated[str, AfterValidator(_host)]
Thresholds = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1), BeforeValidator(_one_or_more)]
Weights = Annotated[dict[str, Annotated[float, Field(ge=0, le=100)]], BeforeValidator(_weights)]
Span = Annotated[Duration, AfterValidator(_some_time)]
Port = Annotated[int, Field(ge=1, le=65535)]
Name = Annotated[str, Field(min_length=1)]
Names = Annotated[list[Name], Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _meant(cls, value: object, info: ValidationInfo) -> object:
        """Refuse what pydantic would take and nobody means: true for 1, letters that cannot be seen."""
        kind = cls.model_fields[info.field_name or ""].annotation
        parts = [] if isinstance(kind, type) and issubclass(kind, BaseModel) else [value]
        while parts:
            part = parts.pop()
            if isinstance(part, bool) and kind is not bool:
                raise ValueError("true and false mean nothing here")
            if isinstance(part, str) and (hidden := [letter for letter in part if not letter.isprintable()]):
                raise ValueError(f"has a letter in it that cannot be seen (U+{ord(hidden[0]):04X})")
            if isinstance(part, dict):
                parts += [*part, *part.values()]
            elif isinstance(part, list):
                parts += part
        return value


class Ami(_Section):
    """How to reach the Asterisk manager interface."""

    host: Host = "127.0.0.1"
    port: Port = 5038
    username: Name = "siaga112"
    secret: SecretStr = SecretStr("")
    clock_tolerance: Annotated[Duration, AfterValidator(_clocks_apart)] = TOLERANCE
    tls: bool = False
    tls_ca: str = ""
    tls_name: str = ""

    @model_validator(mode="after")
    def _tls_is_on(self) -> Self:
        if not self.tls and (self.tls_ca or self.tls_name):
            raise ValueError("tls_ca and tls_name mean nothing without tls = true")
        return self


class Pbx(_Section):
    """What the dialplan calls its parts."""

    trunk_contexts: Names = ["siaga112-incoming"]
    numbers: list[Name] = []
    region: Annotated[str, AfterValidator(regions.known)] = "ID"
    area_code: str = ""
    ivr_contexts: Names = ["siaga112-ivr"]
    hangup_contexts: list[Name] = ["app-blackhole"]
    queues: Names = ["siaga112"]
    queue_log: str = ""
    hidden: Literal["nobody", "judge"] = "nobody"

    @model_validator(mode="after")
    def _known_area(self) -> Self:
        NumberPlan(self.region, self.area_code)
        return self


class Agi(_Section):
    """Where the dialplan asks, and how long it may have to wait."""

    host: Host = "127.0.0.1"
    port: Port = 4573
    deadline_ms: Annotated[int, Field(ge=10, le=1500)] = 300


class Redis(_Section):
    """Where the block list and the ledger live."""

    url: Annotated[SecretStr, AfterValidator(_redis_url)] = SecretStr(EMBEDDED)
    stale_after: Annotated[Duration, AfterValidator(_staleness)] = 1_000


class Classifier(_Section):
    """Limits of the classification."""

    early_drop: Duration = 3_000


Share = Annotated[float, AfterValidator(_share)]


class Trust(_Section):
    """How far a number is believed: as how much of a misuse a call counts whose number may be forged."""

    unattested: Share = 1.0
    several_trunks: Share = 1.0


class Policy(_Section):
    """The preset, and the centre's own values in place of the preset's."""

    preset: str = "permenkominfo-2016"
    threshold: Thresholds | None = None
    window: Span | None = None
    counted: Weights | None = None
    temporary: Annotated[list[Span], BeforeValidator(_one_or_more)] | None = None
    repeat: Annotated[int, Field(ge=1)] | None = None
    permanent: Literal["automatic", "proposed", "never"] | None = None
    memory: Span | None = None
    burst: Duration | None = None
    warn_from: Annotated[int, Field(ge=0)] | None = None
    treatment: Annotated[dict[Level, Treatment], BeforeValidator(_both_levels)] | None = None
    blocks_per_hour: Annotated[int, Field(ge=0)] = 30
    cap_permanent: Annotated[int, Field(ge=0)] = 2
    protect: Duration = durations.parse("30d")
    trust: Trust = Trust()
    never_block: list[Annotated[str, AfterValidator(check_never_block)]] = []
    let_through: Duration = 0
    surge: bool = True

    @model_validator(mode="after")
    def _known_preset(self) -> Self:
        if self.preset not in PRESETS:
            raise ValueError(f'no preset "{self.preset}" (there are: {", ".join(PRESETS)})')
        return self

    @model_validator(mode="after")
    def _a_ladder(self) -> Self:
        if self.preset not in PRESETS:
            return self
        thresholds, steps = self.rules().thresholds, len(self.rules().temporary) + 1
        if list(thresholds) != sorted(set(thresholds)):
            raise ValueError("threshold: each step needs a higher threshold than the one before")
        if len(thresholds) > steps:
            raise ValueError(
                f"threshold: {len(thresholds)} thresholds for {steps} steps "
                "(the temporary ones, and the permanent one); lengthen temporary"
            )
        return self

    def rules(self) -> PolicyRules:
        """Give the regulation: the preset's, with the centre's own values in their place."""
        base = PRESETS[self.preset]
        own = {
            "thresholds": None if self.threshold is None else tuple(self.threshold),
            "window": self.window,
            "weights": self.counted,
            "temporary": None if self.temporary is None else tuple(self.temporary),
            "repeat": self.repeat,
            "permanent": self.permanent,
            "memory": self.memory,
            "burst": self.burst,
            "warn_from": self.warn_from,
            "treatment": None if self.treatment is None else {**base.treatment, **self.treatment},
        }
        changed: dict[str, Any] = {name: value for name, value in own.items() if value is not None}
        return replace(
            base,
            **changed,
            cap=self.blocks_per_hour,
            cap_permanent=self.cap_permanent,
            unattested=self.trust.unattested,
            several_trunks=self.trust.several_trunks,
            protect=self.protect,
            let_through=self.let_through,
        )


class ServiceLevel(_Section):
    """The promise to the public."""

    answer_within: Span = 10_000
    target: Annotated[float, Field(gt=0, le=1)] = 0.9


class Metrics(_Section):
    """Where Prometheus scrapes."""

    host: Host = "127.0.0.1"
    port: Port = 9112
    screen_port: Port = 9113
    runbook_url: Annotated[str, AfterValidator(_page)] = RUNBOOK_URL


class Privacy(_Section):
    """How long personal data is kept, and in what form (UU 27/2022)."""

    keep_calls: Span = durations.parse("400d")
    keep_strikes: Span = durations.parse("400d")
    keep_callbacks: Duration = durations.parse("7d")
    keep_audit: Span = durations.parse("1000d")
    caller_key: Annotated[SecretStr, AfterValidator(_caller_key)] = SecretStr("")


class Settings(_Section):
    """All of the configuration."""

    site: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")] = "siaga112"
    timezone: Annotated[str, AfterValidator(_zone)] = "Asia/Jakarta"
    mode: Mode = Mode.OBSERVE
    state_dir: Annotated[Path, BeforeValidator(_folder)] = Path("/var/lib/siaga112")
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
        return self.redis.url.get_secret_value() == EMBEDDED

    def dialplan(self) -> Dialplan:
        """Give what the tracker must know of the PBX."""
        return Dialplan(
            frozenset(self.pbx.trunk_contexts),
            frozenset(self.pbx.ivr_contexts),
            frozenset(self.pbx.numbers),
            numbers=self.number_plan(),
            hangup_contexts=frozenset(self.pbx.hangup_contexts),
            queues=frozenset(self.pbx.queues),
        )

    def policy_rules(self) -> PolicyRules:
        """Give the regulation with what other sections say of it."""
        return replace(
            self.policy.rules(),
            surge=self.service_level.answer_within if self.policy.surge else 0,
            keep=self.privacy.keep_strikes,
            keep_missed=self.privacy.keep_callbacks,
        )

    def number_plan(self) -> NumberPlan:
        """Give how numbers are read here, who is never blocked, and how callers are kept."""
        key = self.privacy.caller_key.get_secret_value().encode()
        return NumberPlan(
            self.pbx.region,
            self.pbx.area_code,
            tuple(self.policy.never_block),
            key,
            judge_hidden=self.pbx.hidden == "judge",
        )

    def classifier_rules(self) -> ClassifierRules:
        """Give the classifier's limits."""
        return ClassifierRules(early_drop=self.classifier.early_drop)

    def shift_plan(self) -> tuple[Shift, ...]:
        """Give the shifts of a day."""
        return tuple(Shift(name, begins) for name, begins in self.shifts.items())

    def differences(self, other: "Settings") -> list[str]:
        """Name the keys that have another value there, as `section.key`."""
        mine, theirs = _flat(self), _flat(other)
        return sorted(key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key))

    @staticmethod
    def reloadable(key: str) -> bool:
        """Say whether a key can change while the daemon runs."""
        return key.startswith(RELOADABLE)

    def with_reloadable(self, new: "Settings") -> "Settings":
        """Give these settings with what can change while the daemon runs taken from the new ones."""
        return self.model_copy(
            update={
                "mode": new.mode,
                "policy": new.policy,
                "classifier": new.classifier,
                "service_level": self.service_level.model_copy(
                    update={"answer_within": new.service_level.answer_within}
                ),
                "agi": self.agi.model_copy(update={"deadline_ms": new.agi.deadline_ms}),
            }
        )


def _flat(model: BaseModel) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            flat.update({f"{name}.{key}": inner for key, inner in _flat(value).items()})
        else:
            flat[name] = value
    return flat


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the configuration.

    The file is `path`, else `SIAGA112_CONFIG`, else `/etc/siaga112/siaga112.toml`; only the last may
    be absent (then the defaults hold).

    Raises:
        ConfigurationError: naming the key, what is wrong with it, and the remedy.

    """
    env = os.environ if environ is None else environ
    env = {**_credentials(env), **env}
    source = source_of(path, env)
    values = _read(source, optional=not path and not env.get("SIAGA112_CONFIG"))
    _overlay(values, env)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(_explain(error, source, env)) from error


def source_of(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """Give the file that `load` reads."""
    env = os.environ if environ is None else environ
    return path or Path(env.get("SIAGA112_CONFIG") or DEFAULT_PATH)


def _read(path: Path, *, optional: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(infile.read(path).decode("utf-8"))
    except OSError as error:
        if optional and isinstance(error, FileNotFoundError):
            return {}
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror}); name the file with --config or SIAGA112_CONFIG"
        ) from error
    except RecursionError as error:
        raise ConfigurationError(f"{path}: not valid TOML: nested too deep") from error
    except ValueError as error:  # TOML's own, no UTF-8, and Python's for a number of thousands of digits
        raise ConfigurationError(f"{path}: not valid TOML: {' '.join(str(error).split())[:200]}") from error


def _credentials(env: Mapping[str, str]) -> dict[str, str]:
    """Read the settings that the service manager hands over as files (systemd.exec(5), LoadCredential=)."""
    folder = env.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return {}
    given = {}
    for file in sorted(Path(folder).glob(f"{ENV_PREFIX}*")):
        try:
            given[file.name] = infile.read(file).decode("utf-8").rstrip("\n")
        except (OSError, ValueError) as error:
            why = plainly(error) or "not UTF-8 text"
            raise ConfigurationError(f"{file}: a credential cannot be read ({why})") from error
    return given


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
        except (ValueError, RecursionError):
            return text
    return text


def _explain(error: ValidationError, source: Path, env: Mapping[str, str]) -> str:
    """Say what is wrong, after the name of what it is wrong in."""
    lines: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False):
        where = [str(part) for part in problem["loc"] if not str(part).startswith("function-")]
        key = ".".join(where) or "the file"
        if problem["type"] == "extra_forbidden":
            nearest = difflib.get_close_matches(where[-1], _known(where[:-1]), n=1, cutoff=0.5)
            hint = (
                f', did you mean "{nearest[0]}"?' if nearest else f" (known: {', '.join(_known(where[:-1]))})"
            )
            line = f'unknown key "{key}"{hint}'
        else:
            line = f"{key}: {problem['msg'].removeprefix('Value error, ')}"
        lines.setdefault(_given_by(where, env) or str(source), []).append(line)
    return "; ".join(f"{place}: {'; '.join(told)}" for place, told in lines.items())


def _given_by(where: list[str], env: Mapping[str, str]) -> str:
    """Name the variable that gave this key, or the section that it is in as a whole; '' if none did."""
    names = [ENV_PREFIX + "__".join(where[:depth]).upper() for depth in range(len(where), 0, -1)]
    exact = [name for name in names if name in env]
    within = [name for name in env if names and name.startswith(f"{names[0]}__")]
    return f"{[*exact, *within][0]} in the environment" if exact or within else ""


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
