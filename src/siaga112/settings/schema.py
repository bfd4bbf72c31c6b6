"""The schema of the configuration: its sections, keys and defaults.

The defaults are the same as in `config/siaga112.toml`; a test compares them.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import time
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from siaga112.core import durations
from siaga112.core.announcements import EventType
from siaga112.core.caller_id import NumberPlan, ends_of, neighbours, numbers_in
from siaga112.core.model import SECOND, TOLERANCE, Caller, Mode
from siaga112.core.names import Names as Staff
from siaga112.core.outcome import ClassifierRules
from siaga112.core.regulation import PRESETS, PolicyRules
from siaga112.core.rules import Dialplan, Rules
from siaga112.core.shifts import Shift
from siaga112.settings.values import (
    BEEPS,
    CONFIRM,
    EMBEDDED,
    CallerKey,
    Clock,
    ClockTolerance,
    DatabaseAddress,
    Duration,
    Folder,
    Hook,
    Host,
    Label,
    Labels,
    Name,
    Names,
    NeverBlock,
    Operators,
    PageUrl,
    Port,
    Proxy,
    RecordingUrl,
    RedisAddress,
    Region,
    Share,
    SigningSecret,
    Span,
    Spans,
    Staleness,
    Thresholds,
    Treatments,
    WebAddress,
    Weights,
    Zone,
)
from siaga112.words import Language

RUNBOOK_URL: Final = "file:///usr/share/doc/siaga112/runbook.md"
"""The runbook's URL in the alerts that we ship: the place to which `siaga112 files doc` copies it."""

RELOADABLE: Final = frozenset(
    {
        *("mode", "policy", "classifier", "agi.deadline_ms", "service_level.answer_within"),
        *("operators", "agencies", "kinds", "districts", "pbx.recording_url"),
    }
)
"""The sections and keys that take effect with SIGHUP. All others need a restart."""


def _of_sections(kind: Any) -> bool:
    """Return whether a key is a section or a table of sections, which validate their own values."""
    inner = get_args(kind)[-1] if get_origin(kind) is dict else kind
    return isinstance(inner, type) and issubclass(inner, BaseModel)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _meant(cls, value: object, info: ValidationInfo) -> object:
        """Reject values that pydantic would accept but nobody intends: true for 1, invisible characters."""
        kind = cls.model_fields[info.field_name or ""].annotation
        parts = [] if _of_sections(kind) else [value]
        while parts:
            part = parts.pop()
            if isinstance(part, bool) and kind is not bool:
                raise ValueError("must not be true or false")
            if isinstance(part, str) and (hidden := [letter for letter in part if not letter.isprintable()]):
                raise ValueError(f"contains an invisible character (U+{ord(hidden[0]):04X})")
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
    clock_tolerance: ClockTolerance = TOLERANCE
    tls: bool = False
    tls_ca: str = ""
    tls_name: str = ""

    @model_validator(mode="after")
    def _tls_is_on(self) -> Self:
        if not self.tls and (self.tls_ca or self.tls_name):
            raise ValueError("tls_ca and tls_name have no effect without tls = true")
        return self


class Pbx(_Section):
    """The names in the PBX's dialplan."""

    trunk_contexts: Names = ["siaga112-incoming"]
    numbers: list[Name] = []
    region: Region = "ID"
    area_code: str = ""
    ivr_contexts: Names = ["siaga112-ivr"]
    hangup_contexts: list[Name] = ["app-blackhole"]
    queues: Names = ["siaga112"]
    queue_log: str = ""
    recording_url: RecordingUrl = ""
    hidden: Literal["nobody", "judge"] = "nobody"

    @model_validator(mode="after")
    def _known_area(self) -> Self:
        NumberPlan(self.region, self.area_code)
        return self


class Agi(_Section):
    """Where the FastAGI server listens, and how long a verdict may take."""

    host: Host = "127.0.0.1"
    port: Port = 4573
    deadline_ms: Annotated[int, Field(ge=10, le=900)] = 300


class Database(_Section):
    """Where the records are stored: calls, strikes, blocks, marks, the audit trail."""

    url: DatabaseAddress = SecretStr(EMBEDDED)


class Redis(_Section):
    """Where the block list is stored. Verdicts use it; it is built from the records."""

    url: RedisAddress = SecretStr(EMBEDDED)
    stale_after: Staleness = 1_000


class Classifier(_Section):
    """Limits of the classification."""

    early_drop: Duration = 3_000


class Trust(_Section):
    """How much calls count whose number may be forged: factors from 0 to 1.

    `burst`: calls over several trunks within this time of each other do not count.
    """

    unattested: Share = 1.0
    several_trunks: Share = 1.0
    burst: Duration = durations.parse("10m")


class Policy(_Section):
    """The preset, and the centre's own values that replace the preset's."""

    preset: str = "permenkominfo-2016"
    threshold: Thresholds | None = None
    window: Span | None = None
    counted: Weights | None = None
    temporary: Spans | None = None
    repeat: Annotated[int, Field(ge=1)] | None = None
    permanent: Literal["automatic", "proposed", "never"] | None = None
    memory: Span | None = None
    burst: Duration | None = None
    warn_from: Annotated[int, Field(ge=0)] | None = None
    treatment: Treatments | None = None
    blocks_per_hour: Annotated[int, Field(ge=0)] = 30
    cap_permanent: Annotated[int, Field(ge=0)] = 2
    protect: Duration = durations.parse("30d")
    trust: Trust = Trust()
    never_block: list[NeverBlock] = []
    let_through: Duration = 0
    surge: bool = True

    @model_validator(mode="after")
    def _known_preset(self) -> Self:
        if self.preset not in PRESETS:
            raise ValueError(f'unknown preset "{self.preset}" (known: {", ".join(PRESETS)})')
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
        """Return the preset's rules with the centre's own values."""
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
            trunk_burst=self.trust.burst,
            protect=self.protect,
            let_through=self.let_through,
        )


class ServiceLevel(_Section):
    """The promise to the public."""

    answer_within: Span = 10_000
    target: Annotated[float, Field(gt=0, le=1)] = 0.9


class Console(_Section):
    """The console and the API."""

    host: Host = "127.0.0.1"
    port: Port = 8112
    lang: Language = Language.EN
    address: WebAddress = ""
    trusted_proxies: list[Proxy] = []
    tls_cert: str = ""
    tls_key: str = ""
    session: Span = durations.parse("12h")

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if bool(self.tls_cert) is not bool(self.tls_key):
            raise ValueError("set both tls_cert and tls_key, or neither and leave TLS to a proxy")
        return self


class Webhook(_Section):
    """A program that receives events."""

    url: Hook
    secret: SigningSecret
    types: list[EventType] = []
    numbers: bool = False
    private: bool = False


class Events(_Section):
    """Who receives events."""

    webhooks: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")], Webhook] = {}


class Citizen(_Section):
    """Citizens' rights: who runs the line, where to appeal, and when permanent blocks are reviewed.

    `review` and `review_quiet`: None for the preset's value, 0 for never.
    """

    office: Annotated[str, Field(max_length=200)] = ""
    contact: Annotated[str, Field(max_length=200)] = ""
    appeal_within: Span = durations.parse("72h")
    suspend_on_appeal: bool = False
    review: Duration | None = None
    review_quiet: Duration | None = None


class Metrics(_Section):
    """Where Prometheus scrapes."""

    host: Host = "127.0.0.1"
    port: Port = 9112
    screen_port: Port = 9113
    runbook_url: PageUrl = RUNBOOK_URL


class Privacy(_Section):
    """How long personal data is kept, and in what form (UU 27/2022)."""

    keep_calls: Span = durations.parse("400d")
    keep_strikes: Span = durations.parse("400d")
    keep_callbacks: Duration = durations.parse("7d")
    keep_audit: Span = durations.parse("1000d")
    caller_key: CallerKey = SecretStr("")


class Settings(_Section):
    """The whole configuration."""

    site: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")] = "siaga112"
    timezone: Zone = "Asia/Jakarta"
    mode: Mode = Mode.OBSERVE
    state_dir: Folder = Path("/var/lib/siaga112")
    kinds: Labels = ["fire", "medical", "police", "accident", "disaster", "other"]
    districts: Labels = []
    ami: Ami = Ami()
    pbx: Pbx = Pbx()
    agi: Agi = Agi()
    redis: Redis = Redis()
    database: Database = Database()
    classifier: Classifier = Classifier()
    policy: Policy = Policy()
    service_level: ServiceLevel = ServiceLevel()
    shifts: dict[str, Clock] = {
        "morning": time(7),
        "afternoon": time(14),
        "night": time(21),
    }
    operators: Operators = {}
    agencies: dict[Label, Label] = {}
    console: Console = Console()
    events: Events = Events()
    citizen: Citizen = Citizen()
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

    @property
    def embedded_database(self) -> bool:
        """Whether the database is our own file in the state directory."""
        return self.database.url.get_secret_value() == EMBEDDED

    def dialplan(self) -> Dialplan:
        """Return what the tracker must know about the dialplan."""
        return Dialplan(
            frozenset(self.pbx.trunk_contexts),
            frozenset(self.pbx.ivr_contexts),
            frozenset(self.pbx.numbers),
            numbers=self.number_plan(),
            hangup_contexts=frozenset(self.pbx.hangup_contexts),
            queues=frozenset(self.pbx.queues),
        )

    def policy_rules(self) -> PolicyRules:
        """Return the policy rules, including the values from other sections."""
        base, citizen = self.policy.rules(), self.citizen
        return replace(
            base,
            appeal_within=citizen.appeal_within,
            suspend_on_appeal=citizen.suspend_on_appeal,
            review=base.review if citizen.review is None else citizen.review,
            review_quiet=base.review_quiet if citizen.review_quiet is None else citizen.review_quiet,
            surge=self.service_level.answer_within if self.policy.surge else 0,
            keep=self.privacy.keep_strikes,
            keep_missed=self.privacy.keep_callbacks,
        )

    def number_plan(self) -> NumberPlan:
        """Return how numbers are parsed, which are never blocked, and how callers are stored."""
        key = self.privacy.caller_key.get_secret_value().encode()
        return NumberPlan(
            self.pbx.region,
            self.pbx.area_code,
            tuple(self.policy.never_block),
            key,
            judge_hidden=self.pbx.hidden == "judge",
        )

    def service_numbers(self) -> dict[Caller, str]:
        """Return every number in the range of a configured service number, with that number's name.

        Service numbers are the agencies' numbers, our own, those in `never_block`, and the citizens' contact.
        """
        return dict(_service_numbers(self._named(), self.number_plan()))

    def _named(self) -> tuple[tuple[str, str], ...]:
        never = [(number, "never_block") for entry in self.policy.never_block for number in ends_of(entry)]
        contact = [
            (number, "[citizen] contact") for number in numbers_in(self.citizen.contact, self.number_plan())
        ]
        ours = [(number, "[pbx] numbers") for number in self.pbx.numbers]
        return (*never, *contact, *ours, *self.agencies.items())

    def classifier_rules(self) -> ClassifierRules:
        """Return the classifier's limits."""
        return ClassifierRules(early_drop=self.classifier.early_drop)

    def rules(self) -> Rules:
        """Return all rules of the centre."""
        return Rules(
            self.dialplan(),
            self.classifier_rules(),
            self.policy_rules(),
            self.service_level.answer_within,
            self.agi.deadline_ms / SECOND,
            self.names(),
        )

    def names(self) -> Staff:
        """Return the names of operators and agencies."""
        people = {seen: person for seen, person in self.operators.items() if seen != CONFIRM}
        return Staff(people, self.agencies)

    @property
    def confirm(self) -> str:
        """How a mark is confirmed to the operator: by beeps or by voice."""
        return self.operators.get(CONFIRM, BEEPS)

    def shift_plan(self) -> tuple[Shift, ...]:
        """Return the shifts of a day."""
        return tuple(Shift(name, begins) for name, begins in self.shifts.items())

    def by_key(self) -> dict[str, object]:
        """Return all values by `section.key`."""
        return _flat(self)

    def differences(self, other: "Settings") -> list[str]:
        """Return the keys with different values, as `section.key`, sorted."""
        mine, theirs = self.by_key(), other.by_key()
        return sorted(key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key))

    @staticmethod
    def reloadable(key: str) -> bool:
        """Return whether a key can change while the daemon runs."""
        return key in RELOADABLE or key.partition(".")[0] in RELOADABLE

    def with_reloadable(self, new: "Settings") -> "Settings":
        """Return these settings with the reloadable values taken from `new`."""
        return _with_reloadable(self, new, "")


@lru_cache(maxsize=4)  # a hundred numbers per name; with a caller key, that many hashes
def _service_numbers(named: tuple[tuple[str, str], ...], plan: NumberPlan) -> Mapping[Caller, str]:
    return {one: f"{name}: {number}" for number, name in named for one in neighbours(number, plan)}


_Model = TypeVar("_Model", bound=BaseModel)


def _with_reloadable(mine: _Model, new: _Model, section: str) -> _Model:
    update = {}
    for name in type(mine).model_fields:
        old, taken = getattr(mine, name), getattr(new, name)
        if Settings.reloadable(f"{section}{name}"):
            update[name] = taken
        elif isinstance(old, BaseModel):
            update[name] = _with_reloadable(old, taken, f"{section}{name}.")
    return mine.model_copy(update=update)


def _flat(model: BaseModel) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            flat.update({f"{name}.{key}": inner for key, inner in _flat(value).items()})
        else:
            flat[name] = value
    return flat
