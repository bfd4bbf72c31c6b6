"""What of the configuration a running daemon has in force, told by a digest of each key."""

import hashlib
import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from pydantic import SecretStr

from siaga112.settings.schema import Settings


class Changed(NamedTuple):
    """Keys whose values in the file are not those that a daemon runs with."""

    reload: tuple[str, ...]
    """What SIGHUP takes over."""
    restart: tuple[str, ...]


_CONSOLE: Final = ("console.", "events.", "citizen.office", "citizen.contact")
"""What only the console goes by, which is a process of its own and tells itself what it runs with."""


def digests(settings: Settings, *, console: bool = True) -> dict[str, str]:
    """Give a digest of each key's value, as `section.key`: values can be compared, and not read.

    `console`: with what only the console goes by.
    """
    return {
        key: hashlib.sha256(json.dumps(value, default=_spelled, sort_keys=True).encode()).hexdigest()[:32]
        for key, value in settings.by_key().items()
        if console or not key.startswith(_CONSOLE)
    }


def _spelled(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def changed(running: Mapping[str, str], settings: Settings) -> Changed:
    """Compare what a daemon runs with to what the configuration says now.

    A key that only one of them has is told too: then the daemon is of another version of the program.
    """
    now = digests(settings)
    console = any(key.startswith(_CONSOLE) for key in running)
    known = {key for key in now.keys() | running.keys() if console or not key.startswith(_CONSOLE)}
    keys = sorted(key for key in known if now.get(key) != running.get(key))
    return Changed(
        tuple(key for key in keys if Settings.reloadable(key)),
        tuple(key for key in keys if not Settings.reloadable(key)),
    )
