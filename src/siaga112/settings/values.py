"""Types of configuration values, and the error messages for invalid ones."""

import base64
import ipaddress
import json
import re
from datetime import time
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, SecretStr

from siaga112.adapters.redis import url as redis_url
from siaga112.core import durations
from siaga112.core.caller_id import NumberPlan, check_never_block
from siaga112.core.model import DAY, SECOND, Level, Millis, Treatment
from siaga112.core.regulation import COUNTABLE

EMBEDDED: Final = "embedded"
"""The `url` of [redis] and [database] for a private instance in the state directory."""

LEAST_SHARE: Final = 0.1
"""The smallest non-zero share. With a smaller one, a record would need too many strikes for a block."""

CALLER_KEY_LENGTH: Final = 16

CONFIRM: Final = "confirm"
"""The key of [operators] that is not an operator: how a mark is confirmed to the operator."""

SIGNING: Final = "whsec_"
"""The prefix of a signing secret (Standard Webhooks)."""

LEAST_SIGNING: Final = 24
MOST_SIGNING: Final = 64
_SIGNING_MADE: Final = 'generate one with: echo "whsec_$(openssl rand -base64 32)"'

BEEPS: Final = "beeps"
VOICE: Final = "voice"


def _duration(value: object) -> Millis:
    if not isinstance(value, str):
        raise ValueError('not a duration (write it like "24h")')  # noqa: TRY004 - pydantic wants ValueError
    return durations.parse(value)


def _some_time(value: Millis) -> Millis:
    if not value:
        raise ValueError("must be longer than 0")
    return value


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str | int) else value


def _weights(value: object) -> object:
    """Parse a list as weights of 1 each, and add the default weights.

    By default, the mark `prank` counts, and a call that the PBX ended in the menu does not.
    """
    if isinstance(value, list):
        value = dict.fromkeys(value, 1)
    if not isinstance(value, dict):
        return value
    for name in value:
        if name not in COUNTABLE:
            raise ValueError(f'"{name}" can never count as misuse (can: {", ".join(sorted(COUNTABLE))})')
    return {"prank": 1, "invalid_choice": 0, "no_choice": 0, **value}


def _operators(value: dict[str, str]) -> dict[str, str]:
    if value.get(CONFIRM, BEEPS) not in {BEEPS, VOICE}:
        raise ValueError(f'confirm must be "{BEEPS}" or "{VOICE}"')
    return value


def _recording_url(value: str) -> str:
    if value and (not re.fullmatch(r"https?://[^\s\"'{}]*\{file\}[^\s\"'{}]*", value)):
        raise ValueError('not a URL with {file} in it (like "https://pbx.example/recordings/{file}")')
    return value


def _both_levels(value: object) -> object:
    return dict.fromkeys(Level, value) if isinstance(value, str) else value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a folder, or too long a name
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
        raise ValueError("must not be empty")
    return value


def _host(value: str) -> str:
    try:
        value.encode("idna")
    except UnicodeError as error:
        raise ValueError(f'not a host: "{value}"') from error
    if not value:
        raise ValueError("must not be empty")
    return value


def _page(value: str) -> str:
    if not re.fullmatch(r"(https?|file)://[^\s#\"'{}]+", value):
        raise ValueError(
            f'"{value}" is not the full URL of a page without "#" (like '
            '"https://wiki.example/siaga112/runbook")'
        )
    return value


def _caller_key(value: SecretStr) -> SecretStr:
    if 0 < len(value) < CALLER_KEY_LENGTH:
        raise ValueError(
            f"must have at least {CALLER_KEY_LENGTH} characters; generate a key with: openssl rand -hex 32"
        )
    return value


def _redis_url(value: SecretStr) -> SecretStr:
    if value.get_secret_value() != EMBEDDED:
        redis_url.parse(value.get_secret_value())
    return value


def _database_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if url != EMBEDDED and not re.fullmatch(r"postgresql://([^\s@]*@)?[^\s@/]*/[^\s@/?]+(\?\S*)?", url):
        raise ValueError(
            'must be "embedded" or postgresql://USER:PASSWORD@HOST/NAME; write @ in the password as %40'
        )
    return value


def masked_database(url: str) -> str:
    """Return a database URL with its password masked, both before the host and in the query string.

    A password ends at the first @, as in SQLAlchemy, and may contain /, # and ?.
    """
    url = re.sub(r"://([^:/@]*):[^@]*@", r"://\1:***@", url)
    return re.sub(r"([?&][^=&]*password=)[^&]*", r"\1***", url)


def _staleness(value: Millis) -> Millis:
    if 0 < value < SECOND or value > DAY:
        raise ValueError('must be "0s" (every verdict asks Redis), or between "1s" and "1d"')
    return value


def _share(value: float) -> float:
    if value and not LEAST_SHARE <= value <= 1:
        raise ValueError(f"must be 0, or between {LEAST_SHARE} and 1")
    return value


def _clocks_apart(value: Millis) -> Millis:
    if not 60 * SECOND <= value <= DAY:
        raise ValueError('must be between "1m" and "1d"')
    return value


def _region(value: str) -> str:
    try:
        return NumberPlan(value.upper()).region
    except ValueError:
        raise ValueError(f'no such region: "{value[:80]}" (an ISO 3166 code, like "ID")') from None


def _web_address(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^\s/?#\"'{}@]+", value):
        raise ValueError('not the URL that browsers use, without a path (like "https://siaga.serang.go.id")')
    return value


def _hook(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#\"'{}@]+(/[^\s#\"'{}]*)?", value):
        raise ValueError('not a URL without user, password and # (like "https://dispatch.example/hooks/112")')
    return value


def _signing_secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().removeprefix(SIGNING)
    try:
        made = base64.b64decode(text, validate=True)
    except ValueError:
        made = b""
    if not LEAST_SIGNING <= len(made) <= MOST_SIGNING:
        raise ValueError(
            f"must be whsec_ and {LEAST_SIGNING} to {MOST_SIGNING} bytes in base64; {_SIGNING_MADE}"
        )
    return value


def _proxy(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError(f'not an address or a network: "{value[:80]}" (like "127.0.0.1")') from None


Duration = Annotated[Millis, BeforeValidator(_duration), PlainSerializer(durations.spell)]
Span = Annotated[Duration, AfterValidator(_some_time)]
ClockTolerance = Annotated[Duration, AfterValidator(_clocks_apart)]
Staleness = Annotated[Duration, AfterValidator(_staleness)]
Clock = Annotated[time, BeforeValidator(_clock), PlainSerializer(lambda at: f"{at:%H:%M}")]
Zone = Annotated[str, AfterValidator(_zone)]
Region = Annotated[str, AfterValidator(_region)]
Name = Annotated[str, Field(min_length=1)]
Label = Annotated[str, Field(min_length=1, max_length=80)]
Labels = Annotated[list[Label], Field(max_length=100)]
Operators = Annotated[dict[Label, Label], Field(max_length=1_000), AfterValidator(_operators)]
RecordingUrl = Annotated[str, AfterValidator(_recording_url)]
Names = Annotated[list[Name], Field(min_length=1)]
Host = Annotated[str, AfterValidator(_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
Folder = Annotated[Path, BeforeValidator(_folder)]
PageUrl = Annotated[str, AfterValidator(_page)]
DatabaseAddress = Annotated[SecretStr, AfterValidator(_database_url)]
RedisAddress = Annotated[SecretStr, AfterValidator(_redis_url)]
CallerKey = Annotated[SecretStr, AfterValidator(_caller_key)]
Share = Annotated[float, AfterValidator(_share)]
Thresholds = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1), BeforeValidator(_one_or_more)]
Spans = Annotated[list[Span], BeforeValidator(_one_or_more)]
Weights = Annotated[dict[str, Annotated[float, Field(ge=0, le=100)]], BeforeValidator(_weights)]
Treatments = Annotated[dict[Level, Treatment], BeforeValidator(_both_levels)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Hook = Annotated[str, AfterValidator(_hook)]
SigningSecret = Annotated[SecretStr, AfterValidator(_signing_secret)]
Proxy = Annotated[str, AfterValidator(_proxy)]
NeverBlock = Annotated[str, AfterValidator(check_never_block)]
