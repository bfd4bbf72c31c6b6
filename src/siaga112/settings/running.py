"""Digests of a running daemon's configuration, to compare it with the configuration file."""

import hashlib
import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from pydantic import SecretStr

from siaga112.settings.schema import Settings


class Changed(NamedTuple):
    """Keys with different values in the file and in the running daemon."""

    reload: tuple[str, ...]
    """Keys that take effect with SIGHUP."""
    restart: tuple[str, ...]
    """Keys that need a restart."""


_CONSOLE: Final = ("console.", "events.", "citizen.office", "citizen.contact")
"""Keys that only the console uses, which may be a separate process with digests of its own."""


def digests(settings: Settings, *, console: bool = True) -> dict[str, str]:
    """Return a digest of each value by `section.key`, so that values can be compared but not read.

    `console`: whether to include the keys that only the console uses.
    """
    return {
        key: hashlib.sha256(json.dumps(value, default=_spelled, sort_keys=True).encode()).hexdigest()[:32]
        for key, value in settings.by_key().items()
        if console or not key.startswith(_CONSOLE)
    }


def _spelled(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def changed(running: Mapping[str, str], settings: Settings) -> Changed:
    """Compare a daemon's digests with the current configuration.

    A key that only one of them has counts as changed: the daemon then runs another version of the program.
    """
    now = digests(settings)
    console = any(key.startswith(_CONSOLE) for key in running)
    known = {key for key in now.keys() | running.keys() if console or not key.startswith(_CONSOLE)}
    keys = sorted(key for key in known if now.get(key) != running.get(key))
    return Changed(
        tuple(key for key in keys if Settings.reloadable(key)),
        tuple(key for key in keys if not Settings.reloadable(key)),
    )
